//! The way to the simulated servers: one that runs answers at every port a while after its start.

use crate::state::State;
use crate::world::World;
use async_trait::async_trait;
use ports::{Probe, ProbeError};
use recovery::ServerId;
use std::net::SocketAddr;
use std::time::Duration;

/// Every server of a world.
#[derive(Clone, Debug)]
pub(crate) struct Guests(pub(crate) World);

impl State {
    fn guest_at(&self, to: SocketAddr) -> Option<ServerId> {
        let address = to.ip().to_string();
        self.servers.values().find(|s| s.address() == address).map(|s| s.id.clone())
    }

    fn answers(&self, to: SocketAddr) -> Result<(), ProbeError> {
        let server = self.guest_at(to).filter(|id| !self.running(id).is_empty());
        let Some(server) = server else { return Err(ProbeError::Silent) };
        if self.is_booted(&server) { Ok(()) } else { Err(ProbeError::Refused) }
    }

    /// It has run for as long as its system takes to boot.
    pub(crate) fn is_booted(&self, server: &ServerId) -> bool {
        let since = self.runs_since.get(server);
        since.is_some_and(|at| self.now.since(*at).unsigned_abs() >= self.shape.pace.boot_ms)
    }
}

#[async_trait]
impl Probe for Guests {
    async fn connects(&self, to: SocketAddr, deadline: Duration) -> Result<(), ProbeError> {
        let answer = self.0.state().answers(to);
        if answer == Err(ProbeError::Silent) {
            self.0.clock().sleep(deadline).await;
        }
        answer
    }

    async fn status(
        &self,
        to: SocketAddr,
        _path: &str,
        deadline: Duration,
    ) -> Result<u16, ProbeError> {
        self.connects(to, deadline).await.map(|()| 200)
    }
}
