//! What can be set about the engine.

use crate::{fencing::Fencing, steps::Steps};
use recovery::{
    approval, due::Limits, evidence::Require, guard, plan::Selection, priority::Keys, process,
    quarantine, restart, returns, tiers,
};
use std::time::Duration;

/// The engine's settings, already checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// This engine's name in leases and logs: `host:pid`.
    pub name: String,
    /// How long a lease holds without renewal. A dead engine's work goes on elsewhere after it.
    pub lease_term: Duration,
    /// How often the database is asked for work when nobody nudges us.
    pub poll: Duration,
    /// The most calls that change servers and are in flight at Nova at once.
    pub calls_most: usize,
    /// The most recoveries that one engine runs at once.
    pub recoveries_most: usize,
    /// `[fencing] require`.
    pub require: Require,
    /// `[guard]`.
    pub guard: guard::Rules,
    /// `[approval]`.
    pub approval: approval::Rules,
    /// `[fencing] devices_file`; none: hosts are not fenced.
    pub fencing: Option<Fencing>,
    /// `[host_failure]`.
    pub selection: Selection,
    /// `[host_failure] service_disable_reason`.
    pub disable_reason: String,
    /// `[host_failure] add_reserved_host_to_aggregate`.
    pub reserved_into_aggregates: bool,
    /// `[recovery] auto_within_segment`: where Nova chooses, it chooses among the segment's hosts.
    pub within_segment: bool,
    /// `[recovery] priority_*_key`: where a server's priority is looked for.
    pub priority: Keys,
    /// `[recovery] ordered_restart` and what belongs to it.
    pub tiers: tiers::Rules,
    pub limits: Limits,
    /// `[recovery] quarantine_deaths` and `quarantine_window`.
    pub quarantine: quarantine::Rule,
    /// The most recoveries of single servers and services that one engine runs at once; they do not
    /// count among `recoveries_most`, because they may wait for a host's recovery.
    pub restarts_most: usize,
    /// `[instance_failure]`.
    pub restart: restart::Rules,
    pub restart_limits: restart::Limits,
    /// `[process_failure] service_disable_reason`.
    pub process_disable_reason: String,
    pub process_limits: process::Limits,
    /// `[return]`; none: nobody looks after hosts that were lost.
    pub returns: Option<returns::Rules>,
    /// `[taskflow_driver_recovery_flows]` and `[recovery_steps]`.
    pub steps: Steps,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "engine".into(),
            lease_term: Duration::from_secs(10),
            poll: Duration::from_millis(250),
            calls_most: 32,
            recoveries_most: 64,
            require: Require::default(),
            guard: guard::Rules::default(),
            approval: approval::Rules::default(),
            fencing: None,
            selection: Selection::default(),
            disable_reason: "Masakari detected host failed.".into(),
            reserved_into_aggregates: false,
            within_segment: false,
            priority: Keys::default(),
            tiers: tiers::Rules::default(),
            limits: Limits::default(),
            quarantine: quarantine::Rule::default(),
            restarts_most: 256,
            restart: restart::Rules::default(),
            restart_limits: restart::Limits::default(),
            process_disable_reason: "Masakari detected process failed.".into(),
            process_limits: process::Limits::default(),
            returns: None,
            steps: Steps::default(),
        }
    }
}
