//! Which servers of a dead host move, in which order, and how each is left.
//!
//! The rules are those of Python Masakari's host recovery: Nova evacuates servers that are active,
//! stopped or in error and have no task, so any other state is reset to error first; a server is
//! stopped again on its new host unless it ran; one that was in error is set to error again.
//! Different on purpose: a server that Nova is evacuating already is followed, not reset; and one that was leaving its host by
//! a live migration is left to a person, once that had begun. Its memory went to the destination, which starts it there, and
//! only then does the source tell Nova that it is there: a source that dies in between leaves a server that runs on one host
//! and is counted to another one, which is dead. To evacuate that is to have it run twice.

use crate::explain::words::MAY_RUN;
use crate::log::{Aftermath, Planned, Reset, Skipped};
use crate::rules::{Facts, Left, LeftBy, Owners, Verdict};
use crate::seen::{Evacuation, EvacuationStatus, Power, Server, Task, VmState};
use crate::steps::Failure;
use crate::{HostName, ServerId, VMoveId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

/// What the operator wants moved: the options of `[host_failure]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection {
    /// `ha_enabled_instance_metadata_key`.
    pub ha_key: String,
    /// `evacuate_all_instances`: also those without that key, after those with it.
    pub evacuate_all: bool,
    /// `ignore_instances_in_error_state`.
    pub ignore_error: bool,
    /// `[recovery_rules]`.
    pub owners: Owners,
}

impl Default for Selection {
    fn default() -> Self {
        let owners = Owners::default();
        Self { ha_key: "HA_Enabled".into(), evacuate_all: true, ignore_error: false, owners }
    }
}

/// Chooses among the servers that Nova shows on the host. `new_vmove` gives a fresh id each time.
pub fn select(
    servers: &[Server],
    evacuations: &[Evacuation],
    rules: &Selection,
    facts: &Facts,
    mut new_vmove: impl FnMut() -> VMoveId,
) -> (Vec<Planned>, Vec<Skipped>) {
    let newest = newest_evacuations(evacuations);
    let (mut moves, mut skipped) = (Vec::new(), Vec::new());
    for server in servers {
        let ha_enabled = server.metadata.get(&rules.ha_key).is_some_and(|v| means_true(v));
        let newest = newest.get(&server.id);
        let under_way = newest.is_some_and(|e| e.status.may_run());
        let (why, left) = match stays(server, ha_enabled, under_way, rules, facts) {
            None => {
                let planned = planned(server, newest, evacuations, ha_enabled, new_vmove());
                let quarantine = may_run_elsewhere(server, facts).filter(|_| !under_way);
                moves.push(Planned { quarantine, ..planned });
                continue;
            }
            Some(Stays::State(why)) => (why.into(), None),
            Some(Stays::Rule(LeftBy { rule, tell, why })) => {
                let (vmove, name) = (new_vmove(), server.name.clone());
                (why, Some(Left { vmove, name, rule, tell }))
            }
        };
        skipped.push(Skipped { server: server.id.clone(), why, left });
    }
    in_order(&mut moves);
    (moves, skipped)
}

/// Who goes first. Stable: of the same rank Nova's own order stays.
pub fn in_order(moves: &mut [Planned]) {
    moves.sort_by_key(|m| core::cmp::Reverse(m.rank()));
}

/// Plans again what a way left behind: `servers` that are on the dead host still, each with its last
/// plan. In Nova they are in error by now; how they are to be left is told by how they were found first.
pub fn again(
    servers: &[(&Server, &Planned)],
    evacuations: &[Evacuation],
    mut new_vmove: impl FnMut() -> VMoveId,
) -> Vec<Planned> {
    let newest = newest_evacuations(evacuations);
    let again = servers.iter().map(|(server, before)| {
        let newest = newest.get(&server.id);
        let now = planned(server, newest, evacuations, before.ha_enabled, new_vmove());
        Planned {
            vm_state: before.vm_state,
            power: before.power,
            priority: before.priority,
            aftermath: before.aftermath,
            locked: before.locked,
            ..now
        }
    });
    again.collect()
}

/// The newest evacuation of each server; one that nobody is behind only where there is no other.
#[must_use]
pub fn newest_evacuations(evacuations: &[Evacuation]) -> BTreeMap<ServerId, &Evacuation> {
    let rank = |e: &Evacuation| (e.status != EvacuationStatus::Void, e.id);
    let mut newest: BTreeMap<ServerId, &Evacuation> = BTreeMap::new();
    for evacuation in evacuations {
        let known = newest.entry(evacuation.server.clone()).or_insert(evacuation);
        if rank(known) < rank(evacuation) {
            *known = evacuation;
        }
    }
    newest
}

/// Those that Nova is evacuating now, whoever asked for it: by its record, or by what the server shows
/// where that is not written yet. `evacuations` were listed after `servers`.
#[must_use]
pub fn under_way(servers: &[Server], evacuations: &[Evacuation]) -> BTreeSet<ServerId> {
    let newest = newest_evacuations(evacuations);
    let runs = |server: &&Server| {
        let record = newest.get(&server.id);
        server.task == Task::Rebuilding || record.is_some_and(|e| e.status.may_run())
    };
    servers.iter().filter(runs).map(|server| server.id.clone()).collect()
}

fn planned(
    server: &Server,
    newest: Option<&&Evacuation>,
    evacuations: &[Evacuation],
    ha_enabled: bool,
    vmove: VMoveId,
) -> Planned {
    let under_way = newest.is_some_and(|e| e.status.may_run());
    let last = evacuations.iter().filter(|e| e.server == server.id).map(|e| e.id).max();
    let ready = matches!(server.vm_state, VmState::Active | VmState::Stopped | VmState::Error)
        && server.task == Task::None;
    Planned {
        server: server.id.clone(),
        vmove,
        name: server.name.clone(),
        vm_state: server.vm_state,
        power: server.power,
        reset: if ready || under_way { Reset::NotNeeded } else { Reset::ToError },
        aftermath: aftermath(server),
        locked: server.locked,
        ha_enabled,
        priority: 0,
        under_way,
        last_evacuation: last.filter(|_| !under_way).unwrap_or(0),
        quarantine: None,
    }
}

/// Why a server that was leaving the host alive is not evacuated.
fn may_run_elsewhere(server: &Server, facts: &Facts) -> Option<String> {
    if !server.task.is_live_migration() {
        return None;
    }
    let record = facts.departures.get(&server.id);
    if record.is_some_and(|departure| !departure.begun) {
        return None;
    }
    let dest = record.and_then(|departure| departure.dest.as_ref());
    let there = dest.map_or("another host", HostName::as_str);
    Some(format!(
        "{MAY_RUN}{there}, to which it was being migrated live when its host died: make sure that it runs nowhere, \
         then `masakari retry` moves it"
    ))
}

/// Its host took the order with it to the grave, and carries it out if it ever comes back. Evacuated it would live again,
/// against its owner's will.
const BEING_DELETED: &str =
    "it was being deleted when its host died: its owner's next `openstack server delete` ends that";

/// Why a server stays.
enum Stays {
    State(&'static str),
    Rule(LeftBy),
}

/// A server that Nova is evacuating already is followed, whatever its owner wants.
fn stays(
    server: &Server,
    ha_enabled: bool,
    under_way: bool,
    rules: &Selection,
    facts: &Facts,
) -> Option<Stays> {
    if let Some(why) = stays_by_its_state(server.vm_state, rules) {
        return Some(Stays::State(why));
    }
    if server.task.is_deletion() && !under_way {
        return Some(Stays::State(BEING_DELETED));
    }
    match rules.owners.judge(server, Failure::Host, facts) {
        Verdict::Left(left) if !under_way => return Some(Stays::Rule(left)),
        Verdict::Evacuate => return None,
        Verdict::Left(_) | Verdict::Usual => {}
    }
    let wanted = ha_enabled || rules.evacuate_all;
    (!wanted).then_some(Stays::State("it is not HA_Enabled"))
}

fn stays_by_its_state(state: VmState, rules: &Selection) -> Option<&'static str> {
    match state {
        VmState::ShelvedOffloaded => Some("it is shelved and has no host"),
        VmState::SoftDeleted | VmState::Deleted => Some("it is deleted"),
        VmState::Error if rules.ignore_error => Some("it is in 'error' state"),
        VmState::Active
        | VmState::Stopped
        | VmState::Error
        | VmState::Paused
        | VmState::Suspended
        | VmState::Resized
        | VmState::Rescued
        | VmState::Building
        | VmState::Shelved
        | VmState::Unknown => None,
    }
}

fn aftermath(server: &Server) -> Aftermath {
    match (server.vm_state, server.power) {
        (VmState::Active, _) | (VmState::Resized, Power::Other) => Aftermath::Running,
        (VmState::Error, _) => Aftermath::StoppedInError,
        (
            VmState::Stopped
            | VmState::Paused
            | VmState::Suspended
            | VmState::Resized
            | VmState::Rescued
            | VmState::Building
            | VmState::Shelved
            | VmState::ShelvedOffloaded
            | VmState::SoftDeleted
            | VmState::Deleted
            | VmState::Unknown,
            _,
        ) => Aftermath::Stopped,
    }
}

/// The words that `oslo.utils` takes for true.
pub(crate) fn means_true(word: &str) -> bool {
    ["1", "t", "true", "on", "y", "yes"].iter().any(|w| word.trim().eq_ignore_ascii_case(w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::Departure;
    use alloc::vec;

    fn server(id: &str, vm_state: VmState) -> Server {
        Server {
            id: ServerId::new(id),
            name: format!("vm-{id}"),
            host: Some(HostName::new("compute01")),
            vm_state,
            task: Task::None,
            power: Power::Other,
            locked: false,
            metadata: BTreeMap::new(),
            hints: crate::seen::Hints::default(),
        }
    }

    fn with_key(mut s: Server, value: &str) -> Server {
        s.metadata.insert("HA_Enabled".into(), value.into());
        s
    }

    fn choose(servers: &[Server], rules: &Selection) -> (Vec<Planned>, Vec<Skipped>) {
        select(servers, &[], rules, &Facts::default(), || VMoveId::new("v"))
    }

    fn order(moves: &[Planned]) -> Vec<&str> {
        moves.iter().map(|m| m.server.as_str()).collect()
    }

    #[test]
    fn ha_enabled_servers_come_first_and_the_rest_keep_their_order() {
        let servers = [
            server("a", VmState::Active),
            with_key(server("b", VmState::Active), "True"),
            server("c", VmState::Active),
            with_key(server("d", VmState::Active), "yes"),
            with_key(server("e", VmState::Active), "no"),
        ];
        let (moves, skipped) = choose(&servers, &Selection::default());
        assert_eq!(order(&moves), ["b", "d", "a", "c", "e"]);
        assert!(skipped.is_empty());
    }

    #[test]
    fn only_ha_enabled_servers_move_where_the_operator_wants_that() {
        let servers = [server("a", VmState::Active), with_key(server("b", VmState::Active), "1")];
        let rules = Selection { evacuate_all: false, ..Selection::default() };
        let (moves, skipped) = choose(&servers, &rules);
        assert_eq!(order(&moves), ["b"]);
        assert_eq!(skipped.len(), 1);
    }

    #[test]
    fn servers_in_error_stay_where_the_operator_wants_that() {
        let rules = Selection { ignore_error: true, ..Selection::default() };
        let (moves, skipped) = choose(&[with_key(server("a", VmState::Error), "1")], &rules);
        assert!(moves.is_empty());
        assert_eq!(skipped[0].why, "it is in 'error' state");
    }

    #[test]
    fn every_state_has_its_reset_and_its_aftermath() {
        let shut = |mut s: Server| {
            s.power = Power::Shutdown;
            s
        };
        let busy = |mut s: Server| {
            s.task = Task::Other("powering-off".into());
            s
        };
        use {Aftermath as A, Reset as R, VmState as V};
        let table = [
            (server("x", V::Active), R::NotNeeded, A::Running),
            (busy(server("x", V::Active)), R::ToError, A::Running),
            (server("x", V::Stopped), R::NotNeeded, A::Stopped),
            (busy(server("x", V::Stopped)), R::ToError, A::Stopped),
            (server("x", V::Error), R::NotNeeded, A::StoppedInError),
            (server("x", V::Paused), R::ToError, A::Stopped),
            (server("x", V::Suspended), R::ToError, A::Stopped),
            (server("x", V::Rescued), R::ToError, A::Stopped),
            (server("x", V::Resized), R::ToError, A::Running),
            (shut(server("x", V::Resized)), R::ToError, A::Stopped),
            (server("x", V::Unknown), R::ToError, A::Stopped),
        ];
        for (server, reset, aftermath) in table {
            let (moves, _) = choose(core::slice::from_ref(&server), &Selection::default());
            assert_eq!((moves[0].reset, moves[0].aftermath), (reset, aftermath), "{server:?}");
        }
    }

    #[test]
    fn what_nova_evacuates_is_told_by_its_record_or_by_its_task() {
        let mut rebuilding = server("a", VmState::Error);
        rebuilding.task = Task::Rebuilding;
        let servers = [rebuilding, server("b", VmState::Error), server("c", VmState::Error)];
        let record = |id, of: &str, status| Evacuation {
            id,
            server: ServerId::new(of),
            source: HostName::new("compute01"),
            status,
            dest: None,
            created: None,
        };
        let records = [
            record(2, "b", EvacuationStatus::Running),
            record(1, "b", EvacuationStatus::Failed),
            record(3, "c", EvacuationStatus::Failed),
        ];
        let ids: Vec<ServerId> = under_way(&servers, &records).into_iter().collect();
        assert_eq!(ids, [ServerId::new("a"), ServerId::new("b")]);
    }

    #[test]
    fn a_server_that_nova_is_evacuating_is_followed_and_not_reset() {
        let mut moving = server("a", VmState::Active);
        moving.task = Task::Rebuilding;
        let evacuation = |id, status| Evacuation {
            id,
            server: ServerId::new("a"),
            source: HostName::new("compute01"),
            dest: None,
            status,
            created: None,
        };
        let records =
            [evacuation(1, EvacuationStatus::Failed), evacuation(2, EvacuationStatus::Running)];
        let planned = |records: &[Evacuation]| {
            let (rules, facts) = (Selection::default(), Facts::default());
            select(core::slice::from_ref(&moving), records, &rules, &facts, || VMoveId::new("v"))
                .0
                .remove(0)
        };
        assert!(planned(&records).under_way);
        assert_eq!(planned(&records).reset, Reset::NotNeeded);
        // Its owner's own rebuild died with the host: nobody works on it.
        assert!(!planned(&records[..1]).under_way);
        assert_eq!(planned(&records[..1]).reset, Reset::ToError);
        assert_eq!(planned(&records[..1]).last_evacuation, 1);
    }

    #[test]
    fn what_was_leaving_its_host_alive_is_left_to_a_person_once_that_had_begun() {
        let mut leaving = server("a", VmState::Active);
        leaving.task = Task::Other("migrating".into());
        let planned = |task: &str, departure: Option<Departure>, evacuations: &[Evacuation]| {
            let server = Server { task: Task::from_word(Some(task)), ..leaving.clone() };
            let departures = departure.map(|d| (server.id.clone(), d)).into_iter().collect();
            let facts = Facts { departures, ..Facts::default() };
            let rules = Selection::default();
            select(&[server], evacuations, &rules, &facts, || VMoveId::new("v")).0.remove(0)
        };
        let to = |begun| Some(Departure { dest: Some(HostName::new("compute02")), begun });
        let why = |departure| planned("migrating", departure, &[]).quarantine.unwrap();
        assert!(
            why(to(true)).starts_with("it may run on compute02, to which"),
            "{}",
            why(to(true))
        );
        assert!(why(None).starts_with("it may run on another host, to which"), "{}", why(None));
        // Its memory is here only.
        let waits = planned("migrating", to(false), &[]);
        assert_eq!((waits.quarantine, waits.reset), (None, Reset::ToError));
        // A resize, and a migration that was over long ago.
        assert_eq!(planned("resize_migrating", to(true), &[]).quarantine, None);
        assert_eq!(planned("powering-off", to(true), &[]).quarantine, None);
        let evacuation = evacuation(leaving.id.as_str(), EvacuationStatus::Running);
        assert_eq!(planned("migrating", to(true), &[evacuation]).quarantine, None);
    }

    #[test]
    fn what_has_no_host_or_is_deleted_stays() {
        let servers = vec![
            server("a", VmState::ShelvedOffloaded),
            server("b", VmState::SoftDeleted),
            server("c", VmState::Deleted),
        ];
        assert_eq!(choose(&servers, &Selection::default()).1.len(), 3);
    }

    #[test]
    fn what_its_owner_was_deleting_stays_deleted_unless_nova_moves_it_already() {
        let select = |task: &str, evacuations: &[Evacuation]| {
            let mut being = server("a", VmState::Active);
            being.metadata.insert("HA_Enabled".into(), "True".into());
            being.task = Task::from_word(Some(task));
            let (rules, facts) = (Selection::default(), Facts::default());
            select(&[being], evacuations, &rules, &facts, || VMoveId::new("v"))
        };
        for task in ["deleting", "soft-deleting"] {
            let (moves, skipped) = select(task, &[]);
            assert_eq!((moves.len(), skipped[0].why.as_str()), (0, BEING_DELETED), "{task}");
            let under_way = evacuation("a", EvacuationStatus::Running);
            assert_eq!(select(task, &[under_way]).0.len(), 1, "{task}");
        }
        assert_eq!(select("restoring", &[]).0.len(), 1);
    }

    fn evacuation(of: &str, status: EvacuationStatus) -> Evacuation {
        let source = HostName::new("compute01");
        Evacuation { id: 1, server: ServerId::new(of), source, status, dest: None, created: None }
    }
}
