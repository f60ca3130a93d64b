use crate::client::{Client, body};
use recovery::seen::VmState;
use serde_json::{Value, json};
use sim::{Shape, World};
use std::collections::BTreeSet;

fn ids(list: &Value) -> Vec<String> {
    let servers = list["servers"].as_array().unwrap();
    servers.iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn pages_by_limit_and_by_the_next_link_show_each_server_once() {
    let client = Client::new(1, Shape { page_max: 5, ..Shape::default() });
    let mut path = "servers/detail?all_tenants=1&limit=100".to_owned();
    let mut seen = Vec::new();
    loop {
        let list = client.get(&path);
        seen.extend(ids(&list));
        let Some(next) = list["servers_links"][0]["href"].as_str() else { break };
        path = next.strip_prefix("http://cloud.test/compute/v2.1/").unwrap().to_owned();
    }
    assert_eq!(seen.len(), 12);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_marker_that_is_gone_is_refused() {
    let client = Client::new(1, Shape::default());
    let answer = client.nova("GET", "servers?marker=nobody", &Value::Null);
    assert_eq!(answer.status(), 400);
    assert_eq!(body(&answer)["badRequest"]["message"], "marker [nobody] not found");
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_by_host_status_and_name() {
    let client = Client::new(1, Shape::default());
    let of =
        |filter: &str| ids(&client.get(&format!("servers/detail?all_tenants=1&{filter}"))).len();
    assert_eq!(of("host=compute-02"), 4);
    assert_eq!(of("status=SHUTOFF"), 3);
    assert_eq!(of("status=ACTIVE&status=SHUTOFF"), 12);
    assert_eq!(of("name=vm-0003"), 1);
    assert_eq!(of("host=nowhere"), 0);
    let answer = client.nova("GET", "servers?status=NONSENSE", &Value::Null);
    assert_eq!(answer.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn changes_since_shows_what_changed_since() {
    let client = Client::new(1, Shape::default());
    let (_, server) = client.host_and_server();
    client.wait_s(10).await;
    client.act(&server, &json!({ "lock": {} }));
    let path = "servers/detail?all_tenants=1&changes-since=2025-11-21T08:00:05Z";
    assert_eq!(ids(&client.get(path)), [server.as_str()]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_has_a_reason_and_does_not_keep_admins_off() {
    let client = Client::new(1, Shape::default());
    let (_, server) = client.host_and_server();
    assert_eq!(client.act(&server, &json!({ "lock": { "locked_reason": "recovery" } })).0, 202);
    assert_eq!(client.world.locked(), [(server.clone(), Some("recovery".into()))]);
    let shown = client.server(&server);
    assert_eq!((&shown["locked"], &shown["locked_reason"]), (&json!(true), &json!("recovery")));
    assert_eq!(client.act(&server, &json!({ "os-stop": null })).0, 202);
    assert_eq!(client.act(&server, &json!({ "unlock": null })).0, 202);
    assert!(client.world.locked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_is_stopped_and_started_and_both_are_in_its_history() {
    let client = Client::new(1, Shape::default());
    let (host, server) = client.host_and_server();
    client.act(&server, &json!({ "os-stop": null }));
    assert_eq!(client.server(&server)["OS-EXT-STS:task_state"], "powering-off");
    let (status, error) = client.act(&server, &json!({ "os-stop": null }));
    assert_eq!(status, 409);
    let message = error["conflictingRequest"]["message"].as_str().unwrap();
    assert!(message.ends_with("while it is in task_state powering-off"), "{message}");
    client.wait_s(5).await;
    assert_eq!(client.server(&server)["OS-EXT-STS:power_state"], 4);
    assert!(client.world.running(&server).is_empty());
    client.act(&server, &json!({ "os-start": null }));
    client.wait_s(5).await;
    assert_eq!(client.world.running(&server), [host]);
    let list = client.get(&format!("servers/{server}/os-instance-actions"));
    let actions = list["instanceActions"].as_array().unwrap();
    let names: Vec<_> = actions.iter().map(|a| a["action"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "stop"]);
    let request = actions[0]["request_id"].as_str().unwrap();
    let one = client.get(&format!("servers/{server}/os-instance-actions/{request}"));
    assert_eq!(one["instanceAction"]["action"], "start");
}

#[tokio::test(start_paused = true)]
async fn an_admin_resets_the_state_of_a_server() {
    let client = Client::new(1, Shape::default());
    let (_, server) = client.host_and_server();
    assert_eq!(client.act(&server, &json!({ "os-resetState": { "state": "error" } })).0, 202);
    let seen = client.world.servers().into_iter().find(|s| s.id == server).unwrap();
    assert_eq!(seen.vm_state, VmState::Error);
}

#[tokio::test(start_paused = true)]
async fn a_member_sees_its_own_servers_and_no_hosts() {
    let admin = Client::new(1, Shape::default());
    let member = Client::of(&admin.world, admin.clock, "demo");
    let own = member.get("servers/detail?host=nowhere");
    assert_eq!(ids(&own).len(), 4, "a filter of admins is ignored");
    assert_eq!(own["servers"][0]["OS-EXT-SRV-ATTR:host"], Value::Null);
    let all = member.nova("GET", "servers/detail?all_tenants=1", &Value::Null);
    assert_eq!(all.status(), 403);
    assert_eq!(member.nova("GET", "os-services", &Value::Null).status(), 403);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_not_found() {
    let client = Client::new(1, Shape::default());
    let answer = client.nova("GET", "servers/nobody", &Value::Null);
    let message = "Instance nobody could not be found.";
    let error = json!({ "itemNotFound": { "code": 404, "message": message } });
    assert_eq!((answer.status().as_u16(), body(&answer)), (404, error));
}

#[tokio::test(start_paused = true)]
async fn newer_attributes_show_from_their_microversion_on() {
    let client = Client::new(1, Shape::default());
    let (_, server) = client.host_and_server();
    let client = client.speaking("2.8");
    assert_eq!(client.server(&server).get("locked"), None);
    assert!(client.server(&server)["flavor"].get("links").is_some());
    let client = client.speaking("2.73");
    assert_eq!(client.server(&server)["locked"], false);
    assert_eq!(client.server(&server)["flavor"]["original_name"], "m1.tiny");
}

#[tokio::test(start_paused = true)]
async fn microversions_out_of_range_are_not_acceptable() {
    let client = Client::new(1, Shape::default()).speaking("2.97");
    let answer = client.nova("GET", "servers", &Value::Null);
    assert_eq!(answer.status(), 406);
    assert_eq!(body(&answer)["computeFault"]["code"], 406);
    let client = client.speaking("nonsense");
    assert_eq!(client.nova("GET", "servers", &Value::Null).status(), 400);
    let client = client.speaking("latest");
    let answer = client.nova("GET", "servers", &Value::Null);
    assert_eq!(answer.headers()["openstack-api-version"], "compute 2.96");
}

#[tokio::test(start_paused = true)]
async fn the_version_document_needs_no_token_and_every_answer_has_a_date() {
    let client = Client::new(1, Shape::default());
    let world: &World = &client.world;
    let answer = world.handle(&crate::client::ask("GET", "/compute/v2.1/", &Value::Null));
    assert_eq!(body(&answer)["version"]["version"], "2.96");
    assert_eq!(answer.headers()["date"], "Fri, 21 Nov 2025 08:00:00 GMT");
    let answer = world.handle(&crate::client::ask("GET", "/compute/", &Value::Null));
    assert_eq!(body(&answer)["versions"][1]["min_version"], "2.1");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_server_is_gone_but_for_who_asks_what_changed() {
    let client = Client::new(1, Shape::default());
    let (_, server) = client.host_and_server();
    client.wait_s(10).await;
    assert_eq!(client.nova("DELETE", &format!("servers/{server}"), &Value::Null).status(), 204);
    assert!(client.world.running(&server).is_empty());
    assert_eq!(client.nova("GET", &format!("servers/{server}"), &Value::Null).status(), 404);
    assert_eq!(ids(&client.get("servers/detail?all_tenants=1")).len(), 11);
    let path = "servers/detail?all_tenants=1&changes-since=2025-11-21T08:00:05Z";
    let changed = client.get(path);
    assert_eq!(ids(&changed), [server.as_str()]);
    assert_eq!(changed["servers"][0]["status"], "DELETED");
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_at_its_ports_a_while_after_its_start() {
    use ports::ProbeError::{Refused, Silent};
    let client = Client::new(1, Shape::default());
    let (host, server) = client.host_and_server();
    let address = client.server(&server)["addresses"]["private"][0]["addr"].take();
    let to = format!("{}:80", address.as_str().unwrap()).parse().unwrap();
    let probe = client.world.probe();
    let soon = std::time::Duration::from_secs(3);
    assert_eq!(probe.connects(to, soon).await, Err(Refused));
    client.wait_s(8).await;
    assert_eq!(probe.connects(to, soon).await, Ok(()));
    assert_eq!(probe.status(to, "/", soon).await, Ok(200));
    client.world.kill_host(&host);
    assert_eq!(probe.connects(to, soon).await, Err(Silent));
}
