//! Replays recorded answers of Python Masakari. Where no engine runs, this test is the engine: at a
//! step that waits for a status, it writes that status.

use crate::{
    engine,
    replay::{Recording, Replay, listed},
    world::World,
};
use recovery::{NotificationId, nouns::NotificationStatus};
use serde_json::Value;
use std::time::Duration;
use store::Store;

const STEPS: &str = include_str!("../golden/api.jsonl");
/// `name of step: why` a line; must shrink.
const DIFFERS: &str = include_str!("../golden/differs.txt");
#[tokio::test(start_paused = true)]
async fn answers_are_those_of_python_masakari() {
    let differs = listed(DIFFERS);
    let mut replay = Replay::new(World::new(), Recording::Shared);
    let mut wrong = Vec::new();
    let mut equal = 0;
    for line in STEPS.lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        let name = step["name"].as_str().unwrap();
        if step.get("wait").is_some() {
            settle(&replay, &step).await;
            continue;
        }
        if name == "notification create not duplicate" {
            // Python goes by the time that the report names, we by the time at which it comes.
            tokio::time::advance(Duration::from_secs(181)).await;
        }
        let difference = replay.run(&step).await;
        match (difference, differs.get(name)) {
            (None, None) => equal += 1,
            (Some(_), Some(_)) => {}
            (Some(difference), None) => wrong.push(format!("{name}: {difference}")),
            (None, Some(_)) => wrong.push(format!("{name}: equal now, take it off the list")),
        }
    }
    assert!(wrong.is_empty(), "{} steps:\n{}", wrong.len(), wrong.join("\n"));
    assert!(equal > 400, "only {equal} steps were compared");
}

/// Plays the engine: what is waited for happens.
async fn settle(replay: &Replay, step: &Value) {
    let store = &replay.world.store;
    let path = replay.fill(step["wait"]["path"].as_str().unwrap());
    let id = NotificationId::new(path.rsplit('/').next().unwrap());
    match step["name"].as_str().unwrap() {
        "in-use running" => engine::begin(store, &id).await,
        "vmoves finished" => engine::finish(store, &id).await,
        "process failure finished" => engine::retire_host(store, &id).await,
        name => {
            let status = NotificationStatus::from_word(step["final"].as_str().unwrap());
            engine::end(store, &id, status.unwrap()).await;
            if name == "notification settled n8" {
                for left in store.open_recoveries(1000).await.unwrap() {
                    engine::end(store, &left.notification, NotificationStatus::Finished).await;
                }
            }
        }
    }
}
