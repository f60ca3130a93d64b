//! The host's agent: whole shutdowns and boots in virtual time, against an API that keeps planned stops as ours does.
#![cfg(test)]

mod api;

use api::{Api, Stop};
use async_trait::async_trait;
use monitor::{
    Board,
    agent::{Agent, AgentConfig, Announcement, Identify, Patience, Started, TURN_MOST, may_start},
    sending::{Folder, SystemFolder},
};
use openstack::{Session, instance_ha::Client};
use ports::{Clock, Exec, ExecError, Finished, Program, SeededEntropy};
use recovery::{HostName, identity::Identity};
use serde_json::json;
use sim::SimClock;
use std::{sync::Arc, time::Duration};
use url::Url;

/// systemd, which says this of itself.
#[derive(Debug)]
struct Systemd(&'static str);

#[async_trait]
impl Exec for Systemd {
    async fn run(&self, program: Program, deadline: Duration) -> Result<Finished, ExecError> {
        assert_eq!(
            (program.path, program.arguments),
            ("systemctl".into(), vec!["is-system-running".into()])
        );
        if self.0.is_empty() {
            let deadline_ms = u64::try_from(deadline.as_millis()).unwrap();
            return Err(ExecError::TimedOut { program: "systemctl".into(), deadline_ms });
        }
        let stdout = format!("{}\n", self.0).into_bytes();
        // As systemctl(1) has it, everything but "running" is an error.
        Ok(Finished { code: Some(1), stdout, stderr: vec![] })
    }
}

struct Host {
    api: Api,
    /// Opened once: who is struck down may still be writing into it when the next run begins.
    folder: Arc<dyn Folder>,
    _temporary: tempfile::TempDir,
    clock: Arc<SimClock>,
    board: Board,
}

impl Host {
    fn new() -> Self {
        let clock = Arc::new(SimClock::new());
        let board = Board::new(clock.clone());
        let temporary = tempfile::tempdir().unwrap();
        let folder = Arc::new(SystemFolder::open(temporary.path()).unwrap());
        Self { api: Api::new(*clock), folder, _temporary: temporary, clock, board }
    }

    fn client(&self) -> Client {
        let endpoint = Url::parse("http://api/v1").unwrap();
        let (api, entropy) = (Arc::new(self.api.clone()), Arc::new(SeededEntropy::new(1)));
        Client::new(Session::none(endpoint, None, api, self.clock.clone(), entropy))
    }

    /// The agent of one run of this host.
    fn agent(&self, systemd: &'static str) -> Agent {
        Agent {
            config: AgentConfig {
                host: HostName::new("cmp1"),
                announce_for: Duration::from_secs(1800),
                back_after: Duration::from_secs(300),
            },
            client: self.client(),
            exec: Arc::new(Systemd(systemd)),
            folder: Some(self.folder.clone()),
            mark: self.board.mark("agent", None, TURN_MOST),
            clock: self.clock.clone(),
        }
    }

    async fn stopped(&self, systemd: &'static str) -> Announcement {
        self.agent(systemd).announce().await
    }

    /// The agent tells which machine this is, for so long.
    async fn identifies(&self, seconds: u64) {
        let identity = Identity { boot: "b1".into(), uuid: None, serial: Some("CZ1".into()) };
        let identify = Identify {
            client: self.client(),
            host: HostName::new("cmp1"),
            identity,
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(2)),
        };
        tokio::select! {
            () = identify.run() => {}
            () = self.clock.sleep(Duration::from_secs(seconds)) => {}
        }
    }

    async fn runs(&self, seconds: u64) {
        let agent = self.agent("running");
        tokio::select! {
            () = agent.run() => {}
            () = self.clock.sleep(Duration::from_secs(seconds)) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn which_machine_a_host_is_is_told_at_once_and_now_and_again() {
    let host = Host::new();
    host.identifies(5).await;
    assert_eq!(host.api.identities(), [json!({ "boot": "b1", "serial": "CZ1" })]);
    host.identifies(3600).await;
    let told = host.api.identities().len() - 1;
    assert!((4..=12).contains(&told), "{told} in an hour");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_told_soon_again_and_who_refuses_is_not() {
    for (status, most) in [(503, 60), (404, 900)] {
        let host = Host::new();
        host.api.answers(status);
        let back = async {
            host.clock.sleep(Duration::from_secs(300)).await;
            host.api.answers_again();
        };
        tokio::join!(host.identifies(300 + most), back);
        assert!(!host.api.identities().is_empty(), "{status}");
        let asked = host.api.asked();
        assert!(
            if status == 503 { asked >= 6 } else { asked <= 4 },
            "{status}: asked {asked} times"
        );
    }
}

fn by_ann() -> Stop {
    Stop { id: "ann".into(), kind: "maintenance".into(), by: "ann".into(), status: None }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_shut_down_is_announced_and_a_unit_that_is_stopped_is_not() {
    let host = Host::new();
    for state in ["running", "degraded", "starting", "maintenance", ""] {
        assert_eq!(host.stopped(state).await, Announcement::NotStopping, "{state}");
    }
    assert_eq!(host.api.stop(), None);
    assert!(matches!(host.stopped("stopping").await, Announcement::Until(_)));
    let stop = host.api.stop().unwrap();
    assert_eq!((stop.kind.as_str(), host.api.span().as_deref()), ("stop-announced", Some("1800s")));
}

#[tokio::test(start_paused = true)]
async fn what_a_person_has_planned_is_neither_shortened_nor_ended() {
    let host = Host::new();
    host.api.plans(by_ann());
    let announcement = host.stopped("stopping").await;
    assert!(matches!(announcement, Announcement::Planned { by, .. } if by == "ann"));
    host.runs(3600).await;
    assert_eq!(host.api.stop(), Some(by_ann()));
}

#[tokio::test(start_paused = true)]
async fn the_announced_stop_is_ended_when_the_host_has_been_back_for_a_while() {
    let host = Host::new();
    host.stopped("stopping").await;
    host.runs(299).await;
    assert!(host.api.stop().is_some(), "Nova may not have heard it yet");
    host.runs(310).await;
    assert_eq!(host.api.stop(), None);
    // Nothing is asked any more.
    let asked = host.api.asked();
    host.runs(3600).await;
    assert_eq!(host.api.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_a_person_planned_since_stays() {
    let host = Host::new();
    host.stopped("stopping").await;
    host.api.plans(by_ann());
    host.runs(3600).await;
    assert_eq!(host.api.stop(), Some(by_ann()));
}

/// To end the stop would have the report taken up, perhaps before Nova has heard the host.
#[tokio::test(start_paused = true)]
async fn while_a_report_waits_for_its_end_the_stop_is_left_to_the_engine() {
    let host = Host::new();
    host.stopped("stopping").await;
    host.api.report_is(Some("new"));
    host.runs(3000).await;
    assert!(host.api.stop().is_some());
    let shown = host.board.shown("masakari-agent", "cmp1", 1).monitors.remove(0);
    assert!(shown.why.unwrap().contains("a report of the death of cmp1 waits"));
    host.api.report_is(Some("ignored"));
    host.runs(400).await;
    assert_eq!(host.api.stop(), None);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_hangs_holds_the_shutdown_for_25_s_at_most_and_one_that_is_away_not_at_all() {
    let host = Host::new();
    host.api.hangs();
    let began = host.clock.boot();
    assert!(matches!(host.stopped("stopping").await, Announcement::Failed(_)));
    let s = host.clock.boot().since(began).as_secs();
    assert_eq!(s, 25);
    host.api.answers(503);
    assert!(matches!(host.stopped("stopping").await, Announcement::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn pythons_masakari_takes_no_announcement_and_that_is_said() {
    let host = Host::new();
    host.api.answers(404);
    let Announcement::Failed(why) = host.stopped("stopping").await else { panic!("it failed") };
    assert!(why.contains("Python's Masakari"), "{why}");
}

const PATIENCE: Patience = Patience {
    ask_every: Duration::from_secs(5),
    answer_most: Duration::from_secs(60),
    no_most: None,
};

impl Host {
    /// What it came to, after how many seconds, and what it waited for.
    async fn starts(&self, patience: Patience) -> (Started, u64, Vec<String>) {
        let (began, mut told) = (self.clock.boot(), Vec::new());
        let (client, name) = (self.client(), HostName::new("cmp1"));
        let tell = |why: &str| told.push(why.to_owned());
        let started = may_start(&client, &name, patience, &*self.clock, tell).await;
        (started, self.clock.boot().since(began).as_secs(), told)
    }
}

#[tokio::test(start_paused = true)]
async fn nova_compute_waits_for_the_recovery_of_its_host_as_long_as_that_takes() {
    let host = Host::new();
    host.api.may_start_after(Duration::from_secs(7200));
    let (started, s, told) = host.starts(PATIENCE).await;
    assert!(matches!(started, Started::Allowed(_)) && (7200..7206).contains(&s), "{s}");
    assert_eq!(told, ["a recovery is under way"]);
}

#[tokio::test(start_paused = true)]
async fn a_masakari_that_is_away_keeps_no_host_out_for_longer_than_is_said() {
    let host = Host::new();
    host.api.answers(503);
    let (started, s, told) = host.starts(PATIENCE).await;
    assert!(matches!(started, Started::Unanswered(_)) && (60..70).contains(&s), "{started:?} {s}");
    assert_eq!(told.len(), 1, "{told:#?}");
    host.api.answers(404);
    let (started, s, _) = host.starts(PATIENCE).await;
    assert_eq!((started, s), (Started::Unknown, 0));
}

/// It said no, and nobody knows whether it still would.
#[tokio::test(start_paused = true)]
async fn a_masakari_that_goes_away_is_waited_for_from_its_last_answer_on() {
    let host = Host::new();
    host.api.may_start_after(Duration::from_secs(7200));
    let goes_away = async {
        host.clock.sleep(Duration::from_secs(600)).await;
        host.api.answers(503);
        std::future::pending::<()>().await;
    };
    let (started, s, _) = tokio::select! {
        started = host.starts(PATIENCE) => started,
        () = goes_away => unreachable!(),
    };
    assert!(
        matches!(started, Started::Unanswered(_)) && (655..670).contains(&s),
        "{started:?} {s}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_script_that_does_not_wait_is_told_at_once() {
    let host = Host::new();
    host.api.may_start_after(Duration::from_secs(7200));
    let at_once = Patience { no_most: Some(Duration::ZERO), ..PATIENCE };
    let (started, s, _) = host.starts(at_once).await;
    assert_eq!((started, s), (Started::Refused("a recovery is under way".into()), 0));
}

#[tokio::test(start_paused = true)]
async fn however_long_there_is_nothing_to_do_the_agents_loop_is_seen_to_turn() {
    for minutes in [4, 10, 60] {
        let host = Host::new();
        host.runs(minutes * 60).await;
        assert_eq!(host.board.stuck(), [""; 0], "after {minutes} minutes");
    }
}
