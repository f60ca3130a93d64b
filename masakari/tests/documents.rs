//! What docs/configure.md says, done with the shipped program: its commands, and what it promises of what stands before
//! the API.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "what is tested is a program, in real time")]

use bytes::Bytes;
use ports::{Answer, Ask, HttpClient, HttpClientConfig, Transport};
use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_masakari");
const CONFIGURE: &str = include_str!("../../docs/configure.md");
/// What an operator must fill into the sample.
const FILLED_IN: &str = "[keystone_authtoken]\nauth_url = http://127.0.0.1:5000\nusername = m\n\
    password = p\n[DEFAULT]\nos_privileged_user_auth_url = http://127.0.0.1:5000\n";

/// Does a line of the document in `folder`, as a shell does it.
fn shell(folder: &Path, line: &str) -> Output {
    let programs = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(folder).env("HOME", folder).env("PATH", path);
    shell.output().unwrap()
}

/// The document's commands, and its lines of a configuration file.
fn examples() -> (Vec<&'static str>, Vec<&'static str>) {
    let indented = CONFIGURE.lines().filter_map(|line| line.strip_prefix("    ")).map(str::trim);
    indented.partition(|line| line.starts_with("masakari "))
}

#[test]
fn the_settings_of_the_document_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("ticket.secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let (_, settings) = examples();
    assert!(settings.len() >= 4, "{settings:?}");
    let settings = settings.join("\n").replace("/usr/local/sbin/power-off", "/bin/true");
    let settings = settings.replace("/etc/masakari/ticket.secret", secret.to_str().unwrap());
    let connection = format!("[database]\nconnection = sqlite:///{}/m.db", folder.path().display());
    let file = folder.path().join("masakari.conf");
    std::fs::write(file, format!("{FILLED_IN}{connection}\n{settings}\n")).unwrap();
    let output = shell(folder.path(), "masakari config check masakari.conf");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_commands_of_the_document_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, _) = examples();
    assert!(lines.len() >= 6, "{lines:?}");
    for line in lines {
        let output = shell(folder.path(), line);
        assert!(output.status.success(), "{line}: {output:?}");
        let made = folder.path().join("masakari.conf");
        if line.starts_with("masakari config sample") {
            let sample = std::fs::read_to_string(&made).unwrap();
            let output = shell(folder.path(), "masakari config check masakari.conf");
            assert_eq!(output.status.code(), Some(1), "a sample alone starts nothing: {output:?}");
            std::fs::write(made, format!("{FILLED_IN}{sample}")).unwrap();
        }
    }
    let rules = std::fs::read_to_string(folder.path().join("policy.yaml")).unwrap();
    assert!(rules.contains("os_masakari_api:segments:index"), "{rules}");
}

/// A process, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// `masakari api` with the sections in `settings`, and where it listens.
fn serve(folder: &Path, settings: &str) -> (Running, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!(
        "[DEFAULT]\nstate_path = {}\nauth_strategy = noauth2\nmasakari_api_listen = 127.0.0.1\n\
         masakari_api_listen_port = {port}\nos_privileged_user_auth_url = http://127.0.0.1:9/v3\n{settings}",
        folder.display(),
    );
    let file = folder.join("masakari.conf");
    std::fs::write(&file, text).unwrap();
    let synced = shell(folder, "masakari manage --config-file masakari.conf db sync");
    assert!(synced.status.success(), "{synced:?}");
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["api", "--config-file", file.to_str().unwrap()]).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let mut running = Running(command.spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let said = || std::fs::read_to_string(folder.join("log")).unwrap();
        assert_eq!(running.0.try_wait().unwrap(), None, "{}", said());
        assert!(Instant::now() < until, "the API listens: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    (running, port)
}

async fn get(port: u16, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut ask = http::Request::get(format!("https://127.0.0.1:{port}{path}"));
    for (name, value) in headers {
        ask = ask.header(*name, *value);
    }
    send(ask.body(Bytes::new()).unwrap()).await
}

async fn post(port: u16, path: &str, body: String) -> Answer {
    let ask = http::Request::post(format!("https://127.0.0.1:{port}{path}"));
    send(ask.header("content-type", "application/json").body(body.into()).unwrap()).await
}

async fn send(ask: Ask) -> Answer {
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/tests/tls/ca.pem");
    let client = HttpClient::new(&HttpClientConfig {
        ca_file: Some(authority.into()),
        insecure: false,
        connect_timeout: Duration::from_secs(5),
        ..HttpClientConfig::default()
    });
    client.unwrap().send(ask, Duration::from_secs(30)).await.unwrap()
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body().to_vec()).unwrap()
}

#[tokio::test]
async fn what_stands_before_the_api_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/tests/tls");
    let off = folder.path().join("off");
    let (_running, port) = serve(
        folder.path(),
        &format!(
            "use_ssl = true\n[ssl]\ncert_file = {tls}/server.pem\nkey_file = {tls}/server.key\n\
             [oslo_middleware]\nenable_proxy_headers_parsing = true\nmax_request_body_size = 100\n\
             [cors]\nallowed_origin = https://horizon.example.com\n\
             [healthcheck]\ndisable_by_file_path = {}\nignore_proxied_requests = true\n",
            off.display()
        ),
    );
    let plain = get(port, "/", &[]).await;
    assert!(text(&plain).contains(&format!("\"https://127.0.0.1:{port}/v1/\"")), "{plain:?}");
    let proxy = [("x-forwarded-host", "api.example.com"), ("x-forwarded-prefix", "/ha")];
    let proxied = get(port, "/", &proxy).await;
    assert!(text(&proxied).contains("\"https://api.example.com/ha/v1/\""), "{proxied:?}");

    let origin = [("origin", "https://horizon.example.com")];
    let seen = get(port, "/v1/segments", &origin).await;
    assert_eq!(seen.status(), 200, "{seen:?}");
    assert_eq!(seen.headers()["access-control-allow-origin"], origin[0].1);
    let stranger = get(port, "/v1/segments", &[("origin", "https://evil.example.com")]).await;
    assert!(!stranger.headers().contains_key("access-control-allow-origin"), "{stranger:?}");

    assert_eq!(get(port, "/healthcheck", &[]).await.status(), 200);
    assert_eq!(get(port, "/healthcheck", &proxy).await.status(), 404);
    std::fs::write(&off, "").unwrap();
    let disabled = get(port, "/healthcheck", &[("accept", "application/json")]).await;
    assert_eq!((disabled.status().as_u16(), disabled.body().is_empty()), (503, false));

    let large = post(port, "/v1/segments", "x".repeat(101)).await;
    assert_eq!(large.status(), 413, "{large:?}");
    let small = post(port, "/v1/segments", "x".repeat(100)).await;
    assert_eq!(small.status(), 400, "{small:?}");
}
