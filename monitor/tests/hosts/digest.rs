//! A cluster of 500: what is kept of an answer, and, by `cargo xtask bench digest`, how long each takes from its bytes to what is decided by.

use crate::large::{COUNT, PREFIX, crm_mon, leases, members, node_states, nodes};
use async_trait::async_trait;
use bytes::Bytes;
use monitor::{
    hosts::{
        consul::{matrix::Matrix, members::Members},
        kubernetes::{
            node::{Event, page},
            nodes::{Change, Nodes, NotReady, Now},
        },
        pacemaker::{
            cib::Cib,
            crm_mon::Cluster,
            digest::{LastSeen, Wanted, round},
        },
    },
    lease::{Etcd, Observer},
};
use ports::{Answer, Ask, Boot, SystemClock, Transport, TransportError};
use recovery::{HostName, Millis, verdict::Sight};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const NOW: Now = Now { wall: Millis(1_795_240_800_000), boot: Boot(5_000) };
/// How often each is measured.
const RUNS: usize = 200;

#[test]
fn of_ten_megabytes_a_name_and_two_times_of_each_are_kept() {
    let body = nodes();
    assert!(body.len() > 8_000_000, "{}", body.len());
    let page = page(&body).unwrap();
    assert_eq!(page.nodes.len(), COUNT);
    let names: usize = page.nodes.iter().map(|node| node.name.capacity()).sum();
    assert!(names <= COUNT * 32, "{names} bytes of names");
    assert!(size_of_val(&page.nodes[0]) <= 160, "{}", size_of_val(&page.nodes[0]));
}

#[test]
fn five_hundred_heartbeats_are_no_round() {
    let nodes = page(&nodes()).unwrap().nodes;
    let mut known = Nodes::new(NotReady::Uncertain);
    known.list(nodes.clone(), "1".into(), NOW);
    for mut node in nodes {
        node.heard_at = Some(NOW.wall);
        let version = "2".into();
        assert_eq!(known.event(Event::Is { node, version }, NOW), Change::None);
    }
}

/// An etcd that says one thing.
#[derive(Debug)]
struct Says(Bytes);

#[async_trait]
impl Transport for Says {
    async fn send(&self, _: Ask, _: Duration) -> Result<Answer, TransportError> {
        Ok(http::Response::new(self.0.clone()))
    }
}

/// Tells it for people, and in a line that is kept.
#[expect(clippy::disallowed_methods, reason = "it is our own time that is measured")]
fn measure(source: &str, bytes: usize, mut digest: impl FnMut()) {
    let mut took: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            digest();
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    let (median, most) = (took[RUNS / 2], took[RUNS - 1]);
    println!("{source}: {bytes} bytes, median {median:?}, at most {most:?} of {RUNS}");
    let ms = |took: Duration| (took.as_secs_f64() * 1e5).round() / 100.0;
    let told = json!({ "source": source, "hosts": COUNT, "bytes": bytes, "runs": RUNS,
        "median_ms": ms(median), "most_ms": ms(most) });
    println!("RESULT {told}");
}

#[test]
#[ignore = "a measurement"]
fn how_long_an_answer_about_500_takes() {
    kubernetes();
    consul();
    pacemaker();
    lease();
}

fn kubernetes() {
    let body = nodes();
    measure("kubernetes, a list", body.len(), || {
        let mut known = Nodes::new(NotReady::Uncertain);
        let page = page(&body).unwrap();
        known.list(page.nodes, page.version, NOW);
        assert_eq!(known.round(NOW).hosts.len(), COUNT);
    });
}

fn consul() {
    let (body, matrix) = (members(), Matrix::default());
    measure("consul, the members of three networks", 3 * body.len(), || {
        let networks = [(); 3].map(|()| Members::read(&body).unwrap());
        let up = networks[0].names().filter(|name| {
            let health = networks.each_ref().map(|network| network.health(name));
            matrix.sight(&health) == Sight::Online
        });
        assert_eq!(up.count(), COUNT);
    });
}

fn pacemaker() {
    let (cluster, states) = (crm_mon(), node_states());
    let own = HostName::new("cmp000");
    let wanted = Wanted { own, remotes_only: false, is_remote: false, began: Millis(0) };
    measure("pacemaker, crm_mon and the CIB", cluster.len() + states.len(), || {
        let (cluster, cib) = (Cluster::read(&cluster).unwrap(), Cib::read(&states).unwrap());
        let round = round(&cluster, Some(&cib), &LastSeen::new(), &wanted);
        assert_eq!(round.hosts.len(), COUNT);
        assert_eq!(round.hosts.iter().filter(|seen| seen.proof.is_some()).count(), COUNT / 10 - 1);
    });
}

fn lease() {
    let (body, clock) = (Bytes::from(leases()), Arc::new(SystemClock));
    let etcd =
        Etcd::new(vec!["http://etcd:2379".parse().unwrap()], None, Arc::new(Says(body.clone())));
    let mut observer = Observer::new(etcd, PREFIX.into(), Duration::from_secs(15), clock);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    measure("lease, a list of keys", body.len(), || {
        assert_eq!(runtime.block_on(observer.look()).unwrap().len(), COUNT);
    });
}
