//! `masakari-instancemonitor`: the VMs of this host.

use crate::{
    api_role,
    cli::ConfigArgs,
    config::{Access, Configuration},
    ports_of::{Machine, machine_name},
    reload::Reload,
    signals,
};
use anyhow::Context;
use monitor::{
    Sender,
    instances::{InstancesConfig, Watch, Watcher},
    libvirt::Libvirt,
    sending::{Folder, Spool, SystemFolder},
};
use openstack::{Session, instance_ha::Client};
use ports::HttpClient;
use std::{path::Path, process::ExitCode, sync::Arc};

const PROGRAM: &str = "masakari-instancemonitor";
/// The kernel's name of its present run.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// For the disk and for libvirt.
const THREADS_MOST: usize = 4;

pub(crate) fn run_instances(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let machine = Machine::new()?;
    let (configuration, levels) = api_role::begin(args, PROGRAM, &machine)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(THREADS_MOST)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let (sender, watch) = instances(&configuration, &machine)?;
        let reload = Reload::new(args, PROGRAM, levels)?;
        let hostname = &watch.config.hostname;
        tracing::info!("Starting {PROGRAM}: VMs of {hostname}, at {}", configuration.libvirt_uri());
        tokio::select! {
            () = sender.run(stop()) => {}
            () = watch.run() => {}
            () = reload.keep(|_| Ok(())) => {}
        }
        Ok(ExitCode::SUCCESS)
    });
    // A libvirtd that hangs must not hold us.
    runtime.shutdown_background();
    outcome
}

fn instances(configuration: &Configuration, machine: &Machine) -> anyhow::Result<(Sender, Watch)> {
    let boot_id = std::fs::read_to_string(BOOT_ID)
        .with_context(|| format!("{BOOT_ID} cannot be read"))?
        .trim()
        .to_owned();
    let client = client(configuration, machine)?;
    let folder = folder(&configuration.monitor_folder(PROGRAM));
    let spool = folder.clone().map(|folder| Spool::new(folder, boot_id.clone()));
    let (clock, entropy) = (machine.clock.clone(), machine.entropy.clone());
    let watcher = Watcher::default();
    let source = Arc::new(watcher.clone());
    let sending = configuration.callback();
    let (reporter, sender) =
        Sender::new(&sending, spool, client, source, clock.clone(), entropy.clone());
    let hostname = configuration.monitored_host(&machine_name());
    let hypervisor = Arc::new(Libvirt::new(configuration.libvirt_uri(), clock.clone()));
    let config = InstancesConfig { hostname, boot_id };
    Ok((sender, Watch { config, hypervisor, watcher, reporter, folder, clock, entropy }))
}

/// Masakari, ours or Python's.
fn client(configuration: &Configuration, machine: &Machine) -> anyhow::Result<Client> {
    let http = HttpClient::new(&configuration.masakari_http()).context("[api] cafile")?;
    let (clock, entropy) = (machine.clock.clone(), machine.entropy.clone());
    let session = match configuration.masakari_access()? {
        Access::Keystone(auth) => Session::new(*auth, Arc::new(http), clock, entropy),
        Access::Endpoint(url) => {
            let endpoint = url.parse().with_context(|| format!("[api] endpoint = {url:?}"))?;
            Session::none(endpoint, None, Arc::new(http), clock, entropy)
        }
    };
    Ok(Client::new(session).on(configuration.masakari_interface()?))
}

/// What outlives this process. A host on which nothing can be kept is watched all the same.
fn folder(path: &Path) -> Option<Arc<dyn Folder>> {
    match SystemFolder::open(path) {
        Ok(folder) => Some(Arc::new(folder)),
        Err(error) => {
            tracing::error!(
                "{}: {error}. Nothing can be kept there: a restart of this monitor forgets what the API has not \
                 answered, and who ran. Make the folder for this user, or set [DEFAULT] state_path to another",
                path.display()
            );
            None
        }
    }
}

/// Returns when this process shall stop.
async fn stop() {
    if let Err(error) = signals::stop_asked().await {
        tracing::error!(%error, "signals cannot be heard; stop this process with SIGKILL");
        std::future::pending::<()>().await;
    }
}
