//! Histories: what happens to a host by a seed, while its monitor is killed at its writes, and what must be true of the
//! reports that arrive. The VMs and the guests are watched by one process, as `masakari monitor` has it.
//!
//! * None is delivered that does not hold: what it says is so, or was so a moment ago.
//! * None that holds is lost: who is dead at the end, and was known to run, has been reported since he died.
//! * Those about one VM arrive in the order in which they were seen, and none twice.

use crate::{
    disk::Disk,
    fake::{Agent, Fake},
    false_api::{Api, Mood, Taken},
    suite::World,
};
use chrono::DateTime;
use monitor::{
    Board, Sender, SendingConfig, Watched,
    guests::{self, Asker, Asking, Commands, GuestsConfig, Patience, Rounds},
    instances::{self, InstancesConfig, Watch, Watcher, event::What},
    sending::{Folder, Sources, Spool},
};
use ports::{Clock, Entropy, SeededEntropy};
use sim::SimClock;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::Arc,
    time::Duration,
};

const VMS: [&str; 3] = [
    "11111111-2222-3333-4444-000000000001",
    "11111111-2222-3333-4444-000000000002",
    "11111111-2222-3333-4444-000000000003",
];
const HISTORIES: u64 = 200;
/// How long things happen, before all is well.
const LASTS_MS: u64 = 100 * 60_000;
/// The API is away for so long once.
const AWAY_MS: u64 = 30 * 60_000;
/// A monitor that has run for so long knows who runs, and has written down what it saw.
const KNOWS_MS: u64 = 3_000;
/// Within this a report is sent without a second look; and a look is a moment old when the report is sent.
const FRESH_MS: u64 = 5_000;
const MOMENT_MS: u64 = 50;
/// libvirt bears an agent that hangs for 5 s, in the look and in the second look; what it says may be as old.
const AGENT_MS: u64 = 12_000;
/// An agent that hangs is reported after this, if nothing comes in between.
const HUNG_MS: u64 = 150_000;

/// What is so of a VM, from a moment to another.
#[derive(Clone, Copy, Debug)]
struct Span {
    what: &'static str,
    from: u64,
    to: Option<u64>,
}

/// What is true of a VM, whoever knows it.
#[derive(Default, Debug)]
struct Truth {
    spans: Vec<Span>,
    /// A monitor has seen that it runs, and written it down.
    is_known: bool,
    /// It died, and nobody need have seen that.
    is_unheard: bool,
    /// It died after it was known, and that must be told.
    must_be_told: bool,
    /// Its agent was seen to live by the process that runs now.
    agent_is_known: bool,
    /// For how long it has hung in this run while that could be seen; once a run it is told.
    hung_ms: u64,
    hangs_in_run: u32,
    hang_must_be_told: bool,
}

impl Truth {
    fn is(&self, what: &str) -> bool {
        self.spans.iter().any(|span| span.what == what && span.to.is_none())
    }

    fn begins(&mut self, what: &'static str, now: u64) {
        self.spans.push(Span { what, from: now, to: None });
    }

    fn ends(&mut self, what: &str, now: u64) {
        for span in self.spans.iter_mut().filter(|span| span.what == what && span.to.is_none()) {
            span.to = Some(now);
        }
    }

    /// Whether this was so at `at`, or until a `moment` before it.
    fn was(&self, what: &str, at: u64, moment_ms: u64) -> bool {
        let was = |span: &Span| span.from <= at && span.to.is_none_or(|to| at <= to + moment_ms);
        self.spans.iter().any(|span| span.what == what && was(span))
    }

    fn begun(&self, what: &str) -> Option<u64> {
        self.spans.iter().find(|span| span.what == what && span.to.is_none()).map(|span| span.from)
    }
}

struct Host {
    fake: Fake,
    api: Api,
    disk: Disk,
    clock: SimClock,
    chance: SeededEntropy,
    /// Whether guests are watched, too, which takes most of the time.
    with_guests: bool,
    boot: Cell<u32>,
    truth: RefCell<BTreeMap<&'static str, Truth>>,
    monitor_runs: Cell<bool>,
    daemon_runs: Cell<bool>,
    api_is_well_at: Cell<u64>,
    was_away: Cell<bool>,
    /// What happened, for who has to find out why it failed.
    story: RefCell<Vec<String>>,
    /// How often the monitor was killed at a write.
    killed: Cell<u32>,
}

impl Host {
    fn new(seed: u64) -> Self {
        let (fake, disk) = (Fake::new(), Disk::default());
        let clock = fake.sim_clock();
        let truth = VMS.iter().map(|vm| (*vm, Truth::default())).collect();
        Self {
            api: Api::new(clock),
            fake,
            disk,
            clock,
            chance: SeededEntropy::new(seed),
            with_guests: seed.is_multiple_of(4),
            boot: Cell::new(1),
            truth: RefCell::new(truth),
            monitor_runs: Cell::new(false),
            daemon_runs: Cell::new(true),
            api_is_well_at: Cell::new(0),
            was_away: Cell::new(false),
            story: RefCell::default(),
            killed: Cell::new(0),
        }
    }

    fn below(&self, many: u64) -> u64 {
        self.chance.bits() % many
    }

    fn now(&self) -> u64 {
        self.clock.boot().0
    }

    fn note(&self, what: &str) {
        self.story.borrow_mut().push(format!("{:>8} ms: {what}", self.now()));
    }

    fn change<T>(&self, vm: &str, change: impl FnOnce(&mut Truth) -> T) -> T {
        change(self.truth.borrow_mut().get_mut(vm).unwrap())
    }

    fn change_all(&self, change: impl FnMut(&mut Truth)) {
        self.truth.borrow_mut().values_mut().for_each(change);
    }

    /// One process of the monitor's, until it is dropped.
    async fn monitor(&self) {
        let clock: Arc<dyn Clock> = Arc::new(self.clock);
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(self.chance.bits()));
        let folder: Arc<dyn Folder> = Arc::new(self.disk.in_use());
        let boot_id = format!("boot-{}", self.boot.get());
        let sources = Sources::default();
        let (reporter, sender) = Sender::new(
            &SendingConfig::of_python(12, Duration::from_secs(10)),
            Some(Spool::new(Arc::clone(&folder), boot_id.clone())),
            self.api.client(&entropy),
            Arc::new(sources.clone()),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let board = Board::new(Arc::clone(&clock));
        let watcher = Watcher::default();
        sources.set(Watched::Instances, Arc::new(watcher.clone()));
        let watch = Watch {
            config: InstancesConfig { hostname: "cmp1".into(), boot_id },
            hypervisor: self.fake.hypervisor(),
            watcher,
            reporter: reporter.clone(),
            mark: board.mark("instances", Some(Watched::Instances), instances::TURN_MOST),
            folder: Some(folder),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        };
        let asker = Asker::new(Asking {
            socket: r"/agents/instance-.*\.sock".parse().unwrap(),
            patience: Duration::from_secs(2),
            commands: Commands::default(),
        });
        sources.set(Watched::Guests, Arc::new(asker.clone()));
        let patience = Patience { threshold: 3, shutdown: Duration::from_secs(75) };
        let interval = Duration::from_secs(10);
        let rounds = Rounds {
            answer: monitor::guests::Waiting::default(),
            config: GuestsConfig { hostname: "cmp1".into(), interval, patience },
            hypervisor: self.fake.hypervisor_for_guests(),
            asker,
            reporter,
            mark: board.mark("guests", Some(Watched::Guests), guests::TURN_MOST),
            clock,
            entropy,
        };
        tokio::select! {
            () = sender.run(std::future::pending()) => {}
            () = watch.run() => {}
            () = rounds.run(), if self.with_guests => {}
        }
    }

    /// A process lives while things happen, until it is killed at one of its writes or anywhere else.
    async fn a_life(&self, until: u64) {
        let operations = usize::try_from(self.below(16)).unwrap();
        match self.below(3) {
            0 => self.disk.kills_before(operations),
            1 => self.disk.kills_after(operations),
            _ => {}
        }
        let end = until.min(self.now() + 1_000 + self.below(20 * 60_000));
        self.note("a monitor begins");
        self.monitor_runs.set(true);
        tokio::select! {
            biased;
            () = self.disk.killed() => {}
            () = self.monitor() => {}
            () = self.happens_until(end) => {}
        }
        self.monitor_runs.set(false);
        self.note("it is killed");
        self.killed.set(self.killed.get() + u32::from(self.disk.begins_anew()));
        self.change_all(|truth| (truth.agent_is_known, truth.hung_ms) = (false, 0));
    }

    async fn happens_until(&self, end: u64) {
        while self.now() < end {
            self.something_happens().await;
            // Often within a moment, and sometimes long apart.
            let ms = match self.below(3) {
                0 => self.below(20),
                1 => self.below(6_000),
                _ => self.below(200_000),
            };
            self.passes(ms.min(end.saturating_sub(self.now()))).await;
        }
    }

    /// Nothing happens for a while, in which a monitor learns what there is.
    async fn passes(&self, ms: u64) {
        self.clock.sleep(Duration::from_millis(ms.max(1))).await;
        if !self.monitor_runs.get() || !self.daemon_runs.get() || ms < KNOWS_MS {
            return;
        }
        self.change_all(|truth| {
            truth.is_known |= truth.is("runs");
            truth.is_unheard = false;
            match truth.is("hangs") && truth.agent_is_known && self.with_guests {
                true => truth.hung_ms += ms - KNOWS_MS,
                false => {
                    truth.agent_is_known |= truth.is("runs") && !truth.is("hangs") && ms > 25_000
                }
            }
            truth.hang_must_be_told |= truth.hung_ms > HUNG_MS && truth.hangs_in_run == 1;
        });
    }

    async fn something_happens(&self) {
        let vm = VMS[usize::try_from(self.below(3)).unwrap()];
        let (runs, dead) = self.change(vm, |truth| (truth.is("runs"), truth.is("off")));
        match self.below(20) {
            0..=3 if runs => self.dies(vm).await,
            4 if runs && self.daemon_runs.get() => self.is_destroyed(vm).await,
            5 if runs => {
                let now = self.now();
                self.change(vm, |truth| {
                    (truth.agent_is_known, truth.hung_ms) = (false, 0);
                    truth.begins("reboots", now);
                    truth.ends("reboots", now);
                });
                // As recorded: more than once for one.
                for _ in 0..3 {
                    self.fake.says(vm, What::Reboot);
                    self.clock.sleep(Duration::from_millis(70)).await;
                }
            }
            6..=8 if runs => self.agent_hangs(vm, !self.change(vm, |truth| truth.is("hangs"))),
            0..=8 if !runs && self.daemon_runs.get() => self.starts(vm).await,
            9 if dead && self.daemon_runs.get() => self.leaves(vm).await,
            10 | 11 if self.daemon_runs.get() => self.daemon_stops().await,
            10..=13 if !self.daemon_runs.get() => self.daemon_starts().await,
            14 => self.api_turns(Mood::Status(503), self.below(60_000)),
            15 => self.api_turns(Mood::Silent, self.below(60_000)),
            16 => self.api_turns(Mood::Mute, self.below(60_000)),
            17 => self.api_turns(Mood::Slow(Duration::from_secs(20)), self.below(60_000)),
            18 | 19 if !self.was_away.replace(true) => {
                self.api_is_well_at.set(0);
                self.api_turns(Mood::Away, AWAY_MS);
            }
            _ if self.now() >= self.api_is_well_at.get() => self.api.is(Mood::Well),
            _ => {}
        }
    }

    fn api_turns(&self, mood: Mood, ms: u64) {
        if self.now() >= self.api_is_well_at.get() {
            self.note(&format!("the API is {mood:?} for {ms} ms"));
            self.api.is(mood);
            self.api_is_well_at.set(self.now() + ms);
        }
    }

    async fn starts(&self, vm: &'static str) {
        self.note(&format!("{vm} is started"));
        self.fake.agent(vm, Agent::Lives);
        let now = self.now();
        self.change(vm, |truth| {
            let spans = std::mem::take(&mut truth.spans);
            *truth = Truth { spans, ..Truth::default() };
            truth.ends("off", now);
            truth.ends("is here", now);
            truth.begins("runs", now);
        });
        self.fake.start(vm, true).await;
    }

    fn stops(&self, vm: &str) {
        let now = self.now();
        self.change(vm, |truth| {
            truth.ends("runs", now);
            truth.ends("hangs", now);
            truth.begins("off", now);
            (truth.agent_is_known, truth.hang_must_be_told) = (false, false);
        });
    }

    async fn dies(&self, vm: &'static str) {
        self.note(&format!("{vm} dies"));
        self.stops(vm);
        self.change(vm, |truth| {
            (truth.must_be_told, truth.is_unheard) = (truth.is_known, true);
        });
        self.fake.kill(vm).await;
    }

    async fn is_destroyed(&self, vm: &'static str) {
        self.note(&format!("{vm} is destroyed"));
        self.stops(vm);
        self.fake.destroy(vm).await;
    }

    async fn leaves(&self, vm: &'static str) {
        self.note(&format!("{vm} leaves"));
        let now = self.now();
        self.change(vm, |truth| {
            truth.ends("off", now);
            truth.must_be_told = false;
        });
        self.fake.undefine(vm).await;
    }

    fn agent_hangs(&self, vm: &str, hangs: bool) {
        self.note(&format!("{vm} hangs: {hangs}"));
        let now = self.now();
        self.fake.agent(vm, if hangs { Agent::Hangs } else { Agent::Lives });
        self.change(vm, |truth| match hangs {
            true => {
                truth.begins("hangs", now);
                (truth.hung_ms, truth.hangs_in_run) = (0, truth.hangs_in_run + 1);
            }
            false => {
                truth.ends("hangs", now);
                (truth.hung_ms, truth.hang_must_be_told) = (0, false);
            }
        });
    }

    /// libvirtd forgets why a VM stopped.
    async fn daemon_stops(&self) {
        self.note("libvirtd stops");
        self.daemon_runs.set(false);
        self.change_all(|truth| {
            truth.must_be_told &= !truth.is_unheard;
            truth.hung_ms = 0;
        });
        self.fake.daemon_stops().await;
    }

    async fn daemon_starts(&self) {
        self.note("libvirtd starts");
        self.daemon_runs.set(true);
        self.fake.daemon_starts().await;
    }

    /// The host is booted: nobody runs, and what was before is nobody's failure.
    async fn boots(&self) {
        self.note("the host is booted");
        self.boot.set(self.boot.get() + 1);
        let now = self.now();
        self.fake.daemon_stops().await;
        for vm in VMS.iter().filter(|vm| self.change(vm, |truth| truth.is("runs"))) {
            self.fake.kill(vm).await;
            self.stops(vm);
        }
        self.fake.daemon_starts().await;
        self.daemon_runs.set(true);
        // They are off, and that is no failure of theirs.
        self.change_all(|truth| {
            truth.ends("off", now);
            truth.begins("is here", now);
            truth.must_be_told = false;
        });
    }

    /// Everything is well at last.
    async fn ends(&self) {
        self.note("all is well");
        self.api.is(Mood::Well);
        if !self.daemon_runs.get() {
            self.daemon_starts().await;
        }
        self.monitor_runs.set(true);
        tokio::select! {
            () = self.monitor() => {}
            () = self.clock.sleep(Duration::from_secs(300)) => {}
        }
    }
}

/// When it was seen, by its own words.
fn seen_at(taken: &Taken) -> u64 {
    let text = taken.report["generated_time"].as_str().unwrap();
    let wall_ms = DateTime::parse_from_rfc3339(&format!("{text}Z")).unwrap().timestamp_millis();
    u64::try_from(wall_ms - sim::EPOCH.0).unwrap()
}

fn holds(taken: &Taken, truth: &Truth) -> bool {
    let seen = seen_at(taken);
    let is_fresh = taken.at <= seen + FRESH_MS + MOMENT_MS;
    let is_so = |what, moment_ms| {
        truth.was(what, taken.at, moment_ms) || is_fresh && truth.was(what, seen, moment_ms)
    };
    match taken.word("event") {
        "LIFECYCLE" => is_so("off", MOMENT_MS),
        "QEMU_GUEST_AGENT_ERROR" => is_so("hangs", AGENT_MS),
        // It says something of the run in which it was seen.
        "REBOOT" => truth.spans.iter().any(|span| {
            let lasted = span.to.is_none_or(|to| taken.at <= to + MOMENT_MS || is_fresh);
            span.what == "runs" && span.from <= seen && lasted
        }),
        other => panic!("{other}"),
    }
}

fn judge(seed: u64, host: &Host) {
    let taken = host.api.taken();
    let story = || host.story.borrow().join("\n");
    for (vm, truth) in &*host.truth.borrow() {
        let of_vm: Vec<_> =
            taken.iter().filter(|taken| taken.word("instance_uuid") == *vm).collect();
        for report in &of_vm {
            assert!(holds(report, truth), "seed {seed}: it does not hold: {report:?}\n{}", story());
        }
        let seen: Vec<_> = of_vm.iter().map(|report| seen_at(report)).collect();
        assert!(seen.is_sorted(), "seed {seed}: out of order: {of_vm:#?}\n{}", story());
        // Who is killed after a report was answered and before that is written tells it once more.
        let most = |what: &str| {
            let spans = truth.spans.iter().filter(|span| span.what == what).count();
            spans + usize::try_from(host.killed.get()).unwrap()
        };
        for (what, event) in [("off", "LIFECYCLE"), ("reboots", "REBOOT")] {
            let times = of_vm.iter().filter(|report| report.word("event") == event).count();
            assert!(times <= most(what), "seed {seed}: {times} times {event} of {vm}\n{}", story());
        }
        let told = |what: &str, event: &str| {
            let since = truth.begun(what).unwrap();
            of_vm.iter().any(|report| report.at >= since && report.word("event") == event)
        };
        if truth.must_be_told {
            assert!(told("off", "LIFECYCLE"), "seed {seed}: lost: {vm} is dead\n{}", story());
        }
        if truth.hang_must_be_told {
            assert!(
                told("hangs", "QEMU_GUEST_AGENT_ERROR"),
                "seed {seed}: lost: {vm} hangs\n{}",
                story()
            );
        }
    }
}

async fn history(seed: u64) -> Host {
    let host = Host::new(seed);
    for vm in VMS {
        host.starts(vm).await;
    }
    while host.now() < LASTS_MS {
        host.a_life(LASTS_MS).await;
        if host.below(12) == 0 {
            host.boots().await;
        }
        let ms = host.below(2) * host.below(120_000);
        host.happens_until((host.now() + ms).min(LASTS_MS)).await;
    }
    host.ends().await;
    judge(seed, &host);
    host
}

/// Runs it by a single thread for the disk, so that a seed repeats it.
fn told<T>(story: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).max_blocking_threads(1);
    runtime.build().unwrap().block_on(story)
}

#[test]
fn whatever_happens_no_report_that_holds_is_lost_and_none_is_delivered_that_does_not() {
    let (mut killed, mut late, mut must) = (0, 0, 0);
    for seed in 0..HISTORIES {
        let host = told(history(seed));
        killed += host.killed.get();
        let is_late = |taken: &&Taken| taken.at > seen_at(taken) + FRESH_MS;
        late += host.api.taken().iter().filter(is_late).count();
        must += host.truth.borrow().values().filter(|truth| truth.must_be_told).count();
    }
    // They show something.
    assert!(killed > 500 && late > 200 && must > 100, "{killed} killed, {late} late, {must} must");
}

#[test]
fn a_monitor_that_is_killed_at_any_write_tells_who_is_dead_when_it_is_back_and_nobody_else() {
    for operations in 0..16 {
        for is_before in [true, false] {
            let host = told(killed_at(operations, is_before));
            let taken = host.api.taken();
            let told: Vec<_> = taken.iter().map(|taken| taken.word("instance_uuid")).collect();
            assert_eq!(told, [VMS[0]], "killed at operation {operations}, before it: {is_before}");
        }
    }
}

/// Two VMs die while the API is away; one is back before it.
async fn killed_at(operations: usize, is_before: bool) -> Host {
    let host = Host::new(1);
    for vm in VMS {
        host.starts(vm).await;
    }
    let sleep = |seconds| host.clock.sleep(Duration::from_secs(seconds));
    host.api.is(Mood::Away);
    let story = async {
        sleep(10).await;
        match is_before {
            true => host.disk.kills_before(operations),
            false => host.disk.kills_after(operations),
        }
        host.dies(VMS[0]).await;
        host.dies(VMS[1]).await;
        sleep(60).await;
    };
    tokio::select! {
        biased;
        () = host.disk.killed() => {}
        () = host.monitor() => {}
        () = story => {}
    }
    host.disk.begins_anew();
    sleep(AWAY_MS / 1000).await;
    host.starts(VMS[1]).await;
    host.ends().await;
    host
}
