//! What OpenStack's oslo libraries mean by their files: oslo.config's INI dialect, oslo.policy's
//! rules, and the database URLs of SQLAlchemy that oslo.db reads.
//!
//! This is a leaf: it does not know what Masakari is. Parsing is pure (text in, values and findings
//! out); files are read through one small door, [`config::gather`] and [`policy::read_overrides`].
//! The dialects were fixed by asking the Python originals (oslo.config 10, oslo.policy 6,
//! SQLAlchemy 2); the answers stand in the tests as tables. Where we are stricter than they are,
//! the module says so and why.

pub mod config;
pub mod database_url;
mod door;
pub mod policy;
mod secret;

pub use door::ReadError;
pub use secret::Secret;
