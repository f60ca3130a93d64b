//! `masakari-engine`, and the engine together with the API in one process.

use crate::{
    api_role, cli::ConfigArgs, config::Configuration, fence_role, ports_of, ports_of::Machine,
    reload::Reload, signals,
};
use engine::{Engine, Fencing, Ports, Wake};
use ports::{Clock, SystemExec};
use std::{process::ExitCode, sync::Arc};
use store::Store;

const PROGRAM: &str = "masakari-engine";
/// The engine and the API in one process.
const BOTH: &str = "masakari";

pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let machine = Machine::new()?;
    let (configuration, levels) = api_role::begin(args, PROGRAM, &machine)?;
    // One thread is enough for an engine: it waits for Nova and for the database.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store: Arc<dyn Store> =
            Arc::new(machine.open_to_act(&configuration.database()?).await?);
        let engine = new(&configuration, &machine, store, Wake::default())?;
        let reload = Reload::new(args, PROGRAM, levels)?;
        tokio::select! {
            () = engine.run(stop()) => {}
            () = reload.keep(|configuration| reconfigure(&engine, configuration, &machine)) => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(crate) fn run_with_api(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let machine = Machine::new()?;
    let (configuration, levels) = api_role::begin(args, BOTH, &machine)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let sql = machine.open_to_act(&configuration.database()?).await?;
        sql.sync().await?;
        let store: Arc<dyn Store> = Arc::new(sql);
        let wake = Wake::default();
        let engine = new(&configuration, &machine, store.clone(), wake.clone())?;
        let nudge = Arc::new(move || wake.nudge());
        let serving = api_role::serve(&configuration, &machine, store, nudge, stop());
        let reload = Reload::new(args, BOTH, levels)?;
        let both = async { tokio::join!(serving, engine.run(stop())).0 };
        tokio::select! {
            served = both => served?,
            () = reload.keep(|configuration| reconfigure(&engine, configuration, &machine)) => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn new(
    configuration: &Configuration,
    machine: &Machine,
    store: Arc<dyn Store>,
    wake: Wake,
) -> anyhow::Result<Engine> {
    configuration.check_networks()?;
    let config = settings(configuration, &machine.clock)?;
    let nova = machine.nova(configuration)?;
    let (clock, entropy) = (machine.clock.clone(), machine.entropy.clone());
    let probe = Arc::new(ports::NetworkProbe::new()?);
    let (exec, web) = (Arc::new(SystemExec), machine.web(configuration)?);
    Ok(Engine::new(Ports { store, nova, clock, entropy, probe, exec, web }, config, wake))
}

/// What can change while the engine runs changes.
fn reconfigure(
    engine: &Engine,
    configuration: &Configuration,
    machine: &Machine,
) -> anyhow::Result<()> {
    engine.reconfigure(settings(configuration, &machine.clock)?);
    Ok(())
}

pub(crate) fn settings(
    configuration: &Configuration,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<engine::Config> {
    let mut config = configuration.engine(&ports_of::machine_name())?;
    if let Some(file) = configuration.fencing_file()? {
        let hosts = file.hosts.len();
        let (devices, ladders) = (file.devices.len(), file.ladders.len());
        tracing::info!(devices, ladders, hosts, "lost hosts are fenced");
        let tools = fence_role::tools(clock.clone());
        let report_interval = configuration.report_interval();
        let check_every = configuration.check_interval();
        let fencing = Fencing { file: Arc::new(file), tools, report_interval, check_every };
        config.limits.fencing.quiet_ms = i64::try_from(fencing.quiet().as_millis())?;
        config.fencing = Some(fencing);
    }
    if config.require == recovery::evidence::Require::Monitor {
        tracing::warn!(
            "[fencing] require = monitor: a monitor's word and Nova's are believed without proof; \
             set `require = proven` once hosts can be fenced"
        );
    }
    Ok(config)
}

pub(crate) async fn stop() {
    if let Err(error) = signals::stop_asked().await {
        tracing::error!(%error, "signals cannot be heard; stop this process with SIGKILL");
        std::future::pending::<()>().await;
    }
}
