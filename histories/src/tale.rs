//! Tells one history: runs the engines against the world, and lets the scene happen.

use crate::{
    by_hand, checks, fences,
    gates::{StoreGate, Way},
    guard,
    own_steps::{Hook, Ran},
    returns,
    scene::{EngineScript, Scene},
    soak, whole,
};
use engine::{Config, Engine, Ports, Wake};
use futures::future::{join_all, select};
use openstack::{AuthConfig, Nova, NovaConfig, Secret, Session};
use ports::{Boot, Clock, Entropy, SeededEntropy, Transport};
use recovery::{
    HostId, HostName, Millis, SegmentId, approval,
    due::Limits,
    plan::Selection,
    process,
    request::{Asked, Request, RequestState},
    restart,
    seen::Server,
    tiers,
};
use sim::{Bmc, Bmcs, Plan, Process, SimClock, World};
use std::{
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use store::{Gate, Memory, NewHost, NewSegment, Store};

/// The request for a plan.
pub const PLAN: &str = "plan";

/// How long after the last trouble everything must be over.
const HEALED_WITHIN_MS: i64 = 1_500_000;
/// A recovery that cannot go on is given up after this.
pub const EXPIRY_MS: i64 = 900_000;
/// Who cannot be started keeps the others waiting so long.
const TIERS: tiers::Limits = tiers::Limits {
    tier_ms: 60_000,
    attempts: 4,
    retry_ms: 5_000,
    start_ms: 60_000,
    blocked_ms: 120_000,
};
/// A history takes a fraction of a second of real time.
const SPINS_AFTER: Duration = Duration::from_secs(60);
/// How many servers fit on a host that has room again.
const ROOM: usize = 100;
/// How often the checks look.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Everything in which one history happens.
#[derive(Clone, Debug)]
pub struct Stage {
    pub scene: Arc<Scene>,
    pub world: World,
    pub clock: Arc<dyn Clock>,
    pub memory: Memory,
    pub began: Millis,
    pub began_boot: Boot,
    /// The servers before anything happened.
    pub at_first: Vec<Server>,
    /// Every life of every engine, in the order in which they began.
    pub lives: Arc<Mutex<Vec<Process>>>,
    /// The path of every question to the cloud, in the order in which they were sent.
    pub asked: Arc<Mutex<Vec<String>>>,
    /// What a shadow has sent to the cloud besides questions and logins.
    pub changed: Arc<Mutex<Vec<String>>>,
    /// The database of a shadow that runs beside the engines.
    pub beside: Memory,
    /// The operator's steps, in the order in which they were run.
    pub ran: Arc<Mutex<Vec<Ran>>>,
    /// The hosts' BMCs.
    pub bmcs: Bmcs,
    /// What happened besides what the world and the logs tell.
    pub notes: Arc<Mutex<Vec<(Millis, String)>>>,
}

/// A history that was told.
#[derive(Debug)]
pub struct Told {
    pub stage: Stage,
    /// What was broken.
    pub outcome: Result<(), String>,
}

/// Tells the history of `scene` in virtual time.
///
/// In a thread of its own: an engine that spins keeps the virtual time from going on, for ever.
pub fn tell(scene: Scene) -> Told {
    told(scene).unwrap_or_else(|why| panic!("{why}"))
}

/// The same, where it is no wonder that an engine spins or panics.
///
/// # Errors
/// When one did.
pub fn told(scene: Scene) -> Result<Told, String> {
    in_time(|| tell_here(scene))
}

/// The same for so long, whatever becomes of it.
pub fn tell_for(scene: Scene, ms: u64) -> Stage {
    in_time(move || {
        in_virtual_time(async move {
            let stage = Stage::new(scene);
            let enough = async {
                stage.at(ms).await;
                Ok(())
            };
            assert_eq!(stage.happen(enough).await, Ok(()));
            stage
        })
    })
    .unwrap_or_else(|why| panic!("{why}"))
}

fn in_time<T: Send + 'static>(tells: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (done, told) = mpsc::channel();
    let telling = std::thread::spawn(move || {
        // Nobody listens any more when it took too long.
        let _ = done.send(tells());
    });
    match told.recv_timeout(SPINS_AFTER) {
        Ok(told) => Ok(told),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err("something spins: the time stands still".into())
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let why = telling.join().err().and_then(|why| why.downcast::<String>().ok());
            Err(format!(
                "a panic: {}",
                why.map_or_else(|| "it is printed above".into(), |why| *why)
            ))
        }
    }
}

pub fn tell_here(scene: Scene) -> Told {
    in_virtual_time(async move {
        let stage = Stage::new(scene);
        let outcome = stage.happen(stage.watch()).await;
        Told { stage, outcome }
    })
}

fn in_virtual_time<T>(tells: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(tells)
}

impl Stage {
    fn new(scene: Scene) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SimClock::new());
        let world = World::new(scene.seed, clock.clone(), scene.shape.clone());
        let like = scene.fence.as_ref().map_or(Bmc::Dead, |fence| fence.bmc);
        Self {
            bmcs: Bmcs::new(world.clone(), like),
            scene: Arc::new(scene),
            began: clock.wall(),
            began_boot: clock.boot(),
            notes: Arc::default(),
            at_first: world.servers(),
            world,
            clock,
            memory: Memory::new(),
            lives: Arc::default(),
            asked: Arc::default(),
            changed: Arc::default(),
            beside: Memory::new(),
            ran: Arc::default(),
        }
    }

    /// What Masakari's own table says now.
    pub async fn is_reserved_now(&self, host: &HostName) -> bool {
        self.memory.host_named(host).await.unwrap().unwrap().reserved
    }

    pub fn host(&self, n: usize) -> HostName {
        self.world.hosts()[n].clone()
    }

    async fn happen(&self, watch: impl Future<Output = Result<(), String>>) -> Result<(), String> {
        self.build_segment().await;
        if self.scene.foretold {
            self.ask_for_a_plan().await;
        }
        if let Some(plan) = self.plan() {
            self.world.faults(plan);
        }
        let engines = self.scene.engines.iter().enumerate().map(|(n, s)| self.engine(n, s));
        let events = pin!(async {
            futures::join!(self.events(), join_all(engines), crate::shadow::happens(self));
        });
        let world = pin!(self.world.run());
        let acting = select(events, world);
        let watching = pin!(watch);
        match select(watching, acting).await {
            futures::future::Either::Left((outcome, _)) => outcome,
            futures::future::Either::Right(_) => Err("the engines ended".into()),
        }
    }

    /// Looks again and again, until everything is over or too late.
    async fn watch(&self) -> Result<(), String> {
        loop {
            self.clock.sleep(LOOK_EVERY).await;
            checks::at_every_step(self)?;
            let now_ms = self.clock.wall().since(self.began);
            let over = checks::all_over(self) && by_hand::all_said(self).await;
            let over = over && returns::over(self).await && crate::drill::over(self).await;
            let left = whole::unsettled(self).await;
            let healed = now_ms > self.last_trouble_ms() && over;
            if healed {
                whole::a_person_helps(self);
            }
            if healed && left.is_none() {
                // What was on its way to Nova still lands.
                self.clock.sleep(Duration::from_millis(self.scene.watched_on_ms)).await;
                checks::at_every_step(self)?;
                return checks::at_the_end(self).await;
            }
            if now_ms > self.last_trouble_ms() + HEALED_WITHIN_MS {
                let left = left.unwrap_or_else(|| checks::open(self));
                return Err(format!("not over in time: {left}"));
            }
        }
    }

    fn last_trouble_ms(&self) -> i64 {
        let s = &self.scene;
        let death = s.dies_at_ms + s.second_after_ms.unwrap_or(0);
        let faults = s.faults.as_ref().map_or(0, |f| f.until_ms);
        let last = (death + s.reported_after_ms)
            .max(faults)
            .max(s.dies_at_ms + s.revived_after_ms.unwrap_or(0))
            .max(s.dies_at_ms + s.room_after_ms.unwrap_or(0));
        let killed = s.killed_after_ms.last().map_or(0, |last| s.dies_at_ms + last);
        let last = last.max(killed + s.reported_after_ms);
        let small = s.small.as_ref().map_or(0, |small| {
            let reports = s.dies_at_ms + s.reported_after_ms + small.reports * 20_000;
            reports.max(small.host_dies_ms.unwrap_or(0) + 31_000).max(small.deleted_ms.unwrap_or(0))
        });
        let said = s.by_hand.words.last().map_or(0, |ask| ask.at_ms);
        let hit = s.hit.as_ref().map_or(0, |hit| hit.at_ms + hit.away_ms);
        let switched = s.storm.switch.last().map_or(0, |(at_ms, _)| *at_ms);
        let turned = returns::last_turn_ms(s);
        let planned =
            crate::stops::last_ms(s).max(s.whole.as_ref().map_or(0, whole::Whole::last_ms));
        let last = last.max(small).max(said).max(hit).max(switched).max(turned).max(planned);
        i64::try_from(last + 1_000).unwrap()
    }

    /// What goes wrong in the cloud.
    fn plan(&self) -> Option<Plan> {
        let Scene { faults, whole, .. } = &*self.scene;
        if faults.is_none() && whole.is_none() {
            return None;
        }
        let mut plan = faults.as_ref().map(|faults| faults.plan(self.began)).unwrap_or_default();
        if let Some(whole) = whole {
            whole.add_to(&mut plan, self.began);
        }
        Some(plan)
    }

    async fn ask_for_a_plan(&self) {
        let now = self.clock.wall();
        let request = Request {
            id: PLAN.into(),
            asked: Asked::Plan { host: self.host(0) },
            who: "admin".into(),
            created_at: now,
            deadline: now.plus(60_000),
            state: RequestState::Open,
            answer: None,
        };
        self.memory.file_request(&request).await.unwrap();
    }

    async fn build_segment(&self) {
        let segment = NewSegment {
            uuid: SegmentId::new("segment"),
            name: "segment".into(),
            service_type: "COMPUTE".into(),
            description: None,
            recovery_method: self.scene.method,
            enabled: true,
            now: self.clock.wall(),
        };
        for memory in self.databases() {
            memory.create_segment(segment.clone()).await.unwrap();
        }
        for (n, name) in self.world.hosts().into_iter().enumerate() {
            let host = NewHost {
                uuid: HostId::new(format!("id-{name}")),
                name,
                segment: SegmentId::new("segment"),
                kind: "COMPUTE".into(),
                control_attributes: fences::control_attributes(&self.scene).into(),
                reserved: self.scene.is_reserved(n),
                on_maintenance: false,
                now: self.clock.wall(),
            };
            for memory in self.databases() {
                memory.create_host(host.clone()).await.unwrap();
            }
            if let Some(identity) = fences::identity(&self.scene, &host.name) {
                self.memory.identify(&host.name, &identity, host.now).await.unwrap();
            }
        }
    }

    /// The first server of the host that dies first, as it is now.
    pub fn killer(&self) -> Server {
        let first = self.host(0);
        let there = self.at_first.iter().find(|s| s.host.as_ref() == Some(&first)).unwrap();
        self.world.servers().into_iter().find(|s| s.id == there.id).unwrap()
    }

    pub async fn at(&self, ms: u64) {
        let now_ms = u64::try_from(self.clock.wall().since(self.began)).unwrap();
        self.clock.sleep(Duration::from_millis(ms.saturating_sub(now_ms))).await;
    }

    /// What the scene lets happen, each at its time.
    async fn events(&self) {
        let s = &self.scene;
        if let Some(small) = &s.small {
            let words = futures::future::join(by_hand::happens(self), guard::happens(self));
            futures::join!(crate::small::happens(self, small), words);
            std::future::pending::<()>().await;
        }
        let first = self.one_host(0, s.dies_at_ms);
        let second = async {
            if let Some(after) = s.second_after_ms {
                self.one_host(1, s.dies_at_ms + after).await;
            }
        };
        let revived = async {
            if let Some(after) = s.revived_after_ms {
                self.at(s.dies_at_ms + after).await;
                self.world.revive_host(&self.host(0));
            }
        };
        let room = async {
            if let Some(after) = s.room_after_ms {
                self.at(s.dies_at_ms + after).await;
                let hosts = self.world.hosts().into_iter().enumerate();
                for (_, host) in hosts.filter(|(n, _)| *n > 0 && !s.is_reserved(*n)) {
                    self.world.make_room(&host, s.room_for.unwrap_or(ROOM));
                }
            }
        };
        let killed = async {
            for after in &s.killed_after_ms {
                self.at(s.dies_at_ms + after).await;
                let host = self.killer().host.unwrap();
                let n = self.world.hosts().iter().position(|h| *h == host).unwrap();
                self.one_host(n, s.dies_at_ms + after).await;
            }
        };
        let deleted = async {
            if let Some(after) = s.deleted_after_ms {
                self.at(s.dies_at_ms + after).await;
                self.world.delete(&self.killer().id);
            }
        };
        let moved = async {
            if let Some(after) = s.moved_after_ms {
                self.at(s.dies_at_ms + after).await;
                crate::person::a_person_evacuates(&self.world, &self.killer().id);
            }
        };
        let leaves = async {
            if let Some(at_ms) = s.leaves_ms {
                self.at(at_ms).await;
                crate::person::a_person_migrates(&self.world, &self.killer().id);
            }
        };
        let (healed, hit) = (fences::happens(self), soak::happens(self));
        let by_hand = futures::future::join(by_hand::happens(self), returns::happens(self));
        let guests =
            futures::future::join(crate::tiers::happens(self), crate::twice::happens(self));
        let hit = futures::future::join(hit, whole::happens(self));
        let trouble = futures::future::join4(healed, hit, guard::happens(self), guests);
        futures::join!(
            trouble, leaves, first, second, revived, room, killed, deleted, moved, by_hand
        );
        std::future::pending::<()>().await;
    }

    async fn one_host(&self, n: usize, dies_at_ms: u64) {
        let host = self.host(n);
        self.at(dies_at_ms).await;
        match &self.scene.fence {
            _ if self.scene.false_alarm => {}
            Some(fence) if fence.hangs => self.world.cut_host(&host),
            Some(_) | None => self.world.kill_host(&host),
        }
        self.at(dies_at_ms + self.scene.reported_after_ms).await;
        match self.scene.whole {
            Some(_) => whole::report(self, &host).await,
            None => self.report(&host).await,
        }
        if self.scene.confirmed || self.scene.attested {
            self.confirm(&host).await;
        }
    }

    /// One engine, all its lives.
    async fn engine(&self, n: usize, script: &EngineScript) {
        for life in 0.. {
            let process = Process::new(format!("engine-{n}.{life}"), self.clock.clone());
            if let Some((crossing, when)) = script.deaths.get(life) {
                process.die_at(*crossing, *when);
            }
            if let Some((place, nth, when)) = script.dies_at.get(life) {
                process.die_at_nth(place, *nth, *when);
            }
            if let Some((crossing, ms)) = script.pause.filter(|_| life == 0) {
                process.pause_at(crossing, Duration::from_millis(ms));
            }
            if let Some(ms) = script.slow_to_take_ms.filter(|_| life == 0) {
                process.pause_at_first("taking leases", Duration::from_millis(ms));
            }
            self.lives.lock().unwrap().push(process.clone());
            self.one_life(n, life, &process).await;
            self.died(&process);
            let rest = SeededEntropy::new(self.scene.seed + 31 * life as u64).bits();
            self.clock.sleep(Duration::from_millis(rest % script.rest_ms)).await;
        }
    }

    async fn one_life(&self, n: usize, life: usize, process: &Process) {
        let seed = self.scene.seed.wrapping_mul(1_000) + 10 * n as u64 + life as u64;
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
        let transport = self.way(process, false);
        let clock = whole::clock_of(self, n);
        let session = Session::new(self.user(), transport, clock.clone(), entropy.clone());
        let hook = Arc::new(Hook { process: process.clone(), stage: self.clone() });
        let ports = Ports {
            exec: hook.clone(),
            web: hook,
            store: Arc::new(self.memory.handle(self.gate(process, seed))),
            nova: Nova::new(session, NovaConfig::default()),
            clock,
            entropy,
            probe: self.world.probe(),
        };
        let config = self.config(process);
        let engine = Engine::new(ports, config.clone(), Wake::default());
        // The process's death drops the engine wherever it is.
        let running = futures::future::join(
            engine.run(std::future::pending()),
            self.other_settings(&engine, config),
        );
        select(pin!(running), pin!(process.died())).await;
    }

    pub fn user(&self) -> AuthConfig {
        AuthConfig {
            auth_url: format!("{}/identity/v3", self.scene.shape.endpoints.base),
            username: Some("masakari".into()),
            password: Secret::new(sim::PASSWORD),
            project_name: Some("service".into()),
            user_domain_name: Some("Default".into()),
            project_domain_name: Some("Default".into()),
            ..AuthConfig::default()
        }
    }

    /// The database's of one life.
    pub fn gate(&self, process: &Process, seed: u64) -> Arc<dyn Gate> {
        let (process, stage) = (process.clone(), self.clone());
        Arc::new(StoreGate { process, stage, dice: SeededEntropy::new(seed + 5) })
    }

    /// The way to the cloud of one life.
    pub fn way(&self, process: &Process, shadow: bool) -> Arc<dyn Transport> {
        let way = Way { to: self.world.transport(), stage: self.clone(), shadow };
        process.transport(Arc::new(way))
    }

    pub fn config(&self, process: &Process) -> Config {
        let limits = Limits { expiry_ms: EXPIRY_MS, tiers: TIERS, ..Limits::default() };
        let restart_limits = restart::Limits { expiry_ms: EXPIRY_MS, ..Default::default() };
        let process_limits = process::Limits { expiry_ms: EXPIRY_MS, ..Default::default() };
        Config {
            name: process.id().into(),
            reserved_into_aggregates: true,
            within_segment: self.scene.within_segment,
            tiers: tiers::Rules {
                on: self.scene.tiers,
                networks: tiers::Network::read("10.0.0.0/8").into_iter().collect(),
                ..tiers::Rules::default()
            },
            require: fences::require(&self.scene),
            fencing: fences::fencing(self, process),
            guard: self.scene.storm.guard,
            selection: Selection { owners: self.scene.owners.clone(), ..Selection::default() },
            approval: approval::Rules {
                default: self.scene.storm.approval,
                ..approval::Rules::default()
            },
            limits,
            restart_limits,
            process_limits,
            returns: self.scene.back.as_ref().map(|back| back.rules),
            steps: self.scene.own.steps.clone(),
            recoveries_most: self
                .scene
                .recoveries_most
                .unwrap_or_else(|| Config::default().recoveries_most),
            ..Config::default()
        }
    }

    /// SIGHUP.
    async fn other_settings(&self, engine: &Engine, mut config: Config) {
        if let Some((at_ms, capacity_wait_ms)) = self.scene.other_wait {
            self.at(at_ms).await;
            config.limits.capacity_wait_ms = capacity_wait_ms;
            engine.reconfigure(config);
        }
    }
}
