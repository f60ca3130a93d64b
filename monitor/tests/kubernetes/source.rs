//! How the driver keeps watching: events, ends, breaks, and what was forgotten. Time is virtual.

use crate::api::{Api, at_once, ready};
use monitor::hosts::{
    Source,
    kubernetes::{
        Kubernetes, KubernetesConfig, NotReady, Place,
        ask::SILENCE_MOST,
        node::{LINE_BYTES_MOST, NODES_MOST},
    },
};
use ports::Clock;
use recovery::verdict::{Quorum, Round, Sight};
use serde_json::json;
use sim::SimClock;
use std::{fmt::Write, sync::Arc, time::Duration};

const INTERVAL: Duration = Duration::from_secs(60);

struct Watched {
    api: Api,
    clock: SimClock,
    source: Kubernetes,
    _folder: tempfile::TempDir,
}

fn watched(nodes: &[(&str, &str)]) -> Watched {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), "").unwrap();
    std::fs::write(folder.path().join("token"), "hush").unwrap();
    let account = folder.path().to_owned();
    let place = Place::Pod { host: "10.0.0.1".into(), port: "443".into(), account };
    watched_by(place, folder, nodes)
}

fn watched_by(place: Place, folder: tempfile::TempDir, nodes: &[(&str, &str)]) -> Watched {
    let (api, clock) = (Api::with(nodes), SimClock::new());
    let config = KubernetesConfig {
        place,
        labels: "openstack-compute-node=enabled".into(),
        not_ready: NotReady::Uncertain,
        interval: INTERVAL,
    };
    let source = Kubernetes::new(config, Arc::new(api.clone()), Arc::new(clock));
    Watched { api, clock, source, _folder: folder }
}

impl Watched {
    async fn next(&mut self) -> String {
        match self.source.next().await {
            Ok(round) => words(&round),
            Err(fault) => format!("fault: {fault}"),
        }
    }

    fn seconds(&self) -> u64 {
        self.clock.boot().0 / 1000
    }
}

fn words(round: &Round) -> String {
    if round.quorum != Quorum::Quorate {
        return format!("{:?}", round.quorum);
    }
    let mut words = String::new();
    for seen in &round.hosts {
        let sight = match seen.sight {
            Sight::Online => "+",
            Sight::Offline => "-",
            Sight::Uncertain => "?",
        };
        write!(words, "{}{sight} ", seen.host).unwrap();
    }
    words.trim_end().into()
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_when_it_happens_and_otherwise_every_interval() {
    let mut it = watched(&[("n1", "True"), ("n2", "True")]);
    assert_eq!(it.next().await, "n1+ n2+");
    assert_eq!(it.api.asked(), ["list openstack-compute-node=enabled", "watch 2"]);
    assert_eq!(it.seconds(), 0);
    it.api.set(ready("n2", "Unknown"));
    assert_eq!(at_once(it.next()), Some("n1+ n2-".into()));
    assert_eq!(it.next().await, "n1+ n2-");
    assert_eq!(it.seconds(), 60);
    it.api.set(ready("n3", "True"));
    assert_eq!(at_once(it.next()), Some("n1+ n2- n3+".into()));
    it.api.remove("n2");
    assert_eq!(at_once(it.next()), Some("n1+ n3+".into()));
    assert_eq!(it.api.asked(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_happens_at_once_is_one_round_and_half_a_line_waits_for_the_other_half() {
    let mut it = watched(&[("n1", "True"), ("n2", "True")]);
    it.next().await;
    for n in 0..500 {
        it.api.set(ready(&format!("m{n}"), "True"));
    }
    let round = at_once(it.source.next()).unwrap().unwrap();
    assert_eq!(round.hosts.len(), 502);
    let line = json!({ "type": "MODIFIED", "object": ready("n1", "Unknown") }).to_string();
    let (half, rest) = line.split_at(40);
    it.api.says(half);
    assert_eq!(at_once(it.source.next()), None);
    it.api.says(rest);
    it.api.says("\n");
    let round = at_once(it.source.next()).unwrap().unwrap();
    let n1 = round.hosts.iter().find(|seen| seen.host.as_str() == "n1").unwrap();
    assert_eq!(n1.sight, Sight::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_where_it_was_without_a_list() {
    let mut it = watched(&[("n1", "True")]);
    it.next().await;
    it.api.set(ready("n1", "Unknown"));
    it.next().await;
    it.api.ends_watches();
    assert_eq!(it.next().await, "n1-");
    let asked = it.api.asked();
    assert_eq!(asked, ["list openstack-compute-node=enabled", "watch 1", "watch 2"]);
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_are_opened_once_a_second() {
    let mut it = watched(&[("n1", "True")]);
    it.next().await;
    it.api.asked();
    it.api.ends_at_once();
    assert_eq!(it.next().await, "n1+");
    assert_eq!(it.seconds(), 60);
    let asked = it.api.asked().len();
    assert!((50..=61).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn of_a_refusal_no_more_is_read_than_is_told() {
    let mut it = watched(&[("n1", "True")]);
    it.next().await;
    it.api.refuses_endlessly();
    let fault = it.next().await;
    assert!(fault.contains("answers 500: xxx") && fault.len() < 400, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_has_forgotten_is_listed_anew() {
    for forgets in [Api::forgets, Api::refuses_forgotten] {
        let mut it = watched(&[("n1", "True"), ("n2", "True")]);
        it.next().await;
        it.api.ends_watches();
        it.api.set(ready("n2", "Unknown"));
        forgets(&it.api);
        it.api.asked();
        // Until it is known what is forgotten, that is asked for once a second at most.
        assert_eq!(it.next().await, "n1+ n2-");
        let asked = it.api.asked();
        assert_eq!(asked[..2], ["watch 2", "list openstack-compute-node=enabled"]);
        assert!(it.seconds() <= 3, "{} s", it.seconds());
    }
}

#[tokio::test(start_paused = true)]
async fn who_died_while_the_api_server_was_away_is_known_when_it_is_back_and_has_settled() {
    let mut it = watched(&[("n1", "True"), ("n2", "True"), ("n3", "Unknown")]);
    assert_eq!(it.next().await, "n1+ n2+ n3-");
    it.api.is_away(true);
    assert_eq!(it.next().await, "fault: the answer from api broke off: reset");
    it.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(it.next().await, "fault: cannot connect to api: refused");
    it.api.is_away(false);
    it.api.set(ready("n2", "Unknown"));
    assert_eq!(it.next().await, "n1+ n2? n3-");
    let back = it.seconds();
    assert_eq!(it.next().await, "n1+ n2- n3-");
    assert_eq!(it.seconds() - back, 30);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_at_all_is_dead() {
    let mut it = watched(&[("n1", "True")]);
    it.next().await;
    let began = it.clock.boot();
    let mut last = String::new();
    while it.clock.boot().since(began) < SILENCE_MOST {
        last = it.next().await;
    }
    assert_eq!(last, "fault: the watch said nothing for 150 s, not even a bookmark");
    it.api.set(ready("n1", "Unknown"));
    assert_eq!(it.next().await, "n1-");
    // With a bookmark a minute it lives.
    for _ in 0..10 {
        it.clock.sleep(INTERVAL).await;
        it.api.says(
            "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n",
        );
        assert_eq!(it.next().await, "n1-");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_many_pages_is_one() {
    let names: Vec<String> = (0..25).map(|n| format!("n{n:02}")).collect();
    let nodes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "True")).collect();
    let mut it = watched(&nodes);
    it.api.pages(10);
    assert_eq!(it.source.next().await.unwrap().hosts.len(), 25);
    assert_eq!(it.api.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_forgotten_between_its_pages_is_begun_again_three_times_at_most() {
    let mut it = watched(&[("n1", "True"), ("n2", "True"), ("n3", "True")]);
    it.api.pages(2);
    it.api.forgets_pages(2);
    assert_eq!(it.next().await, "n1+ n2+ n3+");
    it.api.is_away(true);
    it.next().await;
    it.api.is_away(false);
    it.api.forgets_pages(9);
    let fault = it.next().await;
    assert!(fault.starts_with("fault: ") && fault.contains('3'), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn more_nodes_than_are_kept_are_refused_in_pages_too() {
    let names: Vec<String> = (0..=NODES_MOST).map(|n| format!("n{n}")).collect();
    let nodes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "True")).collect();
    let mut it = watched(&nodes);
    it.api.pages(5_000);
    let fault = it.next().await;
    assert!(fault.ends_with("narrow [kubernetes] monitoring_node_labels"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_line_without_an_end_is_refused() {
    let mut it = watched(&[("n1", "True")]);
    it.next().await;
    let piece = " ".repeat(LINE_BYTES_MOST / 4 + 1);
    (0..4).for_each(|_| it.api.says(&piece));
    let fault = at_once(it.next()).unwrap();
    assert!(fault.ends_with("bytes: more than 4194304 are not read"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_says_why_and_what_to_do() {
    let mut it = watched(&[("n1", "True")]);
    for (status, expected) in [
        (401, "does not know us (401): renew the token"),
        (403, "(403: nodes is forbidden): apply packaging/kubernetes/masakari-hostmonitor.yaml"),
        (429, "answers 429: nodes is forbidden"),
    ] {
        it.api.refuses(Some((status, "nodes is forbidden")));
        let fault = it.next().await;
        assert!(fault.contains(expected), "{fault}");
        assert!(!fault.contains("hush"), "{fault}");
    }
    it.api.refuses(None);
    assert_eq!(it.next().await, "n1+");
    it.api.says("<html>a proxy\n");
    let fault = it.next().await;
    assert!(fault.starts_with("fault: the answer is not used: not the JSON"), "{fault}");
    assert_eq!(it.next().await, "n1+");
}

#[tokio::test(start_paused = true)]
async fn one_who_is_dropped_in_the_middle_goes_on() {
    let mut it = watched(&[("n1", "True")]);
    it.next().await;
    for _ in 0..3 {
        assert_eq!(at_once(it.source.next()), None);
    }
    it.api.set(ready("n1", "Unknown"));
    assert_eq!(it.next().await, "n1-");
}

#[tokio::test(start_paused = true)]
async fn who_wants_certificates_looked_at_again_is_heard_at_the_next_question() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let write = |insecure: bool| {
        let cluster = json!({ "server": "https://10.0.0.1", "insecure-skip-tls-verify": insecure });
        let config = json!({ "current-context": "x", "clusters": [{ "name": "c", "cluster": cluster }],
            "users": [{ "name": "u", "user": { "token": "hush" } }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }] });
        std::fs::write(&path, config.to_string()).unwrap();
    };
    write(true);
    let place = Place::Kubeconfig { path: path.clone(), context: None };
    let mut it = watched_by(place, folder, &[("n1", "True")]);
    it.next().await;
    assert_eq!(it.api.connections(), [true]);
    write(false);
    it.api.ends_watches();
    it.next().await;
    assert_eq!(it.api.connections(), [true, false]);
}
