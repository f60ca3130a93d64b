//! `masakari monitor` as a process: what it tells while its sources are away, and when it is stopped.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "what is tested is a program, in real time")]

use serde_json::Value;
use std::{
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_masakari");

/// A process, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A folder with a configuration in which nothing is there: no libvirt, no Masakari.
fn host(more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let text = format!(
        "[DEFAULT]\nhostname = cmp1\nstate_path = {path}\n{more}\n[api]\nauth_type = none\n\
         endpoint = http://127.0.0.1:9/v1\n[libvirt]\nconnection_uri = qemu+unix:///system?socket={path}/none\n"
    );
    std::fs::write(folder.path().join("monitors.conf"), text).unwrap();
    folder
}

fn masakari(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--config-file").arg(folder.join("monitors.conf"));
    command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command
}

fn begun(folder: &Path, notify: &Path) -> Running {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = masakari(folder, &["monitor"]);
    command.env("NOTIFY_SOCKET", notify).env("WATCHDOG_USEC", "600000000");
    Running(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

fn asked(folder: &Path, how: &[&str]) -> Output {
    masakari(folder, &[&["monitors"], how].concat()).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Tries until it is there.
fn soon<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_monitor_whose_libvirt_is_away_says_so_and_one_that_was_stopped_is_not_missed() {
    let folder = host("");
    let folder = folder.path();
    let notify = folder.join("notify");
    let manager = UnixDatagram::bind(&notify).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut running = begun(folder, &notify);
    let mut bytes = [0; 1000];
    let mut heard = || {
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    assert_eq!(heard(), "READY=1");
    assert_eq!(heard(), "WATCHDOG=1");
    let log = || std::fs::read_to_string(folder.join("log")).unwrap();
    let told: Value = soon(&log(), || {
        let told: Value = serde_json::from_slice(&asked(folder, &["--json"]).stdout).ok()?;
        let process = told["processes"].get(0)?.clone();
        let monitors = process["status"]["monitors"].as_array()?.iter();
        let mut troubled = monitors.filter(|monitor| monitor["state"] == "troubled");
        (troubled.next()?["name"] == "instances").then_some(process)
    });
    assert_eq!((&told["program"], &told["well"]), (&"masakari-monitor".into(), &false.into()));
    assert_eq!(told["status"]["pid"], running.0.id());
    assert_eq!(told["status"]["host"], "cmp1");
    let table = asked(folder, &[]);
    assert_eq!(table.status.code(), Some(1));
    assert!(text(&table).contains("instances  troubled"), "{}", text(&table));
    let metrics = text(&asked(folder, &["--metrics"]));
    assert!(metrics.contains("masakari_monitor_up{program=\"masakari-monitor\"} 1\n"), "{metrics}");
    assert_eq!(log().matches("Error from libvirt").count(), 1, "{}", log());

    let pid = running.0.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let ended = soon("it ends", || running.0.try_wait().unwrap());
    assert!(ended.success(), "{}", log());
    let none = asked(folder, &[]);
    assert!(text(&none).starts_with("no monitor runs here"), "{}", text(&none));
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn a_second_process_of_the_same_name_takes_nothing_from_the_first() {
    let folder = host("");
    let folder = folder.path();
    let notify = folder.join("nobody");
    let first = begun(folder, &notify);
    let pid = || {
        let told: Value = serde_json::from_slice(&asked(folder, &["--json"]).stdout).ok()?;
        told["processes"].get(0)?["status"]["pid"].as_u64()
    };
    soon("the first tells", pid);
    std::fs::rename(folder.join("log"), folder.join("first.log")).unwrap();
    let second = begun(folder, &notify);
    soon("the second begins", || {
        let log = std::fs::read_to_string(folder.join("log")).ok()?;
        log.contains("another monitor is using it").then_some(())
    });
    assert_eq!(pid(), Some(u64::from(first.0.id())));
    drop(second);
    assert_eq!(pid(), Some(u64::from(first.0.id())));
}

#[test]
fn what_nobody_watches_is_refused_with_what_there_is() {
    let folder = host("[monitor]\nwatch = instances, gusts");
    let mut running = begun(folder.path(), &folder.path().join("nobody"));
    let ended = soon("it ends", || running.0.try_wait().unwrap());
    let said = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("[monitor] watch = \"gusts\" is watched by nobody: instances"), "{said}");
}

/// A library that the program finds before the host's own.
fn with_library(folder: &Path, make: impl FnOnce(&Path)) -> Running {
    let libraries = folder.join("lib");
    std::fs::create_dir(&libraries).unwrap();
    make(&libraries.join("libvirt.so.0"));
    std::fs::write(folder.join("process_list.yaml"), "[]").unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = masakari(folder, &["monitor"]);
    command.env("LD_LIBRARY_PATH", &libraries);
    Running(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

/// What each monitor of the process says of itself.
fn states(folder: &Path) -> Option<Vec<(String, String, String)>> {
    let told: Value = serde_json::from_slice(&asked(folder, &["--json"]).stdout).ok()?;
    let monitors = told["processes"].get(0)?["status"]["monitors"].as_array()?.clone();
    let text = |monitor: &Value, key: &str| monitor[key].as_str().unwrap_or_default().to_owned();
    let of = |one: &Value| (text(one, "name"), text(one, "state"), text(one, "why"));
    Some(monitors.iter().map(of).collect())
}

#[test]
fn a_libvirt_that_is_too_old_and_one_that_cannot_be_opened_say_so_once_and_the_others_go_on() {
    let empty = |path: &Path| {
        let source = path.with_extension("c");
        std::fs::write(&source, "int nothing;").unwrap();
        let made =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([path, &source]).status();
        assert!(made.unwrap().success());
    };
    let broken = |path: &Path| std::fs::write(path, "no library").unwrap();
    for (is_library, says) in [
        (true, "libvirt.so.0 is too old: it has no virInitialize"),
        (false, "Install libvirt's client library (libvirt0 on Debian and Ubuntu"),
    ] {
        let make = |path: &Path| if is_library { empty(path) } else { broken(path) };
        let folder = host("");
        let folder = folder.path();
        let list = folder.join("process_list.yaml");
        let watch = format!(
            "\n[process]\nprocess_list_path = {}\n[monitor]\nwatch = instances,processes\n",
            list.display()
        );
        let conf = folder.join("monitors.conf");
        let text = std::fs::read_to_string(&conf).unwrap();
        std::fs::write(&conf, text + &watch).unwrap();
        let _running = with_library(folder, make);
        let log = || std::fs::read_to_string(folder.join("log")).unwrap();
        let states = soon("instances are troubled", || {
            let states = states(folder)?;
            states
                .iter()
                .any(|(name, state, _)| name == "instances" && state == "troubled")
                .then_some(states)
        });
        let instances = states.iter().find(|(name, ..)| name == "instances").unwrap();
        assert!(instances.2.contains(says), "{instances:?}");
        assert_eq!(log().matches(says).count(), 1, "{}", log());
        let processes = soon("processes are watched", || {
            self::states(folder)?.into_iter().find(|(name, ..)| name == "processes")
        });
        assert_ne!(processes.1, "troubled", "{processes:?} {}", log());
    }
}
