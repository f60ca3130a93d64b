use crate::client::{Client, ask};
use ports::Clock;
use serde_json::{Value, json};
use sim::{Condition, Shape};
use std::time::Duration;

fn client() -> Client {
    Client::new(1, Shape::default())
}

#[tokio::test(start_paused = true)]
async fn a_dead_host_is_down_after_service_down_time_and_not_before() {
    let client = client();
    let (host, _) = client.host_and_server();
    client.world.kill_host(&host);
    assert_eq!(client.service(&host)["state"], "up");
    client.wait_s(49).await;
    assert_eq!(client.service(&host)["state"], "up");
    client.wait_s(13).await;
    assert_eq!(client.service(&host)["state"], "down");
}

#[tokio::test(start_paused = true)]
async fn updated_at_moves_with_heartbeats_also_while_forced_down() {
    let client = client();
    let (host, _) = client.host_and_server();
    assert_eq!(client.put_service(&host, &json!({ "forced_down": true })).0, 200);
    client.wait_s(1).await;
    let before = client.service(&host);
    assert_eq!(
        (before["state"].as_str(), before["forced_down"].as_bool()),
        (Some("down"), Some(true))
    );
    client.wait_s(10).await;
    assert!(client.service(&host)["updated_at"].as_str() > before["updated_at"].as_str());
}

#[tokio::test(start_paused = true)]
async fn updated_at_of_a_dead_host_stands_still_but_for_changes_by_the_api() {
    let client = client();
    let (host, _) = client.host_and_server();
    client.world.kill_host(&host);
    let heartbeat = client.service(&host)["updated_at"].clone();
    client.wait_s(100).await;
    assert_eq!(client.service(&host)["updated_at"], heartbeat);
    client.put_service(&host, &json!({ "forced_down": true }));
    assert_ne!(client.service(&host)["updated_at"], heartbeat, "Nova writes the row, so it moves");
    let moved = client.service(&host)["updated_at"].clone();
    client.wait_s(10).await;
    client.put_service(&host, &json!({ "forced_down": true }));
    assert_eq!(client.service(&host)["updated_at"], moved, "what changes nothing is not written");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_heard_again_is_up() {
    let client = client();
    let (host, _) = client.host_and_server();
    client.world.cut_host(&host);
    client.wait_s(75).await;
    assert_eq!(client.service(&host)["state"], "down");
    client.world.heal_host(&host);
    client.wait_s(10).await;
    assert_eq!(client.service(&host)["state"], "up");
}

#[tokio::test(start_paused = true)]
async fn disabling_a_dead_host_that_counts_as_up_takes_a_minute_and_is_done_at_once() {
    let client = client();
    let (host, _) = client.host_and_server();
    client.world.kill_host(&host);
    let id = client.world.service(&host).unwrap().id;
    let change = json!({ "status": "disabled", "disabled_reason": "dead" });
    let put = client.dress(ask("PUT", &format!("/compute/v2.1/os-services/{id}"), &change));
    let transport = client.world.transport();
    let began = client.clock.boot();
    let look = async {
        client.wait_s(1).await;
        assert!(!client.world.service(&host).unwrap().enabled);
    };
    let (answer, ()) = futures::join!(transport.send(put, Duration::from_secs(300)), look);
    assert_eq!(answer.unwrap().status(), 200);
    assert!(client.clock.boot().since(began) >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn disabling_a_host_that_is_forced_down_takes_no_time() {
    let client = client();
    let (host, _) = client.host_and_server();
    client.world.kill_host(&host);
    client.put_service(&host, &json!({ "forced_down": true }));
    let id = client.world.service(&host).unwrap().id;
    let change = json!({ "status": "disabled" });
    let put = client.dress(ask("PUT", &format!("/compute/v2.1/os-services/{id}"), &change));
    let began = client.clock.boot();
    client.world.transport().send(put, Duration::from_secs(300)).await.unwrap();
    assert!(client.clock.boot().since(began) < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_disabled_host_keeps_its_reason_and_gets_no_server() {
    let client = Client::new(1, Shape { hosts: 2, ..Shape::default() });
    let (host, server) = client.host_and_server();
    let other = client.world.hosts().remove(1);
    let reason = json!({ "status": "disabled", "disabled_reason": "reserved" });
    let (status, shown) = client.put_service(&other, &reason);
    assert_eq!((status, shown["service"]["disabled_reason"].as_str()), (200, Some("reserved")));
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    client.wait_s(60).await;
    assert_eq!(client.server(&server)["status"], "ERROR");
    client.put_service(&other, &json!({ "status": "enabled" }));
    assert_eq!(client.service(&other)["disabled_reason"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_host_is_not_forced_up_before_it_has_cleaned_up() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.put_service(&host, &json!({ "forced_down": true }));
    client.evacuate(&server);
    client.wait_s(60).await;
    let up = json!({ "forced_down": false });
    let (status, error) = client.put_service(&host, &up);
    assert_eq!(status, 400);
    assert!(error["badRequest"]["message"].as_str().unwrap().starts_with("Unable to force up"));
    client.world.revive_host(&host);
    assert_eq!(client.put_service(&host, &up).0, 200);
    let downs = client.world.forced_downs();
    let downs: Vec<_> = downs.iter().map(|down| (down.to, down.host_was)).collect();
    assert_eq!(downs, [(true, Condition::Dead), (false, Condition::Alive)]);
}

#[tokio::test(start_paused = true)]
async fn changes_that_make_no_sense_are_refused() {
    let client = client();
    let (host, _) = client.host_and_server();
    assert_eq!(client.put_service(&host, &json!({})).0, 400);
    let both = json!({ "status": "enabled", "disabled_reason": "x" });
    assert_eq!(client.put_service(&host, &both).0, 400);
    let unknown = "os-services/00000000-0000-4000-8000-000000000000";
    let answer = client.nova("PUT", unknown, &json!({ "status": "disabled" }));
    assert_eq!(answer.status(), 404);
    assert_eq!(client.nova("PUT", "os-services/7", &json!({})).status(), 400);
}

#[tokio::test(start_paused = true)]
async fn below_2_53_services_are_changed_by_name() {
    let client = client().speaking("2.11");
    let (host, _) = client.host_and_server();
    let named = json!({ "host": host.as_str(), "binary": "nova-compute" });
    assert_eq!(client.nova("PUT", "os-services/disable", &named).status(), 200);
    assert!(client.service(&host)["id"].is_number());
    assert_eq!(client.service(&host)["status"], "disabled");
}

#[tokio::test(start_paused = true)]
async fn hypervisors_are_found_by_a_part_of_their_name() {
    let client = client();
    let list = client.get("os-hypervisors/detail?hypervisor_hostname_pattern=02");
    assert_eq!(list["hypervisors"].as_array().unwrap().len(), 1);
    assert_eq!(list["hypervisors"][0]["service"]["host"], "compute-02");
    let none = "os-hypervisors?hypervisor_hostname_pattern=nowhere";
    assert_eq!(client.nova("GET", none, &Value::Null).status(), 404);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_write_has_fractions_of_the_second_and_lists_have_not() {
    let client = client();
    let (host, _) = client.host_and_server();
    client.world.kill_host(&host);
    client.clock_ms(90_250).await;
    let (_, answer) = client.put_service(&host, &json!({ "status": "disabled" }));
    assert_eq!(answer["service"]["updated_at"], "2025-11-21T08:01:30.250000");
    assert_eq!(client.service(&host)["updated_at"], "2025-11-21T08:01:30.000000");
}
