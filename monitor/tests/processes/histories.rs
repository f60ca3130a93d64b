//! Histories: what becomes of a process and a unit by a seed, while their monitor is killed at its writes, and what must be true of
//! the reports that arrive.
//!
//! * None is delivered that does not hold: what it says has failed has, or had a moment ago.
//! * None that holds is lost: what has failed at the end, and could not be restarted, has been reported since.
//! * Those about one thing arrive in the order in which they were seen; of one failure each life of the monitor tells once.

use crate::{
    disk::Disk,
    fake::{Commands, Does, Fake},
    false_api::{Api, Mood, Taken},
    suite::{PLAIN, UnitWorld, World},
    watch::{NOVA, config},
};
use chrono::DateTime;
use monitor::{
    Board, Sender, SendingConfig,
    processes::{Limits, ProcessList, ProcessesConfig, Standing, TURN_MOST, WatchProcesses},
    sending::{Folder, Spool},
};
use ports::{Clock, Entropy, SeededEntropy};
use sim::SimClock;
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

const LIST: &str = "
- {process_name: /usr/bin/nova-compute, restart_command: restart nova}
- {unit: plain, process_name: neutron, restart_command: restart plain}
";
/// The name of each for what sees it, its restart command, and its name in a report.
const THINGS: [(&str, &str, &str); 2] =
    [(NOVA, "restart nova", "nova-compute"), (PLAIN, "restart plain", "neutron")];
const HISTORIES: u64 = 200;
/// How long things happen, before the API is well for good.
const LASTS_MS: u64 = 60 * 60_000;
/// The API is away for so long once.
const AWAY_MS: u64 = 30 * 60_000;
/// Within this a report is sent without a second look.
const FRESH_MS: u64 = 5_000;
/// That something is there is seen by looking, and it is looked so often.
const LOOKED_MS: u64 = 20_000;
const MOMENT_MS: u64 = LOOKED_MS + 1_000;

struct Host {
    fake: Fake,
    commands: Commands,
    api: Api,
    disk: Disk,
    list: tempfile::TempDir,
    clock: SimClock,
    chance: SeededEntropy,
    boot: Cell<u32>,
    /// When monitors began.
    begun: RefCell<Vec<u64>>,
    api_is_well_at: Cell<u64>,
    was_away: Cell<bool>,
    killed: Cell<u32>,
    /// What happened, for who has to find out why it failed.
    story: RefCell<Vec<String>>,
}

impl Host {
    async fn new(seed: u64) -> Self {
        let fake = Fake::new();
        let (clock, list) = (fake.sim_clock(), tempfile::tempdir().unwrap());
        std::fs::write(list.path().join("list.yaml"), LIST).unwrap();
        let host = Self {
            commands: Commands::new(&fake),
            api: Api::new(clock),
            fake,
            disk: Disk::default(),
            list,
            clock,
            chance: SeededEntropy::new(seed),
            boot: Cell::new(1),
            begun: RefCell::default(),
            api_is_well_at: Cell::new(0),
            was_away: Cell::new(false),
            killed: Cell::new(0),
            story: RefCell::default(),
        };
        for (name, command, _) in THINGS {
            host.starts(name).await;
            host.commands.does(command, &[Does::Starts(name)]);
        }
        host
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

    /// One process of the monitor's, until it is dropped.
    async fn monitor(&self) {
        let clock: Arc<dyn Clock> = Arc::new(self.clock);
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(self.chance.bits()));
        let folder: Arc<dyn Folder> = Arc::new(self.disk.in_use());
        let standing = Standing::default();
        let (reporter, sender) = Sender::new(
            &SendingConfig::of_python(12, Duration::from_secs(10)),
            Some(Spool::new(folder, format!("boot-{}", self.boot.get()))),
            self.api.client(&entropy),
            Arc::new(standing.clone()),
            Arc::clone(&clock),
            entropy,
        );
        let config = config(self.list.path().join("list.yaml"));
        // One that dies again and again is reported though it may be there: a matter of `supervise`.
        let limits = Limits { flap_restarts: usize::MAX, ..config.limits };
        let check_interval = Duration::from_millis(LOOKED_MS);
        let config = ProcessesConfig { limits, check_interval, ..config };
        let watch = WatchProcesses {
            list: ProcessList::read(&config.list_path, &config.systemctl).unwrap(),
            config,
            processes: self.fake.processes().sight(),
            units: self.fake.units().sight(),
            exec: Arc::new(self.commands.clone()),
            standing,
            reporter,
            mark: Board::new(clock.clone()).mark("processes", None, TURN_MOST),
            reread: Arc::default(),
            clock,
        };
        self.begun.borrow_mut().push(self.now());
        tokio::select! {
            () = sender.run(std::future::pending()) => {}
            () = watch.run() => {}
        }
    }

    /// A process lives while things happen, until it is killed at one of its writes or anywhere else.
    async fn a_life(&self, until: u64) {
        let operations = usize::try_from(self.below(8)).unwrap();
        match self.below(3) {
            0 => self.disk.kills_before(operations),
            1 => self.disk.kills_after(operations),
            _ => {}
        }
        let end = until.min(self.now() + 1_000 + self.below(15 * 60_000));
        self.note("a monitor begins");
        tokio::select! {
            biased;
            () = self.disk.killed() => {}
            () = self.monitor() => {}
            () = self.happens_until(end) => {}
        }
        self.note("it is killed");
        self.killed.set(self.killed.get() + u32::from(self.disk.begins_anew()));
    }

    async fn happens_until(&self, end: u64) {
        while self.now() < end {
            self.something_happens().await;
            let ms = match self.below(3) {
                0 => self.below(200),
                1 => self.below(8_000),
                _ => self.below(120_000),
            };
            let ms = ms.min(end.saturating_sub(self.now())).max(1);
            self.clock.sleep(Duration::from_millis(ms)).await;
        }
    }

    async fn something_happens(&self) {
        let (name, command, _) = THINGS[usize::try_from(self.below(2)).unwrap()];
        match self.below(16) {
            0..=4 => self.dies(name).await,
            5 | 6 => self.starts(name).await,
            7 if name == PLAIN => {
                self.note("plain is stopped");
                self.fake.units().stop(name).await;
            }
            7..=9 => self.restarts(name, command, &[Does::Fails]),
            10 => self.restarts(name, command, &[Does::Starts(name)]),
            11 => self.restarts(name, command, &[Does::Hangs, Does::Fails]),
            12 => self.api_turns(Mood::Status(503), self.below(60_000)),
            13 => self.api_turns(Mood::Mute, self.below(60_000)),
            14 | 15 if !self.was_away.replace(true) => {
                self.api_is_well_at.set(0);
                self.api_turns(Mood::Away, AWAY_MS);
            }
            _ if self.now() >= self.api_is_well_at.get() => self.api.is(Mood::Well),
            _ => {}
        }
    }

    fn restarts(&self, name: &str, command: &str, does: &[Does]) {
        self.note(&format!("a restart of {name}: {does:?}"));
        self.commands.does(command, does);
    }

    fn api_turns(&self, mood: Mood, ms: u64) {
        if self.now() >= self.api_is_well_at.get() {
            self.note(&format!("the API is {mood:?} for {ms} ms"));
            self.api.is(mood);
            self.api_is_well_at.set(self.now() + ms);
        }
    }

    async fn starts(&self, name: &str) {
        self.note(&format!("{name} is started"));
        match name == PLAIN {
            true => self.fake.units().start(name).await,
            false if !self.fake.processes().is_there(name) => {
                self.fake.processes().start(name).await;
            }
            false => {}
        }
    }

    async fn dies(&self, name: &str) {
        self.note(&format!("{name} dies"));
        match name == PLAIN {
            true if self.fake.has_failed(name, self.now()) => {}
            true => self.fake.units().kill(name).await,
            false => {
                while self.fake.processes().is_there(name) {
                    self.fake.processes().kill(name).await;
                }
            }
        }
    }

    /// The host is booted: all is there again, and what was before is nobody's failure.
    async fn boots(&self) {
        self.note("the host is booted");
        self.boot.set(self.boot.get() + 1);
        for (name, ..) in THINGS {
            self.starts(name).await;
        }
    }

    /// The API is well at last, and nothing more happens.
    async fn ends(&self) {
        self.note("all is well");
        self.api.is(Mood::Well);
        for (name, command, _) in THINGS {
            if self.fake.has_failed(name, self.now()) {
                self.restarts(name, command, &[Does::Fails]);
            }
        }
        tokio::select! {
            () = self.monitor() => {}
            () = self.clock.sleep(Duration::from_secs(900)) => {}
        }
    }
}

/// When it was seen, by its own words.
fn seen_at(taken: &Taken) -> u64 {
    let text = taken.report["generated_time"].as_str().unwrap();
    let wall_ms = DateTime::parse_from_rfc3339(&format!("{text}Z")).unwrap().timestamp_millis();
    u64::try_from(wall_ms - sim::EPOCH.0).unwrap()
}

/// Since when it has failed, but for moments in which nobody looked.
fn failed_since(spans: &[(u64, u64)], now: u64) -> Option<u64> {
    let last = spans.iter().rposition(|(_, to)| *to > now)?;
    let together = |at: &usize| *at > 0 && spans[*at].0 <= spans[*at - 1].1 + MOMENT_MS;
    let mut first = last;
    while together(&first) {
        first -= 1;
    }
    Some(spans[first].0)
}

fn judge(seed: u64, host: &Host) -> usize {
    let (taken, now) = (host.api.taken(), host.now());
    let story = || host.story.borrow().join("\n");
    let mut must = 0;
    for (name, _, reported) in THINGS {
        let spans = host.fake.failures(name);
        let of_it: Vec<_> =
            taken.iter().filter(|taken| taken.word("process_name") == reported).collect();
        let seen: Vec<_> = of_it.iter().map(|report| seen_at(report)).collect();
        assert!(seen.is_sorted(), "seed {seed}: out of order: {of_it:#?}\n{}", story());
        for (report, seen) in of_it.iter().zip(&seen) {
            let was = |at: u64| {
                spans.iter().any(|(from, to)| *from <= at && at <= to.saturating_add(MOMENT_MS))
            };
            let is_fresh = report.at <= seen + FRESH_MS + MOMENT_MS;
            let holds = was(report.at) || is_fresh && was(*seen);
            assert!(holds, "seed {seed}: it does not hold: {report:?}\n{}", story());
        }
        for (from, to) in &spans {
            let within = |at: &&u64| from <= *at && *at <= to;
            let lives = 1 + host.begun.borrow().iter().filter(within).count();
            let times = seen.iter().filter(within).count();
            assert!(times <= lives, "seed {seed}: {times} times {name}\n{}", story());
        }
        if let Some(since) = failed_since(&spans, now) {
            must += 1;
            let told = of_it.iter().any(|report| report.at >= since);
            assert!(told, "seed {seed}: lost: {name} failed at {since}\n{}", story());
        }
    }
    must
}

async fn history(seed: u64) -> (Host, usize) {
    let host = Host::new(seed).await;
    while host.now() < LASTS_MS {
        host.a_life(LASTS_MS).await;
        if host.below(12) == 0 {
            host.boots().await;
        }
        let ms = host.below(2) * host.below(60_000);
        host.happens_until((host.now() + ms).min(LASTS_MS)).await;
    }
    host.ends().await;
    let must = judge(seed, &host);
    (host, must)
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
        let (host, must_of_it) = told(history(seed));
        must += must_of_it;
        killed += host.killed.get();
        let is_late = |taken: &&Taken| taken.at > seen_at(taken) + FRESH_MS;
        late += host.api.taken().iter().filter(is_late).count();
    }
    // They show something.
    assert!(killed > 100 && late > 50 && must > 50, "{killed} killed, {late} late, {must} must");
}

#[test]
fn a_monitor_that_is_killed_at_any_write_tells_what_has_failed_when_it_is_back_and_nothing_else() {
    for operations in 0..10 {
        for is_before in [true, false] {
            let host = told(killed_at(operations, is_before));
            let taken = host.api.taken();
            let told: Vec<_> = taken.iter().map(|taken| taken.word("process_name")).collect();
            assert_eq!(told, ["nova-compute"], "at operation {operations}, before it: {is_before}");
        }
    }
}

/// Both fail while the API is away; the unit is back before it.
async fn killed_at(operations: usize, is_before: bool) -> Host {
    let host = Host::new(1).await;
    let sleep = |seconds| host.clock.sleep(Duration::from_secs(seconds));
    host.api.is(Mood::Away);
    let story = async {
        sleep(10).await;
        match is_before {
            true => host.disk.kills_before(operations),
            false => host.disk.kills_after(operations),
        }
        for (name, command, _) in THINGS {
            host.restarts(name, command, &[Does::Fails]);
            host.dies(name).await;
        }
        sleep(120).await;
    };
    tokio::select! {
        biased;
        () = host.disk.killed() => {}
        () = host.monitor() => {}
        () = story => {}
    }
    host.disk.begins_anew();
    sleep(AWAY_MS / 1000).await;
    host.starts(PLAIN).await;
    host.ends().await;
    host
}
