//! Lists as the API asks for them: sorted by columns, and a page of them.

use crate::{Order, Page, StoreError, rules};
use recovery::{
    Millis,
    nouns::{Host, Notification, NotificationStatus, RecoveryMethod, Segment, VMove},
};
use std::{cmp::Ordering, collections::BTreeMap};

/// What stands in a column; nothing comes before anything, as on MySQL and SQLite.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Null,
    Number(i64),
    Text(String),
}

/// A column, by its name in Masakari's tables.
type Column<R> = (&'static str, fn(&R) -> Cell);

/// A row that can be sorted by its columns.
pub(super) trait Row: Clone + 'static {
    const COLUMNS: &'static [Column<Self>];
}

/// The rows that are `wanted`, sorted, cut to `page`.
pub(super) fn paged<R: Row>(
    rows: &BTreeMap<i64, R>,
    wanted: impl Fn(&&R) -> bool,
    page: &Page,
) -> Result<Vec<R>, StoreError> {
    let mut sort = Vec::new();
    for (key, order) in rules::sort_of(page) {
        let column = R::COLUMNS.iter().find(|(name, _)| *name == key);
        sort.push((column.ok_or_else(|| rules::no_sort_key(key))?.1, order));
    }
    let compare = |a: &R, b: &R| {
        sort.iter().fold(Ordering::Equal, |so_far, (cell, order)| {
            so_far.then_with(|| match order {
                Order::Ascending => cell(a).cmp(&cell(b)),
                Order::Descending => cell(b).cmp(&cell(a)),
            })
        })
    };
    let last = match page.marker {
        Some(marker) => Some(rows.get(&marker).ok_or_else(|| rules::no_marker(marker))?),
        None => None,
    };
    let mut found: Vec<&R> = rows.values().filter(wanted).collect();
    found.retain(|row| last.is_none_or(|last| compare(row, last) == Ordering::Greater));
    found.sort_by(|a, b| compare(a, b));
    let limit = page.limit.map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX));
    Ok(found.into_iter().take(limit).cloned().collect())
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

fn number(number: impl Into<i64>) -> Cell {
    Cell::Number(number.into())
}

fn time(at: Option<Millis>) -> Cell {
    at.map_or(Cell::Null, |at| Cell::Number(at.0))
}

fn optional(value: Option<&str>) -> Cell {
    value.map_or(Cell::Null, text)
}

/// MySQL sorts the words of an ENUM in the order of its declaration.
fn place<W: PartialEq>(declared: &[W], word: &W) -> Cell {
    let place = declared.iter().position(|known| known == word);
    place.and_then(|place| i64::try_from(place).ok()).map_or(Cell::Null, Cell::Number)
}

impl Row for Segment {
    const COLUMNS: &'static [Column<Self>] = &[
        ("id", |s| number(s.id)),
        ("uuid", |s| text(s.uuid.as_str())),
        ("name", |s| text(&s.name)),
        ("service_type", |s| text(&s.service_type)),
        ("enabled", |s| number(s.enabled)),
        ("description", |s| optional(s.description.as_deref())),
        ("recovery_method", |s| place(RecoveryMethod::ALL, &s.recovery_method)),
        ("created_at", |s| time(s.created_at)),
        ("updated_at", |s| time(s.updated_at)),
        ("deleted_at", |_| Cell::Null),
        ("deleted", |_| number(0)),
    ];
}

impl Row for Host {
    const COLUMNS: &'static [Column<Self>] = &[
        ("id", |h| number(h.id)),
        ("uuid", |h| text(h.uuid.as_str())),
        ("name", |h| text(h.name.as_str())),
        ("reserved", |h| number(h.reserved)),
        ("type", |h| text(&h.kind)),
        ("control_attributes", |h| text(&h.control_attributes)),
        ("on_maintenance", |h| number(h.on_maintenance)),
        ("failover_segment_id", |h| text(h.segment.as_str())),
        ("created_at", |h| time(h.created_at)),
        ("updated_at", |h| time(h.updated_at)),
        ("deleted_at", |_| Cell::Null),
        ("deleted", |_| number(0)),
    ];
}

impl Row for Notification {
    const COLUMNS: &'static [Column<Self>] = &[
        ("id", |n| number(n.id)),
        ("notification_uuid", |n| text(n.uuid.as_str())),
        ("generated_time", |n| time(Some(n.generated_time))),
        ("type", |n| text(n.kind.as_str())),
        ("payload", |n| text(&n.payload)),
        ("status", |n| place(NotificationStatus::ALL, &n.status)),
        ("source_host_uuid", |n| text(n.source_host.as_str())),
        ("failover_segment_uuid", |n| text(n.segment.as_str())),
        ("message", |n| optional(n.message.as_deref())),
        ("created_at", |n| time(n.created_at)),
        ("updated_at", |n| time(n.updated_at)),
        ("deleted_at", |_| Cell::Null),
        ("deleted", |_| number(0)),
    ];
}

impl Row for VMove {
    const COLUMNS: &'static [Column<Self>] = &[
        ("id", |v| number(v.id)),
        ("uuid", |v| text(v.uuid.as_str())),
        ("notification_uuid", |v| text(v.notification.as_str())),
        ("instance_uuid", |v| text(v.server.as_str())),
        ("instance_name", |v| text(&v.server_name)),
        ("source_host", |v| text(v.source_host.as_str())),
        ("dest_host", |v| optional(v.dest_host.as_ref().map(|host| host.as_str()))),
        ("start_time", |v| time(v.started_at)),
        ("end_time", |v| time(v.ended_at)),
        ("type", |v| text(v.kind.as_str())),
        ("status", |v| text(v.status.as_str())),
        ("message", |v| optional(v.message.as_deref())),
        ("created_at", |v| time(v.created_at)),
        ("updated_at", |v| time(v.updated_at)),
        ("deleted_at", |_| Cell::Null),
        ("deleted", |_| number(0)),
    ];
}
