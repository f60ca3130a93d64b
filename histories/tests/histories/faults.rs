//! Each way in which Keystone, Nova and the database can fail, one at a time, over the whole beginning of
//! a recovery: it waits, says why, goes on when the fault is over, and loses nothing.

use crate::{
    checks,
    scene::{Faults, Scene},
    tale::{self, Told},
};
use recovery::{
    details,
    log::{Act, Entry, Line},
    nouns::NotificationStatus,
};
use sim::{Fault, Kind, Service, Shape};

const EVERY_FAULT: [Fault; 13] = [
    Fault::Away,
    Fault::Slow { ms: 80_000 },
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(409),
    Fault::TooMany { status: 413, retry_after_s: 7 },
    Fault::TooMany { status: 429, retry_after_s: 7 },
    Fault::Status(500),
    Fault::Status(503),
    Fault::Rubbish,
    Fault::HalfBody,
    Fault::Lost,
];

fn scene(rules: Vec<(Service, Kind, Fault, u64)>, until_ms: u64, store_permille: u64) -> Scene {
    Scene {
        seed: 5,
        shape: Shape { vms_per_host: 4, service_down_time_ms: 20_000, ..Shape::default() },
        faults: Some(Faults {
            rules,
            from_ms: 16_000,
            until_ms,
            store_permille,
            build_fails_permille: 0,
            loses_touch_permille: 0,
        }),
        ..Scene::plain()
    }
}

fn log(told: &Told) -> Vec<Line> {
    let report = &told.stage.memory.all_notifications()[0];
    told.stage.memory.lines(&report.uuid)
}

/// Finished, nothing lost, nothing locked, every server where it can run.
fn ended_well(told: &Told) {
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let status = told.stage.memory.all_notifications()[0].status;
    assert_eq!(status, NotificationStatus::Finished, "{}", told.stage.story());
    checks::all_brought_back(&told.stage)
        .unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
}

/// What a person who asks for the notification reads.
fn says(told: &Told, word: &str) -> bool {
    let tasks = details::details(&log(told), &told.stage.host(0));
    tasks.iter().flat_map(|task| &task.messages).any(|message| message.text.contains(word))
}

#[test]
fn a_nova_that_fails_in_any_way_is_waited_for_and_the_details_say_so() {
    for fault in EVERY_FAULT {
        let told =
            tale::tell(scene(vec![(Service::Compute, Kind::Any, fault.clone(), 1000)], 90_000, 0));
        ended_well(&told);
        assert!(says(&told, "Waiting: "), "{fault:?}: {}", told.stage.story());
    }
}

#[test]
fn a_keystone_that_fails_in_any_way_is_waited_for() {
    for fault in EVERY_FAULT {
        let rules = vec![(Service::Identity, Kind::Any, fault.clone(), 1000)];
        let mut scene = scene(rules, 90_000, 0);
        // Its tokens end meanwhile, so that it is needed.
        scene.shape.token_life_ms = 40_000;
        scene.faults.as_mut().unwrap().from_ms = 0;
        let told = tale::tell(scene);
        ended_well(&told);
        assert!(says(&told, "Waiting: "), "{fault:?}: {}", told.stage.story());
    }
}

#[test]
fn a_nova_that_answers_but_does_nothing_for_a_while_is_asked_again() {
    for fault in EVERY_FAULT {
        let rules = vec![(Service::Compute, Kind::Writes, fault.clone(), 1000)];
        ended_well(&tale::tell(scene(rules, 45_000, 0)));
    }
}

/// Evacuations, locks and stops alone: whoever sends one does not know, or is told no.
#[test]
fn servers_whose_evacuation_fails_in_any_way_are_brought_back_once() {
    for fault in EVERY_FAULT {
        let rules = vec![(Service::Compute, Kind::Actions, fault.clone(), 1000)];
        // Nova takes the host for dead at 21 s, and is asked at once.
        let told = tale::tell(scene(rules, 24_000, 0));
        ended_well(&told);
        let lines = log(&told);
        let when = |is: fn(&Entry) -> bool| lines.iter().filter(move |line| is(&line.entry));
        let meant = when(|e| matches!(e, Entry::Intended { act: Act::Evacuate, .. })).next();
        let did = when(|e| matches!(e, Entry::Did { act: Act::Evacuate, .. })).next_back();
        let took_ms = did.unwrap().at.since(meant.unwrap().at);
        assert!(took_ms > 200, "{fault:?} hit none: {}", told.stage.story());
    }
}

#[test]
fn a_database_that_is_away_loses_no_accepted_report() {
    let told = tale::tell(scene(Vec::new(), 90_000, 1000));
    ended_well(&told);
    let first = log(&told)[0].at.since(told.stage.began);
    assert!(!(16_000..90_000).contains(&first), "written while the database was away");
}

#[test]
fn a_database_that_fails_now_and_then_makes_nothing_happen_twice() {
    for store_permille in [50, 200, 500] {
        ended_well(&tale::tell(scene(Vec::new(), 120_000, store_permille)));
    }
}
