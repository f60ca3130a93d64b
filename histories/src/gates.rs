//! What lies between an engine and the world: the way to the cloud, and the database's gate.

use crate::{guard, own_steps::RUNNING, tale::Stage};
use async_trait::async_trait;
use ports::{Answer, Ask, Entropy, SeededEntropy, Transport, TransportError};
use recovery::{
    log::{Entry, Line},
    steps::StepEntry,
    tiers::TierEntry,
};
use sim::Process;
use std::{sync::Arc, time::Duration};
use store::{Gate, StoreError};

/// Where an engine is cut off.
pub const PLACES: [&str; 21] = [
    "listing hosts",
    "taking leases",
    "reading a log",
    "reading a notification",
    "reading a host",
    "reading a segment",
    "reading evidence",
    "reading signs of life",
    "keeping a sign of life",
    "reading which machine a host is",
    "reading the guard",
    "looking for a host's recovery",
    "counting restarts",
    "looking for hosts that died",
    "answering a request",
    "writing a log",
    "renewing leases",
    "giving leases back",
    RUNNING,
    "http read",
    CALL_THAT_WRITES,
];
/// A call that changes the cloud.
pub const CALL_THAT_WRITES: &str = "http write";

/// The way to the cloud, on which is written down what was asked.
pub struct Way {
    pub to: Arc<dyn Transport>,
    pub stage: Stage,
    /// It is that of a shadow.
    pub shadow: bool,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Way")
    }
}

#[async_trait]
impl Transport for Way {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        self.stage.asked.lock().unwrap().push(ask.uri().path().to_owned());
        if self.shadow
            && *ask.method() != http::Method::GET
            && !ask.uri().path().ends_with("/auth/tokens")
        {
            let sent = format!("{} {}", ask.method(), ask.uri().path());
            self.stage.changed.lock().unwrap().push(sent);
        }
        if ask.body().starts_with(b"{\"lock\"") {
            self.stage.clock.sleep(Duration::from_millis(self.stage.scene.slow_locks_ms)).await;
        }
        let services =
            ask.method() == http::Method::GET && ask.uri().path().ends_with("/os-services");
        let query = services.then(|| ask.uri().query().unwrap_or_default().to_owned());
        let answer = self.to.send(ask, deadline).await?;
        Ok(match query {
            Some(query) => guard::services_told(&self.stage, &query, answer),
            None => answer,
        })
    }
}

/// The database's gate: the process's life, and the database's bad days.
pub struct StoreGate {
    pub process: Process,
    pub stage: Stage,
    pub dice: SeededEntropy,
}

impl std::fmt::Debug for StoreGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreGate")
    }
}

impl StoreGate {
    /// What says that a step begins, or that servers are about to be started, is written, and the database is long in
    /// saying so.
    async fn slow_commit(&self, doing: &'static str) {
        let slow_ms = self.stage.scene.own.slow_commit_ms;
        let begins = |line: &Line| {
            matches!(
                line.entry,
                Entry::Step(StepEntry::Begun { .. }) | Entry::Tier(TierEntry::StartIntended { .. })
            )
        };
        let reports = self.stage.memory.all_notifications();
        let last = reports.first().and_then(|n| self.stage.memory.lines(&n.uuid).pop());
        if slow_ms > 0 && doing == "writing a log" && last.as_ref().is_some_and(begins) {
            self.stage.clock.sleep(Duration::from_millis(slow_ms)).await;
        }
    }

    fn unlucky(&self, doing: &'static str) -> Result<(), StoreError> {
        let scene = &self.stage.scene;
        let now_ms = self.stage.clock.wall().since(self.stage.began).unsigned_abs();
        let away = scene.hit.as_ref().is_some_and(|hit| hit.takes_the_database_at(now_ms))
            || scene.whole.as_ref().is_some_and(|whole| whole.takes_the_database_at(now_ms));
        let faults = scene.faults.as_ref().filter(|f| (f.from_ms..f.until_ms).contains(&now_ms));
        if away || faults.is_some_and(|f| self.dice.bits() % 1000 < f.store_permille) {
            return Err(StoreError::Away {
                doing,
                source: "the simulated database is away".into(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Gate for StoreGate {
    async fn before(&self, doing: &'static str) -> Result<(), StoreError> {
        self.process.cross(doing, async {}).await;
        // A transaction takes time, in which others act.
        self.stage.clock.sleep(Duration::from_millis(1 + self.dice.bits() % 5)).await;
        self.unlucky(doing)
    }

    async fn after(&self, doing: &'static str) -> Result<(), StoreError> {
        self.process.cross(doing, async {}).await;
        self.slow_commit(doing).await;
        self.unlucky(doing)
    }
}
