//! What we read from Nova and what we send to it.

use crate::cloud::{Cloud, Fault, NOW};
use openstack::{AskError, Nova, NovaConfig};
use ports::Clock;
use recovery::{
    HostName, Millis, Permit, ServerId, ServiceId,
    evidence::{Evidence, Kind, Require},
    permit,
    permit::NovaSays,
    requests::Fate,
    seen::{EvacuationStatus, Power, Size, Task, VmState},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

pub(crate) fn host() -> HostName {
    HostName::new("compute01")
}

pub(crate) fn id() -> ServiceId {
    ServiceId::new("svc-1")
}

fn server(number: usize) -> Value {
    json!({
        "id": format!("s{number}"), "name": "vm", "locked": false, "metadata": { "HA": "yes" },
        "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": null,
        "OS-EXT-STS:power_state": 4, "OS-EXT-SRV-ATTR:host": "compute01",
    })
}

fn service(updated_at: &str) -> Value {
    json!({
        "id": "svc-1", "host": "compute01", "binary": "nova-compute", "status": "enabled",
        "state": "down", "forced_down": false, "disabled_reason": null, "updated_at": updated_at,
    })
}

/// A cloud with one compute host that reported 30 s ago.
pub(crate) fn one_host() -> Arc<Cloud> {
    let cloud = Cloud::new();
    let reported = cloud.time(-30);
    cloud.state().services = vec![service(&reported)];
    cloud
}

pub(crate) fn dead() -> Permit {
    let (kind, at) = (Kind::PoweredOff, Millis(NOW));
    let evidence = Evidence { host: host(), kind, at, source: "bmc".into(), raw: "off".into() };
    permit(&host(), &[evidence], Require::Proven, &[], NovaSays::Down).unwrap()
}

fn microversion(cloud: &Cloud) -> String {
    let asked = cloud.asked();
    asked.last().unwrap().headers["openstack-api-version"].to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_server_is_read_with_all_that_recovery_looks_at() {
    let cloud = one_host();
    cloud.state().servers = vec![server(1)];
    let servers = cloud.nova().servers_on(&host()).await.unwrap();
    let [server] = servers.as_slice() else { panic!("{servers:?}") };
    assert_eq!(server.id, ServerId::new("s1"));
    assert_eq!(server.host, Some(host()));
    assert_eq!((server.vm_state, server.power), (VmState::Active, Power::Shutdown));
    assert_eq!((&server.task, server.locked), (&Task::None, false));
    assert_eq!(server.metadata["HA"], "yes");
    let listed = &cloud.asked()[0].line;
    let expected = "GET /compute/v2.1/servers/detail?host=compute01&all_tenants=1&limit=1000";
    assert_eq!(listed, expected);
}

#[tokio::test(start_paused = true)]
async fn whose_a_server_is_and_what_it_is_made_of_comes_with_the_list() {
    // Nova's api-ref, servers detailed, 2.73: `swap` is an empty text where there is none.
    for (swap, swap_mb) in [(json!(""), 0), (json!(512), 512)] {
        let cloud = one_host();
        let mut row = server(1);
        row["tenant_id"] = "p1".into();
        row["tags"] = json!(["blue", "db"]);
        row["image"] = json!({ "id": "i1", "links": [] });
        row["flavor"] = json!({
            "vcpus": 2, "ram": 512, "disk": 20, "ephemeral": 5, "swap": swap,
            "original_name": "m1.small", "extra_specs": { "class": "gold" },
        });
        cloud.state().servers = vec![row];
        let hints = cloud.nova().servers_on(&host()).await.unwrap().remove(0).hints;
        assert_eq!((hints.project.as_str(), hints.tags), ("p1", vec!["blue".into(), "db".into()]));
        assert_eq!((hints.flavor_name.as_str(), hints.image.as_deref()), ("m1.small", Some("i1")));
        assert_eq!(hints.flavor["class"], "gold");
        let size = Size { vcpus: 2, ram_mb: 512, root_gb: 20, ephemeral_gb: 5, swap_mb };
        assert_eq!(hints.size, size);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_to_its_end_though_nova_gives_small_pages() {
    let cloud = one_host();
    cloud.state().servers = (0..25).map(server).collect();
    cloud.state().page = 10;
    let servers = cloud.nova().servers_on(&host()).await.unwrap();
    assert_eq!(servers.len(), 25);
    assert_eq!(servers[24].id, ServerId::new("s24"));
}

#[tokio::test(start_paused = true)]
async fn servers_of_other_hosts_are_left_out_when_nova_ignores_the_filter() {
    let cloud = one_host();
    let mut other = server(2);
    other["OS-EXT-SRV-ATTR:host"] = "compute02".into();
    cloud.state().servers = vec![server(1), other];
    assert_eq!(cloud.nova().servers_on(&host()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_cell_is_down_is_never_a_host_without_servers() {
    let cloud = Cloud::new();
    cloud.state().services =
        vec![json!({ "binary": "nova-compute", "host": "compute01", "status": "UNKNOWN" })];
    let error = cloud.nova().servers_on(&host()).await.unwrap_err();
    assert!(matches!(error, AskError::PartialAnswer { .. }), "{error}");
    assert!(error.to_string().contains("cell of host compute01"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn before_down_cells_show_a_host_without_a_service_is_not_known_to_be_empty() {
    let cloud = Cloud::new();
    cloud.state().newest = "2.60";
    let error = cloud.nova().servers_on(&host()).await.unwrap_err();
    assert!(matches!(error, AskError::PartialAnswer { .. }), "{error}");
    cloud.state().newest = "2.100";
    assert_eq!(cloud.nova().servers_on(&host()).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_its_state_or_host_is_no_server_to_judge() {
    for hidden in ["OS-EXT-STS:vm_state", "OS-EXT-SRV-ATTR:host"] {
        let cloud = one_host();
        let mut row = server(1);
        row.as_object_mut().unwrap().remove(hidden);
        cloud.state().servers = vec![row];
        let error = cloud.nova().servers_on(&host()).await.unwrap_err();
        assert!(matches!(error, AskError::PartialAnswer { .. }), "{hidden}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_none() {
    let cloud = one_host();
    assert_eq!(cloud.nova().server(&ServerId::new("s1")).await.unwrap(), None);
    cloud.state().servers = vec![server(1)];
    assert!(cloud.nova().server(&ServerId::new("s1")).await.unwrap().is_some());
}

/// A proxy says that, too, of what it cannot reach.
#[tokio::test(start_paused = true)]
async fn a_server_is_gone_only_when_a_list_agrees() {
    let cloud = one_host();
    cloud.state().servers = vec![server(1)];
    let (nova, id) = (cloud.nova(), ServerId::new("s1"));
    assert!(nova.server(&id).await.unwrap().is_some());
    cloud.fails(&[Fault::Status(404)]);
    assert!(nova.server(&id).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn changes_are_followed_by_novas_clock() {
    let cloud = one_host();
    cloud.state().ahead_ms = 60_000;
    cloud.state().latency = Duration::from_secs(3);
    cloud.state().servers = vec![server(1)];
    let nova = cloud.nova();
    nova.compute_services().await.unwrap();
    let first = nova.cursor_at(cloud.clock().wall());
    let (changed, second) = nova.servers_changed_since(&first).await.unwrap();
    assert_eq!(changed.len(), 1);
    // What changes while Nova lists for three seconds is in the next list too.
    assert_eq!(second, first);
    // 9 s for the log-in, the versions and the services; 60 s ahead; 5 s back.
    let asked = cloud.asked().last().unwrap().line.clone();
    assert!(asked.contains("changes-since=2026-11-21T08%3A09%3A22Z"), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn the_newest_version_that_both_know_is_spoken() {
    for (newest, list, evacuate) in
        [("2.53", "2.53", "2.53"), ("2.79", "2.69", "2.79"), ("2.104", "2.69", "2.94")]
    {
        let cloud = one_host();
        cloud.state().newest = newest;
        let nova = cloud.nova();
        nova.compute_services().await.unwrap();
        assert_eq!(microversion(&cloud), format!("compute {list}"));
        nova.evacuate(&dead().evacuate(ServerId::new("s1"), None)).await.unwrap();
        assert_eq!(microversion(&cloud), format!("compute {evacuate}"));
        let asked_for_versions = |line: &str| line == "GET /compute/v2.1/";
        let seen = cloud.state().seen.iter().filter(|s| asked_for_versions(&s.line)).count();
        assert_eq!(seen, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_nova_that_is_too_old_is_refused_by_name() {
    let cloud = one_host();
    cloud.state().newest = "2.38";
    let error = cloud.nova().compute_services().await.unwrap_err();
    assert_eq!(error.to_string(), "Nova speaks microversions up to 2.38, and 2.53 is needed");
}

#[tokio::test(start_paused = true)]
async fn an_evacuation_names_its_target_only_when_there_is_one() {
    let cloud = one_host();
    let nova = cloud.ready_nova().await;
    nova.evacuate(&dead().evacuate(ServerId::new("s1"), None)).await.unwrap();
    assert_eq!(cloud.asked()[0].body, json!({ "evacuate": {} }));
    let target = Some(HostName::new("spare"));
    nova.evacuate(&dead().evacuate(ServerId::new("s1"), target)).await.unwrap();
    assert_eq!(cloud.asked()[1].body, json!({ "evacuate": { "host": "spare" } }));
    assert_eq!(cloud.asked()[1].line, "POST /compute/v2.1/servers/s1/action");
}

/// Nova's API reference: `os-migrateLive` since 2.34, `migrate` and `confirmResize`.
#[tokio::test(start_paused = true)]
async fn a_server_is_moved_while_its_host_lives() {
    let cloud = one_host();
    let (nova, server) = (cloud.ready_nova().await, ServerId::new("s1"));
    let sent = || {
        let asked = cloud.asked();
        let last = asked.last().unwrap();
        assert_eq!(last.line, "POST /compute/v2.1/servers/s1/action");
        last.body.clone()
    };
    nova.live_migrate(&server).await.unwrap();
    assert_eq!(sent(), json!({"os-migrateLive": {"host": null, "block_migration": "auto"}}));
    assert_eq!(microversion(&cloud), "compute 2.53");
    nova.migrate(&server).await.unwrap();
    assert_eq!(sent(), json!({"migrate": null}));
    nova.confirm_move(&server).await.unwrap();
    assert_eq!(sent(), json!({"confirmResize": null}));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shall_arrive_stopped_is_asked_for_at_the_version_that_does_so() {
    let cloud = one_host();
    let order = || dead().evacuate(ServerId::new("s1"), None);
    cloud.state().newest = "2.95";
    assert_eq!(cloud.nova().too_old_to_stop_evacuated().await.unwrap(), None);
    cloud.ready_nova().await.evacuate_stopped(&order()).await.unwrap();
    assert_eq!(microversion(&cloud), "compute 2.95");
    assert_eq!(cloud.asked()[0].body, json!({ "evacuate": {} }));

    let old = one_host();
    old.state().newest = "2.94";
    let nova = old.nova();
    assert_eq!(nova.too_old_to_stop_evacuated().await.unwrap().as_deref(), Some("2.94"));
    let error = nova.evacuate_stopped(&order()).await.unwrap_err();
    assert!(error.cannot_stop_evacuated() && !error.may_have_arrived(), "{error}");
    assert!(old.asked().is_empty(), "it would arrive running");
}

/// Nova 34 cannot put its own sentence together: `str()` of the two versions is all that it says.
#[tokio::test(start_paused = true)]
async fn a_refusal_because_of_old_computes_is_told_from_others() {
    let cloud = one_host();
    let refused = async |body: &'static str| {
        cloud.fails(&[Fault::Refused(400, body)]);
        let order = dead().evacuate(ServerId::new("s1"), None);
        cloud.ready_nova().await.evacuate_stopped(&order).await.unwrap_err()
    };
    let as_nova_34 =
        r#"{"badRequest": {"code": 400, "message": "{'currently': 61, 'expected': 62}"}}"#;
    assert!(refused(as_nova_34).await.cannot_stop_evacuated());
    let in_use =
        r#"{"badRequest": {"code": 400, "message": "Compute service of c1 is still in use."}}"#;
    assert!(!refused(in_use).await.cannot_stop_evacuated());
}

#[tokio::test(start_paused = true)]
async fn the_fixed_addresses_of_a_server_are_read() {
    let cloud = one_host();
    let mut row = server(1);
    let address = |addr: &str, kind: &str| json!({ "addr": addr, "OS-EXT-IPS:type": kind });
    row["addresses"] = json!({
        "b": [address("2001:db8::7", "fixed")],
        "a": [address("203.0.113.9", "floating"), address("192.0.2.7", "fixed"), address("?", "fixed")],
    });
    cloud.state().servers = vec![row];
    let servers = cloud.nova().servers_on(&host()).await.unwrap();
    let shown: Vec<String> = servers[0].hints.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["192.0.2.7", "2001:db8::7"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_locked_is_listed_with_its_reason_where_nova_keeps_it() {
    let locked = |number, reason: Value| {
        let mut server = server(number);
        server["locked"] = json!(true);
        server["locked_reason"] = reason;
        server
    };
    let listed = async |newest| {
        let cloud = one_host();
        cloud.state().newest = newest;
        cloud.state().servers = vec![server(1), locked(2, Value::Null), locked(3, json!("why"))];
        let found = cloud.nova().locked().await.unwrap();
        (found, cloud.asked().iter().map(|asked| asked.line.clone()).collect::<Vec<_>>())
    };
    assert_eq!(listed("2.72").await, (vec![], vec![]));
    let asked = "GET /compute/v2.1/servers/detail?locked=true&all_tenants=1&limit=1000".to_owned();
    let why = (ServerId::new("s3"), "why".to_owned());
    assert_eq!(listed("2.73").await, (vec![why], vec![asked]));
}

#[tokio::test(start_paused = true)]
async fn a_lock_gives_its_reason_where_nova_keeps_it() {
    for (newest, body) in
        [("2.72", Value::Null), ("2.73", json!({ "locked_reason": "recovery n1" }))]
    {
        let cloud = one_host();
        cloud.state().newest = newest;
        cloud.nova().lock(&ServerId::new("s1"), "recovery n1").await.unwrap();
        assert_eq!(cloud.asked()[0].body, json!({ "lock": body }));
    }
}

#[tokio::test(start_paused = true)]
async fn evacuations_are_told_by_how_they_ended() {
    let cloud = one_host();
    let row = |id: i64, status: &str| {
        json!({ "id": id, "uuid": format!("m{id}"), "instance_uuid": "s1", "status": status,
                "source_compute": "compute01", "dest_compute": "compute02",
                "migration_type": "evacuation" })
    };
    let words = ["accepted", "pre-migrating", "done", "completed", "failed", "error", "cancelled"];
    cloud.state().migrations = (1..).zip(words).map(|(id, word)| row(id, word)).collect();
    cloud.state().page = 3;
    let evacuations = cloud.nova().evacuations_from(&host()).await.unwrap();
    let statuses: Vec<EvacuationStatus> = evacuations.iter().map(|e| e.status).collect();
    use EvacuationStatus::{Accepted, Completed, Done, Failed, Running};
    assert_eq!(statuses, [Accepted, Running, Done, Completed, Failed, Failed, Failed]);
    assert_eq!(evacuations[0].dest, Some(HostName::new("compute02")));
}

/// Nova's words, in their order; the newest record of a server counts.
#[tokio::test(start_paused = true)]
async fn live_migrations_are_told_by_whether_their_host_had_begun() {
    let cloud = one_host();
    let row = |id: i64, server: &str, status: &str, kind: &str| {
        json!({ "id": id, "uuid": format!("m{id}"), "instance_uuid": server, "status": status,
                "source_compute": "compute01", "dest_compute": "compute02",
                "migration_type": kind })
    };
    let live = |id, server, status| row(id, server, status, "live-migration");
    let words = ["accepted", "queued", "preparing", "running", "running (post-copy)", "completed"];
    let names = ["s0", "s1", "s2", "s3", "s4", "s5"];
    let each = names.iter().zip(words).zip(1..);
    cloud.state().migrations = each.map(|((name, word), id)| live(id, name, word)).collect();
    let before = [live(8, "s6", "queued"), live(7, "s6", "completed")];
    cloud.state().migrations.extend(before);
    cloud.state().migrations.push(row(9, "s1", "running", "evacuation"));
    cloud.state().page = 3;
    let found = cloud.nova().departures_from(&host()).await.unwrap();
    let begun: Vec<bool> = found.values().map(|departure| departure.begun).collect();
    assert_eq!(begun, [false, false, true, true, true, true, false]);
    assert_eq!(found[&ServerId::new("s3")].dest, Some(HostName::new("compute02")));
    assert!(cloud.asked()[0].line.contains("migration_type=live-migration"));
}

#[tokio::test(start_paused = true)]
async fn migrations_of_other_hosts_and_kinds_are_left_out_when_nova_ignores_the_filters() {
    let cloud = one_host();
    let row = |id: i64, from: &str, kind: &str| {
        json!({ "id": id, "uuid": format!("m{id}"), "instance_uuid": "s1", "status": "done",
                "source_compute": from, "dest_compute": "compute03", "migration_type": kind })
    };
    cloud.state().migrations = vec![
        row(1, "compute02", "evacuation"),
        row(2, "compute01", "live-migration"),
        row(3, "compute01", "evacuation"),
    ];
    let found = cloud.nova().evacuations_from(&host()).await.unwrap();
    assert_eq!(found.iter().map(|record| record.id).collect::<Vec<_>>(), [3]);
}

#[tokio::test(start_paused = true)]
async fn requests_to_evacuate_are_told_by_our_clock_and_from_a_moment_on() {
    let cloud = one_host();
    cloud.state().ahead_ms = 3_600_000;
    let action = |n: i64, name: &str, asked_s: i64, details: &str| {
        let event = json!({ "event": "rebuild_server", "result": "Error", "details": details,
                            "finish_time": cloud.time(asked_s + 60) });
        json!({ "action": name, "request_id": format!("req-{n}"), "start_time": cloud.time(asked_s),
                "events": [event] })
    };
    let actions = vec![
        action(4, "evacuate", -100, "MessagingTimeout"),
        action(3, "lock", -101, ""),
        action(2, "evacuate", -200, "No valid host was found."),
        action(1, "evacuate", -900, "MessagingTimeout"),
    ];
    cloud.state().actions = actions;
    // The clocks are known from an answer.
    let nova = cloud.nova();
    nova.compute_services().await.unwrap();
    let asked_at = cloud.asked().len();
    let since = cloud.clock().wall().plus(-800_000);
    let requests = nova.evacuation_requests(&ServerId::new("s1"), since).await.unwrap();
    let [newest, older] = requests.as_slice() else { panic!("{requests:?}") };
    let ago_s = |at: Millis| (cloud.clock().wall().since(at) + 500) / 1000;
    let Fate::GivenUp { at } = newest.fate else { panic!("{newest:?}") };
    assert!((99..=101).contains(&ago_s(newest.at)) && (39..=41).contains(&ago_s(at)));
    assert_eq!(older.fate, Fate::Over);
    assert_eq!(cloud.asked().len() - asked_at, 3, "one list, and the two that matter");
}

#[tokio::test(start_paused = true)]
async fn of_very_many_requests_the_oldest_are_not_looked_into_and_count_as_open() {
    let cloud = one_host();
    let event = json!({ "event": "rebuild_server", "result": "Error", "finish_time": cloud.time(0),
                        "details": "No valid host was found." });
    let action = |n: i64| {
        json!({ "action": "evacuate", "request_id": format!("req-{n}"), "start_time": cloud.time(-n),
                "events": [event] })
    };
    let actions = (1..=9).map(action).collect();
    cloud.state().actions = actions;
    let since = cloud.clock().wall().plus(-800_000);
    let requests = cloud.nova().evacuation_requests(&ServerId::new("s1"), since).await.unwrap();
    let fates: Vec<Fate> = requests.iter().map(|r| r.fate).collect();
    assert_eq!((fates[..8].to_vec(), fates[8]), (vec![Fate::Over; 8], Fate::Open));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_told_by_our_clock() {
    let cloud = one_host();
    cloud.state().ahead_ms = 3_600_000;
    let reported = cloud.time(-30);
    cloud.state().services = vec![service(&reported)];
    let seen = cloud.nova().compute_service(&host()).await.unwrap().unwrap();
    let age_ms = cloud.clock().wall().since(seen.heartbeat_at.unwrap());
    assert!((29_000..=31_000).contains(&age_ms), "{age_ms}");
    assert_eq!(seen.says(), NovaSays::Down);
}

#[tokio::test(start_paused = true)]
async fn without_a_date_novas_clock_is_taken_for_ours() {
    let cloud = one_host();
    cloud.state().sends_date = false;
    let seen = cloud.nova().compute_service(&host()).await.unwrap().unwrap();
    assert_eq!(seen.heartbeat_at, Some(Millis(NOW - 30_000)));
}

#[tokio::test(start_paused = true)]
async fn our_own_writes_are_no_heartbeats() {
    let cloud = one_host();
    let nova = cloud.ready_nova().await;
    cloud.clock().sleep(Duration::from_secs(60)).await;
    nova.force_down(&dead().force_down(id()).unwrap()).await.unwrap();
    let seen = nova.compute_service(&host()).await.unwrap().unwrap();
    assert_eq!((seen.forced_down, seen.heartbeat_at), (true, None));

    cloud.clock().sleep(Duration::from_secs(10)).await;
    nova.disable_service(&id(), "compute01 failed").await.unwrap();
    let seen = nova.compute_service(&host()).await.unwrap().unwrap();
    assert_eq!((seen.enabled, seen.heartbeat_at), (false, None));
    assert_eq!(seen.disabled_reason.as_deref(), Some("compute01 failed"));
}

#[tokio::test(start_paused = true)]
async fn our_own_write_is_no_heartbeat_before_its_answer_is_here_either() {
    let cloud = one_host();
    let nova = cloud.ready_nova().await;
    cloud.clock().sleep(Duration::from_secs(60)).await;
    cloud.state().late.insert("PUT", Duration::from_secs(5));
    let order = dead().force_down(id()).unwrap();
    let look = async {
        cloud.clock().sleep(Duration::from_secs(3)).await;
        nova.compute_service(&host()).await.unwrap().unwrap()
    };
    let (done, seen) = tokio::join!(nova.force_down(&order), look);
    done.unwrap();
    assert_eq!((seen.forced_down, seen.heartbeat_at), (true, None));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_shows_our_first_write_is_no_heartbeat_after_our_second() {
    let cloud = one_host();
    let nova = cloud.ready_nova().await;
    cloud.clock().sleep(Duration::from_secs(60)).await;
    nova.force_down(&dead().force_down(id()).unwrap()).await.unwrap();
    cloud.state().late.insert("GET", Duration::from_secs(5));
    let disable = async {
        cloud.clock().sleep(Duration::from_secs(3)).await;
        nova.disable_service(&id(), "compute01 failed").await.unwrap();
    };
    let host = host();
    let (seen, ()) = tokio::join!(nova.compute_service(&host), disable);
    let seen = seen.unwrap().unwrap();
    assert_eq!((seen.enabled, seen.forced_down, seen.heartbeat_at), (true, true, None));
}

#[tokio::test(start_paused = true)]
async fn another_engine_takes_our_disabling_for_no_heartbeat_either() {
    let cloud = one_host();
    cloud.state().ahead_ms = 3_600_000;
    cloud.nova().compute_services().await.unwrap();
    let nova = cloud.nova();
    nova.compute_services().await.unwrap();
    nova.disable_service(&id(), "compute01 failed").await.unwrap();
    cloud.clock().sleep(Duration::from_secs(300)).await;
    let other = Nova::new(cloud.session(), NovaConfig::default());
    let seen = other.compute_service(&host()).await.unwrap().unwrap();
    assert_eq!(seen.heartbeat_at, None);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_reports_after_our_writes_shows_life() {
    let cloud = one_host();
    let nova = cloud.nova();
    nova.disable_service(&id(), "compute01 failed").await.unwrap();
    cloud.clock().sleep(Duration::from_secs(10)).await;
    let reported = cloud.time(0);
    cloud.state().services[0]["updated_at"] = reported.into();
    let seen = nova.compute_service(&host()).await.unwrap().unwrap();
    let age_ms = cloud.clock().wall().since(seen.heartbeat_at.unwrap());
    assert!(age_ms.abs() <= 1_000, "{age_ms}");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_already_so_is_done() {
    let cloud = one_host();
    cloud.state().services[0]["forced_down"] = true.into();
    cloud.ready_nova().await.force_down(&dead().force_down(id()).unwrap()).await.unwrap();
    cloud.nova().unforce_down(&id()).await.unwrap();
    cloud.nova().unforce_down(&id()).await.unwrap();
    cloud.nova().enable_service(&id()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_update_that_nova_refuses_stays_refused() {
    let cloud = one_host();
    cloud.state().services[0]["forced_down"] = true.into();
    let nova = cloud.nova();
    nova.compute_services().await.unwrap();
    cloud.fails(&[Fault::Status(400)]);
    let error = nova.unforce_down(&id()).await.unwrap_err();
    assert!(matches!(error, AskError::BadRequest { .. }), "{error}");
}
