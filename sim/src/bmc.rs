//! The hosts' BMCs: each speaks as much Redfish as it is asked, and fails as it is told to. Its switch is the
//! host's: one that is honest takes the power away, and with it every copy that runs there.

use crate::host::Condition;
use crate::world::World;
use async_trait::async_trait;
use ports::{Answer, Ask, Transport, TransportError};
use recovery::{HostName, Millis};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a BMC is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bmc {
    Honest,
    /// Nobody answers.
    Dead,
    /// Honest, and takes its time for each answer.
    Slow {
        ms: u64,
    },
    /// Takes the order, says "off" from then on, and leaves the host alone.
    Lying {
        ms: u64,
    },
    /// Says "on" and "off" by turns.
    Flapping,
    /// Lets nobody in.
    WrongPassword,
}

/// One order to switch off that reached a BMC, with the truth at that moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ordered {
    pub host: HostName,
    pub at: Millis,
    pub host_was: Condition,
    /// Its last heartbeat that reached Nova.
    pub heard_at: Option<Millis>,
}

/// The BMCs of a world, all alike. Their names are `HOST.bmc`.
#[derive(Clone, Debug)]
pub struct Bmcs {
    world: World,
    like: Bmc,
    records: Arc<Mutex<Records>>,
}

#[derive(Default, Debug)]
struct Records {
    orders: Vec<Ordered>,
    woken: Vec<(Millis, HostName)>,
    asked: u64,
    /// How often each was asked for its power.
    looks: BTreeMap<HostName, u64>,
    /// The hosts whose BMCs are being spoken with, and the most at one moment.
    busy: BTreeSet<HostName>,
    most: usize,
}

impl Bmcs {
    #[must_use]
    pub fn new(world: World, like: Bmc) -> Self {
        Self { world, like, records: Arc::default() }
    }

    /// Every order that reached one, oldest first.
    #[must_use]
    pub fn orders(&self) -> Vec<Ordered> {
        self.with(|records| records.orders.clone())
    }

    /// Every order to give a host its power back, oldest first.
    #[must_use]
    pub fn woken(&self) -> Vec<(Millis, HostName)> {
        self.with(|records| records.woken.clone())
    }

    /// How often one was asked anything.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.with(|records| records.asked)
    }

    /// How many were spoken with at one moment, at most.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.with(|records| records.most)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Records) -> T) -> T {
        f(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn order(&self, host: &HostName) {
        let order = Ordered {
            host: host.clone(),
            at: self.world.now(),
            host_was: self.world.condition(host),
            heard_at: self.world.service(host).and_then(|service| service.heartbeat_at),
        };
        self.with(|records| records.orders.push(order));
        match self.like {
            Bmc::Honest | Bmc::Slow { .. } => self.world.kill_host(host),
            Bmc::Dead | Bmc::Lying { .. } | Bmc::Flapping | Bmc::WrongPassword => {}
        }
    }

    fn wake(&self, host: &HostName) {
        self.with(|records| records.woken.push((self.world.now(), host.clone())));
        match self.like {
            Bmc::Honest | Bmc::Slow { .. } if self.world.condition(host) == Condition::Dead => {
                self.world.revive_host(host);
            }
            Bmc::Honest
            | Bmc::Slow { .. }
            | Bmc::Dead
            | Bmc::Lying { .. }
            | Bmc::Flapping
            | Bmc::WrongPassword => {}
        }
    }

    fn power(&self, host: &HostName) -> &'static str {
        let (look, ordered) = self.with(|records| {
            let looks = records.looks.entry(host.clone()).or_default();
            *looks += 1;
            (*looks, records.orders.iter().any(|order| order.host == *host))
        });
        let off = match self.like {
            // By its own looks: what others are asked meanwhile would make it say the same twice in a row.
            Bmc::Flapping => look.is_multiple_of(2),
            Bmc::Lying { .. } if ordered => true,
            Bmc::Honest | Bmc::Dead | Bmc::Slow { .. } | Bmc::Lying { .. } | Bmc::WrongPassword => {
                self.world.condition(host) == Condition::Dead
            }
        };
        if off { "Off" } else { "On" }
    }

    fn reply(&self, ask: &Ask, host: &HostName) -> Answer {
        let (status, body) = match (self.like, ask.method() == http::Method::POST) {
            (Bmc::WrongPassword, _) => (401, json!({ "error": "Unauthorized" })),
            (_, true) => {
                match String::from_utf8_lossy(ask.body()).contains("ForceOff") {
                    true => self.order(host),
                    false => self.wake(host),
                }
                (200, json!({}))
            }
            (_, false) => {
                let reset = json!({ "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": ["On", "ForceOff"] });
                let actions = json!({ "#ComputerSystem.Reset": reset });
                let serial = format!("CZ-{host}");
                let power = self.power(host);
                (200, json!({ "PowerState": power, "SerialNumber": serial, "Actions": actions }))
            }
        };
        let mut answer = Answer::new(body.to_string().into());
        *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        answer
    }
}

#[async_trait]
impl Transport for Bmcs {
    async fn send(&self, ask: Ask, _deadline: Duration) -> Result<Answer, TransportError> {
        let name = ask.uri().host().unwrap_or_default();
        let host = HostName::new(name.trim_end_matches(".bmc"));
        self.with(|records| records.asked += 1);
        let ms = match self.like {
            Bmc::Slow { ms } | Bmc::Lying { ms } => ms,
            Bmc::Honest | Bmc::Flapping | Bmc::WrongPassword => 20,
            Bmc::Dead => {
                let why = "no route to host".to_owned();
                return Err(TransportError::Unreachable { to: name.to_owned(), why });
            }
        };
        self.with(|records| {
            records.busy.insert(host.clone());
            records.most = records.most.max(records.busy.len());
        });
        self.world.clock().sleep(Duration::from_millis(ms / 2)).await;
        let answer = self.reply(&ask, &host);
        self.world.clock().sleep(Duration::from_millis(ms - ms / 2)).await;
        self.with(|records| records.busy.remove(&host));
        Ok(answer)
    }
}
