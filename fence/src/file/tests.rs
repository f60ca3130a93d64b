//! The file as operators write it, and as they get it wrong: every complaint with its line and column.

use super::*;

const RIGHT: &str = r#"
devices:
  bmc:
    kind: redfish
    address: https://{bmc}
    username: masakari
    password: {credential: bmc-rack1}
    deadline: 30s
  power:
    kind: ipmi
    address: "{bmc}"
    username: masakari
    password: {file: "/etc/masakari/bmc/{host}"}
  person: {kind: manual, say: "Pull the plug of {host}"}
  key: {kind: ssh, key: /etc/masakari/id_ed25519}
ladders:
  default: [key, bmc, person]
  old: [power]
hosts:
  compute01:
    values: {bmc: 10.0.0.7}
    machine: {serial: CZ1234}
  compute02: {ladder: old, values: {bmc: 10.0.0.8}}
  compute03: {ladder: [person]}
side_by_side: 4
"#;

fn parse(text: &str) -> Result<FencingFile, FileFaults> {
    FencingFile::parse(Path::new("fencing.yaml"), text)
}

fn rungs(file: &FencingFile, host: &str, attributes: Option<&str>) -> String {
    match file.ladder_of(host, attributes) {
        Ok(ladder) => ladder.entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(" "),
        Err(e) => e.to_string(),
    }
}

#[test]
fn devices_ladders_and_hosts_are_read() {
    let file = parse(RIGHT).unwrap();
    assert_eq!(file.side_by_side, 4);
    assert_eq!(file.devices["bmc"].deadline, Duration::from_secs(30));
    assert_eq!(file.devices["power"].deadline, Duration::from_secs(60));
    let ladder = file.ladder_of("compute01", None).unwrap();
    assert_eq!(ladder.machine.serial.as_deref(), Some("CZ1234"));
    let Settings::Redfish(bmc) = &file.devices["bmc"].settings else { panic!("no redfish") };
    assert_eq!(bmc.address.fill(&ladder.values).as_deref(), Ok("https://10.0.0.7"));
    assert!(!bmc.insecure, "certificates are checked unless the operator says otherwise");
}

#[test]
fn a_hosts_entry_names_its_ladder_and_otherwise_control_attributes_do() {
    let file = parse(RIGHT).unwrap();
    assert_eq!(rungs(&file, "compute01", None), "key bmc person");
    assert_eq!(rungs(&file, "compute02", Some("ssh")), "power", "the entry comes first");
    assert_eq!(rungs(&file, "compute01", Some("ssh")), "key");
    assert_eq!(
        rungs(&file, "compute01", Some("SSH")),
        "key",
        "as the samples of Masakari write it"
    );
    assert_eq!(rungs(&file, "compute01", Some("redfish:bmc")), "bmc");
    assert_eq!(rungs(&file, "compute01", Some("ladder:old")), "power");
    assert_eq!(rungs(&file, "compute01", Some("  ")), "key bmc person");
}

#[test]
fn control_attributes_that_mean_nothing_are_said_to_mean_nothing() {
    let file = parse(RIGHT).unwrap();
    let says = |attributes: &str| rungs(&file, "compute01", Some(attributes));
    assert_eq!(
        says("redfsh:bmc"),
        "its control_attributes \"redfsh:bmc\" mean nothing here: `redfsh` is neither a kind of \
         device nor `ladder`; did you mean `redfish`?"
    );
    assert!(says("ladder:odl").ends_with("there is no ladder `odl`; did you mean `old`?"));
    assert!(says("redfish:bnc").ends_with("; did you mean `bmc`?"));
    assert!(says("agent").ends_with("there is no device of the kind agent"));
}

#[test]
fn a_host_without_any_ladder_is_told_so() {
    let file = parse("devices: {p: {kind: manual, say: x}}").unwrap();
    assert_eq!(file.ladder_of("compute09", None), Err(NoLadder::None));
    assert!(matches!(file.ladder_of("-oops", Some("manual")), Err(NoLadder::Unfilled(_))));
}

/// The complaint about a file that is `RIGHT` but for one change.
fn complaint(old: &str, new: &str) -> String {
    assert!(RIGHT.contains(old), "{old}");
    parse(&RIGHT.replacen(old, new, 1)).unwrap_err().to_string()
}

#[test]
fn every_complaint_has_its_line_and_column_and_what_was_meant() {
    let cases = [
        (
            "kind: redfish",
            "kind: redfsh",
            "4:11: there is no kind of device `redfsh`; did you mean `redfish`?",
        ),
        ("old: [power]", "old: [pwoer]", "18:9: there is no device `pwoer`; did you mean `power`?"),
        ("ladder: old", "ladder: odl", "23:23: there is no ladder `odl`; did you mean `old`?"),
        (
            "deadline: 30s",
            "deadline: soon",
            "8:15: `deadline` is \"soon\": a time, as 30s, 5m or 24h, is wanted",
        ),
        ("side_by_side: 4", "side_by_side: none", "25:15: `side_by_side` is \"none\": a number"),
        (
            "{credential: bmc-rack1}",
            "swordfish",
            "7:15: `password` is a secret and must not stand in this file",
        ),
        (
            "{credential: bmc-rack1}",
            "{credentials: x}",
            "7:16: `password` has no field `credentials`; did you mean `credential`?",
        ),
        ("[key, bmc, person]", "[key, key]", "17:18: the device `key` stands twice on the ladder"),
        (
            "{bmc: 10.0.0.7}",
            "{ip: 10.0.0.7}",
            "20:3: the device `bmc` of the host `compute01`: the host has no value `bmc`",
        ),
        (
            "address: https://{bmc}",
            "address: https://{bmc",
            "5:14: `address` is \"https://{bmc\": `{` without its `}`",
        ),
        (
            "machine: {serial: CZ1234}",
            "machine: {}",
            "22:14: `machine` is to hold `uuid`, `serial` or both",
        ),
        (
            "  old: [power]",
            "  default: [power]",
            "18:3: `default` stands here twice; it began on line 17",
        ),
        ("address: \"{bmc}\"", "address: &a x", "11:17: an anchor or a tag is not read here"),
        ("devices:", "devcies:", "2:1: the file has no field `devcies`; did you mean `devices`?"),
    ];
    let missed = |(old, new, wanted): (&str, &str, &str)| {
        let said = complaint(old, new);
        (!said.contains(wanted)).then(|| format!("{new}\n  wanted {wanted}\n  {said}"))
    };
    let missed: Vec<String> = cases.into_iter().filter_map(missed).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let said = complaint(
        "    username: masakari\n    password: {cred",
        "    usrename: x\n    password: {cred",
    );
    assert!(
        said.contains("6:5: the device `bmc` has no field `usrename`; did you mean `username`?"),
        "{said}"
    );
    assert!(said.contains("4:5: the device `bmc` lacks `username`"), "{said}");
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_lines() {
    let wrong = RIGHT.replace("30s", "soon").replace("[power]", "[pwoer]").replace("4\n", "0\n");
    let faults = parse(&wrong).unwrap_err().faults;
    let lines: Vec<usize> = faults.iter().map(|fault| fault.place.line).collect();
    assert_eq!(lines, [8, 18, 25]);
}

#[test]
fn a_file_that_is_no_yaml_is_empty_or_twice_one_is_refused() {
    assert!(matches!(parse("devices: [").unwrap_err().faults[0].what, What::Syntax { .. }));
    assert_eq!(parse("# nothing\n").unwrap_err().faults[0].what, What::Empty);
    let twice = parse("devices: {}\n---\ndevices: {}\n").unwrap_err();
    assert_eq!((twice.faults[0].place.line, twice.faults.len()), (2, 1), "{twice}");
    assert!(parse("[1, 2]").is_err() && parse("text").is_err());
}

#[test]
fn an_agent_that_shows_the_password_or_is_told_what_to_do_is_refused() {
    let agent = |lines: &str| {
        let text = format!("devices:\n  a:\n    kind: agent\n{lines}");
        parse(&text).map_err(|e| e.to_string())
    };
    let right = "    agent: fence_redfish\n    parameters: {ip: 10.0.0.7}\n    secrets: {password: {file: /x}}\n";
    agent(right).unwrap();
    let refused = |lines: &str, why: &str| {
        let said = agent(lines).unwrap_err();
        assert!(said.contains(why), "{said}");
    };
    refused("    agent: fence_ipmilan\n", "`kind: ipmi` does the same work");
    refused("    agent: /bin/sh\n", "a fence agent is called fence_");
    refused("    agent: fence_x\n    parameters: {action: reboot}\n", "`action` cannot be set");
    refused("    agent: fence_x\n    parameters: {password: x}\n", "goes under `secrets`");
    refused("    agent: fence_x\n    secrets: {password: x}\n", "is a secret and must not stand");
}

#[test]
fn a_storage_wants_the_hosts_addresses_and_ipmi_a_serial_number() {
    let text = "devices:\n  ceph:\n    kind: storage\n    block: [/usr/bin/ceph, osd, blocklist, add, \
        \"{address}\", \"{expiry_s}\"]\n    list: [/usr/bin/ceph, osd, blocklist, ls]\n    listing: ceph\n\
        hosts:\n  c1: {ladder: [ceph]}\n";
    let text = format!("{text}ladders: {{}}\n");
    let said = parse(&text).unwrap_err().to_string();
    assert!(
        said.contains("8:3: the device `ceph` shuts addresses out, and the host `c1` has no"),
        "{said}"
    );
    parse(&text.replace("[ceph]}", "[ceph], addresses: [192.0.2.1]}")).unwrap();
    let right = text.replace("[ceph]}", "[ceph], addresses: [192.0.2.1]}");
    let lasts = |expiry: &str| {
        parse(&right.replace("listing: ceph", &format!("listing: ceph\n    expiry: {expiry}")))
    };
    lasts("1h").unwrap();
    let said = lasts("59m").unwrap_err().to_string();
    assert!(said.contains("a time of 1h at least is wanted"), "{said}");
    let said = parse(&text.replace("[ceph]}", "[ceph], addresses: [nowhere]}")).unwrap_err();
    assert!(said.to_string().contains("an IP address is wanted"), "{said}");
    let said = complaint(
        "{ladder: old, values: {bmc: 10.0.0.8}}",
        "{ladder: old, values: {bmc: x}, machine: {uuid: y}}",
    );
    assert!(said.contains("knows a machine by its serial number"), "{said}");
}
