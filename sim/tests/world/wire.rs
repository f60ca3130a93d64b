//! The same world over real HTTP and on the real clock.

use crate::client::{ask, body, password_body};
use ports::{HttpClient, HttpClientConfig, SystemClock, Transport};
use serde_json::Value;
use sim::{Endpoints, Fault, Plan, Rule, Service, Shape, World};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

const DEADLINE: Duration = Duration::from_secs(20);

fn at(base: &str, method: &str, path: &str, body: &Value) -> ports::Ask {
    let mut ask = ask(method, path, body);
    *ask.uri_mut() = format!("{base}{path}").parse().unwrap();
    ask
}

async fn talk(world: World, base: String) {
    let client = HttpClient::new(&HttpClientConfig::default()).unwrap();
    let log_in =
        at(&base, "POST", "/identity/v3/auth/tokens", &password_body("admin", sim::PASSWORD));
    let answer = client.send(log_in, DEADLINE).await.unwrap();
    assert_eq!(answer.status(), 201);
    let token = answer.headers()["x-subject-token"].clone();
    let urls = body(&answer)["token"]["catalog"].to_string();
    assert!(urls.contains(&format!("{base}/compute/v2.1")), "{urls}");
    let mut list = at(&base, "GET", "/compute/v2.1/servers?all_tenants=1", &Value::Null);
    list.headers_mut().insert("x-auth-token", token);
    let answer = client.send(list.clone(), DEADLINE).await.unwrap();
    assert_eq!(body(&answer)["servers"].as_array().unwrap().len(), 12);
    let rules = vec![Rule::always(Service::Compute, Fault::Away)];
    world.faults(Plan { rules, ..Plan::default() });
    assert_eq!(client.send(list, DEADLINE).await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_real_client_logs_in_and_lists_and_sees_faults() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let world = World::new(1, Arc::new(SystemClock), Shape::default());
    let instance_ha = String::new();
    world.endpoints(Endpoints { base: base.clone(), instance_ha });
    let served = std::pin::pin!(sim::serve(world.clone(), listener));
    let talk = std::pin::pin!(talk(world, base));
    let ended = futures::future::select(served, talk).await;
    assert!(matches!(ended, futures::future::Either::Right(_)), "the server ended first");
}
