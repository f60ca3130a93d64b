//! Reports that Python Masakari accepted a moment ago: to repeat one is a duplicate, though it has no
//! fingerprint of ours.
//!
//! Masakari's table has no index that finds them. So a process goes over each row of it once and
//! remembers what is Python's, which is nothing as a rule. Only what came since is looked through anew for
//! each report, and that is a few rows: where this process wrote one id after the other nobody else has
//! written, and the rest is gone over as soon as no smaller id can come any more. What is older than the
//! first report that a process sees is known from `ha_history`.

use super::{
    Sql,
    history::{self, SETTLED_AFTER_MS},
    ours::fingerprints,
    rows,
    theirs::notifications::{self, Column, Entity},
    trouble::Trouble,
};
use crate::NewNotification;
use chrono::NaiveDateTime;
use ports::Boot;
use recovery::{Millis, NotificationId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, sea_query::Expr,
};
use serde_json::Value;
use std::{
    cmp::max,
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Rows with a smaller id than ours may still be on their way into the table for as long as this.
const SETTLED_AFTER: Duration = Duration::from_millis(250);
/// Who has not gone on for so long may have much before it that others wrote.
const RESTED: Duration = Duration::from_secs(1);

/// What this process has gone over.
#[derive(Debug, Default)]
pub(super) struct Seen {
    known: Mutex<Known>,
    /// One goes on at a time: each would look through the same rows.
    going: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// Every row up to this id, once the first report has come.
    up_to: Option<i32>,
    /// Rows of ours above it.
    ours: BTreeSet<i32>,
    /// Those up to it that are Python's, while they count.
    pythons: Vec<notifications::Model>,
    /// Up to where to go next, and when that was the newest row.
    next: Option<(i32, Boot)>,
    went_at: Option<Boot>,
}

impl Seen {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Every row up to `id` was gone over, and those of ours that follow it without a gap need not be.
    fn reach(&mut self, id: i32) {
        let mut up_to = self.up_to.map_or(id, |up_to| max(up_to, id));
        let first = |ours: &BTreeSet<i32>| ours.first().copied();
        while let Some(next) = first(&self.ours).filter(|next| *next <= up_to.saturating_add(1)) {
            self.ours.pop_first();
            up_to = max(up_to, next);
        }
        self.up_to = Some(up_to);
    }
}

/// One of ours was just written as the newest row.
pub(super) fn wrote(sql: &Sql, id: i32) {
    let now = sql.clock.boot();
    let mut known = sql.seen.known();
    known.next.get_or_insert((id, now));
    known.ours.insert(id);
    if let Some(up_to) = known.up_to {
        known.reach(up_to);
    }
}

/// A notification that says the same as `new` and that Python accepted after `free_until`.
pub(super) async fn said_the_same(
    sql: &Sql,
    db: &impl ConnectionTrait,
    new: &NewNotification,
    free_until: Millis,
) -> Result<Option<NotificationId>, Trouble> {
    go_on(sql, db, free_until).await?;
    let since = rows::naive(free_until);
    let (up_to, mut candidates) = {
        let known = sql.seen.known();
        let fits = |row: &&notifications::Model| {
            row.source_host_uuid == new.source_host.as_str()
                && row.kind == new.kind.as_str()
                && row.created_at.is_some_and(|at| at > since)
        };
        (known.up_to.unwrap_or(0), known.pythons.iter().filter(fits).cloned().collect::<Vec<_>>())
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

/// Goes over the rows that have settled since the last time, if it is time.
async fn go_on(sql: &Sql, db: &impl ConnectionTrait, free_until: Millis) -> Result<(), Trouble> {
    let _going = match sql.seen.going.try_lock() {
        Ok(going) => going,
        // The few rows that it goes over now are looked through anew.
        Err(_) if sql.seen.known().up_to.is_some() => return Ok(()),
        // Before anybody has gone over any, that is the whole table.
        Err(_) => sql.seen.going.lock().await,
    };
    let since = rows::naive(free_until);
    let now = sql.clock.boot();
    let (up_to, next, rested) = {
        let mut known = sql.seen.known();
        let next = known.next.take_if(|(_, at)| now.since(*at) >= SETTLED_AFTER);
        (known.up_to, next, known.went_at.is_none_or(|at| now.since(at) >= RESTED))
    };
    if next.is_none() && !rested {
        return Ok(());
    }
    let from = match up_to {
        Some(up_to) => up_to,
        None => history::all_older(db, since).await?,
    };
    let aged = if rested { newest_of_old(sql, db, from).await? } else { None };
    let to = max(aged, next.map(|(id, _)| id)).filter(|to| *to > from);
    let found = match to {
        Some(to) => pythons_between(db, from, to, since).await?,
        None => Vec::new(),
    };
    let mut known = sql.seen.known();
    known.went_at = Some(now);
    known.reach(to.unwrap_or(from));
    known.pythons.retain(|row| row.created_at.is_some_and(|at| at > since));
    known.pythons.extend(found);
    Ok(())
}

/// The newest row above `from` that is so old that every smaller id is in the table.
async fn newest_of_old(
    sql: &Sql,
    db: &impl ConnectionTrait,
    from: i32,
) -> Result<Option<i32>, Trouble> {
    let settled = rows::naive(sql.clock.wall().plus(-SETTLED_AFTER_MS));
    let newest = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.gt(from))
        .filter(Column::CreatedAt.lt(settled))
        .order_by_desc(Column::Id)
        .limit(1);
    Ok(newest.into_tuple().one(db).await?)
}

/// Those above `from`, up to `to`, that have no fingerprint of ours.
async fn pythons_between(
    db: &impl ConnectionTrait,
    from: i32,
    to: i32,
    since: NaiveDateTime,
) -> Result<Vec<notifications::Model>, Trouble> {
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
        .filter(Expr::exists(slot).not());
    Ok(found.all(db).await?)
}

/// A payload to compare: the order of its keys does not matter.
fn json(text: Option<&str>) -> Option<Value> {
    serde_json::from_str(text?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_ours_are_gone_over_as_far_as_no_other_row_can_be_between_them() {
        let mut known = Known { up_to: Some(5), ours: [7, 8, 10].into(), ..Known::default() };
        known.reach(5);
        assert_eq!((known.up_to, known.ours.len()), (Some(5), 3), "6 may be Python's");
        known.ours.insert(6);
        known.reach(5);
        assert_eq!((known.up_to, &known.ours), (Some(8), &[10].into()));
        known.reach(9);
        assert_eq!((known.up_to, known.ours.len()), (Some(10), 0));
        known.reach(7);
        assert_eq!(known.up_to, Some(10), "never back");
        known.ours.insert(i32::MAX);
        known.reach(i32::MAX);
        assert_eq!((known.up_to, known.ours.len()), (Some(i32::MAX), 0));
    }
}
