//! What the restarts of servers and the failures of processes leave: how often a server was restarted,
//! and which hosts are on maintenance only because a process of them failed.

use super::{
    Sql,
    ours::{maintenance, restarts},
    rows,
    theirs::hosts,
    trouble::Trouble,
};
use crate::rules;
use recovery::{HostId, Millis, NotificationId, ServerId};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
    sea_query::{Expr, OnConflict},
};

pub(super) async fn restarts(
    sql: &Sql,
    server: &ServerId,
    since: Millis,
    but: &NotificationId,
) -> Result<u32, Trouble> {
    use restarts::{Column, Entity};
    let count = Entity::find()
        .filter(Column::Server.eq(server.as_str()))
        .filter(Column::AtMs.gte(since.0))
        .filter(Column::Notification.ne(but.as_str()))
        .count(&sql.db)
        .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Counts a restart, and forgets those of long ago.
pub(super) async fn restarted(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
    server: &ServerId,
    at: Millis,
) -> Result<(), Trouble> {
    use restarts::{Column, Entity, Model};
    Entity::delete_many()
        .filter(Column::Server.eq(server.as_str()))
        .filter(Column::AtMs.lt(at.plus(-rules::RESTARTS_KEPT_MS).0))
        .exec(db)
        .await?;
    let row = Model {
        notification: recovery.as_str().into(),
        server: server.as_str().into(),
        at_ms: at.0,
    };
    // One that is tried again counts once, at its last time.
    let again = OnConflict::column(Column::Notification)
        .update_columns([Column::Server, Column::AtMs])
        .to_owned();
    let row = Entity::insert(row.into_active_model()).on_conflict(again);
    row.exec_without_returning(db).await?;
    Ok(())
}

pub(super) async fn is_for_process(
    db: &impl ConnectionTrait,
    host: &HostId,
) -> Result<bool, Trouble> {
    Ok(maintenance::Entity::find_by_id(host.as_str()).one(db).await?.is_some())
}

/// Puts the host on maintenance, with the mark, unless it is on maintenance already.
pub(super) async fn put_on_maintenance_for_process(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
    host: &HostId,
    at: Millis,
) -> Result<(), Trouble> {
    use hosts::{Column, Entity};
    let off =
        Condition::any().add(Column::OnMaintenance.eq(false)).add(Column::OnMaintenance.is_null());
    let put = Entity::update_many()
        .filter(Column::Uuid.eq(host.as_str()))
        .filter(Column::Deleted.eq(0))
        .filter(off)
        .col_expr(Column::OnMaintenance, Expr::value(true))
        .col_expr(Column::UpdatedAt, Expr::value(rows::naive(at)))
        .exec(db)
        .await?;
    if put.rows_affected == 0 {
        return Ok(());
    }
    forget_maintenance(db, host).await?;
    let mark = maintenance::Model {
        host: host.as_str().into(),
        notification: recovery.as_str().into(),
        since_ms: at.0,
    };
    maintenance::Entity::insert(mark.into_active_model()).exec_without_returning(db).await?;
    Ok(())
}

/// Its maintenance is not, or not only, for a process any more.
pub(super) async fn forget_maintenance(
    db: &impl ConnectionTrait,
    host: &HostId,
) -> Result<(), Trouble> {
    maintenance::Entity::delete_by_id(host.as_str()).exec(db).await?;
    Ok(())
}
