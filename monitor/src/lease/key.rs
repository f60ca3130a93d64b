//! A lease as it stands in etcd: one key for each host, JSON within.

use super::etcd::Stored;
use recovery::{
    HostName,
    deadman::{Beat, Stage, Times},
};
use serde::{Deserialize, Serialize};

/// What longer is no lease of ours.
const BYTES_MOST: usize = 4_096;

/// What an agent writes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lease {
    pub stage: Stage,
    /// The run of the host's kernel.
    pub boot: String,
    /// The run of the agent.
    pub agent: String,
    #[serde(flatten)]
    pub times: Times,
    /// Which one it is of that agent: for people.
    pub beat: u64,
}

/// Why what stands there is no lease.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
#[error("the lease {key} cannot be read: {why}")]
pub struct Unreadable {
    pub key: String,
    pub why: String,
}

impl Lease {
    /// The lease that `stored` is.
    ///
    /// # Errors
    /// It is none that this version knows.
    pub fn read(stored: &Stored) -> Result<Self, Unreadable> {
        let failed = |why: String| Unreadable { key: stored.key.clone(), why };
        if stored.value.len() > BYTES_MOST {
            return Err(failed(format!("it has {} bytes", stored.value.len())));
        }
        serde_json::from_slice(&stored.value).map_err(|error| failed(error.to_string()))
    }

    /// As observers count by it.
    #[must_use]
    pub fn beat(self, revision: u64) -> Beat {
        Beat { revision, stage: self.stage, boot: self.boot, times: self.times }
    }
}

/// The key of `host` below `prefix`.
#[must_use]
pub fn key_of(prefix: &str, host: &HostName) -> String {
    format!("{prefix}{host}")
}

/// Whose key it is; none: a key below another one, or of nobody.
#[must_use]
pub fn host_of(prefix: &str, key: &str) -> Option<HostName> {
    let name = key.strip_prefix(prefix)?;
    (!name.is_empty() && !name.contains('/')).then(|| HostName::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(value: &str) -> Stored {
        Stored { key: "/m/cmp1".into(), value: value.into(), revision: 7 }
    }

    const WELL: &str = r#"{"stage":"held","boot":"b1","agent":"4f","renew_ms":2000,"term_ms":20000,"watchdog_ms":10000,"beat":3}"#;

    #[test]
    fn a_lease_reads_back_as_it_was_written() {
        let lease = Lease::read(&stored(WELL)).unwrap();
        assert_eq!(serde_json::to_string(&lease).unwrap(), WELL);
        assert_eq!(lease.clone().beat(7).revision, 7);
        assert_eq!((lease.stage, lease.times.proof_ms()), (Stage::Held, 43_313));
    }

    #[test]
    fn what_is_no_lease_is_refused_with_its_key() {
        let long = format!("{WELL}{}", " ".repeat(BYTES_MOST));
        for bad in
            ["", "{}", "[]", &WELL.replace("held", "keeps"), &WELL.replace("10000", "1"), &long]
        {
            let error = Lease::read(&stored(bad)).unwrap_err();
            assert_eq!(error.key, "/m/cmp1");
        }
    }

    #[test]
    fn a_key_names_one_host() {
        assert_eq!(key_of("/m/", &HostName::new("cmp1")), "/m/cmp1");
        assert_eq!(host_of("/m/", "/m/cmp1"), Some(HostName::new("cmp1")));
        for nobody in ["/m/", "/m/a/b", "/other"] {
            assert_eq!(host_of("/m/", nobody), None);
        }
    }
}
