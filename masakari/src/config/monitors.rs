//! `[api]`, `[callback]`, `[libvirt]`, `[introspectiveinstancemonitor]`, `[process]`: what a monitor is, whom it watches, and how it
//! reports.

use super::Configuration;
use crate::monitor_role::Role;
use anyhow::anyhow;
use monitor::{
    SendingConfig,
    guests::{Asking, Commands, GuestsConfig, Patience},
    processes::{Bus, Limits, ProcessesConfig},
};
use openstack::{AuthConfig, Interface};
use oslo::Secret;
use ports::HttpClientConfig;
use std::{path::PathBuf, time::Duration};

/// In the folder of each monitor: who connects is told how it stands.
pub(crate) const STATUS_SOCKET: &str = "status.sock";
const GUESTS: &str = "introspectiveinstancemonitor";
const SOCKETS: &str = "qemu_guest_agent_sock_path";
const COMMANDS: &str = "guest_monitoring_commands";

/// How a monitor comes to Masakari.
#[derive(Debug)]
pub(crate) enum Access {
    Keystone(Box<AuthConfig>),
    /// `auth_type = none`: its URL.
    Endpoint(String),
}

impl Configuration {
    /// This host, as Masakari calls it.
    pub(crate) fn monitored_host(&self, machine: &str) -> String {
        // `host` is what `hostname` was called before.
        let named = self.default_text("hostname").or_else(|| self.default_text("host"));
        named.unwrap_or_else(|| machine.to_owned())
    }

    pub(crate) fn libvirt_uri(&self) -> String {
        self.text("libvirt", "connection_uri").unwrap_or_default()
    }

    /// How VMs' events are sent.
    pub(crate) fn callback(&self) -> SendingConfig {
        let number = |name| self.values.get::<u32>("callback", name);
        let interval = Duration::from_secs(number("retry_interval").into());
        SendingConfig::of_python(number("retry_max"), interval)
    }

    /// The monitors that are wanted in one process.
    pub(crate) fn watched(&self, roles: &'static [Role]) -> anyhow::Result<Vec<&'static Role>> {
        let wanted = self.values.get::<Vec<String>>("monitor", "watch");
        let known = || roles.iter().map(|role| role.name).collect::<Vec<_>>().join(", ");
        if wanted.is_empty() {
            return Err(self.wrong(
                "monitor",
                "watch",
                format!("is empty: nothing of {}", known()),
            ));
        }
        if let Some(word) = wanted.iter().find(|word| roles.iter().all(|role| role.name != **word))
        {
            let what = format!("= {word:?} is watched by nobody: {} are", known());
            return Err(self.wrong("monitor", "watch", what));
        }
        Ok(roles.iter().filter(|role| wanted.iter().any(|word| word == role.name)).collect())
    }

    /// How long an announced stop is no failure, and after how long without one it is ended.
    pub(crate) fn announcing(&self) -> (Duration, Duration) {
        (self.agent_seconds("announce_for"), self.agent_seconds("back_after"))
    }

    /// How long nova-compute waits for an answer of ours before it starts without one.
    pub(crate) fn answer_wait(&self) -> Duration {
        self.agent_seconds("answer_wait")
    }

    fn agent_seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.values.get::<u32>("agent", name).into())
    }

    /// How failed processes are sent.
    pub(crate) fn process_reports(&self) -> SendingConfig {
        SendingConfig::of_python(0, self.process_s("api_retry_interval", 0))
    }

    /// Whose systemd has the units that are watched.
    pub(crate) fn units_bus(&self) -> Bus {
        match self.text("process", "systemd").as_deref() {
            Some("user") => Bus::User,
            Some(_) | None => Bus::System,
        }
    }

    /// How processes are watched; `as_root`: the words before a command that is to be run as root.
    pub(crate) fn processes(&self, hostname: String, as_root: Vec<String>) -> ProcessesConfig {
        let check_interval = self.process_s("check_interval", 1);
        let number = |name| u64::try_from(self.values.get::<i64>("process", name)).unwrap_or(0);
        let flap_restarts = usize::try_from(number("flap_restarts")).unwrap_or(usize::MAX);
        ProcessesConfig {
            hostname,
            list_path: self.text("process", "process_list_path").unwrap_or_default().into(),
            systemctl: self.units_bus().systemctl().to_owned(),
            as_root,
            check_interval,
            deadline: self.process_s("command_timeout", 1),
            limits: Limits {
                retries: u32::try_from(number("restart_retries")).unwrap_or(u32::MAX),
                interval: self.process_s("restart_interval", 0),
                settle: check_interval,
                flap_restarts: if flap_restarts == 0 { usize::MAX } else { flap_restarts },
                flap_window: self.process_s("flap_window", 1),
            },
        }
    }

    /// Seconds of `[process]`. Python takes any number; less than `least` would be a loop without a pause.
    fn process_s(&self, name: &str, least: u64) -> Duration {
        let seconds = u64::try_from(self.values.get::<i64>("process", name)).unwrap_or(0);
        Duration::from_secs(seconds.max(least))
    }

    /// How guests are watched on the host called `hostname`.
    pub(crate) fn guests(&self, hostname: String) -> anyhow::Result<(GuestsConfig, Asking)> {
        let number = |name| self.values.get::<u32>(GUESTS, name);
        let seconds = |name| Duration::from_secs(number(name).into());
        let pattern = self.text(GUESTS, SOCKETS).unwrap_or_default();
        let names: Vec<String> = self.values.get(GUESTS, COMMANDS);
        let asking = Asking {
            socket: pattern.parse().map_err(|error| {
                let hint = "it is a regular expression as Python's, without its look-around and back-references";
                self.wrong(GUESTS, SOCKETS, format!("= {pattern:?} cannot be read ({error}); {hint}"))
            })?,
            patience: seconds("guest_monitoring_timeout"),
            commands: Commands::named(&names).map_err(|why| self.wrong(GUESTS, COMMANDS, why))?,
        };
        let patience = Patience {
            threshold: number("guest_monitoring_failure_threshold"),
            shutdown: seconds("guest_shutdown_timeout"),
        };
        let interval = seconds("guest_monitoring_interval");
        Ok((GuestsConfig { hostname, interval, patience }, asking))
    }

    /// Where the monitor called `program` keeps what must outlive it.
    pub(crate) fn monitor_folder(&self, program: &str) -> PathBuf {
        PathBuf::from(self.default_text("state_path").unwrap_or_default()).join(program)
    }

    pub(crate) fn masakari_interface(&self) -> anyhow::Result<Interface> {
        let word = self.text("api", "api_interface").unwrap_or_default();
        Interface::from_word(&word).ok_or_else(|| {
            self.wrong(
                "api",
                "api_interface",
                format!("= {word:?} is not public, internal or admin"),
            )
        })
    }

    pub(crate) fn masakari_http(&self) -> HttpClientConfig {
        HttpClientConfig {
            ca_file: self.text("api", "cafile").map(PathBuf::from),
            insecure: self.values.get("api", "insecure"),
            connect_timeout: Duration::from_secs(5),
            ..HttpClientConfig::default()
        }
    }

    pub(crate) fn masakari_access(&self) -> anyhow::Result<Access> {
        let text = |name| self.text("api", name);
        let secret = |name| self.values.get::<Option<Secret>>("api", name);
        let auth_type = text("auth_type").unwrap_or_default();
        if auth_type == "none" {
            let missing = || {
                anyhow!(
                    "[api] endpoint is not set: where is Masakari, if auth_type is none? \
                         http://127.0.0.1:15868/v1 for example"
                )
            };
            return text("endpoint").map(Access::Endpoint).ok_or_else(missing);
        }
        let with_credential = auth_type == "v3applicationcredential";
        if with_credential && secret("application_credential_secret").is_none() {
            return Err(anyhow!(
                "[api] application_credential_secret is not set, and auth_type asks for it"
            ));
        }
        Ok(Access::Keystone(Box::new(AuthConfig {
            auth_url: text("auth_url").ok_or_else(|| {
                anyhow!(
                    "[api] auth_url is not set: where is the Keystone at which monitors log in? \
                         (for a Masakari without Keystone: [api] auth_type = none and endpoint)"
                )
            })?,
            username: text("username"),
            user_id: text("user_id"),
            password: secret("password").unwrap_or_default(),
            user_domain_name: text("user_domain_name"),
            user_domain_id: text("user_domain_id"),
            project_name: text("project_name"),
            project_id: text("project_id"),
            project_domain_name: text("project_domain_name"),
            project_domain_id: text("project_domain_id"),
            default_domain_name: text("default_domain_name"),
            default_domain_id: text("default_domain_id"),
            domain_name: text("domain_name"),
            domain_id: text("domain_id"),
            system_scope: text("system_scope"),
            application_credential_id: text("application_credential_id"),
            application_credential_name: text("application_credential_name"),
            application_credential_secret: secret("application_credential_secret")
                .filter(|_| with_credential),
            region_name: text("region"),
            interface: self.masakari_interface()?,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_pythons_monitors_means_the_same() {
        // As kolla-ansible writes it.
        let file = "[DEFAULT]\nhostname = cmp1\n[api]\nregion = R1\nauth_url = http://k:5000\n\
            user_domain_id = default\nproject_name = service\nproject_domain_id = default\n\
            username = masakari\npassword = hush\ncafile = /ca.pem\napi_interface = internal\n\
            [libvirt]\nconnection_uri = qemu+tcp://10.0.0.1/system\n[callback]\nretry_max = 3\n";
        let configuration = Configuration::of_text(file);
        assert_eq!(configuration.monitored_host("machine"), "cmp1");
        assert_eq!(configuration.libvirt_uri(), "qemu+tcp://10.0.0.1/system");
        assert_eq!(configuration.callback().limits.patience, Duration::from_secs(30));
        assert_eq!(configuration.masakari_http().ca_file, Some("/ca.pem".into()));
        let Access::Keystone(auth) = configuration.masakari_access().unwrap() else { panic!() };
        assert_eq!(
            (auth.username.as_deref(), auth.region_name.as_deref()),
            (Some("masakari"), Some("R1"))
        );
        assert_eq!((auth.password.expose(), auth.interface), ("hush", Interface::Internal));
    }

    #[test]
    fn who_sets_nothing_has_pythons_defaults() {
        let configuration = Configuration::of_text("[api]\nauth_url = http://k:5000\n");
        assert_eq!(configuration.monitored_host("machine"), "machine");
        assert_eq!(configuration.libvirt_uri(), "qemu:///system");
        assert_eq!(configuration.callback().limits.patience, Duration::from_secs(120));
        let Access::Keystone(auth) = configuration.masakari_access().unwrap() else { panic!() };
        assert_eq!(
            (auth.region_name.as_deref(), auth.interface),
            (Some("RegionOne"), Interface::Public)
        );
    }

    #[test]
    fn processes_are_watched_as_pythons_options_say() {
        let processes = |file| Configuration::of_text(file).processes("cmp1".into(), Vec::new());
        let config = processes("");
        assert_eq!(config.list_path, PathBuf::from("/etc/masakarimonitors/process_list.yaml"));
        assert_eq!(config.check_interval, Duration::from_secs(5));
        assert_eq!((config.limits.retries, config.limits.interval), (3, Duration::from_secs(5)));
        // As openstack-ansible writes it, and what would make Python's spin.
        let config = processes(
            "[process]\ncheck_interval = 0\nrestart_retries = 2\nrestart_interval = 0\nflap_restarts = 0\n\
             process_list_path = /etc/list.yaml\n",
        );
        assert_eq!(config.check_interval, Duration::from_secs(1));
        assert_eq!((config.limits.retries, config.limits.interval), (2, Duration::ZERO));
        assert_eq!(config.limits.flap_restarts, usize::MAX);
        assert_eq!(config.list_path, PathBuf::from("/etc/list.yaml"));
        assert_eq!(config.systemctl, "systemctl");
        assert_eq!(processes("[process]\nsystemd = user\n").systemctl, "systemctl --user");
    }

    #[test]
    fn without_keystone_the_endpoint_says_where_masakari_is() {
        let none = "[api]\nauth_type = none\nendpoint = http://127.0.0.1:15868/v1\n";
        let access = Configuration::of_text(none).masakari_access().unwrap();
        assert!(matches!(access, Access::Endpoint(url) if url == "http://127.0.0.1:15868/v1"));
        for (file, option) in [
            ("[api]\nauth_type = none\n", "endpoint"),
            ("", "auth_url"),
            ("[api]\nauth_type = v3applicationcredential\n", "application_credential_secret"),
        ] {
            let error = Configuration::of_text(file).masakari_access().unwrap_err().to_string();
            assert!(error.starts_with(&format!("[api] {option} is not set")), "{error}");
        }
    }

    #[test]
    fn guests_are_watched_by_pythons_options_and_defaults() {
        let (config, asking) = Configuration::of_text("").guests("cmp1".into()).unwrap();
        let expected = Patience { threshold: 3, shutdown: Duration::from_secs(75) };
        assert_eq!((config.interval, config.patience), (Duration::from_secs(10), expected));
        assert_eq!(asking.patience, Duration::from_secs(2));
        // As Nova names it.
        let socket = "/var/lib/libvirt/qemu/org.qemu.guest_agent.0.instance-00000004.sock";
        assert!(asking.socket.is_match(socket));
        assert!(!asking.socket.is_match("/var/lib/libvirt/qemu/other.instance-00000004.sock"));

        let file = "[introspectiveinstancemonitor]\nguest_monitoring_interval = 30\n\
            guest_monitoring_timeout = 4\nguest_monitoring_failure_threshold = 5\n\
            guest_shutdown_timeout = 200\nqemu_guest_agent_sock_path = /run/ga\\..*\n\
            guest_monitoring_commands = guest-get-fsinfo,guest-info\n";
        let (config, asking) = Configuration::of_text(file).guests("cmp1".into()).unwrap();
        let expected = Patience { threshold: 5, shutdown: Duration::from_secs(200) };
        assert_eq!((config.interval, config.patience), (Duration::from_secs(30), expected));
        assert_eq!(
            (asking.patience, asking.socket.as_str()),
            (Duration::from_secs(4), r"/run/ga\..*")
        );
        let names = ["guest-get-fsinfo", "guest-info"].map(str::to_owned);
        assert_eq!(asking.commands, Commands::named(&names).unwrap());
    }

    #[test]
    fn what_no_guest_can_be_asked_by_is_refused_by_its_option() {
        for (line, said) in [
            ("guest_monitoring_commands = guest-exec", "guest-get-fsinfo"),
            ("qemu_guest_agent_sock_path = /a(?!b)", "look-around"),
        ] {
            let file = format!("[introspectiveinstancemonitor]\n{line}\n");
            let error = Configuration::of_text(&file).guests("cmp1".into()).unwrap_err();
            let option = line.split(' ').next().unwrap();
            let told = error.to_string();
            assert!(told.contains(option) && told.contains(said), "{told}");
        }
    }
}
