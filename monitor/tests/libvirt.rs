//! The real libvirt passes the suite that the one in memory passes. Run by `libvirt/run`, which starts a libvirtd of its
//! own.
#![cfg(test)]

#[path = "instances/suite.rs"]
mod suite;

use async_trait::async_trait;
use monitor::{
    instances::{Hypervisor, HypervisorError},
    libvirt::Libvirt,
};
use ports::{Clock, Exec, Program, SystemClock, SystemExec};
use std::{sync::Arc, time::Duration};
use suite::World;

/// A libvirtd that `libvirt/node` rules.
#[derive(Debug)]
struct Node {
    script: String,
    uri: String,
}

impl Node {
    async fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the script that starts libvirtd says where it is"
        )]
        let script = std::env::var("LIBVIRT_NODE").expect("run this by monitor/tests/libvirt/run");
        let node = Self { script, uri: String::new() };
        node.does(&["clean"]).await;
        let uri = node.does(&["uri"]).await.trim().to_owned();
        Self { uri, ..node }
    }

    async fn does(&self, words: &[&str]) -> String {
        let program = Program {
            path: self.script.clone().into(),
            arguments: words.iter().map(Into::into).collect(),
            ..Program::default()
        };
        let finished = SystemExec.run(program, Duration::from_secs(120)).await.unwrap();
        let told = String::from_utf8_lossy(&finished.stderr).into_owned();
        assert_eq!(finished.code, Some(0), "{words:?}: {told}");
        String::from_utf8(finished.stdout).unwrap()
    }
}

#[async_trait]
impl World for Node {
    fn hypervisor(&self) -> Arc<dyn Hypervisor> {
        Arc::new(Libvirt::new(self.uri.clone(), Arc::new(SystemClock)))
    }

    fn hypervisor_for_guests(&self) -> Arc<dyn Hypervisor> {
        Arc::new(Libvirt::for_guests(self.uri.clone(), Arc::new(SystemClock)))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    async fn start_guest(&self, vm: &str) {
        self.does(&["start", vm, "persistent", "guest"]).await;
    }

    async fn hang_agent(&self, vm: &str) {
        self.does(&["hang-agent", vm]).await;
    }

    async fn start(&self, vm: &str, is_persistent: bool) {
        let kind = if is_persistent { "persistent" } else { "transient" };
        self.does(&["start", vm, kind]).await;
    }

    async fn kill(&self, vm: &str) {
        self.does(&["kill", vm]).await;
    }

    async fn destroy(&self, vm: &str) {
        self.does(&["destroy", vm]).await;
    }

    async fn pause(&self, vm: &str) {
        self.does(&["pause", vm]).await;
    }

    async fn resume(&self, vm: &str) {
        self.does(&["resume", vm]).await;
    }

    async fn reset(&self, vm: &str) {
        self.does(&["reset", vm]).await;
    }

    async fn undefine(&self, vm: &str) {
        self.does(&["undefine", vm]).await;
    }

    async fn daemon_stops(&self) {
        self.does(&["daemon-stop"]).await;
    }

    async fn daemon_starts(&self) {
        self.does(&["daemon-start"]).await;
    }
}

// SystemExec kills what a program leaves behind, so that what must outlive the script is started in a session of its own.
#[tokio::test]
#[ignore = "needs a libvirtd: monitor/tests/libvirt/run"]
async fn the_real_libvirt_is_what_the_one_in_memory_is() {
    suite::all(Node::new).await;
}

#[tokio::test]
#[ignore = "needs a libvirtd: monitor/tests/libvirt/run"]
async fn a_libvirt_that_asks_for_a_password_says_where_to_turn_and_lets_us_in_when_it_does_not() {
    let node = Node::new().await;
    node.does(&["daemon-stop"]).await;
    node.does(&["daemon-asks"]).await;
    for hypervisor in [node.hypervisor(), node.hypervisor_for_guests()] {
        let error = hypervisor.connect().await.unwrap_err();
        assert!(matches!(error, HypervisorError::AsksForPassword { .. }), "{error}");
        assert!(error.to_string().contains("set [libvirt] connection_uri to a socket"), "{error}");
    }
    node.does(&["daemon-stop"]).await;
    node.does(&["daemon-start"]).await;
    assert!(node.hypervisor().connect().await.is_ok());
}
