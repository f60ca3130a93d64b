//! A look at a host's power by its BMC, as Python's monitor takes one. A real ipmitool and a real BMC's simulator: `tests/simulators.rs`.

use async_trait::async_trait;
use monitor::hosts::{
    Power,
    pacemaker::{Ipmi, IpmiConfig, Tools},
};
use ports::{Exec, ExecError, Finished, Program};
use recovery::HostName;
use sim::SimClock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

const CIB: &str = "<resources><primitive id=\"a\" class=\"stonith\" type=\"external/ipmi\"><instance_attributes>\
    <nvpair name=\"hostname\" value=\"cmp1\"/><nvpair name=\"ipaddr\" value=\"192.0.2.1\"/><nvpair name=\"userid\" value=\"u\"/>\
    <nvpair name=\"passwd\" value=\"geheim\"/><nvpair name=\"cipher\" value=\"3\"/></instance_attributes></primitive></resources>";

/// A BMC that has no answer as often as that, and then says this with that code.
#[derive(Debug)]
struct Bmc {
    silent: usize,
    says: &'static str,
    code: i32,
    asked: AtomicUsize,
}

#[async_trait]
impl Exec for Bmc {
    async fn run(&self, program: Program, deadline: Duration) -> Result<Finished, ExecError> {
        let finished = |code, stdout: &str| {
            Ok(Finished { code: Some(code), stdout: stdout.into(), stderr: Vec::new() })
        };
        if program.path == "cibadmin" {
            return finished(0, CIB);
        }
        assert_eq!(program.stdin, b"geheim\n");
        let words: Vec<_> = program.arguments.iter().map(|word| word.to_string_lossy()).collect();
        let expected = "-U u -f /dev/stdin -I lanplus -N 2 -R 1 -H 192.0.2.1 -C 3 power status";
        assert_eq!(words.join(" "), expected);
        assert_eq!(deadline, Duration::from_secs(5));
        if self.asked.fetch_add(1, Relaxed) < self.silent {
            return finished(1, "");
        }
        finished(self.code, self.says)
    }
}

/// What it says of `host`, and how often the BMC was asked.
async fn looked(
    host: &str,
    silent: usize,
    says: &'static str,
    code: i32,
) -> (Result<(), String>, usize) {
    let bmc = Arc::new(Bmc { silent, says, code, asked: AtomicUsize::new(0) });
    let tools = Tools { exec: bmc.clone(), deadline: Duration::from_secs(30) };
    let config = IpmiConfig {
        timeout: Duration::from_secs(5),
        retry_max: 3,
        retry_interval: Duration::from_secs(10),
    };
    let ipmi = Ipmi::new(tools, bmc.clone(), Arc::new(SimClock::new()), config);
    (ipmi.is_off(&HostName::new(host)).await, bmc.asked.load(Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_host_is_off_when_its_bmc_says_so_within_three_retries() {
    let off = "Chassis Power is off\n";
    assert_eq!(looked("cmp1", 0, off, 0).await, (Ok(()), 1));
    assert_eq!(looked("cmp1", 3, off, 0).await, (Ok(()), 4));
    let (late, asked) = looked("cmp1", 4, off, 0).await;
    assert!(late.is_err() && asked == 4, "{late:?} {asked}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_said_is_not_taken_for_off() {
    let on = "Chassis Power is on\n";
    for (says, code) in [(on, 0), ("Chassis Power is off\n", 1), ("", 0)] {
        let (looked, asked) = looked("cmp1", 0, says, code).await;
        let why = looked.unwrap_err();
        assert!(why.contains(says.trim()) && asked == 4, "{why}");
    }
    let unknown = looked("cmp9", 0, on, 0).await;
    assert_eq!(unknown, (Err("Failed to get params of ipmi RA.".into()), 0));
}
