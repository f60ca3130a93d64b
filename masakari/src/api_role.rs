//! `masakari-api`.

use crate::{cli::ConfigArgs, config::Configuration, logging, ports_of::Machine, signals};
use anyhow::Context;
use openstack::{
    Session,
    tokens::{TokenCache, TokenValidator},
};
use oslo::policy::Enforcer;
use ports::HttpClient;
use std::{process::ExitCode, sync::Arc};
use store::Store;

pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let configuration = Configuration::read(&args.0, "masakari-api")?;
    logging::begin(configuration.debug());
    for warning in &configuration.warnings {
        tracing::warn!("{warning}");
    }
    let machine = Machine::new()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(machine.open(&configuration.database()?).await?);
        // The engine is another process: it polls.
        let nudge = Arc::new(|| {});
        let stop = async { signals::stop_asked().await.unwrap_or(()) };
        serve(&configuration, &machine, store, nudge, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Serves until `stop`.
pub(crate) async fn serve(
    configuration: &Configuration,
    machine: &Machine,
    store: Arc<dyn Store>,
    nudge: Arc<dyn Fn() + Send + Sync>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let address = configuration.listen()?;
    let state = api::ApiState {
        store,
        nova: machine.nova(configuration)?,
        auth: auth(configuration, machine)?,
        policy: Arc::new(policy(configuration)?),
        clock: machine.clock.clone(),
        entropy: machine.entropy.clone(),
        config: configuration.api(),
        wake: nudge,
    };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "API listens");
    api::serve(listener, api::app(state), machine.clock.clone(), stop)
        .await
        .context("the API stopped")
}

fn policy(configuration: &Configuration) -> anyhow::Result<Enforcer> {
    let overrides = configuration.policy_overrides()?;
    let (enforcer, findings) = Enforcer::new(api::RULES, &overrides, "default");
    for finding in findings {
        tracing::warn!("policy: {finding}");
    }
    Ok(enforcer)
}

fn auth(configuration: &Configuration, machine: &Machine) -> anyhow::Result<api::Auth> {
    if configuration.noauth() {
        tracing::warn!("auth_strategy = noauth2: everybody is believed");
        return Ok(api::Auth::NoAuth);
    }
    let http = Arc::new(HttpClient::new(&configuration.token_http())?);
    let (clock, entropy) = (machine.clock.clone(), machine.entropy.clone());
    let session = Session::new(configuration.token_user()?, http, clock.clone(), entropy);
    let cache = TokenCache { good_for: configuration.token_cache(), ..TokenCache::default() };
    Ok(api::Auth::Keystone(TokenValidator::new(session, clock, cache)))
}
