//! Monitors contradict each other: a host is reported dead, and then another one says that it is there, or a VM on it
//! answers. It is not switched off, and what was begun does not go on.

use crate::{
    fences::{Fence, logs},
    small,
    tale::Stage,
};
use recovery::{
    Millis,
    evidence::{Evidence, Kind, Sighting, Sign},
    fencing::FenceEntry,
    log::Entry,
    permit::SKEW_MS,
};
use store::Store;

/// What a look before an order may be old.
const ORDER_MS: i64 = 15_000;
/// The same of a look before an evacuation, with what the look and the call take.
const CALL_MS: i64 = 3_000 + 1_500;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    Lives(Sign),
    /// That it is dead, once more.
    Dead,
    /// That its nova-compute has stopped; Nova does not hear it again, and its VMs run on.
    ComputeStopped,
}

/// Whether that it lives is the last that was said, and by somebody who would say if it were gone.
pub fn is_said_to_live(fence: &Fence) -> bool {
    matches!(fence.said.last(), Some((_, Said::Lives(Sign::MonitorSaw))))
}

pub async fn happens(stage: &Stage) {
    let said = stage.scene.fence.iter().flat_map(|fence| &fence.said);
    for (at_ms, what) in said {
        stage.at(*at_ms).await;
        let (host, at) = (stage.host(0), stage.clock.wall());
        match what {
            Said::Lives(what) => {
                let sighting = Sighting { host, at, what: *what };
                stage.memory.keep_sighting(&sighting).await.unwrap();
            }
            Said::Dead => {
                let (source, raw) = ("monitor report 2".into(), "STOPPED".into());
                let again = Evidence { host, kind: Kind::MonitorSaid, at, source, raw };
                assert!(stage.memory.say_again(&again, 10_000).await.unwrap());
            }
            Said::ComputeStopped => {
                small::report_process(stage, "nova-compute", (0, 0)).await;
                // It is disabled meanwhile.
                stage.at(at_ms + 1_500).await;
                stage.world.cut_host(&host);
            }
        }
    }
}

/// The spans in which the first host is said to be there.
fn spans(stage: &Stage) -> Vec<(Millis, Millis)> {
    let said = stage.scene.fence.iter().flat_map(|fence| &fence.said);
    let mut spans: Vec<(Millis, Millis)> = Vec::new();
    for (at_ms, what) in said {
        let at = stage.began.plus(at_ms.cast_signed());
        match what {
            Said::Lives(Sign::MonitorSaw) => spans.push((at, Millis(i64::MAX))),
            Said::Lives(_) => spans.push((at, at.plus(60_000))),
            Said::Dead => {
                for span in &mut spans {
                    span.1 = span.1.min(at);
                }
            }
            Said::ComputeStopped => {}
        }
    }
    spans
}

/// When a device proved it dead: what is told within the difference of two clocks does not speak against that.
fn proven(stage: &Stage) -> Millis {
    let lines = logs(stage).concat();
    let proofs = lines.iter().filter_map(|line| match &line.entry {
        Entry::Fence(FenceEntry::Proven { evidence }) => Some(evidence.at),
        _ => None,
    });
    proofs.max().unwrap_or(Millis(0))
}

/// Nothing is ordered off, and nothing is asked for, of a host that others say is there.
pub fn at_every_step(stage: &Stage) -> Result<(), String> {
    let Some(_) = stage.scene.fence.as_ref().filter(|fence| !fence.said.is_empty()) else {
        return Ok(());
    };
    let spans = spans(stage);
    let is_said_to_live = |at: Millis, old_ms: i64, proven: Millis| {
        let counts = |from: &Millis| from.since(proven) > SKEW_MS && at.since(*from) > old_ms;
        spans.iter().any(|(from, to)| counts(from) && at < *to)
    };
    let proven = proven(stage);
    let orders = stage.bmcs.orders().into_iter().map(|order| order.at);
    let calls = stage.world.evacuate_calls().into_iter().map(|call| call.at);
    let order = orders.into_iter().find(|at| is_said_to_live(*at, ORDER_MS, Millis(0)));
    let call = calls.into_iter().find(|at| is_said_to_live(*at, CALL_MS, proven));
    match order.or(call) {
        Some(at) => {
            Err(format!("at {} something was done to a host that is said to be there", at.utc()))
        }
        None => Ok(()),
    }
}
