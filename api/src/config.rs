//! How the API answers, under the names that Python Masakari gives its options.

use crate::{cors::Cors, health::Healthcheck};
use http::HeaderName;

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
    /// `[oslo_middleware] enable_proxy_headers_parsing`: a proxy stands before us, and what it says of the
    /// address under which it was called is believed.
    pub behind_proxy: bool,
    /// `[wsgi] secure_proxy_ssl_header`: a header of a proxy that names the scheme under which it was called.
    pub scheme_header: Option<HeaderName>,
    /// Whether callers speak TLS with us.
    pub tls: bool,
    /// `[cors]`.
    pub cors: Cors,
    /// `[oslo_middleware] max_request_body_size`, in bytes.
    pub max_request_body_size: usize,
    /// `[healthcheck]`.
    pub healthcheck: Healthcheck,
    /// `[keystone_authtoken] www_authenticate_uri`: where callers get their tokens.
    pub www_authenticate_uri: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            osapi_max_limit: 1000,
            duplicate_notification_detection_interval_s: 180,
            osapi_masakari_link_prefix: None,
            behind_proxy: false,
            scheme_header: None,
            tls: false,
            cors: Cors::default(),
            max_request_body_size: 114_688,
            healthcheck: Healthcheck::default(),
            www_authenticate_uri: None,
        }
    }
}
