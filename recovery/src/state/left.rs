//! Servers that an owner's rule leaves alone: they have no move, and a row among the vmoves all the same.

use super::{State, Subject};
use crate::Millis;
use crate::log::{Entry, Line, Planned, Skipped, Summary};
use crate::nouns::{VMove, VMoveStatus, VMoveType};
use crate::rules::Left;
use alloc::{boxed::Box, format, string::String, vec::Vec};

impl State {
    /// A server keeps its row from plan to plan, also when its rule has changed. One that has a move already is
    /// not left alone any more.
    pub fn keep_rows(&self, moves: &mut [Planned], skipped: &mut Vec<Skipped>) {
        skipped.retain(|s| s.left.is_none() || !self.moves.contains_key(&s.server));
        for before in &self.skipped {
            let Some(row) = before.left.as_ref().map(|left| &left.vmove) else { continue };
            let again = skipped.iter_mut().filter(|s| s.server == before.server);
            again.filter_map(|s| s.left.as_mut()).for_each(|left| left.vmove = row.clone());
            let moves = moves.iter_mut().filter(|m| m.server == before.server);
            moves.for_each(|m| m.vmove = row.clone());
        }
    }

    /// The rows of those that `lines` newly leave alone.
    pub(super) fn rows_of_left(&self, lines: &[Line], of: &Subject) -> Vec<Summary> {
        let mut rows = Vec::new();
        for line in lines {
            let Entry::Planned { skipped, .. } = &line.entry else { continue };
            let new = skipped.iter().filter(|s| !self.skipped.contains(s));
            let new = new.filter_map(|s| Some((s, s.left.as_ref()?)));
            rows.extend(new.map(|(s, left)| Summary::VMove(Box::new(row(s, left, of, line.at)))));
        }
        rows
    }

    /// What is said at the end of those whose rule says `tell`.
    #[must_use]
    pub fn told_of_left(&self, shown_most: usize) -> Option<String> {
        let tells = |s: &&Skipped| s.left.as_ref().is_some_and(|left| left.tell);
        let all: Vec<&Skipped> = self.skipped.iter().filter(tells).collect();
        let shown: Vec<String> = all.iter().take(shown_most).map(|s| named(s)).collect();
        let more = match all.len().saturating_sub(shown.len()) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let count = match all.len() {
            0 => return None,
            1 => "1 server was".into(),
            n => format!("{n} servers were"),
        };
        Some(format!("{count} left on the dead host: {}{more}", shown.join("; ")))
    }
}

fn named(skipped: &Skipped) -> String {
    match &skipped.left {
        Some(Left { name, rule, .. }) => format!("{} ({name}) by rule {rule}", skipped.server),
        None => skipped.server.as_str().into(),
    }
}

fn row(skipped: &Skipped, left: &Left, of: &Subject, at: Millis) -> VMove {
    VMove {
        id: 0,
        uuid: left.vmove.clone(),
        notification: of.notification.clone(),
        server: skipped.server.clone(),
        server_name: left.name.clone(),
        source_host: of.host.clone(),
        dest_host: None,
        started_at: None,
        ended_at: Some(at),
        kind: VMoveType::Evacuation,
        status: VMoveStatus::Ignored,
        message: Some(skipped.why.clone()),
        created_at: None,
        updated_at: None,
    }
}
