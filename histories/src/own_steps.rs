//! Steps of the operator's own: programs and webhooks that do well, fail or hang, and engines that die around
//! them.
//!
//! A step runs at least once, with one key for each attempt; the host is proven dead before the
//! first; what comes after a step waits for it.

use crate::tale::Stage;
use async_trait::async_trait;
use engine::Steps;
use ports::{Answer, Ask, Exec, ExecError, Finished, Program, Transport, TransportError};
use recovery::Millis;
use serde_json::Value;
use sim::{Condition, Process};
use std::time::Duration;

/// The place in an engine's life at which it waits for a step.
pub const RUNNING: &str = "running a step";

/// The operator's steps in a scene.
#[derive(Clone, Default, Debug)]
pub struct Own {
    pub steps: Steps,
    /// The servers stay on their dead host.
    pub keeps: bool,
    /// How much longer the transaction takes that says that a step begins, or a server's start.
    pub slow_commit_ms: u64,
}

/// A step that was run.
#[derive(Clone, Debug)]
pub struct Ran {
    pub at: Millis,
    pub facts: Value,
    pub host_was_dead: bool,
}

impl Ran {
    /// One of the words that it was told.
    #[must_use]
    pub fn word(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap()
    }
}

/// Runs steps for one life of an engine.
#[derive(Clone)]
pub struct Hook {
    pub process: Process,
    pub stage: Stage,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

impl Hook {
    /// Which attempt it is.
    fn note(&self, facts: &[u8]) -> u64 {
        let facts: Value = serde_json::from_slice(facts).unwrap();
        let attempt = facts["attempt"].as_u64().unwrap();
        let host_was_dead = self.stage.world.condition(&self.stage.host(0)) == Condition::Dead;
        let ran = Ran { at: self.stage.clock.wall(), facts, host_was_dead };
        self.stage.ran.lock().unwrap().push(ran);
        attempt
    }

    async fn wait(&self, wait: Duration) {
        self.stage.clock.sleep(wait).await;
    }
}

#[async_trait]
impl Exec for Hook {
    async fn run(&self, program: Program, deadline: Duration) -> Result<Finished, ExecError> {
        let path = program.path.to_string_lossy().into_owned();
        let effect = async {
            let attempt = self.note(&program.stdin);
            let done = match path.as_str() {
                "/well" => true,
                "/badly" => false,
                "/badly-at-first" => attempt > 1,
                "/hangs" => {
                    self.wait(deadline).await;
                    let deadline_ms = u64::try_from(deadline.as_millis()).unwrap();
                    return Err(ExecError::TimedOut { program: path.clone(), deadline_ms });
                }
                other => panic!("{other} is no program of this world"),
            };
            self.wait(Duration::from_millis(700)).await;
            let code = Some(if done { 0 } else { 3 });
            Ok(Finished { code, stdout: b"I was here".to_vec(), stderr: Vec::new() })
        };
        self.process.cross(RUNNING, effect).await
    }
}

#[async_trait]
impl Transport for Hook {
    async fn send(&self, ask: Ask, _deadline: Duration) -> Result<Answer, TransportError> {
        let effect = async {
            self.note(ask.body());
            self.wait(Duration::from_millis(300)).await;
            Ok(Answer::new("noted".into()))
        };
        self.process.cross(RUNNING, effect).await
    }
}
