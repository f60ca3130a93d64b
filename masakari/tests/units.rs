//! The units in `packaging/systemd`, as systemd itself reads them. Needs `systemd-analyze` (Debian's package `systemd`); nothing is
//! started by it.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "what is tested is what another program says")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_masakari");
const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/systemd");
/// One restarts other programs, and the other feeds a device that is root's.
const ROOT: [&str; 2] = ["masakari-lease.service", "masakari-processmonitor.service"];
/// Of systemd's measure from 0, the best, to 100.
const EXPOSURE_MOST: &str = "20";

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(UNITS).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".service")).collect();
    names.sort_unstable();
    names
}

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(UNITS).join(name)).unwrap()
}

/// The values of a setting, in their order.
fn values<'t>(text: &'t str, setting: &str) -> Vec<&'t str> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == setting).map(|(_, value)| value).collect()
}

/// The units as they would be installed, with the program that was built here.
fn installed() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let install = |name: String| {
        let path = folder.path().join(&name);
        std::fs::write(&path, text(&name).replace("/usr/bin/masakari", PROGRAM)).unwrap();
        path
    };
    let paths = names().into_iter().map(install).collect();
    (folder, paths)
}

fn systemd_analyze(arguments: &[&str], unit: &Path) -> Output {
    let mut command = Command::new("systemd-analyze");
    let ran = command.args(arguments).arg(unit).output();
    ran.expect("systemd-analyze is needed: apt-get install systemd")
}

fn said(output: &Output) -> String {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}

#[test]
#[ignore = "packaging/systemd/check brings systemd-analyze"]
fn systemd_finds_nothing_wrong_with_any_unit() {
    let (_folder, paths) = installed();
    assert_eq!(paths.len(), 7);
    for path in paths {
        let output = systemd_analyze(&["verify", "--man=no"], &path);
        // A key that it does not know is only a line.
        assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    }
}

#[test]
#[ignore = "packaging/systemd/check brings systemd-analyze"]
fn what_is_not_root_can_reach_little_and_only_what_must_is_root() {
    let (_folder, paths) = installed();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let unit = text(&name);
        if ROOT.contains(&name.as_str()) {
            assert!(values(&unit, "User").is_empty());
            continue;
        }
        assert_eq!(values(&unit, "User"), ["masakari"], "{name}");
        assert_eq!(values(&unit, "CapabilityBoundingSet"), [""], "{name}");
        let threshold = format!("--threshold={EXPOSURE_MOST}");
        let output = systemd_analyze(&["security", "--offline=true", &threshold], &path);
        assert!(output.status.success(), "{name}: {}", said(&output));
    }
}

/// Two units of one folder would take it from each other.
#[test]
fn each_unit_begins_its_own_program_watched_and_with_a_folder_of_its_own() {
    for name in names() {
        let unit = text(&name);
        let program = name.strip_suffix(".service").unwrap();
        let role = program.strip_prefix("masakari-").unwrap();
        let begins = values(&unit, "ExecStart");
        let file = "/etc/masakarimonitors/masakarimonitors.conf";
        assert_eq!(begins, [format!("/usr/bin/masakari {role} --config-file {file}")]);
        assert_eq!(values(&unit, "StateDirectory"), [format!("masakari/{program}")], "{name}");
        assert_eq!(
            (values(&unit, "Type"), values(&unit, "WatchdogSec")),
            (vec!["notify"], vec!["60"])
        );
        let help = Command::new(PROGRAM).args([role, "--help"]).output().unwrap();
        assert!(help.status.success(), "{role} is no role");
    }
}

/// A host is not kept out because a program is missing; and who waits is not killed for it.
#[test]
fn nova_compute_waits_and_starts_where_there_is_nothing_to_wait_for() {
    let drop_in = text("nova-compute.service.d/masakari.conf");
    let before = values(&drop_in, "ExecStartPre")[0];
    let arguments = before.strip_prefix("-+/usr/bin/masakari ").expect("its failure is ignored");
    assert_eq!(values(&drop_in, "TimeoutStartSec"), ["infinity"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("masakarimonitors.conf");
    // Nobody is there, and nobody is waited for.
    let nobody =
        "[api]\nauth_type = none\nendpoint = http://127.0.0.1:9/v1\n[agent]\nanswer_wait = 0\n";
    std::fs::write(&file, nobody).unwrap();
    let arguments =
        arguments.replace("/etc/masakarimonitors/masakarimonitors.conf", file.to_str().unwrap());
    let output = Command::new(PROGRAM).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("may start: Masakari does not answer"), "{}", said(&output));
}
