//! A server that is not there yet.

use crate::stage::{Fresh, PROGRAM, free_port};
use std::process::Command;

#[test]
fn db_sync_waits_for_a_server_as_long_as_it_is_told_to() {
    let url = format!("mysql+pymysql://masakari:geheim@127.0.0.1:{}/masakari", free_port());
    let options = "\n[database]\npool_timeout = 1\nmax_retries = 2\nretry_interval = 0\n";
    let absent = Fresh { urls: vec![url], directory: tempfile::tempdir().unwrap() };
    let configuration = absent.configuration(0, 15_868);
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, format!("{text}{options}")).unwrap();
    let sync = Command::new(PROGRAM)
        .args(["manage", "--config-file", configuration.to_str().unwrap(), "db", "sync"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&sync.stderr);
    assert_eq!(sync.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("it is asked again in 0 s").count(), 2, "{said}");
    assert!(said.contains("1 times at most") && said.contains("0 times at most"), "{said}");
    assert!(said.contains("the schema was not changed"), "{said}");
    assert!(!said.contains("geheim"), "{said}");
}
