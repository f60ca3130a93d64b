//! The ports of who may do nothing: no program is run, nobody is reached.

use crate::{
    Answer, Ask, Ear, Ears, Exec, ExecError, Finished, Probe, ProbeError, Program, Transport,
    TransportError,
};
use async_trait::async_trait;
use std::{io, net::SocketAddr, time::Duration};

/// See the module.
#[derive(Clone, Copy, Default, Debug)]
pub struct Nothing;

const WHY: &str = "this process may not";

#[async_trait]
impl Exec for Nothing {
    async fn run(&self, program: Program, _: Duration) -> Result<Finished, ExecError> {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, WHY);
        Err(ExecError::Start { program: program.path.to_string_lossy().into_owned(), source })
    }
}

#[async_trait]
impl Transport for Nothing {
    async fn send(&self, ask: Ask, _: Duration) -> Result<Answer, TransportError> {
        Err(TransportError::Unreachable { to: ask.uri().to_string(), why: WHY.into() })
    }
}

#[async_trait]
impl Probe for Nothing {
    async fn connects(&self, _: SocketAddr, _: Duration) -> Result<(), ProbeError> {
        Err(ProbeError::Refused)
    }

    async fn status(&self, _: SocketAddr, _: &str, _: Duration) -> Result<u16, ProbeError> {
        Err(ProbeError::Refused)
    }
}

#[async_trait]
impl Ears for Nothing {
    async fn at(&self, _: SocketAddr) -> io::Result<Box<dyn Ear>> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, WHY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_program_runs_and_nobody_is_reached() {
        let program = Program { path: "true".into(), ..Program::default() };
        let refused = Nothing.run(program, Duration::from_secs(5)).await;
        assert!(matches!(refused, Err(ExecError::Start { .. })), "{refused:?}");
        let ask = Ask::default();
        let unsent = Nothing.send(ask, Duration::from_secs(5)).await.unwrap_err();
        assert!(!unsent.may_have_arrived());
    }
}
