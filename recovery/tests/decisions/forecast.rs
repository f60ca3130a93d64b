//! What would become of a host's servers: against what Nova 2026.2 refuses and its scheduler filters.

use crate::words::{host, id, planned, shown};
use recovery::{
    HostName, VMoveId,
    forecast::{Asked, Doubt, Fate, Forecast, Group, Obstacle, Place, Policy, Surroundings, needs},
    log::{Planned, Skipped},
    nouns::RecoveryMethod,
    rules::Left,
    seen::{Server, Size, Task, VmState},
    shortage::{Free, Needs, Resource},
};

fn server(name: &str) -> Server {
    let mut server = shown(name, "dead", VmState::Active, Task::None);
    server.hints.size = Size { vcpus: 1, ram_mb: 512, root_gb: 10, ephemeral_gb: 0, swap_mb: 0 };
    server
}

fn with_spec(name: &str, key: &str, value: &str) -> Server {
    let mut server = server(name);
    server.hints.flavor.insert(key.into(), value.into());
    server
}

fn place(name: &str, ram_mb: u64) -> Place {
    let left = [(Resource::Ram, ram_mb), (Resource::Vcpus, 8)].into();
    Place { free: Free { host: host(name), left }, zone: "nova".into() }
}

fn around(places: &[(&str, u64)]) -> Surroundings {
    let places = places.iter().map(|(name, ram_mb)| place(name, *ram_mb)).collect();
    Surroundings { places, ..Surroundings::default() }
}

fn foreseen(servers: &[Server], moves: &[Planned], around: Surroundings) -> Forecast {
    let host = host("dead");
    let (method, skipped) = (RecoveryMethod::Auto, &[][..]);
    Forecast::of(&Asked { host: &host, method, servers, moves, skipped }, &around)
}

/// What becomes of these servers, which move in this order.
fn fates(servers: &[Server], around: Surroundings) -> Vec<Fate> {
    let moves: Vec<Planned> = servers.iter().map(|s| planned(s.id.as_str())).collect();
    foreseen(servers, &moves, around).servers.into_iter().map(|s| s.fate).collect()
}

fn to(names: &[&str]) -> Fate {
    let to: Vec<HostName> = names.iter().map(|name| host(name)).collect();
    Fate::Moves { to, more: 0, doubts: Vec::new() }
}

fn stays(why: Obstacle) -> Fate {
    Fate::Stays { why }
}

#[test]
fn each_takes_the_room_of_those_after_it_and_goes_where_most_is_left() {
    let servers = [server("a"), server("b"), server("c"), server("d")];
    let short = vec!["512 MB RAM".to_owned()];
    assert_eq!(
        fates(&servers, around(&[("x", 600), ("y", 1100), ("dead", 9999)])),
        [to(&["y", "x"]), to(&["x", "y"]), to(&["y"]), stays(Obstacle::Capacity { short })]
    );
}

#[test]
fn what_even_the_best_host_lacks_is_named() {
    let mut large = server("a");
    (large.hints.size.vcpus, large.hints.size.ram_mb) = (9, 100);
    let short = vec!["9 vCPUs".to_owned()];
    let fates = fates(&[large], around(&[("x", 600), ("y", 600)]));
    assert_eq!(fates, [stays(Obstacle::Capacity { short })]);
}

#[test]
fn a_cloud_without_another_host_has_no_room_for_anybody() {
    assert_eq!(fates(&[server("a")], around(&[("dead", 9999)])), [stays(Obstacle::NoHost)]);
}

#[test]
fn what_novas_api_refuses_stays() {
    let mut around = around(&[("x", 9999)]);
    around.shares.insert(id("b"));
    let servers = [with_spec("a", "hw:tpm_version", "2.0"), server("b"), server("c")];
    let expected = [stays(Obstacle::Vtpm), stays(Obstacle::Share), to(&["x"])];
    assert_eq!(fates(&servers, around), expected);
}

#[test]
fn a_pinned_server_goes_within_its_zone() {
    let pinned = |zone: &str| {
        let mut around = around(&[("x", 9999), ("y", 9000)]);
        around.places[1].zone = "z2".into();
        around.pinned.insert(id("a"), zone.into());
        fates(&[server("a")], around).remove(0)
    };
    assert_eq!(pinned("z2"), to(&["y"]));
    assert_eq!(pinned("z3"), stays(Obstacle::PinnedZone { zone: "z3".into() }));
}

fn group(policy: Policy, members: &[(&str, &str)]) -> Group {
    let members = members.iter().map(|(server, on)| (id(server), host(on))).collect();
    Group { name: "g".into(), policy, members }
}

#[test]
fn members_that_must_be_apart_find_as_many_hosts_as_there_are() {
    let apart = |most| {
        let mut around = around(&[("x", 9999), ("y", 9000), ("z", 8000)]);
        let members = [("a", "dead"), ("b", "dead"), ("other", "z")];
        around.groups = vec![group(Policy::Apart { most }, &members)];
        fates(&[server("a"), server("b"), server("c")], around)
    };
    assert_eq!(apart(1), [to(&["x", "y"]), to(&["y"]), to(&["x", "y", "z"])]);
    assert_eq!(apart(2)[0], to(&["x", "y", "z"]));
    let mut one = around(&[("x", 9999)]);
    one.groups = vec![group(Policy::Apart { most: 1 }, &[("a", "dead"), ("b", "dead")])];
    let no = stays(Obstacle::AntiAffinity { group: "g".into() });
    assert_eq!(fates(&[server("a"), server("b")], one), [to(&["x"]), no]);
}

#[test]
fn members_that_must_be_together_are_where_the_dead_host_is() {
    let together = |others: &[(&str, &str)]| {
        let mut around = around(&[("x", 9999), ("y", 9000)]);
        let members = [&[("a", "dead")], others].concat();
        around.groups = vec![group(Policy::Together, &members)];
        fates(&[server("a")], around).remove(0)
    };
    let no = stays(Obstacle::Affinity { group: "g".into() });
    assert_eq!((together(&[]), together(&[("b", "dead")])), (no.clone(), no));
    assert_eq!(together(&[("b", "y")]), to(&["y"]));
}

#[test]
fn what_cannot_be_seen_is_said_and_changes_nothing() {
    for (key, doubt) in [
        ("pci_passthrough:alias", Doubt::Passthrough),
        ("accel:device_profile", Doubt::Accelerator),
        ("hw:cpu_policy", Doubt::Pinning),
        ("hw:numa_nodes", Doubt::Pinning),
        ("hw:mem_page_size", Doubt::Pinning),
        ("trait:CUSTOM_FAST", Doubt::Traits),
        ("trait1:CUSTOM_FAST", Doubt::Traits),
        ("resources:VGPU", Doubt::Traits),
    ] {
        let fate = fates(&[with_spec("a", key, "1")], around(&[("x", 9999)])).remove(0);
        let (to, more) = (vec![host("x")], 0);
        assert_eq!(fate, Fate::Moves { to, more, doubts: vec![doubt] }, "{key}");
    }
    assert_eq!(fates(&[with_spec("a", "hw:boot_menu", "1")], around(&[("x", 999)])), [to(&["x"])]);
}

#[test]
fn how_much_a_server_needs_is_what_nova_asks_placement_for() {
    // nova/scheduler/utils.py: a root disk only where it does not boot from a volume; swap in whole GB;
    // `resources:` overrides; dedicated CPUs are PCPU.
    let of = |change: fn(&mut Server)| {
        let mut server = server("a");
        change(&mut server);
        let Needs { vcpus, ram_mb, disk_gb } = needs(&server).0;
        (vcpus, ram_mb, disk_gb)
    };
    assert_eq!(of(|_| {}), (1, 512, 0));
    assert_eq!(of(|s| s.hints.image = Some("i".into())), (1, 512, 10));
    assert_eq!(of(|s| (s.hints.size.ephemeral_gb, s.hints.size.swap_mb) = (5, 1)), (1, 512, 6));
    assert_eq!(
        of(|s| drop(s.hints.flavor.insert("resources:VCPU".into(), "0".into()))),
        (0, 512, 0)
    );
    assert_eq!(
        of(|s| drop(s.hints.flavor.insert("hw:cpu_policy".into(), "dedicated".into()))),
        (0, 512, 0)
    );
}

fn whole() -> Forecast {
    let mut quarantined = planned("q");
    quarantined.quarantine = Some("was on 3 hosts that died".into());
    let moving = Planned { under_way: true, ..planned("u") };
    let first = Planned { ha_enabled: true, priority: 7, ..planned("a") };
    let servers = ["a", "b", "q", "u", "l", "s"].map(server);
    let left = Left { vmove: VMoveId::new(""), name: "vm-l".into(), rule: "lb".into(), tell: true };
    let (why, server) = ("left alone by rule lb: name=l".to_owned(), id("l"));
    let by_rule = Skipped { server, why, left: Some(left) };
    let (why, server) = ("it is not HA_Enabled".to_owned(), id("s"));
    let by_state = Skipped { server, why, left: None };
    let host = host("dead");
    let asked = Asked {
        host: &host,
        method: RecoveryMethod::Auto,
        servers: &servers,
        moves: &[first, moving, quarantined, planned("b")],
        skipped: &[by_rule, by_state],
    };
    Forecast::of(&asked, &around(&[("x", 600)]))
}

#[test]
fn a_forecast_reads_as_a_person_wants_it_at_night() {
    assert_eq!(
        whole().to_string(),
        "if host dead died now (auto): 2 would move, 4 would stay\n\
         \x20  1  vm-a (a), HA_Enabled, priority 7: x\n\
         \x20  2  vm-u (u): Nova is evacuating it already\n\
         stay:\n\
         \x20     vm-q (q): was on 3 hosts that died\n\
         \x20     vm-b (b): no host has room for it: 512 MB RAM needed\n\
         \x20     vm-l (l): left alone by rule lb: name=l\n\
         \x20     vm-s (s): it is not HA_Enabled\n"
    );
}

#[test]
fn a_forecast_is_the_same_after_it_was_written_down() {
    let text = serde_json::to_string(&whole()).unwrap();
    assert_eq!(serde_json::from_str::<Forecast>(&text).unwrap(), whole());
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    let b = shown["servers"].as_array().unwrap().iter().find(|s| s["id"] == "b").unwrap();
    assert_eq!((&b["fate"], &b["reason"]), (&"stays".into(), &"capacity".into()));
}

#[test]
fn those_that_stay_are_the_last_to_be_left_off() {
    let mut short = whole();
    short.shorten(4);
    let ids: Vec<&str> = short.servers.iter().map(|s| s.id.as_str()).collect();
    assert_eq!((ids, short.left_off), (vec!["q", "b", "l", "s"], 2));
    short.shorten(1);
    assert_eq!((short.servers.len(), short.left_off, short.moves, short.stays), (1, 5, 2, 4));
}
