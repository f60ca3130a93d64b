//! Which machine a device controls.
//!
//! A BMC that was moved, or cabled to the neighbour, switches off a host that is alive and proves another one
//! dead; so what it says of itself is compared with what was recorded.

use std::fmt;

/// What the operator, or the host itself while it lived, recorded of a host's machine.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Machine {
    /// The SMBIOS UUID, as `dmidecode -s system-uuid` or a Redfish system's `UUID`.
    pub uuid: Option<String>,
    /// The serial number of the product, chassis or board.
    pub serial: Option<String>,
    pub by: By,
}

/// Who recorded it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum By {
    /// A device has to confirm what an operator has written down.
    #[default]
    Operator,
    /// A device must not contradict what the host's own agent said. Not every device tells what an agent reads, and
    /// nobody has looked whether this one does.
    Host,
}

/// What a device says of the machine that it controls.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Told {
    pub uuid: Option<String>,
    /// Every serial number that it knows: product, chassis, board.
    pub serials: Vec<String>,
}

/// What the comparison means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compared {
    Same,
    /// Nothing was recorded, so there is nothing to compare.
    NothingRecorded,
    /// Something was recorded, and the device told nothing that it could be compared with.
    NotTold,
    Other {
        recorded: String,
        told: String,
    },
}

impl By {
    fn says(self, recorded: &str) -> String {
        match self {
            Self::Operator => recorded.to_owned(),
            Self::Host => format!("{recorded} (by the word of its agent)"),
        }
    }
}

impl Machine {
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.uuid.is_some() || self.serial.is_some()
    }

    /// What an operator has recorded counts, or else what the host says of itself.
    #[must_use]
    pub fn or_told_by_host(self, uuid: Option<String>, serial: Option<String>) -> Self {
        if self.is_recorded() { self } else { Self { uuid, serial, by: By::Host } }
    }

    /// Compares what was recorded with what the device says. One difference outweighs any likeness: a UUID
    /// survives a board that is moved into another chassis, and then the serial numbers tell.
    #[must_use]
    pub fn compare(&self, told: &Told) -> Compared {
        if !self.is_recorded() {
            return Compared::NothingRecorded;
        }
        let mut same = false;
        if let (Some(recorded), Some(told)) = (&self.uuid, &told.uuid) {
            if !same_uuid(recorded, told) {
                return Compared::Other { recorded: self.by.says(recorded), told: told.clone() };
            }
            same = true;
        }
        if let (Some(recorded), false) = (&self.serial, told.serials.is_empty()) {
            let like = |told: &String| told.trim().eq_ignore_ascii_case(recorded.trim());
            if !told.serials.iter().any(like) {
                let told = told.serials.join(", ");
                return Compared::Other { recorded: self.by.says(recorded), told };
            }
            same = true;
        }
        match (same, self.by) {
            (true, By::Operator | By::Host) => Compared::Same,
            (false, By::Operator) => Compared::NotTold,
            (false, By::Host) => Compared::NothingRecorded,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.uuid, &self.serial) {
            (Some(uuid), Some(serial)) => write!(f, "UUID {uuid}, serial {serial}"),
            (Some(uuid), None) => write!(f, "UUID {uuid}"),
            (None, Some(serial)) => write!(f, "serial {serial}"),
            (None, None) => f.write_str("nothing recorded"),
        }
    }
}

/// Whether two texts are one UUID. SMBIOS keeps the first three fields with their bytes turned round, and
/// firmware differs in whether it turns them back, so both ways count as the same machine.
fn same_uuid(a: &str, b: &str) -> bool {
    match (hex_digits(a), hex_digits(b)) {
        (Some(a), Some(b)) => a == b || turned(&a) == b,
        (None, Some(_)) | (Some(_), None) | (None, None) => a.trim().eq_ignore_ascii_case(b.trim()),
    }
}

/// The 32 digits of a UUID, small.
fn hex_digits(text: &str) -> Option<String> {
    let digits: String =
        text.trim().chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    (digits.len() == 32 && digits.chars().all(|c| c.is_ascii_hexdigit())).then_some(digits)
}

/// The first three fields (4, 2 and 2 bytes) with their bytes in the other order.
fn turned(digits: &str) -> String {
    let field = |from: usize, to: usize| -> String {
        (from..to).rev().filter_map(|byte| digits.get(2 * byte..2 * byte + 2)).collect()
    };
    format!("{}{}{}{}", field(0, 4), field(4, 6), field(6, 8), digits.get(16..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    fn recorded(uuid: Option<&str>, serial: Option<&str>) -> Machine {
        Machine {
            uuid: uuid.map(str::to_owned),
            serial: serial.map(str::to_owned),
            by: By::Operator,
        }
    }

    fn said(uuid: Option<&str>, serial: Option<&str>) -> Machine {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Machine::default().or_told_by_host(owned(uuid), owned(serial))
    }

    fn told(uuid: Option<&str>, serials: &[&str]) -> Told {
        let serials = serials.iter().map(|s| (*s).to_owned()).collect();
        Told { uuid: uuid.map(str::to_owned), serials }
    }

    #[test]
    fn a_uuid_is_the_same_in_any_case_with_or_without_hyphens_and_in_smbios_order() {
        let ours = recorded(Some(UUID), None);
        for same in [
            "00112233-4455-6677-8899-AABBCCDDEEFF",
            "00112233445566778899aabbccddeeff",
            "33221100-5544-7766-8899-aabbccddeeff",
        ] {
            assert_eq!(ours.compare(&told(Some(same), &[])), Compared::Same, "{same}");
        }
        let neighbour = "00112233-4455-6677-8899-aabbccddeefe";
        assert!(matches!(ours.compare(&told(Some(neighbour), &[])), Compared::Other { .. }));
    }

    #[test]
    fn one_difference_outweighs_any_likeness() {
        let ours = recorded(Some(UUID), Some("SN1"));
        assert!(matches!(ours.compare(&told(Some(UUID), &["SN2"])), Compared::Other { .. }));
        assert_eq!(ours.compare(&told(Some(UUID), &["board7", "sn1 "])), Compared::Same);
    }

    #[test]
    fn what_was_recorded_and_is_not_told_is_not_the_same() {
        assert_eq!(recorded(Some(UUID), None).compare(&told(None, &["SN1"])), Compared::NotTold);
        assert_eq!(recorded(None, Some("SN1")).compare(&told(Some(UUID), &[])), Compared::NotTold);
        let nothing = recorded(None, None).compare(&told(Some(UUID), &["SN1"]));
        assert_eq!(nothing, Compared::NothingRecorded);
    }

    #[test]
    fn what_the_host_said_counts_only_where_no_operator_has_recorded_anything() {
        let by_operator = recorded(None, Some("CZ1"));
        let still = by_operator.clone().or_told_by_host(Some(UUID.into()), Some("CZ2".into()));
        assert_eq!(still, by_operator);
        assert_eq!(said(Some(UUID), None).by, By::Host);
    }

    #[test]
    fn a_device_must_not_contradict_what_the_host_said_and_need_not_confirm_it() {
        let host = said(Some(UUID), Some("CZ1"));
        assert_eq!(host.compare(&told(Some(UUID), &[])), Compared::Same);
        assert_eq!(host.compare(&told(None, &[])), Compared::NothingRecorded);
        let other = |told: &Told| matches!(host.compare(told), Compared::Other { .. });
        assert!(other(&told(Some(UUID), &["CZ2"])));
        assert!(other(&told(Some("ffeeddcc-bbaa-9988-7766-554433221100"), &["CZ1"])));
        assert_eq!(recorded(Some(UUID), None).compare(&told(None, &[])), Compared::NotTold);
    }
}
