//! Everything at once: a host dies, and meanwhile whatever else can go wrong does, again and again.
//!
//! Networks are cut, engines and API processes die and stand still, clocks are set, databases and buses go away, monitors say the same twice.
//!
//! Nobody can say in advance how such a history ends. So what is asked of its end is what is promised of each: every
//! report is over, once; what was on a dead host is elsewhere, or a person is told which and why; no lock and no host out
//! of service without a record.

use crate::{
    fences::Fence,
    gates::PLACES,
    returns::{self, Back, End},
    scene::{Dice, EngineScript, Faults, Scene, rule, undisturbed},
    tale::Stage,
};
use ports::{Boot, Clock};
use recovery::{
    HostName, Millis, nouns::NotificationStatus, returns::Rules as ReturnRules, seen::VmState,
};
use sim::{Bmc, Condition, Fault, Kind, Pace, Process, Rule, Service, Shape, When};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::{Accepted, NewNotification, Store};

/// What happens besides the deaths of hosts, in one history.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// Each at its time after the beginning.
    pub troubles: Vec<(u64, Trouble)>,
    /// At which crossing each life of the API process ends.
    pub api_deaths: Vec<(usize, When)>,
    /// How often a monitor says again what was accepted.
    pub repeats: u64,
}

/// One thing that goes wrong for a while.
#[derive(Clone, PartialEq, Debug)]
pub enum Trouble {
    /// Nova and a host that lives do not reach each other.
    Cut {
        host: usize,
        for_ms: u64,
    },
    /// Nova or Keystone fails at so many of 1000 requests.
    Cloud {
        service: Service,
        kind: Kind,
        fault: Fault,
        permille: u64,
        for_ms: u64,
    },
    /// Every token is worth nothing any more.
    TokensRevoked,
    /// Nova's message bus is stopped.
    BusStopped {
        for_ms: u64,
    },
    DatabaseAway {
        for_ms: u64,
    },
    EngineKilled {
        engine: usize,
    },
    EngineAsleep {
        engine: usize,
        for_ms: u64,
    },
    /// The wall clock of an engine's machine is set, by less than clocks may differ.
    ClockSet {
        engine: usize,
        by_ms: i64,
    },
}

impl Trouble {
    /// How long it lasts.
    #[must_use]
    pub fn for_ms(&self) -> u64 {
        match self {
            Self::Cut { for_ms, .. }
            | Self::Cloud { for_ms, .. }
            | Self::BusStopped { for_ms }
            | Self::DatabaseAway { for_ms }
            | Self::EngineAsleep { for_ms, .. } => *for_ms,
            Self::TokensRevoked | Self::EngineKilled { .. } | Self::ClockSet { .. } => 0,
        }
    }

    /// What it is called in tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cut { .. } => "network cut and healed",
            Self::Cloud { .. } => "cloud fails for a while",
            Self::TokensRevoked => "tokens revoked",
            Self::BusStopped { .. } => "message bus stopped",
            Self::DatabaseAway { .. } => "database away",
            Self::EngineKilled { .. } => "engine killed",
            Self::EngineAsleep { .. } => "engine asleep",
            Self::ClockSet { .. } => "clock set",
        }
    }
}

impl Whole {
    /// When the last of it is over.
    #[must_use]
    pub fn last_ms(&self) -> u64 {
        self.troubles.iter().map(|(at_ms, trouble)| at_ms + trouble.for_ms()).max().unwrap_or(0)
    }

    /// Whether the database is away so long after the beginning.
    #[must_use]
    pub fn takes_the_database_at(&self, now_ms: u64) -> bool {
        self.troubles.iter().any(|(at_ms, trouble)| match trouble {
            Trouble::DatabaseAway { for_ms } => (*at_ms..at_ms + for_ms).contains(&now_ms),
            Trouble::Cut { .. }
            | Trouble::Cloud { .. }
            | Trouble::TokensRevoked
            | Trouble::BusStopped { .. }
            | Trouble::EngineKilled { .. }
            | Trouble::EngineAsleep { .. }
            | Trouble::ClockSet { .. } => false,
        })
    }

    /// Adds to what goes wrong in a world that began at `began`.
    pub fn add_to(&self, plan: &mut sim::Plan, began: Millis) {
        for (at_ms, trouble) in &self.troubles {
            let from = began.plus(at_ms.cast_signed());
            let until = from.plus(trouble.for_ms().cast_signed());
            match trouble {
                Trouble::Cloud { service, kind, fault, permille, .. } => {
                    let rule = Rule::always(*service, fault.clone()).only(*kind);
                    plan.rules.push(rule.permille(*permille).between(from, until));
                }
                Trouble::BusStopped { .. } => plan.bus_stopped = Some(from..until),
                Trouble::Cut { .. }
                | Trouble::TokensRevoked
                | Trouble::DatabaseAway { .. }
                | Trouble::EngineKilled { .. }
                | Trouble::EngineAsleep { .. }
                | Trouble::ClockSet { .. } => {}
            }
        }
    }

    fn clock_sets(&self, engine: usize) -> Vec<(u64, i64)> {
        let of_it = |(at_ms, trouble): &(u64, Trouble)| match trouble {
            Trouble::ClockSet { engine: set, by_ms } if *set == engine => Some((*at_ms, *by_ms)),
            Trouble::ClockSet { .. }
            | Trouble::Cut { .. }
            | Trouble::Cloud { .. }
            | Trouble::TokensRevoked
            | Trouble::BusStopped { .. }
            | Trouble::DatabaseAway { .. }
            | Trouble::EngineKilled { .. }
            | Trouble::EngineAsleep { .. } => None,
        };
        self.troubles.iter().filter_map(of_it).collect()
    }
}

impl Scene {
    /// Whatever can happen, at once.
    #[must_use]
    pub fn whole_from_seed(seed: u64) -> Self {
        let dice = Dice::new(seed.wrapping_mul(0xA24B_AED4_963E_E407));
        let scene = Self::from_seed(seed);
        let engines = (0..dice.between(1, 3)).map(|_| engine(&dice)).collect::<Vec<_>>();
        let mut scene = Self {
            shape: shape(&dice, &scene.shape),
            false_alarm: false,
            confirmed: dice.percent(40),
            reported_after_ms: dice.between(0, 40_000),
            second_after_ms: dice.percent(60).then(|| dice.between(0, 120_000)),
            revived_after_ms: dice.percent(40).then(|| dice.between(60_000, 400_000)),
            room_after_ms: None,
            faults: Some(faults(&dice)),
            tiers: dice.percent(20),
            within_segment: false,
            method: recovery::nouns::RecoveryMethod::Auto,
            engines,
            ..scene
        };
        scene.shape.tiers = if scene.tiers { 3 } else { 0 };
        scene.fence = dice.percent(60).then(|| fence(&dice, &scene));
        scene.back = dice.percent(50).then(|| Back {
            rules: ReturnRules { probation_ms: 30_000, ..ReturnRules::default() },
            turns: Vec::new(),
            end: End::Anywhere,
        });
        if dice.percent(12) {
            let off_ms = scene.dies_at_ms + dice.between(0, 60_000);
            scene.storm.switch =
                vec![(off_ms, false), (off_ms + dice.between(2_000, 90_000), true)];
        }
        scene.whole = Some(Whole {
            troubles: (0..dice.between(3, 7)).map(|_| trouble(&dice, &scene)).collect(),
            api_deaths: (0..dice.between(0, 3)).map(|_| api_death(&dice)).collect(),
            repeats: dice.between(0, 3),
        });
        scene
    }
}

fn shape(dice: &Dice, like: &Shape) -> Shape {
    let between = |low, high| usize::try_from(dice.between(low, high)).unwrap();
    Shape {
        hosts: between(4, 7),
        vms_per_host: between(14, 34),
        vms_per_host_max: 1_000,
        reserved: 0,
        pace: Pace { latency_ms: 1..=dice.between(5, 200), ..Pace::default() },
        ..like.clone()
    }
}

fn when(dice: &Dice) -> When {
    if dice.percent(50) { When::Before } else { When::After }
}

fn api_death(dice: &Dice) -> (usize, When) {
    (usize::try_from(dice.between(1, 2)).unwrap(), when(dice))
}

/// One that dies at places that are crossed seldom, too.
fn engine(dice: &Dice) -> EngineScript {
    let place = |dice: &Dice| {
        let place = usize::try_from(dice.between(0, PLACES.len() as u64 - 1)).unwrap();
        (PLACES[place], usize::try_from(dice.between(1, 5)).unwrap(), when(dice))
    };
    EngineScript {
        dies_at: (0..dice.between(0, 3)).map(|_| place(dice)).collect(),
        pause: dice.percent(25).then(|| {
            let crossing = usize::try_from(dice.between(200, 1_200)).unwrap();
            (crossing, dice.between(2_000, 45_000))
        }),
        rest_ms: 30_000,
        ..undisturbed()
    }
}

fn faults(dice: &Dice) -> Faults {
    let from_ms = dice.between(0, 120_000);
    Faults {
        rules: vec![rule(dice)],
        from_ms,
        until_ms: from_ms + dice.between(5_000, 180_000),
        store_permille: if dice.percent(40) { dice.between(5, 300) } else { 0 },
        build_fails_permille: if dice.percent(30) { dice.between(50, 300) } else { 0 },
        loses_touch_permille: 0,
    }
}

fn fence(dice: &Dice, scene: &Scene) -> Fence {
    let hangs = dice.percent(50);
    let bmc = match dice.between(0, 9) {
        0 => Bmc::Dead,
        1 => Bmc::WrongPassword,
        2 => Bmc::Flapping,
        3 | 4 => Bmc::Slow { ms: dice.between(500, 12_000) },
        // One that lies about a host that nobody hears is found out by nobody.
        5 if scene.false_alarm || !hangs => Bmc::Lying { ms: 20 },
        _ => Bmc::Honest,
    };
    let identified = match dice.between(0, 9) {
        0 => Some(crate::fences::Cabled::ToAnother),
        1..=4 => Some(crate::fences::Cabled::Right),
        _ => None,
    };
    let side_by_side = if dice.percent(20) { 1 } else { 16 };
    Fence { bmc, hangs, side_by_side, identified, ..Fence::default() }
}

/// Most of them while the recoveries run.
fn trouble(dice: &Dice, scene: &Scene) -> (u64, Trouble) {
    let at_ms = scene.dies_at_ms + dice.between(0, 150_000);
    let engine = usize::try_from(dice.between(0, scene.engines.len() as u64 - 1)).unwrap();
    let trouble = match dice.between(0, 9) {
        // One of those that do not die.
        0 | 1 => {
            let host = usize::try_from(dice.between(2, scene.shape.hosts as u64 - 1)).unwrap();
            Trouble::Cut { host, for_ms: dice.between(5_000, 50_000) }
        }
        2 | 3 => {
            let (service, kind, fault, permille) = rule(dice);
            Trouble::Cloud { service, kind, fault, permille, for_ms: dice.between(2_000, 60_000) }
        }
        4 => Trouble::TokensRevoked,
        5 => Trouble::BusStopped { for_ms: dice.between(3_000, 60_000) },
        6 => Trouble::DatabaseAway { for_ms: dice.between(1_000, 30_000) },
        7 => Trouble::EngineKilled { engine },
        8 => Trouble::EngineAsleep { engine, for_ms: dice.between(2_000, 60_000) },
        _ => {
            let by_ms = i64::try_from(dice.between(0, 1_800)).unwrap() - 900;
            Trouble::ClockSet { engine, by_ms }
        }
    };
    (at_ms, trouble)
}

/// The clock of one engine's machine.
#[derive(Debug)]
struct SetClock {
    clock: Arc<dyn Clock>,
    began: Boot,
    sets: Vec<(u64, i64)>,
}

#[async_trait::async_trait]
impl Clock for SetClock {
    fn wall(&self) -> Millis {
        let ms = u64::try_from(self.clock.boot().since(self.began).as_millis()).unwrap();
        let by_ms = self.sets.iter().filter(|(at_ms, _)| *at_ms <= ms).map(|(_, by_ms)| by_ms);
        self.clock.wall().plus(by_ms.sum::<i64>().clamp(-900, 900))
    }

    fn boot(&self) -> Boot {
        self.clock.boot()
    }

    async fn sleep(&self, wait: Duration) {
        self.clock.sleep(wait).await;
    }
}

/// The clock by which an engine lives.
pub fn clock_of(stage: &Stage, engine: usize) -> Arc<dyn Clock> {
    let sets = stage.scene.whole.as_ref().map(|whole| whole.clock_sets(engine)).unwrap_or_default();
    if sets.is_empty() {
        return stage.clock.clone();
    }
    Arc::new(SetClock { clock: stage.clock.clone(), began: stage.began_boot, sets })
}

/// What the scene lets happen, each at its time.
pub async fn happens(stage: &Stage) {
    let Some(whole) = &stage.scene.whole else { return };
    let troubles =
        whole.troubles.iter().map(|(at_ms, trouble)| happens_once(stage, *at_ms, trouble));
    futures::future::join_all(troubles).await;
}

async fn happens_once(stage: &Stage, at_ms: u64, trouble: &Trouble) {
    stage.at(at_ms).await;
    stage.note(format!("{} ({trouble:?})", trouble.name()));
    let wait = Duration::from_millis(trouble.for_ms());
    match trouble {
        Trouble::Cut { host, .. } => {
            let host = stage.host(*host);
            stage.world.cut_host(&host);
            stage.clock.sleep(wait).await;
            stage.world.heal_host(&host);
        }
        Trouble::TokensRevoked => stage.world.revoke_tokens(),
        Trouble::EngineKilled { engine } => {
            if let Some(life) = life_of(stage, *engine) {
                life.kill();
            }
        }
        Trouble::EngineAsleep { engine, .. } => {
            if let Some(life) = life_of(stage, *engine) {
                life.pause();
                stage.clock.sleep(wait).await;
                life.resume();
            }
        }
        // Who asks them finds out.
        Trouble::Cloud { .. }
        | Trouble::BusStopped { .. }
        | Trouble::DatabaseAway { .. }
        | Trouble::ClockSet { .. } => {}
    }
}

fn life_of(stage: &Stage, engine: usize) -> Option<Process> {
    let id = format!("engine-{engine}.");
    stage.lives.lock().unwrap().iter().rfind(|life| life.id().starts_with(&id)).cloned()
}

/// A monitor says that the host is dead, until an API process has answered; and says it again afterwards.
pub async fn report(stage: &Stage, host: &HostName) {
    let Some(whole) = &stage.scene.whole else { return };
    let mut answered = 0;
    let mut deaths = whole.api_deaths.iter();
    for n in 0.. {
        let process = Process::new(format!("api.{n}"), stage.clock.clone());
        if let Some((crossing, when)) = deaths.next() {
            process.die_at(*crossing, *when);
        }
        let new =
            stage.death_of(host, format!("report-{host}{}", again(n)), format!("death of {host}"));
        stage.lives.lock().unwrap().push(process.clone());
        match tells(stage, &process, new).await {
            Some(Accepted::New(_)) if answered > 0 => {
                stage.note(format!("a report of {host} that repeats another is accepted"));
                return;
            }
            Some(Accepted::New(_) | Accepted::Duplicate(_)) => answered += 1,
            None => {}
        }
        if answered > whole.repeats {
            return;
        }
        stage.clock.sleep(Duration::from_secs(5)).await;
        if stage.world.condition(host) == Condition::Alive
            && !stage.scene.false_alarm
            && answered > 0
        {
            return;
        }
    }
}

fn again(n: usize) -> String {
    if n == 0 { String::new() } else { format!("-{n}") }
}

/// `None`: nobody has answered, and nobody knows whether it was accepted.
async fn tells(stage: &Stage, process: &Process, new: NewNotification) -> Option<Accepted> {
    let api = stage.memory.handle(stage.gate(process, 77 + new.now.0.unsigned_abs()));
    let said = new.evidence.clone();
    let accepting = async {
        let accepted = api.accept(new).await.ok()?;
        if let (Accepted::Duplicate(_), Some(said)) = (&accepted, said) {
            api.say_again(&said, 10_000).await.ok()?;
        }
        Some(accepted)
    };
    let died = std::pin::pin!(process.died());
    match futures::future::select(std::pin::pin!(accepting), died).await {
        futures::future::Either::Left((accepted, _)) => accepted,
        futures::future::Either::Right(_) => {
            stage.note(format!("{} dies while it accepts a report", process.id()));
            stage.died(process);
            None
        }
    }
}

/// No report is accepted twice.
pub fn at_every_step(stage: &Stage) -> Result<(), String> {
    if stage.scene.whole.is_none() {
        return Ok(());
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for report in stage.memory.all_notifications() {
        let times =
            times.entry(format!("{:?} of {}", report.kind, report.source_host)).or_default();
        *times += 1;
        if *times > 1 {
            return Err(format!("a report was accepted twice: {}", report.uuid));
        }
    }
    Ok(())
}

/// What is left undone when all reports are over; it may be done a while later.
pub async fn unsettled(stage: &Stage) -> Option<String> {
    stage.scene.whole.as_ref()?;
    let ours = |why: &Option<String>| why.as_ref().is_some_and(|why| why.starts_with("masakari"));
    if let Some((server, _)) = stage.world.locked().into_iter().find(|(_, why)| ours(why)) {
        return Some(format!("{server} was left locked"));
    }
    if stage.scene.back.is_some() {
        let away = stage.memory.away(1_000).await.unwrap();
        for host in stage.world.hosts() {
            let recorded = away.iter().any(|away| away.host.name == host);
            let serves = stage.world.service(&host).is_none_or(|s| s.enabled && !s.forced_down);
            if !serves && !recorded {
                return Some(format!("{host} is out of service, and no record says why"));
            }
            if recorded && stage.world.condition(&host) == Condition::Alive {
                let why = returns::waits_for(stage, &host);
                return Some(format!("{host} has been back for long and is not in service: {why}"));
            }
        }
    }
    None
}

/// What booted before Nova was done with its evacuations has copies that only its next start destroys, and waits. A
/// person does what is said of it; and then it must come back.
pub fn a_person_helps(stage: &Stage) {
    if stage.scene.whole.is_none() || stage.scene.back.is_none() {
        return;
    }
    for host in stage.world.hosts() {
        let why = returns::waits_for(stage, &host);
        let by_nova = why.contains("nova-compute destroys them when it is started")
            || why.starts_with("Nova is at work on");
        if by_nova && stage.world.restart_compute(&host) {
            stage.note(format!("a person restarts nova-compute of {host}: {why}"));
        }
    }
}

/// What was on a dead host whose recovery is finished is elsewhere, once, or a person is told which is not.
pub fn at_the_end(stage: &Stage) -> Result<(), String> {
    let rows = stage.memory.all_vmoves();
    for report in stage.memory.all_notifications() {
        if report.status == NotificationStatus::Failed && report.message.is_none() {
            return Err(format!("{} failed and does not say why", report.uuid));
        }
        let host = report.source_host.to_string();
        let host = HostName::new(host.trim_start_matches("id-"));
        let dead = stage.world.condition(&host) == Condition::Dead;
        if report.status != NotificationStatus::Finished || !dead {
            continue;
        }
        for server in stage.world.servers() {
            let told = rows.iter().any(|row| row.server == server.id && row.message.is_some());
            if server.host.as_ref() == Some(&host) && !told {
                return Err(format!("{} is still on {host}, and nobody is told", server.id));
            }
        }
    }
    for server in stage.world.servers() {
        let Some(host) = server.host.as_ref() else { continue };
        let lives = stage.world.condition(host) == Condition::Alive;
        let moved = rows.iter().any(|row| row.server == server.id && row.message.is_none());
        let runs = stage.world.running(&server.id).len();
        if lives && moved && server.vm_state == VmState::Active && runs != 1 {
            return Err(format!("{} is active, was moved, and runs {runs} times", server.id));
        }
    }
    Ok(())
}
