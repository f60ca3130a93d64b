//! The storm guard: whether a recovery of a host may begin to act, when many hosts seem to be lost at once.
//!
//! What takes many hosts at once is rarely their death: it is a switch, a broken RabbitMQ, a monitor that errs. So
//! before a recovery fences, forces down, disables or evacuates anything it is counted how many hosts are lost with its
//! own, and looked whether Nova hears most of the others. More than the bounds allow, and all that have not begun are
//! held: not a few of them let go first.
//!
//! The guard is no proof and no permit: it only ever says "not yet". What it said is a line of the log, so it holds for
//! whoever takes the recovery over; what has passed is stopped by no later loss, only by a person who disarms.
//!
//! It counts what was *reported*, not what was begun, so any number of engines that read the same reports come to the
//! same verdict. What depends on who began before (so many a minute, the switch) is guarded by a number in the database,
//! [`Record::beat`], which each passing raises and which must be as it was read ([`crate::log::Summary::Passed`]).

use crate::approval;
use crate::details::Task;
use crate::log::{Entry, Line, Summary};
use crate::permit::SKEW_MS;
use crate::seen::ComputeService;
use crate::state::State;
use crate::stops::{self, Stop};
use crate::{HostName, Millis, NotificationId, SegmentId};
use alloc::{collections::BTreeSet, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// How many hosts may be lost at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// 0: any number.
    pub hosts: u32,
    /// 0: any share.
    pub percent: u32,
}

impl Bound {
    /// Of so many hosts. A share allows two, but never all, and always one.
    #[must_use]
    pub fn most(self, of: u32) -> Option<u32> {
        let share = of.saturating_mul(self.percent).div_ceil(100);
        let share = share.max(2).min(of.saturating_sub(1)).max(1);
        let hosts = (self.hosts > 0).then_some(self.hosts);
        let share = (1..100).contains(&self.percent).then_some(share);
        hosts.into_iter().chain(share).min()
    }

    fn is_on(self) -> bool {
        self.hosts > 0 || (1..100).contains(&self.percent)
    }
}

/// `[guard]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Of the hosts of one segment.
    pub segment: Bound,
    /// Of the hosts of all segments.
    pub cloud: Bound,
    /// What was reported within this time was lost at once.
    pub window_ms: i64,
    /// How many recoveries of hosts may begin within a minute; 0: any number.
    pub per_minute: u32,
    /// When more of Nova's compute services than that went silent together nothing begins; 0: that is not asked.
    pub silent_percent: u32,
    /// A service that was not heard for so long is silent, even if Nova takes it for up.
    pub silent_ms: i64,
    /// How long nothing begins after a storm of the cloud.
    pub cooldown_ms: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            segment: Bound { hosts: 0, percent: 25 },
            cloud: Bound { hosts: 0, percent: 10 },
            window_ms: 300_000,
            per_minute: 20,
            silent_percent: 50,
            silent_ms: 30_000,
            cooldown_ms: 120_000,
        }
    }
}

impl Rules {
    /// Everything passes.
    pub const OFF: Self = Self {
        segment: Bound { hosts: 0, percent: 0 },
        cloud: Bound { hosts: 0, percent: 0 },
        window_ms: 300_000,
        per_minute: 0,
        silent_percent: 0,
        silent_ms: 30_000,
        cooldown_ms: 0,
    };

    /// Whether there is anything to ask.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.segment.is_on() || self.cloud.is_on() || self.per_minute > 0 || self.silent_percent > 0
    }

    /// From when on what happened matters now.
    #[must_use]
    pub fn since(&self, now: Millis) -> Millis {
        now.plus(-self.window_ms.max(MINUTE_MS))
    }
}

const MINUTE_MS: i64 = 60_000;
/// A host that was silent for twice this when its neighbours fell silent tells no more of how late Nova hears them.
const SILENT_MOST_MS: i64 = 60_000;
/// So many are "most" of the services, where that are not all.
const SILENT_LEAST: u32 = 3;
/// A sentence that differs only by its numbers is written again after so long at the earliest.
const RETELL_MS: i64 = 60_000;

/// Whether anything may begin at all, and who said so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Switch {
    pub armed: bool,
    pub at: Millis,
    pub by: String,
    pub why: Option<String>,
}

/// A host that was reported dead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    pub notification: NotificationId,
    pub host: HostName,
    pub segment: SegmentId,
    pub reported: Millis,
    /// When its recovery began to act.
    pub passed: Option<Millis>,
    /// Its recovery has not ended.
    pub open: bool,
}

/// A segment, and how many hosts it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Size {
    pub segment: SegmentId,
    pub name: String,
    pub hosts: u32,
}

/// What the database knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// Read before everything else here; raised by whatever begins, by the switch, and by a storm.
    pub beat: u64,
    /// `None`: nobody has ever touched it.
    pub switch: Option<Switch>,
    /// When the cloud was last seen to be in a storm.
    pub storm_at: Option<Millis>,
    /// Of the time asked for, and all whose recovery is open; oldest first.
    pub losses: Vec<Loss>,
    pub segments: Vec<Size>,
    /// Planned stops that nobody has ended and that are not long over.
    pub stops: Vec<Stop>,
}

/// Why a recovery is not let begin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A person disarmed.
    Disarmed,
    /// Nova's compute services cannot be told.
    Unknown,
    /// Most of Nova's compute services went silent at once.
    Silence,
    /// Too many hosts of all segments are lost.
    Cloud,
    /// Too many hosts of its segment are lost.
    Segment,
    /// A storm is just over.
    CoolDown,
    /// Too many recoveries began within a minute.
    Rate,
    /// A person must approve it first.
    Approval,
    /// The host is away as planned.
    PlannedStop,
}

impl Cause {
    fn is_a_storm_of_the_cloud(self) -> bool {
        match self {
            Self::Silence | Self::Cloud => true,
            Self::Disarmed
            | Self::Unknown
            | Self::Segment
            | Self::CoolDown
            | Self::Rate
            | Self::Approval
            | Self::PlannedStop => false,
        }
    }
}

/// A recovery may not begin now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    pub cause: Cause,
    pub why: String,
    /// When it may, if nothing else comes.
    pub until: Option<Millis>,
}

/// Whom the verdict is about, and when.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    pub notification: &'a NotificationId,
    pub host: &'a HostName,
    pub segment: &'a SegmentId,
    /// What has held it until now.
    pub held: Option<Cause>,
    /// How long ago the cloud was last seen to be in a storm, if it ever was: by a clock that nobody sets, where whoever
    /// asks has seen it.
    pub storm_ago_ms: Option<i64>,
    /// Of so many compute services Nova says nothing, because their cell is down.
    pub untold: u32,
    pub now: Millis,
}

/// Whether the recovery may begin to act. `services`: all of Nova's, or why they cannot be told.
///
/// # Errors
/// Why it may not, and what to do about it.
pub fn judge(
    rules: &Rules,
    record: &Record,
    services: Result<&[ComputeService], &str>,
    of: Of<'_>,
) -> Result<(), Hold> {
    if let Some(hold) = record.switch.as_ref().and_then(Switch::hold) {
        return Err(hold);
    }
    if let Some(stop) = stops::of(&record.stops, of.host, of.now) {
        return Err(stop.hold());
    }
    if !rules.is_on() {
        return Ok(());
    }
    let services = match services {
        Ok(services) => services,
        Err(why) => return Err(unknown(why).or_by_hand(of)),
    };
    let lost = lost(rules, record, services, of);
    let hold = silence(rules, record, services, of)
        .or_else(|| cloud(rules, record, &lost))
        .or_else(|| segment(rules, record, &lost, of))
        .or_else(|| cool_down(rules, of))
        .map(|hold| hold.or_by_hand(of))
        .or_else(|| rate(rules, record, of.now));
    hold.map_or(Ok(()), Err)
}

impl Hold {
    /// It goes on without that, too.
    fn or_by_hand(self, of: Of<'_>) -> Self {
        let why = format!("{}, or by hand: {}", self.why, approval::by_hand(of.notification));
        Self { why, ..self }
    }
}

impl Switch {
    /// Why nothing begins while it is off.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let why = format!(
            "disarmed by {} at {}{why}; nothing begins before `masakari arm`",
            self.by,
            self.at.utc()
        );
        (!self.armed).then_some(Hold { cause: Cause::Disarmed, why, until: None })
    }
}

fn unknown(why: &str) -> Hold {
    let why = format!(
        "whether Nova hears its compute services cannot be told ({why}); it goes on when it can"
    );
    Hold { cause: Cause::Unknown, why, until: None }
}

/// The hosts that are lost with that of the recovery, each once: reported lately, or not begun yet, and not heard by
/// Nova since.
fn lost<'r>(
    rules: &Rules,
    record: &'r Record,
    services: &[ComputeService],
    of: Of<'_>,
) -> Vec<&'r Loss> {
    let lately = |at: Millis| of.now.since(at) <= rules.window_ms;
    let counts = |loss: &&Loss| {
        let waits = loss.open && loss.passed.is_none();
        let counts = waits || lately(loss.reported) || loss.passed.is_some_and(lately);
        counts && !is_planned(record, &loss.host, of.now) && !is_heard_since(loss, services)
    };
    let mut known = BTreeSet::new();
    record.losses.iter().filter(counts).filter(|loss| known.insert(&loss.host)).collect()
}

/// Whether Nova hears it: the report was wrong, or it is back.
fn is_heard_since(loss: &Loss, services: &[ComputeService]) -> bool {
    let theirs = |s: &&ComputeService| s.host == loss.host && s.up;
    let heard = services.iter().find(theirs).and_then(|s| s.heartbeat_at);
    heard.is_some_and(|at| at.since(loss.reported) > SKEW_MS)
}

/// It is away because somebody wanted that: no loss.
fn is_planned(record: &Record, host: &HostName, now: Millis) -> bool {
    stops::of(&record.stops, host, now).is_some()
}

/// Most of Nova's services fell silent with that of the host, and are silent still. Who fell silent long before
/// counts on neither side, and who is away as planned: they are no part of this. Those of a cell that is down are not
/// heard, and no reason to leave the hosts of the others alone, as long as they are not most.
fn silence(
    rules: &Rules,
    record: &Record,
    services: &[ComputeService],
    of: Of<'_>,
) -> Option<Hold> {
    let own = services.iter().find(|s| s.host == *of.host);
    let fell = own.and_then(|s| s.heartbeat_at);
    // Nova says down when a service was not heard for a while, and its neighbours, which fell silent with it, are not
    // much older. So half of that while is no late heartbeat, however seldom they are sent.
    let half = fell.map_or(0, |fell| of.now.since(fell) / 2).min(SILENT_MOST_MS);
    let late_ms = rules.silent_ms.max(half);
    let is_heard =
        |s: &ComputeService| s.up && s.heartbeat_at.is_none_or(|at| of.now.since(at) < late_ms);
    let fell_with = |s: &ComputeService| {
        let at = s.heartbeat_at.filter(|_| s.enabled);
        at.is_some_and(|at| fell.is_none_or(|fell| fell.since(at) < rules.window_ms))
    };
    let others = services
        .iter()
        .filter(|s| s.host != *of.host && !s.forced_down && !is_planned(record, &s.host, of.now));
    let (mut silent, mut heard) = (u32::from(own.is_some()).saturating_add(of.untold), 0_u32);
    others.for_each(|s| match is_heard(s) {
        true => heard += 1,
        false => silent += u32::from(fell_with(s)),
    });
    let all = silent + heard;
    let most = silent.saturating_mul(100) > all.saturating_mul(rules.silent_percent);
    let cliff = most && silent >= 2 && (silent >= SILENT_LEAST || heard == 0);
    let why = format!(
        "mass silence: {silent} of {all} compute services went silent at once for Nova{}, as when its message bus is away; it \
         goes on when they are back",
        match of.untold {
            0 => String::new(),
            untold => format!(" ({untold} of them in cells that do not answer)"),
        }
    );
    let hold = Hold { cause: Cause::Silence, why, until: None };
    (rules.silent_percent > 0 && cliff).then_some(hold)
}

fn cloud(rules: &Rules, record: &Record, lost: &[&Loss]) -> Option<Hold> {
    let hosts = record.segments.iter().map(|s| s.hosts).fold(0, u32::saturating_add);
    over(lost.len(), hosts, rules.cloud, "hosts").map(|why| Hold {
        cause: Cause::Cloud,
        why,
        until: None,
    })
}

fn segment(rules: &Rules, record: &Record, lost: &[&Loss], of: Of<'_>) -> Option<Hold> {
    let theirs = lost.iter().filter(|loss| loss.segment == *of.segment).count();
    let size = record.segments.iter().find(|s| s.segment == *of.segment)?;
    let what = format!("hosts of segment '{}'", size.name);
    over(theirs, size.hosts, rules.segment, &what).map(|why| Hold {
        cause: Cause::Segment,
        why,
        until: None,
    })
}

fn over(lost: usize, hosts: u32, bound: Bound, what: &str) -> Option<String> {
    let most = bound.most(hosts)?;
    (u32::try_from(lost).unwrap_or(u32::MAX) > most).then(|| {
        format!(
            "{lost} of {hosts} {what} are lost at once, and [guard] allows {most}; it goes on when fewer are"
        )
    })
}

/// Who was held by the storm to its end may be the first to see that end: the last hosts that Nova hears again were never dead.
fn cool_down(rules: &Rules, of: Of<'_>) -> Option<Hold> {
    let ends_now = of.held.filter(|cause| cause.is_a_storm_of_the_cloud()).map(|_| 0);
    let ago_ms = [of.storm_ago_ms, ends_now].into_iter().flatten().min()?;
    let left_ms = rules.cooldown_ms.saturating_sub(ago_ms);
    let until = of.now.plus(left_ms);
    let why = format!("many hosts were lost at once; it goes on at {}", until.utc());
    (left_ms > 0).then_some(Hold { cause: Cause::CoolDown, why, until: Some(until) })
}

fn rate(rules: &Rules, record: &Record, now: Millis) -> Option<Hold> {
    let lately = |at: &Millis| now.since(*at) < MINUTE_MS;
    let begun: Vec<Millis> =
        record.losses.iter().filter_map(|loss| loss.passed).filter(lately).collect();
    let most = rules.per_minute;
    let until = begun.iter().min()?.plus(MINUTE_MS);
    let why = format!(
        "{most} recoveries of hosts began within a minute, as many as [guard] per_minute allows; it goes on by itself"
    );
    (most > 0 && begun.len() >= most as usize).then_some(Hold {
        cause: Cause::Rate,
        why,
        until: Some(until),
    })
}

/// What the log tells of the guard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum GuardEntry {
    /// It may not begin, or go on.
    Held { cause: Cause, why: String },
    /// It may not begin while a planned stop of its host stands, at most until then.
    Stopped { why: String, until: Millis },
    /// It may begin. `beat`: as it was read; none: nothing was asked, or a person has approved it.
    Passed { beat: Option<u64> },
}

/// What the guard has said of one recovery.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    pub passed: bool,
    /// Why it is held by the guard, and since when that is told.
    pub held: Option<(Cause, Millis)>,
    /// Until when, at most, it was or is held by a planned stop.
    pub stop_ends: Option<Millis>,
}

impl Standing {
    /// Why it is held now.
    pub(crate) fn apply(&mut self, entry: &GuardEntry, at: Millis) -> Option<String> {
        match entry {
            GuardEntry::Held { cause, why } => {
                self.held = Some((*cause, at));
                Some(why.clone())
            }
            GuardEntry::Stopped { why, until } => {
                self.held = Some((Cause::PlannedStop, at));
                self.stop_ends = Some(*until);
                Some(why.clone())
            }
            GuardEntry::Passed { .. } => {
                (self.passed, self.held) = (true, None);
                None
            }
        }
    }
}

impl State {
    /// Whether it has passed the guard: one that had been begun before there was a guard has.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.guard.passed || self.proven.is_some()
    }

    /// The line for a verdict that says no, if there is something new to tell.
    #[must_use]
    pub fn held_by(&self, hold: &Hold, now: Millis) -> Option<Entry> {
        let told = match self.guard.held {
            Some((cause, at)) if cause == hold.cause => {
                self.held.as_ref() == Some(&hold.why) || now.since(at) < RETELL_MS
            }
            Some(_) | None => false,
        };
        let why = hold.why.clone();
        let entry = match (hold.cause, hold.until) {
            (Cause::PlannedStop, Some(until)) => GuardEntry::Stopped { why, until },
            (cause, _) => GuardEntry::Held { cause, why },
        };
        (!told).then_some(Entry::Guard(entry))
    }
}

impl GuardEntry {
    /// A message of the task that stands last.
    pub(crate) fn tell(&self, task: &mut Task, at: Millis) {
        match self {
            Self::Held { why, .. } | Self::Stopped { why, .. } => {
                task.say(at, task.progress, format!("Held: {why}"));
            }
            Self::Passed { .. } => {}
        }
    }

    /// What the next one who asks is to know of it. `before`: what held it until then.
    fn summary(&self, before: Option<Cause>) -> Option<Summary> {
        let storm = Cause::is_a_storm_of_the_cloud;
        match self {
            // Its end is told by the first that is held for another reason.
            Self::Held { cause, .. } => {
                (storm(*cause) || before.is_some_and(storm)).then_some(Summary::Storm)
            }
            Self::Stopped { .. } => before.filter(|cause| storm(*cause)).map(|_| Summary::Storm),
            Self::Passed { beat } => Some(Summary::Passed { beat: *beat }),
        }
    }
}

/// What these lines tell the guard of others. `before`: the recovery as it stood.
pub(crate) fn summaries(before: &State, lines: &[Line]) -> Vec<Summary> {
    let held = before.guard.held.map(|(cause, _)| cause);
    let said = |line: &Line| {
        let Entry::Guard(entry) = &line.entry else { return None };
        entry.summary(held)
    };
    lines.iter().filter_map(said).collect()
}
