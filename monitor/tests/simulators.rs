//! The BMC that a cluster fences a host with, asked for the host's power by a real ipmitool: against the simulators of `fence/tests/bmc/run`,
//! which starts them.
#![cfg(test)]

use async_trait::async_trait;
use monitor::hosts::{
    Power,
    pacemaker::{Ipmi, IpmiConfig, Tools},
};
use ports::{Exec, ExecError, Finished, Program, SystemClock, SystemExec};
use recovery::HostName;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[derive(serde::Deserialize)]
struct Rig {
    cells: BTreeMap<String, Cell>,
    user: String,
    password: String,
}

#[derive(serde::Deserialize)]
struct Cell {
    port: u16,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the script that starts the simulators says where they are"
)]
fn rig() -> Rig {
    let path = std::env::var("BMC_RIG").expect("run this by fence/tests/bmc/run");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A machine on which the cluster has this configuration.
#[derive(Debug)]
struct Node {
    cib: String,
    password: String,
}

#[async_trait]
impl Exec for Node {
    async fn run(&self, program: Program, deadline: Duration) -> Result<Finished, ExecError> {
        if program.path == "cibadmin" {
            let stdout = self.cib.clone().into_bytes();
            return Ok(Finished { code: Some(0), stdout, stderr: Vec::new() });
        }
        assert_eq!(program.path, "ipmitool");
        let shown = format!("{:?}", program.arguments);
        assert!(!shown.contains(&self.password), "whoever runs ps sees {shown}");
        SystemExec.run(program, deadline).await
    }
}

/// What a look at the power of `case` says, where the cluster knows `password`; within Python's `ipmi_timeout`.
async fn looked(case: &str, password: &str) -> Result<(), String> {
    let rig = rig();
    let pair = |name: &str, value: &str| format!("<nvpair name=\"{name}\" value=\"{value}\"/>");
    let port = rig.cells[&format!("ipmi/{case}")].port.to_string();
    let pairs = [
        ("pcmk_host_list", "cmp1"),
        ("ip", "127.0.0.1"),
        ("ipport", &port),
        ("username", &rig.user),
        ("password", password),
        ("lanplus", "1"),
    ];
    let pairs: String = pairs.iter().map(|(name, value)| pair(name, value)).collect();
    let cib = format!(
        "<resources><primitive id=\"a\" class=\"stonith\" type=\"fence_ipmilan\"><instance_attributes>{pairs}\
         </instance_attributes></primitive></resources>"
    );
    let exec: Arc<dyn Exec> = Arc::new(Node { cib, password: password.to_owned() });
    let tools = Tools { exec: exec.clone(), deadline: Duration::from_secs(5) };
    let config = IpmiConfig {
        timeout: Duration::from_secs(5),
        retry_max: 0,
        retry_interval: Duration::from_secs(1),
    };
    Ipmi::new(tools, exec, Arc::new(SystemClock), config).is_off(&HostName::new("cmp1")).await
}

#[tokio::test]
#[ignore = "needs the simulators of fence/tests/bmc/run"]
async fn only_a_bmc_that_says_so_has_a_host_without_power() {
    let password = &rig().password;
    let (off, on, wrong, dead) = tokio::join!(
        looked("already-off", password),
        // Wired to a neighbour that lives, whatever else was switched off.
        looked("wrong-machine", password),
        looked("already-off", "Wr0ng.4711"),
        looked("dead", password)
    );
    assert_eq!(off, Ok(()));
    let on = on.unwrap_err();
    assert!(on.contains("Chassis Power is on"), "{on}");
    for unknown in [wrong, dead] {
        let why = unknown.unwrap_err();
        assert!(why.contains("Unable to establish IPMI v2 / RMCP+ session"), "{why}");
    }
}
