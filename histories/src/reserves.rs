//! Reserved hosts: one recovery at a time, kept by whoever used them, and otherwise as they were found.

use crate::tale::Stage;
use recovery::{HostName, Millis, log::Entry, nouns::NotificationStatus, way::WayEntry};
use sim::Condition;
use std::collections::BTreeMap;

/// No reserved host is taken while another recovery has it.
pub fn at_every_step(stage: &Stage) -> Result<(), String> {
    let mut holds: BTreeMap<HostName, Vec<(Millis, Option<Millis>)>> = BTreeMap::new();
    for notification in stage.memory.all_notifications() {
        for line in stage.memory.lines(&notification.uuid) {
            match line.entry {
                Entry::Way(WayEntry::Taken { reserve }) => {
                    holds.entry(reserve.host).or_default().push((line.at, None));
                }
                Entry::Way(WayEntry::HandedBack { host }) => {
                    let of = holds.entry(host).or_default();
                    of.last_mut().ok_or("handed back and never taken")?.1 = Some(line.at);
                }
                _ => {}
            }
        }
    }
    for (host, mut times) in holds {
        times.sort();
        for two in times.windows(2) {
            if two[0].1.is_none_or(|back| back > two[1].0) {
                return Err(format!("two recoveries had the reserved host {host}: {times:?}"));
            }
        }
    }
    Ok(())
}

/// Whoever is reserved is as it was at first; whoever is not any more serves and was used.
pub async fn at_the_end(stage: &Stage) -> Result<(), String> {
    let given_up = |n: &recovery::nouns::Notification| {
        n.status == NotificationStatus::Failed
            && n.message.as_ref().is_some_and(|m| m.contains("given up after"))
    };
    if stage.memory.all_notifications().iter().any(given_up) {
        return Ok(());
    }
    for (n, host) in stage.world.hosts().iter().enumerate() {
        if stage.scene.is_reserved(n) && stage.world.condition(host) == Condition::Alive {
            one(stage, host).await?;
        }
    }
    Ok(())
}

async fn one(stage: &Stage, host: &HostName) -> Result<(), String> {
    let reserved = stage.is_reserved_now(host).await;
    let enabled = stage.world.service(host).is_some_and(|s| s.enabled);
    let aggregates = stage.world.aggregates_of(host);
    let has = stage.world.servers().iter().filter(|s| s.host.as_ref() == Some(host)).count();
    let asked = stage.world.evacuate_calls().iter().any(|c| c.target.as_ref() == Some(host));
    match reserved {
        true if enabled || !aggregates.is_empty() || has > 0 => Err(format!(
            "{host} is reserved; enabled: {enabled}, in {aggregates:?}, with {has} servers"
        )),
        false if !enabled || !asked || aggregates.len() != stage.scene.shape.aggregates => {
            Err(format!(
                "{host} is not reserved any more; enabled: {enabled}, in {aggregates:?}, \
                 asked for: {asked}"
            ))
        }
        true | false => Ok(()),
    }
}
