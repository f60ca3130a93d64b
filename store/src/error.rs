//! What can go wrong with the database, by what the caller does about it.

use recovery::lease::LeaseKey;

/// Why the database did not do it.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    /// It is away, or answers nothing that can be understood. Nothing may be assumed.
    #[error("the database does not answer ({doing})")]
    Away { doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// Others wrote the same rows, again and again.
    #[error("the database is too busy ({doing}): {tries} tries met other writers each time")]
    Busy { doing: &'static str, tries: u32 },
    /// Another owner has the lease: whatever was meant, it must not be done any more.
    #[error("the lease {key} belongs to another engine now")]
    LeaseLost { key: LeaseKey },
    /// There is already one of that name.
    #[error("a {noun} named {name} exists")]
    Exists { noun: &'static str, name: String },
    /// There is none.
    #[error("no {noun} {id} could be found")]
    NotFound { noun: &'static str, id: String },
    /// Work is going on that the change would disturb.
    #[error("{noun} {id} is in use to process notifications")]
    InUse { noun: &'static str, id: String },
    /// A row holds what no version wrote that we know.
    #[error("the database holds something that cannot be read: {what}")]
    Unreadable { what: String },
    /// It is not a shadow's, who would write there.
    #[error("this database is not a shadow's: {what}; name a file that does not exist yet")]
    Foreign { what: String },
    /// The schema is older or newer than this program.
    #[error(
        "the database's schema does not fit this program: {what}; run `masakari-manage db sync`"
    )]
    Schema { what: String },
}
