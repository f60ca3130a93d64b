//! Holds the lease of this host: takes it, arms the watchdog, renews and feeds, and gives it back.
//!
//! The order is what [`recovery::deadman`] stands on:
//!
//! * To open the watchdog is to feed it. So it is opened only in the term of a renewal of our own: an agent that is begun again and
//!   again while etcd is away does not keep a host alive that others take for dead.
//! * The lease says `held` only after the watchdog runs with the timeout that the lease names.
//! * The watchdog is switched off only after a quorum has written that the lease is given back.
//!
//! So a restart resets nobody: the agent that ends in peace gives the lease back, and one that is killed leaves a watchdog that runs
//! on, and its successor has until that bites. A lease of another run of the kernel, on this machine or on one that was given our
//! name, is taken only when it has stood still until that host was reset for certain.
//!
//! Whether the host lives hangs on this loop. It runs on a thread of its own, and waits for nobody but etcd and its clock.

use super::{
    etcd::{Etcd, EtcdError, Stored, Swapped},
    key::{Lease, key_of},
    watchdog::{Released, Unfit, Watchdog},
};
use crate::Mark;
use ports::{Boot, Clock, within};
use recovery::{
    HostName,
    deadman::{self, Observed, Read, Stage, Standing, Times},
    lease::Tenure,
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::watch;

/// The loop turns with each answer of etcd, or its deadline.
pub const TURN_MOST: Duration = Duration::from_secs(30);
/// Between two tries, when one has failed.
const AGAIN: Duration = Duration::from_millis(200);
const ANSWER_LEAST_MS: u64 = 500;
const ANSWER_MOST_MS: u64 = 3_000;
/// systemd waits longer for the process to end.
const GIVE_BACK_MOST: Duration = Duration::from_secs(15);

/// What a lease is taken for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HolderConfig {
    /// This host, as Nova calls it.
    pub host: HostName,
    /// Below which all leases lie.
    pub prefix: String,
    pub times: Times,
    /// This run of the kernel.
    pub boot: String,
    /// This run of the agent.
    pub agent: String,
}

/// Who holds a lease.
#[derive(Debug)]
pub struct Holder {
    pub config: HolderConfig,
    pub etcd: Etcd,
    pub watchdog: Box<dyn Watchdog>,
    pub mark: Mark,
    pub clock: Arc<dyn Clock>,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Watchdog(#[from] Unfit),
    #[error("the watchdog's own timeout does not do: {0}")]
    Times(#[from] deadman::Unfit),
    #[error(
        "another machine holds the lease of {host} and renews it: two hosts have one name; set [DEFAULT] hostname of one"
    )]
    Taken { host: HostName },
}

/// Ends a holder in peace, from another thread. Clones share it.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Ends>);

#[derive(Debug)]
struct Ends {
    asked: watch::Sender<bool>,
    holds: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(Ends { asked: watch::Sender::new(false), holds: watch::Sender::new(false) }))
    }
}

impl Stop {
    /// Has the lease given back, and returns when that is done, or could not be.
    pub async fn ask(&self) {
        self.0.asked.send_replace(true);
        // Its sender lives in `self`.
        drop(self.0.holds.subscribe().wait_for(|holds| !holds).await);
    }

    async fn asked(&self) {
        drop(self.0.asked.subscribe().wait_for(|asked| *asked).await);
    }

    fn holding(&self) -> Holding<'_> {
        self.0.holds.send_replace(true);
        Holding(self)
    }
}

/// While it lives, who asks for the end waits.
struct Holding<'s>(&'s Stop);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.0.holds.send_replace(false);
    }
}

impl Holder {
    /// Holds the lease until `stop` is asked for.
    ///
    /// # Errors
    /// It cannot be held: why, and what to do.
    pub async fn run(mut self, stop: &Stop) -> Result<(), Fault> {
        let _holding = stop.holding();
        let timeout = Duration::from_millis(self.config.times.watchdog_ms());
        self.watchdog.check(timeout).await?;
        let mut hold = Hold::new(&self.config, &self.etcd, &self.mark, &*self.clock);
        tokio::select! {
            taken = hold.take() => taken?,
            () = stop.asked() => return Ok(()),
        }
        if let Err(fault) = hold.arm(&mut *self.watchdog).await {
            hold.give_back().await;
            return Err(fault);
        }
        tokio::select! {
            () = hold.renewing() => {}
            () = hold.feeding(&mut *self.watchdog) => {}
            () = stop.asked() => {}
        }
        let given_back = tokio::select! {
            given_back = hold.give_back() => given_back,
            () = hold.feeding(&mut *self.watchdog) => false,
        };
        let host = &self.config.host;
        if given_back {
            match self.watchdog.release().await {
                Released::Off => {
                    tracing::info!("the lease of {host} is given back, its watchdog is off")
                }
                Released::Bites { within } => tracing::warn!(
                    "the lease of {host} is given back; its watchdog cannot be switched off, and resets this host in {} s \
                     unless the agent is started again",
                    within.as_secs()
                ),
            }
        } else {
            tracing::error!(
                "the lease of {host} could not be given back: its watchdog runs on, and resets this host in {} s at the \
                 latest unless the agent is started again",
                hold.times.watchdog_ms() / 1_000
            );
        }
        Ok(())
    }
}

/// A lease, taken or not yet.
struct Hold<'a> {
    config: &'a HolderConfig,
    times: Times,
    etcd: &'a Etcd,
    mark: &'a Mark,
    clock: &'a dyn Clock,
    key: String,
    /// The write that ours will follow.
    follows: AtomicU64,
    beat: AtomicU64,
    tenure: Mutex<Option<Tenure>>,
    is_troubled: AtomicBool,
}

/// What became of a renewal.
enum Wrote {
    Done,
    Found(Option<Stored>),
}

impl<'a> Hold<'a> {
    fn new(config: &'a HolderConfig, etcd: &'a Etcd, mark: &'a Mark, clock: &'a dyn Clock) -> Self {
        Self {
            times: config.times,
            key: key_of(&config.prefix, &config.host),
            config,
            etcd,
            mark,
            clock,
            follows: AtomicU64::new(0),
            beat: AtomicU64::new(0),
            tenure: Mutex::new(None),
            is_troubled: AtomicBool::new(false),
        }
    }

    /// How long the watchdog may be fed yet.
    fn left_ms(&self) -> u64 {
        let tenure = *self.tenure.lock().unwrap_or_else(PoisonError::into_inner);
        tenure.map_or(0, |tenure| tenure.left_ms(self.clock.boot().0))
    }

    async fn write(&self, stage: Stage) -> Result<Wrote, EtcdError> {
        self.mark.turned();
        let lease = Lease {
            stage,
            boot: self.config.boot.clone(),
            agent: self.config.agent.clone(),
            times: self.times,
            beat: self.beat.load(Relaxed),
        };
        let value = serde_json::to_vec(&lease).unwrap_or_default();
        let deadline_ms = (self.times.term_ms() / 5).clamp(ANSWER_LEAST_MS, ANSWER_MOST_MS);
        // The term counts from before anybody could have seen it.
        let sent = self.clock.boot();
        let deadline = Duration::from_millis(deadline_ms);
        let swap = self.etcd.swap(&self.key, self.follows.load(Relaxed), &value, deadline);
        match swap.await? {
            Swapped::Written(revision) => {
                self.follows.store(revision, Relaxed);
                self.beat.fetch_add(1, Relaxed);
                let tenure = Tenure::from_sending(sent.0, self.times.term_ms());
                *self.tenure.lock().unwrap_or_else(PoisonError::into_inner) = Some(tenure);
                Ok(Wrote::Done)
            }
            Swapped::Found(stored) => Ok(Wrote::Found(stored)),
        }
    }

    /// Waits until the lease may be ours, and is.
    async fn take(&self) -> Result<(), Fault> {
        let mut other: Option<Observed> = None;
        loop {
            let sent = self.clock.boot();
            let pause = match self.write(Stage::Taking).await {
                Ok(Wrote::Done) => return Ok(()),
                Ok(Wrote::Found(found)) => match self.foreign(found.as_ref()) {
                    None => {
                        self.follow(found.as_ref());
                        continue;
                    }
                    Some((lease, revision)) => {
                        let read = self.read_at(sent);
                        if self.is_over(&mut other, lease, revision, read)? {
                            self.follows.store(revision, Relaxed);
                            continue;
                        }
                        // Asked for by a write that cannot succeed.
                        self.follows.store(0, Relaxed);
                        Duration::from_millis(self.times.renew_ms())
                    }
                },
                Err(error) => {
                    self.trouble(&format!("the lease cannot be taken: {error}"));
                    AGAIN
                }
            };
            self.clock.sleep(pause).await;
        }
    }

    fn read_at(&self, sent: Boot) -> Read {
        Read { sent_ms: sent.0, answered_ms: self.clock.boot().0 }
    }

    /// Whether the run that held the lease before has ended for certain.
    fn is_over(
        &self,
        other: &mut Option<Observed>,
        lease: Lease,
        revision: u64,
        read: Read,
    ) -> Result<bool, Fault> {
        let beat = lease.beat(revision);
        let observed = match other {
            Some(observed) if observed.beat().revision != revision => {
                return Err(Fault::Taken { host: self.config.host.clone() });
            }
            Some(observed) => {
                observed.read(beat, read);
                observed
            }
            none => none.insert(Observed::first(beat, read)),
        };
        match observed.standing() {
            Standing::Dead(_) | Standing::Silent { .. } | Standing::Left => Ok(true),
            Standing::Unmoved { .. } | Standing::Lives | Standing::Overdue { .. } => {
                let s = observed.beat().times.proof_ms() / 1_000;
                self.trouble(&format!(
                    "the lease of another run of this host must be over first: {s} s"
                ));
                Ok(false)
            }
        }
    }

    /// A lease of another run of a kernel that nobody has given back.
    fn foreign(&self, found: Option<&Stored>) -> Option<(Lease, u64)> {
        let stored = found?;
        let lease = Lease::read(stored).ok()?;
        let is_foreign = lease.boot != self.config.boot && lease.stage != Stage::Left;
        is_foreign.then_some((lease, stored.revision))
    }

    fn follow(&self, found: Option<&Stored>) {
        self.follows.store(found.map_or(0, |stored| stored.revision), Relaxed);
    }

    /// Arms the watchdog in the term of a renewal.
    async fn arm(&mut self, watchdog: &mut dyn Watchdog) -> Result<(), Fault> {
        while self.left_ms() == 0 {
            self.take().await?;
        }
        let asked = Duration::from_millis(self.times.watchdog_ms());
        let got = watchdog.arm(asked).await?;
        let got_ms = u64::try_from(got.as_millis()).unwrap_or(u64::MAX);
        self.times = Times::new(self.times.renew_ms(), self.times.term_ms(), got_ms)?;
        tracing::info!(
            "{} is under its watchdog: it is reset when it has not renewed its lease for {} s, and known to be dead after {} s",
            self.config.host,
            (self.times.term_ms() + got_ms) / 1_000,
            self.times.proof_ms() / 1_000
        );
        Ok(())
    }

    /// Renews, for ever.
    async fn renewing(&self) {
        loop {
            let began = self.clock.boot();
            let renewed = self.write(Stage::Held).await;
            let every = Duration::from_millis(self.times.renew_ms());
            let pause = match renewed {
                Ok(Wrote::Done) => {
                    self.is_well();
                    every.saturating_sub(self.clock.boot().since(began))
                }
                Ok(Wrote::Found(found)) => {
                    if self.foreign(found.as_ref()).is_some() {
                        self.trouble("another machine has taken the lease of this host");
                    } else {
                        // A renewal of ours whose answer was lost, or one that somebody has deleted.
                        self.follow(found.as_ref());
                    }
                    AGAIN
                }
                Err(error) => {
                    self.trouble(&format!("the lease is not renewed: {error}"));
                    AGAIN
                }
            };
            self.clock.sleep(pause).await;
        }
    }

    /// Feeds in the term of the last renewal that was answered, for ever.
    async fn feeding(&self, watchdog: &mut dyn Watchdog) {
        let every = Duration::from_millis(self.times.feed_every_ms());
        let (mut hungry, mut deaf) = (false, false);
        loop {
            if self.left_ms() > 0 {
                let fed = watchdog.feed().await;
                if std::mem::take(&mut hungry) {
                    tracing::warn!("the watchdog is fed again");
                }
                if let Err(error) = &fed
                    && !deaf
                {
                    tracing::error!(
                        "the watchdog cannot be fed, and will reset this host: {error}"
                    );
                }
                deaf = fed.is_err();
            } else if !std::mem::replace(&mut hungry, true) {
                tracing::error!(
                    "the lease of {} has not been renewed for {} s: the watchdog is not fed any more, and resets this host in \
                     {} s unless etcd answers",
                    self.config.host,
                    self.times.term_ms() / 1_000,
                    self.times.watchdog_ms() / 1_000
                );
            }
            self.clock.sleep(every).await;
        }
    }

    /// Whether a quorum has written that nobody counts on the watchdog any more.
    async fn give_back(&self) -> bool {
        let writing = async {
            loop {
                match self.write(Stage::Left).await {
                    Ok(Wrote::Done) => return true,
                    Ok(Wrote::Found(found)) if self.foreign(found.as_ref()).is_some() => {
                        return false;
                    }
                    Ok(Wrote::Found(found)) => {
                        self.follow(found.as_ref());
                        continue;
                    }
                    Err(error) => self.trouble(&format!("the lease is not given back: {error}")),
                }
                self.clock.sleep(AGAIN).await;
            }
        };
        within(self.clock, GIVE_BACK_MOST, writing).await.unwrap_or(false)
    }

    /// Says so once, until it is well again.
    fn trouble(&self, why: &str) {
        if !self.is_troubled.swap(true, Relaxed) {
            tracing::warn!("{}: {why}", self.config.host);
        }
        self.mark.troubled(why.to_owned());
    }

    fn is_well(&self) {
        if self.is_troubled.swap(false, Relaxed) {
            tracing::info!("the lease of {} is renewed again", self.config.host);
        }
        self.mark.well();
    }
}
