//! Leases: compare and set, without locks and without clocks.

use super::{
    Sql,
    ours::leases::{Column, Entity, Model},
    rows, stored,
    trouble::Trouble,
};
use crate::{Claim, rules};
use recovery::lease::{Lease, LeaseKey, LeaseRow, Owner};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QueryOrder, UpdateMany, sea_query::Expr,
};

/// So many leases in one statement; its parameters are bounded.
const AT_ONCE: usize = 200;

pub(super) async fn rows(
    db: &impl ConnectionTrait,
    keys: &[LeaseKey],
) -> Result<Vec<LeaseRow>, Trouble> {
    let mut found = Vec::new();
    for keys in keys.chunks(AT_ONCE) {
        let keys = Column::LeaseKey.is_in(keys.iter().map(LeaseKey::as_str));
        found.extend(Entity::find().filter(keys).all(db).await?);
    }
    let mut found: Vec<LeaseRow> = found.into_iter().map(rows::lease).collect();
    let place = |row: &LeaseRow| keys.iter().position(|key| *key == row.key);
    found.sort_by_cached_key(place);
    Ok(found)
}

/// Takes all of `claims` or, by rolling back, none.
pub(super) async fn take(
    sql: &Sql,
    claims: &[Claim],
    owner: &Owner,
) -> Result<Option<Vec<Lease>>, Trouble> {
    let open = sql.begin().await?;
    let keys: Vec<LeaseKey> = claims.iter().map(|claim| claim.key.clone()).collect();
    let there = rows(&*open, &keys).await?;
    let row = |key: &LeaseKey| there.iter().find(|row| row.key == *key);
    let leases = rules::leases_for(claims, owner);
    let is_ours = |lease: &Lease| row(&lease.key).is_some_and(|row| rules::holds(row, lease));
    if leases.iter().all(is_ours) {
        return Ok(Some(leases));
    }
    let as_seen =
        |claim: &Claim| row(&claim.key).map(|row| (row.generation, row.beat)) == claim.seen;
    if !claims.iter().all(as_seen) {
        return Ok(None);
    }
    let mut pairs: Vec<(&Claim, &Lease)> = claims.iter().zip(&leases).collect();
    // In one order everywhere, so that two takers do not wait for each other.
    pairs.sort_by_key(|(claim, _)| &claim.key);
    for (claim, lease) in pairs {
        take_one(&*open, claim, lease).await?;
    }
    open.commit().await?;
    Ok(Some(leases))
}

/// Takes one lease as it was just seen. When somebody was quicker, and that may have been an earlier
/// try of ours, the next try looks who.
async fn take_one(db: &impl ConnectionTrait, claim: &Claim, lease: &Lease) -> Result<(), Trouble> {
    let Some((generation, beat)) = claim.seen else {
        let row = Model {
            lease_key: lease.key.as_str().into(),
            owner: Some(lease.owner.0.clone()),
            generation: stored(lease.generation),
            beat: 0,
        };
        Entity::insert(row.into_active_model()).exec_without_returning(db).await?;
        return Ok(());
    };
    let taken = Entity::update_many()
        .filter(Column::LeaseKey.eq(claim.key.as_str()))
        .filter(Column::Generation.eq(stored(generation)))
        .filter(Column::Beat.eq(stored(beat)))
        .col_expr(Column::Owner, Expr::value(lease.owner.0.as_str()))
        .col_expr(Column::Generation, Expr::value(stored(lease.generation)))
        .col_expr(Column::Beat, Expr::col(Column::Beat).add(1))
        .exec(db)
        .await?;
    if taken.rows_affected == 1 { Ok(()) } else { Err(Trouble::Conflict) }
}

/// These rows, where they are still ours.
fn ours(leases: &[Lease]) -> Condition {
    leases.iter().fold(Condition::any(), |any, lease| {
        any.add(
            Condition::all()
                .add(Column::LeaseKey.eq(lease.key.as_str()))
                .add(Column::Owner.eq(lease.owner.0.as_str()))
                .add(Column::Generation.eq(stored(lease.generation))),
        )
    })
}

fn bump(leases: &[Lease]) -> UpdateMany<Entity> {
    let beat = Expr::col(Column::Beat).add(1);
    Entity::update_many().filter(ours(leases)).col_expr(Column::Beat, beat)
}

/// Renews `lease` within a transaction; `false` when it is not ours any more.
pub(super) async fn touch(db: &impl ConnectionTrait, lease: &Lease) -> Result<bool, Trouble> {
    // The beat changes, so the count of rows is the same whether a database counts rows that were
    // found or rows that were changed.
    Ok(bump(std::slice::from_ref(lease)).exec(db).await?.rows_affected == 1)
}

pub(super) async fn renew(sql: &Sql, leases: &[Lease]) -> Result<Vec<Lease>, Trouble> {
    let mut still_ours = Vec::new();
    for leases in leases.chunks(AT_ONCE) {
        let open = sql.begin().await?;
        bump(leases).exec(&*open).await?;
        let rows = Entity::find().filter(ours(leases)).order_by_asc(Column::LeaseKey);
        let rows = rows.all(&*open).await?;
        open.commit().await?;
        let kept = |lease: &&Lease| rows.iter().any(|row| row.lease_key == lease.key.as_str());
        still_ours.extend(leases.iter().filter(kept).cloned());
    }
    Ok(still_ours)
}

pub(super) async fn release(sql: &Sql, leases: &[Lease]) -> Result<(), Trouble> {
    for leases in leases.chunks(AT_ONCE) {
        let open = sql.begin().await?;
        Entity::update_many()
            .filter(ours(leases))
            .col_expr(Column::Owner, Expr::value(None::<String>))
            .exec(&*open)
            .await?;
        open.commit().await?;
    }
    Ok(())
}
