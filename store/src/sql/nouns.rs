//! Segments and hosts.

use super::{
    Sql,
    paged::{page_of, paged},
    recoveries, returns, rows, small,
    theirs::{hosts, segments},
    trouble::{Past, Trouble},
};
use crate::{
    HostFilter, HostUpdate, NewHost, NewSegment, Page, SegmentFilter, SegmentUpdate, StoreError,
    rules,
};
use chrono::NaiveDateTime;
use recovery::{
    HostId, HostName, SegmentId,
    nouns::{Host, Segment},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect, QueryTrait, Set, sea_query::Expr,
};

pub(super) async fn segments(
    sql: &Sql,
    of: &SegmentFilter,
    page: &Page,
) -> Result<Vec<Segment>, Trouble> {
    use segments::{Column, Entity, Method};
    let query = Entity::find()
        .apply_if(of.recovery_method, |q, method| {
            q.filter(Column::RecoveryMethod.eq(Method::from(method)))
        })
        .apply_if(of.service_type.as_ref(), |q, service| q.filter(Column::ServiceType.eq(service)))
        .apply_if(of.enabled, |q, enabled| q.filter(Column::Enabled.eq(enabled)));
    let Some(query) = page_of(&sql.db, query, page).await? else { return Ok(Vec::new()) };
    let found: Vec<Listed> = query.select_only().columns(LISTED).into_tuple().all(&sql.db).await?;
    Ok(found.into_iter().map(|listed| rows::segment(row_of(listed))).collect())
}

/// What a list shows, read by place: to find each column by its name costs more than all the rest.
const LISTED: [segments::Column; 9] = {
    use segments::Column;
    [
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::Id,
        Column::Uuid,
        Column::Name,
        Column::ServiceType,
        Column::Description,
        Column::RecoveryMethod,
        Column::Enabled,
    ]
};
type Listed = (
    Option<NaiveDateTime>,
    Option<NaiveDateTime>,
    i32,
    String,
    String,
    String,
    Option<String>,
    segments::Method,
    Option<bool>,
);

fn row_of(listed: Listed) -> segments::Model {
    let (created_at, updated_at, id, uuid, name, service_type, ..) = listed;
    let (.., description, recovery_method, enabled) = listed;
    segments::Model {
        created_at,
        updated_at,
        deleted_at: None,
        deleted: Some(0),
        id,
        uuid,
        name,
        service_type,
        description,
        recovery_method,
        enabled,
    }
}

pub(super) async fn segment_row(
    db: &impl ConnectionTrait,
    uuid: &SegmentId,
) -> Result<Option<segments::Model>, Trouble> {
    use segments::{Column, Entity};
    let live = Entity::find().filter(Column::Deleted.eq(0));
    Ok(live.filter(Column::Uuid.eq(uuid.as_str())).one(db).await?)
}

pub(super) async fn create_segment(sql: &Sql, new: &NewSegment) -> Result<Segment, Trouble> {
    let open = sql.begin().await?;
    if let Some(there) = segment_row(&*open, &new.uuid).await? {
        return Ok(rows::segment(there));
    }
    no_segment_named(&*open, &new.name).await?;
    let row = segments::ActiveModel {
        created_at: Set(Some(rows::naive(new.now))),
        deleted: Set(Some(0)),
        uuid: Set(new.uuid.as_str().into()),
        name: Set(new.name.clone()),
        service_type: Set(new.service_type.clone()),
        description: Set(new.description.clone()),
        recovery_method: Set(new.recovery_method.into()),
        enabled: Set(Some(new.enabled)),
        ..Default::default()
    };
    let row = row.insert(&*open).await?;
    open.commit().await?;
    Ok(rows::segment(row))
}

async fn no_segment_named(db: &impl ConnectionTrait, name: &str) -> Result<(), Trouble> {
    use segments::{Column, Entity};
    let live = Entity::find().filter(Column::Deleted.eq(0));
    match live.filter(Column::Name.eq(name)).one(db).await? {
        Some(_) => Err(StoreError::Exists { noun: rules::SEGMENT, name: name.into() }.into()),
        None => Ok(()),
    }
}

pub(super) async fn update_segment(
    sql: &Sql,
    uuid: &SegmentId,
    change: &SegmentUpdate,
) -> Result<Segment, Trouble> {
    let open = sql.begin().await?;
    let there = segment_row(&*open, uuid).await?.ok_or_else(|| rules::no_segment(uuid))?;
    if recoveries::in_use(&*open, uuid).await? {
        return Err(rules::segment_in_use(uuid).into());
    }
    if let Some(name) = change.name.as_ref().filter(|name| **name != there.name) {
        no_segment_named(&*open, name).await?;
    }
    let mut row = there.clone().into_active_model();
    set(&mut row.name, change.name.clone());
    set(&mut row.service_type, change.service_type.clone());
    set(&mut row.description, change.description.clone());
    set(&mut row.recovery_method, change.recovery_method.map(Into::into));
    set(&mut row.enabled, change.enabled.map(Some));
    if !row.is_changed() {
        return Ok(rows::segment(there));
    }
    row.updated_at = Set(Some(rows::naive(change.now)));
    let row = row.update(&*open).await?;
    open.commit().await?;
    Ok(rows::segment(row))
}

/// What is there already is no change, and moves no `updated_at`.
fn set<T: Into<sea_orm::Value> + PartialEq>(column: &mut sea_orm::ActiveValue<T>, to: Option<T>) {
    if let Some(value) = to
        && column.try_as_ref() != Some(&value)
    {
        *column = Set(value);
    }
}

pub(super) async fn delete_segment(sql: &Sql, uuid: &SegmentId, past: Past) -> Result<(), Trouble> {
    let open = sql.begin().await?;
    if segment_row(&*open, uuid).await?.is_none() {
        return gone(past, || rules::no_segment(uuid));
    }
    if recoveries::in_use(&*open, uuid).await? {
        return Err(rules::segment_in_use(uuid).into());
    }
    let now = rows::naive(sql.clock.wall());
    segments::Entity::update_many()
        .filter(segments::Column::Uuid.eq(uuid.as_str()))
        .col_expr(segments::Column::Deleted, Expr::col(segments::Column::Id))
        .col_expr(segments::Column::DeletedAt, Expr::value(now))
        .exec(&*open)
        .await?;
    let hosts = hosts::Column::FailoverSegmentId.eq(uuid.as_str());
    delete_hosts(sql, &*open, hosts).await?;
    open.commit().await
}

/// What it means that there is nothing to delete: that we did it, when we may have.
fn gone(past: Past, missing: impl Fn() -> StoreError) -> Result<(), Trouble> {
    match past {
        Past::Clean => Err(missing().into()),
        Past::Unsure => Ok(()),
    }
}

/// Deletes as Python does: `deleted` becomes the id, so that the name is free again.
async fn delete_hosts(sql: &Sql, db: &impl ConnectionTrait, which: Expr) -> Result<(), Trouble> {
    use hosts::{Column, Entity};
    let now = rows::naive(sql.clock.wall());
    returns::forget(db, which.clone()).await?;
    Entity::update_many()
        .filter(which)
        .filter(Column::Deleted.eq(0))
        .col_expr(Column::Deleted, Expr::col(Column::Id))
        .col_expr(Column::DeletedAt, Expr::value(now))
        .exec(db)
        .await?;
    Ok(())
}

pub(super) async fn hosts(
    sql: &Sql,
    segment: &SegmentId,
    of: &HostFilter,
    page: &Page,
) -> Result<Vec<Host>, Trouble> {
    use hosts::{Column, Entity};
    let query = Entity::find()
        .filter(Column::FailoverSegmentId.eq(segment.as_str()))
        .apply_if(of.name.as_ref(), |q, name| q.filter(Column::Name.eq(name)))
        .apply_if(of.kind.as_ref(), |q, kind| q.filter(Column::Kind.eq(kind)))
        .apply_if(of.control_attributes.as_ref(), |q, text| {
            q.filter(Column::ControlAttributes.eq(text))
        })
        .apply_if(of.on_maintenance, |q, on| q.filter(Column::OnMaintenance.eq(on)))
        .apply_if(of.reserved, |q, reserved| q.filter(Column::Reserved.eq(reserved)));
    let found = paged(&sql.db, query, page).await?;
    Ok(found.into_iter().map(rows::host).collect())
}

pub(super) async fn host_row(
    db: &impl ConnectionTrait,
    uuid: &HostId,
) -> Result<Option<hosts::Model>, Trouble> {
    use hosts::{Column, Entity};
    let live = Entity::find().filter(Column::Deleted.eq(0));
    Ok(live.filter(Column::Uuid.eq(uuid.as_str())).one(db).await?)
}

pub(super) async fn host_named_row(
    db: &impl ConnectionTrait,
    name: &HostName,
) -> Result<Option<hosts::Model>, Trouble> {
    use hosts::{Column, Entity};
    let live = Entity::find().filter(Column::Deleted.eq(0));
    Ok(live.filter(Column::Name.eq(name.as_str())).one(db).await?)
}

async fn no_host_named(db: &impl ConnectionTrait, name: &HostName) -> Result<(), Trouble> {
    match host_named_row(db, name).await? {
        Some(_) => Err(StoreError::Exists { noun: rules::HOST, name: name.as_str().into() }.into()),
        None => Ok(()),
    }
}

pub(super) async fn create_host(sql: &Sql, new: &NewHost) -> Result<Host, Trouble> {
    let open = sql.begin().await?;
    if let Some(there) = host_row(&*open, &new.uuid).await? {
        return Ok(rows::host(there));
    }
    if segment_row(&*open, &new.segment).await?.is_none() {
        return Err(rules::no_segment(&new.segment).into());
    }
    no_host_named(&*open, &new.name).await?;
    let row = hosts::ActiveModel {
        created_at: Set(Some(rows::naive(new.now))),
        deleted: Set(Some(0)),
        uuid: Set(new.uuid.as_str().into()),
        name: Set(new.name.as_str().into()),
        reserved: Set(Some(new.reserved)),
        kind: Set(new.kind.clone()),
        control_attributes: Set(new.control_attributes.clone()),
        failover_segment_id: Set(new.segment.as_str().into()),
        on_maintenance: Set(Some(new.on_maintenance)),
        ..Default::default()
    };
    let row = row.insert(&*open).await?;
    open.commit().await?;
    Ok(rows::host(row))
}

pub(super) async fn update_host(
    sql: &Sql,
    uuid: &HostId,
    change: &HostUpdate,
) -> Result<Host, Trouble> {
    let open = sql.begin().await?;
    let there = host_row(&*open, uuid).await?.ok_or_else(|| rules::no_host(uuid))?;
    if recoveries::in_use(&*open, &SegmentId::new(&there.failover_segment_id)).await? {
        return Err(rules::host_in_use(uuid).into());
    }
    if let Some(name) = change.name.as_ref().filter(|name| name.as_str() != there.name) {
        no_host_named(&*open, name).await?;
    }
    let mut row = there.clone().into_active_model();
    set(&mut row.name, change.name.as_ref().map(|name| name.as_str().into()));
    set(&mut row.kind, change.kind.clone());
    set(&mut row.control_attributes, change.control_attributes.clone());
    set(&mut row.reserved, change.reserved.map(Some));
    set(&mut row.on_maintenance, change.on_maintenance.map(Some));
    if let Some(on_maintenance) = change.on_maintenance {
        small::forget_maintenance(&*open, uuid).await?;
        returns::said(&*open, uuid, on_maintenance).await?;
    }
    let row = if row.is_changed() {
        row.updated_at = Set(Some(rows::naive(change.now)));
        row.update(&*open).await?
    } else {
        there
    };
    open.commit().await?;
    Ok(rows::host(row))
}

pub(super) async fn delete_host(sql: &Sql, uuid: &HostId, past: Past) -> Result<(), Trouble> {
    let open = sql.begin().await?;
    let Some(there) = host_row(&*open, uuid).await? else {
        return gone(past, || rules::no_host(uuid));
    };
    if recoveries::in_use(&*open, &SegmentId::new(there.failover_segment_id)).await? {
        return Err(rules::host_in_use(uuid).into());
    }
    delete_hosts(sql, &*open, hosts::Column::Uuid.eq(uuid.as_str())).await?;
    open.commit().await
}
