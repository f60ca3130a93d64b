//! A shadow beside the engines, or alone: every report is judged and planned as ever, and not one call that changes
//! anything goes out.

use crate::{
    crash_points::{Word, scene},
    fences::Fence,
    guard::Storm,
    scene::{Of, Scene, Small, undisturbed},
    tale::{self, Stage},
};
use futures::FutureExt;
use recovery::{
    HostName,
    log::Entry,
    nouns::{Notification, NotificationStatus},
    seen::VmState,
    shadow::{SHADOW, SMALL, ShadowEntry},
};
use std::pin::pin;
use store::Store;

fn shadowed(scene: Scene) -> Scene {
    let storm = Storm { shadow: true, ..scene.storm.clone() };
    Scene { storm, ..scene }
}

/// Nobody but the shadow is there. It has what the engines would have, and judges for 15 minutes at most.
fn alone(scene: Scene) -> Stage {
    let stage = tale::tell_for(shadowed(Scene { engines: vec![], ..scene }), 1_200_000);
    let world = &stage.world;
    let cloud = (world.evacuate_calls().len(), world.forced_downs().len(), world.locked().len());
    assert_eq!(cloud, (0, 0, 0), "{}", stage.story());
    for (before, now) in stage.at_first.iter().zip(world.servers()) {
        assert!(world.actions(&now.id).is_empty(), "{}: {}", now.id, stage.story());
        assert_eq!((&before.host, before.vm_state), (&now.host, now.vm_state), "{}", stage.story());
    }
    for host in world.hosts() {
        let service = world.service(&host).unwrap();
        assert!(service.enabled && !service.forced_down, "{host}: {}", stage.story());
    }
    assert_eq!((stage.bmcs.orders(), stage.bmcs.asked()), (vec![], 0), "{}", stage.story());
    assert!(stage.ran.lock().unwrap().is_empty());
    stage
}

/// What it made of the only report; nothing else was sent than questions.
fn verdict(stage: &Stage) -> Notification {
    let changed = stage.changed.lock().unwrap().clone();
    assert_eq!(changed, [""; 0], "{}", stage.story());
    let [only] = <[_; 1]>::try_from(stage.beside.all_notifications()).unwrap();
    assert_eq!(only.status, NotificationStatus::Ignored, "{}", stage.story());
    assert_eq!(stage.beside.all_vmoves(), []);
    only
}

fn evacuated(host: &HostName) -> String {
    format!(
        "{SHADOW}host {host} was proven dead (monitor_said), 4 servers would be evacuated and 0 stay"
    )
}

#[test]
fn a_dead_host_has_its_plan_and_its_certificate_and_is_left_alone() {
    let stage = alone(Scene::plain());
    let report = verdict(&stage);
    let host = stage.host(0);
    assert_eq!(report.message.unwrap(), evacuated(&host), "{}", stage.story());
    let lines = stage.beside.lines(&report.uuid);
    let plan = |entry: &Entry| matches!(entry, Entry::Shadow(ShadowEntry::Would { .. }));
    assert_eq!(lines.iter().filter(|l| plan(&l.entry)).count(), 1, "{}", stage.story());
    assert!(lines.iter().any(|l| matches!(l.entry, Entry::Proven { .. })), "{}", stage.story());
    for line in &lines {
        let kept = serde_json::to_string(&line.entry).unwrap();
        assert_eq!(
            serde_json::from_str::<Entry>(&kept).unwrap(),
            line.entry,
            "as a database has it"
        );
    }
    let row = pin!(stage.beside.host_named(&host)).now_or_never().unwrap();
    assert!(!row.unwrap().unwrap().on_maintenance, "its next death is heard, too");
    assert_eq!(pin!(stage.beside.away(9)).now_or_never().unwrap().unwrap(), []);
}

#[test]
fn beside_a_recovery_it_comes_to_what_is_done_and_disturbs_nothing() {
    let plain = scene(Word::Monitor, vec![undisturbed()]);
    let told = tale::tell(shadowed(Scene { watched_on_ms: 30_000, ..plain }));
    let stage = told.stage;
    assert_eq!(told.outcome, Ok(()), "{}", stage.story());
    assert_eq!(verdict(&stage).message.unwrap(), evacuated(&stage.host(0)), "{}", stage.story());
    let [real] = <[_; 1]>::try_from(stage.memory.all_notifications()).unwrap();
    assert_eq!(real.status, NotificationStatus::Finished);
}

/// Nova shows that as the host's last heartbeat, which is newer than the report.
#[test]
fn that_python_takes_the_host_out_of_service_is_no_sign_of_life() {
    for false_alarm in [false, true] {
        let storm = Storm { python: true, ..Storm::default() };
        let scene = Scene { storm, engines: vec![], false_alarm, ..Scene::plain() };
        let stage = tale::tell_for(shadowed(scene), 1_200_000);
        let message = verdict(&stage).message.unwrap();
        match false_alarm {
            false => assert_eq!(message, evacuated(&stage.host(0)), "{}", stage.story()),
            true => assert!(message.contains("would still be held"), "{message}"),
        }
    }
}

#[test]
fn one_that_is_killed_comes_to_the_same_verdict_once() {
    for crossing in [12, 20, 26, 32] {
        let storm = Storm { shadow_dies: vec![crossing, crossing + 7], ..Storm::default() };
        let stage = alone(Scene { storm, ..Scene::plain() });
        let report = verdict(&stage);
        assert_eq!(report.message.unwrap(), evacuated(&stage.host(0)), "{crossing}");
        let lines = stage.beside.lines(&report.uuid);
        let ends = lines.iter().filter(|l| matches!(l.entry, Entry::Ended { .. })).count();
        assert_eq!(ends, 1, "{crossing}: {}", stage.story());
    }
}

#[test]
fn proof_makes_nothing_happen_either() {
    let stage = alone(Scene { confirmed: true, ..Scene::plain() });
    let message = verdict(&stage).message.unwrap();
    assert!(message.contains("was proven dead (operator_confirmed)"), "{message}");
}

#[test]
fn a_host_that_lives_is_held_to_the_end() {
    let stage = alone(Scene { false_alarm: true, ..Scene::plain() });
    let message = verdict(&stage).message.unwrap();
    assert!(message.starts_with(&format!("{SHADOW}the recovery of host ")), "{message}");
    assert!(message.contains("would still be held"), "{message}");
}

#[test]
fn a_host_that_has_a_fence_device_is_not_fenced() {
    let fence = Fence { hangs: true, ..Fence::default() };
    let stage = alone(Scene { fence: Some(fence), ..Scene::plain() });
    let message = verdict(&stage).message.unwrap();
    assert!(message.contains("would be fenced; then 4 servers"), "{message}");
}

#[test]
fn a_failed_vm_is_not_touched() {
    let small = Small {
        of: Of::Vm(VmState::Active),
        reports: 1,
        host_dies_ms: None,
        deleted_ms: None,
        waited_ms: 0,
        locked_ms: None,
    };
    let shape = sim::Shape { ha_enabled_every: 1, ..sim::Shape::default() };
    let stage = tale::tell_for(
        shadowed(Scene { shape, small: Some(small), engines: vec![], ..Scene::plain() }),
        120_000,
    );
    assert_eq!(verdict(&stage).message.unwrap(), SMALL);
}
