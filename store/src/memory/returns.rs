//! Hosts that recoveries have left out of service, until they are back.

use super::data::Data;
use crate::{Away, rules};
use recovery::{HostId, Millis, NotificationId, returns::Word};

/// What a recovery has left.
#[derive(Debug)]
pub(super) struct Left {
    host: HostId,
    since: Millis,
    closed: bool,
    word: Option<Word>,
}

impl Data {
    pub(super) fn away(&self, limit: u32) -> Vec<Away> {
        let mut open: Vec<(&NotificationId, &Left)> =
            self.returns.iter().filter(|(_, left)| !left.closed).collect();
        open.sort_by_key(|(recovery, left)| (left.since, *recovery));
        open.truncate(limit as usize);
        let shown = |(recovery, left): (&NotificationId, &Left)| {
            let host = self.host(&left.host)?;
            Some(Away { host, recovery: recovery.clone(), since: left.since, word: left.word })
        };
        open.into_iter().filter_map(shown).collect()
    }

    pub(super) fn leave(&mut self, recovery: &NotificationId, host: &HostId, at: Millis) {
        let left = Left { host: host.clone(), since: at, closed: false, word: None };
        self.returns.insert(recovery.clone(), left);
    }

    pub(super) fn bring_back(
        &mut self,
        host: &HostId,
        reserved: bool,
        recoveries: &[NotificationId],
        at: Millis,
    ) {
        for (_, left) in self.returns.iter_mut().filter(|(id, _)| recoveries.contains(id)) {
            left.closed |= left.host == *host;
        }
        if let Some(row) = self.hosts.values_mut().find(|h| h.uuid == *host) {
            row.on_maintenance = false;
            row.reserved |= reserved;
            row.updated_at = Some(rules::whole_second(at));
        }
        self.for_process.remove(host);
    }

    pub(super) fn said_of_maintenance(&mut self, host: &HostId, on_maintenance: bool) {
        let word = if on_maintenance { Word::Stay } else { Word::Return };
        for left in self.returns.values_mut().filter(|l| l.host == *host && !l.closed) {
            left.word = Some(word);
        }
    }
}
