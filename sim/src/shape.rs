//! How large the simulated cloud is and how fast its Nova works.

use std::ops::RangeInclusive;

/// A cloud to begin with. Every `…_every: n` marks each n-th server; 0 marks none.
#[derive(Clone, Debug)]
pub struct Shape {
    pub hosts: usize,
    /// So many of them, the last ones, are reserved: disabled and without servers.
    pub reserved: usize,
    /// How many servers fit on a reserved host.
    pub reserved_max: usize,
    /// Host aggregates of which every host is that is not reserved.
    pub aggregates: usize,
    pub vms_per_host: usize,
    /// So many hosts, the first ones, have servers; `None`: all of them.
    pub populated: Option<usize>,
    /// How many servers fit on a host, as far as the scheduler is concerned.
    pub vms_per_host_max: usize,
    /// Servers with the metadata `HA_Enabled=True`.
    pub ha_enabled_every: usize,
    pub stopped_every: usize,
    pub error_every: usize,
    pub paused_every: usize,
    /// Servers that their owner has locked.
    pub locked_every: usize,
    /// Of so many servers each but the last has a tier (`HA_Tier`), from the greatest number down; 0: none has.
    pub tiers: usize,
    /// Servers that ask to be checked (`HA_Check`), and how.
    pub checked_every: usize,
    pub check: &'static str,
    /// What the first servers want, in their order; the others want room and no more.
    pub wants: Vec<Want>,
    /// Each host has the devices that servers want.
    pub devices: bool,
    /// The newest microversion: 2.N.
    pub newest: u32,
    /// A nova-compute is older than 2.95 needs it.
    pub old_computes: bool,
    /// `service_down_time` of nova.conf.
    pub service_down_time_ms: i64,
    /// `report_interval` of nova.conf.
    pub report_interval_ms: i64,
    /// A host that boots destroys the copies of what was evacuated from it so much later; it is heard meanwhile.
    pub destroys_after_ms: u64,
    /// How long nova-api waits for a compute service that does not answer.
    pub rpc_response_timeout_ms: u64,
    /// `resume_guests_state_on_host_boot` of nova.conf.
    pub resume_guests: bool,
    /// `[api] max_limit` of nova.conf: the longest page of a list.
    pub page_max: usize,
    /// Keystone's `[token] expiration`.
    pub token_life_ms: i64,
    pub pace: Pace,
    pub endpoints: Endpoints,
}

/// What a server can want besides room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    Vtpm,
    /// One of Manila's, from 2.97 on.
    Share,
    Passthrough,
    Numa,
    Accelerator,
}

impl Want {
    /// Nova's extra spec for it.
    pub(crate) fn extra_spec(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Vtpm => Some(("hw:tpm_version", "2.0")),
            Self::Share => None,
            Self::Passthrough => Some(("pci_passthrough:alias", "gpu:1")),
            Self::Numa => Some(("hw:numa_nodes", "2")),
            Self::Accelerator => Some(("accel:device_profile", "fpga")),
        }
    }

    /// How Nova's API refuses to evacuate a server that has it.
    pub(crate) fn refusal(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Vtpm => {
                Some((400, "Operation 'evacuate' not supported for vTPM-enabled instance."))
            }
            Self::Share => Some((409, "Feature not supported with instances that have shares.")),
            Self::Passthrough | Self::Numa | Self::Accelerator => None,
        }
    }
}

/// How fast Nova works.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Evacuated servers that one destination builds at once; the others wait.
    pub builds_per_host: usize,
    pub build_ms: RangeInclusive<u64>,
    /// From a live migrated server's start on its new host to Nova's record of that.
    pub handover_ms: u64,
    /// From the accepted request to the scheduler's choice.
    pub schedule_ms: RangeInclusive<u64>,
    /// Starting, stopping, rebooting.
    pub power_ms: RangeInclusive<u64>,
    /// How long after its start a server answers at its ports.
    pub boot_ms: u64,
    /// The network and the API's work, one way.
    pub latency_ms: RangeInclusive<u64>,
}

/// What Keystone's catalogue and the links in answers say.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// What comes before `/identity` and `/compute`, without a slash at the end.
    pub base: String,
    /// Masakari's API.
    pub instance_ha: String,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            hosts: 3,
            reserved: 0,
            reserved_max: 100,
            aggregates: 0,
            vms_per_host: 4,
            populated: None,
            vms_per_host_max: 100,
            ha_enabled_every: 2,
            stopped_every: 4,
            error_every: 0,
            paused_every: 0,
            locked_every: 0,
            tiers: 0,
            checked_every: 0,
            check: "tcp:5432",
            wants: Vec::new(),
            devices: true,
            newest: 96,
            old_computes: false,
            service_down_time_ms: 60_000,
            report_interval_ms: 10_000,
            destroys_after_ms: 0,
            rpc_response_timeout_ms: 60_000,
            resume_guests: false,
            page_max: 1000,
            token_life_ms: 3_600_000,
            pace: Pace::default(),
            endpoints: Endpoints::default(),
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            builds_per_host: 10,
            build_ms: 4_000..=15_000,
            handover_ms: 0,
            schedule_ms: 100..=800,
            power_ms: 500..=3_000,
            boot_ms: 8_000,
            latency_ms: 1..=20,
        }
    }
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            base: "http://cloud.test".into(),
            instance_ha: "http://cloud.test/instance-ha/v1".into(),
        }
    }
}
