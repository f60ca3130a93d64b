//! The whole cloud in one list: which servers are kept, and what is told of the others.

use crate::cloud::Cloud;
use openstack::{AskError, Inventory};
use recovery::{HostName, Millis, ServerId, seen::EvacuationStatus};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

fn server(id: &str, host: &str, zone: Value) -> Value {
    json!({
        "id": id, "name": id, "locked": false, "metadata": {},
        "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": null,
        "OS-EXT-STS:power_state": 1, "OS-EXT-SRV-ATTR:host": host, "pinned_availability_zone": zone,
    })
}

fn hosts() -> BTreeSet<HostName> {
    ["c1", "c2"].map(HostName::new).into()
}

fn cloud() -> Arc<Cloud> {
    let cloud = Cloud::new();
    cloud.state().page = 2;
    cloud.state().servers = vec![
        server("a", "c1", json!("z1")),
        server("b", "elsewhere", Value::Null),
        server("c", "c2", Value::Null),
        server("d", "elsewhere", json!("z1")),
        server("e", "c1", Value::Null),
    ];
    cloud
}

async fn inventory(cloud: &Arc<Cloud>, most: usize) -> Result<Inventory, AskError> {
    cloud.nova().inventory(&hosts(), &[ServerId::new("d")].into(), most).await
}

fn listed(inventory: &Inventory) -> Vec<(&str, Vec<&str>)> {
    let of = inventory.servers.iter();
    of.map(|(host, all)| (host.as_str(), all.iter().map(|s| s.id.as_str()).collect())).collect()
}

#[tokio::test(start_paused = true)]
async fn one_list_of_all_servers_is_kept_by_host() {
    let cloud = cloud();
    let found = inventory(&cloud, 3).await.unwrap();
    assert_eq!(listed(&found), [("c1", vec!["a", "e"]), ("c2", vec!["c"])]);
    assert_eq!(found.pinned, Some([(ServerId::new("a"), "z1".into())].into()));
    assert_eq!(found.elsewhere, [(ServerId::new("d"), HostName::new("elsewhere"))].into());
    assert!(!found.too_many);
    let lines: Vec<String> = cloud.asked().into_iter().map(|asked| asked.line).collect();
    let lists = lines.iter().filter(|line| line.contains("/servers/detail"));
    assert!(lists.clone().all(|line| line.contains("all_tenants=1&limit=1000")), "{lines:?}");
    assert!(!lists.clone().any(|line| line.contains("host=")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn more_than_was_wanted_is_said_and_not_kept() {
    let found = inventory(&cloud(), 2).await.unwrap();
    assert!(found.too_many);
    assert_eq!(found.servers.values().flatten().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_older_nova_does_not_tell_of_zones() {
    let cloud = cloud();
    cloud.state().newest = "2.95";
    assert_eq!(inventory(&cloud, 9).await.unwrap().pinned, None);
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_cell_does_not_answer_is_no_answer() {
    let cloud = cloud();
    cloud.state().servers.push(json!({ "id": "x", "status": "UNKNOWN", "links": [] }));
    let partial = inventory(&cloud, 9).await;
    assert!(matches!(partial, Err(AskError::PartialAnswer { .. })), "{partial:?}");
}

#[tokio::test(start_paused = true)]
async fn the_evacuations_of_all_hosts_are_one_list() {
    let cloud = cloud();
    let row = |id: i64, host: &str, kind: &str| {
        json!({
            "id": id, "uuid": format!("m{id}"), "instance_uuid": "a", "source_compute": host,
            "dest_compute": null, "status": "pre-migrating", "migration_type": kind,
            "created_at": null,
        })
    };
    cloud.state().migrations = vec![row(1, "c1", "evacuation"), row(2, "c2", "live-migration")];
    // A day, and not its beginning: Nova's clock, as its answers show it, may be a second behind.
    let day = Millis(86_400_000);
    let found = cloud.nova().evacuations_since(day).await.unwrap();
    let [evacuation] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((evacuation.source.as_str(), evacuation.status), ("c1", EvacuationStatus::Running));
    let asked = cloud.asked().pop().unwrap().line;
    assert!(asked.contains("migration_type=evacuation&changes-since=1970-"), "{asked}");
    cloud.state().newest = "2.58";
    let old = cloud.nova().evacuations_since(day).await;
    assert!(matches!(old, Err(AskError::TooOld { .. })), "{old:?}");
}

/// A migration of any kind; one that is reverted goes back to where it came from.
#[tokio::test(start_paused = true)]
async fn who_is_on_the_way_to_a_host_is_told_by_the_migrations_that_are_not_over() {
    let cloud = Cloud::new();
    let row = |server: &str, from: &str, to: &str, status: &str| {
        json!({
            "id": 1, "uuid": server, "instance_uuid": server, "source_compute": from,
            "dest_compute": to, "status": status, "migration_type": "live-migration",
            "created_at": null,
        })
    };
    cloud.state().migrations = vec![
        row("preparing", "c2", "c1", "preparing"),
        row("moving", "c2", "c1", "post-migrating"),
        row("elsewhere", "c1", "c2", "running"),
        row("back", "c1", "c2", "reverting"),
        row("away", "c2", "c1", "reverting"),
        row("there", "c2", "c1", "completed"),
        row("gone", "c2", "c1", "cancelled"),
        row("broken", "c2", "c1", "error"),
    ];
    let (host, day) = (HostName::new("c1"), Millis(86_400_000));
    let coming = cloud.nova().on_their_way_to(&host, day).await.unwrap();
    let coming: Vec<&str> = coming.iter().map(|server| server.as_str()).collect();
    assert_eq!(coming, ["back", "moving", "preparing"]);
    let asked = cloud.asked().pop().unwrap().line;
    assert!(asked.contains("os-migrations?host=c1&changes-since=1970-"), "{asked}");
    cloud.state().newest = "2.58";
    assert_eq!(cloud.nova().on_their_way_to(&host, day).await.unwrap().len(), 3);
    let asked = cloud.asked().pop().unwrap().line;
    assert!(!asked.contains("changes-since"), "{asked}");
}
