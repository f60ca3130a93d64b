//! `[lease]`: the etcd, the times, and the watchdog.

use super::Configuration;
use anyhow::Context;
use monitor::lease::{Device, Etcd, etcd::Login, watchdog::Allowed};
use oslo::Secret;
use ports::{HttpClient, HttpClientConfig, IdentityFiles};
use recovery::deadman::Times;
use std::{path::PathBuf, sync::Arc, time::Duration};
use url::Url;

const GROUP: &str = "lease";
/// A member that does not take a connection is left for another in good time.
const CONNECT_MOST: Duration = Duration::from_secs(1);

impl Configuration {
    /// The etcd in which leases lie.
    pub(crate) fn lease_etcd(&self) -> anyhow::Result<Etcd> {
        let endpoints = self.values.get::<Vec<String>>(GROUP, "endpoints");
        if endpoints.is_empty() {
            return Err(self.wrong(GROUP, "endpoints", "is empty: where is etcd?"));
        }
        let members: anyhow::Result<Vec<Url>> =
            endpoints.iter().map(|endpoint| self.member(endpoint)).collect();
        let login = self.text(GROUP, "username").map(|name| {
            let password = self.values.get::<Option<Secret>>(GROUP, "password").unwrap_or_default();
            Login { name, password: password.expose().to_owned() }
        });
        let http = HttpClient::new(&self.lease_http()?)
            .context("[lease] cafile, certfile and keyfile are of no use")?;
        Ok(Etcd::new(members?, login, Arc::new(http)))
    }

    fn member(&self, endpoint: &str) -> anyhow::Result<Url> {
        let hint = "is no URL of a member of etcd: https://10.0.0.1:2379 is one";
        let wrong = || self.wrong(GROUP, "endpoints", format!("{endpoint:?} {hint}"));
        let url: Url = endpoint.parse().map_err(|_| wrong())?;
        let is_well = matches!(url.scheme(), "http" | "https") && url.path() == "/";
        if is_well { Ok(url) } else { Err(wrong()) }
    }

    fn lease_http(&self) -> anyhow::Result<HttpClientConfig> {
        let file = |name| self.text(GROUP, name).map(PathBuf::from);
        let identity = match (file("certfile"), file("keyfile")) {
            (Some(cert_file), Some(key_file)) => Some(IdentityFiles { cert_file, key_file }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(self.wrong(GROUP, "keyfile", "is missing beside certfile"));
            }
            (None, Some(_)) => {
                return Err(self.wrong(GROUP, "certfile", "is missing beside keyfile"));
            }
        };
        Ok(HttpClientConfig {
            ca_file: file("cafile"),
            insecure: false,
            connect_timeout: CONNECT_MOST,
            identity,
        })
    }

    pub(crate) fn lease_prefix(&self) -> String {
        self.text(GROUP, "prefix").unwrap_or_default()
    }

    /// The times of this host.
    pub(crate) fn lease_times(&self) -> anyhow::Result<Times> {
        let ms = |name| self.values.get::<u64>(GROUP, name).saturating_mul(1_000);
        Times::new(ms("renew_every"), ms("term"), ms("watchdog_timeout"))
            .map_err(|unfit| self.wrong(GROUP, "term", format!("does not fit: {unfit}")))
    }

    /// What a host takes to boot, at the least.
    pub(crate) fn lease_boots_in(&self) -> Duration {
        Duration::from_secs(self.values.get(GROUP, "boots_in"))
    }

    pub(crate) fn lease_watchdog(&self) -> Device {
        let path = self.text(GROUP, "watchdog").unwrap_or_default();
        let software = self.values.get(GROUP, "software_watchdog");
        let way_out = self.values.get(GROUP, "way_out");
        Device::new(path.into(), Allowed { software, way_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_the_wait_is_44_seconds() {
        let times = Configuration::of_text("").lease_times().unwrap();
        assert_eq!(
            (times.term_ms(), times.watchdog_ms(), times.proof_ms()),
            (20_000, 10_000, 43_313)
        );
        assert!(Configuration::of_text("").lease_etcd().is_ok());
    }

    #[test]
    fn what_would_reset_hosts_for_nothing_is_refused_by_its_option() {
        for (lines, said) in [
            ("term = 7", "[lease] term does not fit: a term of 7000 ms has no room"),
            ("endpoints =", "[lease] endpoints is empty"),
            ("endpoints = etcd1:2379", "is no URL of a member"),
            ("endpoints = https://etcd1:2379/v3", "is no URL of a member"),
            ("certfile = /c.pem", "[lease] keyfile is missing"),
            (
                "certfile = /nowhere/c.pem\nkeyfile = /nowhere/k.pem",
                "certfile and keyfile are of no use",
            ),
        ] {
            let configuration = Configuration::of_text(&format!("[lease]\n{lines}\n"));
            let etcd = configuration.lease_etcd().map(drop);
            let told = etcd.and_then(|_| configuration.lease_times().map(drop)).unwrap_err();
            assert!(format!("{told:#}").contains(said), "{told:#}");
        }
    }
}
