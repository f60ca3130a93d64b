//! Placement: who has room.

use crate::client::{Client, ask, body};
use serde_json::Value;
use sim::Shape;

/// Three hosts with four servers each; five fit.
fn client() -> Client {
    Client::new(1, Shape { vms_per_host_max: 5, ..Shape::default() })
}

fn candidates(client: &Client, resources: &str) -> (u16, Value) {
    let path = format!("/placement/allocation_candidates?resources={resources}&limit=10");
    placement(client, &path)
}

fn placement(client: &Client, path: &str) -> (u16, Value) {
    let answer = client.world.handle(&client.dress(ask("GET", path, &Value::Null)));
    (answer.status().as_u16(), body(&answer))
}

#[tokio::test(start_paused = true)]
async fn a_host_is_a_candidate_for_as_much_as_is_left_on_it() {
    let client = client();
    let count = |resources| {
        let (status, body) = candidates(&client, resources);
        assert_eq!(status, 200);
        body["provider_summaries"].as_object().unwrap().len()
    };
    assert_eq!(count("VCPU:1,MEMORY_MB:512"), 3);
    assert_eq!(count("VCPU:2"), 0);
    assert_eq!(count("DISK_GB:1"), 0);
    let (host, _) = client.host_and_server();
    client.world.make_room(&host, 6);
    assert_eq!(count("VCPU:2,MEMORY_MB:1024"), 1);
    let (_, body) = candidates(&client, "VCPU:2");
    let id = client.service(&host)["id"].as_str().unwrap().to_owned();
    let left = &body["provider_summaries"][&id]["resources"];
    assert_eq!((&left["VCPU"]["capacity"], &left["VCPU"]["used"]), (&6.into(), &4.into()));
    assert_eq!(left["MEMORY_MB"]["capacity"], 3_072);
    assert_eq!(body["allocation_requests"][0]["allocations"][&id]["resources"]["VCPU"], 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_used_on_a_host_stays_used_when_it_dies() {
    let client = client();
    let (host, _) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(100).await;
    let (_, body) = candidates(&client, "VCPU:1");
    assert_eq!(body["provider_summaries"].as_object().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let client = client();
    assert_eq!(candidates(&client, "VCPU").0, 400);
    assert_eq!(candidates(&client, "VCPU:0").0, 400);
    assert_eq!(placement(&client, "/placement/allocation_candidates").0, 400);
    assert_eq!(placement(&client, "/placement/traits").0, 404);
    let without = ask("GET", "/placement/resource_providers?resources=VCPU:1", &Value::Null);
    assert_eq!(client.world.handle(&without).status().as_u16(), 401);
}
