//! What a server wants of its host besides room, where rules of Nova's scheduler exclude hosts that have it.
//!
//! Nova does not say which rule it was. What the server wants is known, and as a rule it is one thing.

use alloc::{borrow::ToOwned, collections::BTreeMap, format, string::String, vec::Vec};
use serde::Serialize;

/// By what it is tied to some hosts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    Zone,
    /// PCI passthrough, an accelerator, a resource of its own.
    Device,
    Trait,
    Numa,
    /// (Anti-)affinity.
    Group,
}

/// One such wish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    pub tie: Tie,
    pub what: String,
}

impl Tie {
    const ALL: [Self; 5] = [Self::Zone, Self::Device, Self::Trait, Self::Numa, Self::Group];

    /// How it is said; what is wanted follows.
    const fn words(self) -> &'static str {
        match self {
            Self::Zone => "it is pinned to availability zone ",
            Self::Device => "it wants the device ",
            Self::Trait => "it wants the trait ",
            Self::Numa => "it wants of its host's CPUs and memory ",
            Self::Group => "it is in a server group with the policy ",
        }
    }
}

/// Adds the wishes to what kept a server from each host.
#[must_use]
pub fn with_wishes(told: String, wishes: &[Wish]) -> String {
    let wishes = wishes.iter().map(|wish| format!("; {}{}", wish.tie.words(), wish.what));
    wishes.fold(told, |told, wish| told + &wish)
}

/// The first tie that a reason names.
#[must_use]
pub fn tie_of(why: &str) -> Option<Tie> {
    Tie::ALL.into_iter().find(|tie| why.contains(tie.words()))
}

/// What a flavor wants, by its extra specs.
#[must_use]
pub fn wishes_of_flavor(specs: &BTreeMap<String, String>) -> Vec<Wish> {
    let wish = |(key, value): (&String, &String)| {
        let (group, name) = key.split_once(':')?;
        let of = |tie, what: &str| Some(Wish { tie, what: what.to_owned() });
        match group.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "trait" if value == "required" => of(Tie::Trait, name),
            "resources" if !["VCPU", "MEMORY_MB", "DISK_GB"].contains(&name) => {
                of(Tie::Device, name)
            }
            "pci_passthrough" | "accel" => of(Tie::Device, value),
            "hw" if ["numa_nodes", "cpu_policy", "mem_page_size"].contains(&name)
                && value != "shared" =>
            {
                of(Tie::Numa, &format!("{key}={value}"))
            }
            _ => None,
        }
    };
    specs.iter().filter_map(wish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavor_says_what_it_wants() {
        let specs = [
            ("trait:CUSTOM_A", "required"),
            ("trait1:CUSTOM_B", "required"),
            ("trait:CUSTOM_C", "forbidden"),
            ("resources:VGPU", "1"),
            ("resources:VCPU", "2"),
            ("pci_passthrough:alias", "gpu:1"),
            ("hw:numa_nodes", "2"),
            ("hw:cpu_policy", "shared"),
            ("quota:cpu_shares", "7"),
        ];
        let specs = specs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let wishes = wishes_of_flavor(&specs).into_iter().map(|w| (w.tie, w.what));
        let wishes: Vec<(Tie, String)> = wishes.collect();
        let expected = [
            (Tie::Numa, "hw:numa_nodes=2"),
            (Tie::Device, "gpu:1"),
            (Tie::Device, "VGPU"),
            (Tie::Trait, "CUSTOM_B"),
            (Tie::Trait, "CUSTOM_A"),
        ];
        assert_eq!(wishes, expected.map(|(tie, what)| (tie, what.to_owned())));
    }

    #[test]
    fn each_tie_is_read_as_it_was_written() {
        for tie in Tie::ALL {
            let why = with_wishes("no room".into(), &[Wish { tie, what: "x".into() }]);
            assert_eq!(tie_of(&why), Some(tie), "{why}");
        }
        assert_eq!(tie_of("no room"), None);
    }
}
