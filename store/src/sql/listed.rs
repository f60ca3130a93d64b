//! Notifications for a list, which may be long. Its rows are read by place, because to find each column by
//! its name costs more than all the rest, and as they arrive, because all of them beside what they become
//! would be twice the memory.

use super::{rows, theirs::notifications::Column, trouble::Trouble};
use crate::{Listed, NotificationList};
use chrono::NaiveDateTime;
use futures::TryStreamExt;
use recovery::nouns::NotificationStatus;
use sea_orm::{
    DatabaseConnection, DbBackend, DbErr, IdenStatic, QuerySelect, QueryTrait, RuntimeErr, Select,
    Statement,
    sea_query::Values,
    sqlx::{
        AssertSqlSafe, ColumnIndex, Database, Decode, Either, Error, Executor, IntoArguments, Pool,
        Row, Type, query_with,
    },
};
use sea_query_sqlx::SqlxValues;

/// What a list shows.
const LISTED: [Column; 11] = [
    Column::CreatedAt,
    Column::UpdatedAt,
    Column::Id,
    Column::NotificationUuid,
    Column::GeneratedTime,
    Column::SourceHostUuid,
    Column::Kind,
    Column::Payload,
    Column::Status,
    Column::FailoverSegmentUuid,
    Column::Message,
];

/// The columns of `n` that a query in SQL asks for, to be read here.
pub(super) fn columns_of_n(backend: DbBackend) -> String {
    let columns = LISTED.map(|column| match (column, backend) {
        // As SeaORM asks for an ENUM.
        (Column::Status, DbBackend::Postgres) => "CAST(n.status AS text)".to_owned(),
        (column, _) => format!("n.{}", column.as_str()),
    });
    columns.join(", ")
}

/// Adds what `query` finds to `list`.
pub(super) async fn add(
    db: &DatabaseConnection,
    query: Select<super::theirs::notifications::Entity>,
    list: &mut NotificationList,
) -> Result<(), Trouble> {
    let query = query.select_only().columns(LISTED).build(db.get_database_backend());
    add_raw(db, query, list).await
}

/// The same of a query in SQL, which asks for [`columns_of_n`].
pub(super) async fn add_raw(
    db: &DatabaseConnection,
    query: Statement,
    list: &mut NotificationList,
) -> Result<(), Trouble> {
    match db.get_database_backend() {
        #[cfg(feature = "mysql")]
        DbBackend::MySql => read(db.get_mysql_connection_pool(), query, list).await,
        #[cfg(feature = "postgresql")]
        DbBackend::Postgres => read(db.get_postgres_connection_pool(), query, list).await,
        #[cfg(feature = "sqlite")]
        DbBackend::Sqlite => read(db.get_sqlite_connection_pool(), query, list).await,
        other => Err(super::unreadable(format!("a database of the kind {other:?}"))),
    }
}

async fn read<DB>(
    pool: &Pool<DB>,
    query: Statement,
    list: &mut NotificationList,
) -> Result<(), Trouble>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    SqlxValues: IntoArguments<DB>,
    usize: ColumnIndex<DB::Row>,
    for<'r> i32: Decode<'r, DB> + Type<DB>,
    for<'r> &'r str: Decode<'r, DB> + Type<DB>,
    for<'r> NaiveDateTime: Decode<'r, DB> + Type<DB>,
{
    let values = query.values.unwrap_or(Values(Vec::new()));
    let query = query_with(AssertSqlSafe(query.sql), SqlxValues(values));
    let mut connection = pool.acquire().await.map_err(trouble)?;
    let mut found = connection.fetch_many(query);
    while let Some(row) = found.try_next().await.map_err(trouble)? {
        if let Either::Right(row) = row {
            push(&row, list)?;
        }
    }
    Ok(())
}

fn trouble(error: Error) -> Trouble {
    DbErr::Query(RuntimeErr::SqlxError(error.into())).into()
}

/// Adds the row, which has the columns [`LISTED`].
fn push<R>(row: &R, list: &mut NotificationList) -> Result<(), Trouble>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> i32: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> NaiveDateTime: Decode<'r, R::Database> + Type<R::Database>,
{
    let word = |place| row.try_get::<&str, _>(place).map_err(trouble);
    let text = |place| row.try_get::<Option<&str>, _>(place).map_err(trouble);
    let moment = |place| row.try_get::<Option<NaiveDateTime>, _>(place).map_err(trouble);
    let created_at = moment(0)?;
    let listed = Listed {
        created_at: created_at.map(rows::millis),
        updated_at: moment(1)?.map(rows::millis),
        id: row.try_get::<i32, _>(2).map_err(trouble)?.into(),
        uuid: word(3)?,
        generated_time: row.try_get::<NaiveDateTime, _>(4).map(rows::millis).map_err(trouble)?,
        source_host: word(5)?,
        kind: rows::notification_type(word(6)?)?,
        payload: text(7)?.unwrap_or("{}"),
        status: rows::word(NotificationStatus::from_word, word(8)?, "a notification with status")?,
        segment: text(9)?,
        message: text(10)?,
    };
    list.push(&listed, created_at.map(|at| at.and_utc().timestamp_micros()));
    Ok(())
}
