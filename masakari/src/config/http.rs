//! What stands between the API and its callers: `[cors]`, `[oslo_middleware]`, `[healthcheck]`, TLS, and what
//! `api-paste.ini` says of them.
//!
//! Our pipeline is fixed. Of Masakari's `api-paste.ini` the options of oslo.middleware's filters and of its health
//! check are read, and win as they do there; and whether the pipeline of the chosen `auth_strategy` leaves out what
//! may be left out. That it checks tokens is not left to that file.

use super::Configuration;
use anyhow::Context;
use api::{Cors, HeaderName, HealthBackend, Healthcheck, IpNet, Tls};
use oslo::config::{FromValue, Kind, Opt, Severity, Source, Values};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

const HEALTHCHECK: &str = "app:healthcheck";
const PIPELINES: &str = "composite:masakari_api_v1";
const CORS: &str = "filter:cors";
const PROXY: &str = "filter:http_proxy_to_wsgi";
const SIZE: &str = "filter:sizelimit";

/// What of `api-paste.ini` matters.
const PASTE: &[Opt] = &[
    Opt::new(HEALTHCHECK, "allowed_source_ranges", Kind::List),
    Opt::new(HEALTHCHECK, "backends", Kind::List),
    Opt::new(HEALTHCHECK, "detailed", Kind::Bool),
    Opt::new(HEALTHCHECK, "disable_by_file_path", Kind::Str),
    Opt::new(HEALTHCHECK, "disable_by_file_paths", Kind::List),
    Opt::new(HEALTHCHECK, "enable_by_file_paths", Kind::List),
    Opt::new(HEALTHCHECK, "ignore_proxied_requests", Kind::Bool),
    Opt::new(PIPELINES, "keystone", Kind::Str),
    Opt::new(PIPELINES, "noauth2", Kind::Str),
    Opt::new(CORS, "allow_credentials", Kind::Bool),
    Opt::new(CORS, "allow_headers", Kind::List),
    Opt::new(CORS, "allow_methods", Kind::List),
    Opt::new(CORS, "allowed_origin", Kind::List),
    Opt::new(CORS, "expose_headers", Kind::List),
    Opt::new(CORS, "max_age", Kind::INT),
    Opt::new(PROXY, "enable_proxy_headers_parsing", Kind::Bool),
    Opt::new(SIZE, "max_request_body_size", Kind::at_least(0)),
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

    /// What `section` says, or else `group` of the configuration.
    fn or<T: FromValue>(&self, section: &str, own: &Values, group: &str, name: &str) -> T {
        let said = self.0.as_ref().and_then(|values| values.get::<Option<T>>(section, name));
        said.unwrap_or_else(|| own.get(group, name))
    }

    /// Whether the pipeline has the filter; without a file all are there.
    fn has(&self, pipeline: &str, filter: &str) -> bool {
        let stages = self.text(PIPELINES, pipeline);
        stages.is_none_or(|stages| stages.split_whitespace().any(|stage| stage == filter))
    }
}

impl Configuration {
    /// Sets in `config` what concerns the way to the API and back.
    ///
    /// # Errors
    /// When the health check makes no sense.
    pub(super) fn set_http(&self, config: &mut api::Config) -> anyhow::Result<()> {
        let paste = self.paste();
        let pipeline = if self.noauth() { "noauth2" } else { "keystone" };
        self.warn_of_filters(&paste, pipeline);
        config.tls = self.values.get("DEFAULT", "use_ssl");
        let group = "oslo_middleware";
        config.behind_proxy = paste.has(pipeline, "http_proxy_to_wsgi")
            && paste.or(PROXY, &self.values, group, "enable_proxy_headers_parsing");
        let bytes: i64 = paste.or(SIZE, &self.values, group, "max_request_body_size");
        config.max_request_body_size = usize::try_from(bytes).unwrap_or(0);
        config.scheme_header = self.scheme_header()?;
        if paste.has(pipeline, "cors") {
            config.cors = self.cors(&paste);
        }
        config.healthcheck = self.healthcheck(&paste)?;
        Ok(())
    }

    /// What `api-paste.ini` says of the health check wins, as oslo.middleware has it.
    fn healthcheck(&self, paste: &Paste) -> anyhow::Result<Healthcheck> {
        let group = "healthcheck";
        let list = |name| paste.or::<Vec<String>>(HEALTHCHECK, &self.values, group, name);
        let yes = |name| paste.or(HEALTHCHECK, &self.values, group, name);
        let wrong = |name: &str, what: String| self.wrong(group, name, what);
        let mut found = Healthcheck {
            detailed: yes("detailed"),
            ignore_proxied_requests: yes("ignore_proxied_requests"),
            enable_by_file_paths: list("enable_by_file_paths")
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            port: self.values.get("DEFAULT", "masakari_api_listen_port"),
            ..Healthcheck::default()
        };
        let named = list("backends");
        if !named.is_empty() {
            found.backends = backends(&named).map_err(|what| wrong("backends", what))?;
        }
        let path = "disable_by_file_path";
        let path = paste.text(HEALTHCHECK, path).or_else(|| self.text(group, path));
        if let Some(path) = path {
            found.disable_by_file_path = Some(path.into());
        }
        for text in list("disable_by_file_paths") {
            let parts = text.split_once(':');
            let parts =
                parts.and_then(|(port, path)| Some((port.trim().parse().ok()?, path.into())));
            found.disable_by_file_paths.push(parts.ok_or_else(|| {
                wrong("disable_by_file_paths", format!("= {text:?} is not port:path"))
            })?);
        }
        for text in list("allowed_source_ranges") {
            found.allowed_source_ranges.push(range(&text).ok_or_else(|| {
                let what = "is no range of addresses, such as 10.0.0.0/8 or 2001:db8::/32";
                wrong("allowed_source_ranges", format!("= {text:?} {what}"))
            })?);
        }
        Ok(found)
    }

    /// WSGI's name of a header, as Python takes it: `HTTP_X_FORWARDED_PROTO`.
    fn scheme_header(&self) -> anyhow::Result<Option<HeaderName>> {
        let option = "secure_proxy_ssl_header";
        let Some(text) = self.text("wsgi", option) else { return Ok(None) };
        let name = text.strip_prefix("HTTP_").map(|name| name.replace('_', "-").to_lowercase());
        let name = name.and_then(|name| name.parse().ok());
        let what =
            || format!("= {text:?} is no header in WSGI's form, such as HTTP_X_FORWARDED_PROTO");
        name.map(Some).ok_or_else(|| self.wrong("wsgi", option, what()))
    }

    fn cors(&self, paste: &Paste) -> Cors {
        let list = |name| {
            let list = paste.or::<Option<Vec<String>>>(CORS, &self.values, "cors", name);
            list.unwrap_or_default()
        };
        Cors {
            allowed_origin: list("allowed_origin"),
            allow_credentials: paste.or(CORS, &self.values, "cors", "allow_credentials"),
            expose_headers: list("expose_headers"),
            max_age_s: paste.or(CORS, &self.values, "cors", "max_age"),
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
        let (values, findings) = Values::load(&[Source::File { path, text }], &[PASTE]);
        for finding in findings.iter().filter(|finding| finding.severity() == Severity::Error) {
            tracing::warn!("{finding}; it is left out");
        }
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

    /// How long a connection may be silent; 0 is for ever.
    pub(crate) fn silence_most(&self) -> Option<Duration> {
        let seconds: i64 = self.values.get("wsgi", "client_socket_timeout");
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
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

/// Python ignores what it does not know, and says so.
fn backends(names: &[String]) -> Result<Vec<HealthBackend>, String> {
    let mut found = Vec::new();
    for name in names {
        match HealthBackend::ALL.iter().find(|backend| backend.name() == name) {
            Some(backend) => found.push(*backend),
            None => tracing::warn!("[healthcheck] backends = {name:?} is not known and left out"),
        }
    }
    if [HealthBackend::DisableByFile, HealthBackend::EnableByFiles]
        .iter()
        .all(|b| found.contains(b))
    {
        return Err(
            "names both disable_by_file and enable_by_files, which exclude each other".into()
        );
    }
    Ok(found)
}

/// As Python's `ip_network`: no bits may be set beyond the range's.
fn range(text: &str) -> Option<IpNet> {
    let range: IpNet =
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    (range.trunc() == range).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Reader, Told};

    /// What the API is told of `masakari.conf` with `api-paste.ini` beside it.
    fn read(conf: &str, paste: &str) -> anyhow::Result<api::Config> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("api-paste.ini"), paste).unwrap();
        let file = Source::File { path: "masakari.conf".into(), text: conf.to_owned() };
        let (configuration, errors) = Configuration::load(&[file], vec![folder.path().into()]);
        assert!(errors.is_empty(), "{errors:?}");
        configuration.api()
    }

    #[test]
    fn what_the_pipeline_leaves_out_is_left_out_whatever_its_options_say() {
        let conf =
            "[cors]\nallowed_origin = *\n[oslo_middleware]\nenable_proxy_headers_parsing = true\n";
        let pipeline = |stages: &str| format!("[composite:masakari_api_v1]\nkeystone = {stages}\n");
        let whole = read(conf, &pipeline("cors http_proxy_to_wsgi authtoken")).unwrap();
        assert!(whole.behind_proxy && whole.cors.allowed_origin == ["*"], "{whole:?}");
        let short = read(conf, &pipeline("sizelimit authtoken")).unwrap();
        assert!(!short.behind_proxy && short.cors.allowed_origin.is_empty(), "{short:?}");
        let none = read(conf, "").unwrap();
        assert!(none.behind_proxy && none.cors.allowed_origin == ["*"], "{none:?}");
    }

    #[test]
    fn what_a_filter_says_wins_over_the_configuration() {
        let conf = "[cors]\nallowed_origin = *\nmax_age = 5\n[oslo_middleware]\n\
            max_request_body_size = 7\nenable_proxy_headers_parsing = true\n";
        let paste = "[filter:cors]\nallowed_origin = https://a, https://b\nallow_credentials = maybe\n\
            [filter:http_proxy_to_wsgi]\nenable_proxy_headers_parsing = false\n\
            [filter:sizelimit]\nmax_request_body_size = 9\n";
        let found = read(conf, paste).unwrap();
        assert_eq!(found.cors.allowed_origin, ["https://a", "https://b"]);
        assert_eq!((found.cors.max_age_s, found.cors.allow_credentials), (5, true));
        assert_eq!((found.behind_proxy, found.max_request_body_size), (false, 9));
    }

    #[test]
    fn the_health_check_is_what_api_paste_ini_says_and_else_what_the_configuration_says() {
        let conf = "[DEFAULT]\nmasakari_api_listen_port = 8080\n[healthcheck]\ndetailed = true\n\
            backends = disable_by_files_ports,nobody,enable_by_files\nenable_by_file_paths = /a, /b\n\
            disable_by_file_path = /c\ndisable_by_file_paths = 8080:/d,1:/e\n\
            allowed_source_ranges = 10.0.0.0/8,::1\nignore_proxied_requests = true\n";
        let found = read(conf, "").unwrap().healthcheck;
        let names: Vec<_> = found.backends.iter().map(|backend| backend.name()).collect();
        assert_eq!(names, ["disable_by_files_ports", "enable_by_files"]);
        assert_eq!(found.enable_by_file_paths, [Path::new("/a"), Path::new("/b")]);
        assert_eq!(found.disable_by_file_path.as_deref(), Some(Path::new("/c")));
        assert_eq!(found.disable_by_file_paths, [(8080, "/d".into()), (1, "/e".into())]);
        assert_eq!(found.allowed_source_ranges.len(), 2);
        assert!(found.detailed && found.ignore_proxied_requests && found.port == 8080, "{found:?}");
        let paste = "[app:healthcheck]\nbackends = disable_by_file\ndetailed = false\n\
            disable_by_file_path = /f\n";
        let found = read(conf, paste).unwrap().healthcheck;
        assert_eq!(found.backends, [HealthBackend::DisableByFile]);
        assert_eq!(found.disable_by_file_path.as_deref(), Some(Path::new("/f")));
        assert!(!found.detailed && found.ignore_proxied_requests, "{found:?}");
    }

    #[test]
    fn a_health_check_or_tls_that_makes_no_sense_is_told_with_its_line() {
        let told = |line: &str| {
            let text = format!(
                "[DEFAULT]\nauth_strategy = noauth2\nos_privileged_user_auth_url = http://k\n{line}\n"
            );
            let file = Source::File { path: "m.conf".into(), text };
            let told = Configuration::examine_sources(&[file], Vec::new(), Reader::Services);
            told.iter().map(Told::to_string).collect::<Vec<_>>()
        };
        for (line, expected) in [
            (
                "[healthcheck]\nbackends = enable_by_files,disable_by_file",
                "m.conf:5: error: [healthcheck] backends names both disable_by_file and \
                 enable_by_files, which exclude each other",
            ),
            (
                "[healthcheck]\nallowed_source_ranges = 10.0.0.1/8",
                "m.conf:5: error: [healthcheck] allowed_source_ranges = \"10.0.0.1/8\" is no range of \
                 addresses, such as 10.0.0.0/8 or 2001:db8::/32",
            ),
            (
                "[healthcheck]\ndisable_by_file_paths = /d",
                "m.conf:5: error: [healthcheck] disable_by_file_paths = \"/d\" is not port:path",
            ),
            (
                "[wsgi]\nsecure_proxy_ssl_header = X-Scheme",
                "m.conf:5: error: [wsgi] secure_proxy_ssl_header = \"X-Scheme\" is no header in WSGI's \
                 form, such as HTTP_X_FORWARDED_PROTO",
            ),
            (
                "use_ssl = true",
                "error: [DEFAULT] use_ssl is set, but neither [ssl] cert_file nor [wsgi] ssl_cert_file",
            ),
        ] {
            assert_eq!(told(line), [expected]);
        }
    }
}
