//! Steps of the operator's own: programs and webhooks that do well, fail or hang, and engines that die around
//! them. A step runs at least once, with one key for each attempt; the host is proven dead before the
//! first; what comes after a step waits for it.

pub(crate) use histories::own_steps::*;

use crate::{
    crash_points::{self, ALL, PAUSE_MS, Points, Which, Word, crossings, whens},
    fences::{Fence, hanging},
    guard::Storm,
    scene::{EngineScript, Of, Scene, undisturbed},
    sightings::Said,
    small,
    tale::{self, Stage, Told},
};
use engine::{Declared, Does, Steps, Webhook};
use recovery::{
    Millis, details,
    evidence::Sign,
    log::{Entry, Line},
    nouns::{Notification, NotificationStatus},
    seen::VmState,
    steps::{Failure, StepEntry, Then},
};
use sim::Process;
use std::{collections::BTreeMap, time::Duration};

fn program(path: &str) -> Declared {
    let deadline = Duration::from_secs(20);
    Declared { does: Does::Program(path.into()), deadline, may_fail: false }
}

fn webhook() -> Declared {
    let hook = Webhook::new("https://tickets.example.org/hook", None).unwrap();
    Declared { does: Does::Webhook(hook), deadline: Duration::from_secs(5), may_fail: false }
}

/// Lists `names` as the tasks of every kind of recovery that has these.
fn own(names: &[&str], declared: &[(&str, Declared)]) -> Own {
    let declared: BTreeMap<String, Declared> =
        declared.iter().map(|(name, does)| ((*name).into(), does.clone())).collect();
    let flow = |failure: Failure| {
        failure.flow(names.iter().copied(), |name| declared.contains_key(name)).unwrap_or_default()
    };
    let steps = Steps {
        auto: flow(Failure::Host),
        server: flow(Failure::Server),
        process: flow(Failure::Process),
        declared: declared.clone(),
        ..Steps::default()
    };
    Own { steps, keeps: false, slow_commit_ms: 0 }
}

const HOST: [&str; 7] = [
    "fence",
    "disable_compute_service_task",
    "note",
    "prepare_HA_enabled_instances_task",
    "check",
    "evacuate_instances_task",
    "report",
];

/// Everything does well but what `odd` says.
fn host(odd: &[(&str, Declared)]) -> Own {
    let mut declared =
        vec![("fence", program("/well")), ("note", program("/well")), ("report", webhook())];
    declared.push(("check", program("/well")));
    for (name, does) in odd {
        declared.retain(|(known, _)| known != name);
        declared.push((name, does.clone()));
    }
    own(&HOST, &declared)
}

/// A host dies; its recovery is made of these.
fn dying(own: Own, engines: Vec<EngineScript>) -> Scene {
    let mut scene = crash_points::scene(Word::Person, engines);
    scene.own = own;
    scene
}

fn log(stage: &Stage) -> Vec<Line> {
    let [only] = stage.memory.all_notifications().try_into().unwrap();
    stage.memory.lines(&only.uuid)
}

fn report(stage: &Stage) -> Notification {
    let [only] = stage.memory.all_notifications().try_into().unwrap();
    only
}

fn ran(stage: &Stage) -> Vec<Ran> {
    stage.ran.lock().unwrap().clone()
}

fn succeeded(line: &Line, name: &str) -> bool {
    matches!(&line.entry, Entry::Step(StepEntry::Succeeded { step, .. }) if step == name)
}

/// Each of `names` has succeeded once, in that order, and ran once or twice, under one key.
fn in_order(stage: &Stage, names: &[&str]) -> Result<(), String> {
    let log = log(stage);
    let mut last = 0;
    for name in names {
        let ends: Vec<u64> = log.iter().filter(|l| succeeded(l, name)).map(|l| l.seq).collect();
        let [end] = ends.as_slice() else { return Err(format!("{name} succeeded at {ends:?}")) };
        if *end < last {
            return Err(format!("{name} succeeded before the one in front of it"));
        }
        last = *end;
        let runs: Vec<Ran> = ran(stage).into_iter().filter(|r| r.word("step") == *name).collect();
        let key = format!("{}/{name}/1", report(stage).uuid);
        if runs.iter().any(|r| r.word("key") != key) || !(1..=2).contains(&runs.len()) {
            return Err(format!("{name} ran so: {runs:?}"));
        }
    }
    Ok(())
}

/// The steps of a host's recovery stand where they shall.
fn around_the_evacuations(stage: &Stage) -> Result<(), String> {
    in_order(stage, &["fence", "note", "check", "report"])?;
    let log = log(stage);
    let at = |wanted: &dyn Fn(&Line) -> bool| {
        log.iter().find(|l| wanted(l)).map_or(i64::MAX, |l| l.at.0)
    };
    let proven = at(&|l| matches!(l.entry, Entry::Proven { .. }));
    let runs = ran(stage);
    if let Some(early) = runs.iter().find(|r| r.at.0 < proven || !r.host_was_dead) {
        return Err(format!("it ran before the host was proven dead: {early:?}"));
    }
    let (fence, check) = (at(&|l| succeeded(l, "fence")), at(&|l| succeeded(l, "check")));
    if at(&|l| matches!(l.entry, Entry::DisableIntended)) < fence {
        return Err("the host was disabled before the step in front of that".into());
    }
    if stage.world.evacuate_calls().iter().any(|call| call.at.0 < check) {
        return Err("an evacuation was sent before the step in front of it was over".into());
    }
    let arrived = log.iter().filter(|l| matches!(l.entry, Entry::Arrived { .. })).map(|l| l.at.0);
    let reported = runs.iter().find(|r| r.word("step") == "report").map_or(0, |r| r.at.0);
    if arrived.max().unwrap_or(i64::MAX) > reported {
        return Err("the last step ran before all servers had arrived".into());
    }
    Ok(())
}

type Lives = Result<Vec<Process>, (String, String)>;

fn told_well(told: Told) -> Lives {
    let steps = told.outcome.clone().and_then(|()| around_the_evacuations(&told.stage));
    let story = told.stage.story();
    steps.map_err(|broken| (broken, story))?;
    crash_points::told_well(told)
}

/// All points at which a step runs, and of the others every so many.
fn points(life: &Process, every: usize) -> Vec<(usize, &'static str)> {
    let which = Which { since: ALL.since, every: 1 };
    let all = crossings(life, which).into_iter().enumerate();
    all.filter(|(n, (_, place))| *place == RUNNING || n % every == 0).map(|(_, p)| p).collect()
}

fn dies_everywhere(
    plot: &dyn Fn(EngineScript) -> Scene,
    every: usize,
    least: usize,
    well: fn(Told) -> Lives,
) {
    let clean = well(tale::tell(plot(undisturbed())));
    let clean = clean.unwrap_or_else(|(broken, story)| panic!("{broken}\n{story}"));
    let mut tried = Points::default();
    for (crossing, place) in points(&clean[0], every) {
        for &when in whens(place) {
            let script = EngineScript { deaths: vec![(crossing, when)], ..undisturbed() };
            let lives = well(tale::tell(plot(script)));
            tried.tried(&format!("death {when:?} {crossing}, {place}"), lives);
        }
    }
    tried.all_were_made_up_for(least);
}

#[test]
fn an_engine_that_dies_around_the_steps_of_a_hosts_recovery_is_made_up_for() {
    dies_everywhere(&|script| dying(host(&[]), vec![script]), 5, 40, told_well);
}

#[test]
fn an_engine_that_stands_still_while_a_step_runs_is_made_up_for() {
    let lives = told_well(tale::tell(dying(host(&[]), vec![undisturbed(), undisturbed()])));
    let lives = lives.unwrap_or_else(|(broken, story)| panic!("{broken}\n{story}"));
    let who = lives.iter().position(|life| life.places().contains(&RUNNING)).unwrap();
    let mut tried = Points::default();
    for (crossing, _) in points(&lives[who], usize::MAX) {
        let mut scripts = [undisturbed(), undisturbed()];
        scripts[who].pause = Some((crossing, PAUSE_MS));
        let lives = told_well(tale::tell(dying(host(&[]), scripts.into())));
        tried.tried(&format!("pause at {crossing}"), lives);
    }
    tried.all_were_made_up_for(4);
}

fn told(scene: Scene) -> Told {
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    told
}

fn only(own: Own) -> Told {
    told(dying(own, vec![undisturbed()]))
}

fn keeping(own: Own) -> Own {
    Own { keeps: true, ..own }
}

/// Its name, state and messages, as clients read them.
fn shown(stage: &Stage) -> Vec<(String, &'static str, String)> {
    let tasks = details::details(&log(stage), &stage.host(0)).into_iter();
    let text = |task: &details::Task| {
        task.messages.iter().map(|m| m.text.as_str()).collect::<Vec<_>>().join("|")
    };
    tasks.map(|task| (task.name.to_string(), task.state, text(&task))).collect()
}

/// The database takes six seconds to say that the beginning of a step is written, and a person disarms meanwhile.
#[test]
fn who_disarms_stops_a_step_that_was_meant_and_has_not_begun() {
    let scene = |switch| Scene {
        storm: Storm { switch, ..Storm::default() },
        ..dying(Own { slow_commit_ms: 6_000, ..host(&[]) }, vec![undisturbed()])
    };
    let meant = |line: &Line| matches!(line.entry, Entry::Step(StepEntry::Begun { .. }));
    let undisturbed = told(scene(Vec::new())).stage;
    let first = log(&undisturbed).into_iter().find(meant).unwrap();
    let off_ms = first.at.since(undisturbed.began).unsigned_abs() + 1_000;
    let stage = told(scene(vec![(off_ms, false), (off_ms + 60_000, true)])).stage;
    let armed = stage.began.plus((off_ms + 60_000).cast_signed());
    assert!(log(&stage).iter().any(|line| meant(line) && line.at < armed), "{}", stage.story());
    assert!(ran(&stage).iter().all(|ran| ran.at >= armed), "{}", stage.story());
    around_the_evacuations(&stage).unwrap_or_else(|broken| panic!("{broken}\n{}", stage.story()));
}

/// The same, and a monitor says meanwhile that the host is there.
#[test]
fn a_step_that_was_meant_is_not_begun_when_its_host_shows_life() {
    let scene = |said| {
        let fence = Fence { said, hangs: false, ..Fence::default() };
        let own = Own { slow_commit_ms: 6_000, ..host(&[]) };
        Scene { own, ..hanging(fence, vec![undisturbed()]) }
    };
    let meant = |line: &Line| matches!(line.entry, Entry::Step(StepEntry::Begun { .. }));
    let stage = tale::tell_for(scene(Vec::new()), 200_000);
    let first = log(&stage).into_iter().find(meant).unwrap().at.since(stage.began);
    assert!(!ran(&stage).is_empty());
    let said = vec![(first.unsigned_abs() + 2_500, Said::Lives(Sign::MonitorSaw))];
    let stage = tale::tell_for(scene(said), 200_000);
    assert!(log(&stage).iter().any(meant), "{}", stage.story());
    assert!(ran(&stage).is_empty(), "{}", stage.story());
}

#[test]
fn a_step_that_fails_ends_the_recovery_before_anything_is_done() {
    let told = only(keeping(host(&[("fence", program("/badly"))])));
    let stage = &told.stage;
    let keys: Vec<String> = ran(stage).iter().map(|r| r.word("key").into()).collect();
    let report = report(stage);
    assert_eq!(keys, [1, 2].map(|n| format!("{}/fence/{n}", report.uuid)));
    assert!(stage.world.evacuate_calls().is_empty());
    assert!(stage.world.service(&stage.host(0)).unwrap().enabled, "it was disabled all the same");
    assert_eq!(report.status, NotificationStatus::Failed);
    let why = "step 'fence' failed: /badly ended with exit code 3: I was here";
    assert_eq!(report.message.as_deref(), Some(why));
    let (name, state, messages) = &shown(stage)[0];
    assert_eq!((name.as_str(), *state), ("fence", "FAILURE"));
    assert!(messages.contains("it will be tried again"), "{messages}");
}

#[test]
fn a_step_that_fails_before_the_evacuation_leaves_every_server_where_it_is_and_says_why() {
    let told = only(keeping(host(&[("check", program("/badly"))])));
    let stage = &told.stage;
    assert!(stage.world.evacuate_calls().is_empty());
    let message = report(stage).message.unwrap();
    assert!(message.ends_with("; 4 of 4 servers were not recovered"), "{message}");
    for vmove in stage.memory.all_vmoves() {
        assert!(vmove.message.unwrap().starts_with("step 'check' failed: "));
    }
    assert!(ran(stage).iter().all(|r| r.word("step") != "report"), "the last step ran");
}

#[test]
fn a_step_that_does_better_the_second_time_is_no_trouble() {
    let told = only(host(&[("note", program("/badly-at-first"))]));
    assert_eq!(report(&told.stage).status, NotificationStatus::Finished);
    let notes: Vec<Ran> =
        ran(&told.stage).into_iter().filter(|r| r.word("step") == "note").collect();
    let keys: Vec<&str> = notes.iter().map(|r| r.word("key")).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(notes[1].at.since(notes[0].at) >= 10_000, "it was tried again at once");
}

#[test]
fn a_step_that_hangs_and_may_fail_is_given_up_at_its_deadline() {
    let may_fail = Declared { may_fail: true, ..program("/hangs") };
    let told = only(host(&[("note", may_fail)]));
    assert_eq!(report(&told.stage).status, NotificationStatus::Finished);
    let failed: Vec<(Millis, Then)> = log(&told.stage)
        .into_iter()
        .filter_map(|line| match line.entry {
            Entry::Step(StepEntry::Failed { then, .. }) => Some((line.at, then)),
            _ => None,
        })
        .collect();
    let began = ran(&told.stage).iter().find(|r| r.word("step") == "note").unwrap().at;
    assert!((20_000..21_000).contains(&failed[0].0.since(began)), "{failed:?}");
    assert_eq!(failed[1].1, Then::GoesOn);
    let shown = shown(&told.stage);
    let names: Vec<&str> = shown.iter().map(|(name, ..)| name.as_str()).collect();
    let expected = [
        "fence",
        "DisableComputeServiceTask",
        "note",
        "PrepareHAEnabledInstancesTask",
        "check",
        "EvacuateInstancesTask",
        "report",
    ];
    assert_eq!(names, expected);
    assert_eq!(shown[2].1, "FAILURE");
    assert!(shown[2].2.contains("/hangs did not end within 20000 ms"), "{}", shown[2].2);
    let others = shown.iter().filter(|(name, ..)| name != "note");
    assert!(others.clone().all(|(_, state, _)| *state == "SUCCESS"), "{shown:?}");
}

/// Whatever a step did, the host is looked at anew after it.
#[test]
fn a_host_that_returns_while_a_step_runs_is_not_evacuated() {
    let mut long = Declared { may_fail: true, ..program("/hangs") };
    long.deadline = Duration::from_secs(120);
    let mut own = host(&[("check", long)]);
    own.steps.attempts = 1;
    let mut scene = dying(own, vec![undisturbed()]);
    scene.revived_after_ms = Some(60_000);
    let told = told(scene);
    assert!(told.stage.world.evacuate_calls().is_empty(), "{}", told.stage.story());
    let log = log(&told.stage);
    let over = log.iter().find(|l| matches!(l.entry, Entry::Step(StepEntry::Failed { .. })));
    let held = log.iter().find(|l| matches!(l.entry, Entry::Held { .. })).unwrap();
    assert!(held.seq > over.unwrap().seq);
}

#[test]
fn a_host_that_is_not_to_be_disabled_is_evacuated_and_stays_enabled() {
    let told = only(own(&["prepare_HA_enabled_instances_task", "evacuate_instances_task"], &[]));
    let stage = &told.stage;
    assert_eq!(report(stage).status, NotificationStatus::Finished);
    assert!(stage.world.service(&stage.host(0)).unwrap().enabled);
    let names: Vec<String> = shown(stage).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["PrepareHAEnabledInstancesTask", "EvacuateInstancesTask"]);
}

#[test]
fn where_a_step_stands_instead_of_the_evacuation_the_servers_are_left_to_it() {
    let names = ["disable_compute_service_task", "prepare_HA_enabled_instances_task", "mine"];
    let told = only(keeping(own(&names, &[("mine", program("/well"))])));
    let stage = &told.stage;
    assert!(stage.world.evacuate_calls().is_empty());
    assert_eq!(report(stage).status, NotificationStatus::Finished);
    let runs = ran(stage);
    assert!(runs.len() == 1 && runs[0].host_was_dead, "{runs:?}");
    let shown = shown(stage);
    assert!(shown[1].2.contains("the operator's list of tasks has no evacuate"), "{shown:?}");
}

const SMALL: [&str; 7] = [
    "a",
    "stop_instance_task",
    "b",
    "start_instance_task",
    "c",
    "confirm_instance_active_task",
    "d",
];

/// A VM, or nova-compute, fails; its recovery has a step at each place.
fn small_failure(of: Of, names: &[&str], script: EngineScript) -> Scene {
    let declared = ["a", "b", "c", "d"].map(|name| (name, program("/well")));
    let mut scene = small::scene(of, vec![script]);
    scene.own = own(names, &declared);
    scene
}

fn small_told_well(told: Told, names: &[&str]) -> Lives {
    let steps = told.outcome.clone().and_then(|()| in_order(&told.stage, names));
    let story = told.stage.story();
    steps.map_err(|broken| (broken, story))?;
    small::told_well(told)
}

#[test]
fn an_engine_that_dies_around_the_steps_of_a_restart_is_made_up_for() {
    let plot = |script| small_failure(Of::Vm(VmState::Active), &SMALL, script);
    dies_everywhere(&plot, 6, 20, |told| small_told_well(told, &["a", "b", "c", "d"]));
}

#[test]
fn an_engine_that_dies_around_the_steps_after_a_process_failed_is_made_up_for() {
    let names = ["a", "disable_compute_node_task", "b", "confirm_compute_node_disabled_task", "d"];
    let plot = |script| small_failure(Of::Process("nova-compute"), &names, script);
    dies_everywhere(&plot, 4, 12, |told| small_told_well(told, &["a", "b", "d"]));
}

#[test]
fn a_step_that_fails_before_a_vm_is_stopped_leaves_it_as_it_is() {
    let mut scene = small_failure(Of::Vm(VmState::Active), &SMALL, undisturbed());
    scene.own.steps.declared.insert("a".into(), program("/badly"));
    let told = tale::tell(scene);
    let report = report(&told.stage);
    assert_eq!(report.status, NotificationStatus::Failed, "{}", told.stage.story());
    assert!(report.message.unwrap().starts_with("step 'a' failed: "));
    for server in told.stage.world.servers() {
        assert!(told.stage.world.actions(&server.id).is_empty(), "{} was touched", server.id);
    }
}
