//! What stands between the API and its callers: `[cors]`, `[oslo_middleware]`, `[healthcheck]`, TLS, and what
//! `api-paste.ini` says of them.
//!
//! Our pipeline is fixed. Of Masakari's `api-paste.ini` the options of its health check are read, and whether the
//! pipeline of the chosen `auth_strategy` leaves out what may be left out; that it checks tokens is not left to
//! that file.

use super::Configuration;
use anyhow::Context;
use api::{Cors, Tls};
use oslo::config::{Kind, Opt, Source, Values};
use std::path::{Path, PathBuf};

const HEALTHCHECK: &str = "app:healthcheck";
const PIPELINES: &str = "composite:masakari_api_v1";

/// What of `api-paste.ini` matters.
const PASTE: &[Opt] = &[
    Opt::new(HEALTHCHECK, "backends", Kind::List),
    Opt::new(HEALTHCHECK, "disable_by_file_path", Kind::Str),
    Opt::new(HEALTHCHECK, "detailed", Kind::Bool),
    Opt::new(PIPELINES, "keystone", Kind::Str),
    Opt::new(PIPELINES, "noauth2", Kind::Str),
];

/// What every pipeline of Masakari's has and ours has, too.
const KNOWN_FILTERS: &[&str] = &[
    "cors",
    "http_proxy_to_wsgi",
    "request_id",
    "faultwrap",
    "sizelimit",
    "authtoken",
    "keystonecontext",
    "noauth2",
    "osapi_masakari_app_v1",
];

/// `api-paste.ini`, if there is one.
struct Paste(Option<Values>);

impl Paste {
    fn text(&self, group: &str, name: &str) -> Option<String> {
        self.0.as_ref()?.get::<Option<String>>(group, name).filter(|text| !text.is_empty())
    }

    /// Whether the pipeline has the filter; without a file all are there.
    fn has(&self, pipeline: &str, filter: &str) -> bool {
        let stages = self.text(PIPELINES, pipeline);
        stages.is_none_or(|stages| stages.split_whitespace().any(|stage| stage == filter))
    }
}

impl Configuration {
    /// Sets in `config` what concerns the way to the API and back.
    pub(super) fn set_http(&self, config: &mut api::Config) {
        let paste = self.paste();
        let pipeline = if self.noauth() { "noauth2" } else { "keystone" };
        self.warn_of_filters(&paste, pipeline);
        config.tls = self.values.get("DEFAULT", "use_ssl");
        config.behind_proxy = paste.has(pipeline, "http_proxy_to_wsgi")
            && self.values.get("oslo_middleware", "enable_proxy_headers_parsing");
        if paste.has(pipeline, "cors") {
            config.cors = self.cors();
        }
        let detailed =
            paste.0.as_ref().and_then(|p| p.get::<Option<bool>>(HEALTHCHECK, "detailed"));
        config.healthcheck_detailed =
            detailed.unwrap_or_else(|| self.values.get("healthcheck", "detailed"));
        let own = self.text("healthcheck", "disable_by_file_path");
        if let Some(file) = paste.text(HEALTHCHECK, "disable_by_file_path").or(own) {
            config.healthcheck_disable_file = Some(PathBuf::from(file));
        }
    }

    fn cors(&self) -> Cors {
        let list = |name| self.values.get::<Option<Vec<String>>>("cors", name).unwrap_or_default();
        Cors {
            allowed_origin: list("allowed_origin"),
            allow_credentials: self.values.get("cors", "allow_credentials"),
            expose_headers: list("expose_headers"),
            max_age_s: self.values.get("cors", "max_age"),
            allow_methods: list("allow_methods"),
            allow_headers: list("allow_headers"),
        }
    }

    /// A file that is not there or says nothing to us is no mistake: ours needs none.
    fn paste(&self) -> Paste {
        let name = PathBuf::from(self.text("wsgi", "api_paste_config").unwrap_or_default());
        let places = self.directories.iter().map(|dir| dir.join(&name));
        let Some(path) = places.into_iter().find(|path| path.is_file()) else { return Paste(None) };
        let Ok(text) = std::fs::read_to_string(&path) else { return Paste(None) };
        let (values, _) = Values::load(&[Source::File { path, text }], &[PASTE]);
        Paste(Some(values))
    }

    fn warn_of_filters(&self, paste: &Paste, pipeline: &str) {
        let Some(stages) = paste.text(PIPELINES, pipeline) else { return };
        let stages: Vec<&str> = stages.split_whitespace().collect();
        for stage in stages.iter().filter(|stage| !KNOWN_FILTERS.contains(stage)) {
            tracing::warn!(
                "api-paste.ini: {stage} of the pipeline {pipeline} is not there in this program"
            );
        }
        if pipeline == "keystone" && !stages.contains(&"authtoken") {
            tracing::warn!(
                "api-paste.ini: the pipeline keystone has no authtoken; tokens are checked all the \
                 same (for a test without them: [DEFAULT] auth_strategy = noauth2)"
            );
        }
    }

    /// The certificate and key of the API, if `use_ssl` says that it speaks TLS: `[wsgi] ssl_*` as Python
    /// Masakari has them, or `[ssl]`.
    pub(crate) fn tls(&self) -> anyhow::Result<Option<Tls>> {
        if !self.values.get::<bool>("DEFAULT", "use_ssl") {
            return Ok(None);
        }
        let file = |name: &str| {
            let own = self.text("wsgi", &format!("ssl_{name}"));
            own.or_else(|| self.text("ssl", name)).map(PathBuf::from)
        };
        let needed = |name: &str| {
            file(name).with_context(|| {
                format!("[DEFAULT] use_ssl is set, but neither [ssl] {name} nor [wsgi] ssl_{name}")
            })
        };
        let authority = file("ca_file");
        let tls = Tls::read(
            &needed("cert_file")?,
            &needed("key_file")?,
            authority.as_deref().map(Path::new),
        );
        tls.map(Some).context("[DEFAULT] use_ssl cannot be done")
    }
}
