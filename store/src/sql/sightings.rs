//! Signs of life that were told of hosts: of each host and each kind of sign the newest one, in whatever order they come.

use super::{
    Sql,
    ours::sightings::{Column, Entity, Model},
    rows,
    trouble::Trouble,
};
use recovery::{
    HostName, Millis,
    evidence::{Sighting, Sign},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait, OnConflict},
};

pub(super) async fn keep(db: &impl ConnectionTrait, sighting: &Sighting) -> Result<(), Trouble> {
    let Sighting { host, at, what } = sighting;
    let (host, sign) = (host.as_str().to_owned(), what.as_str().to_owned());
    let row = Model { host, sign, at_ms: at.0 }.into_active_model();
    // One that was slow to be written is not what the host showed last.
    let kept = Expr::col((Entity, Column::AtMs));
    let newest = Expr::case(kept.clone().lt(at.0), at.0).finally(kept);
    let again =
        OnConflict::columns([Column::Host, Column::Sign]).value(Column::AtMs, newest).to_owned();
    Entity::insert(row).on_conflict(again).exec_without_returning(db).await?;
    Ok(())
}

pub(super) async fn of(sql: &Sql, host: &HostName) -> Result<Vec<Sighting>, Trouble> {
    let rows = Entity::find()
        .filter(Column::Host.eq(host.as_str()))
        .order_by_asc(Column::Sign)
        .all(&sql.db)
        .await?;
    rows.into_iter().map(sighting).collect()
}

fn sighting(row: Model) -> Result<Sighting, Trouble> {
    let what = rows::word(Sign::from_word, &row.sign, "sign of life")?;
    Ok(Sighting { host: HostName::new(row.host), at: Millis(row.at_ms), what })
}

/// What is old says nothing of a loss that is still open: whatever is evidence of that is younger.
pub(super) async fn purge(sql: &Sql, before: Millis) -> Result<(), Trouble> {
    Entity::delete_many().filter(Column::AtMs.lt(before.0)).exec(&sql.db).await?;
    Ok(())
}
