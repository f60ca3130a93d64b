//! Any fence agent of ClusterLabs, with `key=value` lines on its standard input.
//!
//! As Pacemaker does it, so that no password becomes an argument. It is asked for `status`, `off` and `on`, and
//! never for anything else.
//!
//! An agent's exit code says 0 (it has power, or it was done), 2 (no power, to `status`) or 1 (it did not
//! work); *why* it did not work stands in its words only, and not every agent tells a wrong password from
//! silence. What is not clearly silence counts as a refusal, with the agent's words.

use crate::device::{Device, Failure, Found, Power, quoted};
use crate::secret::Secret;
use async_trait::async_trait;
use ports::{Environment, Exec, Finished, Program};
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
const NOT_LET_IN: [&str; 8] = [
    "unauthorized",
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
            ..Program::default()
        };
        Ok(self.exec.run(program, limit).await?)
    }

    fn failed(&self, finished: &Finished) -> Failure {
        let whole = [finished.stderr.as_slice(), b" ", finished.stdout.as_slice()].concat();
        let mut whole = String::from_utf8_lossy(&whole).into_owned();
        for (_, secret) in &self.secrets {
            whole = secret.struck_from(&whole);
        }
        // What decides may stand behind what is quoted.
        let (small, said) = (whole.to_lowercase(), quoted(whole.as_bytes()));
        let says = |words: &[&str]| words.iter().any(|word| small.contains(word));
        // Alone: an address in the memory of a Python agent may have these digits in it.
        let mut numbers = small.split(|c: char| !c.is_ascii_alphanumeric());
        if says(&NOT_LET_IN) || numbers.any(|word| word == "401") {
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

    async fn on(&mut self, limit: Duration) -> Result<(), Failure> {
        let finished = self.run("on", limit).await?;
        if finished.code == Some(0) { Ok(()) } else { Err(self.failed(&finished)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::ExecError;

    /// An agent that says `words` and fails, whatever it is asked.
    #[derive(Debug)]
    struct Failing(String);

    #[async_trait]
    impl Exec for Failing {
        async fn run(&self, program: Program, _: Duration) -> Result<Finished, ExecError> {
            assert_eq!(program.arguments.len(), 0, "parameters go by standard input");
            let stderr = self.0.clone().into_bytes();
            Ok(Finished { code: Some(1), stdout: Vec::new(), stderr })
        }
    }

    async fn failure(words: &str) -> Failure {
        let secrets = vec![("password".to_owned(), Secret::from("swordfish"))];
        let agent = Agent::new(Arc::new(Failing(words.to_owned())), "fence_x", Vec::new(), secrets);
        agent.unwrap().look(Duration::from_secs(1)).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_agents_words_tell_silence_a_closed_door_and_a_refusal_apart() {
        for (words, word) in [
            ("ERROR: Connection timed out", "no-answer"),
            ("[Errno 111] Connection refused", "no-answer"),
            ("ERROR: 401 Client Error: Unauthorized", "wrong-credentials"),
            ("ERROR: send_get_request: HTTP/1.1 401", "wrong-credentials"),
            (
                "ERROR: Max retries exceeded (<HTTPSConnection object at 0x7f401fed6010>)",
                "no-answer",
            ),
            ("ERROR: Permission denied, please try again.", "wrong-credentials"),
            ("ERROR: Unable to get PowerState", "refused"),
        ] {
            assert_eq!(failure(words).await.word(), word, "{words}");
            // Also where it talks a lot before.
            assert_eq!(failure(&format!("{}\n{words}", "x ".repeat(400))).await.word(), word);
        }
    }

    #[tokio::test]
    async fn a_password_that_an_agent_repeats_is_struck_out() {
        let said = failure("bad password swordfish for admin").await.to_string();
        assert!(said.contains("bad password ***") && !said.contains("swordfish"), "{said}");
    }

    #[test]
    fn a_value_with_a_line_break_cannot_become_another_parameter() {
        let secrets = vec![("password".to_owned(), Secret::from("x\naction=reboot"))];
        let made = Agent::new(Arc::new(Failing(String::new())), "fence_x", Vec::new(), secrets);
        assert!(matches!(made, Err(Failure::Unusable(why)) if !why.contains("reboot")));
    }
}
