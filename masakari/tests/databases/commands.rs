//! `masakari-manage` and `masakari-status` beside Python's, on one database each.

use crate::{
    adoption::{NEWEST, Python},
    stage::{Fresh, PROGRAM, manage, mariadb, sqlite, variable},
};
use std::{
    path::Path,
    process::{Command, Output},
};

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn pythons(command: &str, configuration: &Path, arguments: &[&str]) -> Option<Output> {
    let python = variable("MASAKARI_PYTHON")?;
    let program = Path::new(&python).with_file_name(command);
    let mut command = Command::new(program);
    let command = command.arg("--config-file").arg(configuration).args(arguments);
    Some(command.output().unwrap())
}

fn ours(role: &str, configuration: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg(role).arg("--config-file").arg(configuration).args(arguments).output().unwrap()
}

#[test]
fn wrong_arguments_of_purge_are_told_as_python_tells_them() {
    let fresh = sqlite();
    let configuration = fresh.configuration(0, 15_868);
    for arguments in [
        ["--max_rows", "0"],
        ["--max_rows", "-2"],
        ["--max_rows", "2147483648"],
        ["--age_in_days", "-1"],
    ] {
        let arguments = [&["db", "purge"], &arguments[..]].concat();
        let Some(expected) = pythons("masakari-manage", &configuration, &arguments) else { return };
        let sentence = String::from_utf8_lossy(&expected.stderr);
        let sentence = sentence.trim().lines().last().unwrap().to_owned();
        let told = ours("manage", &configuration, &arguments);
        assert_eq!(told.status.code(), expected.status.code(), "{arguments:?}");
        let told = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.contains(&sentence), "{arguments:?}: {told}, not {sentence}");
    }
}

#[test]
fn the_table_of_the_upgrade_check_begins_as_pythons_and_the_exit_codes_are_the_same() {
    let fresh = sqlite();
    let configuration = fresh.configuration(0, 15_868);
    manage(&configuration, &["db", "sync"]);
    let policy = fresh.directory.path().join("policy.json");
    let mut text = std::fs::read_to_string(&configuration).unwrap();
    text += &format!("[oslo_policy]\npolicy_file = {}\n", policy.display());
    std::fs::write(&configuration, text).unwrap();
    for rules in [None, Some(r#"{"os_masakari_api:segments": "role:admin"}"#)] {
        if let Some(rules) = rules {
            std::fs::write(&policy, rules).unwrap();
        }
        let check = ["upgrade", "check"];
        let Some(expected) = pythons("masakari-status", &configuration, &check) else { return };
        let checked = ours("status", &configuration, &check);
        let cells = |output: &Output| -> Vec<String> {
            let text = said(output);
            let inside = text.lines().map(|line| line.trim_matches(['|', ' ']).to_owned());
            inside.filter(|line| !line.starts_with('+')).take(3).collect()
        };
        assert_eq!(cells(&checked), cells(&expected));
        assert_eq!(checked.status.code(), expected.status.code(), "{}", said(&checked));
    }
}

/// Of two equal databases Python purges one and we the other.
fn the_same_rows_go(python_purges: &Fresh, we_purge: &Fresh) {
    let Some(mut theirs) = Python::on(python_purges) else { return };
    let Some(mut left_to_us) = Python::on(we_purge) else { return };
    let all = theirs.ask(&format!("leave {NEWEST}"));
    left_to_us.ask(&format!("leave {NEWEST}"));
    let configuration = we_purge.configuration(0, 15_868);
    manage(&configuration, &["db", "sync"]);
    let of = |rows: &serde_json::Value, table: &str, column: &str| -> Vec<String> {
        let rows = rows[table].as_array().unwrap();
        rows.iter().map(|row| row[column].as_str().unwrap().to_owned()).collect()
    };
    let mut counts = vec![of(&all, "notifications", "notification_uuid").len()];
    for days in ["10", "0"] {
        let expected = theirs.ask(&format!("purge {days}"));
        manage(&configuration, &["db", "purge", "--age_in_days", days]);
        let left = left_to_us.ask("rows");
        for (table, column) in [
            ("notifications", "notification_uuid"),
            ("hosts", "uuid"),
            ("failover_segments", "uuid"),
            ("vmoves", "uuid"),
            ("flowdetails", "name"),
        ] {
            assert_eq!(
                of(&left, table, column),
                of(&expected, table, column),
                "{table} after {days} days"
            );
        }
        counts.push(of(&left, "notifications", "notification_uuid").len());
    }
    assert!(counts.is_sorted_by(|more, fewer| more > fewer), "something went: {counts:?}");
}

#[test]
fn the_rows_that_python_would_purge_go_on_sqlite() {
    the_same_rows_go(&sqlite(), &sqlite());
}

#[tokio::test]
async fn the_rows_that_python_would_purge_go_on_mariadb() {
    if let (Some(theirs), Some(ours)) = (mariadb().await, mariadb().await) {
        the_same_rows_go(&theirs, &ours);
    }
}
