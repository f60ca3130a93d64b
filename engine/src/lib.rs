//! Acts: claims reports, looks at the world, does what is due, writes it down, until nothing is left.
//!
//! The only room that changes a cloud. It decides nothing: what is due, what a look means and
//! whether the host is dead is judged in `recovery`. Here is the loop around it:
//!
//! ```text
//!   claim ──► fold the log ──► due? ──► write intents ──► act ──► write outcomes ─┐
//!  (lease)         ▲                                                              │
//!                  └──────────────── look at the world ◄──────────────────────────┘
//! ```
//!
//! Start, crash and normal run are this one loop. Everything runs in one task: dropping the future
//! of [`Engine::run`] ends every act at once, as a crash does, and no `Drop` acts.
//!
//! * `claim`: which recoveries are ours. * `tenure`: how long we may act.
//! * `turn`: the loop of a host's recovery. * `restart`, `process`: those of one server and one service, on
//!   a `journal`. * `acts`: every call that changes the cloud.
//! * `priorities`: who goes first. * `locks`: those that an engine has left. * `reasons`: why Nova did not do
//!   it. * `requests`, `hand`: what persons ask for. * `reserve`: reserved hosts. * `room`: who has room for
//!   servers that wait for it.
//! * `drains`: empties hosts that live.
//! * `returns`: brings lost hosts back to service. * `readiness`, `drill`: whether hosts could be fenced, asked and tried.
//! * `power`: gives a host its power back.
//! * `shadow`: judges and plans, and does nothing.
//! * `dumps`: hosts that write a crash dump.
//! * `guard`: what tells a storm from a death. * `fencing`: makes sure that a host is dead. * `tiers`: ordered restart. * `steps`: those of the operator's own.

mod acts;
mod changes;
mod claim;
mod config;
mod drains;
mod drill;
mod dumps;
mod error;
mod fencing;
mod forecast;
mod guard;
mod hand;
mod journal;
mod locks;
mod look;
mod owners;
mod power;
mod priorities;
mod process;
mod readiness;
mod reasons;
mod records;
mod report;
mod requests;
mod reserve;
mod restart;
mod returns;
mod room;
mod shadow;
mod sight;
mod steps;
mod stopping;
mod subject;
mod tell;
mod tenure;
mod tiers;
mod turn;
mod wake;

pub use config::Config;
pub use fencing::Fencing;
pub use shadow::{Shadow, Sight};
pub use steps::{Declared, Does, Steps, Webhook};
pub use wake::Wake;

use changes::Feed;
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use openstack::Nova;
use ports::{Clock, Entropy, Exec, Probe, Transport};
use recovery::{
    HostName, Millis, NotificationId, ServerId,
    lease::LeaseKey,
    lease::{Owner, Watch},
    pace::{Fair, Looks, Pace, Queue},
    request::Request,
    seen::{Evacuation, Server},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};
use stopping::ToStop;
use store::Store;
use tenure::Tenures;
use tracing::Instrument;

/// What an engine needs of the world.
#[derive(Clone, Debug)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub nova: Nova,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Asks servers that were started whether they are up.
    pub probe: Arc<dyn Probe>,
    /// Runs the operator's programs.
    pub exec: Arc<dyn Exec>,
    /// The way to the operator's webhooks.
    pub web: Arc<dyn Transport>,
}

/// One run of one engine.
#[derive(Debug)]
pub struct Engine {
    ports: Ports,
    config: RefCell<Rc<Config>>,
    wake: Wake,
    /// A person wants a host back.
    wanted: Wake,
    owner: Owner,
    tenures: Tenures,
    pace: RefCell<Pace>,
    /// Calls to Nova in flight that change a server.
    acting: Cell<usize>,
    /// Hosts that are being fenced.
    climbing: Rc<Cell<usize>>,
    /// Who of the recoveries gets the next ones.
    fair: RefCell<Fair<NotificationId>>,
    /// How often they look.
    looks: RefCell<Looks<NotificationId>>,
    /// How long what Nova has taken waits there.
    queue: RefCell<Queue<NotificationId>>,
    /// The servers that changed, as the recoveries see them.
    servers: Feed<ServerId, Server>,
    /// The records of evacuations that changed, by the dead host and their number.
    evacuations: Feed<(HostName, i64), Evacuation>,
    /// Reserved hosts that a recovery of this engine has, or looks at.
    reserving: RefCell<BTreeSet<HostName>>,
    /// Leases of recoveries that are just being taken, to run them or to write a person's word.
    taking: RefCell<BTreeSet<LeaseKey>>,
    /// Leases of reserved hosts, as we saw them.
    reserves_seen: RefCell<Watch>,
    /// What persons ask of recoveries that run.
    words: RefCell<BTreeMap<NotificationId, Vec<Request>>>,
    /// Hosts that are switched off and on, or about to be, because a person asked for that.
    tested: RefCell<BTreeSet<HostName>>,
    /// Hosts that say that they write a crash dump, and when they said so last.
    dumps: RefCell<BTreeMap<HostName, Millis>>,
    /// Leases of the recoveries of which persons ask something, as we saw them.
    recoveries_seen: RefCell<Watch>,
    /// Servers that wait for room.
    rooms: RefCell<room::Rooms>,
    /// Recoveries that do nothing but wait for room: they keep nobody from being claimed.
    resting: RefCell<BTreeSet<NotificationId>>,
    /// What is known for the guard.
    guard: guard::Guard,
    /// The wall clock when we started, and the boot clock then: see [`Engine::now`].
    anchor: (Millis, ports::Boot),
}

impl Engine {
    /// A new engine; its name in leases is `config.name` with chance added, so that a restarted
    /// engine is another owner.
    #[must_use]
    pub fn new(ports: Ports, config: Config, wake: Wake) -> Self {
        let owner = Owner(format!("{}:{:08x}", config.name, ports.entropy.bits() >> 32));
        let anchor = (ports.clock.wall(), ports.clock.boot());
        Self {
            tenures: Tenures::new(config.lease_term),
            pace: RefCell::new(Pace::new(config.calls_most)),
            acting: Cell::new(0),
            climbing: Rc::default(),
            fair: RefCell::default(),
            looks: RefCell::default(),
            queue: RefCell::default(),
            servers: Feed::default(),
            evacuations: Feed::default(),
            reserving: RefCell::default(),
            taking: RefCell::default(),
            reserves_seen: RefCell::default(),
            words: RefCell::default(),
            tested: RefCell::default(),
            dumps: RefCell::default(),
            recoveries_seen: RefCell::default(),
            rooms: RefCell::default(),
            resting: RefCell::default(),
            guard: guard::Guard::default(),
            ports,
            config: RefCell::new(Rc::new(config)),
            wake,
            wanted: Wake::default(),
            owner,
            anchor,
        }
    }

    /// The settings of this moment; each step takes them anew.
    fn config(&self) -> Rc<Config> {
        Rc::clone(&self.config.borrow())
    }

    /// Other settings, from the next step of each recovery on.
    ///
    /// This run keeps its name and its lease term: others reckon with the term it took leases with.
    pub fn reconfigure(&self, config: Config) {
        let before = self.config();
        let (name, lease_term) = (before.name.clone(), before.lease_term);
        if config.lease_term != lease_term {
            tracing::warn!("the lease term stays {} s until a restart", lease_term.as_secs());
        }
        self.pace.borrow_mut().bound(config.calls_most);
        self.config.replace(Rc::new(Config { name, lease_term, ..config }));
        self.wake.nudge();
    }

    /// Runs until `shutdown`; then finishes the acts in flight and gives its leases back.
    ///
    /// Errors of the world are waited out and never end it.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let beside = async {
            futures::join!(
                self.undo_left_locks().boxed_local(),
                self.bring_hosts_back().boxed_local(),
                self.look_at_fences().boxed_local(),
                self.drain_hosts().boxed_local(),
                self.hear_dumps().boxed_local(),
            );
        };
        self.serve(shutdown, |claimed, stopping| self.recover(claimed, stopping), beside).await;
    }

    /// Claims recoveries and gives each to `work`; `beside` goes on meanwhile.
    async fn serve<S: Future<Output = ()>, W: Future<Output = ()>>(
        &self,
        shutdown: S,
        work: impl Fn(claim::Claimed, ToStop<S>) -> W,
        beside: impl Future<Output = ()>,
    ) {
        tracing::info!(owner = %self.owner, "engine started");
        let stopping = ToStop::at(shutdown);
        let (found, recoveries) = futures::channel::mpsc::unbounded();
        let mut running = std::pin::pin!(all(recoveries, work, stopping.clone()));
        let mut rest = std::pin::pin!(async {
            futures::join!(
                // Boxed: all of them in one would be more than the stack of a thread has room for.
                self.claim(found, stopping.clone()).boxed_local(),
                self.answer_requests().boxed_local(),
                self.keep_tenures().boxed_local(),
                self.greet_nova().boxed_local(),
                beside,
            )
        });
        // The recoveries end after the shutdown, because the claims that feed them have; the
        // renewals go on beside them until then.
        futures::future::select(&mut running, &mut rest).await;
        let left = self.tenures.leases();
        if let Err(e) = self.ports.store.release(&left).await {
            tracing::warn!(error = %e, "leases were not given back; they end by themselves");
        }
        tracing::info!(owner = %self.owner, "engine stopped");
    }

    /// Logs in before the first recovery needs it, and tells the operator at once if that fails.
    async fn greet_nova(&self) {
        match self.ports.nova.compute_services().await {
            Ok(services) => {
                tracing::info!(compute_services = services.len(), "Nova answers");
                self.warn_of_disorder().await;
            }
            Err(e) => {
                tracing::error!(error = turn::chain(&e), "Nova cannot be asked; trying when needed")
            }
        }
    }

    /// The time for log lines and limits: it starts at the wall clock and runs with the boot clock,
    /// so that a wall clock that jumps does not end a wait early or never.
    fn now(&self) -> Millis {
        let ms = self.ports.clock.boot().since(self.anchor.1).as_millis();
        self.anchor.0.plus(i64::try_from(ms).unwrap_or(i64::MAX))
    }
}

/// Has `work` done on each recovery that was claimed, side by side, until `stopping` and their end.
async fn all<S: Future<Output = ()>, W: Future<Output = ()>>(
    mut found: futures::channel::mpsc::UnboundedReceiver<claim::Claimed>,
    work: impl Fn(claim::Claimed, ToStop<S>) -> W,
    stopping: ToStop<S>,
) {
    let mut running = FuturesUnordered::new();
    loop {
        let next = async {
            match found.next().await {
                Some(claimed) => claimed,
                None => futures::future::pending().await,
            }
        };
        let ended = async {
            if running.next().await.is_none() {
                futures::future::pending::<()>().await;
            }
        };
        match first_of(stopping.clone(), next, ended).await {
            First::Stop => break,
            First::Claimed(claimed) => {
                let span = tell::span(&claimed.notification);
                running.push(work(claimed, stopping.clone()).instrument(span));
            }
            First::Ended => {}
        }
    }
    while running.next().await.is_some() {}
}

enum First {
    Stop,
    Claimed(claim::Claimed),
    Ended,
}

async fn first_of(
    stop: impl Future<Output = ()>,
    claimed: impl Future<Output = claim::Claimed>,
    ended: impl Future<Output = ()>,
) -> First {
    tokio::select! {
        biased;
        () = stop => First::Stop,
        claimed = claimed => First::Claimed(claimed),
        () = ended => First::Ended,
    }
}
