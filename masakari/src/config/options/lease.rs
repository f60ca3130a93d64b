//! The leases of hosts: who holds one, and who looks at them.

use oslo::config::{Kind, Opt};

pub(super) const OPTIONS: &[Opt] = &[
    Opt::new("lease", "endpoints", Kind::List)
        .default("https://127.0.0.1:2379")
        .help("The members of etcd, all of one cluster: one is asked, and the next one when it fails"),
    Opt::new("lease", "cafile", Kind::Str).help("Whom to trust as etcd, besides the system's authorities"),
    Opt::new("lease", "certfile", Kind::Str).help("The certificate that etcd is shown (`--client-cert-auth`)"),
    Opt::new("lease", "keyfile", Kind::Str).help("The key of that certificate"),
    Opt::new("lease", "username", Kind::Str).help("The user of etcd, where its authentication is on"),
    Opt::new("lease", "password", Kind::Secret).help("The password of that user"),
    Opt::new("lease", "prefix", Kind::Str)
        .default("/masakari/lease/")
        .help("Below which key of etcd all leases lie; the same for all hosts of a cloud"),
    Opt::new("lease", "watchdog", Kind::Str)
        .default("/dev/watchdog0")
        .help("The watchdog of this host, which nobody else may have open"),
    Opt::new("lease", "watchdog_timeout", Kind::Int { min: 2, max: 60 })
        .default("10")
        .help("After how many seconds without being fed it resets this host"),
    Opt::new("lease", "term", Kind::Int { min: 2, max: 120 })
        .default("20")
        .help("For how many seconds after the last renewal that etcd answered the watchdog is fed: an etcd that is away for longer resets this host"),
    Opt::new("lease", "renew_every", Kind::Int { min: 1, max: 30 })
        .default("2")
        .help("From one renewal to the next, in seconds; at most a quarter of the term"),
    Opt::new("lease", "software_watchdog", Kind::Bool)
        .default("false")
        .help("Take softdog, too, although a kernel that hangs hard does not reset itself by it"),
    Opt::new("lease", "way_out", Kind::Bool)
        .default("false")
        .help("Take a watchdog that can be switched off (nowayout = 0), too, although any program of root may do so while the agent is away"),
    Opt::new("lease", "boots_in", Kind::Int { min: 5, max: 600 })
        .default("15")
        .help("How many seconds a host takes at the least from a reset until its nova-compute reports to Nova; less than it really takes, for those who look"),
];
