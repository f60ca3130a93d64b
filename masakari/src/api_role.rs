//! `masakari-api`.

use crate::{
    cli::ConfigArgs,
    config::Configuration,
    logging,
    logging::LevelsHandle,
    policy,
    ports_of::{Machine, machine_name},
    reload::Reload,
    signals,
};
use anyhow::Context;
use openstack::{
    Session,
    tokens::{TokenCache, TokenValidator},
};
use ports::HttpClient;
use std::{process::ExitCode, sync::Arc};
use store::Store;

const PROGRAM: &str = "masakari-api";

pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let machine = Machine::new()?;
    let (configuration, levels) = begin(args, PROGRAM, &machine)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(serving_threads())
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(machine.open(&configuration.database()?).await?);
        // The engine is another process: it polls.
        let nudge = Arc::new(|| {});
        let stop = async { signals::stop_asked().await.unwrap_or(()) };
        let reload = Reload::new(args, PROGRAM, levels)?;
        tokio::select! {
            served = serve(&configuration, &machine, store, nudge, stop) => served?,
            () = reload.keep(|_| Ok(())) => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Half of the machine's processors, and at most four: the database has as much to do as we. More on two
/// processors is slower (1,710 against 1,490 accepted reports a second), because a request wanders.
fn serving_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(1, 4)
}

/// Reads the configuration and begins to log, as any daemon does.
pub(crate) fn begin(
    args: &ConfigArgs,
    program: &str,
    machine: &Machine,
) -> anyhow::Result<(Configuration, LevelsHandle)> {
    let configuration = Configuration::read(&args.0, program)?;
    let log = configuration.log(program, &machine_name(), machine.clock.wall().0)?;
    let levels = logging::begin(log, machine.clock.clone());
    for warning in &configuration.warnings {
        tracing::warn!("{warning}");
    }
    Ok((configuration, levels))
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
    let tls = configuration.tls()?;
    let files = configuration.policy_files();
    let seen = files.stamp();
    let (policy, findings) = files.enforcer()?;
    findings.iter().for_each(|finding| tracing::warn!("policy: {finding}"));
    let policy = Arc::new(policy);
    let state = api::ApiState {
        store,
        nova: machine.nova(configuration)?,
        auth: auth(configuration, machine)?,
        policy: Arc::clone(&policy),
        clock: machine.clock.clone(),
        entropy: machine.entropy.clone(),
        config: configuration.api()?,
        long_lists: api::LongLists::default(),
        wake: nudge,
    };
    let socket = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "API listens");
    let listening = api::Listening { socket, tls, silence_most: configuration.silence_most() };
    let serving = api::serve(listening, api::app(state), machine.clock.clone(), stop);
    tokio::select! {
        served = serving => served.context("the API stopped"),
        () = policy::keep_current(files, seen, &policy, &*machine.clock) => Ok(()),
    }
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
