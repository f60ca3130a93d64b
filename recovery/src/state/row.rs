//! What the API shows of one server's move.

use super::{Move, Outcome, Stage, Subject};
use crate::HostName;
use crate::nouns::{VMove, VMoveStatus, VMoveType};
use alloc::string::String;

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
