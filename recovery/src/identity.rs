//! Which machine a host is and in which boot, as its own agent says while it lives.
//!
//! What it says of its machine is compared with what a fence device controls; that its boot is another one shows that what
//! ran before has ended. It is a host's word about itself, and no more: it proves nobody else dead.

use crate::Millis;
use alloc::string::String;

/// What an agent says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// `/proc/sys/kernel/random/boot_id`: another one after each boot.
    pub boot: String,
    /// The SMBIOS UUID, as `dmidecode -s system-uuid`.
    pub uuid: Option<String>,
    /// The serial number of the product.
    pub serial: Option<String>,
}

/// What is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identified {
    pub identity: Identity,
    /// When this boot was told of for the first time.
    pub booted_by: Millis,
    /// When it was told last.
    pub at: Millis,
}

impl Identified {
    /// `identity` is told at `at`, and `before` was known.
    #[must_use]
    pub fn told(before: Option<&Self>, identity: Identity, at: Millis) -> Self {
        let same = before.filter(|known| known.identity.boot == identity.boot);
        Self { booted_by: same.map_or(at, |known| known.booted_by), identity, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_counts_from_when_it_was_first_told_of_and_the_newest_word_about_the_machine_counts() {
        let said = |boot: &str, serial: &str| Identity {
            boot: boot.into(),
            uuid: None,
            serial: Some(serial.into()),
        };
        let first = Identified::told(None, said("a", "1"), Millis(10));
        assert_eq!((first.booted_by, first.at), (Millis(10), Millis(10)));
        let again = Identified::told(Some(&first), said("a", "2"), Millis(20));
        assert_eq!((again.booted_by, again.at), (Millis(10), Millis(20)));
        assert_eq!(again.identity.serial.as_deref(), Some("2"));
        let rebooted = Identified::told(Some(&again), said("b", "2"), Millis(30));
        assert_eq!((rebooted.booted_by, rebooted.at), (Millis(30), Millis(30)));
    }
}
