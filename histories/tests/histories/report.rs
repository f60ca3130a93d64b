//! A report that was asked for: two engines, one answer, and each list of the cloud asked for once.

use async_trait::async_trait;
use engine::{Config, Engine, Ports, Wake};
use futures::future::{join, select};
use openstack::{AuthConfig, Nova, NovaConfig, Secret, Session};
use ports::{Answer, Ask, Clock, Entropy, SeededEntropy, SystemExec, Transport, TransportError};
use recovery::{
    HostId, HostName, SegmentId,
    nouns::RecoveryMethod,
    report::Report,
    request::{Asked, Request, RequestState},
};
use sim::{Shape, SimClock, World};
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{Memory, NewHost, NewSegment, Store};

/// The way to the cloud, on which is counted what was asked.
#[derive(Debug)]
struct Counting {
    to: Arc<dyn Transport>,
    asked: Mutex<BTreeMap<String, usize>>,
}

#[async_trait]
impl Transport for Counting {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        let path = ask.uri().path().rsplit("/v2.1/").next().unwrap().to_owned();
        *self.asked.lock().unwrap().entry(path).or_default() += 1;
        self.to.send(ask, deadline).await
    }
}

struct Cloud {
    clock: Arc<dyn Clock>,
    world: World,
    memory: Memory,
    way: Arc<Counting>,
}

impl Cloud {
    fn new(shape: Shape) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SimClock::new());
        let world = World::new(1, clock.clone(), shape);
        let way = Arc::new(Counting { to: world.transport(), asked: Mutex::default() });
        Self { clock, world, memory: Memory::new(), way }
    }

    async fn segment(&self, n: usize, hosts: bool) {
        let hosts = if hosts { self.world.hosts() } else { Vec::new() };
        self.segment_of(n, hosts).await;
    }

    async fn segment_of(&self, n: usize, hosts: Vec<HostName>) {
        let segment = NewSegment {
            uuid: SegmentId::new(format!("segment{n}")),
            name: format!("s{n}"),
            service_type: "COMPUTE".into(),
            description: None,
            recovery_method: RecoveryMethod::Auto,
            enabled: true,
            now: self.clock.wall(),
        };
        self.memory.create_segment(segment).await.unwrap();
        for name in hosts {
            let host = NewHost {
                uuid: HostId::new(format!("id-{name}")),
                name,
                segment: SegmentId::new(format!("segment{n}")),
                kind: "COMPUTE".into(),
                control_attributes: "SSH".into(),
                reserved: false,
                on_maintenance: false,
                now: self.clock.wall(),
            };
            self.memory.create_host(host).await.unwrap();
        }
    }

    fn engine(&self, n: u64) -> Engine {
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(n));
        let auth = AuthConfig {
            auth_url: format!("{}/identity/v3", Shape::default().endpoints.base),
            username: Some("masakari".into()),
            password: Secret::new(sim::PASSWORD),
            project_name: Some("service".into()),
            user_domain_name: Some("Default".into()),
            project_domain_name: Some("Default".into()),
            ..AuthConfig::default()
        };
        let session = Session::new(auth, self.way.clone(), self.clock.clone(), entropy.clone());
        let ports = Ports {
            store: Arc::new(self.memory.clone()),
            nova: Nova::new(session, NovaConfig::default()),
            clock: self.clock.clone(),
            entropy,
            probe: self.world.probe(),
            exec: Arc::new(SystemExec),
            web: self.way.clone(),
        };
        let config = Config { name: format!("engine{n}"), ..Config::default() };
        Engine::new(ports, config, Wake::default())
    }

    /// What the engines say.
    async fn ask(&self, id: &str, segment: Option<&str>, after: Option<i64>) -> Report {
        let now = self.clock.wall();
        let request = Request {
            id: id.into(),
            asked: Asked::Report { segment: segment.map(SegmentId::new), after },
            who: "admin".into(),
            created_at: now,
            deadline: now.plus(300_000),
            state: RequestState::Open,
            answer: None,
        };
        self.memory.file_request(&request).await.unwrap();
        loop {
            self.clock.sleep(Duration::from_secs(1)).await;
            let request = self.memory.request(id).await.unwrap().unwrap();
            if request.state != RequestState::Open {
                let answer = request.answer.unwrap();
                return serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
            }
        }
    }

    /// With two engines at work.
    async fn with_engines<T>(&self, told: impl Future<Output = T>) -> T {
        let (one, two) = (self.engine(1), self.engine(2));
        let never = std::future::pending::<()>;
        let engines = pin!(join(one.run(never()), two.run(never())));
        let work = pin!(join(self.world.run(), engines));
        match select(pin!(told), work).await {
            futures::future::Either::Left((told, _)) => told,
            futures::future::Either::Right(_) => panic!("the engines ended"),
        }
    }

    fn asked(&self, path: &str) -> usize {
        self.way.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

fn shape(hosts: usize, vms_per_host_max: usize) -> Shape {
    Shape { hosts, vms_per_host: 4, vms_per_host_max, ..Shape::default() }
}

#[tokio::test(start_paused = true)]
async fn a_segment_may_lose_as_many_hosts_as_the_others_have_room_for() {
    // The others have two places each: for the four of one host, and not for eight.
    let cloud = Cloud::new(shape(4, 6));
    cloud.segment(1, true).await;
    let report = cloud.with_engines(cloud.ask("r", None, None)).await;
    let [segment] = report.segments.as_slice() else { panic!("{report}") };
    let spare = segment.spare.clone().unwrap();
    let short = spare.short.unwrap();
    assert_eq!((spare.k, short.lost.len(), short.servers), (1, 2, 4), "{report}");
    assert_eq!((segment.hosts, segment.servers), (4, 16));
    assert!(segment.each.iter().all(|host| (host.moves, host.no_room) == (4, 0)), "{report}");
    // This world has no server groups, and that is said.
    let [unknown] = report.unknown.as_slice() else { panic!("{report}") };
    assert!(unknown.starts_with("server groups: "), "{unknown}");
    let full = Cloud::new(shape(3, 5));
    full.segment(1, true).await;
    let report = full.with_engines(full.ask("r", Some("segment1"), None)).await;
    assert_eq!(report.segments[0].spare.as_ref().unwrap().k, 0, "{report}");
    assert!(report.segments[0].each.iter().all(|host| (host.moves, host.no_room) == (2, 2)));
    assert!(!report.is_spare());
}

#[tokio::test(start_paused = true)]
async fn the_cloud_is_gathered_once_however_many_hosts_and_engines_there_are() {
    let cloud = Cloud::new(shape(12, 6));
    cloud.segment(1, true).await;
    cloud.with_engines(cloud.ask("r", None, None)).await;
    for list in ["servers/detail", "os-migrations", "os-server-groups", "os-aggregates"] {
        assert_eq!(cloud.asked(list), 1, "{list}");
    }
    assert_eq!(cloud.asked("os-hypervisors/detail"), 1);
    // Each engine asks once when it starts.
    assert_eq!(cloud.asked("os-services"), 3);
}

#[tokio::test(start_paused = true)]
async fn many_segments_come_page_by_page() {
    let cloud = Cloud::new(shape(3, 6));
    for n in 0..70 {
        cloud.segment(n, n == 69).await;
    }
    let pages = async {
        let mut whole = cloud.ask("r1", None, None).await;
        assert_eq!(whole.segments.len(), 64);
        let next = whole.next.unwrap();
        whole.extend(cloud.ask("r2", None, Some(next)).await);
        whole
    };
    let whole = cloud.with_engines(pages).await;
    let names: Vec<String> = whole.segments.iter().map(|s| s.name.clone()).collect();
    assert_eq!(names, (0..70).map(|n| format!("s{n}")).collect::<Vec<_>>());
    assert_eq!((whole.next, whole.segments[69].hosts), (None, 3));
}

fn looked_at(report: &Report) -> Vec<(&str, usize, bool)> {
    report.segments.iter().map(|s| (s.name.as_str(), s.hosts, s.spare.is_some())).collect()
}

/// A page ends before the segment that brings it over 500 hosts.
#[tokio::test(start_paused = true)]
async fn a_page_has_five_hundred_hosts_at_most() {
    let cloud = Cloud::new(Shape { hosts: 600, vms_per_host: 0, ..Shape::default() });
    let hosts = cloud.world.hosts();
    for (n, of) in [&hosts[..300], &hosts[300..500], &hosts[500..]].into_iter().enumerate() {
        cloud.segment_of(n, of.to_vec()).await;
    }
    let pages = async {
        let first = cloud.ask("r1", None, None).await;
        let second = cloud.ask("r2", None, first.next).await;
        (first, second)
    };
    let (first, second) = cloud.with_engines(pages).await;
    assert_eq!(looked_at(&first), [("s0", 300, true), ("s1", 200, true)], "five hundred fit");
    assert!(first.next.is_some());
    assert_eq!((looked_at(&second), second.next), (vec![("s2", 100, true)], None));
}

#[tokio::test(start_paused = true)]
async fn a_segment_of_more_than_five_hundred_hosts_is_told_and_not_looked_at() {
    let cloud = Cloud::new(Shape { hosts: 501, vms_per_host: 0, ..Shape::default() });
    cloud.segment(0, true).await;
    let report = cloud.with_engines(cloud.ask("r", None, None)).await;
    assert_eq!(looked_at(&report), [("s0", 501, false)]);
    assert!(report.to_string().contains("not looked at: too large, 501 hosts"), "{report}");
    assert!(!report.is_spare());
}

/// Of two segments that are too much together each has a page; one that is too much alone has none.
#[tokio::test(start_paused = true)]
async fn a_page_has_twenty_thousand_servers_at_most() {
    let shape =
        Shape { hosts: 3, vms_per_host: 10_000, vms_per_host_max: 30_000, ..Shape::default() };
    let cloud = Cloud::new(Shape { populated: Some(3), ..shape });
    let hosts = cloud.world.hosts();
    cloud.segment_of(0, hosts[..1].to_vec()).await;
    cloud.segment_of(1, hosts[1..].to_vec()).await;
    let pages = async {
        let first = cloud.ask("r1", None, None).await;
        let second = cloud.ask("r2", None, first.next).await;
        (first, second)
    };
    let (first, second) = cloud.with_engines(pages).await;
    assert_eq!(looked_at(&first), [("s0", 1, true)], "thirty thousand are too many");
    assert_eq!(looked_at(&second), [("s1", 2, true)], "twenty thousand fit");
}
