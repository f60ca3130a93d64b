//! What no single option tells: those that do not go together, and those that make no sense to the
//! room that reads them.

use super::{Configuration, Told, rooms::Wrong};
use oslo::config::Severity;

impl Configuration {
    /// For `masakari config check`. A role that starts meets the same errors when it asks for its
    /// settings.
    pub(super) fn contradictions(&self) -> Vec<Told> {
        let mut told = self.mistakes();
        told.extend(self.database_warnings());
        told.extend(self.policy_warnings());
        told.extend(self.pointless());
        told.extend(self.believes_monitors());
        told.extend(self.half_set());
        told
    }

    /// What keeps a role from starting.
    fn mistakes(&self) -> Vec<Told> {
        let token_user = if self.noauth() { Ok(()) } else { self.token_user().map(drop) };
        let rooms = [
            self.database_url().map(drop),
            self.listen().map(drop),
            self.service_user().map(drop),
            self.nova().map(drop),
            self.check_networks().map(drop),
            token_user,
            self.policy_files().overrides().map(drop),
            self.api().map(drop),
            self.tls().map(drop),
            self.steps().map(drop),
            self.owners().map(drop),
            self.fencing_file().map(drop),
            self.approval().map(drop),
        ];
        let errors = rooms.into_iter().filter_map(Result::err).chain(self.log_mistakes());
        let mut told: Vec<Told> = errors.map(told).collect();
        // The service user's interface is Nova's.
        told.dedup_by(|a, b| a.what == b.what);
        told
    }

    fn database_warnings(&self) -> Vec<Told> {
        let findings = self.database_url().ok().flatten().map(|(_, findings)| findings);
        let findings = findings.into_iter().flatten();
        findings
            .map(|finding| self.warning("database", "connection", &finding.to_string()))
            .collect()
    }

    fn policy_warnings(&self) -> Vec<Told> {
        let findings = self.policy_files().enforcer().map(|(_, findings)| findings);
        let told = |finding: oslo::policy::Finding| Told {
            place: None,
            severity: Severity::Warning,
            what: finding.to_string(),
        };
        findings.into_iter().flatten().map(told).collect()
    }

    /// Set, and without effect because of another option.
    fn pointless(&self) -> Vec<Told> {
        let mut told = Vec::new();
        let mut unless = |needed: bool, group: &str, names: &[&str], why: &str| {
            let set = names.iter().filter(|name| self.values.place(group, name).is_some());
            told.extend(set.filter(|_| !needed).map(|name| self.warning(group, name, why)));
        };
        let is = |name: &str, wanted: &str| {
            self.default_text(name).is_some_and(|text| text.eq_ignore_ascii_case(wanted))
        };
        let has = |group: &str, name: &str| self.values.place(group, name).is_some();
        unless(
            !self.noauth(),
            "keystone_authtoken",
            &["auth_url", "username", "password"],
            "has no effect while [DEFAULT] auth_strategy = noauth2",
        );
        unless(
            !has("keystone_authtoken", "application_credential_secret"),
            "keystone_authtoken",
            &["password", "project_name", "domain_name", "system_scope"],
            "has no effect beside an application credential",
        );
        unless(
            !has("keystone_authtoken", "system_scope"),
            "keystone_authtoken",
            &["project_name", "project_id"],
            "has no effect beside system_scope",
        );
        unless(
            is("log_rotation_type", "size"),
            "DEFAULT",
            &["max_logfile_size_mb"],
            "has no effect unless log_rotation_type = size",
        );
        unless(
            is("log_rotation_type", "interval"),
            "DEFAULT",
            &["log_rotate_interval", "log_rotate_interval_type"],
            "has no effect unless log_rotation_type = interval",
        );
        unless(
            !self.values.get::<bool>("DEFAULT", "use_json"),
            "DEFAULT",
            &["logging_default_format_string", "logging_context_format_string"],
            "has no effect beside use_json",
        );
        told
    }

    /// Hosts have fence devices, and a monitor's word is enough.
    fn believes_monitors(&self) -> Option<Told> {
        let proven = self.text("fencing", "require").as_deref() == Some("proven");
        let why = "fences only hosts that Nova still takes for up, while [fencing] require = monitor: where \
                   Nova says down, a monitor's word is believed; set `require = proven`";
        self.fence_devices()
            .filter(|_| !proven)
            .map(|_| self.warning("fencing", "devices_file", why))
    }

    /// One of two options that need each other.
    pub(super) fn half_set(&self) -> Vec<Told> {
        let pairs = [
            ("DEFAULT", "os_privileged_user_name", "os_privileged_user_password"),
            ("DEFAULT", "rate_limit_burst", "rate_limit_interval"),
            ("DEFAULT", "rate_limit_interval", "rate_limit_burst"),
            ("keystone_authtoken", "username", "password"),
            ("keystone_authtoken", "application_credential_id", "application_credential_secret"),
            ("api", "username", "password"),
            ("api", "application_credential_id", "application_credential_secret"),
        ];
        let has = |group: &str, name: &str| self.values.place(group, name).is_some();
        let half = pairs.into_iter().filter(|(group, one, other)| {
            let credential = *one == "username" && has(group, "application_credential_secret");
            has(group, one) && !has(group, other) && !credential
        });
        half.map(|(group, one, other)| {
            self.warning(group, one, &format!("is of no use without {other}, which is not set"))
        })
        .collect()
    }

    pub(super) fn warning(&self, group: &str, name: &str, what: &str) -> Told {
        Told {
            place: self.values.place(group, name).cloned(),
            severity: Severity::Warning,
            what: format!("[{group}] {name} {what}"),
        }
    }
}

pub(super) fn told(error: anyhow::Error) -> Told {
    let (place, what) = match error.downcast::<Wrong>() {
        Ok(wrong) => (wrong.place, wrong.what),
        Err(other) => (None, format!("{other:#}")),
    };
    Told { place, severity: Severity::Error, what }
}
