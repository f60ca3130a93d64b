//! The table of every option that the programs read. The API's own stand in its room.

use oslo::config::{Kind, Opt, Standing};

/// All tables.
pub(super) const TABLES: &[&[Opt]] = &[OURS, SERVICE_USER, HOST_FAILURE, KEYSTONE, api::OPTIONS];

const LOGGED_TO_STDERR: Standing =
    Standing::Ignored("this version logs to standard error; let systemd or the container keep it");

const OURS: &[Opt] = &[
    Opt::new("DEFAULT", "debug", Kind::Bool).default("false").help("Log what is asked of whom"),
    Opt::new("DEFAULT", "log_file", Kind::Str).standing(LOGGED_TO_STDERR),
    Opt::new("DEFAULT", "log_dir", Kind::Str).standing(LOGGED_TO_STDERR),
    Opt::new("DEFAULT", "host", Kind::Str).help("The name of this engine in leases and logs"),
    Opt::new("DEFAULT", "state_path", Kind::Str)
        .default("/var/lib/masakari")
        .help("The folder of what is written; the default database lies in it"),
    Opt::new("DEFAULT", "masakari_api_listen", Kind::Str)
        .default("0.0.0.0")
        .help("The address on which the API listens"),
    Opt::new("DEFAULT", "masakari_api_listen_port", Kind::Port)
        .default("15868")
        .help("The port on which the API listens"),
    Opt::new("DEFAULT", "masakari_api_workers", Kind::INT)
        .standing(Standing::Ignored("one process serves every request")),
    Opt::new("DEFAULT", "transport_url", Kind::Secret).standing(Standing::Ignored(
        "API and engine meet in the database, no message bus is needed between them",
    )),
    Opt::new("DEFAULT", "graceful_shutdown_timeout", Kind::INT)
        .standing(Standing::Ignored("acts in flight get 8 s to end; what is left goes on later")),
    Opt::new("DEFAULT", "wait_period_after_service_update", Kind::at_least(0))
        .default("180")
        .standing(Standing::Ignored(
            "there is no blind wait: a recovery begins as soon as Nova says that the host is down, \
             and never before",
        )),
    Opt::new("DEFAULT", "wait_period_after_evacuation", Kind::at_least(1))
        .default("90")
        .help("Seconds without progress of any VM after which evacuations are given up"),
    Opt::new("DEFAULT", "wait_period_after_power_off", Kind::at_least(1))
        .default("180")
        .help("Seconds that stopping a VM on its new host may take"),
    Opt::new("DEFAULT", "notifications_expired_interval", Kind::at_least(1))
        .default("86400")
        .help("Seconds after which a recovery that cannot go on is given up"),
    Opt::new("DEFAULT", "verify_interval", Kind::INT)
        .standing(Standing::Ignored("one list call follows all VMs, as often as Nova bears")),
    Opt::new("database", "connection", Kind::Secret)
        .help("SQLAlchemy's URL of the database; SQLite in state_path if it is not set"),
    Opt::new("database", "max_pool_size", Kind::at_least(1))
        .default("5")
        .help("The most connections to the database"),
    Opt::new("fencing", "require", Kind::Str)
        .default("monitor")
        .choices(&["monitor", "proven"])
        .help("The least that is accepted as proof that a host is dead"),
    Opt::new("ha", "lease_seconds", Kind::Int { min: 3, max: 3600 })
        .default("10")
        .help("How long a dead engine's work rests before another engine goes on with it"),
    Opt::new("ha", "nova_calls", Kind::Int { min: 1, max: 1000 })
        .default("32")
        .help("The most calls that change servers and are in flight at Nova at once"),
    Opt::new("oslo_policy", "policy_file", Kind::Str)
        .default("policy.yaml")
        .help("Overrides of the policy, beside the configuration file"),
    Opt::new("wsgi", "api_paste_config", Kind::Str)
        .standing(Standing::Ignored("the API has no paste pipeline; use auth_strategy")),
    Opt::new("taskflow", "connection", Kind::Secret)
        .standing(Standing::Ignored("a recovery's log lies in [database] connection")),
    Opt::new("oslo_concurrency", "lock_path", Kind::Str)
        .standing(Standing::Ignored("there are no lock files")),
];

const SERVICE_USER: &[Opt] = &[
    Opt::new("DEFAULT", "os_privileged_user_name", Kind::Str)
        .default("nova")
        .help("The Keystone user by which Nova is asked"),
    Opt::new("DEFAULT", "os_privileged_user_password", Kind::Secret).help("Its password"),
    Opt::new("DEFAULT", "os_privileged_user_tenant", Kind::Str)
        .default("service")
        .help("Its project"),
    Opt::new("DEFAULT", "os_privileged_user_auth_url", Kind::Str).help("Its Keystone"),
    Opt::new("DEFAULT", "os_user_domain_name", Kind::Str).default("default").help("Its domain"),
    Opt::new("DEFAULT", "os_project_domain_name", Kind::Str)
        .default("default")
        .help("Its project's domain"),
    Opt::new("DEFAULT", "os_system_scope", Kind::Str).help("`all`: scope to the whole cloud"),
    Opt::new("DEFAULT", "os_region_name", Kind::Str).help("The region of Nova"),
    Opt::new("DEFAULT", "nova_catalog_admin_info", Kind::Str)
        .default("compute:nova:publicURL")
        .help("Nova in the catalogue: type:name:interface"),
    Opt::new("DEFAULT", "nova_ca_certificates_file", Kind::Str).help("Whom to trust as Nova"),
    Opt::new("DEFAULT", "nova_api_insecure", Kind::Bool)
        .default("false")
        .help("Trust anybody as Nova"),
];

const HOST_FAILURE: &[Opt] = &[
    Opt::new("host_failure", "evacuate_all_instances", Kind::Bool)
        .default("true")
        .help("Evacuate VMs without the metadata key too, after those with it"),
    Opt::new("host_failure", "ha_enabled_instance_metadata_key", Kind::Str)
        .default("HA_Enabled")
        .help("The metadata key of VMs that go first"),
    Opt::new("host_failure", "ignore_instances_in_error_state", Kind::Bool)
        .default("false")
        .help("Leave VMs in error where they are"),
    Opt::new("host_failure", "service_disable_reason", Kind::Str)
        .default("Masakari detected host failed.")
        .help("What Nova shows as the reason why the host's service is disabled"),
];

const KEYSTONE: &[Opt] = &[
    Opt::new("keystone_authtoken", "auth_url", Kind::Str)
        .help("The Keystone that validates callers' tokens"),
    Opt::new("keystone_authtoken", "www_authenticate_uri", Kind::Str)
        .help("The Keystone that callers are sent to"),
    Opt::new("keystone_authtoken", "auth_type", Kind::Str)
        .default("password")
        .deprecated(&[("keystone_authtoken", "auth_plugin")])
        .choices(&["password", "v3password", "v3applicationcredential"])
        .help("How the API logs in"),
    Opt::new("keystone_authtoken", "username", Kind::Str)
        .deprecated(&[("keystone_authtoken", "user_name")])
        .help("The API's user"),
    Opt::new("keystone_authtoken", "password", Kind::Secret).help("Its password"),
    Opt::new("keystone_authtoken", "project_name", Kind::Str)
        .deprecated(&[("keystone_authtoken", "tenant_name")])
        .help("Its project"),
    Opt::new("keystone_authtoken", "user_domain_name", Kind::Str).help("Its domain"),
    Opt::new("keystone_authtoken", "user_domain_id", Kind::Str).help("Its domain's id"),
    Opt::new("keystone_authtoken", "project_domain_name", Kind::Str).help("Its project's domain"),
    Opt::new("keystone_authtoken", "project_domain_id", Kind::Str)
        .help("Its project's domain's id"),
    Opt::new("keystone_authtoken", "application_credential_id", Kind::Str)
        .help("Instead of a user"),
    Opt::new("keystone_authtoken", "application_credential_secret", Kind::Secret)
        .help("Instead of a password"),
    Opt::new("keystone_authtoken", "region_name", Kind::Str).help("The region of Keystone"),
    Opt::new("keystone_authtoken", "interface", Kind::Str)
        .default("internal")
        .help("The endpoint of Keystone"),
    Opt::new("keystone_authtoken", "cafile", Kind::Str).help("Whom to trust as Keystone"),
    Opt::new("keystone_authtoken", "insecure", Kind::Bool)
        .default("false")
        .help("Trust anybody as Keystone"),
    Opt::new("keystone_authtoken", "token_cache_time", Kind::INT)
        .default("300")
        .help("Seconds for which a token that was valid is believed"),
    Opt::new("keystone_authtoken", "memcached_servers", Kind::List)
        .standing(Standing::Ignored("validated tokens are kept in the process")),
    Opt::new("keystone_authtoken", "service_token_roles_required", Kind::Bool)
        .standing(Standing::Ignored("service tokens are not used")),
];
