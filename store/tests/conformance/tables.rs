//! Masakari's tables on MariaDB, to the letter: what `SHOW CREATE TABLE` says after the migrations
//! of Python Masakari have run.

use crate::doors::{self, connect};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};

#[tokio::test]
async fn masakaris_tables_are_what_its_own_migrations_make() {
    let Some(url) = doors::mariadb_url().await else { return };
    connect(&url).await.sync().await.unwrap();
    let db = Database::connect(&url).await.unwrap();
    let mut made = String::new();
    for table in ["failover_segments", "hosts", "notifications", "vmoves"] {
        let show = format!("SHOW CREATE TABLE {table}");
        let row = db.query_one_raw(Statement::from_string(DbBackend::MySql, show)).await;
        made += &row.unwrap().unwrap().try_get::<String>("", "Create Table").unwrap();
        made += "\n";
    }
    assert_eq!(made, include_str!("masakari_tables.sql"));
    let revision = "SELECT version_num FROM masakari_alembic_version";
    let row = db.query_one_raw(Statement::from_string(DbBackend::MySql, revision)).await;
    let revision: String = row.unwrap().unwrap().try_get("", "version_num").unwrap();
    assert_eq!(revision, "13adff5efb9a");
}
