//! `masakari shadow report`: each report of a host's death, what Python made of it, and what ours would have.

use crate::output;
use anyhow::Context;
use openstack::{
    AskError,
    instance_ha::{Client, Notification, VMove},
};
use recovery::{
    NotificationId, ServerId,
    evidence::Kind,
    nouns::{NotificationStatus, NotificationType, VMoveStatus},
    shadow::compare::{Moved, Theirs, differences},
    state::State,
};
use store::{NotificationFilter, Page, Store};

const DIFFERS: &str = "  DIFFERS: ";

/// One report, as each has it.
pub(super) struct Pair<'a> {
    pub(super) id: &'a NotificationId,
    /// None: Python has it no more.
    pub(super) theirs: Option<&'a Notification>,
    /// None: its API does not tell of single servers.
    pub(super) vmoves: Option<&'a [VMove]>,
    pub(super) ours: &'a State,
}

/// Shows the newest; how many of them differ.
pub(super) async fn report(ours: &dyn Store, python: &Client, limit: u32) -> anyhow::Result<usize> {
    let page = Page { limit: Some(u64::from(limit)), ..Page::default() };
    let kind = Some(NotificationType::ComputeHost);
    let filter = NotificationFilter { kind, ..NotificationFilter::default() };
    let filed = ours.notifications(&filter, &page).await?;
    let ids: Vec<NotificationId> = filed.iter().map(|n| NotificationId::new(n.uuid)).collect();
    let mut differ = 0;
    for id in &ids {
        let theirs = match python.notification(id).await {
            Ok(theirs) => Some(theirs),
            Err(AskError::NotFound { .. }) => None,
            Err(error) => return Err(error).context("Python's API does not tell what it did"),
        };
        let vmoves = match python.vmoves(id).await {
            Ok(vmoves) => Some(vmoves),
            // The API of an older Python has none.
            Err(AskError::NotFound { .. } | AskError::BadRequest { .. }) => None,
            Err(error) => return Err(error).context("Python's API does not tell its VM moves"),
        };
        let state = State::fold(&ours.log(id).await?)
            .with_context(|| format!("our log of {id} cannot be read"))?;
        let (theirs, vmoves) = (theirs.as_ref(), vmoves.as_deref());
        let lines = Pair { id, theirs, vmoves, ours: &state }.lines();
        differ += usize::from(lines.iter().any(|line| line.starts_with(DIFFERS)));
        lines.iter().for_each(|line| output::say(line));
    }
    output::say(&sum(ids.len(), differ));
    Ok(differ)
}

fn sum(reports: usize, differ: usize) -> String {
    match reports {
        0 => "no failure of a host was reported yet".to_owned(),
        _ => format!("reports of hosts: {reports}; with differences: {differ}"),
    }
}

impl Pair<'_> {
    pub(super) fn lines(&self) -> Vec<String> {
        let message = self.ours.ended.as_ref().and_then(|(_, message)| message.as_deref());
        let reported = self.theirs.map_or_else(
            || "which Python has no more".to_owned(),
            |theirs| format!("reported at {}", theirs.generated_time),
        );
        let mut lines = vec![
            format!("{}, {reported}", self.id),
            format!("  Python: {}", self.their_deed()),
            format!("  ours:   {}", message.unwrap_or("no verdict yet")),
        ];
        lines.extend(self.ours.proven.map(|kind| format!("  proof:  {}", proof(kind))));
        let differs = self.compared().into_iter().map(|text| format!("{DIFFERS}{text}"));
        lines.extend(differs);
        lines.iter().map(|line| line.replace(char::is_control, "\u{fffd}")).collect()
    }

    fn their_deed(&self) -> String {
        let Some(theirs) = self.theirs else { return "not known".to_owned() };
        let Some(vmoves) = self.vmoves else {
            return format!("{}; its API does not tell of single servers", theirs.status);
        };
        let of =
            |wanted: VMoveStatus| vmoves.iter().filter(|v| v.status == wanted.as_str()).count();
        let (moved, failed) = (of(VMoveStatus::Succeeded), of(VMoveStatus::Failed));
        format!("{}, {moved} servers moved, {failed} failed", theirs.status)
    }

    fn compared(&self) -> Vec<String> {
        let status = self.theirs.and_then(|theirs| NotificationStatus::from_word(&theirs.status));
        let Some(status) = status else { return Vec::new() };
        let servers = |vmoves: &[VMove]| {
            vmoves.iter().map(|v| (ServerId::new(&v.instance_uuid), moved(v))).collect()
        };
        let done = Theirs { status, servers: self.vmoves.map(servers) };
        differences(&done, self.ours).iter().map(ToString::to_string).collect()
    }
}

/// What the certificate would rest on.
fn proof(kind: Kind) -> String {
    match kind {
        Kind::MonitorSaid => format!("{kind}: a monitor's word and Nova's; fencing would prove it"),
        Kind::OperatorConfirmed
        | Kind::LeaseExpired
        | Kind::ClusterFenced
        | Kind::StorageFenced
        | Kind::PoweredOff => kind.to_string(),
    }
}

fn moved(vmove: &VMove) -> Moved {
    match VMoveStatus::from_word(&vmove.status) {
        Some(VMoveStatus::Succeeded) => Moved::Yes,
        Some(VMoveStatus::Pending | VMoveStatus::Ongoing) => Moved::Running,
        Some(VMoveStatus::Failed | VMoveStatus::Ignored) | None => {
            Moved::No { why: vmove.message.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recovery::{
        Millis,
        log::{Entry, Line},
    };
    use serde_json::{Value, json};

    fn notification(status: &str) -> Notification {
        serde_json::from_value(json!({
            "id": 7, "notification_uuid": "n1", "generated_time": "2026-11-22T10:00:00.000000",
            "source_host_uuid": "h1", "type": "COMPUTE_HOST", "payload": {}, "status": status,
            "created_at": null, "updated_at": null,
        }))
        .unwrap()
    }

    fn vmove(server: &str, status: &str, message: Option<&str>) -> VMove {
        serde_json::from_value(json!({
            "id": 1, "uuid": "v", "notification_uuid": "n1", "instance_uuid": server,
            "instance_name": "vm", "source_host": "compute01", "dest_host": null, "start_time": null,
            "end_time": null, "type": "evacuation", "status": status, "message": message,
        }))
        .unwrap()
    }

    /// Ours: `web` would move, `vault` would stay.
    fn log(verdict: &[Value]) -> State {
        let forecast = json!({
            "host": "compute01", "method": "auto", "moves": 1, "stays": 1, "servers": [
                {"id": "web", "name": "web", "ha_enabled": false, "priority": 0,
                 "fate": "moves", "to": ["compute02"], "more": 0, "doubts": []},
                {"id": "vault", "name": "vault", "ha_enabled": false, "priority": 0,
                 "fate": "stays", "reason": "vtpm"},
            ],
        });
        let before = [
            json!({"entry": "claimed", "owner": "shadow", "generation": 1}),
            json!({"entry": "shadow", "what": "would", "forecast": forecast}),
        ];
        let lines = before.iter().chain(verdict).enumerate().map(|(n, entry)| {
            let entry: Entry = serde_json::from_value(entry.clone()).unwrap();
            Line { seq: n as u64 + 1, at: Millis(n as i64), entry }
        });
        State::fold(&lines.collect::<Vec<_>>()).unwrap()
    }

    const MESSAGE: &str = "shadow, nothing was done: host compute01 was proven dead (monitor_said), 1 servers would be \
                           evacuated and 1 stay";

    fn proven() -> State {
        log(&[
            json!({"entry": "guard", "what": "passed"}),
            json!({"entry": "proven", "kind": "monitor_said", "at": 5, "evidence": []}),
            json!({"entry": "ended", "status": "ignored", "message": MESSAGE}),
        ])
    }

    fn told(theirs: Option<&Notification>, vmoves: Option<&[VMove]>, ours: &State) -> String {
        Pair { id: &NotificationId::new("n1"), theirs, vmoves, ours }.lines().join("\n")
    }

    #[test]
    fn what_is_the_same_is_told_without_a_difference() {
        let theirs = notification("finished");
        let vmoves = [vmove("web", "succeeded", None), vmove("vault", "failed", Some("vTPM"))];
        assert_eq!(
            told(Some(&theirs), Some(&vmoves), &proven()),
            format!(
                "n1, reported at 2026-11-22T10:00:00.000000\n  \
                 Python: finished, 1 servers moved, 1 failed\n  \
                 ours:   {MESSAGE}\n  \
                 proof:  monitor_said: a monitor's word and Nova's; fencing would prove it"
            )
        );
    }

    #[test]
    fn each_difference_has_its_line_and_moves_no_cursor() {
        let theirs = notification("failed");
        let vmoves =
            [vmove("web", "failed", Some("no\x1b[2J host")), vmove("vault", "succeeded", None)];
        let text = told(Some(&theirs), Some(&vmoves), &proven());
        let differs: Vec<&str> = text.lines().filter(|line| line.starts_with(DIFFERS)).collect();
        assert_eq!(
            differs,
            [
                "  DIFFERS: Python moved vault, which would stay: it has an emulated TPM, and Nova evacuates none of these",
                "  DIFFERS: web would be evacuated, and Python did not move it: no\u{fffd}[2J host",
            ]
        );
    }

    #[test]
    fn what_is_not_known_yet_is_said() {
        let theirs = notification("running");
        assert_eq!(
            told(Some(&theirs), None, &log(&[])),
            "n1, reported at 2026-11-22T10:00:00.000000\n  \
             Python: running; its API does not tell of single servers\n  \
             ours:   no verdict yet"
        );
        let gone = told(None, None, &proven());
        assert!(gone.starts_with("n1, which Python has no more\n  Python: not known\n"), "{gone}");
        assert!(!gone.contains("DIFFERS"), "{gone}");
        assert_eq!(sum(0, 0), "no failure of a host was reported yet");
        assert_eq!(sum(20, 3), "reports of hosts: 20; with differences: 3");
    }
}
