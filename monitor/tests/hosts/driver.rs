//! The driver `default`: whom it asks, and when. What is made of the answers: `pacemaker`.

use async_trait::async_trait;
use monitor::hosts::{
    Source,
    pacemaker::{Alerts, NodeType, Pacemaker, PacemakerConfig, Tools, alert},
};
use ports::{Clock, Exec, ExecError, Finished, Program};
use recovery::{
    HostName,
    verdict::{Quorum, Round, Sight},
};
use sim::SimClock;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

const INTERVAL: Duration = Duration::from_secs(10);

/// The tools of a cluster: what each answers, one after the other; the last answer stays. A tool that is not here is not installed.
#[derive(Default, Debug)]
struct Cluster {
    answers: Mutex<BTreeMap<&'static str, Vec<String>>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Exec for Cluster {
    async fn run(&self, program: Program, _: Duration) -> Result<Finished, ExecError> {
        let tool = program.path.to_string_lossy().into_owned();
        self.asked.lock().unwrap().push(tool.clone());
        let mut answers = self.answers.lock().unwrap();
        let Some(of) = answers.get_mut(tool.as_str()) else {
            return Err(ExecError::Start {
                program: tool,
                source: std::io::ErrorKind::NotFound.into(),
            });
        };
        let said = if of.len() > 1 { of.remove(0) } else { of[0].clone() };
        Ok(Finished { code: Some(0), stdout: said.into_bytes(), stderr: Vec::new() })
    }
}

impl Cluster {
    /// `crm_mon` shows these states, one after the other.
    fn shows(states: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hosts/fixtures");
        let read = |state| std::fs::read_to_string(folder.join(format!("{state}.crm_mon.xml")));
        let shown = states.iter().map(|state| read(state).unwrap()).collect();
        let cluster = Self::default();
        cluster.answers.lock().unwrap().insert("crm_mon", shown);
        cluster
    }

    fn quorate(self, words: &[&str]) -> Self {
        let said = words.iter().map(|word| format!("Quorate:          {word}\n")).collect();
        self.answers.lock().unwrap().insert("corosync-quorumtool", said);
        self
    }

    fn times(&self, tool: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == tool).count()
    }
}

fn driver(own: &str, cluster: &Arc<Cluster>, alerts: Option<Alerts>) -> Pacemaker {
    let config = PacemakerConfig {
        own: HostName::new(own),
        interval: INTERVAL,
        node_type: NodeType::Autodetect,
        remotes_only: false,
        stonith_wait: Duration::from_secs(30),
    };
    let tools = Tools { exec: cluster.clone(), deadline: Duration::from_secs(5) };
    Pacemaker::new(config, tools, alerts, Arc::new(SimClock::new()))
}

fn lost(round: &Round) -> Vec<&str> {
    assert_eq!(round.quorum, Quorum::Quorate);
    let lost = round.hosts.iter().filter(|seen| seen.sight == Sight::Offline);
    lost.map(|seen| seen.host.as_str()).collect()
}

fn no_quorum() -> Round {
    Round::silent(Quorum::NotQuorate { why: "Pacemaker cluster doesn't have quorum.".into() })
}

/// Pacemaker's controller writes the loss first, and the quorum behind it.
#[tokio::test(start_paused = true)]
async fn a_loss_that_is_shown_before_the_quorum_that_went_with_it_is_not_told() {
    for (quorate, expected) in [("Yes", Some(["ctl3"])), ("No", None)] {
        let cluster = Arc::new(Cluster::shows(&["member-lost-fencing.ctl1"]).quorate(&[quorate]));
        let round = driver("ctl1", &cluster, None).next().await.unwrap();
        match expected {
            Some(expected) => assert_eq!(lost(&round), expected),
            None => assert_eq!(round, no_quorum()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_corosync_does_not_say_it_who_is_lost_anew_is_looked_at_again() {
    // A remote has no Corosync, and a member may not be let in.
    for own in ["cmp1", "ctl1"] {
        let split = ["member-lost-fencing.ctl1", "partition-minority-no-quorum.ctl3"];
        let cluster = Arc::new(Cluster::shows(&split));
        assert_eq!(driver(own, &cluster, None).next().await.unwrap(), no_quorum(), "{own}");
        let dead = Arc::new(Cluster::shows(&["member-lost-fencing.ctl1"]));
        assert_eq!(lost(&driver(own, &dead, None).next().await.unwrap()), ["ctl3"], "{own}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_who_is_lost_already_no_quorum_is_asked_for_until_somebody_else_is() {
    let lost = "member-lost-fencing.ctl1";
    let cluster = Cluster::shows(&[lost, lost, "all-online.ctl1", lost]).quorate(&["Yes"]);
    let cluster = Arc::new(cluster);
    let mut driver = driver("ctl1", &cluster, None);
    for asked in [1, 1, 1, 2] {
        driver.next().await.unwrap();
        assert_eq!(cluster.times("corosync-quorumtool"), asked);
    }
}

/// A new coordinator may be elected only after the alert, and then nothing tells of it.
#[tokio::test(start_paused = true)]
async fn after_an_alert_it_looks_again_ever_later_until_an_interval_lies_between() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("alert.sock");
    let alerts = Alerts::listen(&socket).unwrap();
    let cluster = Arc::new(Cluster::shows(&["all-online.ctl1"]));
    let mut driver = driver("ctl1", &cluster, Some(alerts));
    driver.next().await.unwrap();
    alert::tell(&socket, "node ctl3 lost").unwrap();
    driver.next().await.unwrap();
    let (clock, mut gaps_ms) = (SimClock::new(), Vec::new());
    for _ in 0..7 {
        let before = clock.boot();
        driver.next().await.unwrap();
        gaps_ms.push(clock.boot().since(before).as_millis());
    }
    assert_eq!(gaps_ms, [300, 600, 1_200, 2_400, 4_800, 9_600, 10_000]);
}
