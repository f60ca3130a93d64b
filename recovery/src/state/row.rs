//! What the API shows: of one server's move, and of what lines have changed.

use super::{Move, Outcome, Stage, State, Subject, about::servers_of};
use crate::log::{Entry, Line, Summary};
use crate::nouns::{VMove, VMoveStatus, VMoveType};
use crate::{HostName, ServerId, fencing, guard};
use alloc::{boxed::Box, collections::BTreeSet, string::String, vec::Vec};

impl State {
    /// What Masakari's own tables show after `lines`, which this state has folded last.
    #[must_use]
    pub fn summaries(&self, before: &Self, lines: &[Line], of: &Subject) -> Vec<Summary> {
        let mut summaries = Vec::new();
        let real = self.shadow.is_none();
        if real && self.proven.is_some() && before.proven.is_none() {
            summaries.push(Summary::OnMaintenance(of.host_id.clone()));
        }
        summaries.extend(guard::summaries(before, lines));
        summaries.extend(fencing::summaries(lines));
        for line in lines {
            if let Entry::Way(entry) = &line.entry {
                summaries.extend(self.ways.summary(entry));
            }
            if let Entry::Hand(word) = &line.entry {
                summaries.extend(word.summaries());
            }
        }
        let touched: BTreeSet<&ServerId> = match lines.iter().any(|l| l.entry.is_retry()) {
            true => self.moves.keys().collect(),
            false => lines.iter().flat_map(|l| servers_of(&l.entry)).collect(),
        };
        for server in touched {
            let after = self.moves.get(server);
            if let Some(moved) = after.filter(|m| before.moves.get(server) != Some(*m)) {
                summaries.push(Summary::VMove(Box::new(moved.row(of))));
            }
        }
        summaries.extend(before.rows_of_left(lines, of));
        if self.status() != before.status() {
            let message = self.ended.as_ref().and_then(|(_, message)| message.clone());
            summaries.push(Summary::Status { status: self.status(), message });
        }
        summaries.extend(crate::returns::left(self, before, of).filter(|_| real));
        summaries
    }
}

impl Move {
    /// The row of Masakari's `vmoves` table.
    pub(super) fn row(&self, of: &Subject) -> VMove {
        let (status, dest_host, message) = match &self.stage {
            Stage::Waiting { .. } if self.started_at.is_none() => {
                (VMoveStatus::Pending, None, None)
            }
            Stage::Waiting { .. } | Stage::Asking { .. } | Stage::Moving { .. } => {
                (VMoveStatus::Ongoing, None, None)
            }
            Stage::Arrived { host, .. } | Stage::Stopping { host, .. } => {
                (VMoveStatus::Ongoing, Some(host.clone()), None)
            }
            Stage::Settling { outcome, .. } | Stage::Ended { outcome } => outcome.row(),
        };
        let waits = self.wait.as_ref().filter(|_| self.waits_for_room());
        let message = waits.map(|wait| wait.told()).or(message);
        // Until it is settled it is not over.
        let over = matches!(self.stage, Stage::Ended { .. });
        VMove {
            id: 0,
            uuid: self.planned.vmove.clone(),
            notification: of.notification.clone(),
            server: self.planned.server.clone(),
            server_name: self.planned.name.clone(),
            source_host: of.host.clone(),
            dest_host,
            started_at: self.started_at,
            ended_at: self.ended_at,
            kind: VMoveType::Evacuation,
            status: if over || status == VMoveStatus::Pending {
                status
            } else {
                VMoveStatus::Ongoing
            },
            message,
            created_at: None,
            updated_at: None,
        }
    }
}

impl Outcome {
    fn row(&self) -> (VMoveStatus, Option<HostName>, Option<String>) {
        match self {
            Self::Succeeded { host } => (VMoveStatus::Succeeded, Some(host.clone()), None),
            Self::Failed { host, why } => (VMoveStatus::Failed, host.clone(), Some(why.clone())),
            Self::Ignored { why } => (VMoveStatus::Ignored, None, Some(why.clone())),
        }
    }
}
