//! How to come to an API server: a pod's account, and kubeconfigs as kubectl, kubeadm and Rancher write them.

use monitor::hosts::kubernetes::{Place, access::Access};
use std::path::Path;

/// `hello` in base64.
const HELLO: &str = "aGVsbG8=";

fn read(folder: &Path, config: &str, context: Option<&str>) -> Result<Access, String> {
    let path = folder.join("config");
    std::fs::write(&path, config).unwrap();
    let place = Place::Kubeconfig { path, context: context.map(ToOwned::to_owned) };
    place.read().map_err(|error| error.to_string())
}

fn config(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\npreferences: {{}}\ncurrent-context: here\ncontexts:\n- name: here\n  context: \
         {{cluster: c, user: u, namespace: default}}\n- name: there\n  context: {{cluster: d, user: u}}\nclusters:\n\
         - name: c\n  cluster: {{server: 'https://10.0.0.1:6443/', {cluster}}}\n- name: d\n  cluster: {{server: \
         'https://rancher/k8s/clusters/c-1'}}\nusers:\n- name: u\n  user: {{{user}}}\n"
    )
}

#[test]
fn a_pod_comes_by_its_account() {
    let folder = tempfile::tempdir().unwrap();
    let account = folder.path().to_owned();
    std::fs::write(account.join("ca.crt"), "CA").unwrap();
    std::fs::write(account.join("token"), "first\n").unwrap();
    let place =
        |host: &str| Place::Pod { host: host.into(), port: "443".into(), account: account.clone() };
    let access = place("10.96.0.1").read().unwrap();
    assert_eq!(access.server, "https://10.96.0.1:443");
    assert_eq!(access.tls.trusted.as_deref(), Some(&b"CA"[..]));
    assert_eq!(access.token.unwrap().expose(), "first");
    // Kubelet renews it.
    std::fs::write(account.join("token"), "second").unwrap();
    let access = place("fd00::1").read().unwrap();
    assert_eq!(access.server, "https://[fd00::1]:443");
    assert_eq!(access.token.unwrap().expose(), "second");
    std::fs::write(account.join("token"), " ").unwrap();
    let why = place("10.96.0.1").read().unwrap_err().to_string();
    assert!(why.ends_with("token: it is empty, and should hold a token"), "{why}");
}

#[test]
fn a_kubeconfig_gives_certificates_within_it_or_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("ca.pem", "CA"), ("me.pem", "ME"), ("key.pem", "KEY")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let beside =
        config("certificate-authority: ca.pem", "client-certificate: me.pem, client-key: key.pem");
    let access = read(folder.path(), &beside, None).unwrap();
    assert_eq!(access.server, "https://10.0.0.1:6443");
    assert_eq!(access.tls.trusted.as_deref(), Some(&b"CA"[..]));
    assert_eq!(access.tls.identity.as_deref(), Some(&b"ME\nKEY"[..]));
    assert!(access.token.is_none() && !access.insecure);
    let within = config(
        &format!("certificate-authority-data: {HELLO}, certificate-authority: nowhere"),
        &format!("client-certificate-data: {HELLO}, client-key-data: {HELLO}"),
    );
    let access = read(folder.path(), &within, None).unwrap();
    assert_eq!(access.tls.trusted.as_deref(), Some(&b"hello"[..]));
    assert_eq!(access.tls.identity.as_deref(), Some(&b"hello\nhello"[..]));
}

#[test]
fn a_kubeconfig_gives_a_token_and_has_contexts() {
    let folder = tempfile::tempdir().unwrap();
    let text = config("insecure-skip-tls-verify: true", "token: hush");
    let access = read(folder.path(), &text, None).unwrap();
    assert!(access.insecure);
    assert_eq!(access.token.as_ref().unwrap().expose(), "hush");
    assert!(!format!("{access:?}").contains("hush"));
    let access = read(folder.path(), &text, Some("there")).unwrap();
    assert_eq!(
        (access.server.as_str(), access.insecure),
        ("https://rancher/k8s/clusters/c-1", false)
    );
    std::fs::write(folder.path().join("tok"), "filed\n").unwrap();
    let access = read(folder.path(), &config("", "tokenFile: tok"), None).unwrap();
    assert_eq!(access.token.unwrap().expose(), "filed");
}

#[test]
fn what_a_kubeconfig_says_and_we_cannot_do_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (text, context, expected) in [
        (
            config("", "exec: {command: aws}"),
            None,
            "the user has a program that logs in (exec): make a token",
        ),
        (config("", "auth-provider: {name: gcp}"), None, "the user has an auth-provider"),
        (config("", "username: me, password: hush"), None, "the user has a password"),
        (config("tls-server-name: x", ""), None, "the cluster has tls-server-name"),
        (config("proxy-url: http://p", ""), None, "the cluster has proxy-url"),
        (config("", "client-certificate: config"), None, "one is missing"),
        (
            config("certificate-authority-data: '%'", ""),
            None,
            "certificate-authority-data is not base64",
        ),
        (config("certificate-authority: gone.pem", ""), None, "gone.pem cannot be read"),
        (config("", ""), Some("nowhere"), "it has no context \"nowhere\""),
        (config("", "").replace("cluster: c,", "cluster: e,"), None, "it has no cluster \"e\""),
        (config("", "").replace("current-context: here", ""), None, "it has no current-context"),
        (config("", "").replace("https://10", "ftp://10"), None, "is no URL of http or https"),
        ("- a\n".into(), None, "it is no kubeconfig"),
    ] {
        let why = read(folder.path(), &text, context).unwrap_err();
        assert!(why.contains(expected), "{why}\n{text}");
        assert!(!why.contains("hush"), "{why}");
    }
}
