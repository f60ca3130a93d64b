//! keystonemiddleware's options, and those of the ways to log in.

use oslo::config::{Kind, Opt};

use super::why::{OWN_CACHE, SERVICE_TOKENS};

pub(super) const OPTIONS: &[Opt] = &[
    Opt::new("keystone_authtoken", "application_credential_id", Kind::Str)
        .help("Instead of a user"),
    Opt::new("keystone_authtoken", "application_credential_name", Kind::Str)
        .help("Instead of its id; needs the user"),
    Opt::new("keystone_authtoken", "application_credential_secret", Kind::Secret)
        .help("Instead of a password"),
    Opt::new("keystone_authtoken", "auth_type", Kind::Str)
        .default("password")
        .choices(&["password", "v3password", "v3applicationcredential"])
        .deprecated(&[("keystone_authtoken", "auth_plugin")])
        .help("How the API logs in; password if it is not set"),
    Opt::new("keystone_authtoken", "auth_url", Kind::Str)
        .help("The Keystone that validates callers' tokens"),
    Opt::new("keystone_authtoken", "cafile", Kind::Str).help("Whom to trust as Keystone"),
    Opt::new("keystone_authtoken", "default_domain_id", Kind::Str)
        .help("The id of the domain of user and project, where theirs are not set"),
    Opt::new("keystone_authtoken", "default_domain_name", Kind::Str)
        .help("The domain of user and project, where theirs are not set"),
    Opt::new("keystone_authtoken", "domain_id", Kind::Str)
        .help("Scope to the domain of this id instead of a project"),
    Opt::new("keystone_authtoken", "domain_name", Kind::Str)
        .help("Scope to a domain instead of a project"),
    Opt::new("keystone_authtoken", "http_connect_timeout", Kind::INT)
        .help("Seconds that a connection to Keystone may take to come about; 5 if it is not set"),
    Opt::new("keystone_authtoken", "insecure", Kind::Bool)
        .default("false")
        .help("Trust anybody as Keystone"),
    Opt::new("keystone_authtoken", "interface", Kind::Str)
        .default("internal")
        .help("The endpoint of Keystone: public, internal or admin"),
    Opt::new("keystone_authtoken", "password", Kind::Secret).help("The password of the API's user"),
    Opt::new("keystone_authtoken", "project_domain_id", Kind::Str).help("The id of that domain"),
    Opt::new("keystone_authtoken", "project_domain_name", Kind::Str)
        .help("The domain of the API's project"),
    Opt::new("keystone_authtoken", "project_id", Kind::Str)
        .deprecated(&[("keystone_authtoken", "tenant_id")])
        .help("The id of the API's project, instead of the name"),
    Opt::new("keystone_authtoken", "project_name", Kind::Str)
        .deprecated(&[("keystone_authtoken", "tenant_name")])
        .help("The project of the API's user"),
    Opt::new("keystone_authtoken", "region_name", Kind::Str).help("The region of Keystone"),
    Opt::new("keystone_authtoken", "system_scope", Kind::Str)
        .help("`all`: scope to the whole cloud"),
    Opt::new("keystone_authtoken", "token_cache_time", Kind::INT).default("300").help(
        "Seconds for which a token that was valid is believed; -1: it is asked again each time",
    ),
    Opt::new("keystone_authtoken", "user_domain_id", Kind::Str)
        .help("The id of the domain of the API's user"),
    Opt::new("keystone_authtoken", "user_domain_name", Kind::Str)
        .help("The domain of the API's user"),
    Opt::new("keystone_authtoken", "user_id", Kind::Str)
        .help("The id of the API's user, instead of the name"),
    Opt::new("keystone_authtoken", "username", Kind::Str)
        .deprecated(&[("keystone_authtoken", "user_name")])
        .help("The API's user"),
    Opt::new("keystone_authtoken", "www_authenticate_uri", Kind::Str)
        .help("The Keystone that callers are sent to"),
    Opt::new("keystone_authtoken", "auth_section", Kind::Str)
        .ignored("write these options in [keystone_authtoken] itself"),
    Opt::new("keystone_authtoken", "auth_version", Kind::Str)
        .ignored("Keystone's version 3 is spoken"),
    Opt::new("keystone_authtoken", "cache", Kind::Str).ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "certfile", Kind::Str)
        .ignored("no certificate is shown to Keystone"),
    Opt::new("keystone_authtoken", "delay_auth_decision", Kind::Bool)
        .default("false")
        .ignored("a request without a token is refused at once"),
    Opt::new("keystone_authtoken", "enforce_token_bind", Kind::Str)
        .default("permissive")
        .ignored("Keystone no longer binds tokens"),
    Opt::new("keystone_authtoken", "http_request_max_retries", Kind::INT)
        .default("3")
        .ignored("what was asked of Keystone in vain is asked again within the caller's patience"),
    Opt::new("keystone_authtoken", "include_service_catalog", Kind::Bool)
        .default("true")
        .ignored("the catalogue is not read from callers' tokens"),
    Opt::new("keystone_authtoken", "keyfile", Kind::Str)
        .ignored("no certificate is shown to Keystone"),
    Opt::new("keystone_authtoken", "memcache_password", Kind::Secret).ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_pool_conn_get_timeout", Kind::INT)
        .default("10")
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_pool_dead_retry", Kind::INT)
        .default("300")
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_pool_maxsize", Kind::INT)
        .default("10")
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_pool_socket_timeout", Kind::INT)
        .default("3")
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_pool_unused_timeout", Kind::INT)
        .default("60")
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_sasl_enabled", Kind::Bool)
        .default("false")
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_secret_key", Kind::Secret).ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_security_strategy", Kind::Str)
        .default("None")
        .choices(&["None", "MAC", "ENCRYPT"])
        .any_case()
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_tls_allowed_ciphers", Kind::Str).ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_tls_cafile", Kind::Str).ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_tls_certfile", Kind::Str).ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_tls_enabled", Kind::Bool)
        .default("false")
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_tls_keyfile", Kind::Str).ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_use_advanced_pool", Kind::Bool)
        .default("true")
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcache_username", Kind::Str).ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "memcached_servers", Kind::List)
        .deprecated(&[("keystone_authtoken", "memcache_servers")])
        .ignored(OWN_CACHE),
    Opt::new("keystone_authtoken", "service_token_roles", Kind::List)
        .default("service")
        .ignored(SERVICE_TOKENS),
    Opt::new("keystone_authtoken", "service_token_roles_required", Kind::Bool)
        .default("true")
        .ignored(SERVICE_TOKENS),
    Opt::new("keystone_authtoken", "service_type", Kind::Str).ignored(SERVICE_TOKENS),
    Opt::new("keystone_authtoken", "trust_id", Kind::Str).ignored("a service user needs no trust"),
];
