//! Monitors that say the same: each node of a cluster sees a host die, and each reports it. One report is accepted, and each VM
//! moves once.

use crate::tale::Stage;

/// In the id of a report that is not the first of its host's death.
const BY: &str = "-by-";

/// The others report within the window of the first.
pub async fn happens(stage: &Stage) {
    let first_ms = stage.scene.dies_at_ms + stage.scene.reported_after_ms;
    for (n, after_ms) in stage.scene.said_again_ms.iter().enumerate() {
        stage.at(first_ms + after_ms).await;
        let host = stage.host(0);
        stage.report_as(&host, format!("report-{host}{BY}{n}"), format!("report-{host}")).await;
    }
}

/// No report is accepted twice.
pub fn at_every_step(stage: &Stage) -> Result<(), String> {
    let all = stage.memory.all_notifications();
    match all.iter().find(|n| n.uuid.as_str().contains(BY)) {
        Some(again) => Err(format!("{} was accepted, and its host's death was before", again.uuid)),
        None => Ok(()),
    }
}
