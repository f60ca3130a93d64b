//! What the last look at each host's fence devices came to.

use super::{
    Sql,
    ours::fence_checks::{Column, Entity, Model},
    trouble::Trouble,
    unreadable,
};
use recovery::{
    HostId, Millis,
    readiness::{Check, Readiness, Rung},
};
use sea_orm::{EntityTrait, IntoActiveModel, QueryOrder, sea_query::OnConflict};

pub(super) async fn all(sql: &Sql) -> Result<Vec<Check>, Trouble> {
    let rows = Entity::find().order_by_asc(Column::Host).all(&sql.db).await?;
    rows.into_iter().map(read).collect()
}

pub(super) async fn keep(sql: &Sql, check: &Check) -> Result<(), Trouble> {
    let row = Model {
        host: check.host.as_str().into(),
        at_ms: check.at.0,
        since_ms: check.since.0,
        readiness: check.readiness.as_str().into(),
        // Texts and truths: writing them does not fail.
        found: serde_json::to_string(&check.found).unwrap_or_default(),
    };
    let again = OnConflict::column(Column::Host)
        .update_columns([Column::AtMs, Column::SinceMs, Column::Readiness, Column::Found])
        .to_owned();
    let insert = Entity::insert(row.into_active_model()).on_conflict(again);
    insert.exec_without_returning(&sql.db).await?;
    Ok(())
}

fn read(row: Model) -> Result<Check, Trouble> {
    let odd = |what: &str| unreadable(format!("the fence check of host {}: {what}", row.host));
    let found: Result<Vec<Rung>, String> =
        serde_json::from_str(&row.found).map_err(|error| odd(&error.to_string()))?;
    Ok(Check {
        readiness: Readiness::from_word(&row.readiness).ok_or_else(|| odd(&row.readiness))?,
        host: HostId::new(&row.host),
        at: Millis(row.at_ms),
        since: Millis(row.since_ms),
        found,
    })
}
