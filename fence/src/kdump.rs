//! Hosts that write a crash dump say so: `fence_kdump_send` sends a datagram every ten seconds, from the kernel that a
//! crashed one has started, for as long as the dump takes.
//!
//! Such a host is left its power for a while, so that the dump is whole. That is all: a message proves nothing, because
//! whoever reaches the port could have sent it, and what it keeps waiting it keeps for [`Kdump::wait`] at most.

use crate::file::FencingFile;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What `fence_kdump_send` sends to where nothing else is said.
const PORT: u16 = 7410;
/// How long a dump may take where the file says nothing.
const WAIT: Duration = Duration::from_secs(600);
/// The two numbers of a message, each in the byte order of the host that crashed.
const MAGIC: u32 = 0x1B30_2A40;
const VERSION: u32 = 1;

/// `kdump` in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kdump {
    /// Where the messages arrive.
    pub listen: SocketAddr,
    /// How long, from the beginning of its recovery, a host is left its power for that.
    pub wait: Duration,
}

impl Default for Kdump {
    fn default() -> Self {
        let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        Self { listen: SocketAddr::new(any, PORT), wait: WAIT }
    }
}

/// Whether a datagram says that its sender writes a crash dump.
#[must_use]
pub fn is_message(datagram: &[u8]) -> bool {
    let Ok(bytes) = <[u8; 8]>::try_from(datagram) else { return false };
    let [a, b, c, d, e, f, g, h] = bytes;
    let (magic, version) = ([a, b, c, d], [e, f, g, h]);
    (u32::from_le_bytes(magic), u32::from_le_bytes(version)) == (MAGIC, VERSION)
        || (u32::from_be_bytes(magic), u32::from_be_bytes(version)) == (MAGIC, VERSION)
}

impl FencingFile {
    /// The hosts whose messages come from there.
    pub fn who_dumps_from(&self, from: IpAddr) -> impl Iterator<Item = &str> {
        let theirs = move |name: &(&String, &crate::file::HostEntry)| {
            let host = name.1;
            let all = if host.kdump_from.is_empty() { &host.addresses } else { &host.kdump_from };
            all.iter().any(|address| address.parse() == Ok(from))
        };
        self.hosts.iter().filter(theirs).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `agents/kdump/message.h` of ClusterLabs' fence-agents.
    #[test]
    fn a_message_is_two_numbers_in_the_byte_order_of_its_sender() {
        assert!(is_message(&[0x40, 0x2A, 0x30, 0x1B, 1, 0, 0, 0]));
        assert!(is_message(&[0x1B, 0x30, 0x2A, 0x40, 0, 0, 0, 1]));
        for other in [
            &[][..],
            &[0x40, 0x2A, 0x30, 0x1B],
            &[0x40, 0x2A, 0x30, 0x1B, 2, 0, 0, 0],
            &[0x40, 0x2A, 0x30, 0x1B, 0, 0, 0, 1],
            &[0x40, 0x2A, 0x30, 0x1B, 1, 0, 0, 0, 0],
            b"deadbeef",
        ] {
            assert!(!is_message(other), "{other:?}");
        }
    }

    #[test]
    fn a_host_is_known_by_the_addresses_that_it_sends_from_or_else_by_those_it_has() {
        let text = "devices: {p: {kind: manual, say: x}}\nkdump: {wait: 2m}\nhosts:\n  \
                    a: {kdump_from: [192.0.2.1, \"2001:db8:0::1\"], addresses: [192.0.2.9]}\n  \
                    b: {addresses: [192.0.2.2]}\n  c: {}\n";
        let file = FencingFile::parse(Path::new("f"), text).unwrap();
        let who = |from: &str| file.who_dumps_from(from.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!((who("192.0.2.1"), who("2001:db8::1")), (vec!["a"], vec!["a"]));
        assert_eq!((who("192.0.2.9"), who("192.0.2.2")), (vec![], vec!["b"]));
        let kdump = file.kdump.unwrap();
        assert_eq!((kdump.listen, kdump.wait), (Kdump::default().listen, Duration::from_secs(120)));
    }
}
