//! Which agents answer, told to our own API: a recovery that starts VMs in order waits for those whose `HA_Check` is `guest`.
//!
//! It is kept nowhere: after a restart each agent that answers is told again. Python's API has no place for it, and then
//! nothing is told for a while.

use openstack::{AskError, Disposition, instance_ha::Client};
use ports::{Clock, Entropy};
use recovery::{HostName, ServerId};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Told in one call.
const AT_ONCE_MOST: usize = 500;
/// What waits to be told; the rest is not. More VMs do not run on one host.
const WAIT_MOST: usize = 10_000;
/// Before the second try; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(60);
/// An API that has no place for it may be replaced by one that has.
const NOT_OURS_PAUSE: Duration = Duration::from_secs(600);

/// Tells which agents answer.
#[derive(Clone, Debug)]
pub struct Tell {
    pub client: Client,
    /// This host, as Nova calls it.
    pub host: HostName,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub waiting: Waiting,
}

/// Whose answers are to be told.
#[derive(Clone, Default, Debug)]
pub struct Waiting(Arc<Shared>);

#[derive(Default, Debug)]
struct Shared {
    servers: Mutex<BTreeSet<ServerId>>,
    more: Notify,
}

impl Waiting {
    /// The agent of this server answers.
    pub fn add(&self, server: ServerId) {
        let mut servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if servers.len() < WAIT_MOST {
            servers.insert(server);
        }
        drop(servers);
        self.0.more.notify_one();
    }

    /// It begins anew, or is gone: what it answered is of no matter.
    pub fn remove(&self, server: &ServerId) {
        self.0.servers.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }

    async fn some(&self) -> Vec<ServerId> {
        loop {
            let some: Vec<ServerId> = {
                let servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
                servers.iter().take(AT_ONCE_MOST).cloned().collect()
            };
            if !some.is_empty() {
                return some;
            }
            self.0.more.notified().await;
        }
    }
}

impl Tell {
    /// Tells for ever.
    pub async fn run(&self) {
        let (mut pause, mut is_said) = (PAUSE, false);
        loop {
            let some = self.waiting.some().await;
            // Who begins anew while this is told is told again.
            some.iter().for_each(|server| self.waiting.remove(server));
            let Err(error) = self.client.guests_answer(&self.host, &some).await else {
                (pause, is_said) = (PAUSE, false);
                continue;
            };
            let wait = match error.disposition() {
                // Of no use a second time.
                Disposition::Refused => NOT_OURS_PAUSE,
                Disposition::Transient => {
                    some.into_iter().for_each(|server| self.waiting.add(server));
                    let longer = (pause * 2).min(PAUSE_MOST);
                    std::mem::replace(&mut pause, longer)
                }
            };
            if !std::mem::replace(&mut is_said, true) {
                tracing::info!("which guest agents answer is not told: {}", self.why(&error));
            }
            self.clock.sleep(self.entropy.jitter(wait)).await;
        }
    }

    fn why(&self, error: &AskError) -> String {
        if let AskError::NotFound { .. } = error {
            return format!(
                "Masakari does not know host {}, or is Python's. Nobody waits for their VMs' HA_Check=guest there",
                self.host
            );
        }
        if let AskError::Forbidden { .. } = error {
            return format!("{error}; the rule ha:hosts:guests of its policy names who may");
        }
        error.to_string()
    }
}
