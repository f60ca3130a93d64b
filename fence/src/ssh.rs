//! The host itself, asked over SSH to switch itself off.
//!
//! That proves nothing, whatever it answers: a host that obeys may still be writing, and one that is silent may
//! be alive. What it is good for: a host that is still reached stops sooner, and the next rung finds it off.

use crate::device::{Device, Failure, Found, Power, quoted};
use async_trait::async_trait;
use ports::{Environment, Exec, Program};
use std::sync::Arc;
use std::time::Duration;

/// What `ssh` itself exits with when there was no session, or it broke.
const NO_SESSION: i32 = 255;

/// One host.
#[derive(Debug)]
pub struct Ssh {
    exec: Arc<dyn Exec>,
    arguments: Vec<String>,
}

/// How it is reached.
#[derive(Clone, Debug)]
pub struct Reach<'a> {
    pub address: &'a str,
    pub port: Option<&'a str>,
    pub user: &'a str,
    pub key: &'a str,
    pub known_hosts: Option<&'a str>,
    pub command: &'a str,
}

impl Ssh {
    #[must_use]
    pub fn new(exec: Arc<dyn Exec>, reach: &Reach<'_>) -> Self {
        let known_hosts = reach.known_hosts.map(|path| format!("UserKnownHostsFile={path}"));
        // No configuration of the user who runs us, nothing that could ask a person.
        let mut arguments =
            vec!["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"];
        arguments.extend(["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]);
        arguments.extend(known_hosts.iter().flat_map(|option| ["-o", option.as_str()]));
        arguments.extend(["-i", reach.key, "-p", reach.port.unwrap_or("22"), "-l", reach.user]);
        arguments.extend(["--", reach.address, reach.command]);
        Self { exec, arguments: arguments.into_iter().map(str::to_owned).collect() }
    }
}

#[async_trait]
impl Device for Ssh {
    async fn examine(&mut self, _limit: Duration) -> Result<Found, Failure> {
        Err(nothing_to_see())
    }

    async fn look(&mut self, _limit: Duration) -> Result<Power, Failure> {
        Err(nothing_to_see())
    }

    async fn off(&mut self, limit: Duration) -> Result<(), Failure> {
        let program = Program {
            path: "ssh".into(),
            arguments: self.arguments.iter().map(Into::into).collect(),
            environment: Environment::Clean,
            ..Program::default()
        };
        let finished = self.exec.run(program, limit).await?;
        let said = quoted(&finished.stderr);
        // Its warning about a changed key is longer than what is quoted.
        let whole = String::from_utf8_lossy(&finished.stderr);
        match finished.code {
            Some(0) => Ok(()),
            Some(NO_SESSION) if whole.contains("Host key verification failed") => {
                let why = "another host answers there, its key is not the one of `known_hosts`";
                Err(Failure::Refused(why.to_owned()))
            }
            Some(NO_SESSION) if whole.contains("Permission denied") => {
                Err(Failure::WrongCredentials(said))
            }
            // A host that goes off at once takes the session with it.
            Some(NO_SESSION) | None => Err(Failure::NoAnswer(said)),
            Some(_) => Err(Failure::Refused(said)),
        }
    }

    async fn on(&mut self, _limit: Duration) -> Result<(), Failure> {
        Err(Failure::Refused("a host without power is not reached over SSH".to_owned()))
    }
}

fn nothing_to_see() -> Failure {
    Failure::Unusable("a host cannot be asked whether it is off".to_owned())
}
