//! Who is asking.

use crate::{config::Config, fault::Fault};
use http::HeaderMap;
use openstack::tokens::{Identity, TokenError, TokenValidator};

/// How callers prove who they are: `[DEFAULT] auth_strategy`.
#[derive(Clone, Debug)]
pub enum Auth {
    /// By a token of Keystone's.
    Keystone(TokenValidator),
    /// Everybody is believed, for tests and demonstrations: the token is `user:project`. `admin`, and
    /// whoever says nothing, is an administrator.
    NoAuth,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Caller {
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    /// `None` for a token that is not scoped to a project.
    pub(crate) project_id: Option<String>,
    /// The domain that the token is scoped to, if it is.
    pub(crate) domain_id: Option<String>,
    pub(crate) system_scope: Option<String>,
    pub(crate) roles: Vec<String>,
}

impl Auth {
    /// The caller that the headers prove, or the fault to answer with.
    pub(crate) async fn caller(
        &self,
        headers: &HeaderMap,
        config: &Config,
    ) -> Result<Caller, Fault> {
        let token = headers.get("x-auth-token").and_then(|token| token.to_str().ok());
        let token = token.unwrap_or_default();
        match self {
            Self::NoAuth => Ok(claimed(token)),
            Self::Keystone(validator) => match validator.validate(token).await {
                Ok(identity) => Ok(proven(&identity)),
                Err(why @ TokenError::Invalid) => {
                    Err(Fault::unauthorized(config.www_authenticate_uri.clone()).because(why))
                }
                // Never 401: the caller would throw away a token that may be good.
                Err(why @ TokenError::KeystoneAway { .. }) => {
                    Err(Fault::unavailable(format!("{why}; try again later")).because(why))
                }
            },
        }
    }
}

fn claimed(token: &str) -> Caller {
    let (user, project) = token.split_once(':').unwrap_or((token, ""));
    let user = if user.is_empty() { "admin" } else { user };
    let roles = if user == "admin" { ["admin", "member"].as_slice() } else { &["member"] };
    Caller {
        user_id: user.to_owned(),
        user_name: user.to_owned(),
        project_id: (!project.is_empty()).then(|| project.to_owned()),
        domain_id: None,
        system_scope: None,
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
    }
}

fn proven(identity: &Identity) -> Caller {
    Caller {
        user_id: identity.user_id.clone(),
        user_name: identity.user_name.clone(),
        project_id: identity.project_id.clone(),
        domain_id: identity.domain_id.clone(),
        system_scope: identity.system_scope.clone(),
        roles: identity.roles.clone(),
    }
}
