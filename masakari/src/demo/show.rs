//! The course of the demo, and the telling of it.

use super::{
    Place, hints,
    incident::{Incident, Sentence},
    screen::{Screen, Tone, Who},
    stage::{News, Stage},
    summary::{self, Verdict},
};
use anyhow::{Context, anyhow};
use openstack::instance_ha::{Client, NewHost, NewSegment};
use ports::Clock;
use recovery::{
    HostName, Millis, SegmentId,
    seen::{Server, VmState},
};
use std::{process::ExitCode, sync::Arc, time::Duration};
use store::Store;
use tokio::sync::mpsc::Receiver;

/// How often the engine's log and Nova's servers are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Time to read, before the power goes.
const READ: Duration = Duration::from_secs(3);
/// `--once` does not wait longer for the recovery.
const ONCE_LIMIT: Duration = Duration::from_secs(120);

pub(super) struct Show {
    screen: Screen,
    place: Place,
    stage: Stage,
    store: Arc<dyn Store>,
    news: Receiver<News>,
    incidents: Vec<Incident>,
}

impl Show {
    pub(super) fn new(
        screen: Screen,
        place: Place,
        stage: Stage,
        store: Arc<dyn Store>,
        news: Receiver<News>,
    ) -> Self {
        Self { screen, place, stage, store, news, incidents: Vec::new() }
    }

    /// From the first line to the end.
    pub(super) async fn run(
        mut self,
        client: &Client,
        clock: &dyn Clock,
        once: bool,
    ) -> anyhow::Result<ExitCode> {
        self.introduce();
        let hosts = self.stage.world.hosts();
        set_up(client, &hosts).await?;
        let first = hosts.first().context("the cloud has no hosts")?;
        self.before(&hosts, first);
        clock.sleep(READ).await;
        self.stage.fail(first).map_err(|why| anyhow!("no host fails: {why}"))?;
        if once {
            return self.once(clock).await;
        }
        let ended = self.follow(clock).await;
        summary::show(self.screen, &ended, &self.stage.world);
        self.screen.heading("Look around");
        self.screen.line(&hints::all(&self.place, ended.notification.as_ref()));
        self.go_on(&ended);
        loop {
            let ended = self.follow(clock).await;
            summary::show(self.screen, &ended, &self.stage.world);
            self.go_on(&ended);
        }
    }

    async fn once(mut self, clock: &dyn Clock) -> anyhow::Result<ExitCode> {
        let ended = ports::within(clock, ONCE_LIMIT, self.follow(clock)).await;
        let world = &self.stage.world;
        let Some(ended) = ended else {
            let why = summary::missing(self.incidents.first(), world, ONCE_LIMIT.as_secs());
            return Err(anyhow!(why));
        };
        match summary::show(self.screen, &ended, world) {
            Verdict::AllBack => Ok(ExitCode::SUCCESS),
            Verdict::NotAllBack => Ok(ExitCode::FAILURE),
        }
    }

    fn introduce(&self) {
        let (screen, place) = (self.screen, &self.place);
        let world = &self.stage.world;
        let (hosts, vms) = (world.hosts().len(), world.servers().len());
        screen.heading("masakari demo: a host dies, and its VMs come back on other hosts");
        screen.line("");
        let cloud = format!("Keystone and Nova, simulated: {hosts} hosts, {vms} VMs");
        let parts = [
            ("cloud", &*place.cloud, &*cloud),
            ("API", &*place.api, "the real one"),
            ("engine", "in this process", "the real one, with SQLite"),
            ("monitor", "in this process", "a stand-in: it asks Nova who is down"),
        ];
        for (name, place, what) in parts {
            screen.line(&format!("  {name:<8} {place:<22}  {what}"));
        }
    }

    fn before(&self, hosts: &[HostName], first: &HostName) {
        let screen = self.screen;
        let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
        screen.line("");
        screen.line(&format!("The segment 'demo' (auto) is made of {}.", names.join(", ")));
        screen.line(&format!("On {first}:"));
        let servers = self.stage.world.servers();
        for server in Incident::new(first.clone(), Millis(0), servers).before {
            screen.line(&format!("  {}", described(&server)));
        }
        screen.heading(&format!("{first} loses its power in {} s", READ.as_secs()));
    }

    fn go_on(&self, ended: &Incident) {
        self.screen.heading("And now");
        let next = self.stage.next();
        self.screen.line(&hints::next(&self.place, &ended.host, next.as_ref()));
    }

    /// Tells what happens until a recovery has ended.
    async fn follow(&mut self, clock: &dyn Clock) -> Incident {
        loop {
            tokio::select! {
                biased;
                news = self.news.recv() => match news {
                    Some(news) => self.hear(news),
                    None => return std::future::pending().await,
                },
                () = clock.sleep(TICK) => {}
            }
            self.look().await;
            if let Some(at) = self.incidents.iter().position(|i| i.ended.is_some()) {
                return self.incidents.remove(at);
            }
        }
    }

    fn hear(&mut self, news: News) {
        let now = self.stage.world.now();
        let (host, who, tone, text) = match news {
            News::Failed { host, at, before } => {
                let incident = Incident::new(host.clone(), at, before);
                self.screen.heading(&format!("{host} fails"));
                let ran = incident.before.iter().filter(|s| s.vm_state == VmState::Active).count();
                self.incidents.push(incident);
                (host, Who::Cloud, Tone::Bad, format!("no power; {ran} VMs ran there"))
            }
            News::Silent { host } => {
                self.moment(&host, |incident| &mut incident.moments.silent);
                let text = format!("Nova says that {host} is down; it looks again");
                (host, Who::Monitor, Tone::Plain, text)
            }
            News::Reported { host, id } => {
                self.moment(&host, |incident| &mut incident.moments.reported);
                let text = format!("{host} is still down: POST /v1/notifications, 202 Accepted");
                self.tell(&host, Who::Monitor, Tone::Plain, now, &text);
                (host, Who::Api, Tone::Plain, format!("notification {id}"))
            }
            News::NotTaken { host, why } => {
                let text = format!("POST /v1/notifications, 409 Conflict: {why}");
                (host, Who::Monitor, Tone::Bad, text)
            }
            News::Returning { host, step } => {
                let text = format!("{host} {step}");
                (host, Who::Person, Tone::Plain, text)
            }
        };
        self.tell(&host, who, tone, now, &text);
    }

    fn moment(&mut self, host: &HostName, which: impl Fn(&mut Incident) -> &mut Option<Millis>) {
        let now = self.stage.world.now();
        if let Some(incident) = self.incidents.iter_mut().find(|i| i.host == *host) {
            which(incident).get_or_insert(now);
        }
    }

    async fn look(&mut self) {
        let (servers, now) = (self.stage.world.servers(), self.stage.world.now());
        let store = self.store.clone();
        let mut told: Vec<(HostName, Sentence)> = Vec::new();
        for incident in &mut self.incidents {
            match incident.look(&*store, &servers, now).await {
                Ok(new) => told.extend(new.into_iter().map(|s| (incident.host.clone(), s))),
                // The next look comes soon.
                Err(error) => tracing::warn!(%error, "the engine's log cannot be read"),
            }
        }
        for (host, Sentence { at, who, tone, text }) in told {
            self.tell(&host, who, tone, at, &text);
        }
    }

    /// With the time since that host's failure. While several hosts are down, its name comes first.
    fn tell(&self, host: &HostName, who: Who, tone: Tone, at: Millis, text: &str) {
        let Some(incident) = self.incidents.iter().find(|i| i.host == *host) else {
            return self.screen.line(&format!("  {text}"));
        };
        let since_ms = at.since(incident.failed_at);
        if self.incidents.len() > 1 {
            self.screen.event(since_ms, who, tone, &format!("[{host}] {text}"));
        } else {
            self.screen.event(since_ms, who, tone, text);
        }
    }
}

/// What an operator does once, by Masakari's API.
async fn set_up(client: &Client, hosts: &[HostName]) -> anyhow::Result<()> {
    let segment = NewSegment {
        name: "demo".into(),
        recovery_method: "auto".into(),
        service_type: "COMPUTE".into(),
        description: None,
    };
    let segment = client.create_segment(&segment).await.context("there is no segment")?;
    let segment = SegmentId::new(segment.uuid);
    for name in hosts {
        let host = NewHost {
            name: name.as_str().to_owned(),
            kind: "COMPUTE".into(),
            control_attributes: "SSH".into(),
            reserved: None,
            on_maintenance: None,
        };
        let created = client.create_host(&segment, &host).await;
        created.with_context(|| format!("host {name} is not in the segment"))?;
    }
    Ok(())
}

/// `vm-0006  ACTIVE   HA_Enabled, locked by its owner`
fn described(server: &Server) -> String {
    let marks = [
        (server.metadata.contains_key("HA_Enabled"), "HA_Enabled"),
        (server.locked, "locked by its owner"),
    ];
    let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    let state = super::incident::status(server);
    let text = format!("{}  {state:<8} {}", server.name, marks.join(", "));
    text.trim_end().to_owned()
}
