//! Servers that an owner's rule leaves alone: nobody touches them, and each is told of once, whatever happens
//! to the engine; the others are moved as always.

use crate::{
    checks,
    crash_points::{ALL, Points, Word, as_it_was, crossings, scene, vmove_tells, whens},
    scene::{EngineScript, Scene, undisturbed},
    tale::{self, Stage, Told},
};
use recovery::{
    nouns::{NotificationStatus, VMoveStatus},
    rules::{Owners, read},
    seen::Server,
};
use sim::Process;

/// Of the four on the host that dies: the first is skipped, the second told of. The aggregates are asked for,
/// between the list of servers and the plan.
fn with_rules(engines: Vec<EngineScript>) -> Scene {
    let rules =
        ["rack evacuate aggregate=nowhere", "batch skip name=vm-0001", "db tell name=vm-0002"];
    let rules = rules.iter().map(|text| read(text).unwrap()).collect();
    let owners = Owners { rules, ..Owners::default() };
    Scene { owners, ..scene(Word::Monitor, engines) }
}

fn rule_of(server: &Server) -> Option<&'static str> {
    match server.name.as_str() {
        "vm-0001" => Some("batch"),
        "vm-0002" => Some("db"),
        _ => None,
    }
}

fn told_well(told: Told) -> Result<Vec<Process>, (String, String)> {
    let outcome = told.outcome.and_then(|()| as_the_rules_say(&told.stage));
    outcome.map_err(|broken| (broken, told.stage.story()))?;
    Ok(told.stage.lives.lock().unwrap().clone())
}

fn as_the_rules_say(stage: &Stage) -> Result<(), String> {
    let dead = stage.host(0);
    let all = stage.world.servers();
    let there = stage.at_first.iter().zip(&all).filter(|(b, _)| b.host.as_ref() == Some(&dead));
    for (before, after) in there {
        match rule_of(before) {
            Some(rule) => left_alone(stage, before, after, rule)?,
            None => {
                as_it_was(before, after, true)?;
                vmove_tells(stage, after)?;
            }
        }
    }
    match stage.memory.all_notifications().as_slice() {
        [only] if only.status == NotificationStatus::Finished => {
            let message = only.message.clone().unwrap_or_default();
            let one = message.starts_with("1 server was left on the dead host: ")
                && message.ends_with(" (vm-0002) by rule db");
            if one { Ok(()) } else { Err(format!("it ended with {message:?}")) }
        }
        other => Err(format!("not one finished report: {other:?}")),
    }
}

fn left_alone(stage: &Stage, before: &Server, after: &Server, rule: &str) -> Result<(), String> {
    if before != after || stage.world.evacuate_calls().iter().any(|c| c.server == before.id) {
        return Err(format!("{} was touched: {after:?}", before.id));
    }
    let rows = stage.memory.all_vmoves().into_iter().filter(|row| row.server == before.id);
    match rows.collect::<Vec<_>>().as_slice() {
        [row] if row.status == VMoveStatus::Ignored => {
            let says = format!("left alone by rule {rule}: name={}", before.name);
            let said = row.message.clone().unwrap_or_default();
            if said == says { Ok(()) } else { Err(format!("its row says {said:?}")) }
        }
        other => Err(format!("{}: not one row that says it is ignored: {other:?}", before.id)),
    }
}

#[test]
fn an_engine_that_dies_at_any_point_leaves_alone_whom_the_rules_leave_alone() {
    let clean = tale::tell(with_rules(vec![undisturbed()]));
    let lives = told_well(clean).unwrap_or_else(|(broken, story)| panic!("{broken}\n{story}"));
    let mut points = Points::default();
    for (crossing, place) in crossings(&lives[0], ALL) {
        for &when in whens(place) {
            let script = EngineScript { deaths: vec![(crossing, when)], ..undisturbed() };
            let lives = told_well(tale::tell(with_rules(vec![script])));
            points.tried(&format!("death {when:?} {crossing}, {place}"), lives);
        }
    }
    points.all_were_made_up_for(60);
}

#[test]
fn a_fall_back_to_a_reserved_host_tells_of_them_once() {
    let mut scene = with_rules(vec![undisturbed()]);
    scene.method = recovery::nouns::RecoveryMethod::AutoPriority;
    scene.shape = sim::Shape {
        hosts: scene.shape.hosts + 1,
        reserved: 1,
        reserved_max: 100,
        vms_per_host_max: 4,
        ..scene.shape
    };
    let Told { stage, outcome } = tale::tell(scene);
    outcome.unwrap();
    for server in stage.world.servers() {
        let before = stage.at_first.iter().find(|s| s.id == server.id).unwrap();
        if let (Some(rule), true) = (rule_of(before), before.host == Some(stage.host(0))) {
            left_alone(&stage, before, &server, rule).unwrap();
        }
    }
    assert!(checks::all_over(&stage));
}

#[test]
fn aggregates_are_asked_for_only_where_a_rule_speaks_of_them() {
    let asks = |scene: Scene| {
        let stage = tale::tell(scene).stage;
        let asked = stage.asked.lock().unwrap();
        asked.iter().filter(|path| path.ends_with("/os-aggregates")).count()
    };
    assert_eq!(asks(scene(Word::Monitor, vec![undisturbed()])), 0);
    assert!(asks(with_rules(vec![undisturbed()])) > 0);
}
