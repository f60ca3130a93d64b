//! Our own part: the real API and the real engine, in this process, with SQLite.

use super::{Place, user};
use crate::ports_of::Machine;
use anyhow::Context;
use engine::{Engine, Wake};
use openstack::{
    Nova, NovaConfig, Session,
    tokens::{TokenCache, TokenValidator},
};
use oslo::policy::Enforcer;
use ports::Clock;
use sim::World;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use store::{Sql, SqlOptions, Store};
use tokio::net::TcpListener;

/// Shorter than it takes to fail a host, to return it and to fail it again: that is no duplicate.
const DUPLICATES_WITHIN_S: u32 = 5;

/// API, engine and database.
pub(super) struct Service {
    store: Arc<dyn Store>,
    api: axum::Router,
    engine: Engine,
}

impl Service {
    pub(super) async fn new(
        machine: &Machine,
        world: &World,
        place: &Place,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let store = open(machine, folder).await?;
        let (clock, entropy) = (machine.clock.clone(), machine.entropy.clone());
        let session = Session::new(user(place), world.transport(), clock.clone(), entropy.clone());
        let nova = Nova::new(session.clone(), NovaConfig::default());
        let wake = Wake::default();
        let nudge = wake.clone();
        let (policy, _) = Enforcer::new(api::RULES, &BTreeMap::new(), "default");
        let state = api::ApiState {
            store: store.clone(),
            nova: nova.clone(),
            auth: api::Auth::Keystone(TokenValidator::new(
                session,
                clock.clone(),
                TokenCache::default(),
            )),
            policy: Arc::new(policy),
            clock: clock.clone(),
            entropy: entropy.clone(),
            config: api::Config {
                duplicate_notification_detection_interval_s: DUPLICATES_WITHIN_S,
                healthcheck: api::Healthcheck {
                    disable_by_file_path: None,
                    ..api::Healthcheck::default()
                },
                www_authenticate_uri: Some(format!("{}/identity", place.cloud)),
                ..api::Config::default()
            },
            wake: Arc::new(move || nudge.nudge()),
            long_lists: api::LongLists::default(),
        };
        // Nothing is asked: the demo's servers have no ports.
        let probe = Arc::new(ports::NetworkProbe::new()?);
        let web = Arc::new(ports::HttpClient::new(&ports::HttpClientConfig::default())?);
        let exec = Arc::new(ports::SystemExec);
        let ports = engine::Ports { store: store.clone(), nova, clock, entropy, probe, exec, web };
        let config = engine::Config { name: "demo".into(), ..engine::Config::default() };
        let engine = Engine::new(ports, config, wake);
        Ok(Self { store, api: api::app(state), engine })
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Serves and recovers until the socket fails.
    pub(super) async fn run(
        self,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<()> {
        let forever = std::future::pending();
        tokio::select! {
            served = api::serve(api::Listening::plainly(listener), self.api, clock, forever) => served?,
            () = self.engine.run(std::future::pending()) => {}
        }
        Ok(())
    }
}

async fn open(machine: &Machine, folder: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let url = format!("sqlite://{}?mode=rwc", folder.join("masakari.sqlite").display());
    let options = SqlOptions::new(machine.clock.clone(), machine.entropy.clone());
    let sql = Sql::connect(&url, options).await.context("the database cannot be opened")?;
    sql.sync().await.context("the database has no schema")?;
    Ok(Arc::new(sql))
}
