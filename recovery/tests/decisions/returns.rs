//! The way back of a host that recoveries took out of service.

use recovery::{
    HostId, HostName, Millis, NotificationId, ServerId, ServiceId,
    evidence::{Evidence, Kind},
    fencing::FenceEntry,
    fold::Fold,
    log::{Entry, Line, Summary},
    nouns::NotificationStatus,
    returns::{Act, Did, Due, Event, Heard, Look, Rules, Spare, Stage, State, Word, judge, log_of},
    seen::{ComputeService, Evacuation, EvacuationStatus},
    state::{self, Subject},
};

const NOW: Millis = Millis(10_000_000_000);
const OURS: &str = "Masakari detected host failed.";

fn rules() -> Rules {
    Rules { probation_ms: 60_000, flap_window_ms: 3_600_000, flap_limit: 3, ..Rules::default() }
}

fn host() -> HostName {
    HostName::new("compute01")
}

fn id(n: u32) -> NotificationId {
    NotificationId::new(format!("n{n}"))
}

fn did() -> Did {
    Did { forced_down: true, reasons: vec![OURS.into()], ..Did::default() }
}

fn lost(n: u32) -> Event {
    Event::Lost { recovery: id(n), did: did() }
}

fn seen() -> Event {
    Event::Seen { heartbeat: NOW }
}

fn asked() -> Event {
    wanted(false)
}

fn wanted(power_on: bool) -> Event {
    let (request, why) = (Some("r1".into()), Some("new memory".into()));
    Event::Asked { request, by: "ann".into(), why, power_on }
}

fn lines(events: &[Event]) -> Vec<Line> {
    let entries = events.iter().cloned().map(Entry::Return);
    (1..).zip(entries).map(|(seq, entry)| Line { seq, at: NOW, entry }).collect()
}

fn after(events: &[Event]) -> State {
    State::fold(&lines(events)).unwrap()
}

/// As the recovery has left it, and nova-compute runs again.
fn service() -> ComputeService {
    ComputeService {
        id: ServiceId::new("svc"),
        host: host(),
        enabled: false,
        disabled_reason: Some(OURS.into()),
        up: false,
        forced_down: true,
        heartbeat_at: Some(NOW),
    }
}

fn heard(seconds: i64) -> Option<Heard> {
    Some(Heard { first: NOW.plus(-seconds * 1000), last: NOW })
}

fn record(n: i64, status: EvacuationStatus) -> Evacuation {
    let server = ServerId::new(format!("vm{}", n % 10));
    Evacuation { id: n, server, source: host(), dest: None, status, created: None }
}

struct Seen {
    service: ComputeService,
    heard: Option<Heard>,
    recovery: Option<NotificationId>,
    word: Option<Word>,
    hands_off: Option<&'static str>,
    records: Vec<Evacuation>,
    rules: Rules,
}

/// Everything is as it should be.
fn well() -> Seen {
    Seen {
        service: service(),
        heard: heard(60),
        recovery: None,
        word: None,
        hands_off: None,
        records: vec![record(1, EvacuationStatus::Completed)],
        rules: rules(),
    }
}

fn due(state: &State, seen: &Seen) -> Due {
    let host = host();
    let look = Look {
        host: &host,
        service: Some(&seen.service),
        heard: seen.heard,
        recovery: seen.recovery.as_ref(),
        word: seen.word,
        hands_off: seen.hands_off,
        records: Some(&seen.records),
        now: NOW,
    };
    judge(state, &seen.rules, &look)
}

/// What it waits for.
fn why(state: &State, seen: &Seen) -> String {
    match due(state, seen) {
        Due::Note(Event::Waits { why }) => why,
        other => panic!("it waits for nothing: {other:?}"),
    }
}

fn is_there() -> State {
    after(&[lost(1), seen()])
}

#[test]
fn what_recoveries_did_is_undone_in_order_and_no_more() {
    let mut seen = well();
    assert_eq!(due(&is_there(), &seen), Due::Do(Act::ForceUp, ServiceId::new("svc")));
    (seen.service.forced_down, seen.service.up) = (false, true);
    assert_eq!(due(&is_there(), &seen), Due::Do(Act::Enable, ServiceId::new("svc")));
    seen.service.enabled = true;
    assert_eq!(due(&is_there(), &seen), Due::Note(Event::Back { reserved: false }));
}

#[test]
fn nothing_is_undone_that_no_recovery_of_ours_did() {
    let mut seen = well();
    let by_others = Event::Lost { recovery: id(1), did: Did::default() };
    let state = after(&[by_others, self::seen()]);
    assert!(why(&state, &seen).contains("no recovery of ours did that"));
    (seen.service.forced_down, seen.service.up) = (false, true);
    assert_eq!(due(&state, &seen), Due::Note(Event::Back { reserved: false }), "still disabled");
    seen.service.disabled_reason = Some("Ann repairs it".into());
    assert_eq!(due(&is_there(), &seen), Due::Note(Event::Back { reserved: false }));
}

#[test]
fn of_two_losses_what_both_did_is_undone() {
    let second = Event::Lost { recovery: id(2), did: Did::default() };
    let state = after(&[lost(1), second, self::seen()]);
    let seen = Seen { heard: heard(120), ..well() };
    assert_eq!(due(&state, &seen), Due::Do(Act::ForceUp, ServiceId::new("svc")));
    assert_eq!(state.by, [id(1), id(2)]);
    let once = after(&[lost(1), lost(1), self::seen()]);
    assert_eq!(once.losses_within(1_000, NOW), 1, "one that was tried again");
}

#[test]
fn a_host_is_away_until_it_is_heard_and_again_when_it_falls_silent() {
    let silent = Seen { heard: None, ..well() };
    assert_eq!(due(&after(&[lost(1)]), &silent), Due::Wait);
    assert_eq!(due(&after(&[lost(1)]), &well()), Due::Note(seen()));
    assert_eq!(due(&is_there(), &silent), Due::Note(Event::Silent));
    assert_eq!(after(&[lost(1), seen(), Event::Silent]).stage, Stage::Away);
}

#[test]
fn copies_that_may_still_be_there_keep_it_away_whoever_wants_it() {
    let wanted = after(&[lost(1), seen(), asked()]);
    for (status, words) in [
        (EvacuationStatus::Done, "the copies of 1 servers"),
        (EvacuationStatus::Accepted, "Nova is at work on 1 evacuations"),
        (EvacuationStatus::Running, "Nova is at work on 1 evacuations"),
    ] {
        let seen = Seen { records: vec![record(1, status)], ..well() };
        assert!(why(&is_there(), &seen).contains(words));
        assert!(why(&wanted, &seen).contains(words));
    }
    // Of several records of one server nova-compute completes the last; nobody is behind a void one.
    let old = [EvacuationStatus::Done, EvacuationStatus::Completed, EvacuationStatus::Void];
    let records = (0..).zip(old).map(|(n, status)| record(1 + 10 * n, status)).collect();
    assert!(matches!(due(&is_there(), &Seen { records, ..well() }), Due::Do(..)));
}

#[test]
fn it_is_heard_without_a_gap_for_its_probation() {
    let early = Seen { heard: heard(59), ..well() };
    assert!(why(&is_there(), &early).contains("heard for 60 s without a gap"));
    let twice = after(&[lost(1), seen(), Event::Back { reserved: false }, lost(2), seen()]);
    assert!(why(&twice, &Seen { heard: heard(119), ..well() }).contains("heard for 120 s"));
    assert!(matches!(due(&twice, &Seen { heard: heard(120), ..well() }), Due::Do(..)));
    let long = Rules { probation_ms: 3_000_000, ..rules() };
    assert_eq!(twice.probation_ms(&long, NOW), 3_600_000, "at most an hour");
}

#[test]
fn a_host_that_was_lost_too_often_waits_for_a_person() {
    let flaps = after(&[lost(1), lost(2), lost(3), seen()]);
    assert!(why(&flaps, &well()).contains("was lost 3 times within 1 h"));
    let always = Seen { rules: Rules { flap_limit: 0, ..rules() }, heard: heard(240), ..well() };
    assert!(matches!(due(&flaps, &always), Due::Do(..)));
    let wanted = after(&[lost(1), lost(2), lost(3), seen(), asked()]);
    assert!(matches!(due(&wanted, &well()), Due::Do(..)));
    let host = host();
    let later = Look { now: NOW.plus(3_600_000), ..look_of(&host) };
    assert!(matches!(judge(&flaps, &rules(), &later), Due::Records), "the window is over");
}

fn look_of(host: &HostName) -> Look<'_> {
    static SERVICE: std::sync::OnceLock<ComputeService> = std::sync::OnceLock::new();
    let service = Some(SERVICE.get_or_init(service));
    let (recovery, word, records) = (None, None, None);
    Look { host, service, heard: heard(60), recovery, word, hands_off: None, records, now: NOW }
}

#[test]
fn a_persons_wish_spares_the_probation_and_a_new_loss_ends_it() {
    let early = Seen { heard: heard(10), ..well() };
    let wanted = after(&[lost(1), asked(), seen()]);
    assert!(matches!(due(&wanted, &early), Due::Do(..)));
    // A single heartbeat may be somebody's write.
    assert!(why(&wanted, &Seen { heard: heard(0), ..well() }).contains("to be heard twice"));
    let lost_again = after(&[lost(1), asked(), seen(), lost(2), seen()]);
    assert!(why(&lost_again, &early).contains("on probation"));
}

#[test]
fn what_forbids_it_is_said_with_what_ends_it() {
    let by_hand = "`masakari return compute01` brings it back";
    let recovery = Seen { recovery: Some(id(7)), ..well() };
    assert!(why(&is_there(), &recovery).contains("`masakari cancel n7`"));
    let wanted = after(&[lost(1), seen(), asked()]);
    assert!(why(&wanted, &recovery).contains("its recovery n7 has not ended"), "for nobody");
    let stays = Seen { word: Some(Word::Stay), ..well() };
    assert!(why(&is_there(), &stays).contains(by_hand));
    assert!(matches!(due(&wanted, &stays), Due::Do(..)), "the later word counts");
    let never = Seen { rules: Rules { automatic: false, ..rules() }, ..well() };
    assert!(why(&is_there(), &never).contains(by_hand));
    let client = Seen { word: Some(Word::Return), ..never };
    assert!(matches!(due(&is_there(), &client), Due::Do(..)));
    let shut = Event::Lost { recovery: id(1), did: Did { storage_shut: true, ..did() } };
    assert!(why(&after(&[shut, seen()]), &well()).contains("let it in again"));
}

#[test]
fn what_is_waited_for_is_written_once() {
    let waits = Event::Waits { why: why(&is_there(), &Seen { heard: heard(1), ..well() }) };
    let state = after(&[lost(1), seen(), waits]);
    assert_eq!(due(&state, &Seen { heard: heard(20), ..well() }), Due::Wait);
}

#[test]
fn what_nova_refuses_is_tried_again_later_and_later() {
    let refused = |at| Event::Refused { act: Act::ForceUp, why: "400".into(), again_at: at };
    let intended = Event::Intended { act: Act::ForceUp };
    let waiting = after(&[lost(1), seen(), intended.clone(), refused(NOW.plus(1))]);
    assert_eq!(due(&waiting, &well()), Due::Wait);
    assert!(waiting.why.as_ref().unwrap().contains("Nova refused to take back"));
    let again = after(&[lost(1), seen(), intended.clone(), refused(NOW)]);
    assert_eq!(due(&again, &well()), Due::Do(Act::ForceUp, ServiceId::new("svc")));
    let mut events = vec![lost(1), seen()];
    let mut waits = Vec::new();
    for _ in 0..9 {
        events.push(intended.clone());
        waits.push(after(&events).again_at(NOW).since(NOW));
        events.push(refused(NOW));
    }
    assert_eq!(waits[..3], [5_000, 10_000, 20_000]);
    assert_eq!(waits[8], 320_000, "at last every five minutes or so");
}

#[test]
fn a_host_takes_the_place_of_the_reserved_host_that_its_recovery_used_up() {
    let spare = |was_disabled, reason: Option<&str>| {
        let host = HostName::new("spare01");
        let spare = Some(Spare { host, was_disabled, reason: reason.map(Into::into) });
        after(&[Event::Lost { recovery: id(1), did: Did { spare, ..did() } }, seen()])
    };
    let svc = || ServiceId::new("svc");
    let mut seen = well();
    (seen.service.forced_down, seen.service.up) = (false, true);
    let state = spare(true, Some("cold spare"));
    assert_eq!(due(&state, &seen), Due::Do(Act::Reserve, svc()));
    let refills = seen.rules;
    seen.rules.refill = false;
    assert_eq!(due(&state, &seen), Due::Do(Act::Enable, svc()), "it keeps its own place");
    seen.rules = refills;
    seen.service.disabled_reason = Some("cold spare".into());
    assert_eq!(due(&state, &seen), Due::Note(Event::Back { reserved: true }));
    seen.service.enabled = true;
    let back = Due::Note(Event::Back { reserved: false });
    assert_eq!(due(&state, &seen), back, "a person has put it into service");
    // One whose service was enabled while it was in reserve.
    assert_eq!(due(&spare(false, None), &seen), Due::Note(Event::Back { reserved: true }));
    seen.service = ComputeService { forced_down: false, up: true, ..service() };
    assert_eq!(due(&spare(false, None), &seen), Due::Do(Act::Enable, svc()));
}

#[test]
fn what_it_comes_to_is_told_with_the_line() {
    let of = Subject {
        notification: log_of(&HostId::new("h1")),
        host_id: HostId::new("h1"),
        host: host(),
    };
    assert_eq!(of.notification.as_str(), "h1");
    let before = after(&[lost(1), lost(2), seen()]);
    let line = |event| [Line { seq: 4, at: NOW, entry: Entry::Return(event) }];
    let told = |event: Event| {
        let mut state = before.clone();
        let line = line(event);
        state.apply(&line[0]).unwrap();
        state.summaries(&before, &line, &of)
    };
    let (host, recoveries) = (HostId::new("h1"), vec![id(1), id(2)]);
    assert_eq!(
        told(Event::Back { reserved: true }),
        [Summary::Returned { host, reserved: true, recoveries }]
    );
    let answered = told(asked());
    assert!(matches!(&answered[..], [Summary::Answered { request, .. }] if request == "r1"));
    let [Summary::Answered { answer, .. }] = &told(wanted(true))[..] else { panic!() };
    assert!(answer.starts_with("it is switched on by its fence device"), "{answer}");
    assert_eq!(told(Event::Silent), []);
}

/// As a recovery left it that has switched it off.
fn switched_off(n: u32) -> Event {
    Event::Lost { recovery: id(n), did: Did { switched_off: true, ..did() } }
}

/// It has no power.
fn dark() -> Seen {
    Seen { heard: None, rules: Rules { power_on: true, ..rules() }, ..well() }
}

fn not_on(again_ms: i64) -> Event {
    Event::NotOn { path: vec!["bmc: silent".into()], again_at: NOW.plus(again_ms) }
}

#[test]
fn a_host_that_was_switched_off_is_switched_on_again_where_that_is_configured() {
    let off = after(&[switched_off(1)]);
    assert_eq!(due(&off, &dark()), Due::SwitchOn);
    assert_eq!(due(&after(&[lost(1)]), &dark()), Due::Wait, "somebody else has switched it off");
    assert_eq!(due(&off, &Seen { rules: rules(), ..dark() }), Due::Wait, "nobody wants that");
    assert_eq!(due(&off, &Seen { recovery: Some(id(2)), ..dark() }), Due::Wait);
    assert_eq!(due(&off, &Seen { hands_off: Some("a planned stop"), ..dark() }), Due::Wait);
    assert_eq!(due(&off, &Seen { word: Some(Word::Stay), ..dark() }), Due::Wait);
    let heard = Seen { heard: self::heard(60), ..dark() };
    assert!(matches!(due(&off, &heard), Due::Note(Event::Seen { .. })), "it has its power");
    let often = after(&[switched_off(1), switched_off(2), switched_off(3)]);
    assert_eq!(due(&often, &dark()), Due::Wait, "it flaps");
    let unlimited = Rules { flap_limit: 0, power_on: true, ..rules() };
    assert_eq!(due(&often, &Seen { rules: unlimited, ..dark() }), Due::SwitchOn);
    assert_eq!(due(&after(&[switched_off(1), lost(2)]), &dark()), Due::Wait, "as it was left last");
}

#[test]
fn a_person_has_any_host_that_is_away_switched_on_and_no_recovery_is_in_the_way() {
    let asked = after(&[lost(1), wanted(true)]);
    let by_hand = Seen { rules: rules(), hands_off: Some("a planned stop"), ..dark() };
    assert_eq!(due(&asked, &by_hand), Due::SwitchOn);
    assert_eq!(due(&asked, &Seen { recovery: Some(id(2)), ..by_hand }), Due::Wait);
    assert_eq!(due(&after(&[lost(1), wanted(false)]), &dark()), Due::Wait, "it was not asked for");
    let again = after(&[lost(1), wanted(true), lost(2)]);
    assert_eq!(due(&again, &dark()), Due::Wait, "a new loss ends the wish");
}

#[test]
fn a_host_is_switched_on_once_and_that_is_tried_three_times() {
    let on = Event::On { path: vec!["bmc: on".into()] };
    let lit = after(&[switched_off(1), Event::OnIntended, on.clone()]);
    assert_eq!(due(&lit, &dark()), Due::Wait);
    assert_eq!(lit.why.as_deref(), Some("it was switched on and has not been heard yet (bmc: on)"));
    // Who stopped in the middle has tried once.
    let mut events = vec![switched_off(1), Event::OnIntended, Event::OnIntended, not_on(0)];
    let state = after(&events);
    assert_eq!(due(&state, &dark()), Due::SwitchOn);
    assert!(state.why.as_ref().unwrap().contains("it is tried again (bmc: silent)"));
    assert_eq!(state.power.again_at(NOW), NOW.plus(60_000));
    let later = after(&[switched_off(1), Event::OnIntended, not_on(1)]);
    assert_eq!(due(&later, &dark()), Due::Wait, "not yet");
    events.extend([Event::OnIntended, not_on(0)]);
    let state = after(&events);
    assert_eq!(due(&state, &dark()), Due::Wait);
    assert!(state.why.as_ref().unwrap().contains("that is left to you (bmc: silent)"));
    events.push(wanted(true));
    assert_eq!(due(&after(&events), &dark()), Due::SwitchOn, "a person has it tried anew");
    assert_eq!(
        due(&after(&[switched_off(1), Event::OnIntended, on, switched_off(2)]), &dark()),
        Due::SwitchOn
    );
}

#[test]
fn whether_a_recovery_switched_its_host_off_and_left_nothing_on_it_is_read_from_its_log() {
    let evidence =
        |kind| Evidence { host: host(), kind, at: NOW, source: "bmc".into(), raw: "off".into() };
    let fenced = |kind| Entry::Fence(FenceEntry::Proven { evidence: evidence(kind) });
    let ended = |status| Entry::Ended { status, message: None };
    let of = |entries| Did::of(&recovery(entries), OURS, "process").switched_off;
    assert!(of(vec![fenced(Kind::PoweredOff), ended(NotificationStatus::Finished)]));
    assert!(!of(vec![fenced(Kind::PoweredOff), ended(NotificationStatus::Failed)]));
    assert!(!of(vec![fenced(Kind::StorageFenced), ended(NotificationStatus::Finished)]));
    let seen = vec![evidence(Kind::PoweredOff)];
    let proven = Entry::Proven { kind: Kind::PoweredOff, at: NOW, evidence: seen };
    assert!(!of(vec![proven, ended(NotificationStatus::Finished)]), "by somebody else");
}

#[test]
fn lines_that_cannot_follow_are_refused() {
    let done = Event::Done { act: Act::Enable };
    for wrong in [
        vec![seen()],
        vec![lost(1), Event::Silent],
        vec![lost(1), Event::Intended { act: Act::Enable }],
        vec![lost(1), Event::Back { reserved: false }],
        vec![lost(1), seen(), done.clone()],
        vec![Event::OnIntended],
        vec![lost(1), seen(), Event::OnIntended],
        vec![lost(1), seen(), Event::Intended { act: Act::ForceUp }, done],
        vec![lost(1), seen(), Event::Back { reserved: false }, asked()],
    ] {
        assert!(State::fold(&lines(&wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_gap_between_two_heartbeats_begins_it_anew() {
    let service = |at: i64| ComputeService { heartbeat_at: Some(NOW.plus(at)), ..service() };
    let after =
        |known, at, now: i64| Heard::after(known, Some(&service(at)), 10_000, NOW.plus(now));
    let first = after(None, 0, 500).unwrap();
    assert_eq!(after(Some(first), 65_000, 66_000).unwrap().ms(), 65_000);
    assert_eq!(
        after(Some(first), 70_001, 71_000).unwrap().ms(),
        0,
        "nobody knows of the time between"
    );
    assert_eq!(after(Some(first), 0, 60_001), None, "silent");
    // A write of ours stands there: the heartbeat before counts.
    let hidden = ComputeService { heartbeat_at: None, ..self::service() };
    let known = Heard::after(Some(first), Some(&hidden), 10_000, NOW.plus(5_000));
    assert_eq!(known, Some(first));
    assert_eq!(Heard::after(None, Some(&hidden), 10_000, NOW), None);
    // Nova says down, and nobody has told it so.
    let down = ComputeService { forced_down: false, ..service(0) };
    assert_eq!(Heard::after(None, Some(&down), 10_000, NOW), None);
}

fn recovery(entries: Vec<Entry>) -> Vec<Line> {
    (1..).zip(entries).map(|(seq, entry)| Line { seq, at: NOW, entry }).collect()
}

#[test]
fn what_a_recovery_did_to_its_host_is_read_from_its_log() {
    let of = |entries| Did::of(&recovery(entries), OURS, "process");
    let proven = |kind| Entry::Proven { kind, at: NOW, evidence: Vec::new() };
    let did = of(vec![proven(Kind::PoweredOff), Entry::ForceDownIntended, Entry::DisableIntended]);
    assert_eq!(did, self::did(), "what was meant may have been done");
    let before = of(vec![proven(Kind::MonitorSaid), Entry::Disabled]);
    assert_eq!(before, Did { reasons: vec!["process".into()], ..Did::default() });
}

#[test]
fn the_end_of_a_recovery_that_had_a_permit_leaves_its_host_away() {
    let of = Subject { notification: id(1), host_id: HostId::new("h1"), host: host() };
    let ended = Entry::Ended { status: NotificationStatus::Failed, message: None };
    let proven = Entry::Proven { kind: Kind::PoweredOff, at: NOW, evidence: Vec::new() };
    let told = |entries: Vec<Entry>| {
        let lines = recovery(entries);
        let (last, first) = lines.split_last().unwrap();
        let before = state::State::fold(first).unwrap();
        let mut after = before.clone();
        after.apply(last).unwrap();
        after.summaries(&before, std::slice::from_ref(last), &of)
    };
    let away = Summary::Away(HostId::new("h1"));
    assert!(told(vec![proven.clone(), ended.clone()]).contains(&away));
    assert!(!told(vec![ended]).contains(&away), "nothing was done to it");
    assert!(!told(vec![proven]).contains(&away), "it has not ended");
}
