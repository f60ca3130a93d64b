//! What must be true at every step, and at the end.

use crate::{by_hand, fences, guard, reserves, returns, soak, tale::Stage, twice, whole};
use recovery::{
    HostName, ServerId,
    evidence::Kind,
    fencing::FenceEntry,
    guard::GuardEntry,
    log::{Act, Entry, Line},
    nouns::{RecoveryMethod, VMoveStatus},
    permit::SKEW_MS,
    rules::{Facts, Verdict},
    seen::Server,
    seen::VmState,
    steps::Failure,
};
use sim::Condition;
use std::collections::BTreeMap;

/// A look at the host may be this old when an act is sent, and the act takes its time to arrive.
const STALE_MS: i64 = 1_000 + 1_000;

pub fn at_every_step(stage: &Stage) -> Result<(), String> {
    stage.world.check().map_err(|broken| broken.to_string())?;
    for call in stage.world.evacuate_calls() {
        if call.host_was != Condition::Dead && !may_be_back(stage, &call.from) {
            return Err(format!("{} was to leave {}, which lives", call.server, call.from));
        }
    }
    for forced in stage.world.forced_downs() {
        if forced.to && forced.host_was == Condition::Alive && !may_be_back(stage, &forced.host) {
            return Err(format!("{} was forced down while it lived", forced.host));
        }
    }
    reserves::at_every_step(stage)?;
    fences::at_every_step(stage)?;
    by_hand::at_every_step(stage)?;
    returns::at_every_step(stage)?;
    twice::at_every_step(stage)?;
    whole::at_every_step(stage)?;
    acts_follow_the_law(stage)
}

/// It has power again, and what was on its way to Nova may have landed after that.
fn may_be_back(stage: &Stage, host: &HostName) -> bool {
    let first_alone = stage.scene.whole.is_some();
    stage.scene.revived_after_ms.is_some() && (!first_alone || *host == stage.host(0))
}

/// In each log: no act on the host without a judgement that it is dead, none after the judgement
/// that it is not; and no intent of an evacuation long after the host was heard again.
fn acts_follow_the_law(stage: &Stage) -> Result<(), String> {
    for notification in stage.memory.all_notifications() {
        let lines = stage.memory.lines(&notification.uuid);
        let mut permitted: Option<&Line> = None;
        let (mut claimed, mut passed) = (0, false);
        for line in &lines {
            match &line.entry {
                Entry::Claimed { generation, .. } if *generation <= claimed => {
                    return Err(format!("#{}: two engines took it at once", line.seq));
                }
                Entry::Claimed { generation, .. } => claimed = *generation,
                Entry::Proven { .. } => permitted = Some(line),
                Entry::Guard(GuardEntry::Passed { .. }) => passed = true,
                Entry::Held { .. } | Entry::Guard(GuardEntry::Held { .. }) => permitted = None,
                entry if entry.is_retry() => (permitted, passed) = (None, false),
                Entry::Fence(FenceEntry::Begun { .. }) if !passed => {
                    return Err(format!("#{} fences before the guard lets it", line.seq));
                }
                Entry::Intended { act: Act::Evacuate, .. }
                | Entry::ForceDownIntended
                | Entry::DisableIntended => {
                    let Some(Line { entry: Entry::Proven { kind, .. }, .. }) = permitted else {
                        return Err(format!("#{} acts without a permit", line.seq));
                    };
                    if !passed {
                        return Err(format!("#{} acts before the guard lets it", line.seq));
                    }
                    let fence = stage.scene.fence.as_ref();
                    let is_too_weak = fence.is_some_and(|fence| !fence.monitor_is_enough);
                    if is_too_weak && *kind == Kind::MonitorSaid {
                        return Err(format!("#{} acts on a monitor's word alone", line.seq));
                    }
                    let blinds = matches!(line.entry, Entry::ForceDownIntended);
                    if blinds && *kind == Kind::MonitorSaid {
                        return Err(format!("#{} blinds Nova on a monitor's word", line.seq));
                    }
                }
                _ => {}
            }
        }
    }
    no_evacuation_after_life(stage)
}

/// Once Nova has heard from the host again, nothing more is asked: what Nova accepts later than a look
/// can be old was sent against the law.
fn no_evacuation_after_life(stage: &Stage) -> Result<(), String> {
    let Some(after) = stage.scene.revived_after_ms else { return Ok(()) };
    let host = stage.host(0);
    let Some(beat) = stage.world.service(&host).and_then(|s| s.heartbeat_at) else { return Ok(()) };
    let revived = stage.began.plus(i64::try_from(stage.scene.dies_at_ms + after).unwrap());
    if beat < revived {
        return Ok(());
    }
    // The first beat after the boot; later ones only make the bound later.
    let booted = stage.world.host_booted_at(&host).unwrap_or(revived).max(revived);
    let first_beat = booted.plus(5_000 + stage.scene.shape.report_interval_ms);
    let slowest = i64::try_from(*stage.scene.shape.pace.latency_ms.end()).unwrap() * 8;
    let bound = first_beat.plus(SKEW_MS + STALE_MS + slowest + slow_faults(stage));
    for call in stage.world.evacuate_calls() {
        if call.from == host && call.verdict == sim::Verdict::Accepted && call.at > bound {
            return Err(format!("{} was evacuated after {host} showed life", call.server));
        }
    }
    Ok(())
}

/// A fault that delays requests lets them land late; nobody can take them back.
fn slow_faults(stage: &Stage) -> i64 {
    let rules = stage.scene.faults.iter().flat_map(|f| &f.rules);
    rules
        .map(|(_, _, fault, _)| match fault {
            sim::Fault::Slow { ms } => i64::try_from(*ms).unwrap(),
            _ => 0,
        })
        .sum()
}

pub fn all_over(stage: &Stage) -> bool {
    let all = stage.memory.all_notifications();
    !all.is_empty() && all.iter().all(|n| n.status.is_terminal())
}

pub fn open(stage: &Stage) -> String {
    let open = stage.memory.all_notifications().into_iter().filter(|n| !n.status.is_terminal());
    open.map(|n| format!("{} is {}", n.uuid, n.status)).collect::<Vec<_>>().join(", ")
}

pub async fn at_the_end(stage: &Stage) -> Result<(), String> {
    nothing_left_locked(stage)?;
    fences::at_the_end(stage).await?;
    returns::at_the_end(stage).await?;
    if stage.scene.false_alarm {
        left_in_service(stage)?;
    }
    for notification in stage.memory.all_notifications() {
        let lines = stage.memory.lines(&notification.uuid);
        let ends = lines.iter().filter(|l| matches!(l.entry, Entry::Ended { .. })).count();
        let retries = lines.iter().filter(|l| l.entry.is_retry()).count();
        if ends != 1 + retries {
            return Err(format!("{} ended {ends} times", notification.uuid));
        }
    }
    by_hand::at_the_end(stage).await?;
    if stage.scene.whole.is_some() {
        return whole::at_the_end(stage);
    }
    if let Some(small) = &stage.scene.small {
        if by_hand::may_be_undone(stage) {
            return Ok(());
        }
        return crate::small::at_the_end(stage, small);
    }
    if stage.scene.fence.as_ref().is_some_and(|fence| !fence.proves(&stage.scene)) {
        return Ok(());
    }
    if stage.scene.tiers {
        crate::tiers::at_the_end(stage)?;
    }
    let troubled = stage
        .scene
        .faults
        .as_ref()
        .is_some_and(|f| f.build_fails_permille + f.loses_touch_permille > 0);
    let refused = stage.scene.faults.as_ref().is_some_and(|f| {
        f.rules.iter().any(|(_, _, fault, _)| matches!(fault, sim::Fault::Status(403 | 404 | 409)))
    });
    if !refused {
        reserves::at_the_end(stage).await?;
    }
    if by_hand::may_be_undone(stage)
        || guard::may_hold(stage)
        || troubled
        || refused
        || stage.scene.false_alarm
        || stage.scene.revived_after_ms.is_some()
    {
        return Ok(());
    }
    if stage.scene.own.keeps {
        return Ok(());
    }
    all_brought_back(stage)
}

fn nothing_left_locked(stage: &Stage) -> Result<(), String> {
    let ours = stage
        .world
        .locked()
        .into_iter()
        .find(|(_, why)| why.as_ref().is_some_and(|why| why.starts_with("masakari")));
    ours.map_or(Ok(()), |(server, _)| Err(format!("{server} was left locked")))
}

/// A host that lives and that only a monitor took for dead.
fn left_in_service(stage: &Stage) -> Result<(), String> {
    let host = stage.host(0);
    match stage.world.service(&host) {
        Some(service) if service.enabled && !service.forced_down => Ok(()),
        other => Err(format!("{host} lives and was taken out of service: {other:?}")),
    }
}

/// No server is on a dead host any more, and each is as it was.
pub fn all_brought_back(stage: &Stage) -> Result<(), String> {
    let dead: Vec<HostName> = stage
        .world
        .hosts()
        .into_iter()
        .filter(|h| stage.world.condition(h) == Condition::Dead)
        .collect();
    let mut times: BTreeMap<ServerId, usize> = BTreeMap::new();
    for call in stage.world.evacuate_calls() {
        if call.verdict == sim::Verdict::Accepted {
            *times.entry(call.server).or_default() += 1;
        }
    }
    // A VM may be evacuated again when its second host dies too.
    let second = usize::from(stage.scene.second_after_ms.is_some());
    let hosts_died = 1 + second + stage.scene.killed_after_ms.len();
    let once = stage.scene.method == RecoveryMethod::Auto
        && !stage.scene.within_segment
        && !is_full(stage)
        && !soak::nova_fails_at_some(stage);
    if let Some((server, times)) = times.iter().find(|(_, times)| once && **times > hosts_died) {
        return Err(format!("{server} was evacuated {times} times"));
    }
    for server in stage.world.servers() {
        brought_back(stage, &server, &dead, times.contains_key(&server.id))?;
    }
    Ok(())
}

/// Where only reserved hosts may be used, there may be none.
fn no_reserved_host(stage: &Stage) -> bool {
    stage.scene.method == RecoveryMethod::ReservedHost && stage.scene.shape.reserved == 0
}

/// The hosts have not room for twice as many servers as they have at first.
fn is_full(stage: &Stage) -> bool {
    stage.scene.shape.vms_per_host_max < 2 * stage.scene.shape.vms_per_host
}

/// There is none for the servers of a dead host, and there will be none.
fn no_room(stage: &Stage) -> bool {
    is_full(stage) && (stage.scene.room_after_ms.is_none() || stage.scene.room_for.is_some())
}

fn quarantined(stage: &Stage, server: &Server) -> bool {
    let told = |v: &recovery::nouns::VMove| {
        v.server == server.id && v.message.as_ref().is_some_and(|m| m.contains("quarantined"))
    };
    stage.scene.killed_after_ms.len() >= 2 && stage.memory.all_vmoves().iter().any(told)
}

fn brought_back(
    stage: &Stage,
    server: &Server,
    dead: &[HostName],
    moved: bool,
) -> Result<(), String> {
    let verdict = stage.scene.owners.judge(server, Failure::Host, &Facts::default());
    if let Verdict::Left(_) = verdict {
        return Ok(());
    }
    if server.host.as_ref().is_some_and(|host| dead.contains(host)) {
        // Its destination died while it built; or the host's service was disabled so late that it
        // looks like a sign of life. A person is told which server, and why.
        let told = |v: &recovery::nouns::VMove| {
            v.server == server.id && v.status == VMoveStatus::Failed && v.message.is_some()
        };
        let may_stay = stage.scene.second_after_ms.is_some()
            || no_reserved_host(stage)
            || no_room(stage)
            || quarantined(stage, server)
            || stage.scene.leaves_ms.is_some()
            || slow_faults(stage) > 0;
        if may_stay && stage.memory.all_vmoves().iter().any(told) {
            return Ok(());
        }
        return Err(format!("{} is still on {:?}", server.id, server.host));
    }
    let runs = stage.world.running(&server.id).len();
    match server.vm_state {
        VmState::Active if runs != 1 => {
            Err(format!("{} is active and runs {runs} times", server.id))
        }
        VmState::Paused if moved => Err(format!("{} was moved and is still paused", server.id)),
        _ => Ok(()),
    }
}
