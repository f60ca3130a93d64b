//! Why a server was not moved: Nova's own words, and which host was short of what.

use crate::words::{Log, Seen, host, id, shown, still_there};
use recovery::{
    HostName,
    log::{Act, Entry},
    seen::{EvacuationStatus, Task, VmState},
    shortage::{Needs, Node, Resource, Room, told},
};

fn why(entries: &[Entry]) -> &str {
    match entries {
        [Entry::NotMoved { why, .. }] => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_nova_noted_of_a_failed_evacuation_is_the_reason() {
    let moving = Log::asked(1_000).did(1_100, Act::Evacuate, "a");
    let failed = |seen: Seen| seen.record(7, "a", EvacuationStatus::Failed);
    let noted = failed(Seen::whole(1_500, vec![still_there("a")])).noted("a", "no room");
    assert_eq!(why(&moving.looks(2_000, &noted)), "no room");
    let silent = failed(Seen::whole(1_500, vec![still_there("a")]));
    assert_eq!(why(&moving.looks(2_000, &silent)), "Nova gave the evacuation up");
    let there = vec![shown("a", "new", VmState::Error, Task::None)];
    let noted = failed(Seen::whole(1_500, there.clone())).noted("a", "disk full");
    assert_eq!(why(&moving.looks(2_000, &noted)), "Nova failed to rebuild it on new: disk full");
    let done = Seen::whole(1_500, there).record(7, "a", EvacuationStatus::Done);
    let told = "Nova moved it and then failed to bring it up on new; it is in error there";
    assert_eq!(why(&moving.looks(2_000, &done)), told);
}

#[test]
fn what_nova_refused_is_told_in_its_words_until_it_is_asked_again() {
    let refused = Entry::Refused { act: Act::Evacuate, server: id("a"), why: "400: no".into() };
    let log = Log::asked(1_000).says(1_100, refused);
    let seen = Seen::whole(1_500, vec![still_there("a")]);
    let entries = log.looks(2_000, &seen);
    assert_eq!(why(&entries), "Nova refused to evacuate it: 400: no");
    let again = log.all(entries, 2_000).intends(9_000, Act::Evacuate, "a");
    assert_eq!(again.state.moves[&id("a")].refusal, None);
}

const NEEDS: Needs = Needs { vcpus: 2, ram_mb: 4_096, disk_gb: 10 };

fn nodes(names: &[&str]) -> Vec<Node> {
    // Placement knows them by another name.
    names
        .iter()
        .map(|n| Node { host: host(n), name: format!("{n}.example"), provider: format!("id-{n}") })
        .collect()
}

fn room(ram: &[&str], vcpus: &[&str], disk: &[&str]) -> Room {
    let all = [(Resource::Ram, ram), (Resource::Vcpus, vcpus), (Resource::Disk, disk)];
    let names = |of: &[&str]| of.iter().map(|n| format!("{n}.example")).collect();
    all.into_iter().map(|(resource, of)| (resource, names(of))).collect()
}

#[test]
fn each_host_is_named_with_the_first_thing_that_it_lacks() {
    let nodes = nodes(&["b", "d", "dead", "a", "c"]);
    let room = room(&["c", "d"], &["a", "c", "d"], &["d"]);
    let all = told(&NEEDS, &room, &nodes, &host("dead"), None);
    assert_eq!(
        all,
        "not enough RAM on a, b (4096 MB RAM needed); not enough disk on c (10 GB disk needed); \
         d has room, but the scheduler's rules (zones, traits, groups, filters) exclude it"
    );
    let one = |target| told(&NEEDS, &room, &nodes, &host("dead"), Some(&host(target)));
    assert_eq!(one("b"), "not enough RAM on b (4096 MB RAM needed)");
    assert_eq!(one("elsewhere"), "elsewhere is not in service");
}

#[test]
fn a_cloud_of_hundreds_of_hosts_is_not_listed_in_full() {
    let names: Vec<String> = (0..300).map(|n| format!("h{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = told(&NEEDS, &room(&names, &[], &names), &nodes(&names), &host("dead"), None);
    assert_eq!(
        text,
        "not enough vCPUs on h000, h001, h002, h003, h004 and 295 more (2 vCPUs needed)"
    );
    let none: Vec<Node> = nodes(&["dead"]);
    let text = told(&NEEDS, &room(&[], &[], &[]), &none, &HostName::new("dead"), None);
    assert_eq!(text, "no other host is in service");
}
