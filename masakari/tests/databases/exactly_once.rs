//! Twenty identical reports at once, to two processes: one is accepted.

use crate::stage::{Api, Fresh, ask, galera, manage, mariadb, postgresql, send, sqlite, variable};
use oslo::database_url::DatabaseUrl;
use ports::{SystemClock, SystemEntropy};
use recovery::{HostId, HostName, Millis, SegmentId, nouns::RecoveryMethod};
use std::{
    net::TcpStream,
    sync::{Arc, Barrier},
};
use store::{NewHost, NewSegment, Sql, SqlOptions, Store};

const REPORTS: usize = 20;

/// How many rounds; the long run has more.
fn rounds() -> usize {
    variable("EXACTLY_ONCE_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap())
}

fn uuid(n: usize) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

async fn hosts(on: &Fresh, count: usize) {
    let url = match on.urls[0].as_str() {
        "" => format!("sqlite://{}/masakari.sqlite", on.directory.path().display()),
        url => DatabaseUrl::parse(url).unwrap().0.to_sqlx().expose().to_owned(),
    };
    let options = SqlOptions::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new().unwrap()));
    let store = Sql::connect(&url, options).await.unwrap();
    let now = Millis(1_790_000_000_000);
    let segment = SegmentId::new(uuid(0));
    let new = NewSegment {
        uuid: segment.clone(),
        name: "seg".into(),
        service_type: "compute".into(),
        description: None,
        recovery_method: RecoveryMethod::Auto,
        enabled: true,
        now,
    };
    store.create_segment(new).await.unwrap();
    for n in 1..=count {
        let host = NewHost {
            uuid: HostId::new(uuid(n)),
            name: HostName::new(format!("compute{n}")),
            segment: segment.clone(),
            kind: "COMPUTE".into(),
            control_attributes: "SSH".into(),
            reserved: false,
            on_maintenance: false,
            now,
        };
        store.create_host(host).await.unwrap();
    }
    store.close().await;
}

/// What is answered to `REPORTS` reports that `host` died, sent at one moment, half to each process.
fn report_at_once(apis: &[Api], host: &str) -> Vec<(u16, String)> {
    let body = format!(
        r#"{{"notification": {{"type": "COMPUTE_HOST", "hostname": "{host}",
            "generated_time": "2026-09-21T12:00:00.000000", "payload": {{"event": "STOPPED",
            "host_status": "NORMAL", "cluster_status": "OFFLINE"}}}}}}"#
    );
    let start = Arc::new(Barrier::new(REPORTS));
    let senders: Vec<_> = (0..REPORTS)
        .map(|n| {
            let (address, body, start) =
                (apis[n % apis.len()].address, body.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                let mut open = TcpStream::connect(address).unwrap();
                start.wait();
                send(&mut open, "POST", "/v1/notifications", &body)
            })
        })
        .collect();
    let mut answers: Vec<_> = senders.into_iter().map(|s| s.join().unwrap()).collect();
    answers.sort_unstable();
    answers
}

async fn one_of_twenty(name: &str, on: Option<Fresh>) {
    let Some(on) = on else { return };
    let rounds = rounds();
    manage(&on.configuration(0, 15_868), &["db", "sync"]);
    hosts(&on, rounds).await;
    let second = usize::from(on.urls.len() > 1);
    let apis = [Api::start(&on, 0), Api::start(&on, second)];
    let mut expected = vec![409; REPORTS];
    expected[0] = 202;
    for round in 1..=rounds {
        let answers = report_at_once(&apis, &format!("compute{round}"));
        let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, expected, "round {round} on {name}: {answers:?}");
        for api in &apis {
            let of_host = format!("/v1/notifications?source_host_uuid={}", uuid(round));
            let (status, listed) = ask(api.address, "GET", &of_host, "");
            assert_eq!(status, 200, "{listed}");
            let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
            assert_eq!(listed["notifications"].as_array().unwrap().len(), 1, "round {round}");
        }
    }
    println!("{name}: {rounds} rounds of {REPORTS} identical reports, one accepted each time");
}

#[tokio::test]
async fn of_twenty_identical_reports_one_is_accepted_on_sqlite() {
    one_of_twenty("SQLite", Some(sqlite())).await;
}

#[tokio::test]
async fn of_twenty_identical_reports_one_is_accepted_on_mariadb() {
    one_of_twenty("MariaDB", mariadb().await).await;
}

#[tokio::test]
async fn of_twenty_identical_reports_one_is_accepted_on_postgresql() {
    one_of_twenty("PostgreSQL", postgresql().await).await;
}

#[tokio::test]
async fn of_twenty_identical_reports_one_is_accepted_on_two_nodes_of_galera() {
    one_of_twenty("Galera", galera().await).await;
}
