//! A host whose kernel has crashed says that it writes a dump: it is left its power until that is over, for a while, and what
//! it says proves nothing.

use crate::tale::Stage;
use async_trait::async_trait;
use ports::{Ear, Ears};
use recovery::HostName;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// From where it is said.
const FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// What `fence_kdump_send` sends, and how often.
const MESSAGE: [u8; 8] = [0x40, 0x2A, 0x30, 0x1B, 1, 0, 0, 0];
const EVERY_MS: u64 = 10_000;

/// When it says so first, after its death, how long, and how long that is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Dumps {
    pub after_ms: u64,
    pub for_ms: u64,
    pub wait_s: u64,
}

impl Dumps {
    /// In the file of fence devices.
    pub fn configured(self, host: &HostName) -> String {
        let wait_s = self.wait_s;
        format!("kdump: {{wait: {wait_s}s}}\nhosts:\n  {host}: {{kdump_from: [{FROM}]}}\n")
    }
}

/// What arrives at the engines.
#[derive(Clone)]
pub struct Messages(pub Stage);

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Messages")
    }
}

#[async_trait]
impl Ears for Messages {
    async fn at(&self, _: SocketAddr) -> io::Result<Box<dyn Ear>> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Ear for Messages {
    async fn next(&self) -> io::Result<(IpAddr, Vec<u8>)> {
        let Self(stage) = self;
        let Some(dumps) = stage.scene.fence.as_ref().and_then(|fence| fence.dumps) else {
            return std::future::pending().await;
        };
        let now = stage.clock.wall().since(stage.began).unsigned_abs();
        let first = stage.scene.dies_at_ms + dumps.after_ms;
        // The next of the moments at which it sends.
        let sent = (now + 1).saturating_sub(first).div_ceil(EVERY_MS);
        let next = first + sent * EVERY_MS;
        if next > first + dumps.for_ms {
            return std::future::pending().await;
        }
        stage.clock.sleep(Duration::from_millis(next - now)).await;
        Ok((FROM.into(), MESSAGE.to_vec()))
    }
}
