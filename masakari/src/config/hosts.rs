//! `[host]`: who knows which hosts are dead, and when that is reported.

use super::Configuration;
use crate::monitor_role::Driver;
use monitor::{SendingConfig, hosts::HostsConfig};
use recovery::{HostName, verdict::Rule};
use std::time::Duration;

const GROUP: &str = "host";
const RULE: &str = "monitoring_rule";
const DRIVER: &str = "monitoring_driver";
/// More would be more than one machine knows.
const DRIVERS_MOST: usize = 8;

impl Configuration {
    /// How hosts' deaths are sent: those until they are answered.
    pub(crate) fn host_reports(&self) -> SendingConfig {
        SendingConfig::of_python(0, self.host_s("api_retry_interval", 0))
    }

    /// How hosts are watched from the host called `hostname`.
    pub(crate) fn hosts(&self, hostname: String) -> anyhow::Result<HostsConfig> {
        let samples = self.values.get::<i64>(GROUP, "monitoring_samples").max(1);
        Ok(HostsConfig {
            hostname: HostName::new(hostname),
            interval: self.host_s("monitoring_interval", 1),
            samples: u32::try_from(samples).unwrap_or(u32::MAX),
            timeout: self.host_timeout(),
            rule: self.rule()?,
            require_proof: self.values.get::<bool>(GROUP, "require_proof"),
        })
    }

    /// For one question to a driver.
    pub(crate) fn host_timeout(&self) -> Duration {
        Duration::from_secs(self.values.get::<u32>(GROUP, "monitoring_timeout").into())
    }

    /// Seconds of `[host]`. Python takes any number; less than `least` would be a loop without a pause.
    pub(crate) fn host_s(&self, name: &str, least: u64) -> Duration {
        let seconds = u64::try_from(self.values.get::<i64>(GROUP, name)).unwrap_or(0);
        Duration::from_secs(seconds.max(least))
    }

    fn rule(&self) -> anyhow::Result<Rule> {
        let word = self.text(GROUP, RULE).unwrap_or_default();
        match (word.as_str(), word.parse::<usize>()) {
            ("all", _) => Ok(Rule::All),
            ("any", _) => Ok(Rule::Any),
            (_, Ok(needed @ 1..=DRIVERS_MOST)) => Ok(Rule::Of(needed)),
            _ => {
                let what =
                    format!("= {word:?} is none of: all, any, a number from 1 to {DRIVERS_MOST}");
                Err(self.wrong(GROUP, RULE, what))
            }
        }
    }

    /// The drivers that are wanted, in their order.
    pub(crate) fn drivers(&self, known: &'static [Driver]) -> anyhow::Result<Vec<&'static Driver>> {
        let text = self.text(GROUP, DRIVER).unwrap_or_default();
        let mut wanted: Vec<&'static Driver> = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let names = || known.iter().flat_map(|driver| driver.names.iter().copied());
            let Some(driver) = known.iter().find(|driver| driver.names.contains(&word)) else {
                let names: Vec<&str> = names().collect();
                let what = format!("= {word:?} is no driver: there are {}", names.join(", "));
                return Err(self.wrong(GROUP, DRIVER, what));
            };
            if wanted.iter().all(|other| other.names != driver.names) {
                wanted.push(driver);
            }
        }
        if wanted.is_empty() {
            return Err(self.wrong(GROUP, DRIVER, "is empty: nobody knows which hosts are dead"));
        }
        if let Rule::Of(needed) = self.rule()?
            && needed > wanted.len()
        {
            let what = format!(
                "= {needed}, but there are {} drivers: no host would ever be dead",
                wanted.len()
            );
            return Err(self.wrong(GROUP, RULE, what));
        }
        Ok(wanted)
    }
}
