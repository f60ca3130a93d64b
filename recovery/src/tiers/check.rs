//! What a server asks to be checked before it counts as up, and which addresses may be asked.
//!
//! The words come from the server's owner, and the address from a network that its owner may have made:
//! it may be any address, also one of ours. So an engine asks only addresses that the operator has named. A guest agent
//! is asked by the monitor of its host, which says when it answers: nothing of it is the owner's choice.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// No path is longer.
const PATH_CHARS_MAX: usize = 255;

/// One question to a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Check {
    At(Door),
    Of(Inside),
}

/// What is asked within a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Inside {
    /// QEMU's guest agent, which the introspectiveinstancemonitor of its host pings.
    #[serde(rename = "guest")]
    GuestAgent,
}

/// Where a server is asked from outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Door {
    /// Its first fixed address that may be asked.
    pub address: String,
    pub port: u16,
    /// It answers `GET` of this path with 2xx; without one it takes a connection.
    pub path: Option<String>,
}

/// Why a check that is asked for is not done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotChecked(pub String);

impl fmt::Display for NotChecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            None => write!(f, "port {}", self.port),
            Some(path) => write!(f, "http port {}, {path}", self.port),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(door) => door.fmt(f),
            Self::Of(Inside::GuestAgent) => f.write_str("guest agent"),
        }
    }
}

impl Check {
    /// Reads `guest`, or `tcp:PORT` or `http:PORT/PATH` for the first of `addresses` that lies in `networks`.
    ///
    /// # Errors
    /// Why it is not done: it is not understood, or no address may be asked.
    pub fn read(
        text: &str,
        addresses: &[IpAddr],
        networks: &[Network],
    ) -> Result<Self, NotChecked> {
        let text = text.trim();
        if text == "guest" {
            return Ok(Self::Of(Inside::GuestAgent));
        }
        let (port, path) = Self::words(text)?;
        let allowed = |address: &&IpAddr| networks.iter().any(|n| n.contains(**address));
        match addresses.iter().find(allowed) {
            Some(address) => Ok(Self::At(Door { address: address.to_string(), port, path })),
            None if networks.is_empty() => Err(NotChecked(format!(
                "'{text}' is not asked: [recovery] check_networks allows no address"
            ))),
            None => Err(NotChecked(format!(
                "'{text}' is not asked: it has no fixed address in [recovery] check_networks"
            ))),
        }
    }

    fn words(text: &str) -> Result<(u16, Option<String>), NotChecked> {
        let shown: String = text.chars().take(60).filter(|c| !c.is_control()).collect();
        let unknown = || {
            NotChecked(format!(
                "'{shown}' is not understood: it is no guest, tcp:PORT or http:PORT/PATH"
            ))
        };
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        let (port, path) = match (kind, rest.find('/')) {
            ("tcp", None) => (rest, None),
            ("http", None) => (rest, Some("/")),
            ("http", Some(at)) => (&rest[..at], Some(&rest[at..])),
            _ => return Err(unknown()),
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(unknown)?;
        let plain = |path: &&str| {
            path.len() <= PATH_CHARS_MAX && path.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
        };
        let fits = path.is_none_or(|path| plain(&path));
        if fits { Ok((port, path.map(Into::into))) } else { Err(unknown()) }
    }
}

/// A range of addresses: `192.0.2.0/24`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads `ADDRESS/PREFIX`, or one address.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(text) => text.parse().ok()?,
            None => most,
        };
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// Whether `address` is one of them, and one that a server can have.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |most: u32| most - self.prefix;
        let same = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = u32::from(ours) ^ u32::from(theirs);
                differ.checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = u128::from(ours) ^ u128::from(theirs);
                differ.checked_shr(shift(128)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        };
        same && is_a_servers(address)
    }
}

/// Not ourselves, not everybody, and no service of the link (Nova's metadata has such an address).
fn is_a_servers(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0) == 0xfe80 || v6.to_ipv4_mapped().is_some(),
    };
    !link_local && !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
}

/// Every network of a list; the first that is none.
///
/// # Errors
/// The text that is no network.
pub fn networks(texts: &[String]) -> Result<Vec<Network>, String> {
    let some = texts.iter().filter(|text| !text.trim().is_empty());
    some.map(|text| Network::read(text).ok_or_else(|| text.clone())).collect()
}
