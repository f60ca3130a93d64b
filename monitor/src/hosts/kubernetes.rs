//! Kubernetes, as one who knows about hosts: nodes whose kubelet has fallen silent.
//!
//! ```text
//!  Place ──► Access ──► Api: list, watch ──► node (bytes to Node, Event) ──► Nodes (decides) ──► Round
//! ```
//!
//! One list, and then a watch, so that a change is known when the API server knows it. A watch that ends goes on where it was; one that
//! broke, or whose past the API server has forgotten (410), begins with a new list. [`mod@nodes`] says what is made of it.
//!
//! It is written on the project's own port and not on the crate `kube`: two calls of one resource are needed, whose answers must be bounded
//! and of which a thousandth is kept, and waits that a test can move. What that crate brings beyond (programs that log in, typed objects of
//! every resource, two crates that change three times a year) is not.

pub mod access;
pub mod ask;
pub mod node;
pub mod nodes;

pub use access::Place;
pub use ask::{Connects, OverHttp};
pub use nodes::NotReady;

use super::{Source, SourceFault};
use ask::{Api, AskError, Heard, Watch};
use async_trait::async_trait;
use nodes::{Change, Nodes, Now};
use ports::{Boot, Clock};
use recovery::verdict::Round;
use std::{sync::Arc, time::Duration};

/// Between two watches that end at once.
const PAUSE: Duration = Duration::from_secs(1);
/// Events that are here at once are one round; more than that wait for the next.
const AT_ONCE_MOST: usize = 2_000;

/// What of Kubernetes is watched, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KubernetesConfig {
    pub place: Place,
    /// A selector, as `kubectl -l` takes it; empty: all nodes.
    pub labels: String,
    pub not_ready: NotReady,
    /// A round at least so often.
    pub interval: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Kubernetes {
    api: Api,
    nodes: Nodes,
    interval: Duration,
    clock: Arc<dyn Clock>,
    watch: Option<Watch>,
    /// Not before then is another one opened.
    next_watch: Option<Boot>,
}

impl Kubernetes {
    #[must_use]
    pub fn new(
        config: KubernetesConfig,
        connects: Arc<dyn Connects>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let KubernetesConfig { place, labels, not_ready, interval } = config;
        let api = Api::new(place, connects, labels, Arc::clone(&clock));
        let nodes = Nodes::new(not_ready);
        Self { api, nodes, interval, clock, watch: None, next_watch: None }
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.wall(), boot: self.clock.boot() }
    }

    /// All of them anew, and the watch from there.
    async fn resync(&mut self) -> Result<(), AskError> {
        self.pause().await;
        let (nodes, version) = self.api.list().await?;
        let now = self.now();
        self.nodes.list(nodes, version, now);
        tracing::debug!("{} nodes are watched", self.nodes.count());
        self.open().await
    }

    /// From where the last one was. If that is forgotten there is none, and the list comes first.
    async fn open(&mut self) -> Result<(), AskError> {
        self.watch = self.api.watch(self.nodes.version()).await?;
        self.next_watch = Some(self.clock.boot().plus(PAUSE));
        Ok(())
    }

    async fn pause(&mut self) {
        if let Some(at) = self.next_watch {
            self.clock.sleep(at.since(self.clock.boot())).await;
        }
    }

    async fn round(&mut self) -> Result<Round, AskError> {
        if self.watch.is_none() {
            self.resync().await?;
            let now = self.now();
            return Ok(self.nodes.round(now));
        }
        let end = self.clock.boot().plus(self.interval);
        let until = self.nodes.settles_at().map_or(end, |settled| settled.min(end));
        loop {
            let Some(watch) = &mut self.watch else {
                self.resync().await?;
                break;
            };
            match watch.next(&*self.clock, until).await? {
                Heard::Event(event) => {
                    if self.took(event)? {
                        break;
                    }
                }
                Heard::End => {
                    self.pause().await;
                    self.open().await?;
                    // Those that end at once leave nobody waiting for the interval.
                    if self.clock.boot() >= until {
                        break;
                    }
                }
                Heard::Nothing => break,
            }
        }
        let now = self.now();
        Ok(self.nodes.round(now))
    }

    /// Takes an event in, and those that came with it. Whether there is something to tell.
    fn took(&mut self, first: node::Event) -> Result<bool, AskError> {
        let (mut event, mut is_news) = (Some(first), false);
        for taken in 1.. {
            let Some(one) = event else { break };
            let now = self.now();
            match self.nodes.event(one, now) {
                Change::None => {}
                Change::Seen => is_news = true,
                Change::Gone => self.watch = None,
            }
            event = match &mut self.watch {
                Some(watch) if taken < AT_ONCE_MOST => watch.at_once(&*self.clock)?,
                Some(_) | None => None,
            };
        }
        Ok(is_news)
    }
}

#[async_trait]
impl Source for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    async fn next(&mut self) -> Result<Round, SourceFault> {
        match self.round().await {
            Ok(round) => Ok(round),
            Err(error) => {
                self.watch = None;
                let now = self.now();
                self.nodes.lost(now);
                Err(SourceFault(with_causes(&error)))
            }
        }
    }
}

/// An error and what lies below it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let (mut whole, mut below) = (error.to_string(), error.source());
    while let Some(cause) = below {
        whole = format!("{whole}: {cause}");
        below = cause.source();
    }
    whole
}
