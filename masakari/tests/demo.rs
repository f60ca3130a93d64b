//! `masakari demo --once`, as a newcomer sees it: the shipped program, real sockets, real time.
#![cfg(test)]
#![cfg(feature = "demo")]

use ports::{Exec, Finished, Program, SystemExec};
use std::{collections::BTreeSet, net::TcpListener, time::Duration};

/// The demo itself gives up after 120 s.
const DEADLINE: Duration = Duration::from_secs(150);

async fn demo(arguments: &[&str]) -> Finished {
    let program = Program {
        path: env!("CARGO_BIN_EXE_masakari").into(),
        arguments: ["demo", "--once"].iter().chain(arguments).map(Into::into).collect(),
        ..Program::default()
    };
    SystemExec.run(program, DEADLINE).await.unwrap()
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

/// What `who` did, without the times; ids are `ID`.
fn deeds(output: &str, who: &str) -> Vec<String> {
    let timed = output.lines().filter_map(|line| line.strip_prefix("  +"));
    let deeds = timed.filter_map(|line| line.split_once(" s  "));
    let ours = deeds.filter_map(|(_, deed)| deed.strip_prefix(who)).map(str::trim_start);
    let without_ids = |word| if is_uuid(word) { "ID" } else { word };
    ours.map(|deed| deed.split(' ').map(without_ids).collect::<Vec<_>>().join(" ")).collect()
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// The lines below a heading.
fn below<'a>(output: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = output.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    lines.take_while(|line| !line.is_empty()).collect()
}

#[tokio::test]
async fn a_host_dies_and_each_of_its_vms_comes_back_once() {
    let finished = demo(&["--port", "0", "--cloud-port", "0"]).await;
    let output = text(&finished.stdout);
    assert_eq!((finished.code, &*text(&finished.stderr)), (Some(0), ""), "{output}");
    assert!(!output.contains('\x1b'), "no colours where there is no terminal");

    let told = |who| deeds(&output, who);
    assert_eq!(told("cloud"), ["no power; 5 VMs ran there"], "{output}");
    assert_eq!(
        told("monitor"),
        [
            "Nova says that compute-01 is down; it looks again",
            "compute-01 is still down: POST /v1/notifications, 202 Accepted",
        ],
        "{output}"
    );
    assert_eq!(told("api"), ["notification ID"], "{output}");
    assert_eq!(
        told("engine"),
        [
            "takes the recovery",
            "compute-01 is taken for dead: a monitor says so (monitor_said), and Nova says down",
            "has disabled compute-01: Nova places no VM there",
            "plan: 6 VMs move, the 3 that are HA_Enabled first",
            "evacuates vm-0006, vm-0004, vm-0002",
            "evacuates vm-0005, vm-0003, vm-0001",
            "asks Nova once more: no VM is left on compute-01",
            "the notification is finished",
        ],
        "{output}"
    );
    let home: BTreeSet<String> = told("nova")
        .iter()
        .filter_map(|deed| deed.split_once(" on compute-"))
        .filter(|(_, place)| ["02", "03", "04"].contains(place))
        .map(|(what, _)| what.to_owned())
        .collect();
    let wanted = [
        "vm-0001 is ACTIVE",
        "vm-0002 is ACTIVE",
        "vm-0003 is ACTIVE",
        "vm-0004 is ACTIVE",
        "vm-0005 is SHUTOFF",
        "vm-0006 is ACTIVE",
    ];
    assert_eq!(home, wanted.map(str::to_owned).into(), "{output}");

    assert_eq!(below(&output, "Where the ").len(), 5, "{output}");
    let table = below(&output, "Which VM is where");
    assert_eq!(table.len(), 7, "{output}");
    assert!(table[6].ends_with("HA_Enabled, locked by its owner, still"), "{output}");
    assert_eq!(
        below(&output, "The truth"),
        ["  Of 24 VMs, 20 run exactly once, none runs twice, 4 are off as before."]
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_another_one_is_used() {
    let neighbour = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = neighbour.local_addr().unwrap().port().to_string();
    let finished = demo(&["--port", &port, "--cloud-port", "0"]).await;
    let output = text(&finished.stdout);
    assert_eq!(finished.code, Some(0), "{output}");
    let said = format!("Port {port} cannot be had");
    assert!(output.lines().any(|line| line.starts_with(&said)), "{output}");
}
