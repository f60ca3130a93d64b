//! Masakari's own groups.

use oslo::config::{Kind, Opt};

use super::why::{EVENTLET, TLS_SAFE};

pub(super) const OPTIONS: &[Opt] = &[
    Opt::new("coordination", "backend_url", Kind::Secret).ignored("engines agree by leases in the database; no coordinator is needed"),
    Opt::new("host_failure", "evacuate_all_instances", Kind::Bool).default("true").help("Evacuate VMs without the metadata key too, after those with it"),
    Opt::new("host_failure", "ha_enabled_instance_metadata_key", Kind::Str).default("HA_Enabled").help("The metadata key of VMs that go first"),
    Opt::new("host_failure", "ignore_instances_in_error_state", Kind::Bool).default("false").help("Leave VMs in error where they are"),
    Opt::new("host_failure", "service_disable_reason", Kind::Str).default("Masakari detected host failed.").help("What Nova shows as the reason why the host's service is disabled"),
    Opt::new("host_failure", "add_reserved_host_to_aggregate", Kind::Bool).default("false").help("Put a reserved host that is used into the aggregates of the failed host"),
    Opt::new("instance_failure", "ha_enabled_instance_metadata_key", Kind::Str).default("HA_Enabled").help("The metadata key of VMs that are restarted when they fail"),
    Opt::new("instance_failure", "process_all_instances", Kind::Bool).default("false").help("Restart VMs without the metadata key too"),
    Opt::new("osapi_v1", "extensions_blacklist", Kind::List).default("").ignored("all of the API is always there"),
    Opt::new("osapi_v1", "extensions_whitelist", Kind::List).default("").ignored("all of the API is always there"),
    Opt::new("osapi_v1", "project_id_regex", Kind::Str).ignored("all of the API is always there"),
    Opt::new("process_failure", "service_disable_reason", Kind::Str).default("Masakari detected process failed.").help("What Nova shows as the reason why the service of a host is disabled whose nova-compute stopped"),
    Opt::new("ssl", "ca_file", Kind::Str).help("Whose certificates callers must show; nobody must if it is not set"),
    Opt::new("ssl", "cert_file", Kind::Str).help("The API's certificate, with those between it and the authority"),
    Opt::new("ssl", "ciphers", Kind::Str).ignored(TLS_SAFE),
    Opt::new("ssl", "key_file", Kind::Str).help("The key of that certificate"),
    Opt::new("ssl", "version", Kind::Str).ignored(TLS_SAFE),
    Opt::new("taskflow", "connection", Kind::Secret).help("Where Python Masakari kept the progress of its recoveries; it stays visible"),
    Opt::new("taskflow_driver_recovery_flows", "host_auto_failure_recovery_tasks", Kind::DictOfLists).default("pre:[disable_compute_service_task],main:[prepare_HA_enabled_instances_task],post:[evacuate_instances_task]").help("What the recovery of a host is made of where Nova chooses first (`auto`, `auto_priority`): built-in tasks and steps of `[recovery_steps]`"),
    Opt::new("taskflow_driver_recovery_flows", "host_rh_failure_recovery_tasks", Kind::DictOfLists).default("pre:[disable_compute_service_task],main:[prepare_HA_enabled_instances_task,evacuate_instances_task],post:[]").help("The same where reserved hosts come first (`reserved_host`, `rh_priority`)"),
    Opt::new("taskflow_driver_recovery_flows", "instance_failure_recovery_tasks", Kind::DictOfLists).default("pre:[stop_instance_task],main:[start_instance_task],post:[confirm_instance_active_task]").help("What the restart of a failed VM is made of"),
    Opt::new("taskflow_driver_recovery_flows", "process_failure_recovery_tasks", Kind::DictOfLists).default("pre:[disable_compute_node_task],main:[confirm_compute_node_disabled_task],post:[]").help("What follows when nova-compute fails"),
    Opt::new("wsgi", "api_paste_config", Kind::Str).default("api-paste.ini").help("Where the health check and what else stands before the API are set; the pipeline itself is fixed"),
    Opt::new("wsgi", "client_socket_timeout", Kind::INT).default("900").help("Seconds after which a connection is ended on which nothing moves; 0: never"),
    Opt::new("wsgi", "default_pool_size", Kind::INT).default("1000").ignored(EVENTLET),
    Opt::new("wsgi", "keep_alive", Kind::Bool).default("true").ignored(EVENTLET),
    Opt::new("wsgi", "max_header_line", Kind::INT).default("16384").ignored(EVENTLET),
    Opt::new("wsgi", "secure_proxy_ssl_header", Kind::Str).help("A header of the proxy before the API that names the scheme under which it was called, as HTTP_X_FORWARDED_PROTO"),
    Opt::new("wsgi", "ssl_ca_file", Kind::Str).help("As [ssl] ca_file, which it comes before"),
    Opt::new("wsgi", "ssl_cert_file", Kind::Str).help("As [ssl] cert_file, which it comes before"),
    Opt::new("wsgi", "ssl_key_file", Kind::Str).help("As [ssl] key_file, which it comes before"),
    Opt::new("wsgi", "tcp_keepidle", Kind::INT).default("600").ignored(EVENTLET),
    Opt::new("wsgi", "wsgi_log_format", Kind::Str).default("%(client_ip)s \"%(request_line)s\" status: %(status_code)s len: %(body_length)s time: %(wall_seconds).7f").ignored(EVENTLET),
];
