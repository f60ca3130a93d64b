//! Ordered restart: the servers that ran arrive stopped and start tier by tier, through any crash, and
//! every one of them runs at the end, once.

use crate::tale::Stage;
use recovery::{
    ServerId,
    log::Entry,
    nouns::NotificationStatus,
    seen::{Server, VmState},
    tiers::TierEntry,
};
use std::{collections::BTreeMap, time::Duration};
use store::Store;

/// The monitors of guests: each says once in each run of a server that its agent answers.
pub async fn happens(stage: &Stage) {
    if stage.scene.shape.check != "guest" {
        return;
    }
    let mut told = BTreeMap::new();
    loop {
        stage.clock.sleep(Duration::from_secs(1)).await;
        for (server, run) in stage.world.booted() {
            if told.insert(server.clone(), run.clone()) != Some(run.clone()) {
                let now = stage.clock.wall();
                stage.memory.guests_answer(&run.0, &[server], now).await.unwrap();
            }
        }
    }
}

/// The entries of the tiers in all logs.
pub fn entries(stage: &Stage) -> Vec<TierEntry> {
    let all = stage.memory.all_notifications();
    let lines = all.iter().flat_map(|n| stage.memory.lines(&n.uuid));
    let tier = |entry| match entry {
        Entry::Tier(entry) => Some(entry),
        _ => None,
    };
    lines.filter_map(|line| tier(line.entry)).collect()
}
/// What ran and was moved runs, or a person is told that it does not.
pub fn at_the_end(stage: &Stage) -> Result<(), String> {
    let all = stage.memory.all_notifications();
    let given_up = all.iter().any(|n| {
        n.message.as_ref().is_some_and(|why| why.starts_with("given up"))
            && n.status == NotificationStatus::Failed
    });
    let entries = entries(stage);
    let told = |server: &ServerId| {
        given_up
            || entries.iter().any(|entry| match entry {
                TierEntry::NotStarted { server: named, .. } => named == server,
                _ => false,
            })
    };
    let after: BTreeMap<ServerId, Server> =
        stage.world.servers().into_iter().map(|s| (s.id.clone(), s)).collect();
    for before in stage.at_first.iter().filter(|s| s.vm_state == VmState::Active) {
        let Some(now) = after.get(&before.id).filter(|now| now.host != before.host) else {
            continue;
        };
        if now.vm_state == VmState::Stopped && !told(&before.id) {
            return Err(format!("{} ran, was moved and is left stopped", before.id));
        }
    }
    Ok(())
}
