//! A BMC that speaks Redfish (DMTF DSP0266, DSP2046), natively: read the system, `ForceOff`, read it again; `On` gives
//! the power back.
//!
//! Never `GracefulShutdown` (the host may refuse), never `ForceRestart` or `PowerCycle` (the host comes back).

use crate::device::{Device, Failure, Found, Power, quoted};
use crate::machine::Told;
use crate::secret::Secret;
use async_trait::async_trait;
use base64::Engine;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use ports::{Answer, Transport, TransportError};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

const SYSTEMS: &str = "/redfish/v1/Systems";
const FORCE_OFF: &str = "ForceOff";
const ON: &str = "On";

/// One system of one BMC.
#[derive(Debug)]
pub struct Redfish {
    http: Arc<dyn Transport>,
    /// `https://host:port`, without a slash at its end.
    base: String,
    /// The path of the system, once it is known.
    system: Option<String>,
    authorization: HeaderValue,
    password: Secret,
    /// Where `ForceOff` is sent, once the system has been read.
    reset: Option<Reset>,
}

#[derive(Clone, Debug)]
struct Reset {
    target: String,
    allowed: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Collection {
    #[serde(rename = "Members", default)]
    members: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(rename = "@odata.id")]
    id: String,
}

#[derive(Deserialize)]
struct System {
    #[serde(rename = "UUID", default)]
    uuid: Option<String>,
    #[serde(rename = "SerialNumber", default)]
    serial: Option<String>,
    #[serde(rename = "PowerState", default)]
    power: Option<String>,
    #[serde(rename = "Actions", default)]
    actions: Actions,
}

#[derive(Deserialize, Default)]
struct Actions {
    #[serde(rename = "#ComputerSystem.Reset", default)]
    reset: Option<ResetAction>,
}

#[derive(Deserialize)]
struct ResetAction {
    target: String,
    #[serde(rename = "ResetType@Redfish.AllowableValues", default)]
    allowed: Option<Vec<String>>,
}

impl Redfish {
    /// `address` with or without `https://`; `system` a path, or the id of a member of `/redfish/v1/Systems`.
    ///
    /// # Errors
    /// When user or password cannot be sent.
    pub fn new(
        http: Arc<dyn Transport>,
        address: &str,
        system: Option<&str>,
        username: &str,
        password: Secret,
    ) -> Result<Self, Failure> {
        let with_scheme =
            if address.contains("://") { address.to_owned() } else { format!("https://{address}") };
        let pair = format!("{username}:{}", password.expose());
        let word = base64::engine::general_purpose::STANDARD.encode(pair);
        let unusable = |_| Failure::Unusable("the credentials cannot be sent in a header".into());
        let mut authorization =
            HeaderValue::from_str(&format!("Basic {word}")).map_err(unusable)?;
        // So that no `Debug` of a request shows it.
        authorization.set_sensitive(true);
        let path = |system: &str| match system.strip_prefix('/') {
            Some(_) => system.to_owned(),
            None => format!("{SYSTEMS}/{system}"),
        };
        Ok(Self {
            http,
            base: with_scheme.trim_end_matches('/').to_owned(),
            system: system.map(path),
            authorization,
            password,
            reset: None,
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: String,
        limit: Duration,
    ) -> Result<Answer, Failure> {
        let wrong = |e: String| Failure::Unusable(format!("{}{path} is no URL: {e}", self.base));
        let uri: Uri = format!("{}{path}", self.base).parse().map_err(|e| wrong(format!("{e}")))?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::ACCEPT, "application/json")
            .header("OData-Version", "4.0")
            .header(header::AUTHORIZATION, self.authorization.clone());
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(body.into()).map_err(|e| wrong(e.to_string()))?;
        let answer = self.http.send(request, limit).await.map_err(|e| match e {
            TransportError::Unreachable { .. }
            | TransportError::TimedOut { .. }
            | TransportError::BrokeOff { .. } => Failure::NoAnswer(e.to_string()),
        })?;
        self.judge(answer, path)
    }

    /// What a status means here.
    fn judge(&self, answer: Answer, path: &str) -> Result<Answer, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let said = self.password.struck_from(&quoted(answer.body()));
        let said = format!("HTTP {} to {path}: {said}", status.as_u16());
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::WrongCredentials(said),
            // Busy, starting up, or behind a gateway that finds it dead: a moment later it may answer.
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Failure::NoAnswer(said)
            }
            _ => Failure::Refused(said),
        })
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<T, Failure> {
        let answer = self.ask(Method::GET, path, String::new(), limit).await?;
        let garbled = |e| Failure::Garbled(format!("{path} is not what Redfish says: {e}"));
        serde_json::from_slice(answer.body()).map_err(garbled)
    }

    /// The system's path: as given, or the only one that there is.
    async fn system_path(&mut self, limit: Duration) -> Result<String, Failure> {
        if let Some(known) = &self.system {
            return Ok(known.clone());
        }
        let all: Collection = self.get(SYSTEMS, limit).await?;
        match all.members.as_slice() {
            [one] => {
                self.system = Some(one.id.clone());
                Ok(one.id.clone())
            }
            several => {
                let count = several.len();
                let why = format!("it has {count} systems; name the one that is meant in `system`");
                Err(Failure::Refused(why))
            }
        }
    }

    async fn read(&mut self, limit: Duration) -> Result<System, Failure> {
        let path = self.system_path(limit).await?;
        let mut system: System = self.get(&path, limit).await?;
        self.reset = system.actions.reset.take().map(|reset| Reset {
            // Some BMCs name themselves in it; we go where we were told to go.
            target: path_of(&reset.target),
            allowed: reset.allowed,
        });
        Ok(system)
    }
}

/// The path of a target, which the standard wants as a path and some BMCs give as a whole URL.
fn path_of(target: &str) -> String {
    let path = target.parse::<Uri>().ok().map(|uri| uri.path().to_owned());
    path.filter(|path| path.starts_with('/')).unwrap_or_else(|| target.to_owned())
}

fn power_of(system: &System) -> Power {
    match system.power.as_deref() {
        Some("Off") => Power::Off,
        Some("On") => Power::On,
        Some(_) | None => Power::Between,
    }
}

/// What a BMC that does not know something writes.
fn known(text: Option<String>) -> Option<String> {
    let empty = ["", "none", "n/a", "na", "unknown", "not specified", "null"];
    text.filter(|text| !empty.contains(&text.trim().to_lowercase().as_str()))
}

#[async_trait]
impl Device for Redfish {
    async fn examine(&mut self, limit: Duration) -> Result<Found, Failure> {
        let system = self.read(limit).await?;
        let power = power_of(&system);
        let serials = known(system.serial).into_iter().collect();
        Ok(Found { power, machine: Some(Told { uuid: known(system.uuid), serials }) })
    }

    async fn look(&mut self, limit: Duration) -> Result<Power, Failure> {
        Ok(power_of(&self.read(limit).await?))
    }

    async fn off(&mut self, limit: Duration) -> Result<(), Failure> {
        self.order(FORCE_OFF, limit).await
    }

    async fn on(&mut self, limit: Duration) -> Result<(), Failure> {
        self.order(ON, limit).await
    }
}

impl Redfish {
    async fn order(&self, what: &str, limit: Duration) -> Result<(), Failure> {
        let none = || Failure::Refused("the system has no action ComputerSystem.Reset".to_owned());
        let reset = self.reset.clone().ok_or_else(none)?;
        if let Some(allowed) = &reset.allowed
            && !allowed.iter().any(|kind| kind == what)
        {
            let allowed = quoted(allowed.join(", ").as_bytes());
            return Err(Failure::Refused(format!("it allows no {what}, only {allowed}")));
        }
        let body = serde_json::json!({ "ResetType": what }).to_string();
        self.ask(Method::POST, &reset.target, body, limit).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests;
