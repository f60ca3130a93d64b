//! Which guest agents were said to answer, where and when: of each server the last word.

use super::{
    Sql,
    ours::guests::{Column, Entity, Model},
    sightings,
    trouble::Trouble,
};
use recovery::{
    HostName, Millis, ServerId,
    evidence::{Sighting, Sign},
    tiers::GuestHeard,
};
use sea_orm::{EntityTrait, IntoActiveModel, sea_query::OnConflict};

/// Rows of one statement: each has three values, and SQLite takes at most 32,766.
const ROWS_MOST: usize = 500;

pub(super) async fn answer(
    sql: &Sql,
    host: &HostName,
    servers: &[ServerId],
    at: Millis,
) -> Result<(), Trouble> {
    // In one order, and each once: those who write the same rows at once do not wait for each other.
    let mut servers: Vec<&str> = servers.iter().map(ServerId::as_str).collect();
    servers.sort_unstable();
    servers.dedup();
    for some in servers.chunks(ROWS_MOST) {
        let row = |server: &&str| {
            let (server, host) = ((*server).to_owned(), host.as_str().to_owned());
            Model { server, host, at_ms: at.0 }.into_active_model()
        };
        let again = OnConflict::column(Column::Server)
            .update_columns([Column::Host, Column::AtMs])
            .to_owned();
        let insert = Entity::insert_many(some.iter().map(row)).on_conflict(again);
        insert.exec_without_returning(&sql.db).await?;
    }
    if servers.is_empty() {
        return Ok(());
    }
    sightings::keep(&sql.db, &Sighting { host: host.clone(), at, what: Sign::GuestAnswers }).await
}

pub(super) async fn one(sql: &Sql, server: &ServerId) -> Result<Option<GuestHeard>, Trouble> {
    let row = Entity::find_by_id(server.as_str()).one(&sql.db).await?;
    Ok(row.map(|row| GuestHeard { host: HostName::new(row.host), at: Millis(row.at_ms) }))
}
