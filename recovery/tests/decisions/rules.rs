//! Whose servers are left alone, and what their owners are shown.

use crate::words::{Log, id, planned, shown};
use recovery::{
    HostId, HostName, Millis, NotificationId, VMoveId,
    due::{Limits, Scene, Step, due},
    log::{Entry, Skipped, Summary},
    nouns::{NotificationStatus, VMoveStatus},
    plan::{Selection, select},
    priority::Properties,
    rules::{Action, Facts, Left, LeftBy, Owners, Verdict, read},
    seen::{Evacuation, EvacuationStatus, Server, Task, VmState},
    state::Subject,
    steps::Failure,
};

/// As Octavia names them (`compute_tasks.py`: "amphora-" and the amphora's id).
const AMPHORA: &str = "amphora-3f2504e0-4f89-11d3-9a0c-0305e82c3301";

fn server() -> Server {
    let mut server = shown("a", "dead", VmState::Active, Task::None);
    server.hints.project = "p1".into();
    server.hints.tags = vec!["blue".into(), "tier:db".into()];
    server.hints.flavor_name = "m1.small".into();
    server.hints.flavor.insert("class".into(), "gold".into());
    server.hints.image = Some("i1".into());
    server.metadata.insert("role".into(), "batch".into());
    server
}

fn amphora() -> Server {
    Server { name: AMPHORA.into(), ..shown("a", "dead", VmState::Active, Task::None) }
}

fn properties(key: &str, value: &str) -> Properties {
    [(key.to_owned(), value.to_owned())].into()
}

fn facts() -> Facts {
    let images = [("i1".to_owned(), properties("os_distro", "debian"))].into();
    let aggregates = vec![("rack1".into(), properties("owner", "dba"))];
    Facts { images, aggregates, ..Facts::default() }
}

fn owners(rules: &[&str]) -> Owners {
    let rules = rules.iter().map(|text| read(text).unwrap()).collect();
    Owners { rules, ..Owners::default() }
}

fn judged(rules: &[&str], server: &Server) -> Verdict {
    owners(rules).judge(server, Failure::Host, &facts())
}

fn by(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Left(LeftBy { rule, .. }) => rule,
        Verdict::Usual => "usual",
        Verdict::Evacuate => "evacuate",
    }
}

#[test]
fn every_word_of_a_rule_means_what_it_says() {
    for (word, other) in [
        ("project=p1", "project=p"),
        ("name=vm-*", "name=VM-*"),
        ("tag=blue", "tag=blu"),
        ("tag=tier:*", "tag=tier"),
        ("metadata:role=batch", "metadata:role=web"),
        ("metadata:role=*", "metadata:rôle=*"),
        ("flavor=m1.*", "flavor=m2.*"),
        ("flavor:class=gold", "flavor:class=silver"),
        ("image=i1", "image=i2"),
        ("image:os_distro=deb*", "image:os_distro=fedora"),
        ("aggregate=rack?", "aggregate=rack"),
        ("aggregate:owner=dba", "aggregate:owner=web"),
    ] {
        assert_eq!(by(&judged(&[&format!("r skip {word}")], &server())), "r", "{word}");
        assert_eq!(by(&judged(&[&format!("r skip {other}")], &server())), "usual", "{other}");
        let both = format!("r skip {word} {other}");
        assert_eq!(by(&judged(&[&both], &server())), "usual", "all words are to fit: {both}");
    }
}

#[test]
fn the_first_rule_that_fits_counts() {
    let rules = ["ours evacuate project=p1 tag=blue", "rest tell project=p1", "all skip name=*"];
    assert_eq!(judged(&rules, &server()), Verdict::Evacuate);
    assert_eq!(by(&judged(&rules[1..], &server())), "rest");
    assert_eq!(by(&judged(&rules[2..], &server())), "all");
}

#[test]
fn a_rule_may_be_for_one_kind_of_failure() {
    let owners = owners(&["r skip name=* failure=instance"]);
    let judged = |failure| owners.judge(&server(), failure, &facts());
    assert_eq!(by(&judged(Failure::Server)), "r");
    assert_eq!(by(&judged(Failure::Host)), "usual");
}

#[test]
fn what_is_left_alone_says_by_which_rule_and_whether_that_is_to_be_told() {
    let left = |rule: &str| match judged(&[rule], &server()) {
        Verdict::Left(left) => left,
        other => panic!("{other:?}"),
    };
    let skip = left("batch skip project=p1 metadata:role=ba*");
    assert_eq!(skip.why, "left alone by rule batch: project=p1 metadata:role=ba*");
    assert!(!skip.tell && left("batch tell project=p1").tell);
}

#[test]
fn an_amphora_is_known_by_its_name_and_by_having_no_metadata() {
    let usual = |server: &Server| by(&judged(&[], server)) == "usual";
    assert!(!usual(&amphora()));
    let mut marked = amphora();
    marked.metadata.insert("HA_Enabled".into(), "True".into());
    assert!(usual(&marked), "its owner has written something, and Octavia writes nothing");
    for name in ["amphora-1", "amphora", "my-amphora-3f2504e0-4f89-11d3-9a0c-0305e82c3301"] {
        assert!(usual(&Server { name: name.into(), ..amphora() }), "{name}");
    }
    assert!(usual(&Server { name: AMPHORA.replace("0305", "03g5"), ..amphora() }));
    assert_eq!(judged(&["lb evacuate name=amphora-*"], &amphora()), Verdict::Evacuate);
    let off = Owners { octavia: Action::Evacuate, ..Owners::default() };
    assert_eq!(off.judge(&amphora(), Failure::Host, &facts()), Verdict::Evacuate);
}

#[test]
fn an_amphora_is_told_of_and_not_restarted_either() {
    for failure in [Failure::Host, Failure::Server] {
        let Verdict::Left(left) = Owners::default().judge(&amphora(), failure, &facts()) else {
            panic!("{failure:?}")
        };
        let why = "left alone by rule octavia: it is an amphora, and Octavia replaces those itself";
        assert_eq!((left.tell, left.why.as_str()), (true, why));
    }
}

#[test]
fn what_a_dead_host_alone_has_is_left_there_where_storage_is_not_shared() {
    let local = Owners { storage_shared: false, ..Owners::default() };
    let of = |change: fn(&mut Server)| {
        let mut server = server();
        server.hints.image = None;
        change(&mut server);
        let by = |owners: &Owners| by(&owners.judge(&server, Failure::Host, &facts())).to_owned();
        (by(&local), by(&Owners::default()))
    };
    let both = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(of(|_| {}), both("usual", "usual"), "it boots from a volume");
    let lost = both("local_disk", "usual");
    assert_eq!(of(|s| s.hints.image = Some("i1".into())), lost);
    assert_eq!(of(|s| s.hints.size.ephemeral_gb = 1), lost);
    assert_eq!(of(|s| s.hints.size.swap_mb = 1), lost);
    let told = |failure| by(&local.judge(&server(), failure, &facts())).to_owned();
    assert_eq!(told(Failure::Server), "usual", "a restart loses nothing");
    let rules = owners(&["cattle evacuate project=p1"]).rules;
    let otherwise = Owners { rules, ..local };
    assert_eq!(otherwise.judge(&server(), Failure::Host, &facts()), Verdict::Evacuate);
}

#[test]
fn only_what_a_rule_speaks_of_is_asked_for() {
    let wants = |rules: &[&str]| {
        let owners = owners(rules);
        (owners.wants_images(), owners.wants_aggregates())
    };
    assert_eq!(wants(&["r skip name=x image=i1 flavor:a=b tag=c project=d"]), (false, false));
    assert_eq!(wants(&["r skip name=x", "s skip image:a=b"]), (true, false));
    assert_eq!(wants(&["r skip aggregate=x"]), (false, true));
    assert_eq!(wants(&["r skip aggregate:a=x"]), (false, true));
}

#[test]
fn a_rule_that_says_evacuate_counts_where_only_ha_enabled_servers_move() {
    let owners = owners(&["db evacuate tag=tier:db"]);
    let rules = Selection { evacuate_all: false, owners, ..Selection::default() };
    let other = Server { id: id("b"), hints: Default::default(), ..server() };
    let (moves, skipped) =
        select(&[server(), other], &[], &rules, &Facts::default(), || VMoveId::new("v"));
    assert_eq!((moves.len(), moves[0].ha_enabled), (1, false));
    assert_eq!((skipped[0].why.as_str(), &skipped[0].left), ("it is not HA_Enabled", &None));
}

#[test]
fn a_rule_moves_nothing_that_its_state_keeps_and_keeps_nothing_that_nova_moves() {
    let rules = |rule| Selection { owners: owners(&[rule]), ..Selection::default() };
    let shelved = Server { vm_state: VmState::ShelvedOffloaded, ..server() };
    let chosen = |server: &Server, records: &[Evacuation], rule| {
        let (server, facts) = (std::slice::from_ref(server), Facts::default());
        select(server, records, &rules(rule), &facts, || VMoveId::new("v")).0.len()
    };
    assert_eq!(chosen(&shelved, &[], "r evacuate name=*"), 0);
    let record = Evacuation {
        id: 1,
        server: id("a"),
        source: HostName::new("dead"),
        dest: None,
        status: EvacuationStatus::Running,
        created: None,
    };
    assert_eq!(chosen(&server(), &[], "r skip name=*"), 0);
    assert_eq!(chosen(&server(), &[record], "r skip name=*"), 1, "it is followed");
}

fn left(server: &str, tell: bool) -> Skipped {
    let (vmove, name) = (VMoveId::new(format!("row-{server}")), format!("vm-{server}"));
    let left = Some(Left { vmove, name, rule: "db".into(), tell });
    Skipped { server: id(server), why: "left alone by rule db: tag=db".into(), left }
}

fn plans(moves: &[&str], skipped: Vec<Skipped>) -> Entry {
    let moves: Vec<_> = moves.iter().map(|name| planned(name)).collect();
    Entry::Planned { on_host: 3, moves, skipped }
}

fn subject() -> Subject {
    Subject {
        notification: NotificationId::new("n1"),
        host_id: HostId::new("h1"),
        host: HostName::new("dead"),
    }
}

#[test]
fn a_server_that_is_left_alone_has_a_row_that_says_so_once() {
    let before = Log::planned(&[planned("a")]);
    let rows = |before: &Log, entry: Entry| {
        let after = before.clone().says(5, entry);
        let new = &after.lines[before.lines.len()..];
        let all = after.state.summaries(&before.state, new, &subject());
        let row = |summary| match summary {
            Summary::VMove(row) if row.status == VMoveStatus::Ignored => Some(*row),
            _ => None,
        };
        (all.into_iter().filter_map(row).collect::<Vec<_>>(), after)
    };
    let (first, log) = rows(&before, plans(&[], vec![left("b", true)]));
    let [row] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((row.uuid.as_str(), row.server_name.as_str()), ("row-b", "vm-b"));
    assert_eq!(row.message.as_deref(), Some("left alone by rule db: tag=db"));
    assert_eq!((row.started_at, row.ended_at.map(|at| at.0)), (None, Some(5)));
    let (again, _) = rows(&log, plans(&["c"], vec![left("b", true)]));
    assert!(again.is_empty(), "{again:?}");
}

#[test]
fn a_server_keeps_its_row_from_plan_to_plan() {
    let log = Log::planned(&[planned("a")]).says(5, plans(&[], vec![left("b", true)]));
    let fresh = |mut skipped: Skipped| {
        skipped.left.as_mut().unwrap().vmove = VMoveId::new("fresh");
        skipped
    };
    // `a` moves already, `b` is left alone still, `c` newly.
    let (mut moves, mut skipped) = (vec![], ["a", "b", "c"].map(|s| fresh(left(s, true))).to_vec());
    log.state.keep_rows(&mut moves, &mut skipped);
    let rows: Vec<_> =
        skipped.iter().map(|s| s.left.as_ref().unwrap().vmove.as_str().to_owned()).collect();
    assert_eq!(rows, ["row-b", "fresh"]);
    // The rule has changed meanwhile.
    let mut moves = vec![planned("b")];
    log.state.keep_rows(&mut moves, &mut Vec::new());
    assert_eq!(moves[0].vmove.as_str(), "row-b");
}

#[test]
fn the_end_names_those_whose_rule_says_tell() {
    let end = |skipped: Vec<Skipped>| {
        let log = Log::planned(&[]).says(5, plans(&[], skipped));
        let log = log.says(6, Entry::Confirmed { on_host: 3 });
        let (busy, limits) = (Default::default(), Limits::default());
        let (now, look) = (Millis(7), true);
        let scene =
            Scene { now, permit: None, unproven: None, service: None, busy: &busy, room: 8, look };
        match due(&log.state, &limits, &scene).as_slice() {
            [Step::Note(Entry::Ended { status: NotificationStatus::Finished, message })] => {
                message.clone()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end(vec![left("b", false)]), None);
    let told = end(vec![left("b", true), left("c", false), left("d", true)]);
    let expected = "2 servers were left on the dead host: b (vm-b) by rule db; d (vm-d) by rule db";
    assert_eq!(told.as_deref(), Some(expected));
    let many: Vec<Skipped> = (0..7).map(|n| left(&n.to_string(), true)).collect();
    assert!(end(many).unwrap().ends_with("4 (vm-4) by rule db; and 2 more"));
}
