//! What `/healthcheck` looks at before it says that this process may be asked, and whom it tells:
//! `[healthcheck]`, as oslo.middleware has it.

use http::HeaderMap;
use ipnet::IpNet;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// `[healthcheck]`, or what `api-paste.ini` says of it.
#[derive(Clone, Debug)]
pub struct Healthcheck {
    /// Says more about this process.
    pub detailed: bool,
    /// What is looked at, in the order in which it is told.
    pub backends: Vec<HealthBackend>,
    /// While this file exists, a load balancer shall look elsewhere.
    pub disable_by_file_path: Option<PathBuf>,
    /// The same for an API on that port.
    pub disable_by_file_paths: Vec<(u16, PathBuf)>,
    /// While one of these does not exist, a load balancer shall look elsewhere.
    pub enable_by_file_paths: Vec<PathBuf>,
    /// Whoever comes from elsewhere finds nothing here; with none, everybody is told.
    pub allowed_source_ranges: Vec<IpNet>,
    /// Whether those who come through a proxy find nothing here.
    pub ignore_proxied_requests: bool,
    /// Where this API listens.
    pub port: u16,
}

/// What the health check can look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HealthBackend {
    DisableByFile,
    DisableByFilesPorts,
    EnableByFiles,
}

impl HealthBackend {
    pub const ALL: &[Self] = &[Self::DisableByFile, Self::DisableByFilesPorts, Self::EnableByFiles];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DisableByFile => "disable_by_file",
            Self::DisableByFilesPorts => "disable_by_files_ports",
            Self::EnableByFiles => "enable_by_files",
        }
    }
}

impl Default for Healthcheck {
    /// What the `api-paste.ini` that Masakari ships says.
    fn default() -> Self {
        Self {
            detailed: false,
            backends: vec![HealthBackend::DisableByFile],
            disable_by_file_path: Some("/etc/masakari/healthcheck_disable".into()),
            disable_by_file_paths: Vec::new(),
            enable_by_file_paths: Vec::new(),
            allowed_source_ranges: Vec::new(),
            ignore_proxied_requests: false,
            port: 15868,
        }
    }
}

/// What one look found.
pub(crate) struct Finding {
    pub(crate) healthy: bool,
    pub(crate) reason: &'static str,
    pub(crate) details: String,
}

/// Headers by which a proxy tells that it is one.
const OF_PROXIES: [&str; 5] = [
    "x-forwarded",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-for",
    "x-forwarded-prefix",
];

impl Healthcheck {
    /// Whether who asks is told anything. `from` is nobody where there is no socket.
    pub(crate) fn tells(&self, from: Option<IpAddr>, headers: &HeaderMap) -> bool {
        let known = |from: IpAddr| {
            self.allowed_source_ranges.iter().any(|range| range.contains(&from.to_canonical()))
        };
        let said = |name: &str| headers.get(name).is_some_and(|value| !value.is_empty());
        let allowed = self.allowed_source_ranges.is_empty() || from.is_some_and(known);
        allowed && !(self.ignore_proxied_requests && OF_PROXIES.into_iter().any(said))
    }

    pub(crate) fn look(&self) -> Vec<Finding> {
        let look = |backend: &HealthBackend| match backend {
            HealthBackend::DisableByFile => by_file(self.disable_by_file_path.as_deref()),
            HealthBackend::DisableByFilesPorts => {
                let mut paths = self.disable_by_file_paths.iter().rev();
                let path = paths.find(|(port, _)| *port == self.port).map(|(_, path)| path);
                if path.is_some_and(|path| path.exists()) {
                    disabled(String::new())
                } else {
                    fine(String::new())
                }
            }
            HealthBackend::EnableByFiles => by_files(&self.enable_by_file_paths),
        };
        self.backends.iter().map(look).collect()
    }
}

fn by_file(file: Option<&Path>) -> Finding {
    match file {
        Some(file) if file.exists() => disabled(format!("Path '{}' was found", file.display())),
        Some(file) => fine(format!("Path '{}' was not found", file.display())),
        None => fine("No 'disable_by_file_path' configuration value specified".into()),
    }
}

fn by_files(files: &[PathBuf]) -> Finding {
    match files.iter().find(|file| !file.exists()) {
        None => fine("Specified file paths are available".into()),
        Some(file) => Finding {
            healthy: false,
            reason: "FILE PATH MISSING",
            details: format!("File path {} is missing", file.display()),
        },
    }
}

fn fine(details: String) -> Finding {
    Finding { healthy: true, reason: "OK", details }
}

fn disabled(details: String) -> Finding {
    Finding { healthy: false, reason: "DISABLED BY FILE", details }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn who_comes_from_elsewhere_or_through_a_proxy_is_told_nothing_if_the_operator_wants_that() {
        let ours = Healthcheck {
            allowed_source_ranges: vec!["10.0.0.0/8".parse().unwrap()],
            ignore_proxied_requests: true,
            ..Healthcheck::default()
        };
        let address = |text: &str| Some(text.parse().unwrap());
        let direct = HeaderMap::new();
        let proxied: HeaderMap =
            [(http::HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static("x"))]
                .into_iter()
                .collect();
        assert!(ours.tells(address("10.1.2.3"), &direct));
        assert!(ours.tells(address("::ffff:10.1.2.3"), &direct));
        assert!(!ours.tells(address("10.1.2.3"), &proxied));
        assert!(!ours.tells(address("192.0.2.1"), &direct));
        assert!(!ours.tells(address("2001:db8::1"), &direct));
        assert!(!ours.tells(None, &direct));
        assert!(Healthcheck::default().tells(None, &proxied));
    }

    #[test]
    fn a_file_for_another_port_disables_nothing() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut ours = Healthcheck {
            backends: vec![HealthBackend::DisableByFilesPorts],
            disable_by_file_paths: vec![(1, here.clone())],
            ..Healthcheck::default()
        };
        assert!(ours.look()[0].healthy);
        ours.disable_by_file_paths.push((ours.port, here));
        assert!(!ours.look()[0].healthy);
    }
}
