//! Whole lives of a host's processes and units, what is run, and what is reported.

use crate::{
    fake::{Commands, Does, Fake},
    false_api::{Api, Taken},
    suite::{PLAIN, UnitWorld, World},
};
use monitor::{
    Board, Sender, SendingConfig,
    processes::{Limits, ProcessList, ProcessesConfig, Standing, TURN_MOST, WatchProcesses},
    sending::{Spool, SystemFolder},
};
use ports::{Clock, Entropy, SeededEntropy};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::Notify;

pub(crate) const NOVA: &str = "/usr/bin/nova-compute";

/// Of a monitor with this list.
pub(crate) fn config(list_path: PathBuf) -> ProcessesConfig {
    ProcessesConfig {
        hostname: "cmp1".into(),
        list_path,
        systemctl: "systemctl".into(),
        as_root: vec!["sudo".into(), "-n".into()],
        check_interval: Duration::from_secs(5),
        deadline: Duration::from_secs(300),
        limits: Limits {
            retries: 3,
            interval: Duration::from_secs(5),
            settle: Duration::from_secs(5),
            flap_restarts: 5,
            flap_window: Duration::from_secs(300),
        },
    }
}

/// A host with its list, and the monitor's folder.
pub(crate) struct Host {
    pub(crate) fake: Fake,
    pub(crate) commands: Commands,
    pub(crate) api: Api,
    pub(crate) reread: Arc<Notify>,
    pub(crate) board: Board,
    pub(crate) check_interval: Duration,
    folder: tempfile::TempDir,
}

impl Host {
    pub(crate) fn new(list: &str) -> Self {
        let fake = Fake::new();
        let (commands, folder) = (Commands::new(&fake), tempfile::tempdir().unwrap());
        let (api, reread) = (Api::new(fake.sim_clock()), Arc::default());
        let (board, check_interval) =
            (Board::new(fake.processes().clock()), Duration::from_secs(5));
        let host = Self { fake, commands, api, reread, board, check_interval, folder };
        host.writes(list);
        host
    }

    /// What the API took: type, event, process and host of each.
    pub(crate) fn taken(&self) -> Vec<String> {
        let told = |taken: &Taken| {
            let word = |name: &str| taken.report[name].as_str().unwrap().to_owned();
            let (kind, host) = (word("type"), word("hostname"));
            format!("{kind} {} {} of {host}", taken.word("event"), taken.word("process_name"))
        };
        self.api.taken().iter().map(told).collect()
    }

    fn list_path(&self) -> PathBuf {
        self.folder.path().join("process_list.yaml")
    }

    pub(crate) fn writes(&self, list: &str) {
        std::fs::write(self.list_path(), list).unwrap();
    }

    pub(crate) async fn sleep(&self, seconds: u64) {
        self.fake.sim_clock().sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn sleep_ms(&self, ms: u64) {
        self.fake.sim_clock().sleep(Duration::from_millis(ms)).await;
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.fake.sim_clock().boot().0 / 1000
    }

    /// How often this command was begun.
    pub(crate) fn count(&self, command: &str) -> usize {
        self.commands.begun().iter().filter(|(_, begun)| begun == command).count()
    }

    /// Runs a monitor while `story` is told, and kills it.
    pub(crate) async fn watched(&self, story: impl AsyncFnOnce()) {
        let clock: Arc<dyn Clock> = Arc::new(self.fake.sim_clock());
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let folder = SystemFolder::open(&self.folder.path().join("state")).unwrap();
        let standing = Standing::default();
        let (reporter, sender) = Sender::new(
            &SendingConfig::of_python(0, Duration::from_secs(10)),
            Some(Spool::new(Arc::new(folder), "boot-1".into())),
            self.api.client(&entropy),
            Arc::new(standing.clone()),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let check_interval = self.check_interval;
        let config = ProcessesConfig { check_interval, ..config(self.list_path()) };
        let watch = WatchProcesses {
            list: ProcessList::read(&config.list_path, &config.systemctl).unwrap(),
            config,
            processes: self.fake.processes().sight(),
            units: self.fake.units().sight(),
            exec: Arc::new(self.commands.clone()),
            standing,
            reporter,
            mark: self.board.mark("processes", None, TURN_MOST),
            reread: Arc::clone(&self.reread),
            clock,
        };
        tokio::select! {
            () = sender.run(std::future::pending()) => {}
            () = watch.run() => {}
            () = async { self.sleep(1).await; story().await; self.sleep(5).await } => {}
        }
    }
}

pub(crate) const LIST: &str = "
- process_name: /usr/bin/nova-compute
  start_command: systemctl start nova-compute
  restart_command: systemctl restart nova-compute
  run_as_root: True
";

/// A host on which nova-compute runs, and can be restarted.
pub(crate) async fn with_nova() -> Host {
    let host = Host::new(LIST);
    host.fake.processes().start(NOVA).await;
    host.commands.does("sudo -n systemctl restart nova-compute", &[Does::Starts(NOVA)]);
    host
}

const RESTART: &str = "sudo -n systemctl restart nova-compute";

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_is_restarted_at_once_and_not_reported() {
    let host = with_nova().await;
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        let died = host.seconds();
        host.sleep_ms(1).await;
        let first = (died, RESTART.to_owned());
        assert_eq!(host.commands.begun().last(), Some(&first), "nobody waits for the next look");
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.count(RESTART), 1);
    assert_eq!(host.taken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_no_event_tells_is_found_by_the_next_look() {
    let host = with_nova().await;
    host.fake.is_deaf();
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep(6).await;
        assert_eq!(host.count(RESTART), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_restarted_is_reported_under_pythons_name() {
    let host = with_nova().await;
    host.commands.does(RESTART, &[Does::Fails]);
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep(14).await;
        assert_eq!(host.taken(), Vec::<String>::new(), "it is tried four times");
        host.sleep(300).await;
    })
    .await;
    assert_eq!(host.count(RESTART), 4);
    assert_eq!(host.taken(), ["PROCESS STOPPED nova-compute of cmp1"]);
}

#[tokio::test(start_paused = true)]
async fn a_warning_on_stderr_is_no_failure() {
    let host = with_nova().await;
    host.commands.does(RESTART, &[Does::Warns(NOVA)]);
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep(60).await;
    })
    .await;
    assert_eq!((host.count(RESTART), host.taken().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_is_a_try_that_failed_at_its_deadline() {
    let host = with_nova().await;
    host.commands.does(RESTART, &[Does::Hangs, Does::Starts(NOVA)]);
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep(299).await;
        assert_eq!(host.count(RESTART), 1);
        host.sleep(10).await;
    })
    .await;
    assert_eq!((host.count(RESTART), host.taken().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn start_commands_are_run_once_in_the_order_of_the_file() {
    let host = Host::new(
        "
- {process_name: libvirtd, start_command: start libvirtd, restart_command: r1}
- {process_name: nova, pre_start_command: pre, start_command: start nova, post_start_command: post, restart_command: r2}
",
    );
    host.commands.does("start libvirtd", &[Does::Starts("libvirtd")]);
    host.commands.does("start nova", &[Does::Starts("nova")]);
    host.watched(async || host.sleep(60).await).await;
    let begun: Vec<_> = host.commands.begun().into_iter().map(|(_, command)| command).collect();
    assert_eq!(begun, ["start libvirtd", "pre", "start nova", "post"]);
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_fails_is_restarted_and_one_that_is_stopped_is_not() {
    let host = Host::new("- {unit: plain, process_name: nova-compute}\n");
    let restart = "systemctl restart plain.service";
    host.commands.does(restart, &[Does::Starts(PLAIN)]);
    let units = host.fake.units();
    units.start(PLAIN).await;
    host.watched(async || {
        units.kill(PLAIN).await;
        host.sleep_ms(1).await;
        assert_eq!(host.count(restart), 1);
        host.sleep(60).await;
        units.stop(PLAIN).await;
        host.sleep(60).await;
        assert_eq!(host.count(restart), 1);
        // It is watched again when it runs.
        units.start(PLAIN).await;
        host.sleep(6).await;
        units.kill(PLAIN).await;
        host.sleep(60).await;
        assert_eq!(host.count(restart), 2);
    })
    .await;
    assert_eq!(host.taken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_late_report_of_what_runs_again_is_withdrawn() {
    let host = with_nova().await;
    host.commands.does(RESTART, &[Does::Fails]);
    host.api.is_away(true);
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep(60).await;
        host.fake.processes().start(NOVA).await;
        host.sleep(60).await;
        host.api.is_away(false);
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.taken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_report_that_still_holds_survives_the_api_and_a_restart_of_the_monitor() {
    let host = with_nova().await;
    host.commands.does(RESTART, &[Does::Fails]);
    host.api.is_away(true);
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep(1800).await;
    })
    .await;
    host.watched(async || {
        host.sleep(1).await;
        host.api.is_away(false);
        host.sleep(120).await;
    })
    .await;
    assert_eq!(host.taken(), ["PROCESS STOPPED nova-compute of cmp1"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_again_after_it_was_repaired_is_reported_again() {
    let host = with_nova().await;
    host.commands.does(RESTART, &[Does::Fails]);
    host.watched(async || {
        for _ in 0..2 {
            host.fake.processes().kill(NOVA).await;
            host.sleep(60).await;
            host.fake.processes().start(NOVA).await;
            host.sleep(60).await;
        }
    })
    .await;
    assert_eq!(host.taken().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_settles_in_the_dark_is_looked_at_no_more_often_than_the_rest() {
    let host = with_nova().await;
    host.commands.does(RESTART, &[Does::Nothing]);
    host.watched(async || {
        host.fake.processes().kill(NOVA).await;
        host.sleep_ms(50).await;
        host.fake.is_blind(true);
        host.sleep(10).await;
        let before = host.fake.looks();
        host.sleep(60).await;
        assert!(host.fake.looks() - before <= 61, "{}", host.fake.looks() - before);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_it_cannot_be_looked_nothing_is_restarted() {
    let host = with_nova().await;
    host.watched(async || {
        host.fake.is_blind(true);
        host.sleep(60).await;
        assert_eq!(host.count(RESTART), 0);
        host.fake.is_blind(false);
        host.fake.processes().kill(NOVA).await;
        host.sleep(6).await;
    })
    .await;
    assert_eq!(host.count(RESTART), 1);
}

#[tokio::test(start_paused = true)]
async fn however_long_nothing_happens_or_nothing_is_seen_both_loops_are_seen_to_turn() {
    for check_interval in [5, 600].map(Duration::from_secs) {
        let host = Host { check_interval, ..with_nova().await };
        host.commands.does(RESTART, &[Does::Hangs]);
        host.watched(async || {
            for nth in 0..1000 {
                host.sleep(10).await;
                assert_eq!(host.board.stuck(), [""; 0], "at {} s", host.seconds());
                if nth == 600 {
                    host.fake.processes().kill(NOVA).await;
                }
                host.fake.is_blind((300..600).contains(&nth));
            }
        })
        .await;
    }
}
