//! The API's options, under the names that Python Masakari gives them.

use oslo::config::{Kind, Opt, Standing};
use std::path::PathBuf;

/// How the API answers.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[DEFAULT] osapi_max_limit`: the most rows that one list answers.
    pub osapi_max_limit: u64,
    /// `[DEFAULT] duplicate_notification_detection_interval`, in seconds.
    pub duplicate_notification_detection_interval_s: u32,
    /// `[DEFAULT] osapi_masakari_link_prefix`: what links begin with instead of the address under which
    /// we were called.
    pub osapi_masakari_link_prefix: Option<String>,
    /// `[oslo_middleware] max_request_body_size`, in bytes.
    pub max_request_body_size: usize,
    /// While this file exists, `/healthcheck` answers 503, so that load balancers look elsewhere:
    /// `disable_by_file_path` of Masakari's `api-paste.ini`.
    pub healthcheck_disable_file: Option<PathBuf>,
    /// `[keystone_authtoken] www_authenticate_uri`: where callers get their tokens.
    pub www_authenticate_uri: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            osapi_max_limit: 1000,
            duplicate_notification_detection_interval_s: 180,
            osapi_masakari_link_prefix: None,
            max_request_body_size: 114_688,
            healthcheck_disable_file: Some("/etc/masakari/healthcheck_disable".into()),
            www_authenticate_uri: None,
        }
    }
}

/// The options that the API reads, and those of Python Masakari's that have no effect here.
pub const OPTIONS: &[Opt] = &[
    Opt::new("DEFAULT", "auth_strategy", Kind::Str)
        .default("keystone")
        .choices(&["keystone", "noauth2"])
        .help("How callers prove who they are; noauth2 believes everybody and is for tests"),
    Opt::new("DEFAULT", "osapi_max_limit", Kind::at_least(0))
        .default("1000")
        .help("The most rows that one list answers"),
    Opt::new("DEFAULT", "osapi_masakari_link_prefix", Kind::Str)
        .help("What links in answers begin with instead of the address under which we were called"),
    Opt::new("DEFAULT", "duplicate_notification_detection_interval", Kind::at_least(0))
        .default("180")
        .help("Seconds within which a report that says the same of the same host is a duplicate"),
    Opt::new("oslo_middleware", "max_request_body_size", Kind::at_least(0))
        .default("114688")
        .help("The most bytes that a request's body may have"),
    Opt::new("DEFAULT", "notification_delay_max", Kind::INT)
        .standing(Standing::Ignored("duplicates are found exactly here, without a delay")),
    Opt::new("DEFAULT", "use_forwarded_for", Kind::Bool)
        .standing(Standing::Ignored("the caller's address is not used for anything here")),
];
