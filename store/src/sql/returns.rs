//! Hosts that recoveries have left out of service, until they are back.

use super::{
    Sql,
    ours::returns::{Column, Entity, Model},
    rows,
    theirs::hosts,
    trouble::Trouble,
};
use crate::Away;
use recovery::{HostId, Millis, NotificationId, returns::Word};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use std::collections::BTreeMap;

/// So many hosts in one statement; its parameters are bounded.
const AT_ONCE: usize = 200;

const STAY: &str = "stay";
const RETURN: &str = "return";

/// Those that are away, oldest first.
pub(super) async fn away(sql: &Sql, limit: u32) -> Result<Vec<Away>, Trouble> {
    let open = Entity::find()
        .filter(Column::ClosedMs.is_null())
        .order_by_asc(Column::SinceMs)
        .order_by_asc(Column::Recovery)
        .limit(u64::from(limit))
        .all(&sql.db)
        .await?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let ids = open.iter().map(|row| row.host.as_str());
    let live = hosts::Entity::find().filter(hosts::Column::Deleted.eq(0));
    let found = live.filter(hosts::Column::Uuid.is_in(ids)).all(&sql.db).await?;
    let hosts: BTreeMap<String, _> =
        found.into_iter().map(|row| (row.uuid.clone(), rows::host(row))).collect();
    let shown = |row: Model| {
        Some(Away {
            host: hosts.get(&row.host)?.clone(),
            recovery: NotificationId::new(row.recovery),
            since: Millis(row.since_ms),
            word: row.word.as_deref().and_then(read),
        })
    };
    Ok(open.into_iter().filter_map(shown).collect())
}

fn read(word: &str) -> Option<Word> {
    match word {
        STAY => Some(Word::Stay),
        RETURN => Some(Word::Return),
        _ => None,
    }
}

/// The recovery has left the host out of service; once more, when it was tried again.
pub(super) async fn left(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
    host: &HostId,
    at: Millis,
) -> Result<(), Trouble> {
    let row = Model {
        recovery: recovery.as_str().into(),
        host: host.as_str().into(),
        since_ms: at.0,
        closed_ms: None,
        word: None,
    };
    let again = OnConflict::column(Column::Recovery)
        .update_columns([Column::Host, Column::SinceMs, Column::ClosedMs, Column::Word])
        .to_owned();
    Entity::insert(row.into_active_model()).on_conflict(again).exec_without_returning(db).await?;
    Ok(())
}

/// The host is back after these recoveries: off maintenance, and reserved if it shall be.
pub(super) async fn back(
    db: &impl ConnectionTrait,
    host: &HostId,
    reserved: bool,
    recoveries: &[NotificationId],
    at: Millis,
) -> Result<(), Trouble> {
    Entity::update_many()
        .filter(Column::Host.eq(host.as_str()))
        .filter(Column::Recovery.is_in(recoveries.iter().map(NotificationId::as_str)))
        .col_expr(Column::ClosedMs, Expr::value(at.0))
        .exec(db)
        .await?;
    let mut off = hosts::Entity::update_many()
        .filter(hosts::Column::Uuid.eq(host.as_str()))
        .filter(hosts::Column::Deleted.eq(0))
        .col_expr(hosts::Column::OnMaintenance, Expr::value(false))
        .col_expr(hosts::Column::UpdatedAt, Expr::value(rows::naive(at)));
    if reserved {
        off = off.col_expr(hosts::Column::Reserved, Expr::value(true));
    }
    off.exec(db).await?;
    Ok(())
}

/// A client has said that the host be on maintenance, or not.
pub(super) async fn said(
    db: &impl ConnectionTrait,
    host: &HostId,
    on_maintenance: bool,
) -> Result<(), Trouble> {
    let word = if on_maintenance { STAY } else { RETURN };
    Entity::update_many()
        .filter(Column::Host.eq(host.as_str()))
        .filter(Column::ClosedMs.is_null())
        .col_expr(Column::Word, Expr::value(word))
        .exec(db)
        .await?;
    Ok(())
}

/// Hosts that are about to be deleted do not come back.
pub(super) async fn forget(db: &impl ConnectionTrait, which: Expr) -> Result<(), Trouble> {
    let live: Vec<String> = hosts::Entity::find()
        .select_only()
        .column(hosts::Column::Uuid)
        .filter(which)
        .filter(hosts::Column::Deleted.eq(0))
        .into_tuple()
        .all(db)
        .await?;
    for hosts in live.chunks(AT_ONCE) {
        Entity::delete_many().filter(Column::Host.is_in(hosts)).exec(db).await?;
    }
    Ok(())
}
