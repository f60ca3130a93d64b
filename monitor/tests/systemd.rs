//! The real systemd passes the suite that the one in memory passes. Run by `processes/run`, which starts a manager of its
//! own.
#![cfg(test)]
#![allow(dead_code, reason = "of the suite only what is about units is told here")]

#[path = "processes/suite.rs"]
mod suite;

use async_trait::async_trait;
use monitor::processes::{Bus, Sight, Units};
use ports::{Clock, Exec, Program, SystemClock, SystemExec};
use std::{sync::Arc, time::Duration};
use suite::{UnitWorld, World};

/// A systemd that `processes/node` rules.
#[derive(Debug)]
struct Node {
    script: String,
    units: Arc<Units>,
}

impl Node {
    async fn new(bus: Bus) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the script that starts systemd says where it is"
        )]
        let script =
            std::env::var("SYSTEMD_NODE").expect("run this by monitor/tests/processes/run");
        let units = Arc::new(Units::new(bus, Arc::new(SystemClock)));
        let node = Self { script, units };
        node.does(&["clean"]).await;
        node
    }

    async fn does(&self, words: &[&str]) {
        let program = Program {
            path: self.script.clone().into(),
            arguments: words.iter().map(Into::into).collect(),
            ..Program::default()
        };
        let finished = SystemExec.run(program, Duration::from_secs(120)).await.unwrap();
        let told = String::from_utf8_lossy(&finished.stderr).into_owned();
        assert_eq!(finished.code, Some(0), "{words:?}: {told}");
    }
}

#[async_trait]
impl World for Node {
    fn sight(&self) -> Arc<dyn Sight> {
        self.units.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    async fn start(&self, name: &str) {
        self.does(&["start", name]).await;
    }

    async fn kill(&self, name: &str) {
        self.does(&["kill", name]).await;
    }
}

#[async_trait]
impl UnitWorld for Node {
    async fn stop(&self, name: &str) {
        self.does(&["stop", name]).await;
    }

    async fn reexecute(&self) {
        self.does(&["reexecute"]).await;
    }
}

#[tokio::test]
#[ignore = "needs a systemd: monitor/tests/processes/run"]
async fn the_real_systemd_is_what_the_one_in_memory_is() {
    suite::all_of_units(async || Node::new(Bus::User).await).await;
}

/// The machine's own is behind another bus and speaks the same; here it is that one.
#[tokio::test]
#[ignore = "needs a systemd: monitor/tests/processes/run"]
async fn the_systemd_of_the_system_bus_is_one_too() {
    suite::all_of_units(async || Node::new(Bus::System).await).await;
}
