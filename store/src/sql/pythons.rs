//! Reports that Python Masakari accepted a moment ago: to repeat one is a duplicate, though it has no
//! fingerprint of ours.
//!
//! Masakari's table has no index that finds them. So a process looks at each row of it once and
//! remembers what is Python's, which is nothing as a rule; what came since is looked through anew for each
//! report, and that is a few rows. What is older than the first report that a process sees is known from
//! `ha_history`.

use super::{
    Sql, history,
    ours::fingerprints,
    rows,
    theirs::notifications::{self, Column, Entity},
    trouble::Trouble,
};
use crate::NewNotification;
use ports::Boot;
use recovery::{Millis, NotificationId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::Expr,
};
use serde_json::Value;
use std::{sync::PoisonError, time::Duration};

/// Rows with a smaller id than ours may still be on their way into the table for as long as this.
const SETTLED_AFTER: Duration = Duration::from_millis(250);

/// What this process has looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Every row up to this id, once the first report has come.
    up_to: Option<i32>,
    /// Those among them that are Python's, while they count.
    pythons: Vec<notifications::Model>,
    /// Up to where to look next, and when that was the newest row.
    next: Option<(i32, Boot)>,
}

/// One of ours was just written as the newest row.
pub(super) fn wrote(sql: &Sql, id: i32) {
    let now = sql.clock.boot();
    let mut seen = sql.seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.next.get_or_insert((id, now));
}

/// A notification that says the same as `new` and that Python accepted after `free_until`.
pub(super) async fn said_the_same(
    sql: &Sql,
    db: &impl ConnectionTrait,
    new: &NewNotification,
    free_until: Millis,
) -> Result<Option<NotificationId>, Trouble> {
    let since = rows::naive(free_until);
    if sql.seen.lock().unwrap_or_else(PoisonError::into_inner).up_to.is_none() {
        let old = history::all_older(db, since).await?;
        sql.seen.lock().unwrap_or_else(PoisonError::into_inner).up_to.get_or_insert(old);
    }
    look_on(sql, db, free_until).await?;
    let (up_to, mut candidates) = {
        let seen = sql.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |row: &&notifications::Model| {
            row.source_host_uuid == new.source_host.as_str()
                && row.kind == new.kind.as_str()
                && row.created_at.is_some_and(|at| at > since)
        };
        (seen.up_to.unwrap_or(0), seen.pythons.iter().filter(fits).cloned().collect::<Vec<_>>())
    };
    let lately = Entity::find()
        .filter(Column::Id.gt(up_to))
        .filter(Column::Deleted.eq(0))
        .filter(Column::SourceHostUuid.eq(new.source_host.as_str()))
        .filter(Column::Kind.eq(new.kind.as_str()))
        .filter(Column::CreatedAt.gt(since));
    candidates.extend(lately.all(db).await?);
    let said = json(Some(&new.payload));
    let same: Vec<String> = candidates
        .into_iter()
        .filter(|row| said.is_some() && json(row.payload.as_deref()) == said)
        .map(|row| row.notification_uuid)
        .collect();
    if same.is_empty() {
        return Ok(None);
    }
    let ours = fingerprints::Entity::find()
        .filter(fingerprints::Column::Notification.is_in(&same))
        .all(db)
        .await?;
    let pythons = |uuid: &String| !ours.iter().any(|slot| slot.notification == *uuid);
    Ok(same.into_iter().find(pythons).map(NotificationId::new))
}

/// Looks at the rows that have settled since the last time.
async fn look_on(sql: &Sql, db: &impl ConnectionTrait, free_until: Millis) -> Result<(), Trouble> {
    let now = sql.clock.boot();
    let settled = |next: &mut (i32, Boot)| now.since(next.1) >= SETTLED_AFTER;
    let (from, to) = {
        let mut seen = sql.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((to, _)) = seen.next.take_if(settled) else { return Ok(()) };
        (seen.up_to.unwrap_or(0), to)
    };
    let since = rows::naive(free_until);
    let slot = fingerprints::Entity::find()
        .select_only()
        .expr(Expr::val(1))
        .filter(
            Expr::col((fingerprints::Entity, fingerprints::Column::Notification))
                .equals((Entity, Column::NotificationUuid)),
        )
        .into_query();
    let found = Entity::find()
        .filter(Column::Id.gt(from))
        .filter(Column::Id.lte(to))
        .filter(Column::Deleted.eq(0))
        .filter(Column::CreatedAt.gt(since))
        .filter(Expr::exists(slot).not())
        .all(db)
        .await?;
    let mut seen = sql.seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.up_to == Some(from) && to > from {
        seen.up_to = Some(to);
        seen.pythons.retain(|row| row.created_at.is_some_and(|at| at > since));
        seen.pythons.extend(found);
    }
    Ok(())
}

/// A payload to compare: the order of its keys does not matter.
fn json(text: Option<&str>) -> Option<Value> {
    serde_json::from_str(text?).ok()
}
