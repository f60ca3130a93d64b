//! What people and Prometheus see, letter by letter.

use super::*;
use monitor::standing::{Ago, ShownMonitor, ShownSending, State};

fn monitor(name: &str, state: State, since_s: u64) -> ShownMonitor {
    ShownMonitor {
        name: name.into(),
        state,
        since_s,
        why: None,
        turned_s: 12,
        events: 0,
        last_event: None,
        waiting: 0,
        oldest_s: None,
    }
}

fn process(program: &str, monitors: Vec<ShownMonitor>) -> Shown {
    let sending = ShownSending {
        waiting: 0,
        oldest_s: None,
        kept_on_disk: true,
        answered: 0,
        withdrawn: 0,
        given_up: 0,
        lost: 0,
        last_answer: None,
        failing_s: None,
    };
    let (program, host) = (program.into(), "cmp1".into());
    Shown { program, host, pid: 77, running_s: 100_000, monitors, sending }
}

fn asked(shown: Shown) -> Asked {
    Asked { program: shown.program.clone(), said: Ok(shown) }
}

/// One that works, and has seen something.
fn well() -> Asked {
    let mut instances = monitor("instances", State::Well, 93_784);
    instances.events = 3;
    let what = "LIFECYCLE STOPPED_FAILED 0e6a".into();
    instances.last_event = Some(Ago { what, ago_s: 301 });
    let mut shown = process("masakari-monitor", vec![instances]);
    shown.sending.answered = 3;
    shown.sending.last_answer = Some(Ago { what: "accepted".into(), ago_s: 300 });
    asked(shown)
}

/// The API is away, libvirt too, and a monitor cannot begin.
fn troubled() -> Asked {
    let mut instances = monitor("instances", State::Troubled, 59);
    instances.why = Some("cannot connect to qemu:///system: no such file".into());
    (instances.waiting, instances.oldest_s) = (2, Some(75));
    let mut processes = monitor("processes", State::Down, 7);
    processes.why = Some("/etc/masakarimonitors/process_list.yaml is not there".into());
    let mut shown = process("masakari-monitor", vec![instances, processes]);
    (shown.sending.waiting, shown.sending.oldest_s) = (2, Some(75));
    shown.sending.kept_on_disk = false;
    shown.sending.failing_s = Some(75);
    shown.sending.last_answer = Some(Ago { what: "nobody is there".into(), ago_s: 4 });
    asked(shown)
}

fn dead() -> Asked {
    let refused = refused(&io::Error::from(io::ErrorKind::ConnectionRefused));
    Asked { program: "masakari-processmonitor".into(), said: Err(refused) }
}

#[test]
fn people_see_who_does_well() {
    let expected = "\
PROGRAM           WATCHES    STATE  SINCE   LAST SEEN   WAITING  OLDEST
masakari-monitor  instances  well   1d 2h   5m 1s ago   0        -

masakari-monitor: the API's last answer: accepted, 5m 0s ago";
    let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = table::told(&[well()]).join("\n");
    assert_eq!(spaces(&told), spaces(expected));
    assert!(well().is_well());
}

#[test]
fn people_see_who_does_not_and_why() {
    let expected = [
        "PROGRAM                  WATCHES    STATE      SINCE  LAST SEEN  WAITING  OLDEST",
        "masakari-monitor         instances  troubled   59s    -          2        1m 15s",
        "masakari-monitor         processes  down       7s     -          0        -",
        "masakari-processmonitor  -          no answer  -      -          -        -",
        "",
        "instances: cannot connect to qemu:///system: no such file",
        "processes: /etc/masakarimonitors/process_list.yaml is not there",
        "masakari-monitor: the API has failed for 1m 15s: nobody is there, 4s ago",
        "masakari-monitor: nothing is kept on disk; a restart forgets what waits (its log says why)",
        "masakari-processmonitor: it does not run, and was not stopped: it was killed",
    ];
    assert_eq!(table::told(&[troubled(), dead()]), expected);
    assert!(!troubled().is_well() && !dead().is_well());
}

#[test]
fn each_thing_that_is_wrong_makes_it_wrong() {
    let states = [
        (State::Starting, true),
        (State::Well, true),
        (State::Troubled, false),
        (State::Stuck, false),
        (State::Down, false),
    ];
    for (state, well) in states {
        let shown = process("masakari-monitor", vec![monitor("instances", state, 1)]);
        assert_eq!(asked(shown).is_well(), well, "{state:?}");
    }
    let mut failing = process("masakari-monitor", vec![]);
    failing.sending.failing_s = Some(1);
    assert!(!asked(failing).is_well());
    let mut forgetful = process("masakari-monitor", vec![]);
    forgetful.sending.kept_on_disk = false;
    assert!(!asked(forgetful).is_well());
}

#[test]
fn prometheus_reads_the_same() {
    let told = metrics::told(&[troubled(), dead()]);
    for line in [
        "# TYPE masakari_monitor_up gauge",
        "masakari_monitor_up{program=\"masakari-monitor\"} 1",
        "masakari_monitor_up{program=\"masakari-processmonitor\"} 0",
        "masakari_monitor_api_failing_seconds{program=\"masakari-monitor\"} 75",
        "masakari_monitor_kept_on_disk{program=\"masakari-monitor\"} 0",
        "masakari_monitor_state{program=\"masakari-monitor\",monitor=\"instances\",state=\"troubled\"} 1",
        "masakari_monitor_state{program=\"masakari-monitor\",monitor=\"instances\",state=\"well\"} 0",
        "masakari_monitor_waiting{program=\"masakari-monitor\",monitor=\"instances\"} 2",
        "masakari_monitor_oldest_seconds{program=\"masakari-monitor\",monitor=\"instances\"} 75",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is not in\n{told}");
    }
    // Each name is told of once, before its lines.
    let heads: Vec<&str> = told.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let mut once = heads.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(heads.len(), once.len());
}

#[test]
fn a_program_that_was_killed_is_missed_and_one_that_was_stopped_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = |program: &str| {
        let folder = folder.path().join(program);
        std::fs::create_dir(&folder).unwrap();
        folder.join(STATUS_SOCKET)
    };
    place("masakari-instancemonitor");
    // A socket whose listener is gone.
    drop(std::os::unix::net::UnixListener::bind(place("masakari-processmonitor")).unwrap());
    let told = super::asked(folder.path()).unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].program, "masakari-processmonitor");
    assert_eq!(told[0].said.as_ref().unwrap_err(), dead().said.as_ref().unwrap_err());
    assert!(super::asked(&folder.path().join("nowhere")).unwrap().is_empty());
}
