//! Persons who cancel recoveries and have them tried again, at any moment, one or two at once.
//!
//! Each word counts once, a cancelled recovery begins nothing more, and what is tried again ends like any other.

use crate::tale::Stage;
use recovery::{
    NotificationId,
    hand::HandEntry,
    log::{Act, Entry},
    nouns::NotificationStatus,
    request::{Asked, Request, RequestState},
    restart,
};
use std::time::Duration;
use store::Store;

/// What persons ask of the first host's recovery, or of the first small failure.
#[derive(Clone, Debug, Default)]
pub struct ByHand {
    pub words: Vec<Ask>,
    /// Somebody has it tried again until it is finished.
    pub insists: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub at_ms: u64,
    pub what: What,
    /// Two persons at once.
    pub twice: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Cancel,
    Retry,
    Approve,
    Reject,
}

/// How often the one who insists looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What they speak of.
pub fn subject(stage: &Stage) -> NotificationId {
    match stage.scene.small {
        Some(_) => NotificationId::new("small-0"),
        None => NotificationId::new(format!("report-{}", stage.host(0))),
    }
}

async fn file(stage: &Stage, id: String, what: What) {
    let now = stage.clock.wall();
    let (notification, reason) = (subject(stage), Some("it is my job".to_owned()));
    let request = Request {
        id,
        asked: match what {
            What::Cancel => Asked::Cancel { notification, reason },
            What::Retry => Asked::Retry { notification, reason },
            What::Approve => Asked::Approve { notification, reason },
            What::Reject => Asked::Reject { notification, reason },
        },
        who: "operator".into(),
        created_at: now,
        deadline: now.plus(60_000),
        state: RequestState::Open,
        answer: None,
    };
    stage.memory.file_request(&request).await.unwrap();
}

/// What they ask, each at its time.
pub async fn happens(stage: &Stage) {
    for (n, ask) in stage.scene.by_hand.words.iter().enumerate() {
        stage.at(ask.at_ms).await;
        file(stage, format!("word-{n}"), ask.what).await;
        if ask.twice {
            file(stage, format!("word-{n}-again"), ask.what).await;
        }
    }
    if !stage.scene.by_hand.insists {
        return;
    }
    for tries in 0.. {
        stage.clock.sleep(LOOK_EVERY).await;
        let all = stage.memory.all_notifications();
        let ours = all.iter().find(|n| n.uuid == subject(stage));
        let failed = |s: NotificationStatus| s.is_terminal() && s != NotificationStatus::Finished;
        if ours.is_some_and(|n| failed(n.status)) && unanswered(stage).await == 0 {
            file(stage, format!("insists-{tries}"), What::Retry).await;
        }
    }
}

async fn unanswered(stage: &Stage) -> usize {
    stage.memory.open_requests(1_000).await.unwrap().len()
}

/// Whether nobody waits for anything any more.
pub async fn all_said(stage: &Stage) -> bool {
    let finished = |n: &recovery::nouns::Notification| n.status == NotificationStatus::Finished;
    let content =
        !stage.scene.by_hand.insists || stage.memory.all_notifications().iter().all(finished);
    content && unanswered(stage).await == 0
}

/// Nothing is begun between the line that cancels and the one that tries again.
pub fn at_every_step(stage: &Stage) -> Result<(), String> {
    for notification in stage.memory.all_notifications() {
        let mut cancelled = false;
        for line in stage.memory.lines(&notification.uuid) {
            match &line.entry {
                Entry::Hand(HandEntry::Cancelled { .. } | HandEntry::Rejected { .. }) => {
                    cancelled = true;
                }
                Entry::Hand(HandEntry::Retried { .. }) => cancelled = false,
                Entry::Intended { act: Act::Evacuate, .. }
                | Entry::ForceDownIntended
                | Entry::DisableIntended
                | Entry::Planned { .. }
                | Entry::Restart(
                    restart::Event::StopIntended { .. } | restart::Event::StartIntended,
                )
                | Entry::Process(recovery::process::Event::DisableIntended)
                    if cancelled =>
                {
                    return Err(format!("#{} begins what was cancelled", line.seq));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Each word that was granted stands in the log once, no other does.
pub async fn at_the_end(stage: &Stage) -> Result<(), String> {
    let lines = stage.memory.lines(&subject(stage));
    let words = lines.iter().filter_map(|line| match &line.entry {
        Entry::Hand(
            HandEntry::Retried { request, .. }
            | HandEntry::Cancelled { request, .. }
            | HandEntry::Approved { request, .. }
            | HandEntry::Rejected { request, .. },
        ) => Some(request.as_str()),
        _ => None,
    });
    let written: Vec<&str> = words.collect();
    for id in &written {
        let request = stage.memory.request(id).await.unwrap();
        if request.is_none_or(|r| r.state != RequestState::Done) {
            return Err(format!("{id} was done and not granted"));
        }
    }
    for n in 0..stage.scene.by_hand.words.len() {
        for id in [format!("word-{n}"), format!("word-{n}-again")] {
            let Some(request) = stage.memory.request(&id).await.unwrap() else { continue };
            let times = written.iter().filter(|there| **there == id).count();
            if times != usize::from(request.state == RequestState::Done) {
                return Err(format!("{id} is {:?} and was done {times} times", request.state));
            }
        }
    }
    Ok(())
}

/// Whether what persons asked for may have left something undone.
pub fn may_be_undone(stage: &Stage) -> bool {
    let all = stage.memory.all_notifications();
    let ours = all.iter().find(|n| n.uuid == subject(stage));
    let finished = ours.is_some_and(|n| n.status == NotificationStatus::Finished);
    !stage.scene.by_hand.words.is_empty() && !finished
}
