//! Many hosts are lost at once, or seem to be: what the storm guard holds, what it lets pass, and what that costs.

use crate::{drill, stops, tale::Stage};
use ports::Answer;
use recovery::{
    NotificationId,
    approval::Policy,
    guard::{GuardEntry, Rules, Switch},
    lease::{LeaseKey, Owner},
    log::{Entry, Line, Summary},
    nouns::NotificationStatus,
};
use store::{Claim, Store};

/// What takes many hosts at once.
#[derive(Clone, Debug, Default)]
pub struct Storm {
    /// `[guard]`.
    pub guard: Rules,
    /// So many hosts more, at the same moment.
    pub others: usize,
    /// They live; they are only reported.
    pub alive: bool,
    /// When a person is asked before anything begins.
    pub approval: Policy,
    /// When a person turns the switch, and to what.
    pub switch: Vec<(u64, bool)>,
    /// What is planned is a drain: the host's servers are moved away first.
    pub drained: bool,
    /// A shadow runs beside the engines, on a database of its own.
    pub shadow: bool,
    /// Python Masakari takes the host out of service when it is reported.
    pub python: bool,
    /// At which crossing of its ports each of its lives ends.
    pub shadow_dies: Vec<usize>,
    /// When a stop of the first host is planned, and for how long; `None`: when a person ends it.
    pub planned: Vec<(u64, Option<u64>)>,
    /// When another engine recovers a host from beginning to end, in no time.
    pub recovered_ms: Option<(u64, Unseen)>,
    /// When the first host's monitor says once more that it is dead, however that may be.
    pub again_ms: Option<u64>,
    /// The cells of these hosts do not answer.
    pub cells_down: Vec<usize>,
    /// Nova's list of all services fails.
    pub unlisted: bool,
    /// When a person has the server of a dead host brought to the first one.
    pub brought_ms: Option<u64>,
}

/// A recovery that is over before anybody looks.
#[derive(Clone, Copy, Debug)]
pub struct Unseen {
    pub host: usize,
    /// It passed the guard; else it ended before.
    pub begins: bool,
}

/// What the scene lets happen, each at its time.
pub async fn happens(stage: &Stage) {
    let storm = &stage.scene.storm;
    let brought = async {
        if let Some(at_ms) = storm.brought_ms {
            drill::is_brought_to(stage, &stage.host(0), at_ms).await;
        }
    };
    let again = async {
        if let Some(at_ms) = storm.again_ms {
            stage.at(at_ms).await;
            stage.report_again(&stage.host(0), 1).await;
        }
    };
    let unseen = futures::future::join3(recovered(stage, storm), brought, again);
    futures::join!(others(stage, storm), turns(stage, storm), stops::happens(stage), unseen);
}

async fn others(stage: &Stage, storm: &Storm) {
    stage.at(stage.scene.dies_at_ms).await;
    let hosts = || (1..=storm.others).map(|n| stage.host(n));
    hosts().filter(|_| !storm.alive).for_each(|host| stage.world.kill_host(&host));
    stage.at(stage.scene.dies_at_ms + stage.scene.reported_after_ms).await;
    for host in hosts() {
        stage.report(&host).await;
    }
}

async fn recovered(stage: &Stage, storm: &Storm) {
    let Some((at_ms, unseen)) = storm.recovered_ms else { return };
    stage.at(at_ms).await;
    let (host, memory) = (stage.host(unseen.host), &stage.memory);
    stage.report(&host).await;
    let id = NotificationId::new(format!("report-{host}"));
    let claim = Claim { key: LeaseKey::recovery(&id), seen: None };
    let owner = Owner("another".into());
    let [lease] =
        <[_; 1]>::try_from(memory.take(&[claim], &owner).await.unwrap().unwrap()).unwrap();
    let status = NotificationStatus::Finished;
    let passed = unseen.begins.then_some(Entry::Guard(GuardEntry::Passed { beat: None }));
    let entries = passed.into_iter().chain([Entry::Ended { status, message: None }]);
    let at = stage.clock.wall();
    let lines: Vec<Line> = (1..).zip(entries).map(|(seq, entry)| Line { seq, at, entry }).collect();
    let passed = unseen.begins.then_some(Summary::Passed { beat: None });
    let summaries = passed.into_iter().chain([Summary::Status { status, message: None }]);
    let summaries: Vec<Summary> = summaries.collect();
    memory.append(&lease, &id, &lines, &summaries).await.unwrap();
}

async fn turns(stage: &Stage, storm: &Storm) {
    for (at_ms, armed) in &storm.switch {
        stage.at(*at_ms).await;
        let (by, why) = ("operator".into(), Some("it is my job".into()));
        let switch = Switch { armed: *armed, at: stage.clock.wall(), by, why };
        stage.memory.turn_switch(&switch).await.unwrap();
    }
}

/// Whether the guard may hold what is lost in this scene to its end.
pub fn may_hold(stage: &Stage) -> bool {
    let Storm { others, unlisted, cells_down, .. } = &stage.scene.storm;
    *others > 0 || *unlisted || cells_down.contains(&0)
}

/// Nova's services as Nova tells them when a cell does not answer, or when it cannot list them all.
pub fn services_told(stage: &Stage, query: &str, answer: Answer) -> Answer {
    let storm = &stage.scene.storm;
    if storm.unlisted && !query.contains("host=") {
        let mut failed = Answer::new("{}".into());
        *failed.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        return failed;
    }
    let mut body: serde_json::Value = match serde_json::from_slice(answer.body()) {
        Ok(body) if !storm.cells_down.is_empty() => body,
        Ok(_) | Err(_) => return answer,
    };
    let down: Vec<String> =
        storm.cells_down.iter().map(|n| stage.host(*n).as_str().to_owned()).collect();
    for row in body["services"].as_array_mut().into_iter().flatten() {
        if down.iter().any(|host| row["host"] == host.as_str()) {
            *row = serde_json::json!({
                "binary": "nova-compute", "host": row["host"], "status": "UNKNOWN",
            });
        }
    }
    let (head, _) = answer.into_parts();
    Answer::from_parts(head, body.to_string().into())
}
