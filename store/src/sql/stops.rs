//! Planned stops: one stands of a host at a time.

use super::{
    Sql, guard,
    ours::stops::{self, Column, Entity},
    trouble::Trouble,
};
use crate::{StoreError, rules};
use recovery::{
    HostName, Millis,
    stops::{Kind, Stop},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};

/// Those that nobody has ended, and that last longer than `at`.
pub(super) async fn standing(
    db: &impl ConnectionTrait,
    at: Millis,
    limit: u32,
) -> Result<Vec<Stop>, Trouble> {
    let rows = Entity::find()
        .filter(Column::EndedMs.is_null())
        .filter(Column::UntilMs.gt(at.0))
        .order_by_asc(Column::Host)
        .order_by_asc(Column::Id)
        .limit(u64::from(limit))
        .all(db)
        .await?;
    rows.into_iter().map(stop).collect()
}

fn stop(row: stops::Model) -> Result<Stop, Trouble> {
    let kind = Kind::from_word(&row.kind).ok_or_else(|| StoreError::Unreadable {
        what: format!("planned stop {} is of the kind '{}'", row.id, row.kind),
    })?;
    Ok(Stop {
        id: row.id,
        host: HostName::new(row.host),
        kind,
        by: row.who,
        why: row.reason,
        at: Millis(row.at_ms),
        until: Millis(row.until_ms),
    })
}

pub(super) async fn plan(sql: &Sql, new: &Stop) -> Result<(), Trouble> {
    let open = sql.begin().await?;
    // The guard's row first: those who plan at once do so one after the other, and whoever read the guard before is late.
    guard::raise(&*open, None).await?;
    // The same again, whose answer was lost.
    if Entity::find_by_id(&new.id).one(&*open).await?.is_some() {
        return Ok(());
    }
    end_those(&*open, &new.host, &new.by, new.at).await?;
    let old = new.at.plus(-rules::RESTARTS_KEPT_MS);
    Entity::delete_many().filter(Column::UntilMs.lt(old.0)).exec(&*open).await?;
    let row = stops::Model {
        id: new.id.clone(),
        host: new.host.as_str().into(),
        kind: new.kind.as_str().into(),
        who: new.by.clone(),
        reason: new.why.clone(),
        at_ms: new.at.0,
        until_ms: new.until.0,
        ended_ms: None,
        ended_by: None,
    };
    Entity::insert(row.into_active_model()).exec_without_returning(&*open).await?;
    open.commit().await
}

async fn end_those(
    db: &impl ConnectionTrait,
    host: &HostName,
    by: &str,
    at: Millis,
) -> Result<(), Trouble> {
    Entity::update_many()
        .filter(Column::Host.eq(host.as_str()))
        .filter(Column::EndedMs.is_null())
        .col_expr(Column::EndedMs, Expr::value(at.0))
        .col_expr(Column::EndedBy, Expr::value(by))
        .exec(db)
        .await?;
    Ok(())
}

pub(super) async fn end(
    sql: &Sql,
    host: &HostName,
    by: &str,
    at: Millis,
) -> Result<Option<Stop>, Trouble> {
    let open = sql.begin().await?;
    guard::raise(&*open, None).await?;
    end_those(&*open, host, by, at).await?;
    // The same again, whose answer was lost, finds what it ended then.
    let ended = Entity::find()
        .filter(Column::Host.eq(host.as_str()))
        .filter(Column::EndedMs.eq(at.0))
        .filter(Column::EndedBy.eq(by))
        .filter(Column::UntilMs.gt(at.0))
        .one(&*open)
        .await?;
    open.commit().await?;
    ended.map(stop).transpose()
}
