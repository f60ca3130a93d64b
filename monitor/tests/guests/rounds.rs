//! Whole lives of guests, and what is reported of them.

use crate::{
    fake::{Agent, Fake},
    false_api::{Api, Mood},
    suite::{VM1, VM2, World},
};
use monitor::{
    Board, Sender, SendingConfig,
    guests::{
        Asker, Asking, CommandRefused, Commands, GuestsConfig, Patience, Rounds, TURN_MOST, Tell,
        Waiting,
    },
    instances::event::What,
    sending::{Folder, Spool, SystemFolder},
};
use ports::{Clock, Entropy, SeededEntropy};
use recovery::HostName;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// A host and its monitor, with Python's defaults.
pub(crate) struct Host {
    pub(crate) fake: Fake,
    pub(crate) api: Api,
    pub(crate) board: Board,
    pub(crate) interval: Duration,
    folder: tempfile::TempDir,
    commands: Vec<String>,
    sockets: &'static str,
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (fake, commands) = (Fake::new(), Vec::new());
        let (api, board) = (Api::new(fake.sim_clock()), Board::new(fake.clock()));
        let (interval, sockets) = (Duration::from_secs(10), r"/agents/instance-.*\.sock");
        Self { fake, api, board, interval, folder, commands, sockets }
    }

    pub(crate) async fn sleep(&self, seconds: u64) {
        self.fake.clock().sleep(Duration::from_secs(seconds)).await;
    }

    /// The VMs that were reported.
    pub(crate) fn reported(&self) -> Vec<String> {
        self.api.taken().iter().map(|taken| taken.word("instance_uuid").to_owned()).collect()
    }

    /// Runs a monitor while `story` is told, and kills it.
    pub(crate) async fn watched(&self, story: impl AsyncFnOnce()) {
        let clock: Arc<dyn Clock> = Arc::new(self.fake.sim_clock());
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let folder: Arc<dyn Folder> = Arc::new(SystemFolder::open(self.folder.path()).unwrap());
        let asking = Asking {
            socket: self.sockets.parse().unwrap(),
            patience: Duration::from_secs(2),
            commands: Commands::named(&self.commands).unwrap(),
        };
        let asker = Asker::new(asking);
        let (reporter, sender) = Sender::new(
            &SendingConfig::of_python(12, Duration::from_secs(10)),
            Some(Spool::new(folder, "boot-1".into())),
            self.api.client(&entropy),
            Arc::new(asker.clone()),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let patience = Patience { threshold: 3, shutdown: Duration::from_secs(75) };
        let interval = self.interval;
        let config = GuestsConfig { hostname: "cmp1".into(), interval, patience };
        let hypervisor = self.fake.hypervisor_for_guests();
        let mark = self.board.mark("guests", None, TURN_MOST);
        let answer = Waiting::default();
        let tell = Tell {
            client: self.api.client(&entropy),
            host: HostName::new("cmp1"),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            waiting: answer.clone(),
        };
        let rounds = Rounds { config, hypervisor, asker, reporter, answer, mark, clock, entropy };
        tokio::select! {
            () = sender.run(std::future::pending()) => {}
            () = tell.run() => {}
            () = rounds.run() => {}
            () = async { self.sleep(15).await; story().await; self.sleep(5).await } => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_hangs_is_reported_once_as_python_does_and_the_others_are_not() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.fake.start_guest(VM2).await;
    host.watched(async || {
        host.fake.hang_agent(VM1).await;
        host.sleep(45).await;
        assert_eq!(host.reported(), Vec::<String>::new(), "four failures are not enough");
        host.sleep(300).await;
    })
    .await;
    let posts: Vec<_> = host.api.taken().into_iter().map(|taken| taken.report).collect();
    assert_eq!(posts.len(), 1);
    // `_masakari_notifier` of qemu_utils.py
    let payload = json!({
        "event": "QEMU_GUEST_AGENT_ERROR",
        "instance_uuid": VM1,
        "vir_domain_event": "STOPPED_FAILED",
    });
    assert_eq!((&posts[0]["type"], &posts[0]["hostname"]), (&json!("VM"), &json!("cmp1")));
    assert_eq!(posts[0]["payload"], payload);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_lived_is_never_reported_and_a_vm_without_one_never_asked() {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.fake.agent(VM1, Agent::Hangs);
    host.fake.start(VM2, true).await;
    host.watched(async || host.sleep(3600).await).await;
    assert_eq!(host.reported(), Vec::<String>::new());
    assert!(host.fake.asked(VM1, "guest-ping").len() > 300);
    assert_eq!(host.fake.asked(VM2, "guest-ping"), [0u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_vm_without_an_agent_is_looked_at_once_a_minute() {
    let host = Host::new();
    host.fake.start(VM2, true).await;
    host.watched(async || host.sleep(600).await).await;
    assert!((10..13).contains(&host.fake.looks()), "{} times in ten minutes", host.fake.looks());
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_not_an_agents_is_not_asked() {
    let mut host = Host::new();
    host.sockets = r"instance-.*\.sock";
    host.fake.start_guest(VM1).await;
    host.watched(async || host.sleep(60).await).await;
    assert_eq!(host.fake.asked(VM1, "guest-ping"), [0u64; 0], "it matches later, as in Python");
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_paused_or_moved_is_no_failure() {
    for is_moved in [false, true] {
        let host = Host::new();
        host.fake.start_guest(VM1).await;
        host.watched(async || {
            host.fake.hang_agent(VM1).await;
            host.sleep(35).await;
            if is_moved {
                host.fake.busy(VM1, true)
            } else {
                host.fake.pause(VM1).await
            }
            host.sleep(600).await;
            host.fake.agent(VM1, Agent::Lives);
            if is_moved {
                host.fake.busy(VM1, false)
            } else {
                host.fake.resume(VM1).await
            }
            host.sleep(60).await;
        })
        .await;
        assert_eq!(host.reported(), Vec::<String>::new(), "moved: {is_moved}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_paused_is_not_asked_and_its_silence_is_counted_anew() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        host.fake.hang_agent(VM1).await;
        host.sleep(40).await;
        // Between two rounds.
        host.fake.pause(VM1).await;
        host.fake.resume(VM1).await;
        host.sleep(40).await;
        assert_eq!(host.reported(), Vec::<String>::new());
        host.fake.pause(VM1).await;
        let asked = host.fake.asked(VM1, "guest-ping").len();
        host.sleep(600).await;
        assert_eq!(host.fake.asked(VM1, "guest-ping").len(), asked);
    })
    .await;
    assert_eq!(host.reported(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_a_guest_answered_before_its_reboot_is_not_expected_after_it() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        // It is asked at 20 s and 1 ms, and thinks for 5 ms.
        let now = host.fake.clock().boot().0;
        host.fake.clock().sleep(Duration::from_millis(20_003 - now)).await;
        assert_eq!(host.fake.asked(VM1, "guest-ping").last(), Some(&20_001));
        host.fake.says(VM1, What::Reboot);
        host.fake.hang_agent(VM1).await;
        host.sleep(300).await;
    })
    .await;
    assert_eq!(host.reported(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_was_started_anew_unheard_must_live_again_first() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        host.fake.loses_what_it_says();
        host.fake.destroy(VM1).await;
        host.fake.start(VM1, true).await;
        host.fake.hang_agent(VM1).await;
        host.sleep(300).await;
        assert_eq!(host.reported(), Vec::<String>::new());
        host.fake.agent(VM1, Agent::Lives);
        host.sleep(20).await;
        host.fake.hang_agent(VM1).await;
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.reported(), [VM1]);
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_paused_while_its_agent_is_asked_is_no_failure() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        host.fake.hang_agent(VM1).await;
        // Asked from 20 s to 25 s, from 30 s to 35 s, and so on; it is moved when that is over.
        host.sleep(7).await;
        for _ in 0..8 {
            host.fake.busy(VM1, true);
            host.sleep(5).await;
            host.fake.busy(VM1, false);
            host.sleep(5).await;
        }
    })
    .await;
    assert_eq!(host.reported(), Vec::<String>::new());
    assert!(host.fake.asked(VM1, "guest-ping").len() > 8, "it was asked each time");
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_shuts_down_or_boots_is_no_failure() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        // Down within Nova's 60 s, then started; it boots for five minutes.
        host.fake.agent(VM1, Agent::Closed);
        host.sleep(60).await;
        host.fake.destroy(VM1).await;
        host.sleep(30).await;
        host.fake.start(VM1, true).await;
        host.sleep(300).await;
        host.fake.agent(VM1, Agent::Lives);
        host.sleep(30).await;
        // It reboots by itself, as slowly.
        host.fake.agent(VM1, Agent::Hangs);
        host.sleep(20).await;
        host.fake.says(VM1, What::Reboot);
        host.sleep(300).await;
    })
    .await;
    assert_eq!(host.reported(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_died_is_reported_when_no_shutdown_takes_as_long() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        host.fake.agent(VM1, Agent::Closed);
        host.sleep(74).await;
        assert_eq!(host.reported(), Vec::<String>::new());
        host.sleep(30).await;
    })
    .await;
    assert_eq!(host.reported(), [VM1]);
}

#[tokio::test(start_paused = true)]
async fn agents_that_hang_do_not_delay_the_others() {
    let host = Host::new();
    let vm = |nth: usize| format!("11111111-2222-3333-4444-0000000002{nth:02}");
    for nth in 0..90 {
        host.fake.start_guest(&vm(nth)).await;
    }
    host.watched(async || {
        for nth in 0..60 {
            host.fake.hang_agent(&vm(nth)).await;
        }
        host.sleep(1200).await;
    })
    .await;
    for nth in 60..90 {
        let asked = host.fake.asked(&vm(nth), "guest-ping");
        // Once everybody is known for what he is: 60 times five seconds, four at a time.
        let pauses = asked.windows(2).filter(|at| at[0] > 120_000).map(|at| at[1] - at[0]);
        let longest = pauses.max().unwrap();
        assert!(longest < 10_500, "{nth} was not asked for {longest} ms");
    }
    let mut reported = host.reported();
    reported.sort();
    assert_eq!(reported, (0..60).map(vm).collect::<Vec<_>>());
    assert!(host.fake.asked_at_once() <= 4, "{}", host.fake.asked_at_once());
}

#[tokio::test(start_paused = true)]
async fn the_first_silence_of_two_agents_keeps_no_other_waiting() {
    let host = Host::new();
    let vm = |nth: usize| format!("11111111-2222-3333-4444-0000000002{nth:02}");
    for nth in 0..20 {
        host.fake.start_guest(&vm(nth)).await;
    }
    host.watched(async || {
        host.fake.hang_agent(&vm(0)).await;
        host.fake.hang_agent(&vm(1)).await;
        host.sleep(60).await;
    })
    .await;
    for nth in 2..20 {
        let asked = host.fake.asked(&vm(nth), "guest-ping");
        let longest = asked.windows(2).map(|at| at[1] - at[0]).max().unwrap();
        // Two seconds, and not the five of libvirt.
        assert!(longest < 12_500, "{nth} was not asked for {longest} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_whose_agent_cannot_be_asked_is_no_failure() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        host.fake.agent(VM1, Agent::Held);
        host.sleep(600).await;
    })
    .await;
    assert_eq!(host.reported(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn libvirtd_away_is_no_failure_and_who_lived_is_known_after_it() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        host.fake.hang_agent(VM1).await;
        host.sleep(35).await;
        host.fake.daemon_stops().await;
        host.sleep(300).await;
        host.fake.daemon_starts().await;
        host.sleep(40).await;
        assert_eq!(host.reported(), Vec::<String>::new(), "what was before does not count");
        host.sleep(20).await;
    })
    .await;
    assert_eq!(host.reported(), [VM1]);
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_was_started_anew_is_reported_anew() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        for _ in 0..2 {
            host.fake.hang_agent(VM1).await;
            host.sleep(120).await;
            host.fake.destroy(VM1).await;
            host.fake.start_guest(VM1).await;
            host.sleep(20).await;
        }
    })
    .await;
    assert_eq!(host.reported(), [VM1, VM1]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_answers_before_the_api_does_is_withdrawn_and_one_that_hangs_still_is_not() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.fake.start_guest(VM2).await;
    host.watched(async || {
        host.api.is_away(true);
        host.fake.hang_agent(VM1).await;
        host.fake.hang_agent(VM2).await;
        host.sleep(300).await;
        host.fake.agent(VM1, Agent::Lives);
        // A look that is under way may take as long as libvirt bears an agent that hangs.
        host.sleep(6).await;
        host.api.is_away(false);
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.reported(), [VM2]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_answered_and_is_not_any_more_counts_and_one_that_never_was_does_not() {
    let mut host = Host::new();
    host.commands = ["guest-get-fsinfo", "guest-get-osinfo"].map(str::to_owned).into();
    host.fake.start_guest(VM1).await;
    host.watched(async || {
        host.sleep(600).await;
        assert_eq!(host.reported(), Vec::<String>::new(), "it never could guest-get-osinfo");
        host.fake.unable("guest-get-fsinfo");
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.reported(), [VM1]);
}

#[test]
fn only_what_tells_may_be_asked_of_an_agent() {
    let named = |names: &[&str]| {
        Commands::named(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    let refused = |name: &str| Err::<Commands, _>(CommandRefused::NotAllowed(name.to_owned()));
    assert_eq!(named(&["guest-shutdown"]), refused("guest-shutdown"));
    assert_eq!(named(&["guest-exec"]), refused("guest-exec"));
    assert_eq!(named(&["guest-info"; 5]), Err(CommandRefused::TooMany(5)));
    assert_eq!(named(&[]), Ok(Commands::default()));
    let told = refused("guest-shutdown").unwrap_err().to_string();
    assert!(told.contains("guest-get-fsinfo"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_answers_is_told_once_and_again_when_its_vm_boots() {
    let host = Host::new();
    host.fake.start_guest(VM1).await;
    host.fake.start(VM2, true).await;
    host.watched(async || {
        host.sleep(300).await;
        assert_eq!(host.api.guests(), [[VM1]], "the other one has no agent that answers");
        host.fake.says(VM1, What::Reboot);
        host.sleep(60).await;
    })
    .await;
    assert_eq!(host.api.guests(), [[VM1], [VM1]]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_told_later_and_to_an_api_without_a_place_for_it_hardly_ever() {
    for (mood, told_at_the_end) in [(Mood::Away, vec![vec![VM1, VM2]]), (Mood::Status(404), vec![])]
    {
        let host = Host::new();
        host.api.is(mood);
        host.watched(async || {
            host.fake.start_guest(VM1).await;
            host.sleep(30).await;
            host.fake.start_guest(VM2).await;
            host.sleep(300).await;
            host.api.is(Mood::Well);
            host.sleep(70).await;
        })
        .await;
        assert_eq!(host.api.guests(), told_at_the_end, "{mood:?}");
    }
}

/// What it answered before is of no matter when it boots anew.
#[tokio::test(start_paused = true)]
async fn a_vm_that_stops_before_its_answer_was_told_is_not_told() {
    let host = Host::new();
    host.api.is_away(true);
    host.watched(async || {
        host.fake.start_guest(VM1).await;
        host.sleep(30).await;
        host.fake.destroy(VM1).await;
        host.api.is_away(false);
        host.sleep(300).await;
    })
    .await;
    assert_eq!(host.api.guests(), Vec::<Vec<String>>::new());
}
