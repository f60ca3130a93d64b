//! Ordered restart: which tier each server is of, the look at those that have arrived, and the question
//! whether one is up.

use crate::{
    Engine,
    look::{LOOK_WITHIN, LookFailed},
    records::Quiet,
    turn::chain,
};
use ports::{Boot, ProbeError};
use recovery::{
    HostName, Millis, ServerId,
    seen::{Evacuation, Server},
    state::State,
    tiers::{self, Check, Door, HostSeen, Inside, Look, Ordered, Starting},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// How long a server may take to answer its check.
const CHECK_WITHIN: Duration = Duration::from_secs(3);

/// How the servers of a plan are started.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// By Nova, as they arrive.
    None,
    ByTier(BTreeMap<ServerId, Ordered>),
    /// It is asked for, and Nova cannot do it.
    Impossible {
        why: String,
    },
}

/// The servers that are to be started, or were, as one look showed them.
#[derive(Debug)]
pub(crate) struct StartsView {
    /// When the last of it was answered.
    pub(crate) answered_at: Boot,
    pub(crate) began: Millis,
    heard_at: Millis,
    watched: BTreeSet<ServerId>,
    busy: BTreeSet<ServerId>,
    servers: BTreeMap<ServerId, Server>,
    hosts: BTreeMap<HostName, HostSeen>,
    evacuations: Vec<Evacuation>,
}

impl StartsView {
    pub(crate) fn look(&self) -> Look<'_> {
        Look {
            began: self.began,
            heard_at: self.heard_at,
            servers: &self.servers,
            hosts: &self.hosts,
            evacuations: &self.evacuations,
            watched: &self.watched,
            busy: &self.busy,
        }
    }
}

/// What [`Engine::look_at_starts`] is to look at.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// The dead host.
    source: HostName,
    recovery_began: Millis,
    watched: BTreeSet<ServerId>,
    /// Where they were seen last.
    hosts: BTreeSet<HostName>,
    busy: BTreeSet<ServerId>,
}

impl Arrivals {
    pub(crate) fn of(state: &State, source: &HostName, busy: &BTreeSet<ServerId>) -> Self {
        let watched = || state.starts.servers.iter().filter(|(_, s)| s.is_watched());
        Self {
            source: source.clone(),
            recovery_began: state.began.unwrap_or_default(),
            watched: watched().map(|(id, _)| id.clone()).collect(),
            hosts: watched().filter_map(|(_, s)| s.host.clone()).collect(),
            busy: busy.clone(),
        }
    }
}

impl Engine {
    /// Says at the start what would otherwise be learnt when a host has died.
    pub(crate) async fn warn_of_disorder(&self) {
        if !self.config().tiers.on {
            return;
        }
        match self.ports.nova.too_old_to_stop_evacuated().await {
            Ok(None) => {}
            Ok(Some(newest)) => tracing::warn!("{}", too_old(&newest)),
            Err(e) => tracing::debug!(error = chain(&e), "Nova's version is not known yet"),
        }
    }

    /// The tiers and checks of `servers`.
    pub(crate) async fn order(&self, servers: &[Server]) -> Result<Order, LookFailed> {
        let config = self.config();
        let rules = &config.tiers;
        if !rules.on {
            return Ok(Order::None);
        }
        if let Some(newest) = self.ports.nova.too_old_to_stop_evacuated().await? {
            return Ok(Order::Impossible { why: too_old(&newest) });
        }
        let images = self.images_of(servers, &rules.keys).await;
        let of = |server: &Server| {
            let image = server.hints.image.as_ref().and_then(|id| images.get(id));
            (server.id.clone(), rules.of(server, image))
        };
        Ok(Order::ByTier(servers.iter().map(of).collect()))
    }

    /// Looks at the servers that were started or may be, and at the hosts on which they are.
    pub(crate) async fn look_at_starts(&self, of: Arrivals) -> Result<StartsView, LookFailed> {
        let began = self.now();
        let (store, nova) = (&self.ports.store, &self.ports.nova);
        let since = nova.cursor_at(of.recovery_began);
        let (changed, _) = nova.servers_changed_since(&since).await?;
        let mut servers: BTreeMap<ServerId, Server> =
            changed.into_iter().map(|s| (s.id.clone(), s)).collect();
        servers.retain(|id, _| of.watched.contains(id));
        for id in &of.watched {
            if !servers.contains_key(id) {
                servers.extend(nova.server(id).await?.map(|s| (id.clone(), s)));
            }
        }
        let mut names = of.hosts;
        names.extend(servers.values().filter_map(|s| s.host.clone()));
        let mut hosts = BTreeMap::new();
        for host in names {
            // After the servers: Nova marks the record when it has moved the server.
            let mut records = nova.evacuations_from(&host).await?;
            records.retain(|e| of.watched.contains(&e.server));
            let asked =
                self.mark_void(&host, servers.values(), &mut records, &Quiet::default()).await;
            asked.renew(&mut servers);
            let running = records.into_iter().filter(|e| e.status.may_run());
            let evacuating = running.map(|e| e.server).collect();
            let recovery = match host == of.source {
                // Ours: it is over for who has arrived.
                true => None,
                false => store.open_host_recovery(&host).await?,
            };
            hosts.insert(host, HostSeen { service: None, evacuating, recovery });
        }
        let evacuations = nova.evacuations_from(&of.source).await?;
        // Last: it is what a start depends on most, and what must not be old.
        let asked = self.ports.clock.boot();
        for service in nova.compute_services().await? {
            if let Some(seen) = hosts.get_mut(&service.host) {
                seen.service = Some(service);
            }
        }
        let answered_at = self.ports.clock.boot();
        let took = answered_at.since(asked);
        if took > LOOK_WITHIN {
            return Err(LookFailed::Slow { host: of.source, took_ms: took.as_millis() });
        }
        let (watched, busy, heard_at) = (of.watched, of.busy, self.now());
        Ok(StartsView { answered_at, began, heard_at, watched, busy, servers, hosts, evacuations })
    }

    /// Whether a server that was started is up; if not, why. `began`: the recovery.
    pub(crate) async fn check(
        &self,
        check: &Check,
        server: &Starting,
        began: Option<Millis>,
    ) -> Result<(), String> {
        match check {
            Check::At(door) => self.answers_at(door).await,
            Check::Of(Inside::GuestAgent) => {
                let heard = self.ports.store.guest(&server.ordered.server).await;
                let heard = heard.map_err(|e| format!("its guest agent: {}", chain(&e)))?;
                tiers::is_up(server, heard.as_ref(), began)
            }
        }
    }

    async fn answers_at(&self, door: &Door) -> Result<(), String> {
        let Ok(address) = door.address.parse::<IpAddr>() else {
            return Err(format!("{:?} is no address", door.address));
        };
        let to = SocketAddr::new(address, door.port);
        let failed = |e: ProbeError| format!("{door} {e}");
        match &door.path {
            None => self.ports.probe.connects(to, CHECK_WITHIN).await.map_err(failed),
            Some(path) => match self.ports.probe.status(to, path, CHECK_WITHIN).await {
                Ok(200..300) => Ok(()),
                Ok(status) => Err(format!("{door} answers with {status}")),
                Err(e) => Err(failed(e)),
            },
        }
    }
}

fn too_old(newest: &str) -> String {
    format!(
        "[recovery] ordered_restart needs a Nova that stops evacuated servers (2.95, of 2023.1), and \
         this one speaks up to {newest}"
    )
}
