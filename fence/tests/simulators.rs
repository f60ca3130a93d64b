//! Every way in which a BMC behaves, against real simulators, ipmitool and a real fence agent: the ladder's path,
//! the proof and what became of the host, compared with `bmc/table.txt`. Run by `bmc/run`, which starts them.
#![cfg(test)]

use async_trait::async_trait;
use fence::build::SystemNetwork;
use fence::climb::Climbed;
use fence::power_on::switch_on;
use fence::secret::Secrets;
use fence::{Climber, FencingFile, Life, Machine, Tools, Witness};
use ports::{Clock, Ears, Exec, NetworkEars, Program, SystemClock, SystemExec};
use recovery::evidence::{Sighting, Sign};
use recovery::permit::SKEW_MS;
use recovery::{HostName, Millis};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const TABLE: &str = include_str!("bmc/table.txt");

#[derive(serde::Deserialize)]
struct Rig {
    cells: BTreeMap<String, Cell>,
    ca_file: String,
    user: String,
    password: String,
}

#[derive(Clone, serde::Deserialize)]
struct Cell {
    port: u16,
    /// The port of the host's healthy second BMC, and its system.
    spare: u16,
    spare_uuid: String,
    /// The path of the system that the BMC controls.
    system: Option<String>,
    uuid: String,
    serial: String,
    beat: String,
    orders: String,
    on: String,
    neighbour: Option<String>,
    /// Of a host that is reached by SSH.
    login: Option<String>,
    key: Option<String>,
    known_hosts: Option<String>,
    command: Option<String>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the script that starts the simulators says where they are"
)]
fn rig() -> Rig {
    let path = std::env::var("BMC_RIG").expect("run this by fence/tests/bmc/run");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The other way to know whether a host lives: the heartbeat that it writes, as Nova would see it.
#[derive(Debug)]
struct Heartbeat(String);

impl Heartbeat {
    fn newest(&self) -> Millis {
        Millis(std::fs::read_to_string(&self.0).unwrap().trim().parse().unwrap())
    }
}

#[async_trait]
impl Witness for Heartbeat {
    async fn newest_sign_of_life(&self, host: &HostName) -> Life {
        // A busy machine may hold the host's own writing up, too.
        let beyond_doubt = u64::try_from(SKEW_MS).unwrap() + 2_000;
        SystemClock.sleep(Duration::from_millis(beyond_doubt)).await;
        Ok(Some(Sighting { host: host.clone(), at: self.newest(), what: Sign::Heartbeat }))
    }
}

/// The file that an operator would write for the cell: its BMC, then the spare one, then a person.
fn fencing_yaml(rig: &Rig, kind: &str, case: &str, cell: &Cell) -> String {
    let (user, port) = (&rig.user, cell.port);
    let system = cell.system.clone().unwrap_or_default();
    let password =
        if case == "wrong-password" { "{environment: WRONG}" } else { "{environment: BMC}" };
    let bmc = match kind {
        "redfish" => format!(
            "{{kind: redfish, address: \"127.0.0.1:{port}\", system: {system}, username: {user}, \
             password: {password}, ca_file: {}}}",
            rig.ca_file
        ),
        "ipmi" => format!(
            "{{kind: ipmi, address: 127.0.0.1, port: \"{port}\", username: {user}, \
             password: {password}, cipher: 3}}"
        ),
        "agent" => format!(
            "{{kind: agent, agent: fence_redfish, parameters: {{ip: 127.0.0.1, ipport: \"{port}\", \
             systems_uri: {system}, username: {user}, ssl_insecure: \"1\"}}, \
             secrets: {{password: {password}}}}}"
        ),
        "ssh" => format!(
            "{{kind: ssh, address: 127.0.0.1, port: \"{port}\", user: {}, key: {}, known_hosts: {}, command: {}}}",
            cell.login.as_ref().unwrap(),
            cell.key.as_ref().unwrap(),
            cell.known_hosts.as_ref().unwrap(),
            cell.command.as_ref().unwrap()
        ),
        other => panic!("no such kind {other}"),
    };
    let (spare, spare_uuid, ca_file) = (cell.spare, &cell.spare_uuid, &rig.ca_file);
    format!(
        "devices:\n  bmc: {bmc}\n  spare: {{kind: redfish, address: \"127.0.0.1:{spare}\", \
         system: {spare_uuid}, username: {user}, password: {{environment: BMC}}, ca_file: {ca_file}}}\n  \
         person: {{kind: manual, say: \"pull the plug\"}}\n\
         ladders: {{alone: [bmc, person], default: [bmc, spare, person]}}\n"
    )
}

fn climber(rig: &Rig, cell: &Cell) -> Climber {
    let environment = BTreeMap::from([
        ("BMC".to_owned(), rig.password.clone()),
        ("WRONG".to_owned(), "Wr0ng.4711".to_owned()),
    ]);
    let tools = Tools {
        clock: Arc::new(SystemClock),
        exec: Arc::new(SystemExec),
        network: Arc::new(SystemNetwork),
        ears: Arc::new(NetworkEars),
        secrets: Arc::new(Secrets { environment, credentials: None }),
    };
    Climber { tools, witness: Arc::new(Heartbeat(cell.beat.clone())) }
}

async fn climb(rig: &Rig, kind: &str, case: &str) -> Climbed {
    let cell = &rig.cells[&format!("{kind}/{case}")];
    let text = fencing_yaml(rig, kind, case, cell);
    let file = FencingFile::parse(Path::new("fencing.yaml"), &text).unwrap();
    let mut ladder = file.ladder_of("compute01", None).unwrap();
    ladder.machine = Machine {
        uuid: Some(cell.uuid.clone()),
        serial: Some(cell.serial.clone()),
        ..Machine::default()
    };
    climber(rig, cell).climb(&HostName::new("compute01"), &ladder).await
}

/// Whether the host of a power switch runs: its process, not what its switch says.
fn became_of(on: &str) -> &'static str {
    let pid = std::fs::read_to_string(on.replace("/on", "/host.pid")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // One that its parent has not waited for yet is dead all the same.
    if stat.is_ok_and(|stat| !stat.contains(") Z ")) { "lives" } else { "stopped" }
}

async fn row(kind: &str, case: &str) -> String {
    let rig = rig();
    let climbed = climb(&rig, kind, case).await;
    let path: Vec<&str> = climbed.path.iter().map(|ended| ended.end.word()).collect();
    let evidence = climbed.evidence();
    let proof = evidence.as_ref().map_or("none", |e| e.kind.as_str());
    let cell = &rig.cells[&format!("{kind}/{case}")];
    let host = became_of(&cell.on);
    let neighbour = match &cell.neighbour {
        Some(on) => became_of(on),
        None => "-",
    };
    // Whatever was ordered of this host's power switch was "off".
    let orders = std::fs::read_to_string(&cell.orders).unwrap();
    let by_the_spare_one = "off by the spare one";
    assert!(orders.lines().all(|o| o == "off" || o == by_the_spare_one), "{orders}");
    if matches!(case, "dead" | "wrong-password" | "wrong-key" | "wrong-host" | "wrong-machine") {
        // Twice, where its first answer was late.
        assert!(orders.lines().all(|order| order == by_the_spare_one), "{orders}");
        assert!(!orders.is_empty());
    }
    let said = format!("{climbed:?}");
    assert!(!said.contains(&rig.password) && !said.contains("Wr0ng"), "{said}");
    println!("{}", fence::verdict::path_text(&climbed.path));
    format!("{kind} {case}: {}; {proof}; host {host}; neighbour {neighbour}", path.join(", "))
}

async fn is_as_in_the_table(kind: &str, case: &str) {
    let start = format!("{kind} {case}: ");
    let mut lines = TABLE.lines().filter(|line| line.starts_with(&start));
    let wanted = lines.next().unwrap_or_else(|| panic!("the table has no line {start}"));
    assert_eq!(row(kind, case).await, wanted);
}

macro_rules! cells {
    ($($name:ident: $kind:literal $case:literal;)+) => {$(
        #[tokio::test]
        #[ignore = "needs the simulators: fence/tests/bmc/run"]
        async fn $name() {
            is_as_in_the_table($kind, $case).await;
        }
    )+};
}

cells! {
    redfish_switches_a_host_off: "redfish" "off";
    redfish_finds_a_host_off_already: "redfish" "already-off";
    redfish_is_dead: "redfish" "dead";
    redfish_is_slow: "redfish" "slow";
    redfish_does_not_take_the_password: "redfish" "wrong-password";
    redfish_lies: "redfish" "lying";
    redfish_flaps: "redfish" "flapping";
    redfish_controls_another_machine: "redfish" "wrong-machine";
    ipmi_switches_a_host_off: "ipmi" "off";
    ipmi_finds_a_host_off_already: "ipmi" "already-off";
    ipmi_is_dead: "ipmi" "dead";
    ipmi_is_slow: "ipmi" "slow";
    ipmi_does_not_take_the_password: "ipmi" "wrong-password";
    ipmi_lies: "ipmi" "lying";
    ipmi_flaps: "ipmi" "flapping";
    ipmi_loses_answers_within_its_sessions: "ipmi" "lossy";
    ipmi_controls_another_machine: "ipmi" "wrong-machine";
    an_agent_switches_a_host_off: "agent" "off";
    an_agent_finds_a_host_off_already: "agent" "already-off";
    an_agents_device_is_dead: "agent" "dead";
    an_agents_device_is_slow: "agent" "slow";
    an_agents_device_does_not_take_the_password: "agent" "wrong-password";
    an_agents_device_lies: "agent" "lying";
    an_agents_device_flaps: "agent" "flapping";
    an_agents_device_controls_another_machine: "agent" "wrong-machine";
    a_host_that_stops_itself_proves_nothing: "ssh" "off";
    a_host_that_is_not_reached_proves_nothing: "ssh" "dead";
    a_host_that_does_not_take_the_key_proves_nothing: "ssh" "wrong-key";
    another_host_at_the_address_is_not_told_to_stop: "ssh" "wrong-host";
}

/// What has no power is given it once, and what has it is left alone.
async fn is_given_its_power_back(kind: &str) {
    let rig = rig();
    let cell = &rig.cells[&format!("{kind}/on")];
    let text = fencing_yaml(&rig, kind, "on", cell);
    let file = FencingFile::parse(Path::new("fencing.yaml"), &text).unwrap();
    let mut ladder = file.ladder_of("compute01", Some("ladder:alone")).unwrap();
    let tools = climber(&rig, cell).tools;
    if kind != "agent" {
        let other = Machine {
            serial: Some("SN-OTHER".into()),
            uuid: Some("other".into()),
            ..Machine::default()
        };
        ladder.machine = other;
        let wrong = switch_on(&tools, &ladder, || Ok(())).await;
        assert!(wrong.by.is_none() && wrong.path[0].contains("another machine"), "{wrong:?}");
    }
    ladder.machine = Machine {
        uuid: Some(cell.uuid.clone()),
        serial: Some(cell.serial.clone()),
        ..Machine::default()
    };
    let forbidden = switch_on(&tools, &ladder, || Err("the lease ran out".into())).await;
    assert!(forbidden.by.is_none() && forbidden.path[0].contains("the lease"), "{forbidden:?}");
    assert_eq!(std::fs::read_to_string(&cell.orders).unwrap(), "");
    for (n, said) in ["asked again after it was ordered", "on already"].into_iter().enumerate() {
        let on = switch_on(&tools, &ladder, || Ok(())).await;
        assert_eq!(on.by, Some(format!("bmc ({kind})")), "{on:?}");
        assert!(on.path[0].contains(said), "{n}: {on:?}");
    }
    let orders = std::fs::read_to_string(&cell.orders).unwrap();
    assert!(orders.lines().count() == 1 && orders.to_lowercase().contains("on"), "{orders}");
}

#[tokio::test]
#[ignore = "needs the simulators: fence/tests/bmc/run"]
async fn redfish_gives_a_host_its_power_back() {
    is_given_its_power_back("redfish").await;
}

#[tokio::test]
#[ignore = "needs the simulators: fence/tests/bmc/run"]
async fn ipmi_gives_a_host_its_power_back() {
    is_given_its_power_back("ipmi").await;
}

#[tokio::test]
#[ignore = "needs the simulators: fence/tests/bmc/run"]
async fn an_agent_gives_a_host_its_power_back() {
    is_given_its_power_back("agent").await;
}

/// As a host is tested: off by its ladder, proven, and on again by it.
async fn goes_off_and_on_again(kind: &str) {
    let rig = rig();
    let climbed = climb(&rig, kind, "cycle").await;
    let path: Vec<&str> = climbed.path.iter().map(|ended| ended.end.word()).collect();
    assert_eq!((path, climbed.took.len()), (vec!["proven"], 1));
    let took = climbed.took[0];
    assert!((Duration::from_secs(1)..Duration::from_secs(60)).contains(&took), "{took:?}");
    let cell = &rig.cells[&format!("{kind}/cycle")];
    assert_eq!(became_of(&cell.on), "stopped");
    let text = fencing_yaml(&rig, kind, "cycle", cell);
    let file = FencingFile::parse(Path::new("fencing.yaml"), &text).unwrap();
    let mut ladder = file.ladder_of("compute01", None).unwrap();
    ladder.machine = Machine {
        uuid: Some(cell.uuid.clone()),
        serial: Some(cell.serial.clone()),
        ..Machine::default()
    };
    let on = switch_on(&climber(&rig, cell).tools, &ladder, || Ok(())).await;
    println!("{}\n{}", fence::verdict::path_text(&climbed.path), on.path.join("\n"));
    assert_eq!(on.by, Some(format!("bmc ({kind})")), "{on:?}");
    assert!(on.path[0].contains("on, asked again after it was ordered ("), "{on:?}");
    let orders = std::fs::read_to_string(&cell.orders).unwrap().to_lowercase();
    // It is ordered off again for as long as it says that it has power, and on once.
    let orders: Vec<&str> = orders.lines().collect();
    let Some((on, offs)) = orders.split_last() else { panic!("none") };
    assert!(!offs.is_empty() && offs.iter().all(|order| *order == "off"), "{orders:?}");
    assert!(on.contains("on"), "{orders:?}");
}

#[tokio::test]
#[ignore = "needs the simulators: fence/tests/bmc/run"]
async fn redfish_takes_power_and_gives_it_back() {
    goes_off_and_on_again("redfish").await;
}

#[tokio::test]
#[ignore = "needs the simulators: fence/tests/bmc/run"]
async fn ipmi_takes_power_and_gives_it_back() {
    goes_off_and_on_again("ipmi").await;
}

#[tokio::test]
#[ignore = "needs the simulators: fence/tests/bmc/run"]
async fn an_agent_takes_power_and_gives_it_back() {
    goes_off_and_on_again("agent").await;
}

#[tokio::test]
#[ignore = "needs the fence agents: fence/tests/bmc/run"]
async fn what_a_host_that_crashed_sends_is_heard() {
    let ear = NetworkEars.at("127.0.0.1:17410".parse().unwrap()).await.unwrap();
    let arguments = ["-p", "17410", "-c", "1", "127.0.0.1"].map(Into::into).to_vec();
    let path = "/usr/libexec/fence-agents/fence_kdump_send".into();
    let sends = Program { path, arguments, ..Program::default() };
    SystemExec.run(sends, Duration::from_secs(20)).await.unwrap();
    let (from, datagram) = ear.next().await.unwrap();
    assert_eq!(from.to_string(), "127.0.0.1");
    assert!(fence::kdump::is_message(&datagram), "{datagram:?}");
}

/// What every process of this machine was started with, for as long as `going`.
fn arguments_with(word: &str, going: &AtomicBool) -> Vec<String> {
    let mut found = Vec::new();
    while going.load(Ordering::Relaxed) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(word) {
                found.push(line);
            }
        }
    }
    found
}

#[tokio::test]
#[ignore = "needs the simulators: fence/tests/bmc/run"]
async fn no_password_is_ever_an_argument_of_a_process() {
    let rig = rig();
    let going = Arc::new(AtomicBool::new(true));
    let watch = {
        let (going, word) = (going.clone(), rig.password.clone());
        std::thread::spawn(move || arguments_with(&word, &going))
    };
    // That the watch sees such a thing at all.
    let arguments = ["-c", "sleep 0.3", &rig.password].map(Into::into).to_vec();
    let shown = Program { path: "sh".into(), arguments, ..Program::default() };
    SystemExec.run(shown, Duration::from_secs(5)).await.unwrap();
    for kind in ["ipmi", "agent"] {
        let cell = &rig.cells[&format!("{kind}/already-off")];
        let text = fencing_yaml(&rig, kind, "already-off", cell);
        let file = FencingFile::parse(Path::new("f"), &text).unwrap();
        let ladder = file.ladder_of("compute01", Some("ladder:alone")).unwrap();
        let climbed = climber(&rig, cell).climb(&HostName::new("compute01"), &ladder).await;
        assert!(climbed.evidence().is_some(), "{climbed:?}");
    }
    going.store(false, Ordering::Relaxed);
    let found = watch.join().unwrap();
    assert!(found.iter().any(|line| line.starts_with("sh -c sleep")), "the watch is blind");
    let ours = |line: &&String| !line.starts_with("sh -c sleep");
    assert_eq!(found.iter().find(ours), None);
}
