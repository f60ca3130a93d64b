//! Which recoveries are open, and the ones that Python left.

use super::{
    Sql, history, leases, nouns,
    ours::recoveries::{Column, Entity, Model},
    reports, rows,
    theirs::{
        hosts,
        notifications::{self, Status},
    },
    trouble::Trouble,
};
use crate::{OpenRecovery, rules};
use recovery::{
    HostId, HostName, NotificationId, SegmentId, ServerId, lease::LeaseKey, nouns::NotificationType,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

/// At most so many in one go.
const ADOPT_MAX: usize = 500;

pub(super) async fn open(sql: &Sql, limit: u32) -> Result<Vec<OpenRecovery>, Trouble> {
    adopt_now_and_then(sql).await?;
    history::follow_now_and_then(sql).await?;
    let open = Entity::find()
        .filter(Column::ClosedMs.is_null())
        // By chance the words stand in the alphabet as they shall stand here.
        .order_by_asc(Column::Kind)
        .order_by_asc(Column::CreatedMs)
        .order_by_asc(Column::Notification)
        .limit(u64::from(limit))
        .all(&sql.db)
        .await?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let key = |row: &Model| LeaseKey::recovery(&NotificationId::new(&row.notification));
    let keys: Vec<LeaseKey> = open.iter().map(key).collect();
    let mut leases: BTreeMap<_, _> =
        leases::rows(&sql.db, &keys).await?.into_iter().map(|row| (row.key.clone(), row)).collect();
    let names = host_names(&sql.db, &open).await?;
    let mut servers = servers(&sql.db, &open).await?;
    let shown = |row: Model| {
        Ok(OpenRecovery {
            host_name: names.get(&row.source_host).cloned(),
            kind: rows::notification_type(&row.kind)?,
            server: servers.remove(&row.notification),
            lease: leases.remove(&key(&row)),
            notification: NotificationId::new(row.notification),
            source_host: HostId::new(row.source_host),
        })
    };
    open.into_iter().map(shown).collect()
}

/// The servers that reports of the type `VM` are about.
async fn servers(
    db: &impl ConnectionTrait,
    of: &[Model],
) -> Result<BTreeMap<String, ServerId>, Trouble> {
    let vm = NotificationType::Vm;
    let reports: Vec<&str> =
        of.iter().filter(|r| r.kind == vm.as_str()).map(|r| r.notification.as_str()).collect();
    if reports.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = notifications::Entity::find()
        .filter(notifications::Column::NotificationUuid.is_in(reports))
        .all(db)
        .await?;
    let server = |row: notifications::Model| {
        let server = rules::server_of(vm, row.payload.as_deref().unwrap_or_default())?;
        Some((row.notification_uuid, server))
    };
    Ok(found.into_iter().filter_map(server).collect())
}

/// The oldest open recovery of the failure of this host itself.
pub(super) async fn open_of_host(
    sql: &Sql,
    host: &HostName,
) -> Result<Option<NotificationId>, Trouble> {
    let Some(host) = nouns::host_named_row(&sql.db, host).await? else {
        return Ok(None);
    };
    let open = Entity::find()
        .filter(Column::ClosedMs.is_null())
        .filter(Column::SourceHost.eq(host.uuid))
        .filter(Column::Kind.eq(NotificationType::ComputeHost.as_str()))
        .order_by_asc(Column::CreatedMs)
        .one(&sql.db)
        .await?;
    Ok(open.map(|row| NotificationId::new(row.notification)))
}

pub(super) async fn host_names(
    db: &impl ConnectionTrait,
    of: &[Model],
) -> Result<BTreeMap<String, HostName>, Trouble> {
    let uuids: BTreeSet<&str> = of.iter().map(|row| row.source_host.as_str()).collect();
    let live = hosts::Entity::find().filter(hosts::Column::Deleted.eq(0));
    let found = live.filter(hosts::Column::Uuid.is_in(uuids)).all(db).await?;
    Ok(found.into_iter().map(|row| (row.uuid, HostName::new(row.name))).collect())
}

/// Whether a recovery of the segment is under way: open, and not held before it has begun.
pub(super) async fn in_use(
    db: &impl ConnectionTrait,
    segment: &SegmentId,
) -> Result<bool, Trouble> {
    let open = Entity::find()
        .filter(Column::ClosedMs.is_null())
        .filter(Column::Segment.eq(segment.as_str()))
        .all(db)
        .await?;
    if open.iter().any(|row| !row.held) {
        return Ok(true);
    }
    if open.is_empty() {
        return Ok(false);
    }
    let held = open.into_iter().map(|row| row.notification);
    let begun = notifications::Entity::find()
        .filter(notifications::Column::NotificationUuid.is_in(held))
        .filter(notifications::Column::Status.ne(Status::New))
        .one(db)
        .await?;
    Ok(begun.is_some())
}

async fn adopt_now_and_then(sql: &Sql) -> Result<(), Trouble> {
    let Some(every) = sql.adopt_every else { return Ok(()) };
    let now = sql.clock.boot();
    let due = *sql.adopt_at.lock().unwrap_or_else(PoisonError::into_inner) <= now;
    if due {
        let wait = if adopt_some(sql).await? { every.min(sql.adopt_new_after) } else { every };
        let next = now.plus(wait);
        *sql.adopt_at.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }
    Ok(())
}

/// Opens recoveries for the notifications that Python accepted and did not finish.
pub(super) async fn adopt(sql: &Sql) -> Result<(), Trouble> {
    adopt_some(sql).await.map(|_| ())
}

/// The same; `true`: there are new ones that Python may take yet.
async fn adopt_some(sql: &Sql) -> Result<bool, Trouble> {
    use notifications::Column as Noted;
    let types = NotificationType::ALL.iter().map(|kind| kind.as_str());
    let query = notifications::Entity::find()
        .filter(Noted::Deleted.eq(0))
        .filter(Noted::Status.is_in([Status::New, Status::Running, Status::Error]))
        .filter(Noted::Kind.is_in(types));
    let mut left = history::unsettled(&sql.db, query).await?;
    left.sort_by_key(|row| row.id);
    left.dedup_by_key(|row| row.id);
    if left.is_empty() {
        return Ok(false);
    }
    let uuids = left.iter().map(|row| row.notification_uuid.as_str());
    let known = Entity::find().filter(Column::Notification.is_in(uuids)).all(&sql.db).await?;
    let known: BTreeSet<String> = known.into_iter().map(|row| row.notification).collect();
    left.retain(|row| !known.contains(&row.notification_uuid));
    let new_after_ms = i64::try_from(sql.adopt_new_after.as_millis()).unwrap_or(i64::MAX);
    let old = rows::naive(sql.clock.wall().plus(-new_after_ms));
    let is_young =
        |row: &notifications::Model| row.status == Status::New && row.created_at > Some(old);
    let waits = left.iter().any(is_young) || left.len() > ADOPT_MAX;
    left.retain(|row| !is_young(row));
    left.truncate(ADOPT_MAX);
    if left.is_empty() {
        return Ok(waits);
    }
    let host_uuids = left.iter().map(|row| row.source_host_uuid.clone()).collect();
    let segments = reports::segments_of(&sql.db, host_uuids).await?;
    let mut new = Vec::new();
    for row in left {
        let notification =
            rows::notification(row.clone(), segments.get(&row.source_host_uuid).cloned())?;
        let recovery = Model {
            notification: row.notification_uuid,
            source_host: row.source_host_uuid,
            segment: notification.segment.as_str().into(),
            kind: row.kind,
            created_ms: notification.created_at.unwrap_or(notification.generated_time).0,
            closed_ms: None,
            held: false,
        };
        new.push(recovery.into_active_model());
    }
    let open = sql.begin().await?;
    // Another process may adopt them at the same moment: the key refuses ours, and we look again.
    Entity::insert_many(new).exec_without_returning(&*open).await?;
    open.commit().await?;
    Ok(waits)
}
