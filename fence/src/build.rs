//! Makes devices of what the file says about them and of a host's values.

use crate::agent::Agent;
use crate::device::{Device, Failure};
use crate::file::template::{Template, Values};
use crate::file::{Entry, LadderOf, Settings, StorageSettings};
use crate::ipmi::Ipmi;
use crate::ladder::{Means, Rung};
use crate::redfish::Redfish;
use crate::secret::{SecretAt, Secrets};
use crate::ssh::Ssh;
use crate::storage::Storage;
use crate::{ipmi, ssh};
use ports::{Clock, Ears, Exec, HttpClient, HttpClientConfig, HttpClientError, Transport};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection to a BMC may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Gives an HTTP client that trusts what one device is to be trusted by.
pub trait Network: Send + Sync + Debug {
    /// # Errors
    /// When the certificates cannot be read.
    fn http(
        &self,
        ca_file: Option<PathBuf>,
        insecure: bool,
    ) -> Result<Arc<dyn Transport>, HttpClientError>;
}

/// The real network.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    fn http(
        &self,
        ca_file: Option<PathBuf>,
        insecure: bool,
    ) -> Result<Arc<dyn Transport>, HttpClientError> {
        let config = HttpClientConfig {
            ca_file,
            insecure,
            connect_timeout: CONNECT_TIMEOUT,
            identity: None,
        };
        Ok(Arc::new(HttpClient::new(&config)?))
    }
}

/// What devices are reached with.
#[derive(Clone, Debug)]
pub struct Tools {
    pub clock: Arc<dyn Clock>,
    pub exec: Arc<dyn Exec>,
    pub network: Arc<dyn Network>,
    /// What hosts say of themselves is heard by these.
    pub ears: Arc<dyn Ears>,
    pub secrets: Arc<Secrets>,
}

/// The rung that a device makes for a host.
#[must_use]
pub fn rung(entry: &Entry, values: &Values) -> Rung {
    let means = match &entry.settings {
        Settings::Redfish(_) | Settings::Ipmi(_) | Settings::Agent(_) => Means::Power,
        Settings::Storage(_) => Means::Storage,
        Settings::Ssh(_) => Means::Request,
        Settings::Manual { say } => {
            let what = say.fill(values).unwrap_or_else(|_| say.text().to_owned());
            Means::Person { what }
        }
    };
    Rung { device: format!("{} ({})", entry.name, entry.settings.kind()), means }
}

fn fill(template: &Template, values: &Values) -> Result<String, Failure> {
    template.fill(values).map_err(|e| Failure::Unusable(e.to_string()))
}

fn fill_some(template: Option<&Template>, values: &Values) -> Result<Option<String>, Failure> {
    template.map(|template| fill(template, values)).transpose()
}

impl Tools {
    /// A storage that can shut the host out; `None`: the device is none.
    pub(crate) fn storage(
        &self,
        entry: &Entry,
        of: &LadderOf<'_>,
    ) -> Option<Result<Storage, Failure>> {
        let Settings::Storage(settings) = &entry.settings else { return None };
        Some(self.storage_of(settings, of))
    }

    fn storage_of(
        &self,
        settings: &StorageSettings,
        of: &LadderOf<'_>,
    ) -> Result<Storage, Failure> {
        let (exec, clock) = (self.exec.clone(), self.clock.clone());
        Storage::new(exec, clock, settings.clone(), of.values.clone(), of.addresses.clone())
    }

    fn secret(&self, at: &SecretAt, values: &Values) -> Result<crate::secret::Secret, Failure> {
        self.secrets.read(at, values).map_err(|e| {
            let why = std::error::Error::source(&e).map(|cause| format!(": {cause}"));
            Failure::Unusable(format!("{e}{}", why.unwrap_or_default()))
        })
    }

    /// The device itself; `None` for a person. Nothing is asked of it yet, but its secret is read.
    ///
    /// # Errors
    /// When a secret, a certificate or a value of the host is missing.
    pub fn device(
        &self,
        entry: &Entry,
        of: &LadderOf<'_>,
    ) -> Result<Option<Box<dyn Device>>, Failure> {
        let values = &of.values;
        Ok(Some(match &entry.settings {
            Settings::Redfish(s) => {
                let cannot = |e: HttpClientError| Failure::Unusable(e.to_string());
                let http = self.network.http(s.ca_file.clone(), s.insecure).map_err(cannot)?;
                let system = fill_some(s.system.as_ref(), values)?;
                let password = self.secret(&s.password, values)?;
                let (address, user) = (fill(&s.address, values)?, fill(&s.username, values)?);
                Box::new(Redfish::new(http, &address, system.as_deref(), &user, password)?)
            }
            Settings::Ipmi(s) => {
                let (address, user) = (fill(&s.address, values)?, fill(&s.username, values)?);
                let port = fill_some(s.port.as_ref(), values)?;
                let reach = ipmi::Reach {
                    address: &address,
                    port: port.as_deref(),
                    username: &user,
                    cipher: s.cipher,
                    privilege: s.privilege,
                };
                Box::new(Ipmi::new(self.exec.clone(), &reach, self.secret(&s.password, values)?))
            }
            Settings::Agent(s) => {
                let parameter = |(name, text): (&String, &Template)| {
                    Ok::<_, Failure>((name.clone(), fill(text, values)?))
                };
                let secret = |(name, at): (&String, &SecretAt)| {
                    Ok::<_, Failure>((name.clone(), self.secret(at, values)?))
                };
                let parameters = s.parameters.iter().map(parameter).collect::<Result<_, _>>()?;
                let secrets = s.secrets.iter().map(secret).collect::<Result<_, _>>()?;
                Box::new(Agent::new(self.exec.clone(), &s.agent, parameters, secrets)?)
            }
            Settings::Ssh(s) => {
                let (address, user) = (fill(&s.address, values)?, fill(&s.user, values)?);
                let (key, command) = (fill(&s.key, values)?, fill(&s.command, values)?);
                let port = fill_some(s.port.as_ref(), values)?;
                let known_hosts = fill_some(s.known_hosts.as_ref(), values)?;
                let reach = ssh::Reach {
                    address: &address,
                    port: port.as_deref(),
                    user: &user,
                    key: &key,
                    known_hosts: known_hosts.as_deref(),
                    command: &command,
                };
                Box::new(Ssh::new(self.exec.clone(), &reach))
            }
            Settings::Storage(s) => Box::new(self.storage_of(s, of)?),
            Settings::Manual { .. } => return Ok(None),
        }))
    }
}
