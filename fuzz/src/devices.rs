//! What fence devices say: a lying, broken or hostile BMC proves nothing that it did not say, and stops nobody.

use crate::in_no_time;
use async_trait::async_trait;
use bytes::Bytes;
use fence::{
    agent::Agent,
    device::Device,
    ipmi::{Ipmi, Reach},
    redfish::Redfish,
    secret::Secret,
};
use ports::{Answer, Ask, Exec, ExecError, Finished, Program, Transport, TransportError};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub(crate) const READERS: &[fn(&[u8])] = &[redfish, ipmi, agent];

const PASSWORD: &str = "a long password of a BMC";
const LIMIT: Duration = Duration::from_secs(10);
/// What lies between two answers.
const BETWEEN: u8 = b'\x1e';
/// More is not asked in one question to a device.
const ANSWERS_MOST: usize = 200;

/// Says what it was given, piece by piece, and then nothing any more.
#[derive(Debug)]
struct Says(Mutex<Vec<Vec<u8>>>);

impl Says {
    fn new(bytes: &[u8]) -> Arc<Self> {
        let pieces = bytes.split(|byte| *byte == BETWEEN).take(ANSWERS_MOST);
        let mut pieces: Vec<Vec<u8>> = pieces.map(<[u8]>::to_vec).collect();
        pieces.reverse();
        Arc::new(Self(Mutex::new(pieces)))
    }

    /// The next piece: a number, and what is said.
    fn next(&self) -> Option<(u8, Vec<u8>)> {
        let piece = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let (number, said) = piece.split_first()?;
        Some((*number, said.to_vec()))
    }
}

#[async_trait]
impl Transport for Says {
    async fn send(&self, _ask: Ask, _deadline: Duration) -> Result<Answer, TransportError> {
        let silent = || TransportError::TimedOut { from: "bmc".into(), deadline_ms: 10_000 };
        let (number, body) = self.next().ok_or_else(silent)?;
        let status = match number {
            b'0'..=b'9' => 200 + u16::from(number - b'0'),
            other => 200 + u16::from(other) * 2,
        };
        let answer = http::Response::builder().status(status).header("location", "/elsewhere");
        answer.body(Bytes::from(body)).map_err(|_| silent())
    }
}

#[async_trait]
impl Exec for Says {
    async fn run(&self, _program: Program, deadline: Duration) -> Result<Finished, ExecError> {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let silent = || ExecError::TimedOut { program: "agent".into(), deadline_ms };
        let (number, said) = self.next().ok_or_else(silent)?;
        let code = (number != 255).then(|| i32::from(number.wrapping_sub(b'0')));
        let stderr = said.get(said.len() / 2..).unwrap_or_default().to_vec();
        Ok(Finished { code, stdout: said, stderr })
    }
}

fn asked(mut device: impl Device) {
    let said = in_no_time(async {
        let mut said = Vec::new();
        said.extend(device.examine(LIMIT).await.err());
        said.extend(device.off(LIMIT).await.err());
        said.extend(device.look(LIMIT).await.err());
        said.extend(device.on(LIMIT).await.err());
        said
    });
    for failure in said.into_iter().flatten() {
        let text = failure.to_string();
        assert!(!text.contains(PASSWORD), "a secret is shown: {text}");
        assert!(!text.chars().any(char::is_control), "it would break a log: {text:?}");
    }
}

fn redfish(bytes: &[u8]) {
    let says = Says::new(bytes);
    let device = Redfish::new(says, "192.0.2.1", None, "admin", Secret::from(PASSWORD));
    device.into_iter().for_each(asked);
}

fn ipmi(bytes: &[u8]) {
    let reach = Reach {
        address: "192.0.2.1",
        port: None,
        username: "admin",
        cipher: 17,
        privilege: "OPERATOR",
    };
    asked(Ipmi::new(Says::new(bytes), &reach, Secret::from(PASSWORD)));
}

fn agent(bytes: &[u8]) {
    let secrets = vec![("password".to_owned(), Secret::from(PASSWORD))];
    let device = Agent::new(Says::new(bytes), "fence_x", Vec::new(), secrets);
    device.into_iter().for_each(asked);
}
