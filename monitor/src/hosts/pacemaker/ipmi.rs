//! Whether a host has power, by the BMC that the cluster fences it with: for `host_status`, as in Python's monitor.
//!
//! It is no proof: nobody ordered the host off, and one look may be at a machine that is being reset.

use super::{cib::Bmc, tools::Tools};
use crate::hosts::Power;
use async_trait::async_trait;
use ports::{Clock, Exec, Program};
use recovery::HostName;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// BMCs that are asked at once.
const ASKED_MOST: usize = 16;

/// Asks BMCs.
#[derive(Debug)]
pub struct Ipmi {
    pub tools: Tools,
    pub exec: Arc<dyn Exec>,
    pub clock: Arc<dyn Clock>,
    pub config: IpmiConfig,
    asked: Semaphore,
}

/// `[host] ipmi_*`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpmiConfig {
    pub timeout: Duration,
    pub retry_max: u32,
    pub retry_interval: Duration,
}

impl Ipmi {
    /// Nobody is asked yet.
    #[must_use]
    pub fn new(
        tools: Tools,
        exec: Arc<dyn Exec>,
        clock: Arc<dyn Clock>,
        config: IpmiConfig,
    ) -> Self {
        Self { tools, exec, clock, config, asked: Semaphore::new(ASKED_MOST) }
    }

    async fn ask(&self, bmc: &Bmc) -> Result<(), String> {
        let finished = self
            .exec
            .run(status(bmc), self.config.timeout)
            .await
            .map_err(|error| error.to_string())?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let out = said(&finished.stdout);
        if finished.code == Some(0) && out.contains("Power is off") {
            return Ok(());
        }
        Err(format!("ipmitool command output stdout: {out} stderr: {}", said(&finished.stderr)))
    }
}

/// The password goes by standard input: every user of the machine sees the arguments.
///
/// ipmitool asks a BMC for its ciphers first unless it is told one, and waits 10 s for one that does not answer that, twice `ipmi_timeout`:
/// here 2 s, and for each answer after it.
fn status(bmc: &Bmc) -> Program {
    let mut words = vec!["-U", &bmc.user, "-f", "/dev/stdin", "-I", &bmc.interface];
    words.extend(["-N", "2", "-R", "1", "-H", &bmc.address]);
    if let Some(cipher) = &bmc.cipher {
        words.extend(["-C", cipher]);
    }
    if let Some(port) = &bmc.port {
        words.extend(["-p", port]);
    }
    words.extend(["power", "status"]);
    Program {
        path: "ipmitool".into(),
        arguments: words.into_iter().map(Into::into).collect(),
        stdin: format!("{}\n", bmc.password.expose()).into_bytes(),
        ..Program::default()
    }
}

#[async_trait]
impl Power for Ipmi {
    async fn is_off(&self, host: &HostName) -> Result<(), String> {
        let _place = self.asked.acquire().await.map_err(|error| error.to_string())?;
        let cib = self.tools.devices().await.map_err(|error| error.to_string())?;
        let bmc = cib.bmc(host).ok_or("Failed to get params of ipmi RA.")?;
        let mut tries = 0;
        loop {
            match self.ask(bmc).await {
                Ok(()) => {
                    tracing::info!("ipmitool command output stdout: Chassis Power is off ({host})");
                    return Ok(());
                }
                Err(why) if tries >= self.config.retry_max => return Err(why),
                Err(why) => tracing::warn!("Retry executing ipmitool command. ({why})"),
            }
            tries += 1;
            self.clock.sleep(self.config.retry_interval).await;
        }
    }
}
