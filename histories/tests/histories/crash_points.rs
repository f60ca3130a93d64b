//! Crash points: one small history again and again, with the engine cut off at each of its crossings in
//! turn, before the effect and after it; and once more standing still there, with a second engine
//! beside it. Nothing else fails, so the outcome must be the one that it always is.

use crate::{
    gates::{CALL_THAT_WRITES, PLACES},
    own_steps::RUNNING,
    scene::{EngineScript, Faults, Scene, undisturbed},
    tale::{self, Stage, Told},
};
use recovery::{
    ServerId,
    log::Entry,
    nouns::{NotificationStatus, VMoveStatus},
    seen::{Server, VmState},
};
use sim::{Fault, Kind, Process, Service, Shape, Verdict, When};
use std::collections::BTreeMap;

/// The first after which something could be left half done.
const THE_BEGINNING: &str = "taking leases";
/// What an idle engine does all the time: to die there is to die between two other places.
const IDLE: [&str; 4] = [
    "listing open recoveries",
    "listing requests",
    "reading leases",
    "listing hosts that are away",
];
/// Two and a half terms of a lease.
pub(crate) const PAUSE_MS: u64 = 25_000;

/// Who says that the host is dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// A monitor: Nova must agree, and is not blinded.
    Monitor,
    /// A person too: the host is forced down.
    Person,
    /// A cluster that has fenced it: so it is, too.
    Cluster,
}

#[test]
fn an_engine_that_dies_at_any_point_after_a_monitors_report_is_made_up_for() {
    dies_everywhere(|engines| scene(Word::Monitor, engines), ALL, 150);
}

#[test]
fn an_engine_that_dies_at_any_point_after_a_persons_word_is_made_up_for() {
    dies_everywhere(|engines| scene(Word::Person, engines), ALL, 164);
}

#[test]
fn an_engine_that_dies_at_any_point_after_a_clusters_fencing_was_attested_is_made_up_for() {
    let which = Which { since: THE_BEGINNING, every: 3 };
    dies_everywhere(|engines| scene(Word::Cluster, engines), which, 50);
}

#[test]
fn an_engine_that_stands_still_at_any_point_is_made_up_for() {
    pauses_everywhere(|engines| scene(Word::Monitor, engines), ALL, 145);
}

#[test]
fn an_engine_that_stands_still_at_any_point_after_a_persons_word_is_made_up_for() {
    pauses_everywhere(|engines| scene(Word::Person, engines), ALL, 145);
}

/// Nova does not answer for a while after a person's word, so that our own writes are much newer than it.
fn confirmed_long_ago(engines: Vec<EngineScript>) -> Scene {
    let rules = vec![(Service::Compute, Kind::Any, Fault::Status(503), 1_000)];
    let (from_ms, until_ms) = (0, 20_000);
    let (store_permille, build_fails_permille, loses_touch_permille) = (0, 0, 0);
    let faults = Faults {
        rules,
        from_ms,
        until_ms,
        store_permille,
        build_fails_permille,
        loses_touch_permille,
    };
    Scene { faults: Some(faults), ..scene(Word::Person, engines) }
}

#[test]
fn an_engine_that_dies_when_the_word_is_old_takes_its_own_writes_for_no_sign_of_life() {
    dies_everywhere(confirmed_long_ago, Which { since: "writing a log", every: 2 }, 60);
}

/// Whoever takes over asks again after a while, and trusts that nothing is sent so late.
#[test]
fn an_evacuation_is_not_sent_long_after_its_intent() {
    let evacuations = |slow_locks_ms| {
        let scene = Scene { slow_locks_ms, ..scene(Word::Person, vec![undisturbed()]) };
        tale::tell(scene).stage.world.evacuate_calls()
    };
    assert_eq!(evacuations(15_000).len(), 4);
    // Those that run take no lock, the one that its owner had locked no other: they are not late.
    assert_eq!(evacuations(25_000).len(), 2);
}

/// The lease is renewed, and the answer comes 9.5 s later. Counted from the answer it would still hold when
/// the locks are answered; counted from the sending, another engine may have it by then.
#[test]
fn a_lease_lasts_from_the_sending_of_its_renewal() {
    let scene = |scripts| {
        let mut scene = Scene { slow_locks_ms: 14_000, ..scene(Word::Person, scripts) };
        // Nobody goes before the others.
        scene.shape.ha_enabled_every = 0;
        scene
    };
    let clean = told_well(tale::tell(scene(vec![undisturbed(), undisturbed()]))).unwrap();
    let who = clean.iter().position(|life| life.places().contains(&"writing a log")).unwrap();
    let places = clean[who].places();
    let mut renewing = (1..).zip(&places).filter(|(_, place)| **place == "renewing leases");
    let (answered, _) = renewing.nth(1).unwrap();
    let mut scripts = [undisturbed(), undisturbed()];
    scripts[who].pause = Some((answered, 9_500));
    let told = tale::tell(scene(scripts.into()));
    let calls = told.stage.world.evacuate_calls();
    let soon = calls.iter().filter(|call| call.at.since(calls[0].at) < 60_000).count();
    // The two that take no lock went before; the others wait until nothing is on its way.
    assert_eq!((soon, calls.len()), (2, 4), "{}", told.stage.story());
    told_well(told).unwrap();
}

/// Nova moves the server and then marks the record: listed the other way round, a server could be seen
/// where it was by a list that is newer than the records.
#[test]
fn in_every_look_the_servers_are_listed_before_the_records() {
    let told = tale::tell(scene(Word::Person, vec![undisturbed()]));
    let asked = told.stage.asked.lock().unwrap();
    let is = |path: &str, end: &str| path.ends_with(end);
    let lists = asked.iter().filter(|p| is(p, "/servers/detail") || is(p, "/os-migrations"));
    let records: Vec<bool> = lists.map(|p| is(p, "/os-migrations")).collect();
    assert!(records.len() > 20, "few lists: {asked:?}");
    assert_eq!(records.first(), Some(&false), "the records were listed first");
    assert_eq!(records.last(), Some(&true), "the servers were listed last");
    assert!(!records.windows(2).any(|two| two == [true, true]), "records without servers");
}

#[test]
fn an_engine_that_hesitates_does_not_take_what_another_took_meanwhile() {
    let (who, life) = the_one_that_acts(|engines| scene(Word::Person, engines));
    let taking = life.places().iter().position(|place| *place == "taking leases").unwrap() + 1;
    let mut scripts = [undisturbed(), undisturbed()];
    scripts[who].pause = Some((taking, 3_000));
    let told = tale::tell(scene(Word::Person, scripts.into()));
    let report = &told.stage.memory.all_notifications()[0].uuid;
    let log = told.stage.memory.lines(report);
    let claims = log.iter().filter(|line| matches!(line.entry, Entry::Claimed { .. })).count();
    assert_eq!(claims, 1, "{}", told.stage.story());
    told_well(told).unwrap();
}

/// It wakes with a little of its lease left, too little to send anything.
#[test]
fn an_engine_that_stood_still_for_almost_a_term_does_not_spin() {
    let clean = tale::tell(scene(Word::Person, vec![undisturbed()]));
    let crossings = crossings(&told_well(clean).unwrap()[0], ALL);
    let mut points = Points::default();
    for (crossing, _) in crossings.iter().filter(|(_, place)| *place == "writing a log") {
        // The lease was renewed less than 4 s before: with one of these it has less than 1 s left.
        for pause_ms in [6_500, 7_500, 8_500, 9_500] {
            let script = EngineScript { pause: Some((*crossing, pause_ms)), ..undisturbed() };
            let lives = told_well(tale::tell(scene(Word::Person, vec![script])));
            points.tried(&format!("pause of {pause_ms} ms at {crossing}"), lives);
        }
    }
    points.all_were_made_up_for(150);
}

/// What happens, to these engines.
type Plot = fn(Vec<EngineScript>) -> Scene;

/// Which of an engine's crossings are tried.
#[derive(Clone, Copy)]
pub(crate) struct Which {
    /// From the first of this place on,
    pub(crate) since: &'static str,
    /// and of those every so many, the first one included.
    pub(crate) every: usize,
}

pub(crate) const ALL: Which = Which { since: THE_BEGINNING, every: 1 };

pub(crate) fn dies_everywhere(plot: Plot, which: Which, points_least: usize) {
    let clean = tale::tell(plot(vec![undisturbed()]));
    let mut points = Points::default();
    for (crossing, place) in crossings(&told_well(clean).unwrap()[0], which) {
        for &when in whens(place) {
            let script = EngineScript { deaths: vec![(crossing, when)], ..undisturbed() };
            let lives = told_well(tale::tell(plot(vec![script])));
            if let Ok(lives) = &lives {
                assert_eq!(lives.len(), 2, "it did not die at {crossing}, {place}");
                assert_eq!(lives[0].places().get(crossing - 1), Some(&place), "another history");
            }
            points.tried(&format!("death {when:?} {crossing}, {place}"), lives);
        }
    }
    points.all_were_made_up_for(points_least);
}

pub(crate) fn pauses_everywhere(plot: Plot, which: Which, points_least: usize) {
    let (who, life) = the_one_that_acts(plot);
    let mut points = Points::default();
    for (crossing, place) in crossings(&life, which) {
        let mut scripts = [undisturbed(), undisturbed()];
        scripts[who].pause = Some((crossing, PAUSE_MS));
        let lives = told_well(tale::tell(plot(scripts.into())));
        if let Ok(lives) = &lives {
            assert_eq!(lives[who].places().get(crossing - 1), Some(&place), "another history");
        }
        points.tried(&format!("pause at {crossing}, {place}"), lives);
    }
    points.all_were_made_up_for(points_least);
}

/// Which of two engines does the work when nothing happens to them, and its life.
fn the_one_that_acts(plot: Plot) -> (usize, Process) {
    let clean = tale::tell(plot(vec![undisturbed(), undisturbed()]));
    let lives = told_well(clean).unwrap();
    let acts = |life: &Process| life.places().contains(&"writing a log");
    let who = lives.iter().position(acts).unwrap();
    (who, lives[who].clone())
}

/// The points that were tried, and where it went wrong.
#[derive(Default)]
pub(crate) struct Points {
    tried: usize,
    broken: Vec<String>,
}

impl Points {
    pub(crate) fn tried(&mut self, point: &str, lives: Result<Vec<Process>, (String, String)>) {
        self.tried += 1;
        let Err((broken, story)) = lives else { return };
        if self.broken.is_empty() {
            println!("{point}: {broken}\n{story}");
        }
        self.broken.push(format!("{point}: {broken}"));
    }

    pub(crate) fn all_were_made_up_for(&self, least: usize) {
        println!("{} points were tried", self.tried);
        assert!(
            self.broken.is_empty(),
            "{} went wrong:\n{}",
            self.broken.len(),
            self.broken.join("\n")
        );
        assert!(self.tried >= least, "only {} points were tried", self.tried);
    }
}

/// The host dies and is reported; nothing else happens in the cloud.
pub(crate) fn scene(word: Word, engines: Vec<EngineScript>) -> Scene {
    let pauses = engines.iter().any(|e| e.pause.is_some());
    Scene {
        // On the host that dies: active; paused; stopped and locked by its owner; in error.
        shape: Shape {
            vms_per_host: 4,
            paused_every: 2,
            stopped_every: 3,
            error_every: 4,
            locked_every: 3,
            // Shorter than Nova's own 60 s: nothing is learnt while everybody waits.
            service_down_time_ms: 20_000,
            ..Shape::default()
        },
        // A person's word does not wait for Nova; a monitor's is held for a moment.
        reported_after_ms: match word {
            Word::Monitor => 14_000,
            Word::Person | Word::Cluster => 5_000,
        },
        confirmed: word == Word::Person,
        attested: word == Word::Cluster,
        // One that wakes when all is over must do no harm either.
        watched_on_ms: if pauses { PAUSE_MS } else { 1_000 },
        engines,
        ..Scene::plain()
    }
}

/// The numbered crossings that are to be tried.
pub(crate) fn crossings(life: &Process, which: Which) -> Vec<(usize, &'static str)> {
    let places = life.places();
    for place in &places {
        assert!(PLACES.contains(place) || IDLE.contains(place), "{place} is in neither list");
    }
    let first = |wanted: &str| places.iter().position(|p| *p == wanted);
    let mut begins = first(which.since).unwrap();
    if which.since == THE_BEGINNING {
        begins = first("answering a request").map_or(begins, |answered| answered.min(begins));
    }
    let ended = places.iter().rposition(|p| *p == "giving leases back").unwrap();
    let between = begins..=ended;
    let numbered = places.iter().enumerate().filter(|(i, _)| between.contains(i));
    let wanted = numbered.filter(|(_, place)| PLACES.contains(place));
    wanted.step_by(which.every).map(|(i, place)| (i + 1, *place)).collect()
}

/// A transaction is crossed before it and after it, and nothing happens inside either crossing; a call
/// is crossed once, around it, and one that reads leaves nothing behind.
pub(crate) fn whens(place: &str) -> &'static [When] {
    if [CALL_THAT_WRITES, RUNNING].contains(&place) {
        &[When::Before, When::After]
    } else {
        &[When::Before]
    }
}

/// The engines' lives when it ended as it should, else what is broken and the story.
pub(crate) fn told_well(told: Told) -> Result<Vec<Process>, (String, String)> {
    let outcome = told.outcome.and_then(|()| as_always(&told.stage));
    outcome.map_err(|broken| (broken, told.stage.story()))?;
    Ok(told.stage.lives.lock().unwrap().clone())
}

/// The one good end: everything moved once, is as it was, and the report is finished.
fn as_always(stage: &Stage) -> Result<(), String> {
    let mut accepted: BTreeMap<ServerId, usize> = BTreeMap::new();
    for call in stage.world.evacuate_calls() {
        if call.verdict == Verdict::Accepted {
            *accepted.entry(call.server).or_default() += 1;
        }
    }
    let dead = stage.host(0);
    let after = stage.world.servers();
    for (before, after) in stage.at_first.iter().zip(&after) {
        let was_there = before.host.as_ref() == Some(&dead);
        let times = accepted.get(&before.id).copied().unwrap_or(0);
        // Nova takes an evacuation to a host that has no room, and finds out later.
        let room = stage.scene.shape.reserved_max >= 4 && stage.scene.shape.vms_per_host_max >= 8;
        if room && times != usize::from(was_there) || times > 8 {
            return Err(format!("{} was evacuated {times} times", before.id));
        }
        as_it_was(before, after, was_there)?;
        if was_there {
            vmove_tells(stage, after)?;
        }
    }
    match stage.memory.all_notifications().as_slice() {
        [only] if only.status == NotificationStatus::Finished => Ok(()),
        other => Err(format!("not one finished report: {other:?}")),
    }
}

pub(crate) fn as_it_was(before: &Server, after: &Server, moved: bool) -> Result<(), String> {
    let id = &before.id;
    if moved && after.host == before.host {
        return Err(format!("{id} is still on {:?}", after.host));
    }
    // Nova rebuilds a paused server as a running one; it is stopped then, and not left running.
    let state = match before.vm_state {
        VmState::Paused if moved => VmState::Stopped,
        as_before => as_before,
    };
    if after.vm_state != state {
        return Err(format!("{id} was {:?} and is {:?}", before.vm_state, after.vm_state));
    }
    if after.locked != before.locked {
        return Err(format!("{id}: locked was {} and is {}", before.locked, after.locked));
    }
    Ok(())
}

pub(crate) fn vmove_tells(stage: &Stage, server: &Server) -> Result<(), String> {
    let all = stage.memory.all_vmoves();
    let rows: Vec<_> = all.iter().filter(|v| v.server == server.id).collect();
    // Each way that left it behind has a row that failed, as for Python Masakari.
    match rows.as_slice() {
        [failed @ .., row]
            if row.status == VMoveStatus::Succeeded
                && row.dest_host == server.host
                && failed.iter().all(|row| row.status == VMoveStatus::Failed) =>
        {
            Ok(())
        }
        other => Err(format!("{}: not one row of a move that succeeded: {other:?}", server.id)),
    }
}
