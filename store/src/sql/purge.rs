//! `masakari-manage db purge`: what is old goes, a bounded batch at a time.
//!
//! Which rows are old is Python's rule: notifications that ended and were last changed before, and
//! of the other tables what was deleted before. What we keep of a notification goes with it,
//! the log of a host when nothing is left of its losses, and those of drains and fence tests that are over.
//! A recovery that has not ended keeps everything.

use super::{
    Sql, identities,
    ours::{
        deaths, evidence, fence_checks, fingerprints, guests, history, leases, log, recoveries,
        requests, restarts, returns, stops,
    },
    rows, sightings,
    theirs::{
        hosts,
        notifications::{self, Status},
        segments, vmoves,
    },
    trouble::Trouble,
};
use crate::StoreError;
use recovery::{Millis, NotificationId, lease::LeaseKey, request::RequestState};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

/// So many rows in one transaction.
const BATCH: u64 = 500;

/// How many rows went.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Purged {
    pub hosts: u64,
    pub vmoves: u64,
    pub notifications: u64,
    pub segments: u64,
}

impl Purged {
    #[must_use]
    pub fn total(&self) -> u64 {
        self.hosts + self.vmoves + self.notifications + self.segments
    }
}

impl Sql {
    /// Removes what is older than `before`, at most `rows_most` rows of Masakari's tables.
    ///
    /// # Errors
    /// When the database does not answer; what went before that is gone.
    pub async fn purge(
        &self,
        before: Millis,
        rows_most: Option<u64>,
    ) -> Result<Purged, StoreError> {
        let mut purged = Purged::default();
        // As in Python: what refers to others goes before them.
        for table in [Table::Hosts, Table::VMoves, Table::Notifications, Table::Segments] {
            let mut after = 0;
            loop {
                let left = rows_most.map_or(u64::MAX, |most| most - purged.total());
                if left == 0 {
                    return Ok(purged);
                }
                let some = Batch { table, before, after, most: BATCH.min(left) };
                let Some((last, gone)) = self.repeat("purging", |_| one(self, some)).await? else {
                    break;
                };
                after = last;
                *table.count(&mut purged) += gone;
            }
        }
        while self.repeat("purging old evidence", |_| old_evidence(self, before)).await? > 0 {}
        while self.repeat("purging old requests", |_| old_requests(self, before)).await? > 0 {}
        while self.repeat("purging old returns", |_| old_returns(self, before)).await? > 0 {}
        while self.repeat("purging old logs", |_| other_logs(self, before)).await? > 0 {}
        self.repeat("purging old fence checks", |_| old_fence_checks(self, before)).await?;
        self.repeat("purging which machines hosts were", |_| identities::purge(self, before))
            .await?;
        while self.repeat("purging what guests answered", |_| old_guests(self, before)).await? > 0 {
        }
        self.repeat("purging old signs of life", |_| sightings::purge(self, before)).await?;
        while self.repeat("purging leases of servers", |_| servers_leases(self)).await? > 0 {}
        Ok(purged)
    }
}

#[derive(Clone, Copy)]
enum Table {
    Hosts,
    VMoves,
    Notifications,
    Segments,
}

impl Table {
    fn count(self, purged: &mut Purged) -> &mut u64 {
        match self {
            Self::Hosts => &mut purged.hosts,
            Self::VMoves => &mut purged.vmoves,
            Self::Notifications => &mut purged.notifications,
            Self::Segments => &mut purged.segments,
        }
    }
}

/// The rows of a table from `after` on.
#[derive(Clone, Copy)]
struct Batch {
    table: Table,
    before: Millis,
    after: i32,
    most: u64,
}

/// The last row of the batch and how many of it went; `None` at the end of the table.
async fn one(sql: &Sql, batch: Batch) -> Result<Option<(i32, u64)>, Trouble> {
    let before = rows::naive(batch.before);
    match batch.table {
        Table::Hosts => {
            let old = Condition::all().add(hosts::Column::DeletedAt.lt(before));
            deleted::<hosts::Entity>(sql, batch, hosts::Column::Id, old).await
        }
        Table::VMoves => {
            let old = Condition::all().add(vmoves::Column::DeletedAt.lt(before));
            deleted::<vmoves::Entity>(sql, batch, vmoves::Column::Id, old).await
        }
        Table::Segments => {
            let used = hosts::Entity::find()
                .select_only()
                .column(hosts::Column::FailoverSegmentId)
                .into_query();
            let old = Condition::all()
                .add(segments::Column::DeletedAt.lt(before))
                .add(segments::Column::Uuid.not_in_subquery(used));
            deleted::<segments::Entity>(sql, batch, segments::Column::Id, old).await
        }
        Table::Notifications => ended(sql, batch).await,
    }
}

async fn deleted<E: EntityTrait>(
    sql: &Sql,
    batch: Batch,
    id: E::Column,
    old: Condition,
) -> Result<Option<(i32, u64)>, Trouble> {
    let open = sql.begin().await?;
    let ids: Vec<i32> = E::find()
        .select_only()
        .column(id)
        .filter(id.gt(batch.after))
        .filter(old)
        .order_by_asc(id)
        .limit(batch.most)
        .into_tuple()
        .all(&*open)
        .await?;
    let Some(last) = ids.last().copied() else { return Ok(None) };
    let gone = E::delete_many().filter(id.is_in(ids)).exec(&*open).await?.rows_affected;
    open.commit().await?;
    Ok(Some((last, gone)))
}

/// Notifications that have ended, with all that we keep of them.
async fn ended(sql: &Sql, batch: Batch) -> Result<Option<(i32, u64)>, Trouble> {
    use notifications::{Column, Entity};
    let open = sql.begin().await?;
    let old: Vec<(i32, String)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::NotificationUuid])
        .filter(Column::Id.gt(batch.after))
        .filter(Column::Status.is_in([Status::Finished, Status::Failed, Status::Ignored]))
        .filter(Column::UpdatedAt.lt(rows::naive(batch.before)))
        .order_by_asc(Column::Id)
        .limit(batch.most)
        .into_tuple()
        .all(&*open)
        .await?;
    let Some((last, _)) = old.last() else { return Ok(None) };
    let last = *last;
    let uuids: Vec<&str> = old.iter().map(|(_, uuid)| uuid.as_str()).collect();
    let unfinished = recoveries::Entity::find()
        .filter(recoveries::Column::Notification.is_in(uuids))
        .filter(recoveries::Column::ClosedMs.is_null())
        .all(&*open)
        .await?;
    let done = |(_, uuid): &&(i32, String)| unfinished.iter().all(|r| r.notification != *uuid);
    let (ids, uuids): (Vec<i32>, Vec<String>) = old.iter().filter(done).cloned().unzip();
    forget(&*open, &ids, &uuids).await?;
    let gone = Entity::delete_many().filter(Column::Id.is_in(ids)).exec(&*open).await?;
    open.commit().await?;
    Ok(Some((last, gone.rows_affected)))
}

/// Removes what our tables hold of these notifications.
async fn forget(db: &impl ConnectionTrait, ids: &[i32], uuids: &[String]) -> Result<(), Trouble> {
    if ids.is_empty() {
        return Ok(());
    }
    let keys = uuids.iter().map(|uuid| LeaseKey::recovery(&NotificationId::new(uuid)));
    let keys: Vec<String> = keys.map(|key| key.as_str().to_owned()).collect();
    let uuids = || uuids.iter().map(String::as_str);
    log::Entity::delete_many().filter(log::Column::Recovery.is_in(uuids())).exec(db).await?;
    leases::Entity::delete_many().filter(leases::Column::LeaseKey.is_in(keys)).exec(db).await?;
    let slots = fingerprints::Column::Notification.is_in(uuids());
    fingerprints::Entity::delete_many().filter(slots).exec(db).await?;
    let closed = recoveries::Column::Notification.is_in(uuids());
    recoveries::Entity::delete_many().filter(closed).exec(db).await?;
    let restarted = restarts::Column::Notification.is_in(uuids());
    restarts::Entity::delete_many().filter(restarted).exec(db).await?;
    let died = deaths::Column::Notification.is_in(uuids());
    deaths::Entity::delete_many().filter(died).exec(db).await?;
    let indexed = history::Column::Id.is_in(ids.iter().copied());
    history::Entity::delete_many().filter(indexed).exec(db).await?;
    Ok(())
}

/// Evidence of hosts of which nothing is open.
async fn old_evidence(sql: &Sql, before: Millis) -> Result<u64, Trouble> {
    use evidence::{Column, Entity};
    let open = sql.begin().await?;
    let at_work = recoveries::Entity::find()
        .filter(recoveries::Column::ClosedMs.is_null())
        .select_only()
        .column(recoveries::Column::SourceHost)
        .into_query();
    let at_work: Vec<String> = hosts::Entity::find()
        .select_only()
        .column(hosts::Column::Name)
        .filter(hosts::Column::Uuid.in_subquery(at_work))
        .into_tuple()
        .all(&*open)
        .await?;
    let ids: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::AtMs.lt(before.0))
        .filter(Column::Host.is_not_in(at_work))
        .order_by_asc(Column::Id)
        .limit(BATCH)
        .into_tuple()
        .all(&*open)
        .await?;
    let gone = Entity::delete_many().filter(Column::Id.is_in(ids)).exec(&*open).await?;
    open.commit().await?;
    Ok(gone.rows_affected)
}

/// Requests that were answered.
async fn old_requests(sql: &Sql, before: Millis) -> Result<u64, Trouble> {
    use requests::{Column, Entity};
    let open = sql.begin().await?;
    let ids: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.ne(rows::state_word(RequestState::Open)))
        .filter(Column::CreatedMs.lt(before.0))
        .order_by_asc(Column::CreatedMs)
        .limit(BATCH)
        .into_tuple()
        .all(&*open)
        .await?;
    let gone = Entity::delete_many().filter(Column::Id.is_in(ids)).exec(&*open).await?;
    open.commit().await?;
    Ok(gone.rows_affected)
}

/// Hosts that are back since.
async fn old_returns(sql: &Sql, before: Millis) -> Result<u64, Trouble> {
    use returns::{Column, Entity};
    let open = sql.begin().await?;
    let ids: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Recovery)
        .filter(Column::ClosedMs.lt(before.0))
        .order_by_asc(Column::ClosedMs)
        .limit(BATCH)
        .into_tuple()
        .all(&*open)
        .await?;
    let gone = Entity::delete_many().filter(Column::Recovery.is_in(ids)).exec(&*open).await?;
    open.commit().await?;
    Ok(gone.rows_affected)
}

/// The logs that belong to no recovery: of hosts of which nothing is left that they were lost, of drains and of fence
/// tests that are over.
async fn other_logs(sql: &Sql, before: Millis) -> Result<u64, Trouble> {
    use log::{Column, Entity};
    let open = sql.begin().await?;
    let lost = returns::Entity::find().select_only().column(returns::Column::Host).into_query();
    let of_recoveries = recoveries::Entity::find()
        .select_only()
        .column(recoveries::Column::Notification)
        .into_query();
    let going_on = stops::Entity::find()
        .select_only()
        .column(stops::Column::Id)
        .filter(stops::Column::EndedMs.is_null())
        .filter(stops::Column::UntilMs.gte(before.0))
        .into_query();
    let unanswered = requests::Entity::find()
        .select_only()
        .column(requests::Column::Id)
        .filter(requests::Column::State.eq(rows::state_word(RequestState::Open)))
        .into_query();
    let young = Entity::find()
        .select_only()
        .column(Column::Recovery)
        .filter(Column::AtMs.gte(before.0))
        .into_query();
    let logs: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Recovery)
        .filter(Column::Seq.eq(1))
        .filter(Column::Recovery.not_in_subquery(of_recoveries))
        .filter(Column::Recovery.not_in_subquery(lost))
        .filter(Column::Recovery.not_in_subquery(going_on))
        .filter(Column::Recovery.not_in_subquery(unanswered))
        .filter(Column::Recovery.not_in_subquery(young))
        .order_by_asc(Column::Recovery)
        .limit(BATCH)
        .into_tuple()
        .all(&*open)
        .await?;
    let keys = logs.iter().map(|log| LeaseKey::recovery(&NotificationId::new(log)));
    let keys: Vec<String> = keys.map(|key| key.as_str().to_owned()).collect();
    let gone = logs.len() as u64;
    Entity::delete_many().filter(Column::Recovery.is_in(logs)).exec(&*open).await?;
    leases::Entity::delete_many().filter(leases::Column::LeaseKey.is_in(keys)).exec(&*open).await?;
    open.commit().await?;
    Ok(gone)
}

/// Of hosts that are deleted: the others' are young, or made anew.
async fn old_fence_checks(sql: &Sql, before: Millis) -> Result<(), Trouble> {
    use fence_checks::{Column, Entity};
    Entity::delete_many().filter(Column::AtMs.lt(before.0)).exec(&sql.db).await?;
    Ok(())
}

/// What was said of guests: it is of use for as long as a recovery starts them in order.
async fn old_guests(sql: &Sql, before: Millis) -> Result<u64, Trouble> {
    use guests::{Column, Entity};
    let old: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Server)
        .filter(Column::AtMs.lt(before.0))
        .order_by_asc(Column::AtMs)
        .limit(BATCH)
        .into_tuple()
        .all(&sql.db)
        .await?;
    // One that was said anew since then stays.
    let all = Entity::delete_many().filter(Column::AtMs.lt(before.0));
    let gone = all.filter(Column::Server.is_in(old)).exec(&sql.db).await?;
    Ok(gone.rows_affected)
}

/// Leases of single servers that nobody holds, of which there is one for each that ever failed. Who
/// held one can do nothing with it after this: every write compares the owner with a row.
async fn servers_leases(sql: &Sql) -> Result<u64, Trouble> {
    use leases::{Column, Entity};
    let open = sql.begin().await?;
    let free = || Condition::all().add(Column::Owner.is_null());
    let keys: Vec<String> = Entity::find()
        .select_only()
        .column(Column::LeaseKey)
        .filter(free().add(Column::LeaseKey.starts_with(LeaseKey::OF_SERVERS)))
        .order_by_asc(Column::LeaseKey)
        .limit(BATCH)
        .into_tuple()
        .all(&*open)
        .await?;
    // One that was taken since then is no longer free.
    let all = Entity::delete_many().filter(free().add(Column::LeaseKey.is_in(keys)));
    let gone = all.exec(&*open).await?;
    open.commit().await?;
    Ok(gone.rows_affected)
}
