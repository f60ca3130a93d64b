//! Any fence agent of ClusterLabs, with `key=value` lines on its standard input.
//!
//! As Pacemaker does it, so that no password becomes an argument. It is asked for `status` and `off`, and never
//! for anything else.
//!
//! An agent's exit code says 0 (it has power, or it was done), 2 (no power, to `status`) or 1 (it did not
//! work); *why* it did not work stands in its words only, and not every agent tells a wrong password from
//! silence. What is not clearly silence counts as a refusal, with the agent's words.

use crate::device::{Device, Failure, Found, Power, quoted};
use crate::secret::Secret;
use async_trait::async_trait;
use ports::{Environment, Exec, ExecError, Finished, Program};
use std::sync::Arc;
use std::time::Duration;

/// Words of agents when nobody answered.
const SILENCE: [&str; 9] = [
    "timed out",
    "timeout",
    "refused",
    "unreachable",
    "no route to host",
    "max retries",
    "not known",
    "connection lost",
    "connection aborted",
];
/// Words of agents when the device does not let them in.
const NOT_LET_IN: [&str; 9] = [
    "unauthorized",
    "401",
    "authentication fail",
    "login fail",
    "login denied",
    "permission denied",
    "access denied",
    "invalid credentials",
    "incorrect password",
];

/// One agent for one host.
#[derive(Debug)]
pub struct Agent {
    exec: Arc<dyn Exec>,
    program: String,
    /// `key=value` lines without the action.
    parameters: Vec<(String, String)>,
    secrets: Vec<(String, Secret)>,
}

impl Agent {
    /// # Errors
    /// When a value has a line break: what follows it would be another parameter.
    pub fn new(
        exec: Arc<dyn Exec>,
        program: &str,
        parameters: Vec<(String, String)>,
        secrets: Vec<(String, Secret)>,
    ) -> Result<Self, Failure> {
        let values = parameters.iter().map(|(name, value)| (name, value.as_str()));
        let values = values.chain(secrets.iter().map(|(name, secret)| (name, secret.expose())));
        for (name, value) in values {
            if name.contains(['\n', '=']) || value.contains('\n') {
                let why =
                    format!("the parameter {name:?} has a line break or `=` where none may be");
                return Err(Failure::Unusable(why));
            }
        }
        Ok(Self { exec, program: program.to_owned(), parameters, secrets })
    }

    async fn run(&self, action: &str, limit: Duration) -> Result<Finished, Failure> {
        let mut lines = format!("action={action}\n");
        for (name, value) in &self.parameters {
            lines.push_str(&format!("{name}={value}\n"));
        }
        for (name, secret) in &self.secrets {
            lines.push_str(&format!("{name}={}\n", secret.expose()));
        }
        let program = Program {
            path: self.program.clone().into(),
            arguments: Vec::new(),
            stdin: lines.into_bytes(),
            environment: Environment::Clean,
        };
        self.exec.run(program, limit).await.map_err(|e| match e {
            ExecError::Start { program, source } => {
                Failure::Unusable(format!("cannot run {program}: {source}"))
            }
            ExecError::TimedOut { .. } => Failure::NoAnswer(e.to_string()),
        })
    }

    fn failed(&self, finished: &Finished) -> Failure {
        let said = [finished.stderr.as_slice(), b" ", finished.stdout.as_slice()].concat();
        let mut said = quoted(&said);
        for (_, secret) in &self.secrets {
            said = secret.struck_from(&said);
        }
        let small = said.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| small.contains(word));
        if says(&NOT_LET_IN) {
            Failure::WrongCredentials(said)
        } else if says(&SILENCE) {
            Failure::NoAnswer(said)
        } else {
            Failure::Refused(said)
        }
    }
}

#[async_trait]
impl Device for Agent {
    async fn examine(&mut self, limit: Duration) -> Result<Found, Failure> {
        // Which machine a plug or an id means, only who configured it knows.
        Ok(Found { power: self.look(limit).await?, machine: None })
    }

    async fn look(&mut self, limit: Duration) -> Result<Power, Failure> {
        let finished = self.run("status", limit).await?;
        match finished.code {
            Some(0) => Ok(Power::On),
            Some(2) => Ok(Power::Off),
            Some(_) | None => Err(self.failed(&finished)),
        }
    }

    async fn off(&mut self, limit: Duration) -> Result<(), Failure> {
        let finished = self.run("off", limit).await?;
        if finished.code == Some(0) { Ok(()) } else { Err(self.failed(&finished)) }
    }
}
