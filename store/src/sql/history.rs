//! A million old notifications: found by keys that Masakari's table does not have.
//!
//! Masakari's `notifications` has no key for the order in which it is shown, nor for any filter, and
//! may not be given one. So `ha_history` has a row for each notification up to some id, its
//! *watermark*, with such keys. A row with a status stands for one that has ended; one without a
//! status is looked up in `notifications` itself, as is everything above the watermark. Only a
//! retry opens one again, and takes the status away in the same transaction. Whatever Python writes is seen: what it adds is above, what it changes has no status
//! yet, what it removes is not joined.
//!
//! The watermark follows from time to time, over rows that are at least [`SETTLED_AFTER_MS`] old: an id is
//! given before its row is committed, and no transaction takes that long.

use super::{
    Sql,
    ours::history,
    paged::{after, column, sorted},
    reports::{LISTED, listed, listed_row},
    rows,
    theirs::notifications::{Column, Entity, Model, Status},
    trouble::Trouble,
};
use crate::{NotificationFilter, Order, Page, rules};
use chrono::{Datelike, NaiveDateTime};
use ports::Boot;
use recovery::NotificationId;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IdenStatic, QueryFilter, QueryOrder,
    QuerySelect, Select, Statement, Value, sea_query::Expr,
};
use std::{collections::BTreeMap, sync::PoisonError, time::Duration};

/// Younger rows are left above the watermark.
const SETTLED_AFTER_MS: i64 = 60_000;
/// So many rows in one step of the watermark.
const STEP: u64 = 5000;
/// How often a process moves the watermark.
const EVERY: Duration = Duration::from_secs(30);
/// Rows with a rare time are sorted, those with a common one found in the order of the list.
const RARE: i64 = 5000;

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
    let mut found = listed(db, query.clone().filter(Expr::cust(above))).await?;
    found.extend(listed(db, query.filter(Expr::cust(OPEN))).await?);
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

/// The page of the list, when it is one that `ha_history` has keys for: sorted by creation.
pub(super) async fn page(
    sql: &Sql,
    of: &NotificationFilter,
    query: Select<Entity>,
    page: &Page,
) -> Result<Option<Vec<Model>>, Trouble> {
    let sort = rules::sort_of(page);
    let (Some(limit), [("created_at", order), ("id", same)]) = (page.limit, sort.as_slice()) else {
        return Ok(None);
    };
    if order != same {
        return Ok(None);
    }
    let live = Column::Deleted.eq(0);
    let marked = match page.marker {
        Some(id) => {
            let marked = Entity::find().filter(live.clone()).filter(Column::Id.eq(id));
            Some(marked.one(&sql.db).await?.ok_or_else(|| rules::no_marker(id))?)
        }
        None => None,
    };
    if marked.as_ref().is_some_and(|marked| marked.created_at.is_none()) {
        return Ok(None);
    }
    let backend = sql.db.get_database_backend();
    let sort = [(column::<Entity>("created_at")?, *order), (column::<Entity>("id")?, *order)];
    let mut fresh = sorted(backend, query.filter(live).limit(limit), &sort);
    if let Some(marked) = &marked {
        fresh = fresh.filter(after(backend, marked, &sort));
    }
    let mut found = unsettled(&sql.db, fresh).await?;
    found.extend(ended(sql, of, marked.as_ref(), *order, limit).await?);
    found.sort_by_key(|row| (row.created_at, row.id));
    found.dedup_by_key(|row| row.id);
    if *order == Order::Descending {
        found.reverse();
    }
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Some(found))
}

/// A filter or limit as SQL, with its values.
struct Wanted {
    backend: DbBackend,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Wanted {
    /// Adds a condition in which each `?` stands for the next of `values`.
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        let mut text = condition.to_owned();
        for value in values {
            self.values.push(value);
            if self.backend == DbBackend::Postgres {
                text = text.replacen('?', &format!("${}", self.values.len()), 1);
            }
        }
        self.conditions.push(text);
    }
}

/// The key that finds most directly what is wanted.
fn key(of: &NotificationFilter, rare_time: bool) -> &'static str {
    match of {
        _ if rare_time => "ha_history_time",
        NotificationFilter { source_host: Some(_), .. } => "ha_history_host",
        NotificationFilter { status: Some(_), .. } => "ha_history_status",
        NotificationFilter { kind: Some(_), .. } => "ha_history_kind",
        NotificationFilter { .. } => "ha_history_created",
    }
}

/// Those that have ended, in the order of the list, at most `limit`.
async fn ended(
    sql: &Sql,
    of: &NotificationFilter,
    marked: Option<&Model>,
    order: Order,
    limit: u64,
) -> Result<Vec<Model>, Trouble> {
    let backend = sql.db.get_database_backend();
    let (way, before) = match order {
        Order::Ascending => ("ASC", '>'),
        Order::Descending => ("DESC", '<'),
    };
    let mut wanted =
        Wanted { backend, conditions: vec!["h.status IS NOT NULL".into()], values: vec![] };
    if let Some(host) = &of.source_host {
        wanted.and("h.source_host = ?", [host.as_str().into()]);
    }
    if let Some(kind) = of.kind {
        wanted.and("h.kind = ?", [kind.as_str().into()]);
    }
    if let Some(status) = of.status {
        wanted.and("h.status = ?", [status.as_str().into()]);
    }
    let mut rare_time = false;
    if let Some(since) = of.generated_since {
        let since = rows::naive(since.plus(999));
        let young = young(sql, since).await?;
        if young == 0 {
            return Ok(Vec::new());
        }
        rare_time = young < RARE;
        match (1..=9999).contains(&since.year()) {
            // As a text, or PostgreSQL would plan for a third of the table.
            true => wanted.and(&format!("h.generated_time >= '{since}'"), []),
            false => wanted.and("h.generated_time >= ?", [since.into()]),
        }
    }
    if let Some((marked, at)) = marked.and_then(|marked| Some((marked, marked.created_at?))) {
        // The first half says no more than the second, but a key can be used for it.
        let after =
            format!("h.created_at {before}= ? AND (h.created_at {before} ? OR h.id {before} ?)");
        wanted.and(&after, [at.into(), at.into(), marked.id.into()]);
    }
    let conditions = wanted.conditions.join(" AND ");
    let key = key(of, rare_time);
    let from = match backend {
        DbBackend::MySql => {
            format!("ha_history h FORCE INDEX ({key}) STRAIGHT_JOIN notifications n")
        }
        DbBackend::Sqlite => format!("ha_history h INDEXED BY {key} CROSS JOIN notifications n"),
        _ => "ha_history h JOIN notifications n".to_owned(),
    };
    let columns = LISTED.map(|column| match (column, backend) {
        // As SeaORM asks for an ENUM.
        (Column::Status, DbBackend::Postgres) => "CAST(n.status AS text)".to_owned(),
        (column, _) => format!("n.{}", column.as_str()),
    });
    let columns = columns.join(", ");
    let query = format!(
        "SELECT {columns} FROM {from} ON n.id = h.id WHERE {conditions} AND n.deleted = 0 \
         ORDER BY h.created_at {way}, h.id {way} LIMIT {limit}"
    );
    let query = Statement::from_sql_and_values(backend, query, wanted.values);
    sql.db.query_all_raw(query).await?.iter().map(listed_row).collect()
}

/// How many were generated at or after `since`, as far as [`RARE`].
async fn young(sql: &Sql, since: NaiveDateTime) -> Result<i64, Trouble> {
    let backend = sql.db.get_database_backend();
    let mut wanted = Wanted { backend, conditions: vec![], values: vec![] };
    wanted.and("generated_time >= ?", [since.into()]);
    let count = format!(
        "SELECT COUNT(*) AS many FROM \
         (SELECT id FROM ha_history WHERE {} LIMIT {RARE}) AS young",
        wanted.conditions.join(" AND "),
    );
    let row = sql.db.query_one_raw(Statement::from_sql_and_values(backend, count, wanted.values));
    Ok(row.await?.map_or(Ok(0), |row| row.try_get("", "many"))?)
}
