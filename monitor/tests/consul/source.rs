//! How three networks are watched at once. Time is virtual.

use crate::agents::Agent;
use monitor::hosts::{
    Source,
    consul::{
        self, Consul, Matrix, Network,
        Network::{Manage, Storage, Tenant},
    },
};
use oslo::Secret;
use ports::Clock;
use recovery::verdict::Sight;
use sim::SimClock;
use std::{collections::BTreeMap, fmt::Write, sync::Arc, time::Duration};

const INTERVAL: Duration = Duration::from_secs(60);
const ALIVE: i64 = 1;
const LEFT: i64 = 3;
const FAILED: i64 = 4;

struct Watched {
    agents: BTreeMap<Network, Agent>,
    clock: SimClock,
    source: Consul,
}

fn watched() -> Watched {
    let clock = SimClock::new();
    let members = ["ctl1", "ctl2", "ctl3", "n1", "n2", "n3"];
    let agents: BTreeMap<Network, Agent> =
        Network::ALL.into_iter().map(|network| (network, Agent::new(clock, &members))).collect();
    let source = source(Matrix::default(), &agents, clock).unwrap();
    Watched { agents, clock, source }
}

fn source(
    matrix: Matrix,
    agents: &BTreeMap<Network, Agent>,
    clock: SimClock,
) -> Result<Consul, consul::NoAgent> {
    let clock = Arc::new(clock);
    let asked = agents.iter().map(|(network, agent)| {
        let token = Some(Secret::new("hush"));
        (
            *network,
            consul::Agent::new(
                "http://agent:8500".into(),
                token,
                Arc::new(agent.clone()),
                clock.clone(),
            ),
        )
    });
    Consul::new(matrix, asked.collect(), INTERVAL, clock)
}

impl Watched {
    /// Those who are not online, or why nothing is known; and after how long.
    async fn next(&mut self) -> (String, Duration) {
        let began = self.clock.boot();
        let words = match self.source.next().await {
            Err(fault) => format!("fault: {fault}"),
            Ok(round) => {
                let mut words = String::new();
                for seen in &round.hosts {
                    match seen.sight {
                        Sight::Online => {}
                        Sight::Offline => write!(words, "{}- ", seen.host).unwrap(),
                        Sight::Uncertain => write!(words, "{}? ", seen.host).unwrap(),
                    }
                }
                words.trim_end().into()
            }
        };
        (words, self.clock.boot().since(began))
    }

    /// The next round that says so, which is soon.
    async fn soon(&mut self, expected: &str) {
        for _ in 0..5 {
            let (words, after) = self.next().await;
            assert!(after <= Duration::from_secs(1), "{words} after {after:?}");
            if words == expected {
                return;
            }
        }
        panic!("never {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_in_any_network_is_told_within_a_second_and_otherwise_every_interval() {
    let mut it = watched();
    assert_eq!(it.next().await, (String::new(), Duration::ZERO));
    assert_eq!(it.next().await, (String::new(), INTERVAL));
    it.agents[&Storage].set("n2", FAILED);
    it.soon("n2-").await;
    it.agents[&Manage].set("n3", FAILED);
    it.soon("n2- n3?").await;
    it.agents[&Storage].set("n2", ALIVE);
    it.agents[&Manage].set("n3", ALIVE);
    it.soon("").await;
    assert!(it.agents[&Tenant].tokens().iter().all(|token| token == "hush"));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_hears_later_than_its_leader_is_asked_again_in_a_second() {
    let mut it = watched();
    it.next().await;
    it.agents[&Storage].wakes();
    let (agent, clock) = (it.agents[&Storage].clone(), it.clock);
    let later = async {
        clock.sleep(Duration::from_millis(700)).await;
        // What the blocking query watches does not change any more.
        agent.hears("n1", FAILED);
    };
    let ((), (words, after)) = tokio::join!(later, it.next());
    assert_eq!(words, "n1-");
    assert!(after <= Duration::from_secs(2), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_back_is_believed_at_once_though_nothing_has_changed() {
    let mut it = watched();
    it.next().await;
    it.agents[&Storage].is_away(true);
    it.soon("ctl1? ctl2? ctl3? n1? n2? n3?").await;
    it.agents[&Storage].is_away(false);
    let (words, after) = it.next().await;
    assert_eq!(words, "");
    assert!(after <= Duration::from_secs(3), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_network_that_is_unknown_matters_only_where_it_decides() {
    let mut it = watched();
    it.next().await;
    it.agents[&Tenant].is_away(true);
    it.soon("ctl1? ctl2? ctl3? n1? n2? n3?").await;
    it.agents[&Storage].set("n2", FAILED);
    it.soon("ctl1? ctl2? ctl3? n1? n2- n3?").await;
    it.agents[&Storage].refuses(Some((500, "No cluster leader")));
    it.soon("ctl1? ctl2? ctl3? n1? n2? n3?").await;
    it.agents[&Manage].refuses(Some((403, "Permission denied")));
    let (mut words, _) = it.next().await;
    while !words.starts_with("fault") {
        words = it.next().await.0;
    }
    assert!(
        words.starts_with(
            "fault: no network is known (manage: it does not let us ask (403: Permission denied)"
        ),
        "{words}"
    );
    assert!(
        words.contains("tenant: cannot connect to agent: refused; storage: 500: No cluster leader"),
        "{words}"
    );
    assert!(!words.contains("hush"), "{words}");
    for agent in it.agents.values() {
        agent.is_away(false);
        agent.refuses(None);
    }
    let mut words = it.next().await.0;
    for _ in 0..10 {
        if words == "n2-" {
            return;
        }
        words = it.next().await.0;
    }
    panic!("{words}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_hangs_keeps_nobody_waiting() {
    let mut it = watched();
    it.next().await;
    it.agents[&Manage].hangs(true);
    it.agents[&Storage].set("n1", FAILED);
    it.soon("n1-").await;
    let mut passed = Duration::ZERO;
    loop {
        let (words, after) = it.next().await;
        passed += after;
        if words == "ctl1? ctl2? ctl3? n1- n2? n3?" {
            break;
        }
        assert_eq!(words, "n1-");
    }
    // The wait, what Consul adds to it, and ten seconds.
    assert!(passed <= Duration::from_secs(80), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn every_member_counts_and_not_only_those_of_the_first_network() {
    let mut it = watched();
    it.agents[&Storage].set("n9", FAILED);
    // The other two networks do not know it, and would not matter.
    assert_eq!(it.next().await.0, "n9-");
    it.agents[&Storage].set("n9", LEFT);
    it.soon("n9?").await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_asked_once_for_each_wait_and_an_index_that_goes_back_begins_anew() {
    let mut it = watched();
    it.next().await;
    assert_eq!(it.agents[&Manage].asked(), ["/v1/health/state/critical", "/v1/agent/members"]);
    it.next().await;
    assert_eq!(it.agents[&Manage].asked().len(), 1);
    it.next().await;
    let asked = it.agents[&Manage].asked();
    assert!(
        asked.iter().all(|path| path == "/v1/agent/members"
            || path == "/v1/health/state/critical?index=6&wait=60000ms"),
        "{asked:?}"
    );
    it.agents[&Manage].begins_anew();
    it.next().await;
    let asked = it.agents[&Manage].asked();
    assert!(asked.contains(&"/v1/health/state/critical".to_owned()), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_network_without_an_agent_is_named() {
    let mut it = watched();
    it.agents.remove(&Tenant);
    let why = source(Matrix::default(), &it.agents, it.clock).unwrap_err().to_string();
    assert!(
        why.starts_with("the matrix asks for tenant, and [consul] agent_tenant is not set"),
        "{why}"
    );
}
