//! What Python Masakari does not have: our groups, and options that its older releases had.

use oslo::config::{Kind, Opt};

pub(super) const OPTIONS: &[Opt] = &[
    Opt::new("approval", "default", Kind::Str)
        .default("never")
        .help("When a person must approve the recovery of a host before it begins: `never`, `always`, or `weaker_than=KIND`, where the proof of its death is weaker than `operator_confirmed`, `lease_expired`, `cluster_fenced`, `storage_fenced` or `powered_off`"),
    Opt::new("approval", "segments", Kind::List)
        .default("")
        .help("The same for single segments: `NAME:always, NAME:weaker_than=powered_off, …`"),
    Opt::new("consul", "cafile", Kind::Str)
        .help("Whom to trust as a Consul agent whose address begins with https; without it the system's authorities"),
    Opt::new("consul", "token", Kind::Secret)
        .help("What Consul's agents know us by, where they ask for it: node:read, service:read and agent:read"),
    Opt::new("fencing", "require", Kind::Str)
        .default("monitor")
        .choices(&["monitor", "proven"])
        .help("The least that is accepted as proof that a host is dead"),
    Opt::new("fencing", "devices_file", Kind::Str)
        .help("The file of fence devices by which lost hosts are switched off, `/etc/masakari/fencing.yaml` for example; none: hosts are not fenced"),
    Opt::new("fencing", "report_interval", Kind::Int { min: 0, max: 600 })
        .default("10")
        .help("`report_interval` of your nova.conf: a host that Nova has heard within it, and 5 s more, is not fenced yet; 0: nobody waits for a heartbeat, before or after"),
    Opt::new("fencing", "check_interval", Kind::Int { min: 0, max: 604_800 })
        .default("3600")
        .help("Every so many seconds it is looked whether each host could be fenced, by one engine and spread over this time; a host where a device is to be repaired every five minutes; 0: never"),
    Opt::new("guard", "segment_hosts", Kind::Int { min: 0, max: 100_000 })
        .default("0")
        .help("The most hosts of a segment that may be lost at once before none of their recoveries begins; 0: no such number"),
    Opt::new("guard", "segment_percent", Kind::Int { min: 0, max: 100 })
        .default("25")
        .help("The same as a share of the segment's hosts: two are always allowed, all of several never; 0: no such share"),
    Opt::new("guard", "cloud_hosts", Kind::Int { min: 0, max: 100_000 })
        .default("0")
        .help("The most hosts of all segments that may be lost at once; 0: no such number"),
    Opt::new("guard", "cloud_percent", Kind::Int { min: 0, max: 100 })
        .default("10")
        .help("The same as a share of the hosts of all segments, as in `segment_percent`"),
    Opt::new("guard", "window", Kind::Int { min: 60, max: 86_400 })
        .default("300")
        .help("The seconds within which hosts that are reported count as lost at once; those that wait count as long as they do"),
    Opt::new("guard", "per_minute", Kind::Int { min: 0, max: 100_000 })
        .default("20")
        .help("How many recoveries of hosts may begin within a minute; the others wait for their turn; 0: any number"),
    Opt::new("guard", "silent_percent", Kind::Int { min: 0, max: 100 })
        .default("50")
        .help("When more of Nova's compute services than that went silent at once, as without a message bus, nothing begins; 0: that is not looked at"),
    Opt::new("guard", "cooldown", Kind::Int { min: 0, max: 86_400 })
        .default("120")
        .help("The seconds after a storm of the whole cloud in which nothing begins"),
    Opt::new("ha", "lease_seconds", Kind::Int { min: 3, max: 3600 })
        .default("10")
        .help("How long a dead engine's work rests before another engine goes on with it"),
    Opt::new("ha", "nova_calls", Kind::Int { min: 1, max: 1000 })
        .default("32")
        .help("The most calls in flight at Nova that change servers"),
    Opt::new("host", "monitoring_rule", Kind::Str)
        .default("all")
        .help("How many of several drivers must hold a host for dead: `all`, `any`, or a number; what of the others is silent or does not know the host counts as a no"),
    Opt::new("host", "monitoring_timeout", Kind::Int { min: 1, max: 600 })
        .default("30")
        .help("The seconds that one question to a driver may take"),
    Opt::new("host", "pacemaker_alert_socket", Kind::Str)
        .default("/run/masakari/pacemaker-alert.sock")
        .help("pacemaker: where the alert agent `masakari pacemaker-alert` wakes the monitor of a member; empty: nowhere"),
    Opt::new("host", "require_proof", Kind::Bool)
        .default("false")
        .help("Report host_status UNKNOWN, with which Masakari does nothing, until the death of a host is proven; without it host_status is what Python's driver says"),
    Opt::new("introspectiveinstancemonitor", "guest_monitoring_commands", Kind::List)
        .default("")
        .help("What an agent is asked in each round beyond a ping, `guest-get-fsinfo` for example, four at most: one that it has answered and does not any more counts as its silence"),
    Opt::new("introspectiveinstancemonitor", "guest_shutdown_timeout", Kind::Int { min: 0, max: 86_400 })
        .default("75")
        .help("An agent that has closed its channel, as it does when its VM is shut down, is not reported sooner than after so many seconds; more than shutdown_timeout of your nova.conf"),
    Opt::new("kubernetes", "context", Kind::Str)
        .help("Which context of the kubeconfig; without it its current one"),
    Opt::new("kubernetes", "kubeconfig", Kind::Str)
        .help("How Kubernetes is reached from outside of a pod; without it by the pod's service account"),
    Opt::new("kubernetes", "not_ready", Kind::Str)
        .default("uncertain")
        .choices(&["uncertain", "offline"])
        .help("What a node is whose kubelet says itself that it is not ready (`Ready` is `False`): it lives, and is not reported; `offline`: it is, as by Python's driver"),
    Opt::new("recovery", "auto_within_segment", Kind::Bool)
        .default("false")
        .help("Where Nova chooses the hosts (`auto`), send each VM to a host of the segment"),
    Opt::new("recovery", "capacity_wait", Kind::Int { min: 0, max: 86_400 })
        .default("600")
        .help("How many seconds a VM for which Nova finds no room waits for it before it is failed; 0: not at all"),
    Opt::new("recovery", "instance_restart_limit", Kind::Int { min: 0, max: 1000 })
        .default("5")
        .help("How often one VM is restarted within the window before its next failure is only reported; 0: always"),
    Opt::new("recovery", "instance_restart_window", Kind::Int { min: 1, max: 2_592_000 })
        .default("3600")
        .help("The seconds in which restarts of one VM count"),
    Opt::new("recovery", "priority_metadata_key", Kind::Str)
        .default("HA_Priority")
        .help("The metadata of a VM whose number says how early it moves; empty: none"),
    Opt::new("recovery", "priority_flavor_key", Kind::Str)
        .default("")
        .help("The extra spec of a VM's flavor that says so where its metadata does not"),
    Opt::new("recovery", "priority_image_key", Kind::Str)
        .default("")
        .help("The property of a VM's image that says so where metadata and flavor do not"),
    Opt::new("recovery", "priority_aggregate_key", Kind::Str)
        .default("")
        .help("The metadata of a host aggregate that says so where nothing of the VM does"),
    Opt::new("recovery", "quarantine_deaths", Kind::Int { min: 0, max: 1000 })
        .default("3")
        .help("How many hosts may die with one VM on them within the window before it is not evacuated again; 0: any number"),
    Opt::new("recovery", "quarantine_window", Kind::Int { min: 1, max: 2_592_000 })
        .default("3600")
        .help("The seconds in which such deaths count"),
    Opt::new("recovery", "ordered_restart", Kind::Bool)
        .default("false")
        .help("Let VMs that ran arrive stopped and start them tier by tier; needs a Nova of 2023.1 (2.95)"),
    Opt::new("recovery", "tier_metadata_key", Kind::Str)
        .default("HA_Tier")
        .help("The metadata of a VM whose number says in which tier it is started, the lowest first; empty: none"),
    Opt::new("recovery", "tier_flavor_key", Kind::Str)
        .default("")
        .help("The extra spec of a VM's flavor that says so where its metadata does not"),
    Opt::new("recovery", "tier_image_key", Kind::Str)
        .default("")
        .help("The property of a VM's image that says so where metadata and flavor do not"),
    Opt::new("recovery", "tier_timeout_s", Kind::Int { min: 1, max: 86400 })
        .default("300")
        .help("The seconds that the VMs of a tier, once they have arrived, may keep the next tier waiting"),
    Opt::new("recovery", "check_metadata_key", Kind::Str)
        .default("HA_Check")
        .help("The metadata of a VM that says when it is up: guest, tcp:PORT or http:PORT/PATH; empty: when it is active"),
    Opt::new("recovery", "check_networks", Kind::List)
        .default("")
        .help("The networks whose addresses may be asked for that, as 192.0.2.0/24; none: no VM is asked"),
    Opt::new("recovery_rules", "rule", Kind::MultiStr)
        .help("Whose VMs are left alone, repeatable, the first that fits counts: `NAME evacuate|skip|tell`, then patterns that all fit: `project=`, `name=`, `tag=`, `metadata:KEY=`, `flavor=`, `image=`, `aggregate=`, …, and `failure=host|instance`"),
    Opt::new("recovery_rules", "octavia", Kind::Str)
        .default("tell")
        .choices(&["evacuate", "skip", "tell"])
        .help("What is done with Octavia's amphorae (`amphora-` and a UUID, without metadata), of which no rule speaks"),
    Opt::new("recovery_rules", "instance_storage_shared", Kind::Bool)
        .default("true")
        .help("Whether the disks of VMs outlive their host; if not, VMs that have such disks are left alone unless a rule says `evacuate`"),
    Opt::new("recovery_steps", "step", Kind::MultiStr)
        .help("A step for `[taskflow_driver_recovery_flows]`, repeatable: `NAME exec:/path` or `NAME webhook:https://…`, then `deadline=SECONDS`, `may_fail=true`, `secret_file=/path`"),
    Opt::new("recovery_steps", "deadline", Kind::Int { min: 1, max: 3_600 })
        .default("60")
        .help("Seconds after which a step that has not ended is killed, or not waited for, and has failed"),
    Opt::new("recovery_steps", "attempts", Kind::Int { min: 1, max: 10 })
        .default("2")
        .help("How often a step is run before its failure counts"),
    Opt::new("recovery_steps", "ca_file", Kind::Str)
        .help("Certificates of authorities that webhooks are trusted by, besides the system's"),
    Opt::new("process", "command_timeout", Kind::Int { min: 1, max: 86_400 })
        .default("300")
        .help("Seconds that a start or restart command may take; then it is killed with what it has started, and has failed"),
    Opt::new("process", "flap_restarts", Kind::Int { min: 0, max: 1000 })
        .default("5")
        .help("Restarts of one process within flap_window; one that ends more often is reported, and restarted no more often than that; 0: no such bound"),
    Opt::new("process", "flap_window", Kind::Int { min: 1, max: 86_400 })
        .default("300")
        .help("Seconds that are looked back for that"),
    Opt::new("process", "systemd", Kind::Str)
        .default("system")
        .choices(&["system", "user"])
        .help("Whose systemd has the units of `unit:` entries: the machine's, or that of the user that the monitor is"),
    Opt::new("return", "automatic", Kind::Bool)
        .default("true")
        .help("Bring a host that a recovery took out of service back to it when it has come back; without it: only by `masakari return`, or when a client takes it off maintenance"),
    Opt::new("return", "probation", Kind::Int { min: 0, max: 86_400 })
        .default("300")
        .help("How many seconds Nova must hear such a host without a gap before it returns; doubled, up to an hour, for each time that it was lost before within the window"),
    Opt::new("return", "flap_limit", Kind::Int { min: 0, max: 1000 })
        .default("4")
        .help("After so many losses of a host within the window it does not return by itself any more; 0: always"),
    Opt::new("return", "flap_window", Kind::Int { min: 1, max: 2_592_000 })
        .default("86400")
        .help("The seconds in which losses of a host count"),
    Opt::new("return", "refill_reserve", Kind::Bool)
        .default("true")
        .help("A host whose recovery used up a reserved host takes that one's place when it returns, instead of its own"),
    Opt::new("return", "power_on", Kind::Bool)
        .default("false")
        .help("Switch a host that its fence device switched off on again when its recovery has finished, once; not while a planned stop of it stands, nor after it was lost too often"),
    Opt::new("DEFAULT", "watch_log_file", Kind::Bool)
        .ignored("a log file that another program moves is always made anew"),
    Opt::new("oslo_policy", "enforce_scope", Kind::Bool)
        .ignored("the scopes of rules are always enforced"),
    Opt::new("oslo_messaging_rabbit", "heartbeat_in_pthread", Kind::Bool)
        .ignored("nothing is sent to the message bus by this version"),
];
