//! Reports: accepted once, and shown.

use super::{
    Sql, history, listed,
    ours::{evidence, fingerprints, recoveries},
    paged::{page_of, paged},
    pythons, rows,
    theirs::{hosts, notifications, vmoves},
    trouble::Trouble,
};
use crate::{Accepted, NewNotification, NotificationFilter, NotificationList, Page, VMoveFilter};
use recovery::{
    NotificationId, SegmentId, VMoveId,
    nouns::{Notification, NotificationStatus, VMove},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, NotSet, QueryFilter, QueryTrait,
    sea_query::Expr,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Accepts a report. Of identical ones at once, one gets the slot of their fingerprint: its key lets
/// one INSERT through, and its WHERE one UPDATE.
pub(super) async fn accept(sql: &Sql, new: &NewNotification) -> Result<Accepted, Trouble> {
    let open = sql.begin().await?;
    let fingerprint = format!("{:x}", Sha256::digest(&new.fingerprint));
    let slot = fingerprints::Entity::find_by_id(&fingerprint).one(&*open).await?;
    let free_until = new.now.plus(-new.window_ms);
    if let Some(slot) = &slot {
        // Ours already, and the caller or we did not hear the answer.
        if slot.notification == new.uuid.as_str()
            && let Some(there) = notification_row(&*open, &new.uuid).await?
        {
            let there = noted(&*open, vec![there]).await?.remove(0);
            return Ok(Accepted::New(there));
        }
        if slot.accepted_ms > free_until.0 {
            return Ok(Accepted::Duplicate(NotificationId::new(&slot.notification)));
        }
    }
    if let Some(first) = pythons::said_the_same(sql, &*open, new, free_until).await? {
        return Ok(Accepted::Duplicate(first));
    }
    claim(&*open, fingerprint, slot.as_ref(), new).await?;
    let row = write(&*open, new).await?;
    open.commit().await?;
    pythons::wrote(sql, row.id);
    Ok(Accepted::New(rows::notification(row, None)?))
}

/// Claims the slot, as it was just seen, for `new`.
async fn claim(
    db: &impl ConnectionTrait,
    fingerprint: String,
    seen: Option<&fingerprints::Model>,
    new: &NewNotification,
) -> Result<(), Trouble> {
    use fingerprints::{Column, Entity, Model};
    let Some(seen) = seen else {
        let notification = new.uuid.as_str().into();
        let slot = Model { fingerprint, accepted_ms: new.now.0, notification };
        Entity::insert(slot.into_active_model()).exec_without_returning(db).await?;
        return Ok(());
    };
    let claimed = Entity::update_many()
        .filter(Column::Fingerprint.eq(fingerprint))
        .filter(Column::AcceptedMs.eq(seen.accepted_ms))
        .filter(Column::Notification.eq(&seen.notification))
        .col_expr(Column::AcceptedMs, Expr::value(new.now.0))
        .col_expr(Column::Notification, Expr::value(new.uuid.as_str()))
        .exec(db)
        .await?;
    // The UUID changes, so the row counts as changed wherever only changed rows count.
    if claimed.rows_affected == 1 { Ok(()) } else { Err(Trouble::Conflict) }
}

/// Writes the notification, its recovery and the evidence that it is.
async fn write(
    db: &impl ConnectionTrait,
    new: &NewNotification,
) -> Result<notifications::Model, Trouble> {
    let mut row = notifications::Model {
        created_at: Some(rows::naive(new.now)),
        updated_at: None,
        deleted_at: None,
        deleted: Some(0),
        id: 0,
        notification_uuid: new.uuid.as_str().into(),
        generated_time: rows::naive(new.generated_time),
        source_host_uuid: new.source_host.as_str().into(),
        kind: new.kind.as_str().into(),
        payload: Some(new.payload.clone()),
        status: NotificationStatus::New.into(),
        failover_segment_uuid: Some(new.segment.as_str().into()),
        message: None,
    };
    let unnumbered = notifications::ActiveModel { id: NotSet, ..row.clone().into_active_model() };
    row.id = notifications::Entity::insert(unnumbered).exec(db).await?.last_insert_id;
    let recovery = recoveries::Model {
        notification: new.uuid.as_str().into(),
        source_host: new.source_host.as_str().into(),
        segment: new.segment.as_str().into(),
        kind: new.kind.as_str().into(),
        created_ms: new.now.0,
        closed_ms: None,
        held: false,
    };
    let recovery = recoveries::Entity::insert(recovery.into_active_model());
    recovery.exec_without_returning(db).await?;
    if let Some(said) = &new.evidence {
        evidence::Entity::insert(rows::new_evidence(said)).exec_without_returning(db).await?;
    }
    Ok(row)
}

async fn notification_row(
    db: &impl ConnectionTrait,
    uuid: &NotificationId,
) -> Result<Option<notifications::Model>, Trouble> {
    use notifications::{Column, Entity};
    let live = Entity::find().filter(Column::Deleted.eq(0));
    Ok(live.filter(Column::NotificationUuid.eq(uuid.as_str())).one(db).await?)
}

pub(super) async fn notification(
    sql: &Sql,
    uuid: &NotificationId,
) -> Result<Option<Notification>, Trouble> {
    let row = notification_row(&sql.db, uuid).await?;
    Ok(noted(&sql.db, row.into_iter().collect()).await?.pop())
}

pub(super) async fn notifications(
    sql: &Sql,
    of: &NotificationFilter,
    page: &Page,
) -> Result<NotificationList, Trouble> {
    use notifications::{Column, Entity, Status};
    // Stored moments have no fraction: at or after 9.5 s is at or after 10 s.
    let since = of.generated_since.map(|since| rows::naive(since.plus(999)));
    let query = Entity::find()
        .apply_if(of.source_host.as_ref(), |q, host| {
            q.filter(Column::SourceHostUuid.eq(host.as_str()))
        })
        .apply_if(of.kind, |q, kind| q.filter(Column::Kind.eq(kind.as_str())))
        .apply_if(of.status, |q, status| q.filter(Column::Status.eq(Status::from(status))))
        .apply_if(since, |q, since| q.filter(Column::GeneratedTime.gte(since)));
    history::follow_now_and_then(sql).await?;
    let mut list = NotificationList::default();
    if !history::page(sql, of, query.clone(), page, &mut list).await? {
        let Some(query) = page_of(&sql.db, query, page).await? else { return Ok(list) };
        listed::add(&sql.db, query, &mut list).await?;
    }
    let hosts = list.unplaced().map(str::to_owned).collect();
    list.place(&segments_of(&sql.db, hosts).await?);
    Ok(list)
}

/// The rows as notifications. Rows of before the segment was noted get that of their host.
async fn noted(
    db: &impl ConnectionTrait,
    found: Vec<notifications::Model>,
) -> Result<Vec<Notification>, Trouble> {
    let old = found.iter().filter(|row| row.failover_segment_uuid.is_none());
    let segments = segments_of(db, old.map(|row| row.source_host_uuid.clone()).collect()).await?;
    let noun = |row: notifications::Model| {
        let segment = segments.get(&row.source_host_uuid).cloned();
        rows::notification(row, segment)
    };
    found.into_iter().map(noun).collect()
}

/// The segments of hosts, deleted ones included.
pub(super) async fn segments_of(
    db: &impl ConnectionTrait,
    host_uuids: BTreeSet<String>,
) -> Result<BTreeMap<String, SegmentId>, Trouble> {
    if host_uuids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = hosts::Entity::find().filter(hosts::Column::Uuid.is_in(host_uuids)).all(db).await?;
    Ok(found.into_iter().map(|row| (row.uuid, SegmentId::new(row.failover_segment_id))).collect())
}

pub(super) async fn vmoves(
    sql: &Sql,
    notification: &NotificationId,
    of: &VMoveFilter,
    page: &Page,
) -> Result<Vec<VMove>, Trouble> {
    use vmoves::{Column, Entity};
    let query = Entity::find()
        .filter(Column::NotificationUuid.eq(notification.as_str()))
        .apply_if(of.kind, |q, kind| q.filter(Column::Kind.eq(kind.as_str())))
        .apply_if(of.status, |q, status| q.filter(Column::Status.eq(status.as_str())));
    paged(&sql.db, query, page).await?.into_iter().map(rows::vmove).collect()
}

pub(super) async fn vmove(sql: &Sql, uuid: &VMoveId) -> Result<Option<VMove>, Trouble> {
    use vmoves::{Column, Entity};
    let live = Entity::find().filter(Column::Deleted.eq(0));
    let row = live.filter(Column::Uuid.eq(uuid.as_str())).one(&sql.db).await?;
    row.map(rows::vmove).transpose()
}
