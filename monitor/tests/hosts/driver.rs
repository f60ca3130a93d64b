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
    /// A `crm_mon` of before 2.0.4.
    is_old: bool,
}

#[async_trait]
impl Exec for Cluster {
    async fn run(&self, program: Program, _: Duration) -> Result<Finished, ExecError> {
        let tool = program.path.to_string_lossy().into_owned();
        self.asked.lock().unwrap().push(tool.clone());
        if self.is_old && program.arguments.iter().any(|a| a.to_string_lossy().contains("exclude"))
        {
            let stderr = b"crm_mon: Unknown option".to_vec();
            return Ok(Finished { code: Some(64), stdout: Vec::new(), stderr });
        }
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

    /// How Corosync has its link to each other node, one answer after the other.
    fn linked(self, answers: &[[&str; 2]]) -> Self {
        let printed = |states: &[&str; 2]| {
            let other = |(n, state)| format!("\t\tnodeid: {:>2}:\t{state}\n", n + 2);
            let others: String = states.iter().enumerate().map(other).collect();
            format!("LINK ID 0 udp\n\tstatus:\n\t\tnodeid:  1:\tlocalhost\n{others}")
        };
        let answers = answers.iter().map(printed).collect();
        self.answers.lock().unwrap().insert("corosync-cfgtool", answers);
        self
    }

    fn times(&self, tool: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == tool).count()
    }
}

fn driver(own: &str, cluster: &Arc<Cluster>, alerts: Option<Alerts>) -> Pacemaker {
    of_type(NodeType::Autodetect, own, cluster, alerts)
}

fn of_type(
    node_type: NodeType,
    own: &str,
    cluster: &Arc<Cluster>,
    alerts: Option<Alerts>,
) -> Pacemaker {
    let config = PacemakerConfig {
        own: HostName::new(own),
        interval: INTERVAL,
        node_type,
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

/// What is not read is not asked for: with 500 remotes 590 kB are printed, and 1.6 MB with all resources and operations.
#[tokio::test(start_paused = true)]
async fn an_older_crm_mon_that_prints_all_there_is_is_read_too() {
    for (is_old, asked) in [(false, 1), (true, 2)] {
        let cluster = Cluster { is_old, ..Cluster::shows(&["all-online.ctl1"]) };
        let cluster = Arc::new(cluster);
        assert_eq!(lost(&driver("ctl1", &cluster, None).next().await.unwrap()), [""; 0]);
        assert_eq!(cluster.times("crm_mon"), asked);
    }
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

/// In a cluster of two nodes both parts have quorum when they are cut, and the one that is fenced must not have told of the other before.
#[tokio::test(start_paused = true)]
async fn who_has_no_link_left_and_quorum_all_the_same_tells_nothing_until_it_would_have_been_fenced()
 {
    let cut = [["disconnected", "disconnected"]];
    let lose = || Cluster::shows(&["partition-majority.ctl1"]).quorate(&["Yes"]);
    let cluster = Arc::new(lose().linked(&cut));
    let mut alone = driver("ctl1", &cluster, None);
    let clock = SimClock::new();
    let silent = Quorum::CutOff { why: "Corosync communication is failed.".into() };
    let began = clock.boot();
    loop {
        let round = alone.next().await.unwrap();
        if clock.boot().since(began) >= Duration::from_secs(30) {
            assert_eq!(lost(&round), ["ctl3"]);
            break;
        }
        assert_eq!(round, Round::silent(silent.clone()));
    }
    let one_is_up = Arc::new(lose().linked(&[["connected", "disconnected"]]));
    assert_eq!(lost(&driver("ctl1", &one_is_up, None).next().await.unwrap()), ["ctl3"]);
    // A remote has no links, whatever a tool that is there by chance says.
    let remote = Arc::new(lose().linked(&cut));
    assert_eq!(lost(&driver("cmp1", &remote, None).next().await.unwrap()), ["ctl3"]);
}

/// `pacemaker_node_type`: a remote has no quorum to ask Corosync for.
#[tokio::test(start_paused = true)]
async fn whether_this_host_is_a_remote_is_found_out_or_said() {
    for (node_type, own, asked) in [
        (NodeType::Autodetect, "ctl1", 1),
        (NodeType::Autodetect, "cmp2", 0),
        (NodeType::Cluster, "cmp2", 1),
        (NodeType::Remote, "ctl1", 0),
    ] {
        let cluster = Arc::new(Cluster::shows(&["partition-majority.ctl1"]).quorate(&["Yes"]));
        of_type(node_type, own, &cluster, None).next().await.unwrap();
        assert_eq!(cluster.times("corosync-quorumtool"), asked, "{node_type:?} {own}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_somebody_is_to_be_fenced_it_is_asked_every_three_seconds_and_then_every_interval() {
    let shown = ["member-lost-fencing.ctl1", "member-lost-fencing.ctl1", "all-online.ctl1"];
    let cluster = Arc::new(Cluster::shows(&shown).quorate(&["Yes"]));
    let mut driver = driver("ctl1", &cluster, None);
    let (clock, mut gaps_ms) = (SimClock::new(), Vec::new());
    for _ in 0..4 {
        let before = clock.boot();
        driver.next().await.unwrap();
        gaps_ms.push(clock.boot().since(before).as_millis());
    }
    assert_eq!(gaps_ms, [0, 3_000, 3_000, 10_000]);
}

/// A cluster that is away is said so by its tool, on standard output or by its code alone.
#[tokio::test(start_paused = true)]
async fn a_tool_that_says_nothing_and_fails_is_a_fault_with_its_own_words() {
    #[derive(Debug)]
    struct Fails;
    #[async_trait]
    impl Exec for Fails {
        async fn run(&self, _: Program, _: Duration) -> Result<Finished, ExecError> {
            let stderr = b"crm_mon: could not connect".to_vec();
            Ok(Finished { code: Some(102), stdout: Vec::new(), stderr })
        }
    }
    let config = PacemakerConfig {
        own: HostName::new("ctl1"),
        interval: INTERVAL,
        node_type: NodeType::Autodetect,
        remotes_only: false,
        stonith_wait: Duration::from_secs(30),
    };
    let tools = Tools { exec: Arc::new(Fails), deadline: Duration::from_secs(5) };
    let mut driver = Pacemaker::new(config, tools, None, Arc::new(SimClock::new()));
    let why = driver.next().await.unwrap_err().to_string();
    assert_eq!(why, "crm_mon ended with code 102: crm_mon: could not connect");
}

/// Half a minute is counted from the last moment at which a link was up.
#[tokio::test(start_paused = true)]
async fn a_link_that_was_up_in_between_begins_the_wait_anew() {
    let (cut, up) = (["disconnected", "disconnected"], ["connected", "disconnected"]);
    let answers: Vec<[&str; 2]> = std::iter::repeat_n(cut, 80).chain([up]).chain([cut]).collect();
    let cluster = Cluster::shows(&["partition-majority.ctl1"]).quorate(&["Yes"]).linked(&answers);
    let cluster = Arc::new(cluster);
    let mut alone = driver("ctl1", &cluster, None);
    for _ in 0..80 {
        assert!(matches!(alone.next().await.unwrap().quorum, Quorum::CutOff { .. }));
    }
    assert_eq!(lost(&alone.next().await.unwrap()), ["ctl3"]);
    for _ in 0..3 {
        assert!(matches!(alone.next().await.unwrap().quorum, Quorum::CutOff { .. }));
    }
}

/// Nothing tells when a new coordinator has written who is lost.
#[tokio::test(start_paused = true)]
async fn while_a_coordinator_is_awaited_it_is_asked_all_the_time_and_after_half_a_minute_less_often()
 {
    let cluster = Cluster::shows(&["partition-majority.ctl1"]);
    for shown in cluster.answers.lock().unwrap().get_mut("crm_mon").unwrap() {
        *shown = shown.replace("version=\"\" name=\"ctl1\"", "name=\"ctl3\"");
    }
    let cluster = Arc::new(cluster);
    let mut driver = driver("ctl1", &cluster, None);
    let (clock, mut gaps_ms) = (SimClock::new(), Vec::new());
    for _ in 0..105 {
        let before = clock.boot();
        let round = driver.next().await.unwrap();
        assert!(matches!(round.quorum, Quorum::CutOff { .. }), "{round:?}");
        gaps_ms.push(clock.boot().since(before).as_millis());
    }
    assert_eq!(gaps_ms[1..=100], [300; 100]);
    assert_eq!(gaps_ms[101..], [3_000; 4]);
}

/// How long after each look the next one is, after an alert that says this, when the looks show one after the other.
async fn gaps_after(said: &str, shown: &[&str]) -> Vec<u128> {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("alert.sock");
    let alerts = Alerts::listen(&socket).unwrap();
    let cluster = Arc::new(Cluster::shows(shown).quorate(&["Yes"]));
    let mut driver = driver("ctl1", &cluster, Some(alerts));
    driver.next().await.unwrap();
    alert::tell(&socket, said).unwrap();
    driver.next().await.unwrap();
    let (clock, mut gaps_ms) = (SimClock::new(), Vec::new());
    for _ in 0..120 {
        let before = clock.boot();
        driver.next().await.unwrap();
        gaps_ms.push(clock.boot().since(before).as_millis());
    }
    gaps_ms
}

#[tokio::test(start_paused = true)]
async fn after_an_alert_it_looks_again_at_once_and_then_ever_later_until_an_interval_lies_between()
{
    let gaps_ms = gaps_after("fencing ctl3 done", &["all-online.ctl1"]).await;
    assert_eq!(gaps_ms[..10], [300; 10]);
    assert_eq!(gaps_ms[10..17], [600, 1_200, 2_400, 4_800, 9_600, 10_000, 10_000]);
}

/// Nothing tells when another coordinator, which is elected first, has written who is lost.
#[tokio::test(start_paused = true)]
async fn a_loss_is_looked_for_until_it_is_shown() {
    let online = "all-online.ctl1";
    let gaps_ms = gaps_after("node ctl3 lost", &[online]).await;
    assert_eq!(gaps_ms[..100], [300; 100]);
    assert_eq!(gaps_ms[100..103], [600, 1_200, 2_400]);
    // Shown by the fiftieth look, clean: nobody is to be fenced.
    let shown: Vec<&str> = [online; 51].into_iter().chain(["member-stopped-clean.ctl1"]).collect();
    let gaps_ms = gaps_after("node ctl3 lost", &shown).await;
    assert_eq!(gaps_ms[..60], [300; 60]);
    assert_eq!(gaps_ms[60..63], [600, 1_200, 2_400]);
}

/// The CIB does not say so: an older fencing is no proof of its next loss, which may be a stop in peace.
#[tokio::test(start_paused = true)]
async fn a_remote_that_is_back_is_seen_though_the_cib_does_not_have_it() {
    let fixture = |name: &str| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hosts/fixtures");
        std::fs::read_to_string(folder.join(format!("remote-killed-fenced.ctl1.{name}.xml")))
            .unwrap()
    };
    let fenced_at = SimClock::new().wall().plus(5_000).utc().replace('T', " ");
    let offline = fixture("crm_mon").replace("2026-11-21 02:14:08Z", &fenced_at);
    let shown = offline.replace("id=\"cmp1\" online=\"false\"", "id=\"cmp1\" online=\"true\"");
    assert!(offline.contains(&fenced_at) && shown != offline);
    let state = |in_ccm: bool| {
        format!(
            "<xpath-query><node_state uname=\"cmp1\" in_ccm=\"{in_ccm}\" node_fenced=\"0\"/></xpath-query>"
        )
    };
    for (between, is_proven) in [(&shown, false), (&offline, true)] {
        let cluster = Arc::new(Cluster::default().quorate(&["Yes"]));
        {
            let mut answers = cluster.answers.lock().unwrap();
            answers.insert("crm_mon", vec![shown.clone(), between.clone(), offline.clone()]);
            answers.insert("cibadmin", vec![state(true), state(false)]);
        }
        let mut pacemaker = driver("ctl1", &cluster, None);
        let mut last = pacemaker.next().await.unwrap();
        assert!(
            last.hosts
                .iter()
                .any(|seen| seen.host.as_str() == "cmp1" && seen.sight == Sight::Online)
        );
        for _ in 0..2 {
            last = pacemaker.next().await.unwrap();
        }
        assert_eq!(lost(&last), ["cmp1"]);
        assert_eq!(last.hosts.iter().any(|seen| seen.proof.is_some()), is_proven);
    }
}
