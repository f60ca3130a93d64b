//! Does what the queue says: asks the source, sends, keeps, forgets, and says so in the log.

use super::{Accepted, Answer, Answered, Limits, Look, Number, Queue, Source, Spool, Step};
use crate::{Board, Report, Watched, standing::Sending};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use openstack::{
    AskError,
    instance_ha::{Client, Notification},
};
use ports::{Boot, Clock, Entropy, within};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Reports that a monitor may be ahead of us; then it waits.
const INBOX: usize = 256;
/// How often the board is written, should nothing happen.
const SHOW_EVERY: Duration = Duration::from_secs(60);
/// A source that does not tell within this does not know.
const LOOK_DEADLINE: Duration = Duration::from_secs(30);

/// The options of sending.
#[derive(Clone, Debug)]
pub struct SendingConfig {
    pub limits: Limits,
}

impl SendingConfig {
    /// `retry_max` and `retry_interval` as Python's monitors have them.
    #[must_use]
    pub fn of_python(retry_max: u32, retry_interval: Duration) -> Self {
        let pause_most = retry_interval.max(Duration::from_secs(1));
        Self {
            limits: Limits {
                waiting_most: 4096,
                flights_most: 8,
                pause: Duration::from_secs(1),
                pause_most,
                fresh: Duration::from_secs(5),
                patience: retry_interval.saturating_mul(retry_max),
                burst: Duration::from_secs(5),
            },
        }
    }
}

/// It ends when a report outlives this process, or never will.
pub type Kept = oneshot::Receiver<()>;

enum Told {
    /// Who waits until it is kept hears that this is dropped.
    Report(Box<Report>, oneshot::Sender<()>),
    BeginsAnew(Watched, String),
}

/// Where a monitor leaves its reports.
#[derive(Clone, Debug)]
pub struct Reporter(mpsc::Sender<Told>);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Report(report, _) => report.fmt(f),
            Self::BeginsAnew(_, subject) => write!(f, "{subject} begins anew"),
        }
    }
}

impl Reporter {
    /// Has `report` sent.
    pub async fn report(&self, report: Report) {
        drop(self.report_kept(report).await);
    }

    /// The same, for who must not forget before it is kept what made him say it.
    pub async fn report_kept(&self, report: Report) -> Kept {
        let (held, kept) = oneshot::channel();
        self.tell(Told::Report(Box::new(report), held)).await;
        kept
    }

    /// What is said of `subject` by this monitor from now on is new, even if it sounds the same.
    pub async fn begins_anew(&self, monitor: Watched, subject: &str) {
        self.tell(Told::BeginsAnew(monitor, subject.to_owned())).await;
    }

    async fn tell(&self, told: Told) {
        if self.0.send(told).await.is_err() {
            tracing::debug!("nobody sends any more: the monitor is stopping");
        }
    }
}

/// What has ended.
enum Done {
    Looked(Number, Look),
    Sent(Number, Box<Result<Notification, AskError>>),
}

enum Wrote {
    Kept(Number, io::Result<()>),
    Forgotten(io::Result<()>),
}

/// Where a report's file stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OnDisk {
    Writing,
    /// It is done with before it was written.
    WritingInVain,
    Kept,
}

/// Sends the reports of one monitor.
#[derive(Debug)]
pub struct Sender {
    queue: Queue,
    limits: Limits,
    /// None: there is no disk, and a restart forgets.
    spool: Option<Spool>,
    client: Client,
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    inbox: mpsc::Receiver<Told>,
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    writes: FuturesUnordered<BoxFuture<'static, Wrote>>,
    files: BTreeMap<Number, OnDisk>,
    /// What is forgotten when the one in its place is kept.
    replaced: BTreeMap<Number, Number>,
    /// What was said of this outage already.
    told: BTreeSet<&'static str>,
    disk_failed: bool,
    /// Where it is written how sending stands; none: nowhere.
    board: Option<Board>,
}

impl Sender {
    /// A sender by `client`, and where to leave reports for it.
    #[must_use]
    pub fn new(
        config: &SendingConfig,
        spool: Option<Spool>,
        client: Client,
        source: Arc<dyn Source>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> (Reporter, Self) {
        let (outbox, inbox) = mpsc::channel(INBOX);
        let sender = Self {
            queue: Queue::new(config.limits),
            limits: config.limits,
            spool,
            client,
            source,
            clock,
            entropy,
            inbox,
            calls: FuturesUnordered::new(),
            writes: FuturesUnordered::new(),
            files: BTreeMap::new(),
            replaced: BTreeMap::new(),
            told: BTreeSet::new(),
            disk_failed: false,
            board: None,
        };
        (Reporter(outbox), sender)
    }

    /// Writes on `board` how sending stands.
    #[must_use]
    pub fn shown_on(mut self, board: Board) -> Self {
        self.board = Some(board);
        self
    }

    /// Sends until `stop`; what is not answered then is on disk.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        self.restore().await;
        let mut stop = std::pin::pin!(stop);
        loop {
            for step in self.queue.due(self.clock.boot()) {
                self.begin(step);
            }
            self.show();
            let clock = Arc::clone(&self.clock);
            let pause = self.pause();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(done) = self.calls.next() => self.done(done),
                Some(wrote) = self.writes.next() => self.wrote(wrote),
                told = self.inbox.recv() => match told {
                    Some(told) => self.hear(told),
                    None => break,
                },
                () = clock.sleep(pause) => {}
            }
        }
        while let Ok(told) = self.inbox.try_recv() {
            self.hear(told);
        }
        while let Some(wrote) = self.writes.next().await {
            self.wrote(wrote);
        }
    }

    /// Until something is due without anything happening.
    fn pause(&self) -> Duration {
        let now = self.clock.boot();
        self.queue.due_at(now).map_or(SHOW_EVERY, |at| at.since(now).min(SHOW_EVERY))
    }

    /// Writes what waits on the board.
    fn show(&self) {
        let wall = self.clock.wall();
        self.write(|sending| {
            sending.waiting.clear();
            for report in self.queue.reports() {
                let age_ms = u64::try_from(wall.since(report.generated_at)).unwrap_or(0);
                let waiting = sending.waiting.entry(report.claim.watched()).or_default();
                waiting.0 += 1;
                waiting.1 = waiting.1.max(Duration::from_millis(age_ms));
            }
            sending.keeps = self.spool.is_some() && !self.disk_failed;
        });
    }

    fn write(&self, write: impl FnOnce(&mut Sending)) {
        if let Some(board) = &self.board {
            board.sending(write);
        }
    }

    async fn restore(&mut self) {
        let Some(spool) = self.spool.clone() else { return };
        let kept = match blocking(move || spool.kept()).await {
            Ok(kept) => kept,
            Err(error) => {
                tracing::error!(%error, "the reports that wait from before cannot be read; they stay where they are, and those that come are not kept on disk");
                // Their numbers are taken, and unknown.
                self.spool = None;
                return;
            }
        };
        if !kept.is_empty() {
            tracing::info!("{} reports wait from before; each is looked at again", kept.len());
        }
        let (now, wall) = (self.clock.boot(), self.clock.wall());
        for (number, report) in kept {
            let age_ms = u64::try_from(wall.since(report.generated_at)).unwrap_or(0);
            self.files.insert(number, OnDisk::Kept);
            self.queue.restore(number, report, now, Duration::from_millis(age_ms));
        }
    }

    fn hear(&mut self, told: Told) {
        let (report, held) = match told {
            Told::BeginsAnew(monitor, subject) => {
                return self.queue.begins_anew(monitor, &subject);
            }
            Told::Report(report, held) => (*report, held),
        };
        let body = serde_json::json!({ "notification": report.notification() });
        match self.queue.accept(report, self.clock.boot()) {
            Accepted::Same => tracing::debug!("said before: {body}"),
            Accepted::Full => {
                self.write(|sending| sending.lost += 1);
                tracing::error!(
                    "{} reports wait for the API, which is the most; lost: {body}",
                    self.queue.len()
                );
            }
            Accepted::Waits(number) => {
                tracing::info!("Send a notification. {body}");
                self.keep(number, held);
            }
            Accepted::Anew { dropped, number } => {
                tracing::info!("Send a notification, instead of one from before. {body}");
                self.replaced.insert(number, dropped);
                self.keep(number, held);
            }
            Accepted::InsteadOf { dropped, number } => {
                tracing::warn!(
                    "{} reports wait for the API, which is the most; the eldest that it would only note is dropped",
                    self.queue.len()
                );
                self.write(|sending| sending.lost += 1);
                tracing::info!("Send a notification. {body}");
                self.forget(dropped);
                self.keep(number, held);
            }
        }
    }

    fn begin(&mut self, step: Step) {
        match step {
            Step::Look(number) => self.look(number),
            Step::Send(number) => self.send(number),
            Step::GiveUp(number) => {
                if let Some(report) = self.queue.remove(number) {
                    self.write(|sending| sending.given_up += 1);
                    let patience_s = self.limits.patience.as_secs();
                    let (subject, payload) = (&report.subject, json_of(&report));
                    tracing::error!(
                        "Exception caught: the API did not take the report about {subject} within {patience_s} s; Masakari would only have noted it: {payload}"
                    );
                }
                self.forget(number);
            }
        }
    }

    fn look(&mut self, number: Number) {
        let Some(report) = self.queue.report(number).cloned() else { return };
        let (source, clock) = (Arc::clone(&self.source), Arc::clone(&self.clock));
        let look = async move {
            let looked = within(&*clock, LOOK_DEADLINE, source.look(&report)).await;
            let late = || Look::Unknown("the source does not answer".into());
            Done::Looked(number, looked.unwrap_or_else(late))
        };
        self.calls.push(look.boxed());
    }

    fn send(&mut self, number: Number) {
        let Some(notification) = self.queue.report(number).map(Report::notification) else {
            return;
        };
        let client = self.client.clone();
        let send = async move { Done::Sent(number, Box::new(client.notify(&notification).await)) };
        self.calls.push(send.boxed());
    }

    fn done(&mut self, done: Done) {
        let (now, chance) = (self.clock.boot(), self.entropy.bits());
        match done {
            Done::Looked(number, look) => {
                match &look {
                    Look::Holds => {}
                    Look::Gone(why) => {
                        self.write(|sending| sending.withdrawn += 1);
                        let told = self.queue.report(number).map(json_of).unwrap_or_default();
                        tracing::info!("Withdrawn, as it does not hold any more ({why}): {told}");
                        self.forget(number);
                    }
                    Look::Unknown(why) => tracing::debug!("a late report waits: {why}"),
                }
                if let Some(step) = self.queue.looked(number, &look, now, chance) {
                    self.begin(step);
                }
            }
            Done::Sent(number, outcome) => {
                self.heard(&outcome, now);
                let answer = match *outcome {
                    Ok(taken) => {
                        let (uuid, status) = (taken.notification_uuid, taken.status);
                        tracing::info!("Response: notification_uuid={uuid}, status={status}");
                        Answer::Final
                    }
                    Err(error) => self.judge(&error),
                };
                if answer == Answer::Final {
                    self.forget(number);
                }
                let answered = self.queue.answered(number, answer, now, chance);
                self.tell(answered, now);
            }
        }
    }

    /// Writes what the API said on the board.
    fn heard(&self, outcome: &Result<Notification, AskError>, now: Boot) {
        let (said, is_final) = match outcome {
            Ok(_) => ("accepted".to_owned(), true),
            Err(error) => (chain(error), final_or_kind(error).is_none()),
        };
        self.write(|sending| {
            sending.last_answer = Some((said, now));
            sending.answered += u64::from(is_final);
            sending.failing_since = (!is_final).then(|| sending.failing_since.unwrap_or(now));
        });
    }

    /// What a bad answer means; each kind of failure is said once in an outage.
    fn judge(&mut self, error: &AskError) -> Answer {
        match final_or_kind(error) {
            None => {
                tracing::info!("Stop retrying to send a notification: {error}");
                Answer::Final
            }
            Some(kind) => {
                if self.told.insert(kind) {
                    tracing::warn!(
                        "Retry sending a notification. ({}) What waits is kept until the API answers",
                        chain(error)
                    );
                }
                Answer::Failed
            }
        }
    }

    fn tell(&mut self, answered: Answered, now: Boot) {
        match answered {
            Answered::ApiIsBack { since } => {
                self.told.clear();
                let (s, waiting) = (now.since(since).as_secs(), self.queue.len());
                tracing::info!("the API answers again after {s} s; {waiting} more reports wait");
            }
            Answered::Done | Answered::ApiFails | Answered::ApiStillFails => {}
        }
    }

    fn keep(&mut self, number: Number, held: oneshot::Sender<()>) {
        let (Some(spool), Some(report)) = (self.spool.clone(), self.queue.report(number)) else {
            return;
        };
        let report = report.clone();
        self.files.insert(number, OnDisk::Writing);
        let keep = async move {
            let wrote = blocking(move || spool.keep(number, &report)).await;
            drop(held);
            Wrote::Kept(number, wrote)
        };
        self.writes.push(keep.boxed());
    }

    fn forget(&mut self, number: Number) {
        match self.files.get(&number) {
            None | Some(OnDisk::WritingInVain) => {}
            Some(OnDisk::Writing) => {
                self.files.insert(number, OnDisk::WritingInVain);
            }
            Some(OnDisk::Kept) => {
                self.files.remove(&number);
                if let Some(spool) = self.spool.clone() {
                    let forget = async move {
                        Wrote::Forgotten(blocking(move || spool.forget(number)).await)
                    };
                    self.writes.push(forget.boxed());
                }
            }
        }
    }

    fn wrote(&mut self, wrote: Wrote) {
        let result = match wrote {
            Wrote::Forgotten(result) => result,
            Wrote::Kept(number, result) => {
                let before = self.files.remove(&number);
                if result.is_ok() {
                    self.files.insert(number, OnDisk::Kept);
                    if before == Some(OnDisk::WritingInVain) {
                        self.forget(number);
                    }
                    if let Some(before) = self.replaced.remove(&number) {
                        self.forget(before);
                    }
                }
                result
            }
        };
        match result {
            Ok(()) => self.disk_failed = false,
            Err(error) => {
                if !std::mem::replace(&mut self.disk_failed, true) {
                    tracing::error!(%error, "reports cannot be kept on disk: a restart of this monitor would forget those that wait");
                }
            }
        }
    }
}

/// `None` when the API will never say anything else: 409, 400, and its own 202 with a body that we cannot read.
fn final_or_kind(error: &AskError) -> Option<&'static str> {
    match error {
        AskError::Conflict { .. } => None,
        AskError::BadRequest { asked, .. } if asked.status == Some(400) => None,
        AskError::Rubbish { asked, .. } if asked.status == Some(202) => None,
        AskError::Unreachable { .. } => Some("unreachable"),
        AskError::NoAnswer { .. } => Some("no answer"),
        AskError::Rubbish { .. } => Some("rubbish"),
        AskError::Unauthorized { .. } => Some("unauthorized"),
        AskError::NoLogin { .. } => Some("no login"),
        AskError::NotAtOnce { .. } => Some("not at once"),
        AskError::Forbidden { .. } => Some("forbidden"),
        AskError::NotFound { .. } => Some("not found"),
        AskError::BadRequest { .. } => Some("refused"),
        AskError::TooLarge { .. } => Some("too large"),
        AskError::OverLimit { .. } => Some("over limit"),
        AskError::ServerFault { .. } => Some("server fault"),
        AskError::NoEndpoint { .. } => Some("no endpoint"),
        AskError::PartialAnswer { .. } => Some("partial answer"),
        AskError::TooOld { .. } => Some("too old"),
        AskError::Misconfigured { .. } => Some("misconfigured"),
    }
}

fn json_of(report: &Report) -> String {
    serde_json::json!({ "notification": report.notification() }).to_string()
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// Off the thread that must not wait for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
