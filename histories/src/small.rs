//! A VM fails, or a process: the same troubles, the same law. A VM runs again after exactly one stop and
//! one start, and never on a host that may be dead; a host is disabled and on maintenance.

use crate::{
    scene::{Of, Small},
    tale::Stage,
};
use recovery::{
    HostId, NotificationId, SegmentId,
    nouns::{Notification, NotificationStatus, NotificationType},
    seen::{Server, Task, VmState},
};
use sim::{Condition, Fault};
use std::time::Duration;
use store::{NewNotification, Store};

/// What the scene lets happen, each at its time.
pub async fn happens(stage: &Stage, small: &Small) {
    let reported_ms = stage.scene.dies_at_ms + stage.scene.reported_after_ms;
    let failing = async {
        for n in 0..small.reports {
            stage.at(reported_ms + n * 20_000).await;
            report(stage, small, n).await;
        }
    };
    let dying = async {
        if let Some(ms) = small.host_dies_ms {
            stage.at(ms).await;
            stage.world.kill_host(&stage.host(0));
            stage.clock.sleep(Duration::from_millis(30_000)).await;
            stage.report(&stage.host(0)).await;
        }
    };
    let returning = async {
        if let (Some(ms), Some(after)) = (small.host_dies_ms, stage.scene.revived_after_ms) {
            stage.at(ms + after).await;
            stage.world.revive_host(&stage.host(0));
        }
    };
    let deleting = async {
        if let (Some(ms), Of::Vm(_)) = (small.deleted_ms, small.of) {
            stage.at(ms).await;
            stage.world.delete(&victim(stage, small).id);
        }
    };
    let locking = async {
        if let Some(ms) = small.locked_ms {
            stage.at(ms).await;
            let servers = stage.world.servers();
            for (server, reason) in servers.iter().zip(LOCKS) {
                stage.world.lock(&server.id, reason);
            }
        }
    };
    futures::join!(failing, dying, returning, deleting, locking);
}

/// Of ours; of a recovery that another deployment may know; of an owner's.
pub const LOCKS: [&str; 3] =
    ["masakari recovery:small-0", "masakari recovery:other", "for the audit"];

/// The server of the first host that fails.
pub fn victim(stage: &Stage, small: &Small) -> Server {
    let on_it = |s: &&Server| s.host.as_ref() == Some(&stage.host(0));
    let Of::Vm(state) = small.of else { panic!("no VM fails in this scene") };
    let fits = |s: &&Server| s.vm_state == state;
    stage.at_first.iter().filter(on_it).find(fits).unwrap().clone()
}

/// A monitor reports it, for the n-th time.
pub async fn report(stage: &Stage, small: &Small, n: u64) {
    match small.of {
        Of::Vm(_) => {
            let vm = victim(stage, small).id;
            let payload = serde_json::json!({ "event": "LIFECYCLE",
                "vir_domain_event": "STOPPED_FAILED", "instance_uuid": vm.as_str() });
            report_as(stage, NotificationType::Vm, &payload, (n, small.waited_ms)).await;
        }
        Of::Process(process) => report_process(stage, process, (n, small.waited_ms)).await,
    }
}

/// The first host's monitor says that a process of it has stopped.
pub async fn report_process(stage: &Stage, process: &str, which: (u64, i64)) {
    let payload = serde_json::json!({ "event": "STOPPED", "process_name": process });
    report_as(stage, NotificationType::Process, &payload, which).await;
}

async fn report_as(
    stage: &Stage,
    kind: NotificationType,
    payload: &serde_json::Value,
    (n, waited_ms): (u64, i64),
) {
    let now = stage.clock.wall().plus(-waited_ms);
    let new = NewNotification {
        uuid: NotificationId::new(format!("small-{n}")),
        kind,
        generated_time: now,
        payload: payload.to_string(),
        source_host: HostId::new(format!("id-{}", stage.host(0))),
        segment: SegmentId::new("segment"),
        fingerprint: format!("small {n}"),
        window_ms: 180_000,
        evidence: None,
        now,
    };
    for memory in stage.databases() {
        memory.accept(new.clone()).await.unwrap();
    }
}

/// The reports of it.
pub fn small_ones(stage: &Stage) -> Vec<Notification> {
    let all = stage.memory.all_notifications().into_iter();
    all.filter(|n| n.kind != NotificationType::ComputeHost).collect()
}

/// What must be true at the end of any history.
pub fn at_the_end(stage: &Stage, small: &Small) -> Result<(), String> {
    let refused = stage.scene.faults.as_ref().is_some_and(|f| {
        f.build_fails_permille > 0
            || f.rules
                .iter()
                .any(|(_, _, fault, _)| matches!(fault, Fault::Status(403 | 404 | 409)))
    });
    match small.of {
        _ if refused => Ok(()),
        Of::Vm(_) => vm_runs_again(stage, small),
        Of::Process(process) => host_is_out_of_service(stage, small, process),
    }
}

fn vm_runs_again(stage: &Stage, small: &Small) -> Result<(), String> {
    let before = victim(stage, small);
    let Some(after) = stage.world.servers().into_iter().find(|s| s.id == before.id) else {
        let tells =
            |n: &Notification| n.status == NotificationStatus::Finished || n.message.is_some();
        let deleted = small.deleted_ms.is_some() && small_ones(stage).iter().all(tells);
        return if deleted { Ok(()) } else { Err(format!("{} is gone", before.id)) };
    };
    let runs = stage.world.running(&after.id);
    if after.vm_state != VmState::Active || after.task != Task::None || runs.len() != 1 {
        return Err(format!("{} is {:?} and runs on {runs:?}", after.id, after.vm_state));
    }
    if stage.world.condition(&runs[0]) != Condition::Alive {
        return Err(format!("{} is on {}, which is dead", after.id, runs[0]));
    }
    Ok(())
}

fn host_is_out_of_service(stage: &Stage, small: &Small, process: &str) -> Result<(), String> {
    let host = stage.host(0);
    let enabled = stage.world.service(&host).is_some_and(|s| s.enabled);
    let disabled = process == "nova-compute" || small.host_dies_ms.is_some();
    if enabled == disabled {
        return Err(format!("the service of {host}: enabled is {enabled}"));
    }
    let ended = |n: &Notification| n.status == NotificationStatus::Finished;
    match small_ones(stage).iter().find(|n| !ended(n)) {
        None => Ok(()),
        Some(other) => Err(format!("{} is {}: {:?}", other.uuid, other.status, other.message)),
    }
}
