//! Everything that reads what somebody else wrote, each a function of bytes that must not panic, hang, take memory without
//! bound, or break the promise that stands beside it.
//!
//! ```text
//!  corpus ──► tests/corpora.rs: each piece, and thousands made from it (`cargo test`)
//!         └─► bin/fuzz.rs: libFuzzer, which learns what leads where (`cargo xtask soak fuzz`, and a little in `cargo xtask test`)
//! ```
//!
//! The first byte of an input chooses the reader within its group, so that a corpus serves a whole group. A finding becomes a
//! piece of the corpus.

mod answers;
mod cluster;
mod devices;
mod files;
mod requests;
mod texts;

/// Readers that are fed alike.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub name: &'static str,
    /// What is read.
    pub reads: &'static str,
    readers: &'static [fn(&[u8])],
}

/// All groups.
pub const GROUPS: &[Group] = &[
    Group {
        name: "texts",
        reads: "the INI dialect, the policy language, URLs of databases, owners' rules, checks",
        readers: texts::READERS,
    },
    Group {
        name: "requests",
        reads: "requests to /v1 and /ha/v1: method, path, query, headers, body",
        readers: requests::READERS,
    },
    Group {
        name: "cluster",
        reads: "crm_mon's and the CIB's XML, Consul's members, Kubernetes' nodes, leases in etcd",
        readers: cluster::READERS,
    },
    Group {
        name: "files",
        reads: "fencing.yaml, process_list.yaml, matrix.yaml, policy files",
        readers: files::READERS,
    },
    Group {
        name: "devices",
        reads: "answers of Redfish, ipmitool and fence agents",
        readers: devices::READERS,
    },
    Group {
        name: "answers",
        reads: "answers of Keystone, Nova and Placement",
        readers: answers::READERS,
    },
];

impl Group {
    /// Feeds `bytes` to the reader that the first of them chooses.
    ///
    /// # Panics
    /// When that is a finding.
    pub fn feed(&self, bytes: &[u8]) {
        let Some((first, rest)) = bytes.split_first() else { return };
        let chosen = usize::from(*first).checked_rem(self.readers.len());
        if let Some(read) = chosen.and_then(|at| self.readers.get(at)) {
            read(rest);
        }
    }
}

/// Runs what waits by a clock, which does not take any time.
fn in_no_time<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().ok()?;
    Some(runtime.block_on(work))
}
