//! The command line, and the names by which the program answers.

use crate::{
    api_role, ask, configure, doctor, engine_role, fence_role, guard_role, leases, manage,
    monitor_role, monitors, policy, report_role, shadow_role, status, stop_role, told,
};
use clap::{Parser, Subcommand};

mod config_args;

pub(crate) use config_args::ConfigArgs;
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// VM high availability for OpenStack: when a compute host dies, its VMs come back.
#[derive(Parser, Debug)]
#[command(name = "masakari", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

/// What the process is.
#[derive(Subcommand, Debug)]
pub(crate) enum Role {
    /// Serve the API (also as `masakari-api`)
    Api(ConfigArgs),
    /// Recover from failures (also as `masakari-engine`)
    Engine(ConfigArgs),
    /// API and engine in one process
    Serve(ConfigArgs),
    /// Report the VMs of this host that fail (also as `masakari-instancemonitor`)
    Instancemonitor(ConfigArgs),
    /// Report what fails on this host, all that `[monitor] watch` names, in one process (also as `masakari-monitor`)
    Monitor(ConfigArgs),
    /// How the monitors of this host do; exit code 1: somebody should look
    Monitors(monitors::Monitors),
    /// This host's own word: announces its shutdown; may-start keeps its nova-compute out of the way of a recovery
    Agent(monitor_role::Agent),
    /// Hold this host's lease in etcd and feed its watchdog while it is held: who loses it is reset, and known to be dead (also as
    /// `masakari-lease`)
    Lease(ConfigArgs),
    /// The leases of all hosts, watched for some seconds; exit code 1: a host does not renew its own
    Leases(leases::Leases),
    /// Restart the processes of this host that end, and report those that cannot be (also as `masakari-processmonitor`)
    Processmonitor(ConfigArgs),
    /// Report the other hosts that die (also as `masakari-hostmonitor`)
    Hostmonitor(ConfigArgs),
    /// Pacemaker's alert agent: wakes masakari-hostmonitor (also as `masakari-pacemaker-alert`)
    PacemakerAlert(monitor_role::PacemakerAlert),
    /// Report the VMs of this host whose guest agent stops to answer (also as `masakari-introspectiveinstancemonitor`)
    Introspectiveinstancemonitor(ConfigArgs),
    /// The database (also as `masakari-manage`)
    Manage(manage::Manage),
    /// Whether an upgrade can be made (also as `masakari-status`)
    Status(status::Status),
    /// The configuration: a sample, and what is wrong with yours
    Config(configure::Configure),
    /// The rules of who may do what: a sample, a check of a file, and those in force
    Policy(policy::Policy),
    /// Fence devices: what is wrong with their file, and with the devices of a host
    Fence(fence_role::Fence),
    /// Tell the engine that a host is dead, by your name, so that its VMs may be brought back
    ConfirmDead(Box<ask::ConfirmDead>),
    /// Report that a host failed, by your name: its VMs are brought back once it is proven dead
    Recover(Box<ask::Recover>),
    /// Bring a host back to service that a recovery took out of it; --list: who is away, and why
    Return(Box<ask::Return>),
    /// A try beside Python Masakari: what it is told is judged and planned, nothing is done, and the two are compared
    Shadow(shadow_role::Shadow),
    /// Planned stops: a host that will be away is no failure until its time is over
    Host(Box<stop_role::Host>),
    /// Try again what failed in the recovery of a notification, and nothing else
    Retry(Box<ask::Retry>),
    /// Stop the recovery of a notification: nothing more is begun
    Cancel(Box<ask::Cancel>),
    /// What would become of a host's VMs if it died now: in which order, where to, and which not
    Plan(Box<told::Plan>),
    /// How many hosts each segment may lose (N+k), and what a plan of each host says in sum
    Report(Box<report_role::Report>),
    /// Why the host of a notification was held for dead: its death certificates
    Certificate(Box<told::Certificate>),
    /// Let a recovery begin that is held because many hosts are lost at once, or for want of your word
    Approve(Box<guard_role::Verdict>),
    /// End a recovery that is held before it has begun
    Reject(Box<guard_role::Verdict>),
    /// Whether recoveries may begin, and which hosts are lost
    Guard(Box<guard_role::Show>),
    /// Stop everything: no recovery begins or goes on with anything new
    Disarm(Box<guard_role::Disarm>),
    /// Let recoveries begin and go on again
    Arm(Box<guard_role::Arm>),
    /// What to look at before it matters: hosts that could not be fenced, what waits, who is out of service; exit code 1: there is something
    Doctor(Box<doctor::Doctor>),
    /// Why a recovery failed or stands still, and what to type next
    Explain(Box<told::Explain>),
    /// A cloud in memory, the real API and engine, and a host that dies
    #[cfg(feature = "demo")]
    Demo(crate::demo::Demo),
    /// A cloud that fails by seed, and the engine that has to recover it: one history as a story, or many in sum
    #[cfg(feature = "demo")]
    Simulate(crate::simulate::Simulate),
}

/// Reads the command line, by whatever name the program was called.
pub(crate) fn parse(mut arguments: Vec<OsString>) -> Result<Role, clap::Error> {
    let called = arguments.first().map(PathBuf::from);
    let name = called.as_ref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    if let Some(role) = name.and_then(|name| name.strip_prefix("masakari-")) {
        arguments.insert(1, role.into());
    }
    Cli::try_parse_from(arguments).map(|cli| cli.role)
}

impl Role {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Api(args) => api_role::run(&args),
            Self::Engine(args) => engine_role::run(&args),
            Self::Serve(args) => engine_role::run_with_api(&args),
            Self::Instancemonitor(args) => monitor_role::run_instances(&args),
            Self::Monitor(args) => monitor_role::run_all(&args),
            Self::Monitors(monitors) => monitors.run(),
            Self::Agent(agent) => agent.run(),
            Self::Lease(args) => monitor_role::run_lease(&args),
            Self::Leases(leases) => leases.run(),
            Self::Processmonitor(args) => monitor_role::run_processes(&args),
            Self::PacemakerAlert(alert) => Ok(alert.run()),
            Self::Hostmonitor(args) => monitor_role::run_hosts(&args),
            Self::Introspectiveinstancemonitor(args) => monitor_role::run_guests(&args),
            Self::Manage(manage) => manage.run(),
            Self::Status(status) => status.run(),
            Self::Config(configure) => configure.run(),
            Self::Policy(policy) => policy.run(),
            Self::Fence(fence) => fence.run(),
            Self::ConfirmDead(confirm) => confirm.run(),
            Self::Recover(recover) => recover.run(),
            Self::Shadow(shadow) => shadow.run(),
            Self::Host(host) => host.run(),
            Self::Return(back) => back.run(),
            Self::Retry(retry) => retry.run(),
            Self::Cancel(cancel) => cancel.run(),
            Self::Plan(plan) => plan.run(),
            Self::Report(report) => report.run(),
            Self::Certificate(certificate) => certificate.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Approve(verdict) => verdict.approve(),
            Self::Reject(verdict) => verdict.reject(),
            Self::Guard(show) => show.run(),
            Self::Disarm(disarm) => disarm.run(),
            Self::Arm(arm) => arm.run(),
            Self::Explain(explain) => explain.run(),
            #[cfg(feature = "demo")]
            Self::Demo(demo) => demo.run(),
            #[cfg(feature = "demo")]
            Self::Simulate(simulate) => simulate.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(line: &str) -> Role {
        parse(line.split(' ').map(OsString::from).collect()).unwrap()
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_done_by_hand_needs_no_reason() {
        assert!(matches!(role("masakari recover compute01"), Role::Recover(_)));
        assert!(matches!(role("masakari retry n1 --reason room"), Role::Retry(_)));
        assert!(matches!(role("masakari cancel n1"), Role::Cancel(_)));
        assert!(matches!(role("masakari return compute01"), Role::Return(_)));
        assert!(matches!(role("masakari return compute01 --power-on"), Role::Return(_)));
        assert!(matches!(role("masakari return --list"), Role::Return(_)));
        assert!(matches!(role("masakari fence status"), Role::Fence(_)));
        assert!(matches!(role("masakari fence test compute01 --reason drill"), Role::Fence(_)));
    }

    #[cfg(feature = "demo")]
    #[test]
    fn one_seed_is_told_or_many_and_not_both() {
        assert!(matches!(role("masakari simulate --seed 7"), Role::Simulate(_)));
        assert!(matches!(
            role("masakari simulate --seeds 9 --from 3 --kind soak"),
            Role::Simulate(_)
        ));
        for wrong in ["", " --seed 1 --seeds 2", " --seed 1 --from 2"] {
            let line = format!("masakari simulate{wrong}");
            assert!(parse(line.split(' ').map(OsString::from).collect()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_shadow_runs_and_reports() {
        assert!(matches!(
            role("masakari shadow run --database /tmp/s --no-mirror"),
            Role::Shadow(_)
        ));
        assert!(matches!(role("masakari shadow report --limit 5"), Role::Shadow(_)));
        let refused =
            parse(["masakari", "shadow", "report", "--limit", "0"].map(OsString::from).into());
        assert!(refused.unwrap_err().to_string().contains("1.."));
    }

    #[test]
    fn what_is_told_is_told_for_people_or_for_machines() {
        assert!(matches!(role("masakari certificate n1"), Role::Certificate(_)));
        assert!(matches!(role("masakari explain n1 --json"), Role::Explain(_)));
        assert!(matches!(role("masakari certificate n1 --json"), Role::Certificate(_)));
        assert!(matches!(role("masakari plan compute01 --json"), Role::Plan(_)));
        assert!(matches!(role("masakari report --segment ssd --json"), Role::Report(_)));
        assert!(matches!(role("masakari report -f json"), Role::Report(_)));
        assert!(matches!(role("masakari certificate n1 -f json"), Role::Certificate(_)));
    }

    #[test]
    fn the_program_answers_to_the_names_of_pythons_programs() {
        assert!(matches!(role("/usr/bin/masakari-api --config-file /etc/x.conf"), Role::Api(_)));
        assert!(matches!(role("masakari-engine"), Role::Engine(_)));
        assert!(matches!(role("masakari-instancemonitor --debug"), Role::Instancemonitor(_)));
        assert!(matches!(role("masakari-monitor"), Role::Monitor(_)));
        assert!(matches!(role("masakari agent --config-file a"), Role::Agent(_)));
        assert!(matches!(role("masakari agent may-start --no-wait"), Role::Agent(_)));
        assert!(matches!(role("masakari-lease"), Role::Lease(_)));
        assert!(matches!(role("masakari monitors --json"), Role::Monitors(_)));
        assert!(matches!(role("masakari-processmonitor"), Role::Processmonitor(_)));
        assert!(matches!(role("masakari-hostmonitor"), Role::Hostmonitor(_)));
        assert!(matches!(role("/usr/bin/masakari-pacemaker-alert"), Role::PacemakerAlert(_)));
        let guests =
            role("/usr/bin/masakari-introspectiveinstancemonitor --config-file /etc/x.conf");
        assert!(matches!(guests, Role::Introspectiveinstancemonitor(_)));
        assert!(matches!(role("masakari-manage --config-file a db sync"), Role::Manage(_)));
        assert!(matches!(role("masakari-manage db sync --config-file a"), Role::Manage(_)));
        assert!(matches!(role("masakari-status upgrade check"), Role::Status(_)));
    }
}
