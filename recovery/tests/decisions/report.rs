//! The whole cloud in sum, and how many hosts a segment may lose.

use crate::words::{host, id, planned, shown};
use recovery::{
    SegmentId, VMoveId,
    forecast::{Group, Place, Policy, Surroundings},
    log::Skipped,
    nouns::RecoveryMethod,
    report::{Load, Measure, Named, Report, SegmentReport},
    rules::Left,
    seen::{Server, Size, Task, VmState},
    shortage::{Free, Resource},
};

/// Servers of a host, each with so much memory.
fn load(name: &str, ram_mb: &[u64]) -> Load {
    let server = |(n, ram_mb): (usize, &u64)| {
        let mut server = shown(&format!("{name}{n}"), name, VmState::Active, Task::None);
        server.hints.size = Size { vcpus: 1, ram_mb: *ram_mb, ..Size::default() };
        server
    };
    let servers: Vec<Server> = ram_mb.iter().enumerate().map(server).collect();
    Load {
        host: host(name),
        reserved: false,
        on_maintenance: false,
        moves: servers.iter().map(|s| planned(s.id.as_str())).collect(),
        servers,
        skipped: Vec::new(),
    }
}

fn place(name: &str, ram_mb: u64) -> Place {
    let left = [(Resource::Ram, ram_mb)].into();
    Place { free: Free { host: host(name), left }, zone: "nova".into() }
}

fn around(places: &[(&str, u64)]) -> Surroundings {
    let places = places.iter().map(|(name, ram_mb)| place(name, *ram_mb)).collect();
    Surroundings { places, ..Surroundings::default() }
}

fn measured(name: &str, loads: Vec<Load>, around: &Surroundings) -> SegmentReport {
    let (id, name, method) = (SegmentId::new("id"), name.into(), RecoveryMethod::Auto);
    let mut measure = Measure::of(Named { id, name, method, enabled: true }, around);
    for load in loads {
        measure.weigh(load);
    }
    while measure.lose_another() {}
    measure.told()
}

/// k, and what was lost when it was too much.
fn figure(loads: Vec<Load>, around: &Surroundings) -> (usize, Option<(String, usize)>) {
    let spare = measured("s", loads, around).spare.unwrap();
    let short = spare.short.map(|short| {
        let lost: Vec<&str> = short.lost.iter().map(|host| host.as_str()).collect();
        (lost.join(" "), short.servers)
    });
    (spare.k, short)
}

fn found(k: usize, lost: &str, servers: usize) -> (usize, Option<(String, usize)>) {
    (k, Some((lost.into(), servers)))
}

#[test]
fn hosts_are_lost_the_heaviest_first_until_somebody_finds_no_room() {
    let loads = vec![load("a", &[1]), load("b", &[2, 2]), load("c", &[2])];
    let wide = around(&[("a", 4), ("b", 4), ("c", 4), ("d", 4)]);
    // b, the heaviest, goes first, then c: a and d have room for these six. d alone has it for two of the four.
    assert_eq!(figure(loads, &wide), found(2, "b c a", 2));
}

#[test]
fn room_in_sum_is_not_enough() {
    let loads = || vec![load("a", &[2]), load("b", &[])];
    let scattered = around(&[("a", 9), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]);
    assert_eq!(figure(loads(), &scattered), found(0, "a", 1));
    assert_eq!(figure(loads(), &around(&[("a", 9), ("b", 1), ("c", 2)])), (2, None));
}

#[test]
fn a_host_that_is_worst_by_room_and_not_by_load_is_found() {
    // Nothing is on c, which has all the room; its loss alone hurts nobody, with another it does.
    let loads = vec![load("a", &[4]), load("b", &[4]), load("c", &[])];
    let wide = around(&[("a", 0), ("b", 0), ("c", 8)]);
    assert_eq!(figure(loads, &wide), found(1, "c a", 1));
}

/// The smaller one needs a hole that is nowhere.
#[test]
fn a_host_without_room_is_listed_before_a_heavier_one_that_finds_it() {
    let loads = vec![load("a", &[3; 6]), load("b", &[9])];
    let told = measured("s", loads, &around(&[("x", 6), ("y", 6), ("z", 6)]));
    let listed: Vec<(&str, usize)> =
        told.each.iter().map(|sum| (sum.host.as_str(), sum.no_room)).collect();
    assert_eq!(listed, [("b", 1), ("a", 0)]);
}

#[test]
fn of_hosts_that_are_lost_together_the_highest_rank_has_the_room() {
    let mut first = load("b", &[4]);
    first.moves[0].ha_enabled = true;
    let loads = vec![load("a", &[2, 2]), first];
    assert_eq!(figure(loads, &around(&[("x", 4)])), found(1, "a b", 2));
}

#[test]
fn what_nova_is_moving_already_asks_for_no_room() {
    let mut moving = load("a", &[5]);
    moving.moves[0].under_way = true;
    assert_eq!(figure(vec![moving, load("b", &[4])], &around(&[("x", 4)])), (2, None));
}

#[test]
fn who_could_not_move_anyway_asks_for_no_room() {
    let mut with = load("a", &[1, 9, 9]);
    with.servers[1].hints.flavor.insert("hw:tpm_version".into(), "2.0".into());
    let left = Left { vmove: VMoveId::new(""), name: "x".into(), rule: "lb".into(), tell: true };
    let skipped =
        Skipped { server: with.moves.remove(2).server, why: "lb".into(), left: Some(left) };
    with.skipped.push(skipped);
    let report = measured("s", vec![with], &around(&[("a", 0), ("x", 1)]));
    let spare = report.spare.unwrap();
    assert_eq!((spare.k, spare.or_more, spare.short), (1, false, None));
    let sum = &report.each[0];
    let stays: Vec<(&str, usize)> = sum.stays.iter().map(|(w, n)| (w.as_str(), *n)).collect();
    assert_eq!((sum.moves, sum.no_room, stays), (1, 0, vec![("rule", 1), ("vtpm", 1)]));
    assert_eq!(report.servers, 3);
}

#[test]
fn a_rule_of_the_scheduler_that_only_a_second_loss_breaks_is_a_lack_of_hosts() {
    let loads = || vec![load("a", &[1]), load("b", &[1]), load("c", &[])];
    let mut apart = around(&[("a", 9), ("b", 9), ("c", 9)]);
    assert_eq!(figure(loads(), &apart), found(2, "a b c", 2));
    let members = [(id("a0"), host("a")), (id("b0"), host("b"))].into();
    apart.groups = vec![Group { name: "g".into(), policy: Policy::Apart { most: 1 }, members }];
    assert_eq!(figure(loads(), &apart), found(1, "a b", 1));
}

#[test]
fn more_than_sixteen_hosts_are_not_lost() {
    let loads = (0..20).map(|n| load(&format!("h{n}"), &[1])).collect();
    let spare = measured("s", loads, &around(&[("x", 999)])).spare.unwrap();
    assert_eq!((spare.k, spare.or_more, spare.short), (16, true, None));
}

#[test]
fn a_segment_without_hosts_has_none_to_lose() {
    let report = measured("s", Vec::new(), &around(&[]));
    assert!(report.is_spare() && report.spare.as_ref().unwrap().k == 0);
}

fn whole() -> Report {
    let mut b = load("compute02", &[4, 4]);
    b.servers[0].hints.flavor.insert("pci_passthrough:alias".into(), "gpu:1".into());
    let mut a = load("compute01", &[1, 1]);
    a.servers[0].hints.flavor.insert("hw:tpm_version".into(), "2.0".into());
    a.on_maintenance = true;
    let well = measured("all", vec![a, b], &around(&[("compute02", 2), ("compute03", 8)]));
    let tight = SegmentReport {
        enabled: false,
        ..measured("ssd\n", vec![load("c4", &[5, 5])], &around(&[("x", 9)]))
    };
    let huge = Named {
        id: SegmentId::new("id"),
        name: "huge".into(),
        method: RecoveryMethod::ReservedHost,
        enabled: true,
    };
    let empty = measured("empty", Vec::new(), &around(&[]));
    let segments = vec![well, tight, huge.too_large(900), empty];
    Report { segments, unknown: vec!["shares: no".into()], next: None }
}

#[test]
fn a_report_reads_as_a_person_wants_it_at_night() {
    assert_eq!(
        whole().to_string(),
        "segment all (auto): N+1; 2 hosts, 4 VMs\n\
         \x20 any one host may be lost; without compute02 and compute01, 1 VM finds no room\n\
         \x20   compute02  1 would move; 1 in doubt\n\
         \x20   compute01  1 would move; 1 would stay (1 vtpm); on maintenance\n\
         segment ssd\u{fffd} (auto, disabled: nothing of it is recovered): N+0; 1 host, 2 VMs\n\
         \x20 without c4, 1 VM finds no room\n\
         \x20   c4  1 would move; NO ROOM for 1\n\
         segment huge (reserved_host): not looked at: too large, 900 hosts\n\
         segment empty (auto): no hosts\n\
         not known: shares: no\n\
         NOT N+1: ssd\u{fffd}, huge (2 of 4 segments)\n"
    );
}

/// Three hosts are named: with which of them the last is lost, and that two may be.
#[test]
fn the_sentence_that_names_those_that_are_too_many_says_how_many_are_not() {
    let loads = vec![load("a", &[1]), load("b", &[2, 2]), load("c", &[2])];
    let wide = around(&[("a", 4), ("b", 4), ("c", 4), ("d", 4)]);
    let text = measured("s", loads, &wide).to_string();
    let [_, sentence, ..] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert_eq!(sentence, "  2 hosts may be lost; without b and c and a, 2 VMs find no room");
}

#[test]
fn a_report_is_the_same_after_it_was_written_down() {
    let text = serde_json::to_string(&whole()).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), whole());
}

#[test]
fn hosts_are_left_off_where_most_are_listed_and_counted_on() {
    let mut report = whole();
    assert!(report.shorten());
    let listed: Vec<_> =
        report.segments.iter().map(|s| (s.each.len(), s.left_off, s.hosts)).collect();
    assert_eq!(listed[..2], [(1, 1, 2), (1, 0, 1)]);
    assert!(report.shorten() && !report.shorten());
    assert!(report.to_string().contains("    2 hosts more are counted and not listed"), "{report}");
}
