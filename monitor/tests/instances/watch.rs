//! Whole lives of a host's VMs, and what is reported of them.

use crate::{
    fake::Fake,
    false_api::{Api, Taken},
    suite::{VM1, VM2, World},
};
use monitor::{
    Board, Sender, SendingConfig, Watched,
    instances::{InstancesConfig, TURN_MOST, Watch, Watcher, event::What},
    sending::{Folder, Spool, SystemFolder},
    standing::{ShownMonitor, ShownSending, State},
};
use ports::{Clock, Entropy, SeededEntropy};
use std::{sync::Arc, time::Duration};

/// A host and its monitor's folder.
pub(crate) struct Host {
    pub(crate) fake: Fake,
    pub(crate) api: Api,
    folder: tempfile::TempDir,
    boot_id: &'static str,
    board: Board,
}

impl Host {
    pub(crate) fn new() -> Self {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Fake::new());
        let board = Board::new(fake.clock());
        Self { api: Api::new(fake.sim_clock()), fake, folder, boot_id: "boot-1", board }
    }

    /// How the monitor stands, and how sending does.
    fn shown(&self) -> (ShownMonitor, ShownSending) {
        let shown = self.board.shown("masakari-instancemonitor", "cmp1", 1);
        (shown.monitors[0].clone(), shown.sending)
    }

    /// What the API took: `VM1 LIFECYCLE STOPPED_FAILED`.
    pub(crate) fn taken(&self) -> Vec<String> {
        let taken = self.api.taken();
        let told = |taken: &Taken| {
            let vm = if taken.word("instance_uuid") == VM1 { "VM1" } else { "VM2" };
            format!("{vm} {} {}", taken.word("event"), taken.word("vir_domain_event"))
        };
        taken.iter().map(told).collect()
    }

    pub(crate) async fn sleep(&self, seconds: u64) {
        self.fake.clock().sleep(Duration::from_secs(seconds)).await;
    }

    /// Runs a monitor while `story` is told, and kills it.
    pub(crate) async fn watched(&self, story: impl AsyncFnOnce()) {
        let clock: Arc<dyn Clock> = Arc::new(self.fake.sim_clock());
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let folder: Arc<dyn Folder> = Arc::new(SystemFolder::open(self.folder.path()).unwrap());
        let spool = Spool::new(Arc::clone(&folder), self.boot_id.into());
        let watcher = Watcher::default();
        let (reporter, sender) = Sender::new(
            &SendingConfig::of_python(12, Duration::from_secs(10)),
            Some(spool),
            self.api.client(&entropy),
            Arc::new(watcher.clone()),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let sender = sender.shown_on(self.board.clone());
        let mark = self.board.mark("instances", Some(Watched::Instances), TURN_MOST);
        let config = InstancesConfig { hostname: "cmp1".into(), boot_id: self.boot_id.into() };
        let hypervisor = self.fake.hypervisor();
        let folder = Some(folder);
        let watch = Watch { config, hypervisor, watcher, reporter, mark, folder, clock, entropy };
        tokio::select! {
            () = sender.run(std::future::pending()) => {}
            () = watch.run() => {}
            () = async { self.sleep(1).await; story().await; self.sleep(5).await } => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_dies_is_reported_and_one_that_lives_is_not() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.fake.start(VM2, true).await;
    host.watched(async || host.fake.kill(VM1).await).await;
    assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"]);
}

#[tokio::test(start_paused = true)]
async fn one_reboot_is_one_report_and_the_next_one_another() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.watched(async || {
        for _ in 0..2 {
            for _ in 0..5 {
                host.fake.says(VM1, What::Reboot);
                host.fake.clock().sleep(Duration::from_millis(70)).await;
            }
            host.sleep(10).await;
        }
    })
    .await;
    assert_eq!(host.taken(), ["VM1 REBOOT UNKNOWN"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_dies_while_libvirtd_is_away_is_reported_when_it_is_back() {
    for is_persistent in [true, false] {
        let host = Host::new();
        host.fake.start(VM1, is_persistent).await;
        host.fake.start(VM2, is_persistent).await;
        host.watched(async || {
            host.fake.daemon_stops().await;
            host.fake.kill(VM1).await;
            host.sleep(300).await;
            assert_eq!(host.taken(), Vec::<String>::new());
            host.fake.daemon_starts().await;
            host.sleep(15).await;
        })
        .await;
        assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"], "{is_persistent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_was_started_while_we_listened_is_known_when_it_dies_unheard() {
    let host = Host::new();
    host.watched(async || {
        host.fake.start(VM1, false).await;
        host.sleep(1).await;
        host.fake.daemon_stops().await;
        host.fake.kill(VM1).await;
        host.fake.daemon_starts().await;
        host.sleep(15).await;
    })
    .await;
    assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"]);
}

#[tokio::test(start_paused = true)]
async fn a_vm_of_which_a_libvirtd_that_was_just_begun_says_nothing_is_found_dead_within_seconds() {
    // One without a definition is missed by two lists.
    for (is_persistent, seconds) in [(true, 6), (false, 11)] {
        for found_after_s in [3, 31, 55] {
            let host = Host::new();
            host.fake.start(VM1, is_persistent).await;
            host.watched(async || {
                host.fake.daemon_stops().await;
                host.sleep(10).await;
                host.fake.daemon_starts().await;
                host.sleep(found_after_s).await;
                host.fake.dies_unsaid(VM1);
                host.sleep(seconds).await;
                let what = (is_persistent, found_after_s);
                assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"], "{what:?}");
                host.sleep(300).await;
                assert_eq!(host.taken().len(), 1, "it is told once");
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_without_a_definition_that_somebody_stops_after_libvirtd_came_back_has_not_died() {
    let host = Host::new();
    host.fake.start(VM1, false).await;
    host.fake.start(VM2, false).await;
    host.watched(async || {
        host.fake.daemon_stops().await;
        host.sleep(10).await;
        host.fake.daemon_starts().await;
        host.sleep(10).await;
        host.fake.destroy(VM1).await;
        host.sleep(300).await;
        // Nor has one that is not in a list when libvirtd has been back for long.
        host.fake.dies_unsaid(VM2);
        host.sleep(300).await;
    })
    .await;
    assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_DESTROYED"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_libvirtd_alone_is_no_failure_of_a_vm() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.watched(async || {
        for _ in 0..5 {
            host.fake.daemon_stops().await;
            host.sleep(2).await;
            host.fake.daemon_starts().await;
            host.sleep(15).await;
        }
    })
    .await;
    assert_eq!(host.taken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_dies_while_the_monitor_is_down_is_reported_when_it_is_back() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.fake.start(VM2, true).await;
    host.watched(async || {}).await;
    host.fake.kill(VM1).await;
    host.fake.destroy(VM2).await;
    host.watched(async || {}).await;
    assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"]);
    host.watched(async || {}).await;
    assert_eq!(host.taken().len(), 1, "it is told once");
}

#[tokio::test(start_paused = true)]
async fn after_the_host_was_booted_nobody_who_ran_before_is_missed() {
    let mut host = Host::new();
    host.fake.start(VM1, true).await;
    host.watched(async || {}).await;
    host.fake.kill(VM1).await;
    host.boot_id = "boot-2";
    host.watched(async || {}).await;
    assert_eq!(host.taken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn events_for_which_there_was_no_room_are_found_by_listing() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.fake.start(VM2, true).await;
    host.watched(async || {
        host.fake.loses_what_it_says();
        host.fake.kill(VM1).await;
        host.sleep(65).await;
    })
    .await;
    assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_for_which_there_was_no_room_is_found_as_soon_as_the_next_is_heard() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.fake.start(VM2, true).await;
    host.watched(async || {
        host.fake.has_no_room_for_one();
        host.fake.kill(VM1).await;
        host.sleep(1).await;
        host.fake.pause(VM2).await;
        host.sleep(1).await;
        assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"]);
    })
    .await;
}

/// The first list that is made beside what is heard begins between 5.0 s and 5.1 s of a life.
#[tokio::test(start_paused = true)]
async fn an_event_does_not_wait_for_a_list_that_is_under_way() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.watched(async || {
        host.fake.lists_take(Duration::from_secs(10));
        host.sleep(6).await;
        host.fake.kill(VM1).await;
        host.fake.clock().sleep(Duration::from_millis(10)).await;
        assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"]);
        // The list shows it running, and is older.
        host.sleep(300).await;
        assert_eq!(host.taken().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_list_says_nothing_of_a_vm_that_was_started_since_it_began() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.watched(async || {
        host.fake.lists_take(Duration::from_secs(10));
        host.sleep(3).await;
        host.fake.kill(VM1).await;
        host.sleep(3).await;
        host.fake.start(VM1, true).await;
        host.sleep(300).await;
        assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_back_before_the_api_is_withdrawn_and_one_that_left_too() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.fake.start(VM2, true).await;
    host.watched(async || {
        host.api.is_away(true);
        host.fake.kill(VM1).await;
        host.fake.kill(VM2).await;
        host.sleep(300).await;
        host.fake.start(VM1, true).await;
        host.fake.undefine(VM2).await;
        host.api.is_away(false);
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.taken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_fails_again_as_soon_as_it_is_started_is_reported_again() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.watched(async || {
        host.fake.kill(VM1).await;
        host.sleep(1).await;
        host.fake.start(VM1, true).await;
        host.sleep(1).await;
        host.fake.kill(VM1).await;
    })
    .await;
    assert_eq!(host.taken(), ["VM1 LIFECYCLE STOPPED_FAILED"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_is_reported_as_python_does() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.watched(async || {
        host.fake.says(VM1, What::IoError { action: 1 });
        host.fake.says(VM1, What::IoErrorReason);
        host.fake.pause(VM1).await;
        host.fake.says(VM1, What::Lifecycle { kind: 3, detail: 2 });
    })
    .await;
    let expected = [
        "VM1 IO_ERROR IO_ERROR_PAUSE",
        "VM1 IO_ERROR_REASON UNKNOWN",
        "VM1 LIFECYCLE SUSPENDED_IOERROR",
    ];
    assert_eq!(host.taken(), expected);
}

#[tokio::test(start_paused = true)]
async fn how_it_stands_is_seen_while_libvirtd_is_away_and_when_it_is_back() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.watched(async || {
        host.sleep(3600).await;
        let (monitor, _) = host.shown();
        assert_eq!((monitor.state, monitor.events), (State::Well, 0));
        assert!(monitor.turned_s <= 60 && host.board.stuck().is_empty(), "{monitor:?}");
        host.fake.daemon_stops().await;
        host.sleep(300).await;
        let (monitor, _) = host.shown();
        assert_eq!((monitor.state, monitor.since_s), (State::Troubled, 300));
        assert!(monitor.why.unwrap().contains("Connection refused"));
        assert!(host.board.stuck().is_empty(), "it is asked again and again");
        host.fake.daemon_starts().await;
        host.sleep(15).await;
        host.fake.kill(VM1).await;
        host.sleep(7).await;
        let (monitor, _) = host.shown();
        let seen = monitor.last_event.unwrap();
        assert_eq!((monitor.state, monitor.events, seen.ago_s), (State::Well, 1, 7));
        assert_eq!(seen.what, format!("LIFECYCLE STOPPED_FAILED {VM1}"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_and_what_the_api_said_is_seen() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.fake.start(VM2, true).await;
    host.watched(async || {
        assert_eq!(host.shown().1.last_answer, None);
        host.api.is_away(true);
        host.fake.kill(VM1).await;
        host.sleep(100).await;
        host.fake.kill(VM2).await;
        host.sleep(30).await;
        let (monitor, sending) = host.shown();
        assert_eq!((monitor.waiting, sending.waiting), (2, 2));
        assert!((129..=131).contains(&sending.failing_s.unwrap()), "{sending:?}");
        assert!((120..=131).contains(&monitor.oldest_s.unwrap()), "{monitor:?}");
        let last = sending.last_answer.unwrap();
        assert!(last.what.contains("away") && last.ago_s <= 10, "{last:?}");
        // One of them is withdrawn.
        host.fake.start(VM1, true).await;
        host.api.is_away(false);
        host.sleep(60).await;
        let (monitor, sending) = host.shown();
        assert_eq!((monitor.waiting, monitor.oldest_s), (0, None));
        assert_eq!((sending.answered, sending.withdrawn, sending.failing_s), (1, 1, None));
        assert_eq!(sending.last_answer.unwrap().what, "accepted");
        assert!(sending.kept_on_disk);
    })
    .await;
}
