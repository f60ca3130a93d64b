//! When many hosts are lost at once.

use recovery::{
    HostName, Millis, NotificationId, SegmentId, ServiceId,
    evidence::Kind,
    guard::{self, Bound, Cause, GuardEntry, Hold, Loss, Of, Record, Rules, Size, Switch},
    log::{Entry, Line},
    nouns::NotificationStatus,
    seen::ComputeService,
    state::{State, Subject},
};

const NOW: Millis = Millis(1_795_000_000_000);
const MINUTE: i64 = 60_000;

fn host(n: u32) -> HostName {
    HostName::new(format!("host{n:03}"))
}

/// The n-th host, that was reported so long ago.
fn lost(n: u32, ago_ms: i64) -> Loss {
    Loss {
        notification: NotificationId::new(format!("report{n:03}")),
        host: host(n),
        segment: SegmentId::new("s"),
        reported: NOW.plus(-ago_ms),
        passed: None,
        open: true,
    }
}

/// A service that Nova heard last so long ago.
fn service(n: u32, ago_ms: i64) -> ComputeService {
    ComputeService {
        id: ServiceId::new(format!("service{n}")),
        host: host(n),
        enabled: true,
        disabled_reason: None,
        up: ago_ms < MINUTE,
        forced_down: false,
        heartbeat_at: Some(NOW.plus(-ago_ms)),
    }
}

/// A cloud of so many hosts in one segment, the first of which died a minute ago; the others live.
struct Cloud {
    rules: Rules,
    record: Record,
    services: Vec<ComputeService>,
    untold: u32,
}

fn cloud(hosts: u32, dead: u32) -> Cloud {
    let size = Size { segment: SegmentId::new("s"), name: "rack1".into(), hosts };
    let record = Record {
        losses: (0..dead).map(|n| lost(n, 50_000)).collect(),
        segments: vec![size],
        ..Record::default()
    };
    let services = (0..hosts).map(|n| service(n, if n < dead { 65_000 } else { 5_000 })).collect();
    Cloud { rules: Rules::default(), record, services, untold: 0 }
}

impl Cloud {
    fn judge(&self, n: u32) -> Result<(), Hold> {
        self.judge_held(n, None)
    }

    /// What has held it until now.
    fn judge_held(&self, n: u32, held: Option<Cause>) -> Result<(), Hold> {
        let (id, host) = (NotificationId::new(format!("report{n:03}")), host(n));
        let segment = SegmentId::new("s");
        let storm_ago_ms = self.record.storm_at.map(|at| NOW.since(at));
        let (notification, host, segment) = (&id, &host, &segment);
        let untold = self.untold;
        let of = Of { notification, host, segment, held, storm_ago_ms, untold, now: NOW };
        guard::judge(&self.rules, &self.record, Ok(&self.services), of)
    }

    fn cause(&self, n: u32) -> Option<Cause> {
        self.judge(n).err().map(|hold| hold.cause)
    }
}

#[test]
fn one_lost_host_always_passes_however_small_its_segment() {
    for hosts in 1..=40 {
        assert_eq!(cloud(hosts, 1).judge(0), Ok(()), "of {hosts}");
    }
    let mut strict = cloud(2, 1);
    strict.rules.segment = Bound { hosts: 0, percent: 1 };
    strict.rules.cloud = Bound { hosts: 0, percent: 1 };
    assert_eq!(strict.judge(0), Ok(()));
}

#[test]
fn a_share_allows_two_but_never_all() {
    let most = |percent, of| Bound { hosts: 0, percent }.most(of).unwrap();
    assert_eq!([1, 2, 3, 4, 20, 21, 40, 100].map(|of| most(10, of)), [1, 1, 2, 2, 2, 3, 4, 10]);
    assert_eq!([2, 3, 4].map(|of| most(99, of)), [1, 2, 3]);
    assert_eq!(Bound { hosts: 0, percent: 0 }.most(10), None);
    assert_eq!(Bound { hosts: 0, percent: 100 }.most(10), None);
    assert_eq!(Bound { hosts: 3, percent: 0 }.most(100), Some(3));
    assert_eq!(Bound { hosts: 3, percent: 10 }.most(100), Some(3), "the lower one");
    assert_eq!(Bound { hosts: 1, percent: 10 }.most(100), Some(1));
}

#[test]
fn two_of_a_hundred_pass_and_thirty_do_not_not_even_the_first() {
    for n in 0..2 {
        assert_eq!(cloud(100, 2).judge(n), Ok(()));
    }
    for n in [0, 29] {
        let hold = cloud(100, 30).judge(n).unwrap_err();
        assert_eq!(hold.cause, Cause::Cloud);
        assert!(
            hold.why.starts_with("30 of 100 hosts are lost at once, and [guard] allows 10"),
            "{}",
            hold.why
        );
    }
    assert_eq!(cloud(100, 10).judge(0), Ok(()));
    assert_eq!(cloud(100, 11).cause(0), Some(Cause::Cloud));
}

#[test]
fn the_bound_of_a_segment_counts_its_own_hosts() {
    let mut two = cloud(100, 4);
    let rest = Size { segment: SegmentId::new("t"), name: "rest".into(), hosts: 92 };
    two.record.segments = vec![Size { hosts: 8, ..two.record.segments[0].clone() }, rest];
    let hold = two.judge(0).unwrap_err();
    assert_eq!(hold.cause, Cause::Segment);
    assert!(
        hold.why.starts_with("4 of 8 hosts of segment 'rack1' are lost at once"),
        "{}",
        hold.why
    );
    two.record.losses[3].segment = SegmentId::new("t");
    two.record.losses[2].segment = SegmentId::new("t");
    assert_eq!(two.judge(0), Ok(()));
}

#[test]
fn what_waits_is_counted_however_old_and_what_has_begun_only_for_a_while() {
    let mut old = cloud(100, 11);
    for loss in &mut old.record.losses {
        loss.reported = NOW.plus(-3_600_000);
    }
    assert_eq!(old.cause(0), Some(Cause::Cloud), "nobody has decided anything");
    old.record.losses[5].passed = Some(NOW.plus(-301_000));
    assert_eq!(old.judge(0), Ok(()));
    old.record.losses[5].passed = Some(NOW.plus(-299_000));
    assert_eq!(old.cause(0), Some(Cause::Cloud));
    old.record.losses[5] = Loss { open: false, passed: None, ..old.record.losses[5].clone() };
    assert_eq!(old.judge(0), Ok(()), "one that has ended is no loss any more");
    old.record.losses[5].reported = NOW.plus(-299_000);
    assert_eq!(old.cause(0), Some(Cause::Cloud), "unless it was lost just now");
}

#[test]
fn two_reports_of_one_host_are_one_loss() {
    let mut twice = cloud(100, 10);
    twice.record.losses.push(Loss { notification: NotificationId::new("x"), ..lost(3, 10_000) });
    assert_eq!(twice.judge(0), Ok(()));
}

#[test]
fn a_host_that_nova_has_heard_since_the_report_is_not_lost() {
    let mut back = cloud(100, 11);
    back.services[10].heartbeat_at = Some(NOW.plus(-50_000 + 2_001));
    assert_eq!(back.cause(0), Some(Cause::Cloud), "Nova takes it for down");
    back.services[10].up = true;
    assert_eq!(back.judge(0), Ok(()));
    back.services[10].heartbeat_at = Some(NOW.plus(-50_000 + 2_000));
    assert_eq!(back.cause(0), Some(Cause::Cloud), "the clocks may differ by that");
}

#[test]
fn when_most_services_go_silent_at_once_nothing_begins() {
    // Nova has noticed one of them so far: the others are late, and up for it.
    let mut bus = cloud(40, 1);
    for n in 1..40 {
        bus.services[n as usize] = service(n, 52_000);
    }
    let hold = bus.judge(0).unwrap_err();
    assert_eq!(hold.cause, Cause::Silence);
    assert!(hold.why.contains("40 of 40 compute services went silent at once"), "{}", hold.why);
    for n in 1..=20 {
        bus.services[n as usize] = service(n, 5_000);
    }
    assert_eq!(bus.judge(0), Ok(()), "half of them are no most");
    bus.services[20] = service(20, 52_000);
    assert_eq!(bus.cause(0), Some(Cause::Silence));
    bus.rules.silent_percent = 0;
    assert_eq!(bus.judge(0), Ok(()));
}

#[test]
fn in_a_small_cloud_two_of_three_are_no_silence_and_all_are() {
    assert_eq!(cloud(3, 2).cause(0), None);
    assert_eq!(cloud(2, 1).cause(0), None);
    let mut all = cloud(3, 1);
    (all.services[1], all.services[2]) = (service(1, 55_000), service(2, 55_000));
    assert_eq!(all.cause(0), Some(Cause::Silence));
    let mut both = cloud(2, 1);
    both.services[1] = service(1, 55_000);
    assert_eq!(both.cause(0), Some(Cause::Silence));
}

#[test]
fn services_that_were_silent_long_before_are_no_part_of_it() {
    let mut old = cloud(40, 1);
    for n in 1..30 {
        old.services[n as usize] = service(n, 3_600_000);
    }
    assert_eq!(old.judge(0), Ok(()));
    // And hours later those that fell with it still are.
    let mut long = cloud(40, 1);
    long.services = (0..40).map(|n| service(n, 3 * 3_600_000 + i64::from(n) * 200)).collect();
    assert_eq!(long.cause(0), Some(Cause::Silence));
}

#[test]
fn services_that_are_out_of_service_do_not_count_as_silent() {
    let mut out = cloud(40, 1);
    for n in 1..30 {
        out.services[n as usize] = service(n, 65_000);
        out.services[n as usize].enabled = n % 2 == 0;
        out.services[n as usize].forced_down = n % 2 == 0;
    }
    assert_eq!(out.judge(0), Ok(()));
}

#[test]
fn heartbeats_that_are_sent_seldom_are_not_late() {
    // report_interval = 60, service_down_time = 180: nobody told us.
    let mut seldom = cloud(40, 1);
    seldom.services[0] = service(0, 181_000);
    for n in 1..40 {
        seldom.services[n as usize] = ComputeService { up: true, ..service(n, 59_000) };
    }
    assert_eq!(seldom.judge(0), Ok(()));
}

#[test]
fn when_nova_cannot_tell_its_services_nothing_begins() {
    let one = cloud(40, 1);
    let (id, host, segment) = (NotificationId::new("r"), host(0), SegmentId::new("s"));
    let (notification, host, segment) = (&id, &host, &segment);
    let (held, storm_ago_ms) = (None, None);
    let of = Of { notification, host, segment, held, storm_ago_ms, untold: 0, now: NOW };
    let judged = |rules: &Rules| guard::judge(rules, &one.record, Err("a cell is down"), of);
    let hold = judged(&one.rules).unwrap_err();
    assert_eq!(hold.cause, Cause::Unknown);
    assert!(hold.why.contains("a cell is down"), "{}", hold.why);
    assert_eq!(judged(&Rules::OFF), Ok(()), "it is not asked");
}

/// Nova lists the hosts of such a cell, and nothing of their services.
#[test]
fn a_cell_that_is_down_holds_nothing_of_the_others_until_it_is_most_of_the_cloud() {
    let mut cells = cloud(40, 1);
    cells.untold = 20;
    assert_eq!(cells.judge(0), Ok(()), "with its own 21 of 60 are silent");
    cells.untold = 38;
    assert_eq!(cells.judge(0), Ok(()), "39 of 78");
    cells.untold = 39;
    let hold = cells.judge(0).unwrap_err();
    assert_eq!(hold.cause, Cause::Silence);
    assert!(hold.why.contains("40 of 79 compute services"), "{}", hold.why);
    assert!(hold.why.contains("(39 of them in cells that do not answer)"), "{}", hold.why);
}

#[test]
fn after_a_storm_of_the_cloud_it_is_waited_for_a_while() {
    let mut after = cloud(40, 1);
    after.record.storm_at = Some(NOW.plus(-119_000));
    let hold = after.judge(0).unwrap_err();
    assert_eq!((hold.cause, hold.until), (Cause::CoolDown, Some(NOW.plus(1_000))));
    after.record.storm_at = Some(NOW.plus(-120_000));
    assert_eq!(after.judge(0), Ok(()));
}

/// What was written of the storm is of its beginning: it may have lasted for an hour.
#[test]
fn who_was_held_by_the_storm_to_its_end_waits_from_that_end_on() {
    let mut over = cloud(40, 1);
    over.record.storm_at = Some(NOW.plus(-3_600_000));
    for cause in [Cause::Silence, Cause::Cloud] {
        let hold = over.judge_held(0, Some(cause)).unwrap_err();
        assert_eq!((hold.cause, hold.until), (Cause::CoolDown, Some(NOW.plus(120_000))));
    }
    for cause in [Cause::CoolDown, Cause::Segment, Cause::Rate, Cause::Disarmed, Cause::Unknown] {
        assert_eq!(over.judge_held(0, Some(cause)), Ok(()), "{cause:?}");
    }
    over.rules.cooldown_ms = 0;
    assert_eq!(over.judge_held(0, Some(Cause::Silence)), Ok(()));
}

#[test]
fn so_many_begin_within_a_minute_and_no_more() {
    let mut rate = cloud(1000, 5);
    rate.rules.per_minute = 3;
    for n in 0..3 {
        rate.record.losses[n].passed = Some(NOW.plus(-1_000 * (57 + n as i64)));
    }
    let hold = rate.judge(4).unwrap_err();
    assert_eq!((hold.cause, hold.until), (Cause::Rate, Some(NOW.plus(1_000))));
    rate.record.losses[2].passed = Some(NOW.plus(-60_000));
    assert_eq!(rate.judge(4), Ok(()));
    rate.rules.per_minute = 0;
    rate.record.losses[2].passed = Some(NOW);
    assert_eq!(rate.judge(4), Ok(()));
}

#[test]
fn a_person_who_disarms_holds_everything_whatever_else_is_off() {
    let mut off = cloud(40, 1);
    off.rules = Rules::OFF;
    let by = "ann (a1)".to_owned();
    off.record.switch = Some(Switch { armed: false, at: NOW, by, why: Some("rewiring".into()) });
    let hold = off.judge(0).unwrap_err();
    assert_eq!(hold.cause, Cause::Disarmed);
    assert!(hold.why.starts_with("disarmed by ann (a1) at 2026-11-18T"), "{}", hold.why);
    assert!(hold.why.ends_with(": rewiring; nothing begins before `masakari arm`"), "{}", hold.why);
    off.record.switch.as_mut().unwrap().armed = true;
    assert_eq!(off.judge(0), Ok(()));
}

fn fold(entries: &[Entry]) -> State {
    let lines = (1..).zip(entries).map(|(seq, entry)| Line { seq, at: NOW, entry: entry.clone() });
    State::fold(&lines.collect::<Vec<_>>()).unwrap()
}

fn held(cause: Cause) -> Entry {
    Entry::Guard(GuardEntry::Held { cause, why: "12 are lost".into() })
}

fn passed() -> Entry {
    Entry::Guard(GuardEntry::Passed { beat: Some(7) })
}

fn proven() -> Entry {
    Entry::Proven { kind: Kind::MonitorSaid, at: NOW, evidence: Vec::new() }
}

#[test]
fn what_the_guard_holds_is_new_and_what_it_lets_go_runs() {
    assert_eq!(fold(&[held(Cause::Cloud)]).status(), NotificationStatus::New);
    assert_eq!(fold(&[held(Cause::Cloud)]).held.as_deref(), Some("12 are lost"));
    let through = fold(&[held(Cause::Cloud), passed(), proven()]);
    assert_eq!((through.status(), through.held), (NotificationStatus::Running, None));
    let disarmed = fold(&[passed(), proven(), held(Cause::Disarmed)]);
    assert_eq!(disarmed.status(), NotificationStatus::New);
    assert!(disarmed.has_passed(), "once begun no later loss counts");
    assert_eq!(
        fold(&[passed(), proven(), held(Cause::Disarmed), proven()]).status(),
        NotificationStatus::Running
    );
}

#[test]
fn a_recovery_of_a_version_without_a_guard_has_passed() {
    assert!(fold(&[proven()]).has_passed());
    assert!(!fold(&[held(Cause::Cloud)]).has_passed());
}

#[test]
fn the_same_verdict_with_other_numbers_is_told_once_a_minute() {
    let state = fold(&[held(Cause::Cloud)]);
    let hold = |cause, why: &str| Hold { cause, why: why.into(), until: None };
    assert_eq!(state.held_by(&hold(Cause::Cloud, "12 are lost"), NOW.plus(MINUTE)), None);
    assert_eq!(state.held_by(&hold(Cause::Cloud, "13 are lost"), NOW.plus(MINUTE - 1)), None);
    assert!(state.held_by(&hold(Cause::Cloud, "13 are lost"), NOW.plus(MINUTE)).is_some());
    assert!(state.held_by(&hold(Cause::Segment, "12 are lost"), NOW).is_some());
}

#[test]
fn the_beginning_and_the_end_of_a_storm_are_told_to_others() {
    let subject = Subject::unknown(&NotificationId::new("r"));
    let told = |before: &[Entry], entry: Entry| {
        let before = fold(before);
        let line = Line { seq: before.last_seq + 1, at: NOW, entry };
        let mut after = before.clone();
        after.apply(&line).unwrap();
        after.summaries(&before, &[line], &subject).contains(&recovery::log::Summary::Storm)
    };
    assert!(told(&[], held(Cause::Silence)));
    assert!(told(&[], held(Cause::Cloud)));
    assert!(!told(&[], held(Cause::CoolDown)));
    assert!(!told(&[], held(Cause::Segment)), "the others are not concerned");
    assert!(!told(&[], held(Cause::Approval)));
    assert!(told(&[held(Cause::Silence)], held(Cause::CoolDown)), "it has just ended");
}
