use crate::client::{Client, ask};
use ports::Clock;
use recovery::HostName;
use recovery::seen::VmState;
use serde_json::json;
use sim::{Broken, Condition, Pace, Plan, Shape, Verdict};
use std::time::Duration;

fn client() -> Client {
    Client::new(1, Shape::default())
}

#[tokio::test(start_paused = true)]
async fn a_host_that_nova_takes_for_alive_is_not_evacuated() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    let (status, error) = client.evacuate(&server);
    assert_eq!(status, 400);
    let message = format!("Compute service of {host} is still in use.");
    assert_eq!(error, json!({ "badRequest": { "code": 400, "message": message } }));
    let call = client.world.evacuate_calls().remove(0);
    assert_eq!(call.verdict, Verdict::Refused { status: 400 });
    assert_eq!(call.host_was, Condition::Dead);
}

#[tokio::test(start_paused = true)]
async fn a_server_of_a_dead_host_goes_through_the_stages_and_runs_elsewhere() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    assert!(client.world.running(&server).is_empty());
    assert_eq!(client.evacuate(&server).0, 200);
    let mut tasks = Vec::new();
    let mut statuses = Vec::new();
    for _ in 0..40 {
        let shown = client.server(&server);
        let task = shown["OS-EXT-STS:task_state"].as_str().unwrap_or("none").to_owned();
        if task != "none" {
            // The old host stays until the new one has finished.
            assert_eq!(shown["OS-EXT-SRV-ATTR:host"], host.as_str());
            assert_eq!(shown["status"], "REBUILD");
        }
        tasks.push(task);
        let migrations = client.get("os-migrations?migration_type=evacuation");
        statuses.push(migrations["migrations"][0]["status"].as_str().unwrap().to_owned());
        client.clock_ms(500).await;
    }
    tasks.dedup();
    statuses.dedup();
    let stages = ["rebuilding", "rebuild_block_device_mapping", "rebuild_spawning", "none"];
    assert_eq!(tasks, stages);
    assert_eq!(statuses, ["accepted", "pre-migrating", "done"]);
    let shown = client.server(&server);
    assert_ne!(shown["OS-EXT-SRV-ATTR:host"], host.as_str());
    assert_eq!(shown["OS-EXT-STS:vm_state"], "active");
    assert_eq!(client.world.running(&server).len(), 1);
    client.world.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn evacuating_a_host_that_is_only_cut_off_runs_the_server_twice() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.cut_host(&host);
    client.wait_s(75).await;
    assert_eq!(client.evacuate(&server).0, 200);
    client.wait_s(60).await;
    assert_eq!(client.world.running(&server).len(), 2);
    let Broken::RunsTwice { server: who, hosts, story, .. } = client.world.check().unwrap_err();
    assert_eq!((who, hosts.len()), (server, 2));
    assert!(story.iter().any(|line| line.contains("is cut off")), "{story:?}");
    assert_eq!(client.world.evacuate_calls()[0].host_was, Condition::Cut);
}

#[tokio::test(start_paused = true)]
async fn a_second_request_on_the_way_is_accepted_and_harms() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    assert_eq!(client.evacuate(&server).0, 200);
    client.wait_s(3).await;
    assert_eq!(client.evacuate(&server).0, 200);
    client.wait_s(60).await;
    let migrations = client.get("os-migrations")["migrations"].take();
    let statuses: Vec<_> =
        migrations.as_array().unwrap().iter().map(|m| m["status"].as_str().unwrap()).collect();
    assert!(statuses.contains(&"failed"), "{statuses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_after_the_end_is_refused_because_the_new_host_is_up() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    client.wait_s(60).await;
    let (status, error) = client.evacuate(&server);
    assert_eq!(status, 400, "{error}");
    client.world.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_is_stopped_again_at_the_end() {
    let client = client();
    let host = client.world.hosts().remove(0);
    let stopped = |s: &recovery::seen::Server| {
        s.host.as_ref() == Some(&host) && s.vm_state == VmState::Stopped
    };
    let server = client.world.servers().into_iter().find(stopped).unwrap().id;
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    client.wait_s(60).await;
    let shown = client.server(&server);
    assert_eq!(shown["status"], "SHUTOFF");
    assert_ne!(shown["OS-EXT-SRV-ATTR:host"], host.as_str());
    assert!(client.world.running(&server).is_empty());
}

/// Nova looks at its computes' versions before anything else, and cannot put its sentence together.
#[tokio::test(start_paused = true)]
async fn with_an_older_compute_2_95_is_refused() {
    let client = Client::new(1, Shape { old_computes: true, ..Shape::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    let client = client.speaking("2.95");
    let (status, error) = client.evacuate(&server);
    assert_eq!(
        (status, &error["badRequest"]["message"]),
        (400, &json!("{'currently': 61, 'expected': 62}"))
    );
    assert_eq!(client.speaking("2.94").evacuate(&server).0, 200);
}

#[tokio::test(start_paused = true)]
async fn since_2_95_a_running_server_ends_stopped() {
    let client = client().speaking("2.95");
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    client.wait_s(60).await;
    assert_eq!(client.server(&server)["status"], "SHUTOFF");
}

#[tokio::test(start_paused = true)]
async fn without_a_valid_host_the_server_and_the_migration_end_in_error() {
    let client = client();
    let (host, server) = client.host_and_server();
    for other in client.world.hosts() {
        client.world.kill_host(&other);
    }
    client.wait_s(75).await;
    assert_eq!(client.evacuate(&server).0, 200);
    client.wait_s(5).await;
    let shown = client.server(&server);
    assert_eq!(shown["status"], "ERROR");
    assert_eq!(shown["OS-EXT-STS:task_state"], json!(null));
    assert!(shown["fault"]["message"].as_str().unwrap().starts_with("No valid host"));
    let path = format!("os-migrations?source_compute={host}");
    assert_eq!(client.get(&path)["migrations"][0]["status"], "error");
}

#[tokio::test(start_paused = true)]
async fn a_target_must_exist_and_be_another_host_and_is_obeyed() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    let to = |target: &str| client.act(&server, &json!({ "evacuate": { "host": target } }));
    assert_eq!(to("nowhere").0, 404);
    assert_eq!(to(host.as_str()).0, 400);
    assert_eq!(to("compute-03").0, 200);
    client.wait_s(60).await;
    assert_eq!(client.world.running(&server), [HostName::new("compute-03")]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_server_is_not_evacuated() {
    let client = Client::new(1, Shape { paused_every: 1, ..Shape::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    let (status, error) = client.evacuate(&server);
    assert_eq!(status, 409);
    let message = error["conflictingRequest"]["message"].as_str().unwrap();
    assert!(message.contains("Cannot 'evacuate' instance"), "{message}");
    assert!(message.ends_with("while it is in vm_state paused"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn the_words_of_the_request_depend_on_the_microversion() {
    let (old, new) = (client().speaking("2.13"), client());
    let (_, server) = new.host_and_server();
    let shared = json!({ "evacuate": { "onSharedStorage": true } });
    assert!(
        new.act(&server, &shared).1["badRequest"]["message"].to_string().contains("Additional")
    );
    let (_, server) = old.host_and_server();
    assert!(old.act(&server, &shared).1["badRequest"]["message"].to_string().contains("in use"));
}

#[tokio::test(start_paused = true)]
async fn a_destination_builds_only_so_many_at_once() {
    let pace = Pace { builds_per_host: 1, build_ms: 10_000..=10_000, ..Pace::default() };
    let shape = Shape { hosts: 2, vms_per_host: 4, stopped_every: 0, pace, ..Shape::default() };
    let client = Client::new(1, shape);
    let (host, _) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    for server in client.world.servers().iter().filter(|s| s.host.as_ref() == Some(&host)) {
        assert_eq!(client.evacuate(&server.id).0, 200);
    }
    let done = || {
        let path = "os-migrations?status=done";
        client.get(path)["migrations"].as_array().unwrap().len()
    };
    client.wait_s(12).await;
    assert_eq!(done(), 1);
    client.wait_s(30).await;
    assert_eq!(done(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_build_fails_when_the_plan_says_so_and_the_server_ends_in_error() {
    let client = client();
    client.world.faults(Plan { build_fails_permille: 1000, ..Plan::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    client.wait_s(60).await;
    assert_eq!(client.server(&server)["status"], "ERROR");
    assert_eq!(client.get("os-migrations")["migrations"][0]["status"], "failed");
    client.world.faults(Plan::default());
    assert_eq!(client.evacuate(&server).0, 200);
    client.wait_s(60).await;
    assert_eq!(client.server(&server)["status"], "ACTIVE");
}

#[tokio::test(start_paused = true)]
async fn a_failed_claim_leaves_the_server_as_it_was() {
    let client = client();
    client.world.faults(Plan { claim_fails_permille: 1000, ..Plan::default() });
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    client.wait_s(60).await;
    let shown = client.server(&server);
    assert_eq!(
        (shown["status"].as_str(), &shown["OS-EXT-STS:task_state"]),
        (Some("ACTIVE"), &json!(null))
    );
    assert_eq!(client.get("os-migrations")["migrations"][0]["status"], "failed");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_dies_leaves_the_evacuation_hanging_and_it_can_be_asked_for_again() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.act(&server, &json!({ "evacuate": { "host": "compute-02" } }));
    client.wait_s(2).await;
    client.world.kill_host(&HostName::new("compute-02"));
    client.wait_s(120).await;
    let shown = client.server(&server);
    assert_eq!(shown["status"], "REBUILD");
    assert_eq!(shown["OS-EXT-SRV-ATTR:host"], host.as_str());
    assert_eq!(client.evacuate(&server).0, 200);
    client.wait_s(60).await;
    assert_eq!(client.world.running(&server), [HostName::new("compute-03")]);
    client.world.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_deleted_on_the_way_does_not_run_anywhere() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    client.wait_s(3).await;
    client.nova("DELETE", &format!("servers/{server}"), &json!(null));
    client.wait_s(60).await;
    assert!(client.world.running(&server).is_empty());
    assert_eq!(client.get("os-migrations")["migrations"][0]["status"], "failed");
}

#[tokio::test(start_paused = true)]
async fn repeated_requests_can_run_a_server_twice_even_though_its_host_is_dead() {
    let broken = |seed| async move {
        let client = Client::new(seed, Shape::default());
        let (host, server) = client.host_and_server();
        client.world.kill_host(&host);
        client.wait_s(75).await;
        for target in ["compute-02", "compute-03"] {
            client.act(&server, &json!({ "evacuate": { "host": target } }));
            client.wait_s(5).await;
        }
        client.wait_s(100).await;
        // The second one is asked for while the first one spawns, and finds the task state fresh.
        client.world.check().is_err()
    };
    let mut twice = 0;
    for seed in 0..20 {
        twice += u32::from(broken(seed).await);
    }
    assert!(twice > 0);
}

/// RabbitMQ is stopped for a minute: Nova writes down what it is asked for, answers late, and hears nobody.
#[tokio::test(start_paused = true)]
async fn what_nova_takes_while_its_bus_is_stopped_it_does_afterwards() {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    let (from, until) = (client.world.now(), client.world.now().plus(60_000));
    client.world.faults(Plan { bus_stopped: Some(from..until), ..Plan::default() });
    client.wait_s(1).await;
    let evacuate =
        ask("POST", &format!("/compute/v2.1/servers/{server}/action"), &json!({ "evacuate": {} }));
    let asked = client.clock.boot();
    let network = client.world.transport();
    let answer = network.send(client.dress(evacuate), Duration::from_secs(90));
    let status = || client.get("os-migrations")["migrations"][0]["status"].take();
    let meanwhile = async {
        client.wait_s(58).await;
        status()
    };
    let (answer, meanwhile) = futures::join!(answer, meanwhile);
    let waited_s = client.clock.boot().since(asked).as_secs();
    assert_eq!((answer.unwrap().status().as_u16(), waited_s), (200, 59));
    assert_eq!(meanwhile, "accepted");
    let other = client.world.hosts().remove(1);
    assert_eq!(client.service(&other)["state"], "down");
    // Its scheduler finds nobody up.
    assert_eq!(status(), "error");
    client.wait_s(10).await;
    assert_eq!(client.service(&other)["state"], "up");
    client.evacuate(&server);
    client.wait_s(60).await;
    assert_eq!((status(), client.world.running(&server).len()), (json!("done"), 1));
}

/// What the conductor had taken up when RabbitMQ stopped, it gives up, and writes nothing to the record.
#[tokio::test(start_paused = true)]
async fn what_the_conductor_gave_up_says_accepted_for_ever_and_the_next_request_is_done_on_its_record()
 {
    let client = client();
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    client.evacuate(&server);
    let now = client.world.now();
    client.world.faults(Plan { bus_stopped: Some(now..now.plus(30_000)), ..Plan::default() });
    client.wait_s(90).await;
    let statuses = || {
        let records = client.get("os-migrations")["migrations"].take();
        let status = |m: &serde_json::Value| (m["id"].as_i64().unwrap(), m["status"].to_string());
        records.as_array().unwrap().iter().map(status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(), [(1, "\"accepted\"".to_owned())]);
    assert_eq!(client.server(&server)["OS-EXT-STS:task_state"], "rebuilding");
    let events = || {
        let path = format!("servers/{server}/os-instance-actions");
        let last = client.get(&path)["instanceActions"][0]["request_id"].take();
        let mut action = client.get(&format!("{path}/{}", last.as_str().unwrap()));
        let events = action["instanceAction"]["events"].take();
        let said = |e: &serde_json::Value| {
            assert_eq!(e["finish_time"].is_null(), e["result"].is_null());
            format!("{} {} {}", e["event"], e["result"], e["details"]).replace('"', "")
        };
        events.as_array().unwrap().iter().map(said).collect::<Vec<_>>()
    };
    assert_eq!(events(), ["rebuild_server Error MessagingTimeout"]);
    client.act(&server, &json!({ "os-resetState": { "state": "error" } }));
    client.evacuate(&server);
    client.wait_s(5).await;
    assert_eq!(events()[0], "compute_rebuild_instance null null");
    client.wait_s(60).await;
    let done = ["compute_rebuild_instance Success null", "rebuild_server Success null"];
    assert_eq!(events(), done);
    let both = [(2, "\"accepted\"".to_owned()), (1, "\"done\"".to_owned())];
    assert_eq!((statuses(), client.world.running(&server).len()), (both.to_vec(), 1));
}
