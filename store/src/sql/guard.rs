//! What the storm guard must know: who is lost, who began, the switch, and the number that guards them.
//!
//! Everybody who lets a recovery begin raises the number from what was read, in the transaction of the log's line.
//! So of two that have read the same only one begins, on any database: one row decides, not a lock.

use super::{
    Sql,
    ours::{guard, passed, recoveries, switches},
    recoveries as open, stops, stored,
    theirs::{hosts, notifications, segments},
    trouble::Trouble,
};
use crate::rules;
use recovery::{
    Millis, NotificationId, SegmentId,
    guard::{Loss, Record, Size, Switch},
    nouns::NotificationType,
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use std::collections::BTreeMap;

/// The one row.
const ROW: i32 = 1;
/// So many notifications in one statement; its parameters are bounded.
const AT_ONCE: usize = 500;

/// Makes the one row, if there is none.
pub(super) async fn make(db: &impl ConnectionTrait) -> Result<(), Trouble> {
    if guard::Entity::find_by_id(ROW).one(db).await?.is_none() {
        let row = guard::Model { id: ROW, beat: 0, storm_ms: None };
        guard::Entity::insert(row.into_active_model()).exec_without_returning(db).await?;
    }
    Ok(())
}

pub(super) async fn record(sql: &Sql, since: Millis) -> Result<Record, Trouble> {
    // First: what is raised after it makes it too old.
    let row = guard::Entity::find_by_id(ROW).one(&sql.db).await?;
    let (beat, storm_ms) = row.map_or((0, None), |row| (super::read(row.beat), row.storm_ms));
    Ok(Record {
        beat,
        switch: switches(&sql.db, 1).await?.pop(),
        storm_at: storm_ms.map(Millis),
        losses: losses(sql, since).await?,
        segments: sizes(&sql.db).await?,
        stops: stops::standing(&sql.db, since, rules::STOPS_MOST).await?,
    })
}

async fn losses(sql: &Sql, since: Millis) -> Result<Vec<Loss>, Trouble> {
    use recoveries::{Column, Entity};
    // Who began since then and has ended has ended since then.
    let matters =
        Condition::any().add(Column::ClosedMs.is_null()).add(Column::ClosedMs.gte(since.0));
    let rows = Entity::find()
        .filter(matters)
        .filter(Column::Kind.eq(NotificationType::ComputeHost.as_str()))
        .order_by_asc(Column::CreatedMs)
        .order_by_asc(Column::Notification)
        .limit(rules::LOSSES_MOST as u64)
        .all(&sql.db)
        .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let names = open::host_names(&sql.db, &rows).await?;
    let mut losses = Vec::new();
    for rows in rows.chunks(AT_ONCE) {
        let (died, began) = (died(&sql.db, rows).await?, began(&sql.db, rows).await?);
        losses.extend(rows.iter().filter_map(|row| {
            let passed = began.get(&row.notification).copied();
            let matters =
                row.closed_ms.is_none() || row.created_ms >= since.0 || passed >= Some(since);
            let host = names.get(&row.source_host)?;
            (matters && died.contains(&row.notification)).then(|| Loss {
                notification: NotificationId::new(&row.notification),
                host: host.clone(),
                segment: SegmentId::new(&row.segment),
                reported: Millis(row.created_ms),
                passed,
                open: row.closed_ms.is_none(),
            })
        }));
    }
    Ok(losses)
}

/// Those of them that tell of a death.
async fn died(db: &impl ConnectionTrait, of: &[recoveries::Model]) -> Result<Vec<String>, Trouble> {
    use notifications::{Column, Entity};
    let ids = of.iter().map(|row| row.notification.as_str());
    let rows = Entity::find().filter(Column::NotificationUuid.is_in(ids)).all(db).await?;
    let tells = |row: &notifications::Model| {
        rules::tells_of_a_death(row.payload.as_deref().unwrap_or_default())
    };
    Ok(rows.into_iter().filter(tells).map(|row| row.notification_uuid).collect())
}

async fn began(
    db: &impl ConnectionTrait,
    of: &[recoveries::Model],
) -> Result<BTreeMap<String, Millis>, Trouble> {
    use passed::{Column, Entity};
    let ids = of.iter().map(|row| row.notification.as_str());
    let rows = Entity::find().filter(Column::Notification.is_in(ids)).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.notification, Millis(row.at_ms))).collect())
}

async fn sizes(db: &impl ConnectionTrait) -> Result<Vec<Size>, Trouble> {
    let of = hosts::Column::FailoverSegmentId;
    let counted: Vec<(String, i64)> = hosts::Entity::find()
        .select_only()
        .column(of)
        .column_as(hosts::Column::Id.count(), "hosts")
        .filter(hosts::Column::Deleted.eq(0))
        .group_by(of)
        .into_tuple()
        .all(db)
        .await?;
    let counted: BTreeMap<String, i64> = counted.into_iter().collect();
    let all = segments::Entity::find().filter(segments::Column::Deleted.eq(0)).all(db).await?;
    let size = |row: segments::Model| Size {
        hosts: counted.get(&row.uuid).map_or(0, |n| u32::try_from(*n).unwrap_or(u32::MAX)),
        segment: SegmentId::new(row.uuid),
        name: row.name,
    };
    Ok(all.into_iter().map(size).collect())
}

pub(super) async fn switches(
    db: &impl ConnectionTrait,
    limit: u32,
) -> Result<Vec<Switch>, Trouble> {
    let newest = switches::Entity::find().order_by_desc(switches::Column::Id);
    let rows = newest.limit(u64::from(limit)).all(db).await?;
    let switch = |row: switches::Model| Switch {
        armed: row.armed,
        at: Millis(row.at_ms),
        by: row.who,
        why: row.reason,
    };
    Ok(rows.into_iter().map(switch).collect())
}

pub(super) async fn turn(sql: &Sql, to: &Switch) -> Result<(), Trouble> {
    let open = sql.begin().await?;
    // The row first: those who turn it at once do so one after the other.
    raise(&*open, None).await?;
    // The same again, whose answer was lost.
    if switches(&*open, 1).await?.first() == Some(to) {
        return Ok(());
    }
    let row = switches::ActiveModel {
        id: NotSet,
        at_ms: Set(to.at.0),
        armed: Set(to.armed),
        who: Set(to.by.clone()),
        reason: Set(to.why.clone()),
    };
    switches::Entity::insert(row).exec_without_returning(&*open).await?;
    open.commit().await
}

/// Raises the number; `false`: it is another one than `from`.
pub(super) async fn raise(db: &impl ConnectionTrait, from: Option<u64>) -> Result<bool, Trouble> {
    use guard::{Column, Entity};
    let next = Expr::col(Column::Beat).add(1);
    let mut raised = Entity::update_many().filter(Column::Id.eq(ROW)).col_expr(Column::Beat, next);
    if let Some(beat) = from {
        raised = raised.filter(Column::Beat.eq(stored(beat)));
    }
    Ok(raised.exec(db).await?.rows_affected == 1)
}

/// A recovery begins; `false`: somebody else has begun since the guard was read.
pub(super) async fn pass(
    db: &impl ConnectionTrait,
    beat: Option<u64>,
    recovery: &NotificationId,
    at: Millis,
) -> Result<bool, Trouble> {
    use passed::{Column, Entity, Model};
    if !raise(db, beat).await? {
        return Ok(false);
    }
    let old = at.plus(-rules::RESTARTS_KEPT_MS);
    Entity::delete_many().filter(Column::AtMs.lt(old.0)).exec(db).await?;
    let row = Model { notification: recovery.as_str().into(), at_ms: at.0 };
    let again = OnConflict::column(Column::Notification).update_column(Column::AtMs).to_owned();
    let row = Entity::insert(row.into_active_model()).on_conflict(again);
    row.exec_without_returning(db).await?;
    Ok(true)
}

/// Its recovery has not begun any more.
pub(super) async fn reopened(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
) -> Result<(), Trouble> {
    passed::Entity::delete_by_id(recovery.as_str()).exec(db).await?;
    Ok(())
}

pub(super) async fn storm(db: &impl ConnectionTrait, at: Millis) -> Result<(), Trouble> {
    use guard::{Column, Entity};
    let earlier = Condition::any().add(Column::StormMs.is_null()).add(Column::StormMs.lt(at.0));
    Entity::update_many()
        .filter(Column::Id.eq(ROW))
        .filter(earlier)
        .col_expr(Column::StormMs, Expr::value(at.0))
        // Who has read the guard before that does not begin by it.
        .col_expr(Column::Beat, Expr::col(Column::Beat).add(1))
        .exec(db)
        .await?;
    Ok(())
}
