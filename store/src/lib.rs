//! Remembers: the only room that knows SQL.
//!
//! The four tables of Masakari keep the names, columns and types that its newest migration gives
//! them, so that an existing database is adopted in place and exporters that read it go on
//! working. What we add (leases, logs, evidence, requests, fingerprints) lives in tables of our own
//! whose names begin with `ha_`.
//!
//! Everybody else sees [`Store`]: whole transactions with a meaning, not queries. The SQL
//! implementation and the memory one, which the simulator uses, pass one suite.

mod error;
mod listed;
mod memory;
mod port;
mod rules;
#[cfg(feature = "sql")]
mod sql;

pub use error::StoreError;
pub use listed::{Listed, NotificationList};
pub use memory::{Gate, Memory};
pub use port::{
    Accepted, Away, Claim, HostFilter, HostUpdate, NewHost, NewNotification, NewSegment,
    NotificationFilter, OldMessage, OldTask, OpenRecovery, Order, Page, SegmentFilter,
    SegmentUpdate, Sort, Store, VMoveFilter, Words,
};
pub use rules::GUARD;
#[cfg(feature = "sql")]
pub use sql::{Purged, Sql, SqlOptions};
