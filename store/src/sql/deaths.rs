//! Which hosts died with which server on them: written beside the VM moves, because Masakari's table of them
//! has no index for the question.

use super::{
    Sql,
    ours::deaths::{Column, Entity, Model},
    trouble::Trouble,
};
use crate::rules;
use recovery::{
    HostName, Millis, NotificationId, ServerId,
    nouns::{VMove, VMoveStatus, VMoveType},
    quarantine::Death,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};

/// So many servers in one statement; its parameters are bounded.
const AT_ONCE: usize = 500;
/// Of so many servers so many deaths are told: the newest.
const DEATHS_MOST: u64 = 10_000;

pub(super) async fn of(
    sql: &Sql,
    servers: &[ServerId],
    since: Millis,
    but: &NotificationId,
) -> Result<Vec<Death>, Trouble> {
    let mut deaths = Vec::new();
    for servers in servers.chunks(AT_ONCE) {
        let rows = Entity::find()
            .filter(Column::Server.is_in(servers.iter().map(ServerId::as_str)))
            .filter(Column::AtMs.gte(since.0))
            .filter(Column::Notification.ne(but.as_str()))
            .order_by_desc(Column::AtMs)
            .order_by_desc(Column::Vmove)
            .limit(DEATHS_MOST)
            .all(&sql.db)
            .await?;
        deaths.extend(rows.into_iter().map(|row| Death {
            server: ServerId::new(row.server),
            host: HostName::new(row.host),
            at: Millis(row.at_ms),
            moved: row.moved,
        }));
    }
    rules::in_order_of_death(&mut deaths);
    Ok(deaths)
}

/// Notes the moves of which a host's death is the reason.
pub(super) async fn note(
    db: &impl ConnectionTrait,
    moves: &[&VMove],
    at: Millis,
) -> Result<(), Trouble> {
    let rows: Vec<_> = moves
        .iter()
        .filter(|vmove| vmove.kind == VMoveType::Evacuation)
        .map(|vmove| {
            let row = Model {
                vmove: vmove.uuid.as_str().into(),
                notification: vmove.notification.as_str().into(),
                server: vmove.server.as_str().into(),
                host: vmove.source_host.as_str().into(),
                at_ms: at.0,
                moved: vmove.status == VMoveStatus::Succeeded,
            };
            row.into_active_model()
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    // The moment stays that of the plan.
    let changed = OnConflict::column(Column::Vmove).update_column(Column::Moved).to_owned();
    Entity::insert_many(rows).on_conflict(changed).exec_without_returning(db).await?;
    Ok(())
}
