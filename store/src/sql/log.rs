//! Logs, and the summaries of them in Masakari's tables.

use super::{
    Sql, deaths, guard, history, leases,
    ours::{log, recoveries},
    requests, returns, rows, small, stored,
    theirs::{hosts, notifications, vmoves},
    trouble::Trouble,
};
use crate::{StoreError, rules};
use recovery::{
    HostId, Millis, NotificationId,
    lease::{Lease, LeaseKey},
    log::{Line, Summary},
    nouns::{NotificationStatus, VMove},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    sea_query::{Expr, OnConflict},
};

/// So many rows in one statement; its parameters are bounded.
const AT_ONCE: usize = 200;

pub(super) async fn lines(sql: &Sql, recovery: &NotificationId) -> Result<Vec<Line>, Trouble> {
    let found = log::Entity::find()
        .filter(log::Column::Recovery.eq(recovery.as_str()))
        .order_by_asc(log::Column::Seq)
        .all(&sql.db)
        .await?;
    found.into_iter().map(rows::line).collect()
}

pub(super) async fn append(
    sql: &Sql,
    lease: &Lease,
    recovery: &NotificationId,
    lines: &[Line],
    summaries: &[Summary],
) -> Result<(), Trouble> {
    let open = sql.begin().await?;
    // Before anything is read: from here on nobody else can write this log.
    if lease.key != LeaseKey::recovery(recovery) || !leases::touch(&*open, lease).await? {
        return Err(StoreError::LeaseLost { key: lease.key.clone() }.into());
    }
    if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
        let new = lines.iter().map(|line| rows::new_line(recovery, lease.generation, line));
        let new = new.collect::<Result<Vec<_>, _>>()?;
        let there = from_line(&*open, recovery, first.seq).await?;
        // The same again, whose answer was lost, is written once.
        if there != new {
            let before_them = if there.is_empty() { first.seq } else { u64::MAX };
            let ends_at = end_before(&*open, recovery, before_them).await?;
            rules::follows(recovery, ends_at, lines)?;
            insert(&*open, new).await?;
            note_held(&*open, recovery, lines).await?;
            summarize(&*open, recovery, summaries, last.at).await?;
        }
    }
    open.commit().await
}

async fn from_line(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
    seq: u64,
) -> Result<Vec<log::Model>, Trouble> {
    Ok(log::Entity::find()
        .filter(log::Column::Recovery.eq(recovery.as_str()))
        .filter(log::Column::Seq.gte(stored(seq)))
        .order_by_asc(log::Column::Seq)
        .all(db)
        .await?)
}

/// The last line of the log before line `seq`; zero when there is none.
async fn end_before(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
    seq: u64,
) -> Result<u64, Trouble> {
    let last = log::Entity::find()
        .filter(log::Column::Recovery.eq(recovery.as_str()))
        .filter(log::Column::Seq.lt(stored(seq)))
        .order_by_desc(log::Column::Seq)
        .one(db)
        .await?;
    Ok(last.map_or(0, |row| super::read(row.seq)))
}

async fn insert(db: &impl ConnectionTrait, lines: Vec<log::Model>) -> Result<(), Trouble> {
    for lines in lines.chunks(AT_ONCE) {
        let lines = lines.iter().cloned().map(IntoActiveModel::into_active_model);
        log::Entity::insert_many(lines).exec_without_returning(db).await?;
    }
    Ok(())
}

async fn note_held(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
    lines: &[Line],
) -> Result<(), Trouble> {
    if let Some(held) = rules::held_after(lines) {
        recoveries::Entity::update_many()
            .filter(recoveries::Column::Notification.eq(recovery.as_str()))
            .col_expr(recoveries::Column::Held, Expr::value(held))
            .exec(db)
            .await?;
    }
    Ok(())
}

async fn summarize(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
    summaries: &[Summary],
    at: Millis,
) -> Result<(), Trouble> {
    let mut moves: Vec<&VMove> = Vec::new();
    for summary in summaries {
        match summary {
            Summary::Status { status, message } => {
                set_status(db, recovery, *status, message.as_deref(), at).await?;
            }
            Summary::VMove(vmove) => match moves.iter_mut().find(|v| v.uuid == vmove.uuid) {
                Some(earlier) => *earlier = vmove,
                None => moves.push(vmove),
            },
            Summary::Taken(host) => {
                if put_reserved(db, host, false, at).await? != 1 {
                    return Err(rules::not_reserved(host).into());
                }
            }
            Summary::HandedBack(host) => {
                put_reserved(db, host, true, at).await?;
            }
            Summary::OnMaintenance(host) => {
                put_on_maintenance(db, host, at).await?;
                small::forget_maintenance(db, host).await?;
            }
            Summary::OnMaintenanceForProcess(host) => {
                small::put_on_maintenance_for_process(db, recovery, host, at).await?;
            }
            Summary::Passed { beat } => {
                if !guard::pass(db, *beat, recovery, at).await? {
                    return Err(rules::guard_moved(beat.unwrap_or_default()).into());
                }
            }
            Summary::Storm => guard::storm(db, at).await?,
            Summary::Away(host) => returns::left(db, recovery, host, at).await?,
            Summary::Returned { host, reserved, recoveries } => {
                returns::back(db, host, *reserved, recoveries, at).await?;
                small::forget_maintenance(db, host).await?;
            }
            Summary::Reopened => reopen(db, recovery).await?,
            Summary::Answered { request, answer } => {
                if !requests::grant(db, request, answer).await? {
                    return Err(rules::not_open(request).into());
                }
            }
            Summary::Evidence(brought) => requests::add_evidence(db, brought).await?,
            Summary::Restarted { server } => small::restarted(db, recovery, server, at).await?,
        }
    }
    put_moves(db, &moves, at).await
}

async fn set_status(
    db: &impl ConnectionTrait,
    recovery: &NotificationId,
    status: NotificationStatus,
    message: Option<&str>,
    at: Millis,
) -> Result<(), Trouble> {
    use notifications::{Column, Entity, Status};
    Entity::update_many()
        .filter(Column::NotificationUuid.eq(recovery.as_str()))
        .col_expr(Column::Status, Column::Status.save_as(Expr::value(Status::from(status))))
        .col_expr(Column::Message, Expr::value(message.map(rows::message)))
        .col_expr(Column::UpdatedAt, Expr::value(rows::naive(at)))
        .exec(db)
        .await?;
    if status.is_terminal() {
        recoveries::Entity::update_many()
            .filter(recoveries::Column::Notification.eq(recovery.as_str()))
            .col_expr(recoveries::Column::ClosedMs, Expr::value(at.0))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Opens a recovery that had ended.
async fn reopen(db: &impl ConnectionTrait, recovery: &NotificationId) -> Result<(), Trouble> {
    use recoveries::{Column, Entity};
    Entity::update_many()
        .filter(Column::Notification.eq(recovery.as_str()))
        .col_expr(Column::ClosedMs, Expr::value(None::<i64>))
        .col_expr(Column::Held, Expr::value(false))
        .exec(db)
        .await?;
    guard::reopened(db, recovery).await?;
    history::unsettle(db, recovery).await
}

/// Writes new moves and changes the others, many in one statement.
async fn put_moves(db: &impl ConnectionTrait, moves: &[&VMove], at: Millis) -> Result<(), Trouble> {
    use vmoves::Column;
    for moves in moves.chunks(AT_ONCE) {
        let changed = OnConflict::column(Column::Uuid)
            .update_columns([
                Column::InstanceName,
                Column::SourceHost,
                Column::DestHost,
                Column::StartTime,
                Column::EndTime,
                Column::Kind,
                Column::Status,
                Column::Message,
            ])
            .value(Column::UpdatedAt, Expr::value(rows::naive(at)))
            .to_owned();
        let rows = moves.iter().map(|vmove| rows::new_vmove(vmove, at));
        vmoves::Entity::insert_many(rows).on_conflict(changed).exec_without_returning(db).await?;
        deaths::note(db, moves, at).await?;
    }
    Ok(())
}

async fn put_on_maintenance(
    db: &impl ConnectionTrait,
    host: &HostId,
    at: Millis,
) -> Result<(), Trouble> {
    use hosts::{Column, Entity};
    Entity::update_many()
        .filter(Column::Uuid.eq(host.as_str()))
        .filter(Column::Deleted.eq(0))
        .col_expr(Column::OnMaintenance, Expr::value(true))
        .col_expr(Column::Reserved, Expr::value(false))
        .col_expr(Column::UpdatedAt, Expr::value(rows::naive(at)))
        .exec(db)
        .await?;
    Ok(())
}

/// How many rows changed: none when it was so before, or the host is deleted.
async fn put_reserved(
    db: &impl ConnectionTrait,
    host: &HostId,
    reserved: bool,
    at: Millis,
) -> Result<u64, Trouble> {
    use hosts::{Column, Entity};
    let changed = Entity::update_many()
        .filter(Column::Uuid.eq(host.as_str()))
        .filter(Column::Deleted.eq(0))
        .filter(Column::Reserved.eq(!reserved))
        .col_expr(Column::Reserved, Expr::value(reserved))
        .col_expr(Column::UpdatedAt, Expr::value(rows::naive(at)))
        .exec(db)
        .await?;
    Ok(changed.rows_affected)
}
