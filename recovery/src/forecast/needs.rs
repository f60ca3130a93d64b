//! What a server asks for, as far as its flavor says it.

use super::Doubt;
use crate::seen::Server;
use crate::shortage::Needs;
use alloc::{collections::BTreeSet, vec::Vec};

/// Extra specs (Nova's flavors guide) that only the scheduler's filters on the hosts can answer.
const PINNING: [&str; 5] =
    ["hw:cpu_policy", "hw:numa_nodes", "hw:mem_page_size", "hw:cpu_realtime", "hw:locked_memory"];

/// The room that it takes, and what of it cannot be seen.
#[must_use]
pub fn needs(server: &Server) -> (Needs, Vec<Doubt>) {
    let (size, specs) = (&server.hints.size, &server.hints.flavor);
    let root_gb = if server.hints.image.is_some() { size.root_gb } else { 0 };
    let disk_gb = root_gb + size.ephemeral_gb + size.swap_mb.div_ceil(1024);
    // `resources:VCPU=0` and the like override the flavor.
    let of = |class: &str, amount: u64| {
        let text = specs.iter().find(|(key, _)| key.strip_prefix("resources:") == Some(class));
        text.and_then(|(_, text)| text.trim().parse().ok()).unwrap_or(amount)
    };
    let dedicated = specs.get("hw:cpu_policy").is_some_and(|policy| policy == "dedicated");
    let needs = Needs {
        vcpus: of("VCPU", if dedicated { 0 } else { size.vcpus }),
        ram_mb: of("MEMORY_MB", size.ram_mb),
        disk_gb: of("DISK_GB", disk_gb),
    };
    let mut doubts: BTreeSet<Doubt> = specs.keys().filter_map(|key| doubt(key)).collect();
    if *size == crate::seen::Size::default() {
        doubts.insert(Doubt::Size);
    }
    (needs, doubts.into_iter().collect())
}

fn doubt(key: &str) -> Option<Doubt> {
    if key.starts_with("pci_passthrough:") {
        return Some(Doubt::Passthrough);
    }
    if key.starts_with("accel:") {
        return Some(Doubt::Accelerator);
    }
    if PINNING.iter().any(|known| key.starts_with(known)) {
        return Some(Doubt::Pinning);
    }
    let class = key.strip_prefix("resources").map(|rest| rest.split(':').next_back());
    match class {
        Some(Some("VCPU" | "MEMORY_MB" | "DISK_GB")) => None,
        Some(_) => Some(Doubt::Traits),
        None => key.starts_with("trait").then_some(Doubt::Traits),
    }
}
