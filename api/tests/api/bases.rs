//! Fresh databases for the replays: in memory, SQLite, and those servers that `store/tests/on-databases.sh`
//! started.

use ports::{SystemClock, SystemEntropy};
use sea_orm::{ConnectionTrait, Database};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use store::{Memory, Sql, SqlOptions, Store};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    MariaDb,
    PostgreSql,
}

/// One with Masakari's tables, and nothing in them.
pub(crate) struct Base {
    pub(crate) store: Arc<dyn Store>,
    _folder: Option<tempfile::TempDir>,
}

impl Kind {
    /// Those whose URL a variable tells.
    pub(crate) fn servers() -> Vec<Self> {
        let all = [Self::MariaDb, Self::PostgreSql];
        all.into_iter()
            .filter(|kind| kind.variable().is_some_and(|v| server(v).is_some()))
            .collect()
    }

    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Memory | Self::Sqlite => None,
            Self::MariaDb => Some("STORE_MYSQL_URL"),
            Self::PostgreSql => Some("STORE_POSTGRESQL_URL"),
        }
    }

    pub(crate) async fn fresh(self) -> Base {
        let at = self.variable().and_then(server).unwrap_or_default();
        let name = fresh_name();
        match self {
            Self::Memory => Base { store: Arc::new(Memory::new()), _folder: None },
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}/ha.sqlite?mode=rwc", folder.path().display());
                Base { store: Arc::new(synced(&url).await), _folder: Some(folder) }
            }
            Self::MariaDb => {
                // The character set of most clouds' databases.
                make(&at, &format!("CREATE DATABASE {name} CHARACTER SET utf8mb3")).await;
                Base { store: Arc::new(synced(&format!("{at}/{name}")).await), _folder: None }
            }
            Self::PostgreSql => {
                make(&format!("{at}/postgres"), &format!("CREATE DATABASE {name}")).await;
                Base { store: Arc::new(synced(&format!("{at}/{name}")).await), _folder: None }
            }
        }
    }
}

fn server(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tells the suite which server it may use")]
    std::env::var(variable).ok()
}

fn fresh_name() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("api_{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

async fn make(at: &str, statement: &str) {
    let root = Database::connect(at).await.expect("the named server answers");
    root.execute_unprepared(statement).await.unwrap();
    root.close().await.unwrap();
}

async fn synced(url: &str) -> Sql {
    let options = SqlOptions {
        acquire_timeout: Duration::from_secs(30),
        ..SqlOptions::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new().unwrap()))
    };
    let sql = Sql::connect(url, options).await.unwrap();
    sql.sync().await.unwrap();
    sql
}
