//! The way back: lost hosts boot, are heard, and return to service with nobody typing; some are lost again, some
//! were taken out of service by a person.
//!
//! At every step: nothing of a host is undone while a recovery of it runs, and its service is not enabled before the
//! copies of what was evacuated are destroyed.

pub(crate) use histories::returns::*;

use crate::{
    crash_points::{ALL, PAUSE_MS, Points, Word, crossings, scene, told_well, whens},
    fences::Fence,
    scene::{EngineScript, Scene, undisturbed},
    tale::{self, Told},
};
use recovery::{
    log::Entry,
    nouns::RecoveryMethod,
    returns::{Act, Event, Rules},
};
use sim::{Bmc, Shape};

fn rules() -> Rules {
    Rules { probation_ms: 30_000, flap_window_ms: 3_600_000, flap_limit: 3, ..Rules::default() }
}

fn back(turns: &[(u64, Turn)], end: End, engines: Vec<EngineScript>) -> Scene {
    let back = Back { rules: rules(), turns: turns.to_vec(), end };
    Scene { back: Some(back), ..scene(Word::Person, engines) }
}

fn told(scene: Scene) -> Told {
    let told = tale::tell(scene);
    assert_eq!(told.outcome, Ok(()), "{}", told.stage.story());
    told
}

fn events(told: &Told) -> Vec<Event> {
    let lines = told.stage.memory.lines(&log(&told.stage));
    let event = |entry| if let Entry::Return(event) = entry { Some(event) } else { None };
    lines.into_iter().filter_map(|line| event(line.entry)).collect()
}

/// When it was in service again, after the beginning.
fn backs_ms(told: &Told) -> Vec<i64> {
    let lines = told.stage.memory.lines(&log(&told.stage));
    let is_back = |entry: &Entry| matches!(entry, Entry::Return(Event::Back { .. }));
    let backs = lines.iter().filter(|line| is_back(&line.entry));
    backs.map(|line| line.at.since(told.stage.began)).collect()
}

fn comes_back(engines: Vec<EngineScript>) -> Scene {
    back(&[(120_000, Turn::Boots)], End::InService, engines)
}

#[test]
fn a_host_that_comes_back_returns_to_service_with_nobody_typing() {
    let told = told(comes_back(vec![undisturbed()]));
    let events = events(&told);
    let acts = events.iter().filter_map(|event| match event {
        Event::Intended { act } => Some(*act),
        _ => None,
    });
    assert_eq!(acts.collect::<Vec<_>>(), [Act::ForceUp, Act::Enable], "{}", told.stage.story());
    let [at_ms] = backs_ms(&told)[..] else { panic!("{}", told.stage.story()) };
    assert!((150_000..175_000).contains(&at_ms), "after its probation, and soon: {at_ms}");
}

/// Nova shows our own writes to its service where its heartbeats were, until the next one; and its monitor errs in that moment.
#[test]
fn what_proved_that_a_host_was_dead_proves_nothing_when_it_is_back() {
    let undisturbed_one = told(comes_back(vec![undisturbed()]));
    let lines = undisturbed_one.stage.memory.lines(&log(&undisturbed_one.stage));
    let writes = lines.iter().filter(|line| {
        matches!(line.entry, Entry::Return(Event::Done { act: Act::ForceUp | Act::Enable }))
    });
    let began = undisturbed_one.stage.began;
    let writes: Vec<u64> = writes.map(|line| line.at.since(began).unsigned_abs()).collect();
    assert_eq!(writes.len(), 2);
    for after_ms in [50, 200, 1_000, 3_000] {
        let at_ms = writes[1] + after_ms;
        let turns = [(120_000, Turn::Boots), (at_ms, Turn::Reported)];
        let stage = told(back(&turns, End::InService, vec![undisturbed()])).stage;
        let at = stage.began.plus(at_ms.cast_signed());
        assert!(
            !stage.world.evacuate_calls().iter().any(|call| call.at >= at),
            "{}",
            stage.story()
        );
        let forced = |f: &&sim::ForcedDown| f.to && f.at >= at;
        assert!(stage.world.forced_downs().iter().find(forced).is_none(), "{}", stage.story());
    }
}

#[test]
fn an_engine_that_dies_at_any_point_of_a_return_is_made_up_for() {
    let clean = told_well(tale::tell(comes_back(vec![undisturbed()]))).unwrap();
    let mut points = Points::default();
    for (crossing, place) in of_the_return(&clean[0]) {
        for &when in whens(place) {
            let script = EngineScript { deaths: vec![(crossing, when)], ..undisturbed() };
            let lives = told_well(tale::tell(comes_back(vec![script])));
            points.tried(&format!("death {when:?} {crossing}, {place}"), lives);
        }
    }
    points.all_were_made_up_for(60);
}

#[test]
fn an_engine_that_stands_still_at_any_point_of_a_return_is_made_up_for() {
    let clean = told_well(tale::tell(comes_back(vec![undisturbed(), undisturbed()]))).unwrap();
    let mut points = Points::default();
    for (who, life) in clean.iter().enumerate() {
        for (crossing, place) in of_the_return(life).into_iter().step_by(3) {
            let mut scripts = [undisturbed(), undisturbed()];
            scripts[who].pause = Some((crossing, PAUSE_MS));
            let lives = told_well(tale::tell(comes_back(scripts.into())));
            points.tried(&format!("pause of {who} at {crossing}, {place}"), lives);
        }
    }
    points.all_were_made_up_for(20);
}

/// Nova takes it for up long before that: a copy cannot be destroyed at once.
#[test]
fn a_host_is_not_back_before_it_has_destroyed_the_copies_of_what_was_evacuated() {
    let mut scene = comes_back(vec![undisturbed()]);
    scene.shape.destroys_after_ms = 120_000;
    let told = told(scene);
    let [at_ms] = backs_ms(&told)[..] else { panic!("{}", told.stage.story()) };
    assert!(at_ms >= 240_000, "{at_ms}");
    let waits =
        |event: &Event| matches!(event, Event::Waits { why } if why.contains("may still be there"));
    assert!(events(&told).iter().any(waits), "{}", told.stage.story());
}

/// Its monitor errs between two acts of a return whose engine stands still for less than a lease: another engine is there to
/// take the report up.
#[test]
fn a_report_that_comes_in_the_middle_of_a_return_is_not_taken_up_before_that_is_over() {
    let clean = told(comes_back(vec![undisturbed()]));
    let lines = clean.stage.memory.lines(&log(&clean.stage));
    let is_intent = |entry: &Entry| matches!(entry, Entry::Return(Event::Intended { .. }));
    let intent = lines.iter().find(|line| is_intent(&line.entry)).unwrap();
    let at_ms = intent.at.since(clean.stage.began).unsigned_abs() + 1_500;
    let life = told_well(clean).unwrap().remove(0);
    let walk = of_the_return(&life);
    assert!(walk.len() >= 20, "{walk:?}");
    for (crossing, place) in walk {
        let mut script = undisturbed();
        script.pause = Some((crossing, 5_000));
        let turns = [(120_000, Turn::Boots), (at_ms, Turn::Reported)];
        let scene = back(&turns, End::InService, vec![script, undisturbed()]);
        let Told { stage, outcome } = tale::tell(scene);
        assert_eq!(outcome, Ok(()), "{crossing}, {place}: {}", stage.story());
    }
}

/// The crossings after the recovery has ended.
fn of_the_return(life: &sim::Process) -> Vec<(usize, &'static str)> {
    let places = life.places();
    let Some(ended) = places.iter().position(|place| *place == "giving leases back") else {
        return Vec::new();
    };
    crossings(life, ALL).into_iter().filter(|(crossing, _)| *crossing > ended).collect()
}

#[test]
fn a_host_that_is_lost_again_on_its_way_back_is_recovered_and_waits_twice_as_long() {
    // It dies in its probation, and once more when it has passed it.
    let turns = [(120_000, Turn::Boots), (140_000, Turn::Dies), (240_000, Turn::Boots)];
    let told = told(back(&turns, End::InService, vec![undisturbed()]));
    let [at_ms] = backs_ms(&told)[..] else { panic!("{}", told.stage.story()) };
    assert!((300_000..330_000).contains(&at_ms), "60 s after it was heard: {at_ms}");
}

#[test]
fn a_flapping_host_stops_at_its_limit_and_returns_when_a_person_wants_it() {
    let mut turns = vec![
        (120_000, Turn::Boots),
        (200_000, Turn::Dies),
        (300_000, Turn::Boots),
        (420_000, Turn::Dies),
        (500_000, Turn::Boots),
    ];
    let lost = back(&turns, End::Waits("was lost 3 times within 1 h"), vec![undisturbed()]);
    assert_eq!(backs_ms(&told(lost)).len(), 2);
    turns.push((900_000, Turn::Wanted { power_on: false }));
    let told = told(back(&turns, End::InService, vec![undisturbed()]));
    let backs = backs_ms(&told);
    assert!(backs.len() == 3 && (900_000..915_000).contains(&backs[2]), "{backs:?}");
}

#[test]
fn what_a_person_disabled_stays_disabled() {
    let turns = [(60_000, Turn::Disabled), (120_000, Turn::Boots)];
    told(back(&turns, End::DisabledBy(REASON), vec![undisturbed()]));
}

#[test]
fn a_client_that_takes_it_off_maintenance_spares_it_the_probation() {
    let turns = [(120_000, Turn::Boots), (140_000, Turn::Maintenance(false))];
    let told = told(back(&turns, End::InService, vec![undisturbed()]));
    let [at_ms] = backs_ms(&told)[..] else { panic!("{}", told.stage.story()) };
    assert!((140_000..148_000).contains(&at_ms), "{at_ms}");
}

#[test]
fn a_host_that_a_person_puts_on_maintenance_stays_there() {
    let turns = [(60_000, Turn::Maintenance(true)), (120_000, Turn::Boots)];
    let stays = End::Waits("a person has put it on maintenance since");
    told(back(&turns, stays, vec![undisturbed()]));
}

#[test]
fn where_it_is_not_automatic_a_host_returns_when_it_is_wanted() {
    let by_hand = |turns: &[_], end| {
        let mut scene = back(turns, end, vec![undisturbed()]);
        scene.back.as_mut().unwrap().rules.automatic = false;
        scene
    };
    let turns = [(120_000, Turn::Boots), (200_000, Turn::Wanted { power_on: false })];
    told(by_hand(&turns[..1], End::Waits("no host returns by itself")));
    told(by_hand(&turns, End::InService));
}

#[test]
fn a_host_takes_the_place_of_the_reserved_host_that_was_used_up() {
    let used_up = |refill, end| {
        let mut scene = back(&[(120_000, Turn::Boots)], end, vec![undisturbed()]);
        scene.method = RecoveryMethod::ReservedHost;
        scene.shape = Shape { hosts: scene.shape.hosts + 1, reserved: 1, ..scene.shape };
        scene.back.as_mut().unwrap().rules.refill = refill;
        scene
    };
    told(used_up(true, End::InReserve));
    told(used_up(false, End::InService));
}

/// Nobody boots it: it hangs, and its recovery switches it off.
fn switched_off(power_on: bool, end: End, engines: Vec<EngineScript>) -> Scene {
    let fence = Fence { bmc: Bmc::Honest, ..Fence::default() };
    let mut scene = Scene { fence: Some(fence), ..back(&[], end, engines) };
    (scene.confirmed, scene.reported_after_ms) = (false, 14_000);
    scene.back.as_mut().unwrap().rules.power_on = power_on;
    scene
}

#[test]
fn a_host_that_was_switched_off_is_switched_on_again_only_where_that_is_configured() {
    let told = told(switched_off(true, End::InService, vec![undisturbed(), undisturbed()]));
    let [woken] = &told.stage.bmcs.woken()[..] else { panic!("{}", told.stage.story()) };
    let ended = told.stage.memory.all_notifications()[0].clone();
    let lines = told.stage.memory.lines(&ended.uuid);
    let end = lines.iter().find(|line| matches!(line.entry, Entry::Ended { .. })).unwrap();
    assert!(woken.0 > end.at, "before its recovery had ended\n{}", told.stage.story());
    assert_eq!(told.stage.bmcs.orders().len(), 1);
}

#[test]
fn a_host_that_was_switched_off_stays_off_where_nobody_wants_it_on() {
    let mut scene = switched_off(false, End::InService, vec![undisturbed()]);
    scene.back.as_mut().unwrap().turns = vec![(600_000, Turn::Wanted { power_on: true })];
    let told = told(scene);
    let [woken] = &told.stage.bmcs.woken()[..] else { panic!("{}", told.stage.story()) };
    assert!(woken.0.since(told.stage.began) >= 600_000, "{}", told.stage.story());
}

#[test]
fn an_engine_that_dies_at_any_point_of_switching_a_host_on_is_made_up_for() {
    let plot = |script| switched_off(true, End::InService, vec![script]);
    let clean = told_well(tale::tell(plot(undisturbed()))).unwrap();
    let mut points = Points::default();
    for (crossing, place) in of_the_return(&clean[0]).into_iter().step_by(2) {
        for &when in whens(place) {
            let script = EngineScript { deaths: vec![(crossing, when)], ..undisturbed() };
            let lives = told_well(tale::tell(plot(script)));
            points.tried(&format!("death {when:?} {crossing}, {place}"), lives);
        }
    }
    points.all_were_made_up_for(25);
}
