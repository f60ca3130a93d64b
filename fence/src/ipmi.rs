//! A BMC that speaks IPMI 2.0 over the network, by `ipmitool`.
//!
//! By `ipmitool` itself and not by `fence_ipmilan`, which runs the same program with the password as an
//! argument. Here it goes through standard input (`-f /dev/stdin`). With `-v` ipmitool says *why* there is no
//! session: it tells a wrong password and an unknown user from silence.

use crate::device::{Device, Failure, Found, Power, quoted};
use crate::machine::Told;
use crate::secret::Secret;
use async_trait::async_trait;
use ports::{Environment, Exec, Finished, Program};
use std::sync::Arc;
use std::time::Duration;

const IPMITOOL: &str = "ipmitool";
/// What the inventory calls the serial numbers.
const SERIALS: [&str; 3] = ["Product Serial", "Chassis Serial", "Board Serial"];
/// What ipmitool says when the BMC answers and does not let us in.
const NOT_LET_IN: [&str; 7] = [
    "HMAC is invalid",
    "unauthorized name",
    "unauthorized role",
    "invalid role",
    "Invalid user name",
    "insufficient privilege level",
    "Insufficient privilege level",
];
/// What it says when the BMC answers and refuses the way of talking.
const OTHER_WAY: [&str; 3] = [
    "no matching cipher suite",
    "invalid authentication algorithm",
    "no matching integrity payload",
];

/// What it says when no answer came, at the beginning or within a session. Where a BMC did answer, and with an
/// error, the same words are followed by that error.
const NO_SESSION: [&str; 2] = ["Unable to establish", "session timeout"];
const NO_ANSWER: [&str; 5] = [
    "Unable to get Chassis Power Status",
    "Unable to set Chassis Power Control to Up/On",
    "Unable to set Chassis Power Control to Down/Off",
    "FRU Read failed",
    "Device not present (No Response)",
];

/// How often a packet without an answer is sent (`-R`), a second apart. How long in all is for the caller to say.
#[derive(Clone, Copy)]
struct Tries(&'static str);

/// A BMC that is dead is told of soon.
const QUESTION: Tries = Tries("2");
/// It has just answered, and to switch the power may take it seconds.
const ORDER: Tries = Tries("4");

/// One BMC.
#[derive(Debug)]
pub struct Ipmi {
    exec: Arc<dyn Exec>,
    arguments: Vec<String>,
    password: Secret,
    /// Told once: a session is dear, and the machine stays the same while its host is fenced.
    serials: Option<Vec<String>>,
}

/// How it is reached.
#[derive(Clone, Debug)]
pub struct Reach<'a> {
    pub address: &'a str,
    pub port: Option<&'a str>,
    pub username: &'a str,
    pub cipher: u8,
    pub privilege: &'static str,
}

impl Ipmi {
    #[must_use]
    pub fn new(exec: Arc<dyn Exec>, reach: &Reach<'_>, password: Secret) -> Self {
        let cipher = reach.cipher.to_string();
        let mut arguments = vec!["-v", "-I", "lanplus", "-C", &cipher, "-L", reach.privilege];
        arguments.extend(["-H", reach.address, "-p", reach.port.unwrap_or("623")]);
        arguments.extend(["-U", reach.username, "-f", "/dev/stdin"]);
        // A lost packet is sent again after a second.
        arguments.extend(["-N", "1"]);
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        Self { exec, arguments, password, serials: None }
    }

    async fn run(
        &self,
        command: &[&str],
        tries: Tries,
        limit: Duration,
    ) -> Result<Finished, Failure> {
        let ours = self.arguments.iter().map(String::as_str).chain(["-R", tries.0]);
        let words = ours.chain(command.iter().copied());
        let program = Program {
            path: IPMITOOL.into(),
            arguments: words.map(Into::into).collect(),
            stdin: self.password.expose().as_bytes().to_vec(),
            environment: Environment::Clean,
            ..Program::default()
        };
        Ok(self.exec.run(program, limit).await?)
    }

    /// Runs it and takes what it printed.
    async fn ask(
        &self,
        command: &[&str],
        tries: Tries,
        limit: Duration,
    ) -> Result<String, Failure> {
        self.judged(&self.run(command, tries, limit).await?)
    }

    fn judged(&self, finished: &Finished) -> Result<String, Failure> {
        let printed = String::from_utf8_lossy(&finished.stdout).into_owned();
        let said = String::from_utf8_lossy(&finished.stderr).into_owned();
        let both = format!("{}\n{printed}", without_greeting(&said));
        let quote = || self.password.struck_from(&quoted(one_line(&both).as_bytes()));
        // It ends well, too, where only a part of the inventory did not come.
        if both.lines().any(|line| NO_ANSWER.contains(&line.trim())) {
            return Err(Failure::NoAnswer(quote()));
        }
        if finished.code == Some(0) {
            return Ok(printed);
        }
        Err(if NOT_LET_IN.iter().any(|words| said.contains(words)) {
            Failure::WrongCredentials(quote())
        } else if OTHER_WAY.iter().any(|words| said.contains(words)) {
            Failure::Refused(format!("{} (try another `cipher`)", quote()))
        } else if NO_SESSION.iter().any(|words| said.contains(words)) {
            Failure::NoAnswer(quote())
        } else {
            Failure::Refused(quote())
        })
    }

    async fn power(&self, limit: Duration) -> Result<Power, Failure> {
        let said = self.ask(&["chassis", "power", "status"], QUESTION, limit).await?;
        match said.trim() {
            "Chassis Power is on" => Ok(Power::On),
            "Chassis Power is off" => Ok(Power::Off),
            other => Err(Failure::Garbled(quoted(other.as_bytes()))),
        }
    }

    /// The serial numbers of the inventory; none where the BMC has no inventory.
    async fn serials(&self, limit: Duration) -> Result<Vec<String>, Failure> {
        match self.ask(&["fru", "print", "0"], QUESTION, limit).await {
            Ok(said) => Ok(serials_in(&said)),
            Err(Failure::Refused(_) | Failure::Garbled(_)) => Ok(Vec::new()),
            Err(
                failure @ (Failure::NoAnswer(_)
                | Failure::WrongCredentials(_)
                | Failure::Unusable(_)),
            ) => Err(failure),
        }
    }
}

/// ipmitool's `-v` begins with lines about its own files.
fn without_greeting(said: &str) -> String {
    let ours = |line: &&str| !line.starts_with("Loading ") && !line.starts_with("Running ");
    said.lines().filter(ours).collect::<Vec<_>>().join("\n")
}

fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

fn serials_in(inventory: &str) -> Vec<String> {
    let pairs = inventory.lines().filter_map(|line| line.split_once(':'));
    let serial = pairs.filter(|(name, _)| SERIALS.contains(&name.trim()));
    serial.map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

#[async_trait]
impl Device for Ipmi {
    async fn examine(&mut self, limit: Duration) -> Result<Found, Failure> {
        let serials = match &self.serials {
            Some(known) => known.clone(),
            None => self.serials(limit).await?,
        };
        self.serials = Some(serials.clone());
        let power = self.power(limit).await?;
        Ok(Found { power, machine: Some(Told { uuid: None, serials }) })
    }

    async fn look(&mut self, limit: Duration) -> Result<Power, Failure> {
        self.power(limit).await
    }

    async fn off(&mut self, limit: Duration) -> Result<(), Failure> {
        self.ask(&["chassis", "power", "off"], ORDER, limit).await.map(|_| ())
    }

    async fn on(&mut self, limit: Duration) -> Result<(), Failure> {
        self.ask(&["chassis", "power", "on"], ORDER, limit).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ipmitool 1.8.19 does when the answers of a session stop coming, later and later.
    #[test]
    fn an_answer_that_is_lost_within_a_session_is_no_answer_however_ipmitool_ends() {
        let reach = Reach {
            address: "127.0.0.1",
            port: None,
            username: "admin",
            cipher: 3,
            privilege: "OPERATOR",
        };
        let ipmi = Ipmi::new(Arc::new(ports::SystemExec), &reach, Secret("Sw0rdfish".to_owned()));
        let ended = |code, stdout: &str, stderr: &str| {
            let (stdout, stderr) = (stdout.into(), stderr.into());
            ipmi.judged(&Finished { code: Some(code), stdout, stderr })
        };
        for (code, stdout, stderr) in [
            (1, "", "Error: Unable to establish IPMI v2 / RMCP+ session\n"),
            (1, "Device not present (No Response)\n", "Close Session command failed\n"),
            (0, "Device not present (No Response)\n", "Close Session command failed\n"),
            (0, "", "FRU Read failed\nClose Session command failed\n"),
            (1, "", "No valid response received\nUnable to get Chassis Power Status\n"),
            (1, "", "Unable to set Chassis Power Control to Down/Off\n"),
        ] {
            let judged = ended(code, stdout, stderr);
            assert!(matches!(judged, Err(Failure::NoAnswer(_))), "{stdout}{stderr}: {judged:?}");
        }
        let refused = ended(1, "", "Get Chassis Power Status failed: Insufficient resources\n");
        assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
        let read = ended(0, "Chassis Power is off\n", "Close Session command failed\n");
        assert_eq!(read, Ok("Chassis Power is off\n".to_owned()));
    }

    #[test]
    fn the_serial_numbers_of_an_inventory_are_found() {
        let inventory = "FRU Device Description : Builtin FRU Device (ID 0)\n \
             Board Serial          : B7\n Product Manufacturer  : Acme\n \
             Product Serial        : CZ1234\n Chassis Serial        : \n";
        assert_eq!(serials_in(inventory), ["B7", "CZ1234"]);
    }
}
