//! Consul, as one who knows about hosts: up to three networks, each with a cluster of its own, and a matrix that says which of them a
//! host must have lost.
//!
//! ```text
//!  agent (asks, one for each network) ──► members (bytes to Health) ──► matrix (decides) ──► Round
//! ```
//!
//! Every agent is asked for itself and at the same time, so that one that hangs keeps nobody waiting. A network whose agent is away, has
//! no leader or sees the smaller part of its cluster is *unknown*, and the matrix says whether that matters.

pub mod agent;
pub mod matrix;
pub mod members;

pub use agent::Agent;
pub use matrix::{Matrix, Network};

use super::{Source, SourceFault};
use agent::Silent;
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use members::Members;
use ports::Clock;
use recovery::{
    HostName,
    verdict::{HOSTS_MOST, Round, Seen},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

/// See the module.
pub struct Consul {
    matrix: Matrix,
    interval: Duration,
    clock: Arc<dyn Clock>,
    /// Each with its agent, which it gives back.
    turns: FuturesUnordered<BoxFuture<'static, Turn>>,
    heard: BTreeMap<Network, Result<Members, String>>,
}

type Turn = (Network, Agent, Result<Members, Silent>);

impl fmt::Debug for Consul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consul({:?})", self.matrix.sequence())
    }
}

/// The agent of a network that the matrix asks for is not configured.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
#[error(
    "the matrix asks for {0}, and [consul] agent_{0} is not set: set it, or write a matrix.yaml whose sequence leaves it out"
)]
pub struct NoAgent(&'static str);

impl Consul {
    /// Those agents, asked at least every `interval`.
    ///
    /// # Errors
    /// When the matrix asks for one that there is not.
    pub fn new(
        matrix: Matrix,
        mut agents: BTreeMap<Network, Agent>,
        interval: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NoAgent> {
        let turns = FuturesUnordered::new();
        for network in matrix.sequence() {
            let agent = agents.remove(network).ok_or(NoAgent(network.as_str()))?;
            turns.push(turn(*network, agent, interval));
        }
        Ok(Self { matrix, interval, clock, turns, heard: BTreeMap::new() })
    }

    /// Until all have answered once, something has changed, or the interval is over.
    async fn changed(&mut self) {
        let end = self.clock.boot().plus(self.interval);
        loop {
            let left = end.since(self.clock.boot());
            let Some((network, agent, answer)) =
                ports::within(&*self.clock, left, self.turns.next()).await.flatten()
            else {
                return;
            };
            self.turns.push(turn(network, agent, self.interval));
            if self.took(network, answer) && self.heard.len() == self.matrix.sequence().len() {
                return;
            }
        }
    }

    /// Whether that is another answer than before.
    fn took(&mut self, network: Network, answer: Result<Members, Silent>) -> bool {
        let answer = answer.map_err(|why| why.to_string());
        let before = self.heard.get(&network);
        if before == Some(&answer) {
            return false;
        }
        let name = network.as_str();
        match (&answer, before) {
            (Err(why), _) => tracing::warn!("the {name} network is unknown: {why}"),
            (Ok(_), Some(Err(_))) => tracing::info!("the {name} network is known again"),
            (Ok(_), Some(Ok(_)) | None) => {}
        }
        self.heard.insert(network, answer);
        true
    }

    fn round(&self) -> Result<Round, SourceFault> {
        let sequence = self.matrix.sequence();
        let members =
            |network: &Network| self.heard.get(network).and_then(|heard| heard.as_ref().ok());
        let known: Vec<Option<&Members>> = sequence.iter().map(members).collect();
        if known.iter().all(Option::is_none) {
            return Err(SourceFault(self.why_none()));
        }
        let names: BTreeSet<&str> = known.iter().flatten().flat_map(|of| of.names()).collect();
        let seen = |name: &str| {
            let health: Vec<_> = known
                .iter()
                .map(|of| of.map_or(matrix::Health::Unknown, |of| of.health(name)))
                .collect();
            Seen::new(HostName::new(name), self.matrix.sight(&health))
        };
        Ok(Round::quorate(names.into_iter().take(HOSTS_MOST).map(seen).collect()))
    }

    fn why_none(&self) -> String {
        let each = self.matrix.sequence().iter().map(|network| {
            let why = match self.heard.get(network) {
                Some(Err(why)) => why.as_str(),
                Some(Ok(_)) | None => "no answer yet",
            };
            format!("{}: {why}", network.as_str())
        });
        format!("no network is known ({})", each.collect::<Vec<_>>().join("; "))
    }
}

fn turn(network: Network, mut agent: Agent, wait: Duration) -> BoxFuture<'static, Turn> {
    async move {
        let answer = agent.turn(wait).await;
        (network, agent, answer)
    }
    .boxed()
}

#[async_trait]
impl Source for Consul {
    fn name(&self) -> &'static str {
        "consul"
    }

    async fn next(&mut self) -> Result<Round, SourceFault> {
        self.changed().await;
        self.round()
    }
}
