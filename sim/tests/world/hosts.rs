use crate::client::Client;
use recovery::seen::VmState;
use serde_json::json;
use sim::{Condition, Plan, Shape};

#[tokio::test(start_paused = true)]
async fn a_dead_host_runs_nothing() {
    let client = Client::new(1, Shape::default());
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    assert_eq!(client.world.condition(&host), Condition::Dead);
    assert!(client.world.running(&server).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cut_host_runs_all_it_ran() {
    let client = Client::new(1, Shape::default());
    let (host, server) = client.host_and_server();
    client.world.cut_host(&host);
    client.wait_s(600).await;
    assert_eq!(client.world.running(&server), [host]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_boots_resumes_its_servers_where_nova_is_told_to() {
    let client = Client::new(1, Shape { resume_guests: true, ..Shape::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(300).await;
    client.world.revive_host(&host);
    assert_eq!(client.world.running(&server), [host]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_boots_without_novas_bus_starts_nothing_before_that_is_back() {
    let client = Client::new(1, Shape { resume_guests: true, ..Shape::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    let now = client.world.now();
    client.world.faults(Plan { bus_stopped: Some(now..now.plus(60_000)), ..Plan::default() });
    client.world.revive_host(&host);
    client.wait_s(59).await;
    assert!(client.world.running(&server).is_empty());
    client.wait_s(2).await;
    assert_eq!(client.world.running(&server), [host]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_loses_its_power_again_before_it_found_novas_bus_does_not_boot() {
    let client = Client::new(1, Shape { resume_guests: true, ..Shape::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    let now = client.world.now();
    client.world.faults(Plan { bus_stopped: Some(now..now.plus(60_000)), ..Plan::default() });
    client.world.revive_host(&host);
    client.wait_s(30).await;
    client.world.kill_host(&host);
    client.wait_s(60).await;
    assert!(client.world.running(&server).is_empty());
    assert_eq!(client.world.condition(&host), Condition::Dead);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_boots_does_not_resume_otherwise_and_nova_learns_it_later() {
    let client = Client::new(1, Shape::default());
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.world.revive_host(&host);
    client.wait_s(30).await;
    assert!(client.world.running(&server).is_empty());
    assert_eq!(client.server(&server)["status"], "ACTIVE");
    client.wait_s(600).await;
    assert_eq!(client.server(&server)["status"], "SHUTOFF");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_boots_destroys_what_was_evacuated_before_it_starts_anything() {
    let client = Client::new(1, Shape { resume_guests: true, ..Shape::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    client.wait_s(60).await;
    client.world.revive_host(&host);
    client.wait_s(60).await;
    assert_eq!(client.world.running(&server).len(), 1);
    assert_ne!(client.world.running(&server), [host]);
    assert_eq!(client.get("os-migrations")["migrations"][0]["status"], "completed");
    client.world.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_forced_down_and_boots_is_still_evacuated_and_that_runs_a_server_twice() {
    let client = Client::new(1, Shape { resume_guests: true, ..Shape::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.put_service(&host, &json!({ "forced_down": true }));
    client.world.revive_host(&host);
    client.wait_s(30).await;
    assert_eq!(client.evacuate(&server).0, 200);
    client.wait_s(60).await;
    assert_eq!(client.world.running(&server).len(), 2);
    client.world.check().unwrap_err();
    assert_eq!(client.world.evacuate_calls()[0].host_was, Condition::Alive);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_cloud_and_the_same_story() {
    let story = |seed| async move {
        let client = Client::new(seed, Shape::default());
        let (host, _) = client.host_and_server();
        client.world.kill_host(&host);
        client.wait_s(75).await;
        for server in client.world.servers() {
            client.evacuate(&server.id);
        }
        client.wait_s(100).await;
        let servers = client.get("servers/detail?all_tenants=1").to_string();
        (client.world.story(), servers)
    };
    assert_eq!(story(7).await, story(7).await);
    assert_ne!(story(7).await, story(8).await);
}

#[tokio::test(start_paused = true)]
async fn it_makes_no_difference_whether_the_world_is_watched() {
    let story = |watched: bool| async move {
        let client = Client::new(3, Shape::default());
        let (host, server) = client.host_and_server();
        let scenario = async {
            client.world.kill_host(&host);
            client.wait_s(75).await;
            client.evacuate(&server);
            client.wait_s(100).await;
        };
        if watched {
            let run = std::pin::pin!(client.world.run());
            futures::future::select(run, std::pin::pin!(scenario)).await;
        } else {
            scenario.await;
        }
        client.world.story()
    };
    assert_eq!(story(true).await, story(false).await);
}

#[tokio::test(start_paused = true)]
async fn the_shape_marks_each_nth_server() {
    let shape = Shape {
        hosts: 2,
        vms_per_host: 10,
        ha_enabled_every: 2,
        stopped_every: 5,
        error_every: 0,
        locked_every: 4,
        ..Shape::default()
    };
    let client = Client::new(1, shape);
    let servers = client.world.servers();
    assert_eq!(servers.len(), 20);
    assert_eq!(servers.iter().filter(|s| s.metadata.contains_key("HA_Enabled")).count(), 10);
    assert_eq!(servers.iter().filter(|s| s.vm_state == VmState::Stopped).count(), 4);
    assert_eq!(client.world.locked().len(), 5);
}
