//! What one seed means: the cloud, who dies when, and what fails.

use crate::by_hand::{Ask, ByHand, What};
use crate::fences::Fence;
use crate::guard::Storm;
use crate::own_steps::Own;
use crate::returns::Back;
use crate::soak::Hit;
use crate::whole::Whole;
use ports::{Entropy, SeededEntropy};
use recovery::{nouns::RecoveryMethod, rules::Owners, seen::VmState};
use sim::{Bmc, Fault, Kind, Pace, Plan, Rule, Service, Shape, When};

/// Everything that is decided before a history begins.
#[derive(Clone, Debug)]
pub struct Scene {
    pub seed: u64,
    pub shape: Shape,
    /// When the host dies, after the beginning.
    pub dies_at_ms: u64,
    /// When the monitor reports it, after that.
    pub reported_after_ms: u64,
    /// The monitor is wrong: the host lives.
    pub false_alarm: bool,
    /// A person confirms the death.
    pub confirmed: bool,
    /// That was said before, and whether or not it is true.
    pub old_word: Option<OldWord>,
    /// The cluster that fenced it attests that.
    pub attested: bool,
    /// The host has power again so long after its death.
    pub revived_after_ms: Option<u64>,
    /// A second host dies so long after the first.
    pub second_after_ms: Option<u64>,
    /// So long after the first death the other hosts have room, which had little or none before.
    pub room_after_ms: Option<u64>,
    /// For so many servers on each of them; more than there are if not set.
    pub room_for: Option<usize>,
    /// How long after the first report of its death other monitors say the same.
    pub said_again_ms: Vec<u64>,
    /// When the owner of the dead host's first server deletes it, after its death.
    pub deleted_after_ms: Option<u64>,
    /// When a person evacuates that server, after its death.
    pub moved_after_ms: Option<u64>,
    /// So long after the beginning a person has one of the host's servers leave it alive.
    pub leaves_ms: Option<u64>,
    /// How many recoveries each engine runs at once, if not as many as it would.
    pub recoveries_most: Option<usize>,
    /// When the engines are told (SIGHUP) that servers wait so many milliseconds for room.
    pub other_wait: Option<(u64, i64)>,
    /// How long after the first death further hosts die: those on which its first server is then.
    pub killed_after_ms: Vec<u64>,
    /// How long the world is watched after the last recovery is over.
    pub watched_on_ms: u64,
    /// How much longer each call that locks a server takes.
    pub slow_locks_ms: u64,
    /// The segment's.
    pub method: RecoveryMethod,
    pub within_segment: bool,
    pub engines: Vec<EngineScript>,
    pub faults: Option<Faults>,
    /// What persons ask meanwhile.
    pub by_hand: ByHand,
    /// `[recovery] ordered_restart`.
    pub tiers: bool,
    /// Instead of the host's death: a VM or a process of it fails.
    pub small: Option<Small>,
    /// The operator's own steps.
    pub own: Own,
    /// The hosts have fence devices, and only proof is enough.
    pub fence: Option<Fence>,
    /// The engines look after lost hosts, and the first one comes back.
    pub back: Option<Back>,
    /// What hits the recovery, once.
    pub hit: Option<Hit>,
    /// Many hosts at once.
    pub storm: Storm,
    /// A plan of the host is asked for before it dies.
    pub foretold: bool,
    /// Whose servers are left alone.
    pub owners: Owners,
    /// Whatever can happen besides.
    pub whole: Option<Whole>,
}

/// Why a person's word reaches an engine half a minute after it was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OldWord {
    /// No engine ran.
    Waited,
    /// Who passes it on says when it was.
    PassedOn,
}

/// A failure on a host that lives, or seems to.
#[derive(Clone, Debug)]
pub struct Small {
    pub of: Of,
    /// How often it is reported, 20 s apart.
    pub reports: u64,
    /// When the host dies too, after the beginning; it is reported 30 s later.
    pub host_dies_ms: Option<u64>,
    /// When the VM's owner deletes it.
    pub deleted_ms: Option<u64>,
    /// How long the first report had waited for an engine.
    pub waited_ms: i64,
    /// When locks that engines, or others, had sent before arrive.
    pub locked_ms: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    Vm(VmState),
    Process(&'static str),
}

/// What happens to one engine: how many crossings of its ports each of its lives has.
#[derive(Clone, Debug)]
pub struct EngineScript {
    pub deaths: Vec<(usize, When)>,
    /// And where else each of them ends: at the n-th crossing of a place.
    pub dies_at: Vec<(&'static str, usize, When)>,
    /// At which crossing of the first life it stands still, and how long.
    pub pause: Option<(usize, u64)>,
    /// How long it stands still when it first takes a lease, after it has looked who holds it.
    pub slow_to_take_ms: Option<u64>,
    /// It is started again after its death sooner than that.
    pub rest_ms: u64,
}

/// What fails for a while.
#[derive(Clone, Debug)]
pub struct Faults {
    pub rules: Vec<(Service, Kind, Fault, u64)>,
    pub from_ms: u64,
    pub until_ms: u64,
    /// Of 1000 transactions, how many do not reach the database, or lose their answer.
    pub store_permille: u64,
    pub build_fails_permille: u64,
    pub loses_touch_permille: u64,
}

/// An engine to which nothing happens.
pub fn undisturbed() -> EngineScript {
    EngineScript {
        deaths: Vec::new(),
        dies_at: Vec::new(),
        pause: None,
        slow_to_take_ms: None,
        rest_ms: 3_000,
    }
}

/// What a seed decides.
#[derive(Debug)]
pub struct Dice(SeededEntropy);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    fn below(&self, n: u64) -> u64 {
        self.0.bits() % n.max(1)
    }

    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

impl Scene {
    /// A host dies, its monitor reports it, and one engine recovers it: nothing else happens.
    pub fn plain() -> Self {
        Self {
            seed: 11,
            shape: Shape::default(),
            dies_at_ms: 1_000,
            reported_after_ms: 14_000,
            false_alarm: false,
            confirmed: false,
            old_word: None,
            attested: false,
            revived_after_ms: None,
            second_after_ms: None,
            room_after_ms: None,
            room_for: None,
            said_again_ms: Vec::new(),
            deleted_after_ms: None,
            moved_after_ms: None,
            leaves_ms: None,
            recoveries_most: None,
            other_wait: None,
            killed_after_ms: Vec::new(),
            watched_on_ms: 1_000,
            slow_locks_ms: 0,
            method: RecoveryMethod::Auto,
            within_segment: false,
            engines: vec![undisturbed()],
            faults: None,
            by_hand: ByHand::default(),
            tiers: false,
            small: None,
            own: Own::default(),
            fence: None,
            back: None,
            hit: None,
            storm: Storm::default(),
            foretold: false,
            owners: Owners::default(),
            whole: None,
        }
    }

    pub fn from_seed(seed: u64) -> Self {
        let dice = Dice::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let false_alarm = dice.percent(10);
        let lives = !false_alarm;
        let mut scene = Self {
            seed,
            shape: shape(&dice),
            dies_at_ms: dice.between(5_000, 60_000),
            reported_after_ms: dice.between(0, 90_000),
            false_alarm,
            confirmed: lives && dice.percent(40),
            revived_after_ms: (lives && dice.percent(20)).then(|| dice.between(60_000, 400_000)),
            second_after_ms: (lives && dice.percent(25)).then(|| dice.between(0, 120_000)),
            watched_on_ms: 0,
            engines: (0..if dice.percent(50) { 2 } else { 1 }).map(|_| engine(&dice)).collect(),
            faults: dice.percent(60).then(|| faults(&dice)),
            ..Self::plain()
        };
        // Drawn last, so that what the seeds meant before stays.
        if dice.percent(60) {
            scene.method = RecoveryMethod::ALL[usize::try_from(dice.below(4)).unwrap()];
            scene.shape.reserved = usize::try_from(dice.below(4)).unwrap();
            scene.shape.hosts += scene.shape.reserved;
            scene.shape.aggregates = usize::try_from(dice.below(3)).unwrap();
            scene.within_segment = dice.percent(20);
        }
        if dice.percent(20) {
            let spare = usize::try_from(dice.below(3)).unwrap();
            scene.shape.vms_per_host_max = scene.shape.vms_per_host + spare;
            scene.room_after_ms = Some(dice.between(30_000, 500_000));
        }
        if scene.engines.len() > 1 && dice.percent(40) {
            scene.engines[0].slow_to_take_ms = Some(dice.between(300, 30_000));
        }
        scene
    }

    /// The same trouble, in a cloud whose hosts have BMCs; some hosts hang and run on unheard.
    pub fn fenced_from_seed(seed: u64) -> Self {
        let dice = Dice::new(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let scene = Self::from_seed(seed);
        let hangs = dice.percent(50);
        let bmc = match dice.below(10) {
            0 => Bmc::Dead,
            1 => Bmc::WrongPassword,
            2 => Bmc::Flapping,
            3 | 4 => Bmc::Slow { ms: dice.between(500, 12_000) },
            // One that lies about a host that nobody hears is found out by nobody.
            5 if scene.false_alarm || !hangs => Bmc::Lying { ms: 20 },
            _ => Bmc::Honest,
        };
        let side_by_side = if dice.percent(20) { 1 } else { 16 };
        let fence = Some(Fence { bmc, hangs, side_by_side, ..Fence::default() });
        Self { fence, ..scene }
    }

    /// The same trouble, and persons who cancel and retry.
    pub fn by_hand_from_seed(seed: u64) -> Self {
        let scene = Self::from_seed(seed);
        let from_ms = scene.dies_at_ms + scene.reported_after_ms;
        Self { by_hand: words(seed, from_ms), ..scene }
    }

    /// The same, around a small failure.
    pub fn small_by_hand_from_seed(seed: u64) -> Self {
        let scene = Self::small_from_seed(seed);
        let from_ms = scene.dies_at_ms + scene.reported_after_ms;
        Self { by_hand: words(seed, from_ms), ..scene }
    }

    /// Whether the `n`-th host of the world, from 0, is a reserved one.
    pub fn is_reserved(&self, n: usize) -> bool {
        n + self.shape.reserved >= self.shape.hosts
    }

    /// The same trouble around the failure of a VM or a process.
    pub fn small_from_seed(seed: u64) -> Self {
        let dice = Dice::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let of = match dice.below(10) {
            0..=1 => Of::Process("nova-compute"),
            2 => Of::Process("libvirtd"),
            3..=4 => Of::Vm(VmState::Stopped),
            _ => Of::Vm(VmState::Active),
        };
        let mut scene = Self::from_seed(seed);
        scene.false_alarm = false;
        scene.confirmed = false;
        scene.revived_after_ms = None;
        scene.second_after_ms = None;
        (scene.room_after_ms, scene.shape.vms_per_host_max) =
            (None, Shape::default().vms_per_host_max);
        // Should the host die too, its VMs find a place.
        scene.method = RecoveryMethod::Auto;
        scene.within_segment = false;
        scene.shape.vms_per_host = usize::try_from(dice.between(2, 4)).unwrap();
        scene.shape.ha_enabled_every = 1;
        scene.shape.error_every = 0;
        scene.shape.paused_every = 0;
        scene.shape.stopped_every = 2;
        let deaths = scene.dies_at_ms + scene.reported_after_ms;
        scene.small = Some(Small {
            of,
            reports: dice.between(1, 2),
            // Sometimes before the first report, sometimes amidst.
            host_dies_ms: dice
                .percent(40)
                .then(|| (deaths + dice.below(120_000)).saturating_sub(40_000)),
            deleted_ms: dice.percent(10).then(|| deaths + dice.below(30_000)),
            waited_ms: 0,
            locked_ms: None,
        });
        scene
    }
}

/// One to five words, most of them soon after the report.
fn words(seed: u64, from_ms: u64) -> ByHand {
    let dice = Dice::new(seed.wrapping_mul(0x9E6C_63D0_876A_68EE));
    let mut at_ms = from_ms;
    let words = (0..dice.between(1, 5)).map(|_| {
        at_ms += if dice.percent(60) { dice.below(20_000) } else { dice.below(200_000) };
        let what = if dice.percent(50) { What::Cancel } else { What::Retry };
        Ask { at_ms, what, twice: dice.percent(30) }
    });
    ByHand { words: words.collect(), insists: false }
}

fn shape(dice: &Dice) -> Shape {
    let every = |dice: &Dice, n| usize::try_from(dice.below(n)).unwrap();
    Shape {
        hosts: usize::try_from(dice.between(3, 5)).unwrap(),
        vms_per_host: usize::try_from(dice.between(1, 8)).unwrap(),
        ha_enabled_every: every(dice, 3),
        stopped_every: every(dice, 5),
        error_every: every(dice, 6),
        paused_every: every(dice, 6),
        locked_every: every(dice, 6),
        service_down_time_ms: 60_000,
        report_interval_ms: 10_000,
        resume_guests: dice.percent(50),
        page_max: usize::try_from(dice.between(2, 50)).unwrap(),
        token_life_ms: i64::try_from(dice.between(40_000, 3_600_000)).unwrap(),
        pace: Pace { latency_ms: 1..=dice.between(5, 400), ..Pace::default() },
        ..Shape::default()
    }
}

fn engine(dice: &Dice) -> EngineScript {
    let deaths = if dice.percent(70) { dice.between(1, 4) } else { 0 };
    let when = |dice: &Dice| if dice.percent(50) { When::Before } else { When::After };
    let crossing = |dice: &Dice| usize::try_from(dice.between(200, 1_200)).unwrap();
    EngineScript {
        deaths: (0..deaths).map(|_| (crossing(dice), when(dice))).collect(),
        dies_at: Vec::new(),
        pause: dice.percent(35).then(|| (crossing(dice), dice.between(2_000, 45_000))),
        slow_to_take_ms: None,
        rest_ms: 30_000,
    }
}

fn faults(dice: &Dice) -> Faults {
    let from_ms = dice.between(0, 120_000);
    let rules = (0..dice.between(1, 3)).map(|_| rule(dice)).collect();
    Faults {
        rules,
        from_ms,
        until_ms: from_ms + dice.between(5_000, 180_000),
        store_permille: if dice.percent(40) { dice.between(5, 300) } else { 0 },
        build_fails_permille: if dice.percent(30) { dice.between(50, 300) } else { 0 },
        loses_touch_permille: 0,
    }
}

/// One way in which Nova or Keystone fails, and at how many of 1000 requests.
pub fn rule(dice: &Dice) -> (Service, Kind, Fault, u64) {
    let service = if dice.percent(75) { Service::Compute } else { Service::Identity };
    let kind = [Kind::Any, Kind::Reads, Kind::Writes][usize::try_from(dice.below(3)).unwrap()];
    let fault = match dice.below(13) {
        0 => Fault::Away,
        1 => Fault::Slow { ms: dice.between(500, 40_000) },
        2 => Fault::Status(401),
        3 => Fault::Status(403),
        4 => Fault::Status(404),
        5 => Fault::Status(409),
        6 => Fault::TooMany { status: 413, retry_after_s: dice.between(1, 20) },
        7 => Fault::TooMany { status: 429, retry_after_s: dice.between(1, 20) },
        8 => Fault::Status(500),
        9 => Fault::Status(503),
        10 => Fault::Rubbish,
        11 => Fault::HalfBody,
        _ => Fault::Lost,
    };
    let permille = if dice.percent(30) { 1000 } else { dice.between(50, 700) };
    (service, kind, fault, permille)
}

impl Faults {
    /// The plan for a world that began at `began`.
    pub fn plan(&self, began: recovery::Millis) -> Plan {
        let at = |ms: u64| began.plus(i64::try_from(ms).unwrap());
        let rules = self.rules.iter().map(|(service, kind, fault, permille)| {
            Rule::always(*service, fault.clone())
                .only(*kind)
                .permille(*permille)
                .between(at(self.from_ms), at(self.until_ms))
        });
        Plan {
            rules: rules.collect(),
            build_fails_permille: self.build_fails_permille,
            loses_touch_permille: self.loses_touch_permille,
            ..Plan::default()
        }
    }
}
