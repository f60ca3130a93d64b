//! Which names mean one host: one source may have its FQDN, and another the short one.
//!
//! Nova, and so Masakari, has one name for a host and compares it whole; here it is only asked whether two sources speak of the same machine.

use crate::HostName;
use alloc::collections::BTreeMap;
use alloc::string::String;

/// The first label of a name, in lower case: what a machine calls itself.
fn label(host: &HostName) -> String {
    let name = host.as_str();
    name.split('.').next().unwrap_or(name).to_ascii_lowercase()
}

fn is_short(host: &HostName) -> bool {
    !host.as_str().contains('.')
}

/// Whether both mean one host: they are equal but for the case, or one is the short name of the other.
#[must_use]
pub fn same_host(a: &HostName, b: &HostName) -> bool {
    a.as_str().eq_ignore_ascii_case(b.as_str())
        || (is_short(a) != is_short(b) && label(a) == label(b))
}

/// One key for each host of those that are known together.
///
/// It is the short name, as long as that is one host's alone. Where two FQDNs have it (`cmp1.a`, `cmp1.b`) nobody can tell
/// whose it is, and each name is a host of its own.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The FQDN of each short name; none: there are several.
    full: BTreeMap<String, Option<String>>,
}

impl Keys {
    /// The keys of `hosts`.
    pub fn of<'h>(hosts: impl Iterator<Item = &'h HostName>) -> Self {
        let mut full: BTreeMap<String, Option<String>> = BTreeMap::new();
        for host in hosts.filter(|host| !is_short(host)) {
            let name = host.as_str().to_ascii_lowercase();
            full.entry(label(host))
                .and_modify(|known| {
                    known.take_if(|known| *known != name);
                })
                .or_insert_with(|| Some(name.clone()));
        }
        Self { full }
    }

    /// The key of `host`.
    #[must_use]
    pub fn key(&self, host: &HostName) -> HostName {
        let short = label(host);
        match self.full.get(&short) {
            Some(None) => HostName::new(host.as_str().to_ascii_lowercase()),
            Some(Some(_)) | None => HostName::new(short),
        }
    }
}
