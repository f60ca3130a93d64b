//! `masakari fence`, as an operator uses it: the shipped program with files and a storage that answers.
#![cfg(test)]

use ports::{Exec, Program, SystemExec};
use std::{path::Path, time::Duration};

const DOCUMENT: &str = include_str!("../../docs/fencing.md");
/// A storage that is two programs of every machine, a BMC whose password is nowhere, and a person.
const DEVICES: &str = r#"
devices:
  shut: {kind: storage, block: [/bin/true], list: [/bin/echo, "192.0.2.1 never"]}
  bmc: {kind: redfish, address: 127.0.0.1, username: u, password: {environment: NO_SUCH_VARIABLE}}
  person: {kind: manual, say: pull the plug}
ladders:
  default: [shut, person]
  broken: [bmc, shut]
hosts:
  compute01: {addresses: [192.0.2.1]}
  compute02: {addresses: [192.0.2.2]}
"#;

async fn masakari(folder: &Path, words: &str) -> (Option<i32>, String) {
    let program = Program {
        path: env!("CARGO_BIN_EXE_masakari").into(),
        arguments: words
            .split(' ')
            .map(|word| word.replace("DIR", folder.to_str().unwrap()).into())
            .collect(),
        ..Program::default()
    };
    let finished = SystemExec.run(program, Duration::from_secs(30)).await.unwrap();
    let said = [finished.stdout, finished.stderr].concat();
    (finished.code, String::from_utf8(said).unwrap())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fencing.yaml");
    std::fs::write(&file, DEVICES).unwrap();
    let configuration = format!("[fencing]\ndevices_file = {}\n", file.display());
    std::fs::write(folder.path().join("masakari.conf"), configuration).unwrap();
    folder
}

#[tokio::test]
async fn a_file_is_checked_and_what_is_wrong_is_told_with_its_place() {
    let folder = folder();
    let sample =
        DOCUMENT.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let path = folder.path().join("sample.yaml");
    std::fs::write(&path, sample).unwrap();
    let (code, said) = masakari(folder.path(), "fence check DIR/sample.yaml").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("6 devices, 2 ladders, 2 hosts; nothing is wrong"), "{said}");
    std::fs::write(&path, sample.replacen("username", "usrename", 1)).unwrap();
    let (code, said) = masakari(folder.path(), "fence check DIR/sample.yaml").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(
            "sample.yaml:6:5: the device `bmc` has no field `usrename`; did you mean `username`?"
        ),
        "{said}"
    );
}

#[tokio::test]
async fn a_host_is_checked_and_looked_at_by_the_configured_file() {
    let folder = folder();
    let ask = |what: &str| format!("fence {what} --config-file DIR/masakari.conf");
    let (code, said) = masakari(folder.path(), &ask("status compute01")).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("1. shut (storage): off; which machine it controls was not compared"),
        "{said}"
    );
    assert!(said.contains("2. person (manual): a person would be told what to do"), "{said}");
    let (_, said) = masakari(folder.path(), &ask("status compute02")).await;
    assert!(said.contains("1. shut (storage): on;"), "{said}");
    let (code, said) = masakari(folder.path(), &ask("check compute01")).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("'compute01' could be fenced now, by 1 of 2 rungs"), "{said}");
}

#[tokio::test]
async fn what_keeps_a_host_from_being_fenced_fails_the_check() {
    let folder = folder();
    let ask = |what: &str| format!("fence check compute01 --config-file DIR/masakari.conf {what}");
    let (code, said) = masakari(folder.path(), &ask("--control-attributes ladder:broken")).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(
            "1. bmc (redfish): it cannot be asked from here: there is no variable NO_SUCH_VARIABLE"
        ),
        "{said}"
    );
    assert!(said.contains("by 1 of 2 rungs; 1 to be repaired"), "{said}");
    let (code, said) = masakari(folder.path(), &ask("--control-attributes ipmi")).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there is no device of the kind ipmi"), "{said}");
}

#[tokio::test]
async fn without_a_file_it_is_said_which_option_names_one() {
    let folder = folder();
    std::fs::write(folder.path().join("empty.conf"), "[fencing]\n").unwrap();
    let words = "fence check compute01 --config-file DIR/empty.conf";
    let (code, said) = masakari(folder.path(), words).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("[fencing] devices_file names no file"), "{said}");
}

/// As the engine reads it when it starts.
#[tokio::test]
async fn the_check_of_the_configuration_reads_the_devices_and_tells_what_they_are_good_for() {
    let folder = folder();
    let check = "config check DIR/masakari.conf";
    let pointless =
        "fences only hosts that Nova still takes for up, while [fencing] require = monitor";
    let (_, said) = masakari(folder.path(), check).await;
    assert!(said.contains(pointless), "{said}");
    let file = folder.path().join("fencing.yaml");
    let configuration = format!("[fencing]\nrequire = proven\ndevices_file = {}\n", file.display());
    std::fs::write(folder.path().join("masakari.conf"), configuration).unwrap();
    let (_, said) = masakari(folder.path(), check).await;
    assert!(!said.contains("devices_file"), "{said}");
    std::fs::write(&file, DEVICES.replacen("kind: storage", "kind: storrage", 1)).unwrap();
    let (code, said) = masakari(folder.path(), check).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("fencing.yaml:3:16:") && said.contains("did you mean `storage`?"),
        "{said}"
    );
    std::fs::remove_file(&file).unwrap();
    let (code, said) = masakari(folder.path(), check).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot read the fencing devices in"), "{said}");
}
