//! Hosts and URIs, as strict as the original is and no stricter.

use std::net::IpAddr;

const HOST_CHARS_MAX: usize = 253;
const LABEL_CHARS_MAX: usize = 63;

/// An IP address, or a name of letters, digits and hyphens whose last label is no number: such a
/// name would be a mistyped address. A dot at the end is taken off.
pub(super) fn host(text: &str) -> Result<String, String> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=LABEL_CHARS_MAX).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = !last.contains(|c: char| c.is_ascii_alphabetic() || c == '-');
    if text.chars().count() <= HOST_CHARS_MAX && !is_number && name.split('.').all(is_label) {
        return Ok(name.to_owned());
    }
    Err("an IP address or the name of a host".to_owned())
}

/// A scheme and a host have to be there. What the path may hold is left to whoever uses it.
pub(super) fn uri(text: &str) -> Result<String, String> {
    let fault = || "a URL with scheme and host, such as http://host:5000/v3".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(fault)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, _port)) => host,
        None => host.split(':').next().unwrap_or_default(),
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c);
    if is_scheme && !host.is_empty() && !text.contains(odd) {
        return Ok(text.to_owned());
    }
    Err(fault())
}
