//! A VM fails, or a process: the same troubles, the same law. A VM runs again after exactly one stop and
//! one start, and never on a host that may be dead; a host is disabled and on maintenance.

pub(crate) use histories::small::*;

use crate::{
    all_end_well,
    crash_points::{ALL, PAUSE_MS, Points, crossings, whens},
    scene::{EngineScript, Of, Scene, Small, undisturbed},
    tale::{self, EXPIRY_MS, Stage, Told},
};
use recovery::{
    HostId,
    nouns::{Notification, NotificationStatus},
    seen::VmState,
};
use sim::{Process, Shape};
use store::Store;

/// The one good end when nothing fails but engines: one stop, one start, finished.
fn as_always(stage: &Stage) -> Result<(), String> {
    let [only] = small_ones(stage).try_into().map_err(|all| format!("{all:?}"))?;
    if only.status != NotificationStatus::Finished {
        return Err(format!("it ended {}: {:?}", only.status, only.message));
    }
    let Some(small) = &stage.scene.small else { return Ok(()) };
    if let Of::Vm(state) = small.of {
        let wanted: &[&str] =
            if state == VmState::Stopped { &["start"] } else { &["stop", "start"] };
        let did = stage.world.actions(&victim(stage, small).id);
        if did != wanted {
            return Err(format!("Nova did {did:?}"));
        }
    }
    Ok(())
}

pub(crate) fn told_well(told: Told) -> Result<Vec<Process>, (String, String)> {
    let outcome = told.outcome.and_then(|()| as_always(&told.stage));
    outcome.map_err(|broken| (broken, told.stage.story()))?;
    Ok(told.stage.lives.lock().unwrap().clone())
}

pub(crate) fn scene(of: Of, engines: Vec<EngineScript>) -> Scene {
    let pauses = engines.iter().any(|e| e.pause.is_some());
    Scene {
        seed: 17,
        // On the host: active, stopped.
        shape: Shape {
            vms_per_host: 2,
            stopped_every: 2,
            ha_enabled_every: 1,
            service_down_time_ms: 60_000,
            ..Shape::default()
        },
        reported_after_ms: 1_000,
        watched_on_ms: if pauses { PAUSE_MS } else { 1_000 },
        engines,
        small: Some(Small {
            of,
            reports: 1,
            host_dies_ms: None,
            deleted_ms: None,
            waited_ms: 0,
            locked_ms: None,
        }),
        ..Scene::plain()
    }
}

const ACTIVE: Of = Of::Vm(VmState::Active);
const NOVA_COMPUTE: Of = Of::Process("nova-compute");

#[test]
fn an_engine_that_dies_at_any_point_of_a_restart_is_made_up_for() {
    dies_everywhere(ACTIVE, 60);
}

#[test]
fn an_engine_that_dies_at_any_point_after_a_process_failed_is_made_up_for() {
    dies_everywhere(NOVA_COMPUTE, 20);
}

#[test]
fn an_engine_that_stands_still_at_any_point_of_a_restart_is_made_up_for() {
    pauses_everywhere(ACTIVE, 50);
}

#[test]
fn an_engine_that_stands_still_at_any_point_after_a_process_failed_is_made_up_for() {
    pauses_everywhere(NOVA_COMPUTE, 15);
}

fn dies_everywhere(of: Of, points_least: usize) {
    let clean = told_well(tale::tell(scene(of, vec![undisturbed()])));
    let clean = clean.unwrap_or_else(|(broken, story)| panic!("{broken}\n{story}"));
    let mut points = Points::default();
    for (crossing, place) in crossings(&clean[0], ALL) {
        for &when in whens(place) {
            let script = EngineScript { deaths: vec![(crossing, when)], ..undisturbed() };
            let lives = told_well(tale::tell(scene(of, vec![script])));
            points.tried(&format!("death {when:?} {crossing}, {place}"), lives);
        }
    }
    points.all_were_made_up_for(points_least);
}

fn pauses_everywhere(of: Of, points_least: usize) {
    let lives = told_well(tale::tell(scene(of, vec![undisturbed(), undisturbed()]))).unwrap();
    let acts = |life: &Process| life.places().contains(&"writing a log");
    let who = lives.iter().position(acts).unwrap();
    let mut points = Points::default();
    for (crossing, place) in crossings(&lives[who], ALL) {
        let mut scripts = [undisturbed(), undisturbed()];
        scripts[who].pause = Some((crossing, PAUSE_MS));
        let lives = told_well(tale::tell(scene(of, scripts.into())));
        points.tried(&format!("pause at {crossing}, {place}"), lives);
    }
    points.all_were_made_up_for(points_least);
}

#[test]
fn every_history_of_small_failures_ends_well() {
    all_end_well(200, Scene::small_from_seed, |_| Ok(()));
}

/// Nova takes a start for a host that died a moment ago, and the host starts the VM when it is back.
#[test]
fn a_vm_of_a_host_that_has_just_died_is_not_started_there() {
    let mut scene = scene(Of::Vm(VmState::Stopped), vec![undisturbed()]);
    // The last heartbeat is 20 s old, and Nova shows the host up for 40 s more.
    scene.reported_after_ms = 29_000;
    scene.revived_after_ms = Some(200_000);
    scene.small.as_mut().unwrap().host_dies_ms = Some(5_000);
    scene.watched_on_ms = 120_000;
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let victim = victim(&told.stage, told.stage.scene.small.as_ref().unwrap());
    let did = told.stage.world.actions(&victim.id);
    let first = did.iter().position(|a| *a == "start");
    let moved = did.iter().position(|a| *a == "evacuate");
    assert!(moved.is_some() && moved < first, "{did:?}\n{}", told.stage.story());
}

#[test]
fn a_vm_that_fails_again_and_again_is_not_restarted_for_ever() {
    let mut scene = scene(ACTIVE, vec![undisturbed(), undisturbed()]);
    scene.small.as_mut().unwrap().reports = 7;
    let told = tale::tell(scene);
    let ends = small_ones(&told.stage);
    let is = |n: &&Notification, status| n.status == status;
    assert_eq!(ends.iter().filter(|n| is(n, NotificationStatus::Finished)).count(), 5);
    let failed: Vec<_> = ends.iter().filter(|n| is(n, NotificationStatus::Failed)).collect();
    assert_eq!(failed.len(), 2, "{}", told.stage.story());
    let id = victim(&told.stage, told.stage.scene.small.as_ref().unwrap()).id;
    let message = failed[0].message.as_deref().unwrap();
    assert!(message.contains(id.as_str()) && message.contains("restarted 5 times"), "{message}");
    assert_eq!(told.stage.world.actions(&id).len(), 10);
}

/// Engines that were away for a day do not act on yesterday's news.
#[test]
fn a_report_that_nobody_took_up_for_too_long_is_given_up() {
    for (waited_ms, restarted) in [(EXPIRY_MS - 60_000, true), (EXPIRY_MS, false)] {
        let mut scene = scene(ACTIVE, vec![undisturbed()]);
        scene.small.as_mut().unwrap().waited_ms = waited_ms;
        let told = tale::tell(scene);
        let id = victim(&told.stage, told.stage.scene.small.as_ref().unwrap()).id;
        assert_eq!(!told.stage.world.actions(&id).is_empty(), restarted, "{}", told.stage.story());
        let [report] = small_ones(&told.stage).try_into().unwrap();
        assert_eq!(report.status == NotificationStatus::Failed, !restarted);
        let message = report.message.unwrap_or_default();
        assert_eq!(message.contains("nobody took it up within 900 s"), !restarted, "{message}");
    }
}

#[test]
fn a_lock_that_an_engine_has_left_is_undone() {
    let mut scene = scene(ACTIVE, vec![undisturbed(), undisturbed()]);
    scene.small.as_mut().unwrap().locked_ms = Some(60_000);
    scene.watched_on_ms = 700_000;
    let told = tale::tell(scene);
    let left: Vec<Option<String>> =
        told.stage.world.locked().into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(left, LOCKS[1..].iter().map(|reason| Some((*reason).into())).collect::<Vec<_>>());
}

#[test]
fn maintenance_for_a_process_is_told_from_a_persons() {
    let told = tale::tell(scene(Of::Process("libvirtd"), vec![undisturbed()]));
    told.outcome.as_ref().unwrap();
    let host = HostId::new(format!("id-{}", told.stage.host(0)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert!(told.stage.memory.host(&host).await.unwrap().unwrap().on_maintenance);
        assert!(told.stage.memory.on_maintenance_for_process(&host).await.unwrap());
    });
}
