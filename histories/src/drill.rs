//! A person has an empty host switched off and on again by its fence devices.
//!
//! Whatever dies or stands still, it is ordered off once at most, it has its power at the end, and its silence is nobody's failure.

use crate::{person::a_person_asks, tale::Stage};
use recovery::{
    HostName,
    request::{Asked, Request, RequestState},
};
use serde_json::json;
use store::{HostUpdate, Store};

/// What happens to the last host.
#[derive(Clone, Copy, Debug)]
pub struct Drilled {
    pub at_ms: u64,
    /// It is in reserve; else it serves.
    pub reserved: bool,
    /// A monitor reports its silence so long after that.
    pub reported_after_ms: Option<u64>,
    /// A person had the server of a dead host brought to it so long before.
    pub brought_before_ms: Option<u64>,
    /// For so long the person waits for it to begin.
    pub patience_ms: i64,
}

/// The request.
pub const TEST: &str = "fence-test";

pub fn host(stage: &Stage) -> Option<HostName> {
    let drilled = stage.scene.fence.as_ref()?.drill.is_some();
    drilled.then(|| stage.world.hosts().pop()).flatten()
}

pub async fn happens(stage: &Stage) {
    let Some(drilled) = stage.scene.fence.as_ref().and_then(|fence| fence.drill) else { return };
    let host = host(stage).unwrap();
    if !drilled.reserved {
        serves(stage, &host).await;
    }
    if let Some(before) = drilled.brought_before_ms {
        is_brought_to(stage, &host, drilled.at_ms - before).await;
    }
    stage.at(drilled.at_ms).await;
    let now = stage.clock.wall();
    let request = Request {
        id: TEST.into(),
        asked: Asked::FenceTest { host: host.clone(), reason: Some("drill".into()) },
        who: "operator".into(),
        created_at: now,
        deadline: now.plus(drilled.patience_ms),
        state: RequestState::Open,
        answer: None,
    };
    stage.memory.file_request(&request).await.unwrap();
    if let Some(after) = drilled.reported_after_ms {
        stage.at(drilled.at_ms + after).await;
        stage.report(&host).await;
    }
}

async fn serves(stage: &Stage, host: &HostName) {
    let uuid = stage.memory.host_named(host).await.unwrap().unwrap().uuid;
    let change = HostUpdate {
        name: None,
        kind: None,
        control_attributes: None,
        reserved: Some(false),
        on_maintenance: None,
        now: stage.clock.wall(),
    };
    stage.memory.update_host(&uuid, change).await.unwrap();
}

/// Nova places nothing on a host that is out of service, and goes on with what it has placed there before.
pub async fn is_brought_to(stage: &Stage, host: &HostName, at_ms: u64) {
    let dead = stage.host(1);
    stage.world.kill_host(&dead);
    stage.at(at_ms).await;
    let service = stage.world.service(host).unwrap();
    if !service.enabled {
        let path = format!("/compute/v2.1/os-services/{}", service.id);
        a_person_asks(&stage.world, "PUT", &path, &json!({ "status": "enabled" }));
    }
    let server = stage.at_first.iter().find(|server| server.host.as_ref() == Some(&dead)).unwrap();
    let path = format!("/compute/v2.1/servers/{}/action", server.id);
    let evacuate = json!({ "evacuate": { "host": host.as_str() } });
    a_person_asks(&stage.world, "POST", &path, &evacuate);
    stage.at(at_ms + 2_000).await;
    stage.world.disable_service(host, "kept in reserve");
}

/// Whether the test was answered.
pub async fn over(stage: &Stage) -> bool {
    if host(stage).is_none() {
        return true;
    }
    let asked = stage.memory.request(TEST).await.unwrap();
    asked.is_some_and(|asked| asked.state != RequestState::Open)
}
