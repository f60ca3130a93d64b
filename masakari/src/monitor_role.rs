//! The monitors of this host: `masakari monitor` has those that are wanted in one process, and each answers to the name
//! of Python's program, too.
//!
//! ```text
//!  ROLES ── each begun, and begun again when it ends (keep) ──► reports ──► one Sender, one spool, one token
//!              └── marks ──► Board ──► status socket, systemd (watchdog)
//! ```
//!
//! What they share is [`Node`]. A monitor is one line of [`ROLES`]: a function that watches until it cannot. One that
//! ends says why, once, and is begun again; the others go on.

mod agent;
mod guests;
mod hosts;
mod identity;
mod instances;
mod keep;
mod lease;
mod processes;
mod socket;
mod systemd;

use crate::{
    api_role,
    cli::ConfigArgs,
    config::{Access, Configuration, STATUS_SOCKET},
    ports_of::{Machine, machine_name},
    reload::Reload,
    signals,
};
use anyhow::Context;
use futures::future::{LocalBoxFuture, join_all};
use monitor::{
    Board, Mark, Reporter, Sender, SendingConfig, Watched,
    lease::Stop,
    resident,
    sending::{Folder, Sources, Spool, SystemFolder},
};
use openstack::{Session, instance_ha::Client};
use ports::HttpClient;
use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};
use systemd::Systemd;
use tokio::sync::Notify;

/// All in one.
const PROGRAM: &str = "masakari-monitor";
/// The kernel's name of its present run.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// For the disk and for libvirt, of all that run here: one that lists, four that ask guests, and some more.
const THREADS_MOST: usize = 12;

/// One monitor.
pub(crate) struct Role {
    /// As people name it, and `[monitor] watch`.
    pub(crate) name: &'static str,
    /// Python's program.
    program: &'static str,
    /// Whose reports are its own.
    watched: Option<Watched>,
    /// The longest that its loop needs to turn.
    turn_most: Duration,
    /// How it sends when it is alone; several in one process send as the one of VMs.
    sending: fn(&Configuration) -> SendingConfig,
    /// Watches until it cannot. The error says why, and what to do about it.
    run: Run,
    /// What it does when this process is stopped.
    at_stop: Option<AtStop>,
}

type Run = fn(Arc<Node>, Mark) -> LocalBoxFuture<'static, anyhow::Result<()>>;
type AtStop = fn(Arc<Node>, Mark) -> LocalBoxFuture<'static, ()>;
type Marked = (&'static Role, Mark);

/// Every monitor that there is.
pub(crate) const ROLES: &[Role] =
    &[instances::ROLE, guests::ROLE, processes::ROLE, hosts::ROLE, agent::ROLE, lease::ROLE];

pub(crate) use agent::Agent;
pub(crate) use hosts::{DRIVERS, Driver, PacemakerAlert};
pub(crate) use lease::run_lease;

/// What the monitors of a process share.
pub(crate) struct Node {
    configuration: Configuration,
    machine: Machine,
    /// This host, as Masakari calls it.
    hostname: String,
    /// This run of its kernel.
    boot_id: String,
    /// Where they keep what must outlive the process; none: nothing can be kept.
    folder: Option<Arc<dyn Folder>>,
    /// Masakari.
    client: Client,
    reporter: Reporter,
    /// Who is asked whether a late report still holds.
    sources: Sources,
    /// Has the lease of this host given back.
    lease: Stop,
    /// Told at each SIGHUP, for whoever reads more than the configuration.
    reread: Arc<Notify>,
}

/// `masakari monitor`: those of `[monitor] watch`.
pub(crate) fn run_all(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    run(args, PROGRAM, |configuration| configuration.watched(ROLES))
}

/// `masakari-instancemonitor`
pub(crate) fn run_instances(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    run(args, instances::ROLE.program, |_| Ok(vec![&instances::ROLE]))
}

/// `masakari-introspectiveinstancemonitor`
pub(crate) fn run_guests(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    run(args, guests::ROLE.program, |_| Ok(vec![&guests::ROLE]))
}

/// `masakari-processmonitor`
pub(crate) fn run_processes(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    run(args, processes::ROLE.program, |_| Ok(vec![&processes::ROLE]))
}

/// `masakari-hostmonitor`
pub(crate) fn run_hosts(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    run(args, hosts::ROLE.program, |_| Ok(vec![&hosts::ROLE]))
}

/// `masakari agent`
fn run_agent(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    run(args, agent::ROLE.program, |_| Ok(vec![&agent::ROLE]))
}

fn run(
    args: &ConfigArgs,
    program: &'static str,
    wanted: impl FnOnce(&Configuration) -> anyhow::Result<Vec<&'static Role>>,
) -> anyhow::Result<ExitCode> {
    let machine = Machine::new()?;
    let (configuration, levels) = api_role::begin(args, program, &machine)?;
    let roles = wanted(&configuration)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(THREADS_MOST)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let path = configuration.monitor_folder(program);
        let board = Board::new(machine.clock.clone());
        let sending = match roles.as_slice() {
            [alone] => (alone.sending)(&configuration),
            _ => configuration.callback(),
        };
        let (node, sender) = node(configuration, machine, &path, &sending)?;
        let sender = sender.shown_on(board.clone());
        let reload = Reload::new(args, program, levels)?;
        let names: Vec<&str> = roles.iter().map(|role| role.name).collect();
        tracing::info!("Starting {program}: {} of {}", names.join(", "), node.hostname);
        let mark = |role: &'static Role| board.mark(role.name, role.watched, role.turn_most);
        // Who feeds a watchdog waits for no disk.
        let may_read_again = roles.iter().all(|role| role.name != lease::ROLE.name);
        let marked: Vec<Marked> = roles.into_iter().map(|role| (role, mark(role))).collect();
        let all =
            marked.iter().map(|(role, mark)| keep::running(role, Arc::clone(&node), mark.clone()));
        let about = socket::About { program, host: node.hostname.clone() };
        // Without a folder of ours there is no place that is nobody else's.
        let place = node.folder.is_some().then(|| path.join(STATUS_SOCKET));
        let systemd = Systemd::of_this_process();
        tokio::select! {
            () = sender.run(stop(systemd.as_ref(), &node, &marked)) => {}
            _ = join_all(all) => {}
            () = socket::serve(place.as_deref(), &board, &about, &*node.machine.clock) => {}
            () = systemd::tell(systemd.as_ref(), &board, &*node.machine.clock) => {}
            () = reload.keep(|_| { node.reread.notify_one(); Ok(()) }) => {}
            () = resident::stay_small(&*node.machine.clock), if may_read_again => {}
        }
        Ok(ExitCode::SUCCESS)
    });
    // A libvirtd that hangs must not hold us.
    runtime.shutdown_background();
    outcome
}

fn node(
    configuration: Configuration,
    machine: Machine,
    path: &Path,
    sending: &SendingConfig,
) -> anyhow::Result<(Arc<Node>, Sender)> {
    let boot_id = boot_id()?;
    let client = client(&configuration, &machine)?;
    let folder = folder(path);
    let spool = folder.clone().map(|folder| Spool::new(folder, boot_id.clone()));
    let sources = Sources::default();
    let (reporter, sender) = Sender::new(
        sending,
        spool,
        client.clone(),
        Arc::new(sources.clone()),
        machine.clock.clone(),
        machine.entropy.clone(),
    );
    let hostname = configuration.monitored_host(&machine_name());
    let reread = Arc::new(Notify::new());
    let node = Node {
        configuration,
        machine,
        hostname,
        boot_id,
        folder,
        client,
        reporter,
        sources,
        lease: Stop::default(),
        reread,
    };
    Ok((Arc::new(node), sender))
}

fn boot_id() -> anyhow::Result<String> {
    let read =
        std::fs::read_to_string(BOOT_ID).with_context(|| format!("{BOOT_ID} cannot be read"))?;
    Ok(read.trim().to_owned())
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

/// Returns when this process shall stop, and each has done what it does then.
async fn stop(systemd: Option<&Systemd>, node: &Arc<Node>, marked: &[Marked]) {
    if let Err(error) = signals::stop_asked().await {
        tracing::error!(%error, "signals cannot be heard; stop this process with SIGKILL");
        std::future::pending::<()>().await;
    }
    if let Some(systemd) = systemd {
        systemd.say("STOPPING=1");
    }
    let last = marked.iter().filter_map(|(role, mark)| Some((role.at_stop?, mark.clone())));
    join_all(last.map(|(at_stop, mark)| at_stop(Arc::clone(node), mark))).await;
}
