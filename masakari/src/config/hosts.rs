//! `[host]`: who knows which hosts are dead, and when that is reported.

use super::Configuration;
use crate::monitor_role::Driver;
use monitor::{
    SendingConfig,
    hosts::{
        HostsConfig,
        pacemaker::{IpmiConfig, NodeType, PacemakerConfig},
    },
};
use recovery::{HostName, verdict::Rule};
use std::{path::PathBuf, time::Duration};

const GROUP: &str = "host";
const RULE: &str = "monitoring_rule";
const DRIVER: &str = "monitoring_driver";
const ALERT_SOCKET: &str = "pacemaker_alert_socket";
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

    /// The driver `default`.
    pub(crate) fn pacemaker(&self, hostname: &str) -> PacemakerConfig {
        let node_type = match self.text(GROUP, "pacemaker_node_type").as_deref() {
            Some("cluster") => NodeType::Cluster,
            Some("remote") => NodeType::Remote,
            Some(_) | None => NodeType::Autodetect,
        };
        PacemakerConfig {
            own: HostName::new(hostname),
            interval: self.host_s("monitoring_interval", 1),
            node_type,
            remotes_only: self.values.get::<bool>(GROUP, "restrict_to_remotes"),
            stonith_wait: self.host_s("stonith_wait", 0),
        }
    }

    /// How a host's power is looked at; none: it is not (`disable_ipmi_check`).
    pub(crate) fn ipmi(&self) -> Option<IpmiConfig> {
        let retry_max = self.values.get::<i64>(GROUP, "ipmi_retry_max").clamp(0, 100);
        let config = IpmiConfig {
            timeout: self.host_s("ipmi_timeout", 1),
            retry_max: u32::try_from(retry_max).unwrap_or(0),
            retry_interval: self.host_s("ipmi_retry_interval", 0),
        };
        (!self.values.get::<bool>(GROUP, "disable_ipmi_check")).then_some(config)
    }

    /// Where Pacemaker's alert agent wakes us.
    pub(crate) fn alert_socket(&self) -> Option<PathBuf> {
        let path = self.text(GROUP, ALERT_SOCKET).unwrap_or_default();
        (!path.is_empty()).then(|| PathBuf::from(path))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor_role::DRIVERS;

    #[test]
    fn hosts_are_watched_by_pythons_options_and_defaults() {
        let configuration = Configuration::of_text("");
        let config = configuration.hosts("ctl1".into()).unwrap();
        assert_eq!((config.interval, config.samples), (Duration::from_secs(60), 1));
        assert_eq!((config.rule, config.require_proof), (Rule::All, false));
        let drivers = configuration.drivers(DRIVERS).unwrap();
        assert_eq!(drivers.iter().map(|driver| driver.names[0]).collect::<Vec<_>>(), ["default"]);
        let ipmi = configuration.ipmi().unwrap();
        assert_eq!((ipmi.timeout, ipmi.retry_max), (Duration::from_secs(5), 3));
        let pacemaker = configuration.pacemaker("ctl1");
        assert_eq!(pacemaker.node_type, NodeType::Autodetect);
        assert_eq!(pacemaker.stonith_wait, Duration::from_secs(30));
        // As kolla-ansible writes it.
        let kolla = "[host]\nrestrict_to_remotes = true\ndisable_ipmi_check = true\npacemaker_node_type = remote\n\
            corosync_multicast_interfaces = eth0\ncorosync_multicast_ports = 5405\n";
        let configuration = Configuration::of_text(kolla);
        assert!(configuration.ipmi().is_none() && configuration.pacemaker("c").remotes_only);
        assert_eq!(configuration.pacemaker("c").node_type, NodeType::Remote);
    }

    #[test]
    fn what_makes_no_sense_of_drivers_and_rule_is_refused_by_its_option() {
        let told = |text: &str| {
            let configuration = Configuration::of_text(&format!("[host]\n{text}\n"));
            configuration.drivers(DRIVERS).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(told("monitoring_driver = pacemaker, default"), "");
        for (text, said) in [
            ("monitoring_driver = ,", "[host] monitoring_driver is empty"),
            (
                "monitoring_driver = heartbeat",
                "\"heartbeat\" is no driver: there are default, pacemaker",
            ),
            ("monitoring_rule = 2", "[host] monitoring_rule = 2, but there are 1 drivers"),
            ("monitoring_rule = most", "is none of: all, any, a number"),
            ("monitoring_rule = 0", "is none of: all, any, a number"),
        ] {
            assert!(told(text).contains(said), "{text}: {}", told(text));
        }
    }
}
