//! Who we are to Keystone: keystoneauth's options, and the body of a log-in.

use oslo::Secret;
use serde_json::{Value, json};
use std::fmt;

/// Which of a service's endpoints to use; `interface` (`valid_interfaces`) of keystoneauth.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Interface {
    #[default]
    Public,
    Internal,
    Admin,
}

impl Interface {
    /// The word in the catalogue.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }

    /// Reads `public` as well as the old `publicURL`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word.strip_suffix("URL").unwrap_or(word) {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The options of keystoneauth's plugins `password` and `v3applicationcredential`, by their names.
/// An application credential is used when one is set; it brings its own scope.
#[derive(Clone, Default, Debug)]
pub struct AuthConfig {
    pub auth_url: String,
    pub username: Option<String>,
    pub user_id: Option<String>,
    pub password: Secret,
    pub user_domain_name: Option<String>,
    pub user_domain_id: Option<String>,
    pub project_name: Option<String>,
    pub project_id: Option<String>,
    pub project_domain_name: Option<String>,
    pub project_domain_id: Option<String>,
    /// For user and project, where theirs are not set.
    pub default_domain_name: Option<String>,
    pub default_domain_id: Option<String>,
    /// Scope to a domain instead of a project.
    pub domain_name: Option<String>,
    pub domain_id: Option<String>,
    /// `all`: scope to the whole cloud; goes before a project.
    pub system_scope: Option<String>,
    pub application_credential_id: Option<String>,
    pub application_credential_name: Option<String>,
    pub application_credential_secret: Option<Secret>,
    pub region_name: Option<String>,
    pub interface: Interface,
}

impl AuthConfig {
    /// The body of `POST /v3/auth/tokens`.
    pub(crate) fn body(&self) -> Value {
        let mut auth = match &self.application_credential_secret {
            Some(secret) => json!({ "identity": {
                "methods": ["application_credential"],
                "application_credential": self.application_credential(secret),
            }}),
            None => json!({ "identity": { "methods": ["password"], "password": {
                "user": self.user(Some(&self.password)),
            }}}),
        };
        if self.application_credential_secret.is_none()
            && let Some(scope) = self.scope()
        {
            auth["scope"] = scope;
        }
        json!({ "auth": auth })
    }

    fn application_credential(&self, secret: &Secret) -> Value {
        let secret = secret.expose();
        match &self.application_credential_id {
            Some(id) => json!({ "id": id, "secret": secret }),
            None => json!({
                "name": self.application_credential_name,
                "secret": secret,
                "user": self.user(None),
            }),
        }
    }

    fn user(&self, password: Option<&Secret>) -> Value {
        let mut user = match &self.user_id {
            Some(id) => json!({ "id": id }),
            None => json!({
                "name": self.username,
                "domain": self.domain_of(&self.user_domain_id, &self.user_domain_name),
            }),
        };
        if let Some(password) = password {
            user["password"] = password.expose().into();
        }
        user
    }

    fn scope(&self) -> Option<Value> {
        if self.system_scope.is_some() {
            return Some(json!({ "system": { "all": true } }));
        }
        if let Some(id) = &self.project_id {
            return Some(json!({ "project": { "id": id } }));
        }
        if let Some(name) = &self.project_name {
            let domain = self.domain_of(&self.project_domain_id, &self.project_domain_name);
            return Some(json!({ "project": { "name": name, "domain": domain } }));
        }
        if let Some(id) = &self.domain_id {
            return Some(json!({ "domain": { "id": id } }));
        }
        self.domain_name.as_ref().map(|name| json!({ "domain": { "name": name } }))
    }

    /// Keystone's own first domain has the id `default`; that is also keystoneauth's last resort.
    fn domain_of(&self, id: &Option<String>, name: &Option<String>) -> Value {
        match (id, name, &self.default_domain_id, &self.default_domain_name) {
            (Some(id), ..) => json!({ "id": id }),
            (None, Some(name), ..) => json!({ "name": name }),
            (None, None, Some(id), _) => json!({ "id": id }),
            (None, None, None, Some(name)) => json!({ "name": name }),
            (None, None, None, None) => json!({ "id": "default" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masakari() -> AuthConfig {
        AuthConfig {
            username: Some("masakari".into()),
            password: Secret::new("hush"),
            user_domain_name: Some("Default".into()),
            project_name: Some("service".into()),
            ..AuthConfig::default()
        }
    }

    #[test]
    fn a_password_logs_in_to_its_project() {
        let body = masakari().body();
        let user = &body["auth"]["identity"]["password"]["user"];
        assert_eq!(user["password"], "hush");
        assert_eq!(user["domain"], json!({ "name": "Default" }));
        let project = json!({ "name": "service", "domain": { "id": "default" } });
        assert_eq!(body["auth"]["scope"]["project"], project);
    }

    #[test]
    fn the_whole_cloud_goes_before_a_project() {
        let body = AuthConfig { system_scope: Some("all".into()), ..masakari() }.body();
        assert_eq!(body["auth"]["scope"], json!({ "system": { "all": true } }));
    }

    #[test]
    fn an_application_credential_brings_its_own_scope() {
        let config = AuthConfig {
            application_credential_id: Some("ac".into()),
            application_credential_secret: Some(Secret::new("hush")),
            ..masakari()
        };
        let body = config.body();
        assert_eq!(body["auth"]["identity"]["methods"], json!(["application_credential"]));
        assert_eq!(body["auth"].get("scope"), None);
    }

    #[test]
    fn the_password_is_not_in_debug() {
        assert!(!format!("{:?}", masakari()).contains("hush"));
    }
}
