//! What a person does in the demo: pulls a host's plug, and brings a repaired host back. And the news of
//! it, which [`super::show`] tells.

use openstack::{AskError, Nova, Request, Service, Session, instance_ha::Client};
use ports::Clock;
use recovery::{HostName, Millis, NotificationId, seen::Server};
use serde_json::json;
use sim::{Condition, World};
use std::{cmp::Reverse, io::IsTerminal, sync::Arc, time::Duration};
use store::Store;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// How often a host that boots is looked at, and how many times.
const LOOK: (Duration, u32) = (Duration::from_secs(1), 60);
/// For one question to the API.
const DEADLINE: Duration = Duration::from_secs(30);
/// More is not open in this small cloud.
const RECOVERIES_MAX: u32 = 100;

/// What happened, apart from what the engine's log and Nova show.
#[derive(Debug)]
pub(super) enum News {
    /// The host lost its power; the servers of the cloud as they were before.
    Failed { host: HostName, at: Millis, before: Vec<Server> },
    /// The monitor saw for the first time that Nova calls it down.
    Silent { host: HostName },
    /// The API has accepted the monitor's report.
    Reported { host: HostName, id: NotificationId },
    /// The API has refused the monitor's report as known.
    NotTaken { host: HostName, why: String },
    /// A step on a host's way back.
    Returning { host: HostName, step: String },
}

/// The cloud's hosts in the hands of a person.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) world: World,
    store: Arc<dyn Store>,
    news: Sender<News>,
    returns: Sender<HostName>,
}

impl Stage {
    pub(super) fn new(
        world: World,
        store: Arc<dyn Store>,
        news: Sender<News>,
        returns: Sender<HostName>,
    ) -> Self {
        Self { world, store, news, returns }
    }

    /// Of the hosts that may fail, the first of those with the most servers: there is most to see.
    pub(super) fn next(&self) -> Option<HostName> {
        let servers = self.world.servers();
        let load =
            |host: &HostName| servers.iter().filter(|s| s.host.as_ref() == Some(host)).count();
        let hosts = self.world.hosts().into_iter();
        hosts.filter(|host| self.may_fail(host).is_ok()).min_by_key(|host| Reverse(load(host)))
    }

    /// Pulls the plug.
    pub(super) fn fail(&self, host: &HostName) -> Result<(), String> {
        self.may_fail(host)?;
        let slot = self.news.try_reserve().map_err(|_| "too much is going on".to_owned())?;
        let before = self.world.servers();
        self.world.kill_host(host);
        slot.send(News::Failed { host: host.clone(), at: self.world.now(), before });
        Ok(())
    }

    fn may_fail(&self, host: &HostName) -> Result<(), String> {
        let in_service = |host: &HostName| {
            self.world.condition(host) == Condition::Alive
                && self.world.service(host).is_some_and(|service| service.enabled)
        };
        let Some(service) = self.world.service(host) else {
            return Err(format!("there is no host {host}"));
        };
        if self.world.condition(host) != Condition::Alive {
            return Err(format!("{host} has no power already"));
        }
        if !service.enabled {
            return Err(format!("{host} is not back in service yet"));
        }
        if self.world.hosts().iter().filter(|host| in_service(host)).count() < 2 {
            return Err(format!("{host} is the last host; nothing could be recovered"));
        }
        Ok(())
    }

    /// The host that failed first and may return.
    async fn first_dead(&self) -> Option<HostName> {
        for host in self.world.hosts() {
            if self.may_return(&host).await.is_ok() {
                return Some(host);
            }
        }
        None
    }

    /// Gives the host its power again; [`Returner`] does the rest.
    pub(super) async fn give_back(&self, host: &HostName) -> Result<(), String> {
        self.may_return(host).await?;
        let slot = self.returns.try_reserve().map_err(|_| "too much is going on".to_owned())?;
        self.world.revive_host(host);
        slot.send(host.clone());
        Ok(())
    }

    async fn may_return(&self, host: &HostName) -> Result<(), String> {
        if self.world.service(host).is_none() {
            return Err(format!("there is no host {host}"));
        }
        if self.world.condition(host) != Condition::Dead {
            return Err(format!("{host} has power"));
        }
        let open = self.store.open_recoveries(RECOVERIES_MAX).await;
        let open = open.map_err(|error| error.to_string())?;
        let untouched = self.world.service(host).is_some_and(|service| service.enabled);
        if untouched || open.iter().any(|r| r.host_name.as_ref() == Some(host)) {
            return Err(format!("the recovery of {host} is not over"));
        }
        Ok(())
    }
}

/// Does what a person does once a repaired host has power again.
pub(super) struct Returner {
    pub(super) nova: Nova,
    pub(super) session: Session,
    pub(super) news: Sender<News>,
}

impl Returner {
    pub(super) async fn run(self, mut returning: Receiver<HostName>, clock: &dyn Clock) {
        while let Some(host) = returning.recv().await {
            self.tell(&host, "has power again and boots").await;
            if let Err(error) = self.bring_back(&host, clock).await {
                self.tell(&host, &format!("is not back in service: {error:#}")).await;
            }
        }
    }

    async fn bring_back(&self, host: &HostName, clock: &dyn Clock) -> anyhow::Result<()> {
        let (every, most) = LOOK;
        for _ in 0..most {
            clock.sleep(every).await;
            let service = self.nova.compute_service(host).await?;
            let Some(service) = service.filter(|service| service.up) else { continue };
            self.tell(host, "is up, says Nova; it has deleted its old copies of the VMs").await;
            self.off_maintenance(host).await?;
            self.tell(host, "is off maintenance in Masakari: its failures count again").await;
            self.nova.enable_service(&service.id).await?;
            self.tell(host, "is enabled in Nova: VMs may be placed on it again").await;
            return Ok(());
        }
        anyhow::bail!("Nova does not call it up")
    }

    /// `openstack segment host update --on_maintenance False`
    async fn off_maintenance(&self, host: &HostName) -> Result<(), AskError> {
        let client = Client::new(self.session.clone());
        let types = vec!["instance-ha".to_owned()];
        let service = Service { types, version: "v1", api: "instance-ha", ..Service::default() };
        for segment in client.segments().await? {
            let hosts = client.hosts(&recovery::SegmentId::new(&*segment.uuid)).await?;
            for found in hosts.iter().filter(|found| found.name == host.as_str()) {
                let path = ["segments", &*segment.uuid, "hosts", &*found.uuid];
                let body = json!({ "host": { "on_maintenance": false } });
                let put = axum::http::Method::PUT;
                self.session.ask(Request::change(put, &service, &path, body, DEADLINE)).await?;
            }
        }
        Ok(())
    }

    async fn tell(&self, host: &HostName, step: &str) {
        let news = News::Returning { host: host.clone(), step: step.to_owned() };
        // Nobody listens any more: the demo ends.
        let _ = self.news.send(news).await;
    }
}

/// Lets a host fail at Enter, returns one at `r`, and ends at `q`. Without a terminal: never ends.
pub(super) async fn obey_keys(stage: &Stage, once: bool) {
    if once || !std::io::stdin().is_terminal() {
        return std::future::pending().await;
    }
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let refused = match line.trim() {
            "q" => return,
            "r" => match stage.first_dead().await {
                Some(host) => stage.give_back(&host).await.err(),
                None => Some("no host waits to be returned".to_owned()),
            },
            _ => match stage.next() {
                Some(host) => stage.fail(&host).err(),
                None => Some("only one host is left; type r to return one".to_owned()),
            },
        };
        if let Some(why) = refused {
            crate::output::say(&format!("No: {why}."));
        }
    }
}

/// The terminal's lines, read by a thread of their own, because nothing else can be interrupted.
fn lines() -> Receiver<String> {
    let (typed, lines) = mpsc::channel(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::{Shape, SimClock};

    /// Three hosts, and what they tell and who returns them.
    fn stage() -> (Stage, Receiver<News>, Receiver<HostName>) {
        let (news, heard) = mpsc::channel(8);
        let (returns, returning) = mpsc::channel(8);
        let world = World::new(1, Arc::new(SimClock::new()), Shape::default());
        let stage = Stage::new(world, Arc::new(store::Memory::new()), news, returns);
        (stage, heard, returning)
    }

    fn host(number: u8) -> HostName {
        HostName::new(format!("compute-{number:02}"))
    }

    #[tokio::test]
    async fn hosts_fail_once_and_the_last_one_does_not() {
        let (stage, mut heard, _returning) = stage();
        assert_eq!(stage.next(), Some(host(1)));
        stage.fail(&host(1)).unwrap();
        assert!(matches!(heard.try_recv(), Ok(News::Failed { host, .. }) if host == self::host(1)));
        assert!(stage.fail(&host(1)).unwrap_err().contains("no power already"));
        assert!(stage.fail(&HostName::new("nobody")).unwrap_err().contains("no host nobody"));
        stage.fail(&host(3)).unwrap();
        assert!(stage.fail(&host(2)).unwrap_err().contains("the last host"));
        assert_eq!(stage.next(), None);
    }

    #[tokio::test]
    async fn a_host_does_not_return_before_its_recovery() {
        let (stage, _heard, mut returning) = stage();
        assert!(stage.give_back(&host(1)).await.unwrap_err().contains("has power"));
        stage.fail(&host(1)).unwrap();
        assert!(stage.give_back(&host(1)).await.unwrap_err().contains("is not over"));
        assert!(returning.try_recv().is_err());
        assert_eq!(stage.world.condition(&host(1)), Condition::Dead);
    }
}
