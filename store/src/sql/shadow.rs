//! Whose a database is: a shadow's, by which nobody may act, or not.
//!
//! A shadow's is a file of SQLite that bears a mark from its first moment on (`PRAGMA application_id`). So nothing
//! that is only tried is ever written to Python Masakari's database, whatever a configuration says, and no engine
//! takes what was mirrored for what was reported to it.

use super::{
    Sql, SqlOptions,
    schema::{one, run},
};
use crate::StoreError;
use sea_orm::DbBackend;
use std::{fs::File, io::Read, path::Path};

/// "msKS".
const MARK: u32 = 0x6d73_4b53;
/// Where a file of SQLite has it (fileformat2.html, 1.3): big-endian.
const MARK_AT: usize = 68;

impl Sql {
    /// Opens the shadow's database in the file at `path`, or makes it. A file that is not a shadow's is not even opened
    /// as a database, which could change it.
    ///
    /// # Errors
    /// When it is not a shadow's, or cannot be opened.
    pub async fn shadow(path: &Path, options: SqlOptions) -> Result<Self, StoreError> {
        let foreign = |what: String| StoreError::Foreign { what };
        let name = path.to_str().filter(|name| !name.contains(['?', '#', '%']));
        let name = name.ok_or_else(|| foreign("its name has one of ? # %, or no text".into()))?;
        let mark = mark_of(path).map_err(|e| foreign(format!("{name} cannot be read: {e}")))?;
        if mark.is_some_and(|mark| mark != MARK) {
            return Err(foreign(format!("{name} was not made by one")));
        }
        let sql = Self::connect(&format!("sqlite://{name}?mode=rwc"), options).await?;
        if mark.is_none() {
            sql.repeat("marking the database of a shadow", |_| async {
                run(&sql.db, &format!("PRAGMA application_id = {MARK}")).await?;
                // Into the file itself, where the next one looks.
                run(&sql.db, "PRAGMA wal_checkpoint(TRUNCATE)").await
            })
            .await?;
        }
        Ok(sql)
    }

    /// Whether it is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_a_shadow(&self) -> Result<bool, StoreError> {
        if self.db.get_database_backend() != DbBackend::Sqlite {
            return Ok(false);
        }
        self.repeat("reading whose the database is", |_| async {
            let row =
                one(&self.db, "SELECT application_id AS mark FROM pragma_application_id").await?;
            let mark: Option<i64> = row.map(|row| row.try_get("", "mark")).transpose()?;
            Ok(mark == Some(i64::from(MARK)))
        })
        .await
    }
}

/// The mark that a file bears; none: there is no file, or nothing in it.
fn mark_of(path: &Path) -> std::io::Result<Option<u32>> {
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut head)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    if head.is_empty() {
        return Ok(None);
    }
    let mark = head.get(MARK_AT..MARK_AT + 4).and_then(|bytes| bytes.try_into().ok());
    Ok(Some(mark.map_or(0, u32::from_be_bytes)))
}
