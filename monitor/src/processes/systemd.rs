//! The units of systemd, by D-Bus: signals tell that something changes, and one call how all of them are.
//!
//! systemd's own word counts: `failed` is a failure, `inactive` was stopped or ended in peace. What fails while a stop that
//! somebody asked for is under way was stopped, too.

use super::{Seen, Sight};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use ports::{Clock, within};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};
use tokio::sync::Mutex;
use zbus::{
    Connection, Message, MessageStream, OwnedObjectPath, OwnedVariant, connection, fdo, message,
};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const DBUS: &str = "org.freedesktop.DBus";
/// For one call, and for connecting.
const DEADLINE: Duration = Duration::from_secs(10);

/// Whose systemd.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Bus {
    /// The machine's.
    #[default]
    System,
    /// The one of the user that we are.
    User,
}

impl Bus {
    /// The words that rule it.
    #[must_use]
    pub fn systemctl(self) -> &'static str {
        match self {
            Self::System => "systemctl",
            Self::User => "systemctl --user",
        }
    }
}

/// The units of a systemd.
#[derive(Debug)]
pub struct Units {
    bus: Bus,
    clock: Arc<dyn Clock>,
    link: Mutex<Option<Link>>,
    /// Those that somebody asked to stop, until they run again.
    asked_to_stop: StdMutex<BTreeSet<String>>,
}

/// A connection, and what comes over it.
#[derive(Debug)]
struct Link {
    connection: Connection,
    signals: MessageStream,
    /// The units of which signals come.
    heard: BTreeSet<String>,
}

/// A unit as `ListUnitsByNames` tells: name, description, whether it is loaded, its state and the finer one, whom it
/// follows, its object, and its job with kind and object.
type Listed =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

impl Units {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(bus: Bus, clock: Arc<dyn Clock>) -> Self {
        let (link, asked_to_stop) = (Mutex::new(None), StdMutex::default());
        Self { bus, clock, link, asked_to_stop }
    }

    async fn connect(&self) -> zbus::Result<Link> {
        let builder = match self.bus {
            Bus::System => connection::Builder::system(),
            Bus::User => connection::Builder::session(),
        };
        let connection = builder.method_timeout(DEADLINE).build().await?;
        let signals = MessageStream::from(&connection);
        // It comes and goes when systemd is executed anew, and then nobody is subscribed any more.
        let owner =
            format!("type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{SYSTEMD}'");
        hear(&connection, &owner).await?;
        let manager = format!("type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member=");
        hear(&connection, &format!("{manager}'Reloading'")).await?;
        manage(&connection, "Subscribe", &()).await?;
        Ok(Link { connection, signals, heard: BTreeSet::new() })
    }

    /// How the units are; the link is as good as new after an error only if it is made anew.
    async fn ask(&self, link: &mut Link, names: &[String]) -> zbus::Result<Vec<Seen>> {
        let mut wrong = BTreeMap::new();
        for name in names.iter().filter(|name| !link.heard.contains(*name)).collect::<Vec<_>>() {
            match link.hear_of(name).await {
                Ok(()) => {}
                Err(error) if is_about_the_name(&error) => {
                    wrong.insert(name.as_str(), error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        // What was said before this is told by the answer.
        while let Some(Some(said)) = link.signals.next().now_or_never() {
            if is_of_another_systemd(&said?) {
                return Err(zbus::Error::Failure("systemd was executed anew".into()));
            }
        }
        let right = names.iter().filter(|name| !wrong.contains_key(name.as_str()));
        let right: Vec<_> = right.collect();
        let answer = manage(&link.connection, "ListUnitsByNames", &(right,)).await?;
        let listed: Vec<Listed> = answer.body().deserialize()?;
        let by_name: BTreeMap<_, _> = listed.iter().map(|unit| (unit.0.as_str(), unit)).collect();
        let mut all = Vec::new();
        for name in names {
            let seen = match by_name.get(name.as_str()) {
                Some(unit) => self.seen(&link.connection, unit).await?,
                None => wrong.remove(name.as_str()).map_or_else(|| not_there(name), Seen::Unknown),
            };
            all.push(seen);
        }
        Ok(all)
    }

    async fn seen(&self, connection: &Connection, unit: &Listed) -> zbus::Result<Seen> {
        let (name, _, loaded, active, _, _, path, job, job_kind, _) = unit;
        let (has_job, is_stop) = (*job != 0, *job != 0 && job_kind == "stop");
        let mut was_asked = {
            let mut asked = self.asked_to_stop.lock().unwrap_or_else(PoisonError::into_inner);
            if is_stop {
                asked.insert(name.clone());
            } else if active == "active" || active == "activating" {
                asked.remove(name);
            }
            asked.contains(name)
        };
        if loaded == "not-found" {
            return Ok(not_there(name));
        }
        was_asked |= loaded == "masked";
        Ok(match active.as_str() {
            "active" | "reloading" | "refreshing" => Seen::Here,
            "inactive" if has_job && !is_stop => Seen::Busy,
            "inactive" => Seen::Stopped,
            "failed" if was_asked => Seen::Stopped,
            "failed" if has_job => Seen::Busy,
            "failed" => match has_given_up(connection, path).await {
                Ok(true) => Seen::Refused,
                // What is no service has no such properties.
                Ok(false) | Err(_) => Seen::Gone,
            },
            // activating, deactivating, maintenance.
            _ => Seen::Busy,
        })
    }
}

#[async_trait]
impl Sight for Units {
    async fn look(&self, names: &[String]) -> Vec<Seen> {
        let mut held = self.link.lock().await;
        let look = async {
            let mut link = match held.take() {
                Some(link) => link,
                None => self.connect().await?,
            };
            let all = self.ask(&mut link, names).await?;
            Ok::<_, zbus::Error>((link, all))
        };
        let why = match within(&*self.clock, DEADLINE, look).await {
            Some(Ok((link, all))) => {
                *held = Some(link);
                return all;
            }
            Some(Err(error)) => error.to_string(),
            None => format!("no answer within {} s", DEADLINE.as_secs()),
        };
        let what = match self.bus {
            Bus::System => "the system bus (is dbus running, and may this user use it?)",
            Bus::User => "the user's bus (is XDG_RUNTIME_DIR or DBUS_SESSION_BUS_ADDRESS set?)",
        };
        vec![Seen::Unknown(format!("systemd cannot be asked by {what}: {why}")); names.len()]
    }

    async fn changed(&self) {
        let mut held = self.link.lock().await;
        let Some(link) = held.as_mut() else {
            drop(held);
            return std::future::pending().await;
        };
        loop {
            match link.signals.next().await {
                Some(Ok(message)) if message.message_type() == message::Type::Signal => {
                    if is_of_another_systemd(&message) {
                        *held = None;
                    }
                    return;
                }
                // Answers come over it, too.
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    *held = None;
                    return;
                }
            }
        }
    }
}

impl Link {
    /// From here on signals come when this unit, or its job, changes.
    async fn hear_of(&mut self, name: &str) -> zbus::Result<()> {
        // One that is not loaded is told of as well as one that is.
        let answer = manage(&self.connection, "LoadUnit", &(name,)).await?;
        let path: OwnedObjectPath = answer.body().deserialize()?;
        let path = path.as_str();
        let unit =
            format!("type='signal',sender='{SYSTEMD}',interface='{PROPERTIES}',path='{path}'");
        hear(&self.connection, &unit).await?;
        for member in ["JobNew", "JobRemoved"] {
            let job = format!(
                "type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='{member}',arg2='{name}'"
            );
            hear(&self.connection, &job).await?;
        }
        self.heard.insert(name.to_owned());
        Ok(())
    }
}

/// Whoever has subscribed us is not there any more.
fn is_of_another_systemd(said: &Message) -> bool {
    said.header().member().is_some_and(|member| member.as_str() == "NameOwnerChanged")
}

/// systemd refuses the name, and takes others.
fn is_about_the_name(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::FDO(error) if matches!(**error, fdo::Error::InvalidArgs(_)))
}

async fn hear(connection: &Connection, rule: &str) -> zbus::Result<()> {
    let path = "/org/freedesktop/DBus";
    connection.call_method(Some(DBUS), path, Some(DBUS), "AddMatch", &(rule,)).await?;
    Ok(())
}

async fn manage<B>(connection: &Connection, method: &str, body: &B) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    connection.call_method(Some(SYSTEMD), ROOT, Some(MANAGER), method, body).await
}

/// Whether systemd has started this failed service as often as it may. `Result` seldom says so: it keeps how the last run
/// ended. So it is one that systemd restarts, has restarted as often as the limit allows, and whose last run was shorter
/// than the time for which the limit holds.
async fn has_given_up(connection: &Connection, path: &OwnedObjectPath) -> zbus::Result<bool> {
    let service = Of { connection, path, interface: "org.freedesktop.systemd1.Service" };
    if service.get::<String>("Result").await? == "start-limit-hit" {
        return Ok(true);
    }
    if service.get::<String>("Restart").await? == "no" {
        return Ok(false);
    }
    let unit = Of { interface: "org.freedesktop.systemd1.Unit", ..service };
    let burst = unit.get::<u32>("StartLimitBurst").await?;
    if burst == 0 || service.get::<u32>("NRestarts").await? < burst {
        return Ok(false);
    }
    let began_us = service.get::<u64>("ExecMainStartTimestampMonotonic").await?;
    let ended_us = service.get::<u64>("ExecMainExitTimestampMonotonic").await?;
    let interval_us = unit.get::<u64>("StartLimitIntervalUSec").await?;
    Ok(ended_us.saturating_sub(began_us) < interval_us)
}

/// The properties of an object.
#[derive(Clone, Copy)]
struct Of<'a> {
    connection: &'a Connection,
    path: &'a OwnedObjectPath,
    interface: &'static str,
}

impl Of<'_> {
    async fn get<T: TryFrom<OwnedVariant>>(self, name: &str) -> zbus::Result<T> {
        let asked = (self.interface, name);
        let (connection, path) = (self.connection, self.path);
        let answer =
            connection.call_method(Some(SYSTEMD), path, Some(PROPERTIES), "Get", &asked).await?;
        let value: OwnedVariant = answer.body().deserialize()?;
        T::try_from(value).map_err(|_| zbus::Error::IncorrectType)
    }
}

fn not_there(name: &str) -> Seen {
    Seen::Unknown(format!(
        "systemd has no unit {name}: correct `unit` in the process list (systemctl list-units --all shows what there is)"
    ))
}
