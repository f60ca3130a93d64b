use crate::client::{Client, ask, body};
use ports::{Answer, Clock, Transport, TransportError};
use recovery::{HostName, ServerId};
use serde_json::json;
use sim::{EPOCH, Fault, Kind, Plan, Process, Rule, Service, Shape, When};
use std::sync::Arc;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

struct Case {
    client: Client,
    host: HostName,
    server: ServerId,
}

/// A server whose host has been dead for long, and a fault.
async fn case(fault: Option<Fault>) -> Case {
    let client = Client::new(1, Shape::default());
    let (host, server) = client.host_and_server();
    client.world.kill_host(&host);
    client.wait_s(75).await;
    let rules = fault.map(|fault| Rule::always(Service::Compute, fault)).into_iter().collect();
    client.world.faults(Plan { rules, ..Plan::default() });
    Case { client, host, server }
}

impl Case {
    async fn evacuate(&self) -> Result<Answer, TransportError> {
        self.evacuate_by(self.client.world.transport()).await
    }

    async fn evacuate_by(&self, transport: Arc<dyn Transport>) -> Result<Answer, TransportError> {
        let path = format!("/compute/v2.1/servers/{}/action", self.server);
        let ask = self.client.dress(ask("POST", &path, &json!({ "evacuate": {} })));
        transport.send(ask, DEADLINE).await
    }

    fn accepted(&self) -> usize {
        self.client.world.evacuate_calls().len()
    }
}

#[tokio::test(start_paused = true)]
async fn without_faults_a_request_takes_its_latency() {
    let case = case(None).await;
    let began = case.client.clock.boot();
    assert_eq!(case.evacuate().await.unwrap().status(), 200);
    let took = case.client.clock.boot().since(began);
    assert!(took >= Duration::from_millis(2) && took <= Duration::from_millis(40), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_away_gets_nothing() {
    let case = case(Some(Fault::Away)).await;
    let error = case.evacuate().await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable { .. }));
    assert_eq!(case.accepted(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_breaks_before_or_after_the_work_and_looks_the_same() {
    for (fault, accepted) in [(Fault::Lost, 0), (Fault::HalfBody, 1)] {
        let case = case(Some(fault)).await;
        let error = case.evacuate().await.unwrap_err();
        assert!(matches!(error, TransportError::BrokeOff { .. }));
        assert_eq!(case.accepted(), accepted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_at_the_door_is_not_done() {
    for status in [401, 403, 404, 409, 500, 503] {
        let case = case(Some(Fault::Status(status))).await;
        assert_eq!(case.evacuate().await.unwrap().status(), status);
        assert_eq!(case.accepted(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_says_when_to_come_back() {
    let case = case(Some(Fault::TooMany { status: 429, retry_after_s: 7 })).await;
    let answer = case.evacuate().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(body(&answer)["overLimit"]["code"], 429);
}

#[tokio::test(start_paused = true)]
async fn rubbish_is_no_json_though_the_work_is_done() {
    let case = case(Some(Fault::Rubbish)).await;
    assert!(body(&case.evacuate().await.unwrap()).is_null());
    assert_eq!(case.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_given_up_lands_all_the_same() {
    let case = case(Some(Fault::Slow { ms: 30_000 })).await;
    let began = case.client.clock.boot();
    let error = case.evacuate().await.unwrap_err();
    assert!(matches!(error, TransportError::TimedOut { deadline_ms: 10_000, .. }));
    assert_eq!(case.client.clock.boot().since(began), DEADLINE);
    case.client.wait_s(30).await;
    assert_eq!(case.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rule_has_its_time_its_service_and_its_kind() {
    let case = case(None).await;
    let (from, until) = (EPOCH.plus(100_000), EPOCH.plus(200_000));
    let rule = Rule::always(Service::Compute, Fault::Away).between(from, until).only(Kind::Writes);
    case.client.world.faults(Plan { rules: vec![rule], ..Plan::default() });
    let read = || async {
        let path = format!("/compute/v2.1/os-services?host={}", case.host);
        let ask = case.client.dress(ask("GET", &path, &json!(null)));
        case.client.world.transport().send(ask, DEADLINE).await
    };
    assert!(case.evacuate().await.is_ok());
    case.client.wait_s(50).await;
    assert!(case.evacuate().await.is_err());
    assert!(read().await.is_ok());
    case.client.wait_s(100).await;
    assert!(case.evacuate().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_chance_hits_some_and_the_seed_says_which() {
    let hits = || async {
        let case = case(None).await;
        let rule = Rule::always(Service::Compute, Fault::Status(503)).permille(300);
        case.client.world.faults(Plan { rules: vec![rule], ..Plan::default() });
        let mut hits = Vec::new();
        for _ in 0..100 {
            hits.push(case.evacuate().await.unwrap().status() == 503);
        }
        hits
    };
    let first = hits().await;
    assert_eq!(first, hits().await);
    let count = first.iter().filter(|hit| **hit).count();
    assert!((15..45).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn a_process_dies_before_or_after_its_request_reaches_nova() {
    for (when, accepted) in [(When::Before, 0), (When::After, 1)] {
        let case = case(None).await;
        let process = Process::new("engine-1", Arc::new(case.client.clock));
        process.die_at(1, when);
        let transport = process.transport(case.client.world.transport());
        let work = std::pin::pin!(case.evacuate_by(transport));
        let died = std::pin::pin!(process.died());
        let ended = futures::future::select(work, died).await;
        assert!(matches!(ended, futures::future::Either::Right(_)));
        assert_eq!(case.accepted(), accepted);
    }
}
