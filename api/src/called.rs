//! Under which address we were called: what links in answers begin with.
//!
//! Behind a proxy the caller's address is another than ours. The proxy says so in `Forwarded` or in
//! `X-Forwarded-*`, which is believed when the operator says that there is a proxy
//! (`[oslo_middleware] enable_proxy_headers_parsing`). The scheme alone is always believed, as by uWSGI, under
//! which Python Masakari runs: a lie about it changes nothing but the liar's own links.

use crate::config::Config;
use http::{HeaderMap, header, request::Parts};

pub(crate) struct Called {
    /// Scheme, host, and what the proxy took off the path: no slash of ours at the end.
    origin: String,
    /// What the proxy took off the path.
    prefix: String,
    link_prefix: Option<String>,
}

impl Called {
    pub(crate) fn of(config: &Config, head: &Parts) -> Self {
        let headers = &head.headers;
        let mut scheme = if config.tls { "https" } else { "http" }.to_owned();
        if text(headers, "x-forwarded-ssl").is_some_and(|on| on == "on" || on == "1") {
            scheme = "https".into();
        }
        if let Some(proto) = text(headers, "x-forwarded-proto") {
            scheme = proto.into();
        }
        let own = text(headers, header::HOST.as_str());
        let own = own.or_else(|| head.uri.authority().map(|authority| authority.as_str()));
        let mut host = own.unwrap_or("localhost").to_owned();
        let mut prefix = String::new();
        if config.behind_proxy {
            let (proto, forwarded_host) = match text(headers, "forwarded") {
                Some(forwarded) => first_proxy(forwarded),
                None => (None, text(headers, "x-forwarded-host").map(str::to_owned)),
            };
            scheme = proto.unwrap_or(scheme);
            host = forwarded_host.unwrap_or(host);
            prefix = text(headers, "x-forwarded-prefix").unwrap_or_default().to_owned();
        }
        if let Some(header) = &config.scheme_header {
            scheme = text(headers, header.as_str()).map_or(scheme, str::to_owned);
        }
        let default_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let host = host.strip_suffix(default_port).unwrap_or(&host);
        let link_prefix = config.osapi_masakari_link_prefix.clone().filter(|p| !p.is_empty());
        Self { origin: format!("{scheme}://{host}"), prefix, link_prefix }
    }

    /// The address of `path`, which is one of ours.
    fn url(&self, path: &str) -> String {
        match &self.link_prefix {
            None => format!("{}{}{path}", self.origin, self.prefix),
            Some(ahead) => format!("{ahead}{}{path}", self.prefix).trim_end_matches('/').to_owned(),
        }
    }

    /// Where `/v1` is, as the list of versions has it.
    pub(crate) fn v1_from_root(&self) -> String {
        format!("{}/v1/", self.url("").trim_matches('/'))
    }

    /// Where `path` would be below `/v1`.
    pub(crate) fn below_v1(&self, path: &str) -> String {
        let path = format!("{}{path}", self.prefix);
        format!("{}{}", self.v1_from_root(), path.trim_matches('/'))
    }

    /// Where `/v1` is, as its own document has it.
    pub(crate) fn v1(&self) -> String {
        format!("{}/", self.url("/v1").trim_end_matches('/'))
    }
}

/// The scheme and host that the first proxy of `Forwarded` (RFC 7239) was asked under.
fn first_proxy(forwarded: &str) -> (Option<String>, Option<String>) {
    let first = forwarded.split(',').next().unwrap_or_default();
    let said = |wanted: &str| {
        let mut pairs = first.split(';').rev().filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        let value = found?.1.trim().trim_matches('"');
        (!value.is_empty()).then(|| value.to_owned())
    };
    (said("proto"), said("host"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}
