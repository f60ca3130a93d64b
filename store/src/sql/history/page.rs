//! The page of a list of notifications, when it is one that `ha_history` has keys for: sorted by creation.

use crate::{
    NotificationFilter, NotificationList, Order, Page, rules,
    sql::{
        Sql, listed,
        paged::{after, column, sorted},
        rows,
        theirs::notifications::{Column, Entity, Model},
        trouble::Trouble,
    },
};
use chrono::{Datelike, NaiveDateTime};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, FromQueryResult,
    QueryFilter, QuerySelect, Select, Statement, Value, sea_query::Expr,
};

/// Rows with a rare time are sorted, those with a common one found in the order of the list.
const RARE: i64 = 5000;

/// What there is at one moment. Only what was there then has to be on a page.
#[derive(FromQueryResult)]
struct There {
    watermark: Option<i32>,
    newest: Option<i32>,
    /// Not zero: our keys do not find all below the watermark.
    unkeyed: i32,
}

async fn there(db: &DatabaseConnection, unkeyed: &str) -> Result<There, Trouble> {
    let query = format!(
        "SELECT (SELECT MAX(id) FROM ha_history) AS watermark, \
         (SELECT MAX(id) FROM notifications) AS newest, \
         CASE WHEN EXISTS ({unkeyed}) THEN 1 ELSE 0 END AS unkeyed"
    );
    let query = Statement::from_string(db.get_database_backend(), query);
    let there = There::find_by_statement(query).one(db).await?;
    Ok(there.unwrap_or(There { watermark: None, newest: None, unkeyed: 0 }))
}

/// Those below the watermark that our keys do not find: without a time; and if it matters, without a status.
fn unkeyed(of: &NotificationFilter) -> &'static str {
    match of.status {
        Some(_) => "SELECT id FROM ha_history WHERE status IS NULL",
        None => "SELECT id FROM ha_history WHERE status IS NULL AND created_at IS NULL",
    }
}

/// Adds the page to the list, if it is one of those; else `false`.
pub(in crate::sql) async fn page(
    sql: &Sql,
    of: &NotificationFilter,
    query: Select<Entity>,
    page: &Page,
    list: &mut NotificationList,
) -> Result<bool, Trouble> {
    let sort = rules::sort_of(page);
    let (Some(limit), [("created_at", order), ("id", same)]) = (page.limit, sort.as_slice()) else {
        return Ok(false);
    };
    if order != same {
        return Ok(false);
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
        return Ok(false);
    }
    let backend = sql.db.get_database_backend();
    let sort = [(column::<Entity>("created_at")?, *order), (column::<Entity>("id")?, *order)];
    let mut fresh = sorted(backend, query.filter(live).limit(limit), &sort);
    if let Some(marked) = &marked {
        fresh = fresh.filter(after(backend, marked, &sort));
    }
    // In this order, and by our keys last: a row goes from the first to the second to the third, so that
    // none is missed on its way. It may be found twice.
    let unkeyed = unkeyed(of);
    let there = there(&sql.db, unkeyed).await?;
    let watermark = there.watermark.unwrap_or(0);
    if there.newest > there.watermark {
        // As a number, or PostgreSQL would plan for a third of the table.
        let above = fresh.clone().filter(Expr::cust(format!("id > {watermark}")));
        listed::add(&sql.db, above, list).await?;
    }
    if there.unkeyed != 0 {
        let unkeyed = fresh.filter(Expr::cust(format!("id IN ({unkeyed})")));
        listed::add(&sql.db, unkeyed, list).await?;
    }
    if there.watermark.is_some() {
        keyed(sql, of, marked.as_ref(), *order, limit, list).await?;
    }
    list.arrange(*order, limit);
    Ok(true)
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

    /// Adds what `of` says. The key that finds it most directly; none if there is nothing to be found.
    async fn by(
        &mut self,
        sql: &Sql,
        of: &NotificationFilter,
    ) -> Result<Option<&'static str>, Trouble> {
        if let Some(host) = &of.source_host {
            self.and("h.source_host = ?", [host.as_str().into()]);
        }
        if let Some(kind) = of.kind {
            self.and("h.kind = ?", [kind.as_str().into()]);
        }
        if let Some(status) = of.status {
            self.and("h.status = ?", [status.as_str().into()]);
        }
        let mut rare_time = false;
        if let Some(since) = of.generated_since {
            let since = rows::naive(since.plus(999));
            let young = young(sql, since).await?;
            if young == 0 {
                return Ok(None);
            }
            rare_time = young < RARE;
            match (1..=9999).contains(&since.year()) {
                // As a text, or PostgreSQL would plan for a third of the table.
                true => self.and(&format!("h.generated_time >= '{since}'"), []),
                false => self.and("h.generated_time >= ?", [since.into()]),
            }
        }
        Ok(Some(key(of, rare_time)))
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

/// Adds those that our keys find, in the order of the list, at most `limit`. Some of them may not have ended,
/// if nothing is said of their status: to ask whether they have would be to read each row of `ha_history`,
/// and not only its key.
async fn keyed(
    sql: &Sql,
    of: &NotificationFilter,
    marked: Option<&Model>,
    order: Order,
    limit: u64,
    list: &mut NotificationList,
) -> Result<(), Trouble> {
    let backend = sql.db.get_database_backend();
    let (way, before) = match order {
        Order::Ascending => ("ASC", '>'),
        Order::Descending => ("DESC", '<'),
    };
    let mut wanted = Wanted { backend, conditions: vec![], values: vec![] };
    let Some(key) = wanted.by(sql, of).await? else { return Ok(()) };
    if let Some((marked, at)) = marked.and_then(|marked| Some((marked, marked.created_at?))) {
        // The first half says no more than the second, but a key can be used for it.
        let after =
            format!("h.created_at {before}= ? AND (h.created_at {before} ? OR h.id {before} ?)");
        wanted.and(&after, [at.into(), at.into(), marked.id.into()]);
    }
    let (hint, join) = match backend {
        DbBackend::MySql => (format!("FORCE INDEX ({key})"), "STRAIGHT_JOIN"),
        DbBackend::Sqlite => (format!("INDEXED BY {key}"), "CROSS JOIN"),
        _ => (String::new(), "JOIN"),
    };
    let sorted = format!("ORDER BY h.created_at {way}, h.id {way} LIMIT {limit}");
    let conditions = wanted.conditions.iter().map(|condition| format!(" AND {condition}"));
    let conditions: String = conditions.collect();
    if *of == NotificationFilter::default() {
        let page =
            format!("SELECT h.id AS id FROM ha_history h {hint} WHERE 1 = 1{conditions} {sorted}");
        let page = Statement::from_sql_and_values(backend, page, wanted.values.clone());
        if at_once(sql, page, list).await? {
            return Ok(());
        }
    }
    let columns = listed::columns_of_n(backend);
    let query = format!(
        "SELECT {columns} FROM ha_history h {hint} {join} notifications n ON n.id = h.id \
         WHERE n.deleted = 0{conditions} {sorted}"
    );
    let query = Statement::from_sql_and_values(backend, query, wanted.values);
    listed::add_raw(&sql.db, query, list).await
}

/// The ids of a page, which `ha_history`'s key alone tells.
#[derive(FromQueryResult)]
struct Span {
    first: Option<i32>,
    last: Option<i32>,
    many: i64,
}

/// Adds the notifications whose ids `page` finds as one piece of Masakari's table, in any order: that is
/// twice as quick as one by one. `false` if ids between them are missing or others', or some of them are
/// not there any more: then it may not have been all.
async fn at_once(sql: &Sql, page: Statement, list: &mut NotificationList) -> Result<bool, Trouble> {
    let span = Statement {
        sql: format!(
            "SELECT MIN(id) AS first, MAX(id) AS last, COUNT(*) AS many FROM ({}) AS page",
            page.sql
        ),
        ..page
    };
    let span = Span::find_by_statement(span).one(&sql.db).await?;
    let Some(Span { first: Some(first), last: Some(last), many }) = span else { return Ok(true) };
    if i64::from(last) - i64::from(first) + 1 != many {
        return Ok(false);
    }
    let before = list.len();
    let piece = Entity::find().filter(Column::Id.between(first, last));
    listed::add(&sql.db, piece.filter(Column::Deleted.eq(0)), list).await?;
    Ok(i64::try_from(list.len() - before).is_ok_and(|found| found == many))
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
