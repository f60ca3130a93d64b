//! Cross-origin resource sharing, for dashboards that talk to the API from the browser: `[cors]`, as
//! oslo.middleware has it.
//!
//! A browser asks first (a preflight: `OPTIONS` with `Origin`), and then shows the page only the answers that
//! name its origin. Whoever is not allowed gets the same answer without those headers; there is no
//! refusal, the browser makes it.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// `[cors]`. Nobody is allowed unless the operator says so.
#[derive(Clone, Debug)]
pub struct Cors {
    /// `scheme://host[:port]` each, or `*`.
    pub allowed_origin: Vec<String>,
    pub allow_credentials: bool,
    pub expose_headers: Vec<String>,
    /// How long a browser may remember a preflight's answer, in seconds; 0: it is not told.
    pub max_age_s: i64,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
}

impl Default for Cors {
    /// The defaults that Masakari gives the middleware.
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            allowed_origin: Vec::new(),
            allow_credentials: true,
            expose_headers: list(&[
                "X-Auth-Token",
                "X-Openstack-Request-Id",
                "X-Subject-Token",
                "X-Service-Token",
            ]),
            max_age_s: 3600,
            allow_methods: list(&["GET", "PUT", "POST", "DELETE", "PATCH"]),
            allow_headers: list(&[
                "X-Auth-Token",
                "X-Openstack-Request-Id",
                "X-Identity-Status",
                "X-Roles",
                "X-Service-Catalog",
                "X-User-Id",
                "X-Tenant-Id",
            ]),
        }
    }
}

/// Headers that a page may always send.
const SIMPLE_HEADERS: &[&str] = &[
    "Accept",
    "Accept-Language",
    "Content-Type",
    "Cache-Control",
    "Content-Language",
    "Expires",
    "Last-Modified",
    "Pragma",
];

impl Cors {
    /// The answer to `OPTIONS`, whatever the resource.
    pub(crate) fn preflight(&self, asked: &HeaderMap) -> Response {
        let mut response = StatusCode::OK.into_response();
        if let Some((origin, method, headers)) = self.allows(asked) {
            let told = response.headers_mut();
            told.insert(header::VARY, HeaderValue::from_static("Origin"));
            self.admit(told, origin);
            if self.max_age_s != 0 {
                told.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age_s));
            }
            told.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
            if !headers.is_empty() {
                put(told, header::ACCESS_CONTROL_ALLOW_HEADERS, &headers.join(","));
            }
        }
        response
    }

    /// The origin, method and headers that a preflight asks for, if all of them are allowed.
    fn allows<'a>(
        &self,
        asked: &'a HeaderMap,
    ) -> Option<(HeaderValue, &'a HeaderValue, Vec<&'a str>)> {
        let origin = self.origin(asked.get(header::ORIGIN))?;
        let method = asked.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        let headers = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let headers = headers.map_or(Ok(""), HeaderValue::to_str).ok()?;
        let headers = headers.split(',').map(str::trim).filter(|name| !name.is_empty());
        let headers: Vec<&str> = headers.collect();
        let known = |name: &str| {
            let allowed = self.allow_headers.iter().map(String::as_str);
            allowed
                .chain(SIMPLE_HEADERS.iter().copied())
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        let method_known =
            self.allow_methods.iter().any(|known| known.as_bytes() == method.as_bytes());
        (method_known && headers.iter().all(|name| known(name)))
            .then_some((origin, method, headers))
    }

    /// Tells the browser that the page which asked may see `response`, if so.
    pub(crate) fn apply(&self, origin: Option<&HeaderValue>, response: &mut Response) {
        let Some(origin) = self.origin(origin) else { return };
        let told = response.headers_mut();
        let vary = match told.get(header::VARY).and_then(|vary| vary.to_str().ok()) {
            Some(vary) => format!("{vary},Origin"),
            None => "Origin".to_owned(),
        };
        put(told, header::VARY, &vary);
        self.admit(told, origin);
        if !self.expose_headers.is_empty() {
            put(told, header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.expose_headers.join(","));
        }
    }

    fn admit(&self, told: &mut HeaderMap, origin: HeaderValue) {
        told.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.allow_credentials {
            let yes = HeaderValue::from_static("true");
            told.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }

    /// What an answer may name as the origin: the caller's if it is allowed, `*` if everybody is.
    fn origin(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        let known = |known: &String| known.as_bytes() == origin.as_bytes();
        if self.allowed_origin.iter().any(known) {
            return Some(origin.clone());
        }
        let everybody = self.allowed_origin.iter().any(|known| known == "*");
        everybody.then(|| HeaderValue::from_static("*"))
    }
}

/// What an operator wrote may be no header; then there is none.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
