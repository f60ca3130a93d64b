//! Watches for ever: looks, lets [`super::supervise`] decide, runs commands, reports, and reads the list anew.

use super::{
    Entry, Limits, ProcessList, Seen, Sight, Supervised, Watched,
    pulse::{Pulse, Way},
    supervise::{Act, News, Part, Series, State, Why},
};
use crate::{
    Care, Claim, Mark, Report, Reporter,
    sending::{Look, Source},
};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use ports::{Boot, Clock, Exec, ExecError, Finished, Leaves, Program};
use recovery::nouns::NotificationType;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// Commands at once; more wait for one to end.
const COMMANDS_MOST: usize = 8;
/// How soon it is looked again for what was just started; it doubles, so that a death right after is seen by event.
const AGAIN: Duration = Duration::from_millis(10);
const AGAIN_MOST: Duration = Duration::from_secs(1);
/// It is looked at least so often, so that a loop that does not turn is told from one that waits.
const LOOK_MOST: Duration = Duration::from_secs(30);
/// The longest that both loops need to turn: a wait, and questions to systemd that end by their deadlines.
pub const TURN_MOST: Duration = Duration::from_secs(180);
/// Of what a command printed, in a line of the log.
const PRINTED_MOST: usize = 2000;

/// What watching takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessesConfig {
    /// This host, as Nova calls it.
    pub hostname: String,
    pub list_path: PathBuf,
    /// The words that rule the systemd whose units are watched.
    pub systemctl: String,
    /// The words before a command that is to be run as root.
    pub as_root: Vec<String>,
    /// How often it is looked, and the list read, though events tell what ends.
    pub check_interval: Duration,
    /// For one command.
    pub deadline: Duration,
    pub limits: Limits,
}

/// How it goes with what is watched, for a second look at a late report.
#[derive(Clone, Default, Debug)]
pub struct Standing(Arc<Mutex<Option<BTreeMap<String, State>>>>);

impl Standing {
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, State>)) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(states.get_or_insert_default());
    }
}

#[async_trait]
impl Source for Standing {
    async fn look(&self, report: &Report) -> Look {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(states) = states.as_ref() else {
            return Look::Unknown("nothing was looked at yet".into());
        };
        match states.get(&report.subject) {
            None => Look::Gone("it is not in the process list any more".into()),
            Some(State::Failed) => Look::Holds,
            Some(State::Here) => Look::Gone("it runs".into()),
            Some(State::Stopped) => Look::Gone("it was stopped".into()),
            Some(State::Unknown | State::Missing) => {
                Look::Unknown("it is not known whether it can be restarted".into())
            }
        }
    }
}

fn way_of(watched: &Watched) -> Way {
    match watched {
        Watched::Process(_) => Way::Processes,
        Watched::Unit(_) => Way::Units,
    }
}

/// Of what a report about this is.
#[must_use]
pub fn subject(watched: &Watched) -> String {
    match watched {
        Watched::Process(name) => format!("process {name}"),
        Watched::Unit(name) => format!("unit {name}"),
    }
}

/// Watches the processes and units of this host.
#[derive(Debug)]
pub struct WatchProcesses {
    pub config: ProcessesConfig,
    /// As it was read at the start.
    pub list: ProcessList,
    pub processes: Arc<dyn Sight>,
    pub units: Arc<dyn Sight>,
    pub exec: Arc<dyn Exec>,
    pub standing: Standing,
    pub reporter: Reporter,
    pub mark: Mark,
    /// Told when the list is to be read at once.
    pub reread: Arc<Notify>,
    pub clock: Arc<dyn Clock>,
}

impl WatchProcesses {
    /// Watches for ever.
    pub async fn run(self) {
        warn_of(&self.list);
        let subjects = self.list.entries.iter().map(|entry| subject(&entry.watched));
        self.standing.change(|states| states.extend(subjects.map(|name| (name, State::Unknown))));
        let (publish, published) = watch::channel(self.list.clone());
        let pulse = Pulse::new(self.mark.clone());
        let processes = Ward::new(&self, &pulse, Way::Processes, published.clone());
        let units = Ward::new(&self, &pulse, Way::Units, published);
        tokio::join!(self.keep_list(publish), processes.run(), units.run());
    }

    /// Reads the list again and again, as Python's does; one that cannot be used changes nothing.
    async fn keep_list(&self, publish: watch::Sender<ProcessList>) {
        let mut told = None;
        loop {
            tokio::select! {
                () = self.reread.notified() => {}
                () = self.clock.sleep(self.config.check_interval) => {}
            }
            let (path, systemctl) = (self.config.list_path.clone(), self.config.systemctl.clone());
            let read = move || ProcessList::read(&path, &systemctl);
            let Ok(read) = tokio::task::spawn_blocking(read).await else { continue };
            match read {
                Ok(list) => {
                    told = None;
                    let is_new = publish.send_if_modified(|before| {
                        let is_new = *before != list;
                        before.clone_from(&list);
                        is_new
                    });
                    if is_new {
                        tracing::info!(
                            "the process list has changed: {} entries",
                            list.entries.len()
                        );
                        warn_of(&list);
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if told.as_ref() != Some(&error) {
                        tracing::error!(
                            "Failed to reload process list file. {error}; what was watched stays watched"
                        );
                    }
                    told = Some(error);
                }
            }
        }
    }
}

fn warn_of(list: &ProcessList) {
    for warning in &list.warnings {
        tracing::warn!("process list: {warning}");
    }
}

type Ended = (Watched, Series, Part, Result<Finished, ExecError>);

/// What is watched in one way.
struct Ward<'a> {
    with: &'a WatchProcesses,
    pulse: &'a Pulse,
    way: Way,
    sight: &'a dyn Sight,
    list: watch::Receiver<ProcessList>,
    /// In the order of the file.
    all: Vec<Supervised>,
    /// Their start commands are run one after the other, as they stand; until then nobody looks at them.
    to_start: VecDeque<Entry>,
    running: FuturesUnordered<BoxFuture<'a, Ended>>,
    to_run: VecDeque<(Watched, Series, Part)>,
    looked_at: Boot,
    look_at: Boot,
    again: Duration,
    /// Why it is not known how something is, as it was told.
    unknown: BTreeMap<String, String>,
}

impl<'a> Ward<'a> {
    fn new(
        with: &'a WatchProcesses,
        pulse: &'a Pulse,
        way: Way,
        list: watch::Receiver<ProcessList>,
    ) -> Self {
        let sight = match way {
            Way::Processes => &*with.processes,
            Way::Units => &*with.units,
        };
        let entries = list.borrow().entries.clone();
        let to_start = entries.into_iter().filter(|entry| way_of(&entry.watched) == way).collect();
        let (running, to_run) = (FuturesUnordered::new(), VecDeque::new());
        let (looked_at, unknown) = (with.clock.boot(), BTreeMap::new());
        let all = Vec::new();
        Self {
            with,
            pulse,
            way,
            sight,
            list,
            all,
            to_start,
            running,
            to_run,
            looked_at,
            look_at: looked_at,
            again: AGAIN,
            unknown,
        }
    }

    async fn run(mut self) {
        let clock = &*self.with.clock;
        self.start_next().await;
        loop {
            let wait = self.wait();
            tokio::select! {
                biased;
                Some(ended) = self.running.next() => self.ended(ended).await,
                () = self.sight.changed() => {}
                Ok(()) = self.list.changed() => self.adopt(),
                () = clock.sleep(wait) => {}
            }
            self.look().await;
        }
    }

    /// Runs start commands until one takes time; a unit and what has none are watched at once.
    async fn start_next(&mut self) {
        while let Some(entry) = self.to_start.pop_front() {
            let mut new = Supervised::new(entry, self.with.config.limits);
            let (acts, watched) = (new.begin(self.with.clock.boot()), new.entry.watched.clone());
            self.all.push(new);
            let takes_time = !acts.is_empty();
            self.act(&watched, acts).await;
            if takes_time {
                return;
            }
        }
    }

    /// The list is another. What stays stays as it is, and what is new is watched, but not started, as for Python.
    fn adopt(&mut self) {
        let entries = self.list.borrow_and_update().entries.clone();
        let mut before = std::mem::take(&mut self.all);
        self.to_start.retain(|entry| entries.iter().any(|new| new.watched == entry.watched));
        for entry in entries.into_iter().filter(|entry| way_of(&entry.watched) == self.way) {
            if self.to_start.iter().any(|waits| waits.watched == entry.watched) {
                continue;
            }
            let known = before.iter().position(|known| known.entry.watched == entry.watched);
            let mut supervised = match known {
                Some(index) => before.swap_remove(index),
                None => Supervised::new(entry.clone(), self.with.config.limits),
            };
            supervised.entry = entry;
            self.all.push(supervised);
        }
        self.with.standing.change(|states| {
            for gone in before {
                states.remove(&subject(&gone.entry.watched));
            }
        });
    }

    /// Until something is due without anything happening.
    fn wait(&self) -> Duration {
        let now = self.with.clock.boot();
        // What was due by the last look and is not done waits for something else.
        let due = self.all.iter().filter_map(Supervised::due_at).filter(|at| *at > self.looked_at);
        let again = self.all.iter().any(Supervised::is_settling).then(|| now.plus(self.again));
        let next = due.chain(again).chain([self.look_at]).min();
        // Never not at all, so that nothing can make us spin.
        next.unwrap_or(self.look_at).since(now).clamp(Duration::from_millis(1), LOOK_MOST)
    }

    async fn look(&mut self) {
        let names: Vec<_> = self.all.iter().map(|s| s.entry.watched.name().to_owned()).collect();
        let all_seen = if names.is_empty() { Vec::new() } else { self.sight.look(&names).await };
        let now = self.with.clock.boot();
        (self.looked_at, self.look_at) = (now, now.plus(self.with.config.check_interval));
        self.again = (self.again * 2).min(AGAIN_MOST);
        let mut all_acts = Vec::new();
        for (supervised, seen) in self.all.iter_mut().zip(&all_seen) {
            all_acts.push((supervised.entry.watched.clone(), supervised.saw(seen, now)));
        }
        let trouble = all_seen.iter().zip(&names).find_map(|(seen, name)| match seen {
            Seen::Unknown(why) => Some(format!("it is not known whether '{name}' runs: {why}")),
            Seen::Here | Seen::Gone | Seen::Busy | Seen::Stopped | Seen::Refused => None,
        });
        self.pulse.looked(self.way, trouble);
        self.tell_unknown(&names, all_seen);
        for (watched, acts) in all_acts {
            self.act(&watched, acts).await;
        }
        self.with.standing.change(|states| {
            states.extend(self.all.iter().map(|s| (subject(&s.entry.watched), s.state())));
        });
    }

    /// One line for each thing of which it cannot be known how it is, until that changes.
    fn tell_unknown(&mut self, names: &[String], all_seen: Vec<Seen>) {
        for (name, seen) in names.iter().zip(all_seen) {
            match seen {
                Seen::Unknown(why) => {
                    if self.unknown.get(name) != Some(&why) {
                        tracing::error!("it is not known whether '{name}' runs: {why}");
                    }
                    self.unknown.insert(name.clone(), why);
                }
                Seen::Here | Seen::Gone | Seen::Busy | Seen::Stopped | Seen::Refused => {
                    if self.unknown.remove(name).is_some() {
                        tracing::info!("it is known again whether '{name}' runs");
                    }
                }
            }
        }
    }

    async fn act(&mut self, watched: &Watched, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Run(series, part) => self.to_run.push_back((watched.clone(), series, part)),
                Act::Report(why) => self.report(watched, why).await,
                Act::Say(news) => self.say(watched, news).await,
            }
        }
        while self.running.len() < COMMANDS_MOST {
            let Some((watched, series, part)) = self.to_run.pop_front() else { return };
            self.spawn(watched, series, part);
        }
    }

    fn spawn(&mut self, watched: Watched, series: Series, part: Part) {
        let Some(entry) = self.entry(&watched) else { return };
        let command = command(entry, series, part).to_owned();
        match (series, part) {
            (Series::Start, Part::Main) => {
                tracing::info!("Start of process with executing command: {command}");
            }
            (Series::Restart, Part::Main) => {
                tracing::info!("Restart of process with executing command: {command}");
            }
            (Series::Start | Series::Restart, Part::Pre | Part::Post) => {}
        }
        let as_root = self.with.config.as_root.iter().filter(|_| entry.run_as_root);
        let mut words = as_root.map(String::as_str).chain(command.split_whitespace());
        let program = Program {
            path: words.next().unwrap_or_default().into(),
            arguments: words.map(Into::into).collect(),
            leaves: Leaves::Services,
            ..Program::default()
        };
        let (exec, deadline) = (&self.with.exec, self.with.config.deadline);
        let run = async move { (watched, series, part, exec.run(program, deadline).await) };
        self.running.push(run.boxed());
    }

    async fn ended(&mut self, (watched, series, part, result): Ended) {
        self.again = AGAIN;
        let now = self.with.clock.boot();
        // It may not be in the list any more.
        if let Some(entry) = self.entry(&watched) {
            let went_well = told(entry, series, part, &result);
            let found = self.all.iter_mut().find(|s| s.entry.watched == watched);
            let acts = found.map_or_else(Vec::new, |supervised| supervised.ended(went_well, now));
            self.act(&watched, acts).await;
        } else {
            self.act(&watched, Vec::new()).await;
        }
        if !self.all.iter().any(Supervised::is_starting) {
            self.start_next().await;
        }
    }

    fn entry(&self, watched: &Watched) -> Option<&Entry> {
        self.all.iter().map(|s| &s.entry).find(|entry| entry.watched == *watched)
    }

    async fn say(&self, watched: &Watched, news: News) {
        let name = watched.name();
        self.pulse.saw(format!(
            "{name} {}",
            match news {
                News::Missing => "ended",
                News::Back => "runs again",
                News::Stopped => "is stopped",
            }
        ));
        match news {
            News::Missing => tracing::warn!("Process '{name}' is not found."),
            News::Back => {
                tracing::info!("Process '{name}' is found again.");
                // Should it end once more that is another failure.
                self.with.reporter.begins_anew(crate::Watched::Processes, &subject(watched)).await;
            }
            News::Stopped => {
                tracing::info!(
                    "'{name}' is stopped, as somebody wanted or by itself; it is left alone until it runs"
                );
            }
        }
    }

    async fn report(&self, watched: &Watched, why: Why) {
        let (name, limits) = (watched.name(), &self.with.config.limits);
        match why {
            Why::NoRestart => tracing::error!(
                "Process '{name}' could not be restarted by {} tries: it is reported, and left alone until it runs",
                limits.retries.saturating_add(1)
            ),
            Why::Flaps => tracing::error!(
                "Process '{name}' ends again and again: it is reported, and restarted at most {} times in {} s",
                limits.flap_restarts,
                limits.flap_window.as_secs()
            ),
            Why::StartLimit => tracing::error!(
                "systemd starts '{name}' no more, as it was started too often: it is reported, and left alone until it \
                 runs (systemctl reset-failed lets it be started again)"
            ),
        }
        let Some(entry) = self.entry(watched) else { return };
        let mut payload = Map::new();
        payload.insert("event".into(), Value::String("STOPPED".into()));
        payload.insert("process_name".into(), Value::String(entry.reported.clone()));
        let report = Report {
            kind: NotificationType::Process,
            subject: subject(watched),
            hostname: self.with.config.hostname.clone(),
            generated_at: self.with.clock.wall(),
            payload,
            claim: Claim::ProcessMissing,
            care: Care::UntilAnswered,
        };
        self.with.reporter.report(report).await;
    }
}

fn command(entry: &Entry, series: Series, part: Part) -> &str {
    let commands = match series {
        Series::Start => &entry.start,
        Series::Restart => &entry.restart,
    };
    let command = match part {
        Part::Pre => &commands.pre,
        Part::Main => &commands.main,
        Part::Post => &commands.post,
    };
    command.as_deref().unwrap_or_default()
}

/// Whether a command went well, and a line about it.
fn told(entry: &Entry, series: Series, part: Part, result: &Result<Finished, ExecError>) -> bool {
    let command = command(entry, series, part);
    let finished = match result {
        Ok(finished) => finished,
        Err(error) => {
            let why = std::error::Error::source(error).map(|why| format!(": {why}"));
            tracing::error!("CMD '{command}' raised exception: {error}{}", why.unwrap_or_default());
            return false;
        }
    };
    let (stdout, stderr) = (printed(&finished.stdout), printed(&finished.stderr));
    if !stdout.is_empty() {
        tracing::info!("CMD '{command}' output stdout: {stdout}");
    }
    if !stderr.is_empty() {
        tracing::warn!("CMD '{command}' output stderr: {stderr}");
    }
    match finished.code {
        Some(0) => true,
        Some(code) => {
            tracing::error!("CMD '{command}' raised exception: it ended with exit code {code}");
            false
        }
        None => {
            tracing::error!("CMD '{command}' raised exception: it was killed");
            false
        }
    }
}

fn printed(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text.trim().chars().take(PRINTED_MOST).collect()
}
