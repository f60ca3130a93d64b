//! From options to each room's settings.

use super::Configuration;
use anyhow::anyhow;
use fence::{FencingFile, file::FileError};
use openstack::{AuthConfig, Interface, NovaConfig};
use oslo::{Secret, config::Place};
use ports::HttpClientConfig;
use recovery::{
    due::Limits, evidence::Require, plan::Selection, priority::Keys, process, quarantine, restart,
    returns, tiers,
};
use std::{
    fmt::{self, Display},
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

/// A value that makes no sense to the room that reads it.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) place: Option<Place>,
    pub(super) what: String,
}

impl std::error::Error for Wrong {}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Configuration {
    pub(super) fn text(&self, group: &str, name: &str) -> Option<String> {
        self.values.get::<Option<String>>(group, name).filter(|text| !text.is_empty())
    }

    pub(super) fn default_text(&self, name: &str) -> Option<String> {
        self.text("DEFAULT", name)
    }

    fn ms(&self, name: &str) -> i64 {
        self.values.get::<i64>("DEFAULT", name).saturating_mul(1000)
    }

    /// What is wrong with an option, with where it was written.
    pub(super) fn wrong(&self, group: &str, name: &str, what: impl Display) -> anyhow::Error {
        let place = self.values.place(group, name).cloned();
        anyhow::Error::new(Wrong { place, what: format!("[{group}] {name} {what}") })
    }

    /// The same of the `nth` line of an option that may be repeated.
    pub(super) fn wrong_nth(
        &self,
        group: &str,
        name: &str,
        nth: usize,
        what: impl Display,
    ) -> anyhow::Error {
        let place = self.values.places(group, name).get(nth).cloned();
        anyhow::Error::new(Wrong { place, what: format!("[{group}] {name} {what}") })
    }

    pub(crate) fn listen(&self) -> anyhow::Result<SocketAddr> {
        let name = "masakari_api_listen";
        let address = self.default_text(name).unwrap_or_default();
        let port: u16 = self.values.get("DEFAULT", "masakari_api_listen_port");
        let unknown = |why: &str| {
            self.wrong("DEFAULT", name, format!("= {address:?} is no address of this machine{why}"))
        };
        let found = (address.as_str(), port).to_socket_addrs();
        let mut found = found.map_err(|error| unknown(&format!(": {error}")))?;
        found.next().ok_or_else(|| unknown(""))
    }

    /// The user by which Nova is asked.
    pub(crate) fn service_user(&self) -> anyhow::Result<AuthConfig> {
        let auth_url = self
            .default_text("os_privileged_user_auth_url")
            .or_else(|| self.text("keystone_authtoken", "auth_url"))
            .ok_or_else(|| {
                anyhow!("[DEFAULT] os_privileged_user_auth_url is not set: where is Keystone?")
            })?;
        let password = self.values.get::<Option<Secret>>("DEFAULT", "os_privileged_user_password");
        Ok(AuthConfig {
            auth_url,
            username: self.default_text("os_privileged_user_name"),
            password: password.unwrap_or_default(),
            project_name: self.default_text("os_privileged_user_tenant"),
            user_domain_name: self.default_text("os_user_domain_name"),
            project_domain_name: self.default_text("os_project_domain_name"),
            system_scope: self.default_text("os_system_scope"),
            region_name: self.default_text("os_region_name"),
            interface: self.nova_catalog()?.2,
            ..AuthConfig::default()
        })
    }

    pub(crate) fn nova(&self) -> anyhow::Result<NovaConfig> {
        let (service_type, service_name, interface) = self.nova_catalog()?;
        let interface = Some(interface);
        Ok(NovaConfig { service_type, service_name, interface, ..NovaConfig::default() })
    }

    fn nova_catalog(&self) -> anyhow::Result<(String, Option<String>, Interface)> {
        let text = self.default_text("nova_catalog_admin_info").unwrap_or_default();
        let wrong = || {
            let what = "is not type:name:interface, such as compute:nova:publicURL";
            self.wrong("DEFAULT", "nova_catalog_admin_info", format!("= {text:?} {what}"))
        };
        let mut parts = text.split(':');
        let (Some(kind), Some(name), Some(interface), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let interface = Interface::from_word(interface).ok_or_else(wrong)?;
        Ok((kind.into(), (!name.is_empty()).then(|| name.into()), interface))
    }

    pub(crate) fn nova_http(&self) -> HttpClientConfig {
        HttpClientConfig {
            ca_file: self.default_text("nova_ca_certificates_file").map(PathBuf::from),
            insecure: self.values.get("DEFAULT", "nova_api_insecure"),
            connect_timeout: Duration::from_secs(5),
            ..HttpClientConfig::default()
        }
    }

    /// The user by which the API validates tokens.
    pub(crate) fn token_user(&self) -> anyhow::Result<AuthConfig> {
        let text = |name| self.text("keystone_authtoken", name);
        let secret = |name| self.values.get::<Option<Secret>>("keystone_authtoken", name);
        let interface = text("interface").unwrap_or_default();
        Ok(AuthConfig {
            auth_url: text("auth_url").or_else(|| text("www_authenticate_uri")).ok_or_else(
                || {
                    anyhow!(
                        "[keystone_authtoken] auth_url is not set: who shall validate tokens? (for \
                         a test without Keystone: [DEFAULT] auth_strategy = noauth2)"
                    )
                },
            )?,
            username: text("username"),
            password: secret("password").unwrap_or_default(),
            project_name: text("project_name"),
            user_domain_name: text("user_domain_name"),
            user_domain_id: text("user_domain_id"),
            project_domain_name: text("project_domain_name"),
            project_domain_id: text("project_domain_id"),
            user_id: text("user_id"),
            project_id: text("project_id"),
            default_domain_name: text("default_domain_name"),
            default_domain_id: text("default_domain_id"),
            domain_name: text("domain_name"),
            domain_id: text("domain_id"),
            system_scope: text("system_scope"),
            application_credential_name: text("application_credential_name"),
            application_credential_id: text("application_credential_id"),
            application_credential_secret: secret("application_credential_secret"),
            region_name: text("region_name"),
            interface: Interface::from_word(&interface).ok_or_else(|| {
                let what = format!("= {interface:?} is not public, internal or admin");
                self.wrong("keystone_authtoken", "interface", what)
            })?,
        })
    }

    pub(crate) fn token_http(&self) -> HttpClientConfig {
        HttpClientConfig {
            ca_file: self.text("keystone_authtoken", "cafile").map(PathBuf::from),
            insecure: self.values.get("keystone_authtoken", "insecure"),
            connect_timeout: self
                .values
                .get::<Option<u64>>("keystone_authtoken", "http_connect_timeout")
                .map_or(Duration::from_secs(5), Duration::from_secs),
            ..HttpClientConfig::default()
        }
    }

    pub(crate) fn token_cache(&self) -> Duration {
        let seconds: i64 = self.values.get("keystone_authtoken", "token_cache_time");
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    pub(crate) fn noauth(&self) -> bool {
        self.default_text("auth_strategy").as_deref() == Some("noauth2")
    }

    pub(crate) fn api(&self) -> anyhow::Result<api::Config> {
        let mut config = api::Config {
            osapi_max_limit: self.values.get("DEFAULT", "osapi_max_limit"),
            duplicate_notification_detection_interval_s: self
                .values
                .get("DEFAULT", "duplicate_notification_detection_interval"),
            osapi_masakari_link_prefix: self.default_text("osapi_masakari_link_prefix"),
            www_authenticate_uri: self
                .text("keystone_authtoken", "www_authenticate_uri")
                .or_else(|| self.text("keystone_authtoken", "auth_url")),
            ..api::Config::default()
        };
        self.set_http(&mut config)?;
        Ok(config)
    }

    /// Python's default is about its threads; only what an operator has set is a limit.
    fn threads(&self) -> Option<usize> {
        let name = "host_failure_recovery_threads";
        self.values.place("DEFAULT", name).map(|_| self.values.get("DEFAULT", name))
    }

    fn priority(&self) -> Keys {
        let key = |name| self.text("recovery", name).unwrap_or_default();
        Keys {
            metadata: key("priority_metadata_key"),
            flavor: key("priority_flavor_key"),
            image: key("priority_image_key"),
            aggregate: key("priority_aggregate_key"),
        }
    }

    /// Which VMs may be asked whether they are up.
    pub(crate) fn check_networks(&self) -> anyhow::Result<Vec<tiers::Network>> {
        let name = "check_networks";
        let texts = self.values.get::<Vec<String>>("recovery", name);
        tiers::networks(&texts).map_err(|text| {
            self.wrong("recovery", name, format!("= {text:?} is no network, such as 192.0.2.0/24"))
        })
    }

    fn tiers(&self) -> tiers::Rules {
        let key = |name| self.text("recovery", name).unwrap_or_default();
        tiers::Rules {
            on: self.values.get("recovery", "ordered_restart"),
            keys: Keys {
                metadata: key("tier_metadata_key"),
                flavor: key("tier_flavor_key"),
                image: key("tier_image_key"),
                aggregate: String::new(),
            },
            check_key: key("check_metadata_key"),
            // What is wrong there is told where the engine starts.
            networks: self.check_networks().unwrap_or_default(),
        }
    }

    fn returns(&self) -> returns::Rules {
        let of = "return";
        returns::Rules {
            automatic: self.values.get(of, "automatic"),
            probation_ms: self.values.get::<i64>(of, "probation") * 1000,
            flap_window_ms: self.values.get::<i64>(of, "flap_window") * 1000,
            flap_limit: self.values.get(of, "flap_limit"),
            refill: self.values.get(of, "refill_reserve"),
            power_on: self.values.get(of, "power_on"),
        }
    }

    /// The file of fence devices.
    pub(crate) fn fence_devices(&self) -> Option<PathBuf> {
        self.text("fencing", "devices_file").map(PathBuf::from)
    }

    /// What is in the file of fence devices.
    pub(crate) fn fencing_file(&self) -> anyhow::Result<Option<FencingFile>> {
        let Some(path) = self.fence_devices() else { return Ok(None) };
        let wrong = |error: FileError| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let what = format!("cannot be used: {error}{}", cause.unwrap_or_default());
            self.wrong("fencing", "devices_file", what)
        };
        FencingFile::read(&path).map(Some).map_err(wrong)
    }

    /// How often a host that lives reports to Nova.
    pub(crate) fn report_interval(&self) -> Duration {
        Duration::from_secs(self.values.get("fencing", "report_interval"))
    }

    /// How often it is looked whether each host could be fenced.
    pub(crate) fn check_interval(&self) -> Option<Duration> {
        let every = Duration::from_secs(self.values.get("fencing", "check_interval"));
        (!every.is_zero()).then_some(every)
    }

    fn require(&self) -> Require {
        match self.text("fencing", "require").as_deref() {
            Some("proven") => Require::Proven,
            Some(_) | None => Require::Monitor,
        }
    }

    pub(crate) fn engine(&self, machine: &str) -> anyhow::Result<engine::Config> {
        let name = self.default_text("host").unwrap_or_else(|| machine.to_owned());
        let yes = |name| self.values.get("host_failure", name);
        let owners = self.owners()?;
        Ok(engine::Config {
            name: format!("{name}:{}", std::process::id()),
            lease_term: Duration::from_secs(self.values.get("ha", "lease_seconds")),
            calls_most: self.values.get("ha", "nova_calls"),
            require: self.require(),
            guard: self.guard(),
            approval: self.approval()?,
            selection: Selection {
                ha_key: self
                    .text("host_failure", "ha_enabled_instance_metadata_key")
                    .unwrap_or_default(),
                evacuate_all: yes("evacuate_all_instances"),
                ignore_error: yes("ignore_instances_in_error_state"),
                owners: owners.clone(),
            },
            disable_reason: self.text("host_failure", "service_disable_reason").unwrap_or_default(),
            reserved_into_aggregates: yes("add_reserved_host_to_aggregate"),
            within_segment: self.values.get("recovery", "auto_within_segment"),
            priority: self.priority(),
            tiers: self.tiers(),
            limits: Limits {
                arrival_ms: self.ms("wait_period_after_evacuation"),
                stop_ms: self.ms("wait_period_after_power_off"),
                expiry_ms: self.ms("notifications_expired_interval"),
                on_their_way: self.threads(),
                tiers: tiers::Limits {
                    tier_ms: self.values.get::<i64>("recovery", "tier_timeout_s") * 1000,
                    start_ms: self.ms("wait_period_after_power_on"),
                    ..tiers::Limits::default()
                },
                capacity_wait_ms: self.values.get::<i64>("recovery", "capacity_wait") * 1000,
                ..Limits::default()
            },
            quarantine: quarantine::Rule {
                deaths: self.values.get("recovery", "quarantine_deaths"),
                window_ms: self.values.get::<i64>("recovery", "quarantine_window") * 1000,
            },
            restart: restart::Rules {
                ha_key: self
                    .text("instance_failure", "ha_enabled_instance_metadata_key")
                    .unwrap_or_default(),
                all: self.values.get("instance_failure", "process_all_instances"),
                restarts_most: self.values.get("recovery", "instance_restart_limit"),
                window_ms: self.values.get::<i64>("recovery", "instance_restart_window") * 1000,
                owners,
            },
            restart_limits: restart::Limits {
                stop_ms: self.ms("wait_period_after_power_off"),
                start_ms: self.ms("wait_period_after_power_on"),
                expiry_ms: self.ms("notifications_expired_interval"),
                ..restart::Limits::default()
            },
            process_disable_reason: self
                .text("process_failure", "service_disable_reason")
                .unwrap_or_default(),
            process_limits: process::Limits {
                confirm_ms: self.ms("wait_period_after_service_update"),
                expiry_ms: self.ms("notifications_expired_interval"),
                ..process::Limits::default()
            },
            returns: Some(self.returns()),
            steps: self.steps()?,
            ..engine::Config::default()
        })
    }
}
