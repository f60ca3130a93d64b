//! Lists as the API asks for them: sorted by columns, and the page after a marker.

use super::trouble::Trouble;
use crate::{Order, Page, rules};
use sea_orm::{
    ColumnTrait, ColumnType, Condition, DatabaseConnection, DbBackend, EntityTrait, ExprTrait,
    IntoSimpleExpr, ModelTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value,
    sea_query::{CaseStatement, Expr, Func, NullOrdering},
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
    Ok(Some(sorted(db.get_database_backend(), query, &sort)))
}

/// Nothing (NULL) comes before anything.
pub(super) fn sorted<E: EntityTrait>(
    backend: DbBackend,
    mut query: Select<E>,
    sort: &[(E::Column, Order)],
) -> Select<E> {
    for (column, order) in sort {
        let by = sortable(backend, *column);
        // PostgreSQL has it last otherwise.
        let (order, nothing) = match order {
            Order::Ascending => (sea_orm::Order::Asc, NullOrdering::First),
            Order::Descending => (sea_orm::Order::Desc, NullOrdering::Last),
        };
        query = match backend {
            DbBackend::Postgres => query.order_by_with_nulls(by, order, nothing),
            _ => query.order_by(by, order),
        };
    }
    query
}

pub(super) fn column<E: EntityTrait>(key: &str) -> Result<E::Column, Trouble> {
    E::Column::from_str(key).map_err(|_| rules::no_sort_key(key).into())
}

/// The column as what it is sorted by: words in the order of their declaration, as MySQL sorts an ENUM.
/// It compares one as text, though, and pages would not meet; so numbers are sorted and compared.
fn sortable(backend: DbBackend, column: impl ColumnTrait) -> Expr {
    let expr = column.into_simple_expr();
    let def = column.def();
    let ColumnType::Enum { variants, .. } = def.get_column_type() else {
        return comparable(backend, column, expr);
    };
    let as_text = expr.cast_as(if backend == DbBackend::MySql { "char" } else { "text" });
    let places = (0_i32..).zip(variants).fold(CaseStatement::new(), |case, (place, word)| {
        case.case(as_text.clone().eq(word.to_string()), place)
    });
    places.into()
}

/// SQLite keeps moments as text, and SQLAlchemy writes them with a fraction.
fn comparable(backend: DbBackend, column: impl ColumnTrait, expr: Expr) -> Expr {
    match (column.def().get_column_type(), backend) {
        (ColumnType::DateTime, DbBackend::Sqlite) => Func::cust("datetime").arg(expr).into(),
        (_, _) => expr,
    }
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
pub(super) fn after<M: ModelTrait>(
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
        let against = || comparable(backend, *column, Expr::val(value.clone()));
        let greater = match (order, nothing) {
            (Order::Ascending, true) => Some(cell().is_not_null()),
            (Order::Ascending, false) => Some(cell().gt(against())),
            (Order::Descending, true) => None,
            (Order::Descending, false) => Some(cell().lt(against()).or(cell().is_null())),
        };
        if let Some(greater) = greater {
            any = any.add(equal_so_far.clone().add(greater));
        }
        equal_so_far = equal_so_far.add(match nothing {
            true => cell().is_null(),
            false => cell().eq(against()),
        });
    }
    any
}
