//! `masakari config check` of the monitors' file: what no single option tells.

use super::{Configuration, Told, contradictions::told, options};
use crate::monitor_role::{DRIVERS, Driver, ROLES};
use oslo::config::{Severity, Standing};
use ports::HttpClient;

impl Configuration {
    pub(super) fn contradictions_of_monitors(&self) -> Vec<Told> {
        let mut told = self.mistakes_of_monitors();
        told.extend(self.of_another_file());
        told.extend(self.pointless_for_monitors());
        told.extend(self.half_set());
        told
    }

    /// What keeps a monitor from starting.
    fn mistakes_of_monitors(&self) -> Vec<Told> {
        let mut errors = self.log_mistakes();
        let access = [
            self.masakari_access().map(drop),
            self.watched(ROLES).map(drop),
            self.drivers(DRIVERS).map(drop),
            self.hosts(String::new()).map(drop),
            self.guests(String::new()).map(drop),
            self.consul_if_wanted(),
        ];
        errors.extend(access.into_iter().filter_map(Result::err));
        if let Err(error) = HttpClient::new(&self.masakari_http()) {
            let causes = anyhow::Error::new(error);
            errors.push(self.wrong("api", "cafile", format!("is of no use: {causes:#}")));
        }
        errors.extend(self.libvirt_mistake());
        let mut told: Vec<Told> = errors.into_iter().map(told).collect();
        // A login asks for the interface, too.
        told.dedup_by(|a, b| a.what == b.what);
        told
    }

    /// Its matrix is a file of this folder's kind; a kubeconfig may lie only where the monitor runs.
    fn consul_if_wanted(&self) -> anyhow::Result<()> {
        let is_consul = |driver: &Driver| driver.names.contains(&"consul");
        // A driver that there is not has been told.
        let wanted = self.drivers(DRIVERS).unwrap_or_default();
        if wanted.iter().any(|driver| is_consul(driver)) { self.consul().map(drop) } else { Ok(()) }
    }

    /// A URI has a scheme; a path of a socket has none.
    fn libvirt_mistake(&self) -> Option<anyhow::Error> {
        let uri = self.libvirt_uri();
        let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let well = !scheme.is_empty() && scheme.chars().all(is_scheme);
        let what = format!(
            "= {uri:?} is no URI: qemu:///system is the libvirt of this host, \
             qemu+unix:///system?socket=/path another socket of it"
        );
        (!well).then(|| self.wrong("libvirt", "connection_uri", what))
    }

    /// Set, known, and read by no monitor.
    fn of_another_file(&self) -> Vec<Told> {
        let all = options::TABLES.iter().copied().flatten();
        let others = all.filter(|opt| {
            // What has no effect anywhere says so itself.
            !matches!(opt.standing, Standing::Ignored(_)) && !options::is_of_monitors(opt)
        });
        let set = others.filter(|opt| self.values.place(opt.group, opt.name).is_some());
        let what = "is read by no monitor: it belongs into masakari.conf";
        set.map(|opt| self.warning(opt.group, opt.name, what)).collect()
    }

    /// Set, and without effect because of another option.
    fn pointless_for_monitors(&self) -> Vec<Told> {
        let mut told = Vec::new();
        let mut unless = |needed: bool, names: &[&str], why: &str| {
            let set = names.iter().filter(|name| self.values.place("api", name).is_some());
            told.extend(set.filter(|_| !needed).map(|name| self.warning("api", name, why)));
        };
        let auth_type = self.text("api", "auth_type").unwrap_or_default();
        let has = |name: &str| self.values.place("api", name).is_some();
        unless(
            auth_type != "none",
            &["auth_url", "username", "password", "project_name", "region"],
            "has no effect while auth_type = none: nobody logs in",
        );
        unless(auth_type == "none", &["endpoint"], "has no effect unless auth_type = none");
        unless(
            auth_type != "v3applicationcredential",
            &["password", "project_name", "domain_name", "system_scope"],
            "has no effect beside an application credential",
        );
        unless(
            auth_type == "v3applicationcredential",
            &["application_credential_id", "application_credential_secret"],
            "has no effect unless auth_type = v3applicationcredential",
        );
        unless(
            !has("system_scope"),
            &["project_name", "project_id"],
            "has no effect beside system_scope",
        );
        if self.values.get::<bool>("api", "insecure") {
            told.push(self.insecure());
        }
        told
    }

    fn insecure(&self) -> Told {
        let why = "trusts anybody as Keystone, which is told the password; name the authority in cafile instead";
        Told { severity: Severity::Warning, ..self.warning("api", "insecure", why) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Reader;
    use oslo::config::Source;

    const LOGIN: &str = "[api]\nauth_url = http://k:5000\nusername = m\npassword = p\n";

    fn told(text: &str) -> Vec<String> {
        let file = Source::File { path: "masakarimonitors.conf".into(), text: text.to_owned() };
        let told = Configuration::examine_sources(&[file], Vec::new(), Reader::Monitors);
        told.iter().map(Told::to_string).collect()
    }

    /// What kolla-ansible writes (`masakari-monitors.conf.j2`), filled in.
    #[test]
    fn what_deployment_tools_write_is_accepted() {
        let text = "[DEFAULT]\ndebug = False\nlog_dir = /var/log/kolla/masakari\nhostname = cmp1\n\
            [api]\nregion = RegionOne\nauth_url = http://k:5000\nuser_domain_id = default\n\
            project_name = service\nproject_domain_id = default\nusername = masakari\npassword = p\n\
            api_interface = internal\n[libvirt]\nconnection_uri = \"qemu+tcp://10.0.0.1/system\"\n";
        assert_eq!(told(text), Vec::<String>::new());
    }

    #[test]
    fn what_we_add_to_a_monitor_belongs_into_its_file() {
        let text = format!(
            "{LOGIN}[host]\nmonitoring_driver = kubernetes\nmonitoring_rule = any\n[kubernetes]\n\
             kubeconfig = /k\nnot_ready = offline\n[introspectiveinstancemonitor]\nguest_shutdown_timeout = 60\n"
        );
        let told = told(&text);
        assert!(told.iter().all(|line| !line.contains("belongs into masakari.conf")), "{told:#?}");
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_the_way_out() {
        for (text, expected) in [
            ("[api]\nauth_urll = x\n", "masakarimonitors.conf:6: warning: [api] auth_urll"),
            (
                "[api]\napi_interface = inside\n",
                "masakarimonitors.conf:6: error: [api] api_interface",
            ),
            (
                "[callback]\nretry_max = often\n",
                "masakarimonitors.conf:6: error: [callback] retry_max",
            ),
            (
                "[libvirt]\nconnection_uri = /run/libvirt/sock\n",
                "is no URI: qemu:///system is the libvirt",
            ),
            ("[monitor]\nwatch = gusts\n", "is watched by nobody: instances"),
            (
                "[introspectiveinstancemonitor]\nqemu_guest_agent_sock_path = (?=a)\n",
                "error: [introspectiveinstancemonitor] qemu_guest_agent_sock_path",
            ),
            (
                "[introspectiveinstancemonitor]\nguest_monitoring_commands = guest-exec\n",
                "error: [introspectiveinstancemonitor] guest_monitoring_commands",
            ),
            ("[api]\ncafile = /nowhere/ca.pem\n", "masakarimonitors.conf:6: error: [api] cafile"),
            ("[database]\nconnection = sqlite://\n", "[database] connection is read by no monitor"),
            (
                "[api]\nendpoint = http://m/v1\n",
                "[api] endpoint has no effect unless auth_type = none",
            ),
            ("[api]\ninsecure = true\n", "[api] insecure trusts anybody"),
            (
                "[host]\nmonitoring_rule = most\n",
                "[host] monitoring_rule = \"most\" is none of: all, any",
            ),
            ("[host]\nmonitoring_driver = paecmaker\n", "is no driver: "),
            (
                "[host]\nmonitoring_driver = consul\n[consul]\nmatrix_config_file = /nowhere\n",
                "the matrix /nowhere cannot be read",
            ),
        ] {
            let told = told(&format!("{LOGIN}{text}"));
            assert!(told.iter().any(|line| line.contains(expected)), "{text}: {told:#?}");
            assert_eq!(told.len(), 1, "{text}: {told:#?}");
        }
    }

    #[test]
    fn what_is_missing_is_an_error_and_a_credential_alone_is_enough() {
        let missing = told("[DEFAULT]\nhostname = cmp1\n");
        assert!(missing[0].starts_with("error: [api] auth_url is not set"), "{missing:?}");
        let credential = "[api]\nauth_type = v3applicationcredential\nauth_url = http://k\n\
            application_credential_id = a\napplication_credential_secret = s\n";
        assert_eq!(told(credential), Vec::<String>::new());
        let none = "[api]\nauth_type = none\nendpoint = http://m/v1\n";
        assert_eq!(told(none), Vec::<String>::new());
    }

    #[test]
    fn the_file_is_known_by_its_name() {
        let of = |name: &str| Reader::of(&[name.into()], false);
        assert_eq!(of("/etc/masakarimonitors/masakarimonitors.conf"), Reader::Monitors);
        assert_eq!(of("/etc/masakari/masakari.conf"), Reader::Services);
        assert_eq!(Reader::of(&["x.conf".into()], true), Reader::Monitors);
    }
}
