//! Lists as the API asks for them: sorted by columns, and the page after a marker.

use super::trouble::Trouble;
use crate::{Order, Page, rules};
use sea_orm::{
    ColumnTrait, ColumnType, Condition, DatabaseConnection, DbBackend, EntityTrait, ExprTrait,
    IntoSimpleExpr, ModelTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value,
    sea_query::{CaseStatement, Expr, NullOrdering},
};
use std::str::FromStr;

/// The rows of `query` that are not deleted, sorted, cut to `page`.
pub(super) async fn paged<E>(
    db: &DatabaseConnection,
    query: Select<E>,
    page: &Page,
) -> Result<Vec<E::Model>, Trouble>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    match page_of(db, query, page).await? {
        Some(query) => Ok(query.all(db).await?),
        None => Ok(Vec::new()),
    }
}

/// The query for them; nothing if there is nothing to ask for.
pub(super) async fn page_of<E>(
    db: &DatabaseConnection,
    query: Select<E>,
    page: &Page,
) -> Result<Option<Select<E>>, Trouble>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    if page.limit == Some(0) {
        return Ok(None);
    }
    let live = column::<E>("deleted")?.eq(0);
    let mut sort = Vec::new();
    for (key, order) in rules::sort_of(page) {
        sort.push((column::<E>(key)?, order));
    }
    let mut query = query.filter(live.clone()).limit(page.limit);
    if let Some(marker) = page.marker {
        let marked = E::find().filter(live).filter(column::<E>("id")?.eq(marker)).one(db).await?;
        let marked = marked.ok_or_else(|| rules::no_marker(marker))?;
        query = query.filter(after(db.get_database_backend(), &marked, &sort));
    }
    for (column, order) in sort {
        let order = match order {
            Order::Ascending => sea_orm::Order::Asc,
            Order::Descending => sea_orm::Order::Desc,
        };
        let by = sortable(db.get_database_backend(), column);
        query = match (db.get_database_backend(), &order) {
            // PostgreSQL has nothing (NULL) last, the others first.
            (DbBackend::Postgres, sea_orm::Order::Asc) => {
                query.order_by_with_nulls(by, order, NullOrdering::First)
            }
            (DbBackend::Postgres, _) => query.order_by_with_nulls(by, order, NullOrdering::Last),
            (_, _) => query.order_by(by, order),
        };
    }
    Ok(Some(query))
}

fn column<E: EntityTrait>(key: &str) -> Result<E::Column, Trouble> {
    E::Column::from_str(key).map_err(|_| rules::no_sort_key(key).into())
}

/// The column as what it is sorted by: words in the order of their declaration, as MySQL sorts an ENUM.
/// It compares one as text, though, and pages would not meet; so numbers are sorted and compared.
fn sortable(backend: DbBackend, column: impl ColumnTrait) -> Expr {
    let expr = column.into_simple_expr();
    let def = column.def();
    let ColumnType::Enum { variants, .. } = def.get_column_type() else { return expr };
    let as_text = expr.cast_as(if backend == DbBackend::MySql { "char" } else { "text" });
    let places = (0_i32..).zip(variants).fold(CaseStatement::new(), |case, (place, word)| {
        case.case(as_text.clone().eq(word.to_string()), place)
    });
    places.into()
}

/// What stands in `marked`, as [`sortable`] has it.
fn sorted_by<M: ModelTrait>(marked: &M, column: <M::Entity as EntityTrait>::Column) -> Value {
    let value = marked.get(column);
    let def = column.def();
    let ColumnType::Enum { variants, .. } = def.get_column_type() else { return value };
    let Value::String(Some(word)) = &value else { return value };
    let place = variants.iter().position(|known| known.to_string() == *word);
    place.and_then(|place| i32::try_from(place).ok()).into()
}

/// What comes after `marked`: greater in the first key, or equal there and greater in the second,
/// and so on. Nothing (NULL) comes before anything.
fn after<M: ModelTrait>(
    backend: DbBackend,
    marked: &M,
    sort: &[(<M::Entity as EntityTrait>::Column, Order)],
) -> Condition {
    let mut any = Condition::any();
    let mut equal_so_far = Condition::all();
    for (column, order) in sort {
        let value = sorted_by(marked, *column);
        let nothing = value == value.as_null();
        let cell = || sortable(backend, *column);
        let greater = match (order, nothing) {
            (Order::Ascending, true) => Some(cell().is_not_null()),
            (Order::Ascending, false) => Some(cell().gt(value.clone())),
            (Order::Descending, true) => None,
            (Order::Descending, false) => Some(cell().lt(value.clone()).or(cell().is_null())),
        };
        if let Some(greater) = greater {
            any = any.add(equal_so_far.clone().add(greater));
        }
        equal_so_far = equal_so_far.add(equal(cell(), value, nothing));
    }
    any
}

fn equal(cell: Expr, value: Value, nothing: bool) -> Expr {
    if nothing { cell.is_null() } else { cell.eq(value) }
}
