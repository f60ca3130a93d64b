//! RabbitMQ is away while Nova's conductor waits for the scheduler: it gives up, and leaves a record that says `accepted` for ever. What
//! was asked for in vain is asked for again, at once when it is known; and the record is in nobody's way later.

use crate::{
    scene::{Faults, Scene, undisturbed},
    soak,
    tale::{self, Stage, Told},
    told,
};
use recovery::{HostName, nouns::NotificationStatus, seen::Task};
use sim::Verdict;
use std::time::Duration;

/// A person's word: the first evacuations are asked for right after it.
const REPORTED_MS: u64 = 6_000;

fn well_told(scene: Scene) -> Stage {
    let Told { stage, outcome } = tale::tell(scene);
    assert_eq!(outcome, Ok(()), "{}", stage.story());
    stage
}

/// A host with thirty servers dies and the bus stops so long after the report.
fn scene(seed: u64, after_ms: u64) -> Scene {
    let plain = Scene::plain();
    Scene {
        seed,
        shape: soak::thirty_servers(seed),
        reported_after_ms: REPORTED_MS - plain.dies_at_ms,
        confirmed: true,
        hit: Some(soak::bus_stops_at(REPORTED_MS + after_ms)),
        ..plain
    }
}

fn given_up(stage: &Stage) -> usize {
    soak::times(stage, "is given up by the conductor").len()
}

/// How long after the bus was back the last server was on its new host.
fn settled_after_ms(stage: &Stage) -> i64 {
    let back = stage.scene.hit.as_ref().map_or(0, |hit| hit.at_ms + hit.away_ms);
    let back = stage.began.plus(back.cast_signed());
    let rows = stage.memory.all_vmoves();
    rows.iter().filter_map(|row| row.ended_at).max().unwrap().since(back)
}

#[test]
fn what_the_conductor_gave_up_is_evacuated_again_within_the_same_recovery() {
    let mut in_vain = 0;
    for n in 0..5 {
        let stage = well_told(scene(100 + n, 200 + 250 * n));
        soak::all_as_always(&stage).unwrap_or_else(|why| panic!("{why}\n{}", stage.story()));
        in_vain += given_up(&stage);
        let after_ms = settled_after_ms(&stage);
        assert!(after_ms < 150_000, "{after_ms} ms\n{}", stage.story());
    }
    assert!(in_vain > 15, "only {in_vain} evacuations were given up");
}

/// Whom the later death of its new host hits: Nova evacuates it on the record that was left by the first one.
#[test]
fn a_record_that_was_left_is_in_nobodys_way_when_the_next_host_dies() {
    let mut left = 0;
    for seed in 1..4 {
        let scene = Scene { killed_after_ms: vec![400_000], ..scene(seed, 700) };
        let stage = well_told(scene);
        left += given_up(&stage);
        let reports = stage.memory.all_notifications();
        let finished = reports.iter().filter(|n| n.status == NotificationStatus::Finished);
        assert_eq!((reports.len(), finished.count()), (2, 2), "{}", stage.story());
        for server in stage.world.servers() {
            assert_eq!(server.task, Task::None, "{}", stage.story());
            let runs_on: Vec<HostName> = stage.world.running(&server.id);
            assert!(runs_on.len() <= 1 && !runs_on.contains(&stage.host(0)), "{runs_on:?}");
        }
    }
    assert!(left > 10, "only {left} records were left");
}

/// Before anybody reported the host.
#[test]
fn what_a_person_evacuated_in_vain_before_is_evacuated() {
    let mut in_vain = 0;
    for seed in 0..6 {
        let plain = Scene::plain();
        let scene = Scene {
            seed,
            moved_after_ms: Some(100_000),
            hit: Some(soak::bus_stops_at(plain.dies_at_ms + 100_050)),
            reported_after_ms: 300_000,
            ..plain
        };
        let stage = well_told(scene);
        let [only] = <[_; 1]>::try_from(stage.memory.all_notifications()).unwrap();
        assert_eq!(only.status, NotificationStatus::Finished, "{}", stage.story());
        let killer = stage.killer();
        let calls = stage.world.evacuate_calls();
        let asked =
            |c: &&sim::EvacuateCall| c.server == killer.id && c.verdict == Verdict::Accepted;
        assert_ne!(killer.host.as_ref(), Some(&stage.host(0)));
        if given_up(&stage) > 0 {
            assert_eq!(calls.iter().filter(asked).count(), 2, "{}", stage.story());
            in_vain += 1;
        }
    }
    assert!(in_vain > 2, "only {in_vain} of 6 were given up");
}

/// Nobody tells that a host was told of nothing: such a request is followed to the end of its time.
#[test]
fn a_bus_that_is_away_for_long_is_waited_for_and_the_log_says_so_once() {
    let engines = vec![undisturbed()];
    let scene = Scene {
        hit: Some(soak::bus_is_away(REPORTED_MS + 700, 240_000)),
        engines,
        ..scene(3, 700)
    };
    let (Told { stage, outcome }, log) = told::with_log(scene);
    assert_eq!(outcome, Ok(()), "{}", stage.story());
    assert!(given_up(&stage) > 3, "{}", stage.story());
    soak::all_as_always(&stage).unwrap_or_else(|why| panic!("{why}\n{}", stage.story()));
    let lines = log.lines().filter(|line| line.contains("message bus seems to be away"));
    assert_eq!(lines.filter(|line| line.contains("WARN")).count(), 1, "{log}");
    assert!(
        Duration::from_millis(settled_after_ms(&stage).unsigned_abs()) < Duration::from_secs(150)
    );
}

/// Nova says that its evacuation failed, and it runs on its new host.
#[test]
fn a_server_that_may_run_where_its_evacuation_failed_is_left_to_a_person() {
    let mut left = 0;
    for seed in 0..6 {
        let faults = Faults {
            rules: Vec::new(),
            from_ms: 0,
            until_ms: 0,
            store_permille: 0,
            build_fails_permille: 0,
            loses_touch_permille: 400,
        };
        let stage =
            well_told(Scene { seed, faults: Some(faults), confirmed: true, ..Scene::plain() });
        for row in stage.memory.all_vmoves() {
            let why = row.message.unwrap_or_default();
            let runs_on = stage.world.running(&row.server);
            if why.contains("it may run on ") {
                let [there] = runs_on.as_slice() else { panic!("{runs_on:?}\n{}", stage.story()) };
                assert!(why.contains(&format!("may run on {there}, which lost touch")), "{why}");
                left += 1;
            } else {
                assert!(runs_on.len() <= 1, "{runs_on:?}\n{}", stage.story());
            }
        }
    }
    assert!(left > 3, "only {left} were left");
}

/// How often Nova was asked what became of a request.
fn asked_about(stage: &Stage) -> usize {
    let asked = stage.asked.lock().unwrap();
    asked.iter().filter(|path| path.ends_with("/os-instance-actions")).count()
}

/// Each host builds one server at a time, so the others wait in its queue.
fn one_by_one(servers: usize, build_ms: u64) -> Scene {
    let mut scene = Scene { confirmed: true, reported_after_ms: 5_000, ..Scene::plain() };
    scene.shape.populated = Some(1);
    scene.shape.vms_per_host = servers;
    scene.shape.pace.builds_per_host = 1;
    scene.shape.pace.build_ms = build_ms..=build_ms;
    scene
}

fn took_ms(stage: &Stage) -> i64 {
    let rows = stage.memory.all_vmoves();
    let began = rows.iter().filter_map(|row| row.started_at).min().unwrap();
    rows.iter().filter_map(|row| row.ended_at).max().unwrap().since(began)
}

/// Most of them wait for longer than Nova's conductor would.
#[test]
fn as_long_as_nova_comes_further_nobody_is_asked_about() {
    let stage = well_told(one_by_one(30, 12_000));
    assert!(took_ms(&stage) > 150_000, "{} ms", took_ms(&stage));
    assert_eq!(asked_about(&stage), 0, "{}", stage.story());
}

#[test]
fn who_waits_for_less_than_novas_conductor_would_is_not_asked_about() {
    let stage = well_told(one_by_one(4, 40_000));
    assert!(took_ms(&stage) > 75_000, "{} ms", took_ms(&stage));
    assert_eq!(asked_about(&stage), 0, "{}", stage.story());
}
