//! Evidence and requests.

use super::{
    Sql,
    ours::{
        evidence,
        requests::{Column, Entity},
    },
    rows,
    trouble::{Past, Trouble},
};
use crate::rules;
use recovery::{
    HostName,
    evidence::Evidence,
    request::{Request, RequestState},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};

pub(super) async fn evidence_of(sql: &Sql, host: &HostName) -> Result<Vec<Evidence>, Trouble> {
    let newest_first = evidence::Entity::find()
        .filter(evidence::Column::Host.eq(host.as_str()))
        .order_by_desc(evidence::Column::AtMs)
        .order_by_desc(evidence::Column::Id)
        .limit(rules::EVIDENCE_SHOWN as u64)
        .all(&sql.db)
        .await?;
    newest_first.into_iter().rev().map(rows::evidence).collect()
}

pub(super) async fn file(sql: &Sql, request: &Request) -> Result<(), Trouble> {
    let open = sql.begin().await?;
    if let Some(there) = Entity::find_by_id(&request.id).one(&*open).await? {
        return Ok(rules::filed_again(&rows::request(there)?, request)?);
    }
    let row = rows::new_request(request).into_active_model();
    Entity::insert(row).exec_without_returning(&*open).await?;
    open.commit().await
}

pub(super) async fn request(sql: &Sql, id: &str) -> Result<Option<Request>, Trouble> {
    Entity::find_by_id(id).one(&sql.db).await?.map(rows::request).transpose()
}

pub(super) async fn open_requests(sql: &Sql, limit: u32) -> Result<Vec<Request>, Trouble> {
    let open = Entity::find()
        .filter(Column::State.eq(rows::state_word(RequestState::Open)))
        .order_by_asc(Column::CreatedMs)
        .order_by_asc(Column::Id)
        .limit(u64::from(limit))
        .all(&sql.db)
        .await?;
    open.into_iter().map(rows::request).collect()
}

/// Answers an open request that its act grants; `false`: it is not open.
pub(super) async fn grant(
    db: &impl ConnectionTrait,
    id: &str,
    answer: &str,
) -> Result<bool, Trouble> {
    set_answer(db, id, RequestState::Done, answer).await
}

async fn set_answer(
    db: &impl ConnectionTrait,
    id: &str,
    state: RequestState,
    answer: &str,
) -> Result<bool, Trouble> {
    let answered = Entity::update_many()
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(rows::state_word(RequestState::Open)))
        .col_expr(Column::State, Expr::value(rows::state_word(state)))
        .col_expr(Column::Answer, Expr::value(answer))
        .exec(db)
        .await?;
    Ok(answered.rows_affected > 0)
}

/// Evidence is only ever added.
pub(super) async fn say_again(sql: &Sql, said: &Evidence, after_ms: i64) -> Result<bool, Trouble> {
    use evidence::{Column, Entity};
    let open = sql.begin().await?;
    let young = Entity::find()
        .filter(Column::Host.eq(said.host.as_str()))
        .filter(Column::Kind.eq(said.kind.as_str()))
        .filter(Column::AtMs.gt(said.at.plus(-after_ms).0))
        .one(&*open)
        .await?;
    if young.is_some() {
        return Ok(false);
    }
    add_evidence(&*open, said).await?;
    open.commit().await?;
    Ok(true)
}

pub(super) async fn add_evidence(
    db: &impl ConnectionTrait,
    brought: &Evidence,
) -> Result<(), Trouble> {
    evidence::Entity::insert(rows::new_evidence(brought)).exec_without_returning(db).await?;
    Ok(())
}

pub(super) async fn answer(
    sql: &Sql,
    id: &str,
    state: RequestState,
    answer: &str,
    brought: Option<&Evidence>,
    past: Past,
) -> Result<bool, Trouble> {
    let open = sql.begin().await?;
    if !set_answer(&*open, id, state, answer).await? {
        let there = Entity::find_by_id(id).one(&*open).await?;
        // The answer that stands there may be the one that we could not tell was written.
        let ours = |row: &super::ours::requests::Model| {
            row.state == rows::state_word(state) && row.answer.as_deref() == Some(answer)
        };
        return Ok(past == Past::Unsure && there.as_ref().is_some_and(ours));
    }
    if let Some(brought) = brought {
        add_evidence(&*open, brought).await?;
    }
    open.commit().await?;
    Ok(true)
}
