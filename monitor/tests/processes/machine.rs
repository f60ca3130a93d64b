//! The processes of this machine pass the suite that those in memory pass.

use crate::suite::{self, BoxStory, ProcessWorld, World};
use async_trait::async_trait;
use monitor::processes::{Processes, Sight, proc::command_line};
use ports::{Clock, Exec, Leaves, Program, SystemClock, SystemExec};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Names are this test's own, so that nobody else's process bears them.
#[derive(Debug)]
struct Machine {
    processes: Arc<Processes>,
    started: Mutex<BTreeMap<String, Vec<i32>>>,
}

/// A process that lasts until it is killed, with `$1` among its words.
const LASTS: &str = "sh -c 'while :; do sleep 0.1; done'";

async fn sh(script: &str, name: &str, leaves: Leaves) -> String {
    let program = Program {
        path: "sh".into(),
        arguments: ["-c", script, "sh", name].map(Into::into).into(),
        leaves,
        ..Program::default()
    };
    let finished = SystemExec.run(program, Duration::from_secs(60)).await.unwrap();
    String::from_utf8(finished.stdout).unwrap()
}

fn kill(id: i32) {
    kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
}

#[async_trait]
impl World for Machine {
    fn sight(&self) -> Arc<dyn Sight> {
        self.processes.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    async fn start(&self, name: &str) {
        let script = format!("{LASTS} \"$1\" >/dev/null 2>&1 & echo $!");
        let id = sh(&script, name, Leaves::Services).await.trim().parse().unwrap();
        self.started.lock().unwrap().entry(name.into()).or_default().push(id);
    }

    async fn kill(&self, name: &str) {
        kill(self.started.lock().unwrap().get_mut(name).unwrap().pop().unwrap());
    }
}

#[async_trait]
impl ProcessWorld for Machine {
    async fn while_we_run(&self, name: &str, story: BoxStory<'_>) {
        let script = format!("{LASTS} \"$1\"");
        tokio::select! {
            _ = sh(&script, name, Leaves::Nothing) => panic!("it lasts"),
            () = async {
                SystemClock.sleep(Duration::from_millis(200)).await;
                story.await;
            } => {}
        }
    }

    async fn dies_unasked_for(&self, name: &str) {
        // Its parent becomes somebody who never waits. As long as 15 letters last the name of the dead is its
        // program's.
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(name);
        std::fs::copy("/bin/true", &program).unwrap();
        let script = "( \"$1\" & echo $!; exec sleep 2 ) >/tmp/null 2>&1 & sleep 0.3";
        let script = script.replace("/tmp/null", "/dev/null");
        sh(&script, program.to_str().unwrap(), Leaves::Services).await;
    }
}

#[tokio::test]
async fn the_processes_of_this_machine_are_processes() {
    suite::all_of_processes(async || Machine {
        processes: Arc::new(Processes::new(Arc::new(SystemClock))),
        started: Mutex::default(),
    })
    .await;
}

#[tokio::test]
async fn a_command_line_is_what_ps_shows() {
    let odd = "two words\tand\u{e4} tab";
    let script = format!("{LASTS} \"$1\" '' >/dev/null 2>&1 & echo $!");
    let id: i32 = sh(&script, odd, Leaves::Services).await.trim().parse().unwrap();
    let ps = sh("LC_ALL=C.UTF-8 ps -ww -o args= -p $1", &id.to_string(), Leaves::Nothing).await;
    let line = command_line(id).unwrap();
    kill(id);
    assert_eq!(line.trim_end(), ps.trim_end());
    assert!(line.contains("two words?and\u{e4} tab"), "{line}");
}

#[tokio::test]
async fn a_thread_of_the_kernel_stands_in_brackets_as_for_ps() {
    // Where there is none, as in a container, there is nothing to compare.
    let ps = sh("ps -ww -o args= -p 2", "", Leaves::Nothing).await;
    if ps.starts_with('[') {
        assert_eq!(command_line(2).unwrap(), ps.trim_end());
    }
}

#[tokio::test]
async fn nobody_restarts_the_monitor_that_watches() {
    let us = command_line(i32::try_from(std::process::id()).unwrap()).unwrap();
    let processes = Processes::new(Arc::new(SystemClock));
    assert_eq!(processes.look(&[us]).await, [monitor::processes::Seen::Here]);
}
