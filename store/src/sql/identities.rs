//! Which machine each host is and in which boot, as its agent said last.

use super::{
    Sql,
    ours::identities::{Column, Entity, Model},
    trouble::Trouble,
};
use recovery::{
    HostName, Millis,
    identity::{Identified, Identity},
};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::OnConflict};

/// Two agents of one name are a mistake of whoever installed them: the last word of either is kept, and nothing is
/// locked for them.
pub(super) async fn keep(
    sql: &Sql,
    host: &HostName,
    identity: &Identity,
    at: Millis,
) -> Result<(), Trouble> {
    let known = one(sql, host).await?;
    let Identified { identity, booted_by, at } =
        Identified::told(known.as_ref(), identity.clone(), at);
    let Identity { boot, uuid, serial } = identity;
    let host = host.as_str().to_owned();
    let row = Model { host, boot, uuid, serial, booted_ms: booted_by.0, at_ms: at.0 };
    let columns = [Column::Boot, Column::Uuid, Column::Serial, Column::BootedMs, Column::AtMs];
    let again = OnConflict::column(Column::Host).update_columns(columns).to_owned();
    let insert = Entity::insert(row.into_active_model()).on_conflict(again);
    insert.exec_without_returning(&sql.db).await?;
    Ok(())
}

pub(super) async fn one(sql: &Sql, host: &HostName) -> Result<Option<Identified>, Trouble> {
    let row = Entity::find_by_id(host.as_str()).one(&sql.db).await?;
    Ok(row.map(|row| {
        let Model { host: _, boot, uuid, serial, booted_ms, at_ms } = row;
        let identity = Identity { boot, uuid, serial };
        Identified { identity, booted_by: Millis(booted_ms), at: Millis(at_ms) }
    }))
}

/// Of hosts whose agents are gone: the others' are young.
pub(super) async fn purge(sql: &Sql, before: Millis) -> Result<(), Trouble> {
    Entity::delete_many().filter(Column::AtMs.lt(before.0)).exec(&sql.db).await?;
    Ok(())
}
