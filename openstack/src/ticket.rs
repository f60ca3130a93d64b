//! What it takes to send a request: where to, and a token.

use crate::{AskError, AuthConfig, Service, login::Login};
use http::HeaderValue;
use oslo::Secret;
use url::Url;

/// What it takes to send a request.
pub(crate) struct Ticket {
    pub(crate) endpoint: Url,
    pub(crate) token: Option<HeaderValue>,
    /// The log-in that the token came from.
    pub(crate) login: Option<u64>,
}

pub(crate) fn fixed(
    endpoint: &Url,
    token: Option<&Secret>,
    service: &Service,
) -> Result<Ticket, AskError> {
    Ok(Ticket {
        endpoint: service.endpoint_override.as_ref().unwrap_or(endpoint).clone(),
        token: token.map(sensitive).transpose()?,
        login: None,
    })
}

pub(crate) fn by_keystone(
    config: &AuthConfig,
    service: &Service,
    login: &Login,
) -> Result<Ticket, AskError> {
    let region = service.region.as_deref().or(config.region_name.as_deref());
    let interface = service.interface.unwrap_or(config.interface);
    let endpoint = match &service.endpoint_override {
        Some(set) => set.clone(),
        None => login.catalog.find(service, region, interface)?,
    };
    Ok(Ticket { endpoint, token: Some(login.token.clone()), login: Some(login.number) })
}

pub(crate) fn sensitive(secret: &Secret) -> Result<HeaderValue, AskError> {
    let mut value =
        HeaderValue::try_from(secret.expose()).map_err(|_| AskError::Misconfigured {
            option: "a token",
            why: "it has characters that no HTTP header can carry".into(),
        })?;
    value.set_sensitive(true);
    Ok(value)
}
