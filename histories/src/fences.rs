//! Hosts with BMCs, and `[fencing] require = proven`: nothing is moved before a device has proven the host dead.
//!
//! Hosts that only hang are switched off first, and none is that Nova hears. The BMCs behave in every way in
//! which one can, the engine dies and stands still around the climb, and a host comes back in the middle.

use crate::{
    drill::{self, Drilled},
    dumps::{self, Dumps},
    scene::Scene,
    sightings::{self, Said},
    tale::Stage,
};
use engine::Fencing;
use fence::{FencingFile, Tools, build::Network, secret::Secrets};
use ports::{HttpClientError, SystemExec, Transport};
use recovery::{
    HostName,
    evidence::{Kind, Require},
    fencing::FenceEntry,
    identity::Identity,
    log::{Entry, Line},
};
use sim::{Bmc, Bmcs, Condition, Process};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::Store;

/// What a BMC controls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cabled {
    Right,
    ToAnother,
}

/// What the cloud's fence devices are like.
#[derive(Clone, Debug)]
pub struct Fence {
    pub bmc: Bmc,
    /// The host does not lose its power: it hangs, its VMs run on, and Nova does not hear it.
    pub hangs: bool,
    /// So long after that it is heard again.
    pub healed_after_ms: Option<u64>,
    pub side_by_side: usize,
    /// What Masakari has of each host.
    pub control_attributes: &'static str,
    /// `[fencing] check_interval`.
    pub check_every_s: Option<u64>,
    /// A person has the last host tested.
    pub drill: Option<Drilled>,
    /// The first host has crashed, and writes a dump.
    pub dumps: Option<Dumps>,
    /// `[fencing] require = monitor`.
    pub monitor_is_enough: bool,
    /// The agent of each host has told which machine it is; its BMC controls that one, or another.
    pub identified: Option<Cabled>,
    /// What monitors say of the first host, after the beginning.
    pub said: Vec<(u64, Said)>,
}

impl Default for Fence {
    fn default() -> Self {
        Self {
            bmc: Bmc::Honest,
            hangs: true,
            healed_after_ms: None,
            side_by_side: 16,
            control_attributes: "ladder:default",
            check_every_s: None,
            drill: None,
            dumps: None,
            monitor_is_enough: false,
            identified: None,
            said: Vec::new(),
        }
    }
}

impl Fence {
    /// Whether the host's death comes to be proven, by the device or by a person.
    pub fn proves(&self, scene: &Scene) -> bool {
        let device = match self.bmc {
            Bmc::Honest | Bmc::Slow { .. } => true,
            // One that lies tells the truth of a host that is dead.
            Bmc::Lying { .. } => !self.hangs,
            Bmc::Dead | Bmc::Flapping | Bmc::WrongPassword => false,
        };
        if sightings::is_said_to_live(self) {
            return false;
        }
        let device = device && self.identified != Some(Cabled::ToAnother);
        device || scene.confirmed && !self.hangs
    }
}

/// What the agent of a host has told.
pub fn identity(scene: &Scene, host: &HostName) -> Option<Identity> {
    let serial = match scene.fence.as_ref()?.identified? {
        Cabled::Right => format!("CZ-{host}"),
        Cabled::ToAnother => "CZ-other".to_owned(),
    };
    Some(Identity { boot: "b".into(), uuid: None, serial: Some(serial) })
}

pub fn control_attributes(scene: &Scene) -> &'static str {
    scene.fence.as_ref().map_or("none", |fence| fence.control_attributes)
}

pub fn require(scene: &Scene) -> Require {
    match &scene.fence {
        Some(fence) if !fence.monitor_is_enough => Require::Proven,
        Some(_) | None => Require::Monitor,
    }
}

/// What an engine is given to fence with.
pub fn fencing(stage: &Stage, process: &Process) -> Option<Fencing> {
    let fence = stage.scene.fence.as_ref()?;
    let text = format!(
        "devices:\n  bmc: {{kind: redfish, address: \"http://{{host}}.bmc\", \
         system: /redfish/v1/Systems/1, username: u, password: {{environment: BMC}}, \
         deadline: 120s}}\nladders:\n  default: [bmc]\nside_by_side: {}\n{}",
        fence.side_by_side,
        fence.dumps.map(|dumps| dumps.configured(&stage.host(0))).unwrap_or_default()
    );
    let environment = BTreeMap::from([("BMC".to_owned(), "secret".to_owned())]);
    Some(Fencing {
        file: Arc::new(FencingFile::parse(Path::new("fencing.yaml"), &text).unwrap()),
        tools: Tools {
            clock: stage.clock.clone(),
            exec: Arc::new(SystemExec),
            network: Arc::new(Wires(process.clone(), stage.bmcs.clone())),
            ears: Arc::new(dumps::Messages(stage.clone())),
            secrets: Arc::new(Secrets { environment, credentials: None }),
        },
        report_interval: Duration::from_secs(10),
        check_every: fence.check_every_s.map(Duration::from_secs),
    })
}

/// The way to the BMCs leads through the engine's own gate, as the way to Nova does.
#[derive(Debug)]
struct Wires(Process, Bmcs);

impl Network for Wires {
    fn http(&self, _: Option<PathBuf>, _: bool) -> Result<Arc<dyn Transport>, HttpClientError> {
        Ok(self.0.transport(Arc::new(self.1.clone())))
    }
}

pub async fn happens(stage: &Stage) {
    let tested = drill::happens(stage);
    futures::join!(tested, heals(stage), sightings::happens(stage));
}

async fn heals(stage: &Stage) {
    let healed = stage.scene.fence.as_ref().and_then(|fence| fence.healed_after_ms);
    if let Some(after) = healed {
        stage.at(stage.scene.dies_at_ms + after).await;
        stage.world.heal_host(&stage.host(0));
    }
}

/// No host is ordered off that Nova has heard a moment ago, and none is forced down that runs.
pub fn at_every_step(stage: &Stage) -> Result<(), String> {
    /// What a host that lives is silent at most, less what the look before the order may be old.
    const SILENT_LEAST_MS: i64 = 10_000;
    sightings::at_every_step(stage)?;
    let tested = drill::host(stage);
    for order in stage.bmcs.orders() {
        if tested.as_ref() == Some(&order.host) {
            continue;
        }
        let silent = order.heard_at.map_or(i64::MAX, |heard| order.at.since(heard));
        let returned = stage.scene.revived_after_ms.is_some();
        let healed = stage.scene.fence.as_ref().is_some_and(|f| f.healed_after_ms.is_some());
        if order.host_was != Condition::Dead && silent < SILENT_LEAST_MS && !returned && !healed {
            return Err(format!("{} was ordered off {silent} ms after it was heard", order.host));
        }
        if stage.scene.false_alarm {
            return Err(format!("{} lives and was ordered off", order.host));
        }
    }
    let Some(_) = stage.scene.fence else { return Ok(()) };
    for forced in stage.world.forced_downs() {
        let returned = stage.scene.revived_after_ms.is_some();
        if forced.to && forced.host_was != Condition::Dead && !returned {
            return Err(format!("{} was forced down while it ran", forced.host));
        }
    }
    Ok(())
}

/// What a climb proved is in the store, once for each, and nothing is there that none proved.
pub async fn at_the_end(stage: &Stage) -> Result<(), String> {
    if stage.scene.fence.is_none() {
        return Ok(());
    }
    for host in stage.world.hosts() {
        let proven: usize = logs(stage)
            .iter()
            .flatten()
            .filter(|line| matches!(&line.entry, Entry::Fence(FenceEntry::Proven { evidence }) if evidence.host == host))
            .count();
        let stored = stage.memory.evidence(&host).await.unwrap();
        let stored = stored.iter().filter(|e| e.kind == Kind::PoweredOff).count();
        if stored != proven {
            return Err(format!("{host}: {proven} proofs in the logs, {stored} in the store"));
        }
    }
    Ok(())
}

pub fn logs(stage: &Stage) -> Vec<Vec<Line>> {
    let all = stage.memory.all_notifications();
    all.iter().map(|notification| stage.memory.lines(&notification.uuid)).collect()
}
