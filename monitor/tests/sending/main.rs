//! Sending, in virtual time: against an API that comes and goes, a disk whose power is cut, a source that changes its
//! mind, and a process that is killed.
#![cfg(test)]

mod disk;
#[path = "../masakari/false_api.rs"]
mod false_api;
mod lines;
mod queue;
mod sender;
mod spool;

use monitor::{Care, Claim, Report};
use recovery::{Millis, nouns::NotificationType};
use serde_json::json;

/// The `nth` thing to say about a VM.
fn report(vm: &str, detail: &str, care: Care) -> Report {
    let payload = json!({ "event": "LIFECYCLE", "instance_uuid": vm, "vir_domain_event": detail });
    Report {
        kind: NotificationType::Vm,
        subject: format!("VM {vm}"),
        hostname: "cmp1".into(),
        generated_at: Millis(1_763_712_000_000),
        payload: payload.as_object().unwrap().clone(),
        claim: Claim::InstanceStopped { is_persistent: true },
        care,
    }
}

fn failed(vm: &str) -> Report {
    report(vm, "STOPPED_FAILED", Care::UntilAnswered)
}

fn noted(vm: &str) -> Report {
    report(vm, "STOPPED_DESTROYED", Care::AsPython)
}
