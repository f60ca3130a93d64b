//! A million old notifications: found by keys that Masakari's table does not have.
//!
//! Masakari's `notifications` has no key for the order in which it is shown, nor for any filter, and
//! may not be given one. So `ha_history` has a row for each notification up to some id, its
//! *watermark*, with such keys. A row with a status stands for one that has ended; without one, the status
//! is looked up in `notifications` itself, as is everything above the watermark. Only a
//! retry opens one again, and takes the status away in the same transaction. Whatever Python writes is
//! seen: what it adds is above, what it changes has no status yet, what it removes is not joined.
//!
//! The watermark follows from time to time, over rows that are at least [`SETTLED_AFTER_MS`] old: an id is
//! given before its row is committed, and no transaction takes that long.

mod page;

use super::{
    Sql,
    ours::history,
    rows,
    theirs::notifications::{Column, Entity, Model, Status},
    trouble::Trouble,
};
use chrono::NaiveDateTime;
pub(super) use page::page;
use ports::Boot;
use recovery::NotificationId;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, sea_query::Expr,
};
use std::{collections::BTreeMap, sync::PoisonError, time::Duration};

/// Younger rows are left above the watermark.
pub(super) const SETTLED_AFTER_MS: i64 = 60_000;
/// So many rows in one step of the watermark.
const STEP: u64 = 5000;
/// How often a process moves the watermark.
const EVERY: Duration = Duration::from_secs(30);

/// Of notifications: those below the watermark that may still change.
const OPEN: &str = "id IN (SELECT id FROM ha_history WHERE status IS NULL)";

/// Moves the watermark, when it is time, by a few steps.
pub(super) async fn follow_now_and_then(sql: &Sql) -> Result<(), Trouble> {
    let now = sql.clock.boot();
    let due = |last: Option<Boot>| last.is_none_or(|last| now.since(last) >= EVERY);
    if due(*sql.followed_at.lock().unwrap_or_else(PoisonError::into_inner)) {
        step(sql).await?;
        *sql.followed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
    Ok(())
}

/// One step of the watermark: how many rows it went over.
pub(super) async fn step(sql: &Sql) -> Result<u64, Trouble> {
    let open = sql.begin().await?;
    let above = above(&*open).await?;
    let settled = rows::naive(sql.clock.wall().plus(-SETTLED_AFTER_MS));
    let next: Vec<(i32, Option<NaiveDateTime>)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::CreatedAt])
        .filter(Expr::cust(above.clone()))
        .order_by_asc(Column::Id)
        .limit(STEP)
        .into_tuple()
        .all(&*open)
        .await?;
    // No gap: it ends before the first that is young.
    let old = next.iter().take_while(|(_, at)| at.is_none_or(|at| at < settled));
    let last = old.last().map(|(id, _)| *id);
    settle(&*open).await?;
    let Some(last) = last else {
        open.commit().await?;
        return Ok(0);
    };
    // What may change, and what has no time to be sorted by, gets no status.
    let (moments, status) = copied(open.get_database_backend());
    let copy = format!(
        "INSERT INTO ha_history (id, created_at, generated_time, source_host, kind, status) \
         SELECT id, {moments}, source_host_uuid, type, \
         CASE WHEN created_at IS NOT NULL AND {ENDED} THEN {status} ELSE NULL END \
         FROM notifications WHERE {above} AND id <= {last}"
    );
    let copied = open.execute_unprepared(&copy).await?;
    open.commit().await?;
    Ok(copied.rows_affected())
}

/// The watermark: the newest notification that was gone over.
async fn watermark(db: &impl ConnectionTrait) -> Result<i32, Trouble> {
    let newest = history::Entity::find().select_only().column_as(history::Column::Id.max(), "id");
    Ok(newest.into_tuple::<Option<i32>>().one(db).await?.flatten().unwrap_or(0))
}

/// Of notifications: those above the watermark. As a number, or PostgreSQL would plan for a third of
/// the table.
async fn above(db: &impl ConnectionTrait) -> Result<String, Trouble> {
    Ok(format!("id > {}", watermark(db).await?))
}

const ENDED: &str = "status IN ('finished', 'failed', 'ignored')";

/// What is copied, as the database has to read it: PostgreSQL's ENUM is no text, and on SQLite
/// moments are text that SQLAlchemy writes in another way.
fn copied(backend: DbBackend) -> (&'static str, &'static str) {
    match backend {
        DbBackend::Postgres => ("created_at, generated_time", "CAST(status AS text)"),
        DbBackend::Sqlite => ("datetime(created_at), datetime(generated_time)", "status"),
        _ => ("created_at, generated_time", "status"),
    }
}

/// Gives those a status that have ended meanwhile.
async fn settle(db: &impl ConnectionTrait) -> Result<(), Trouble> {
    let ended: Vec<(i32, Status)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::Status])
        .filter(Expr::cust(OPEN))
        .filter(Column::CreatedAt.is_not_null())
        .filter(Expr::cust(ENDED))
        .limit(STEP)
        .into_tuple()
        .all(db)
        .await?;
    let mut by_status: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (id, status) in ended {
        let status = recovery::nouns::NotificationStatus::from(status).as_str();
        by_status.entry(status).or_default().push(id.to_string());
    }
    for (status, ids) in by_status {
        let ids = ids.join(", ");
        // Unless it was opened again since.
        let settle = format!(
            "UPDATE ha_history SET status = '{status}' WHERE id IN ({ids}) AND EXISTS \
             (SELECT 1 FROM notifications n WHERE n.id = ha_history.id AND n.status = '{status}')"
        );
        db.execute_unprepared(&settle).await?;
    }
    Ok(())
}

/// A notification that had ended has not any more.
pub(super) async fn unsettle(
    db: &impl ConnectionTrait,
    notification: &NotificationId,
) -> Result<(), Trouble> {
    let row = Entity::find().filter(Column::NotificationUuid.eq(notification.as_str()));
    let Some(row) = row.one(db).await? else { return Ok(()) };
    history::Entity::update_many()
        .filter(history::Column::Id.eq(row.id))
        .col_expr(history::Column::Status, Expr::value(None::<String>))
        .exec(db)
        .await?;
    Ok(())
}

/// Notifications that are above the watermark or have not ended, as `query` wants them.
pub(super) async fn unsettled(
    db: &impl ConnectionTrait,
    query: Select<Entity>,
) -> Result<Vec<Model>, Trouble> {
    // In this order, and what has ended last: a row goes from the first to the second to the third,
    // so that none is missed on its way. It may be found twice.
    let above = above(db).await?;
    let mut found = query.clone().filter(Expr::cust(above)).all(db).await?;
    found.extend(query.filter(Expr::cust(OPEN)).all(db).await?);
    Ok(found)
}

/// An id up to which every notification was created at or before `since`, as far as is known here.
pub(super) async fn all_older(
    db: &impl ConnectionTrait,
    since: NaiveDateTime,
) -> Result<i32, Trouble> {
    let newer = history::Entity::find()
        .select_only()
        .column_as(history::Column::Id.min(), "id")
        .filter(history::Column::CreatedAt.gt(since));
    match newer.into_tuple::<Option<i32>>().one(db).await?.flatten() {
        Some(first) => Ok(first - 1),
        None => watermark(db).await,
    }
}
