//! Who is asking.

use crate::{config::Config, fault::Fault};
use http::HeaderMap;
use openstack::tokens::{Identity, TokenError, TokenValidator};
use std::sync::Arc;

/// How callers prove who they are: `[DEFAULT] auth_strategy`.
#[derive(Clone, Debug)]
pub enum Auth {
    /// By a token of Keystone's.
    Keystone(TokenValidator),
    /// Everybody is an administrator, for tests and demonstrations. Who they are they say themselves: in
    /// the headers that Keystone's middleware would set (`X-User-Id`, `X-Project-Id`, `X-Roles`), or as
    /// `user:project` in the place of the token.
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
    /// An administrator whatever the policy says of roles: nobody is asked for proof.
    pub(crate) trusted: bool,
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
            Self::NoAuth => Ok(claimed(headers, token)),
            Self::Keystone(validator) => match Self::prove(validator, token, headers).await {
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

impl Auth {
    /// Whom `token` belongs to. A service that passes on its user's token may add its own, which must be
    /// good, too.
    async fn prove(
        validator: &TokenValidator,
        token: &str,
        headers: &HeaderMap,
    ) -> Result<Arc<Identity>, TokenError> {
        let identity = validator.validate(token).await?;
        if let Some(service) = headers.get("x-service-token") {
            validator.validate(service.to_str().unwrap_or_default()).await?;
        }
        Ok(identity)
    }
}

fn claimed(headers: &HeaderMap, token: &str) -> Caller {
    let said = |names: &[&str]| {
        let found = names.iter().find_map(|name| headers.get(*name))?.to_str().ok()?;
        (!found.is_empty()).then(|| found.to_owned())
    };
    let (user, project) = token.split_once(':').unwrap_or((token, ""));
    let user = said(&["x-user-id", "x-user"]).unwrap_or_else(|| user.to_owned());
    let in_token = || (!project.is_empty()).then(|| project.to_owned());
    let roles = said(&["x-roles", "x-role"]).unwrap_or_default();
    let roles = roles.split(',').map(str::trim).filter(|role| !role.is_empty());
    Caller {
        user_name: said(&["x-user-name"]).unwrap_or_else(|| user.clone()),
        user_id: user,
        project_id: said(&["x-project-id", "x-tenant-id", "x-tenant"]).or_else(in_token),
        domain_id: said(&["x-domain-id"]),
        system_scope: said(&["openstack-system-scope"]),
        roles: roles.map(str::to_owned).collect(),
        trusted: true,
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
        trusted: false,
    }
}
