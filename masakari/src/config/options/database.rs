//! oslo.db's options.

use oslo::config::{Kind, Opt};

use super::why::PYTHON;

/// Masakari marks no function for oslo.db's own retries, so that these do nothing in Python either.
const REPEATED: &str = "whole transactions are repeated within bounds";

pub(super) const OPTIONS: &[Opt] = &[
    Opt::new("database", "connection", Kind::Secret)
        .help("SQLAlchemy's URL of the database; SQLite in state_path if it is not set"),
    Opt::new("database", "max_pool_size", Kind::at_least(1))
        .default("5")
        .help("Connections to the database that a process may have"),
    Opt::new("database", "max_overflow", Kind::INT)
        .default("50")
        .help("How many more it may have when all are in use"),
    Opt::new("database", "asyncio_connection", Kind::Secret).ignored(PYTHON),
    Opt::new("database", "asyncio_slave_connection", Kind::Secret).ignored(PYTHON),
    Opt::new("database", "backend", Kind::Str).default("sqlalchemy").ignored(PYTHON),
    Opt::new("database", "connection_debug", Kind::Int { min: 0, max: 100 })
        .default("0")
        .ignored("statements are not logged"),
    Opt::new("database", "connection_parameters", Kind::Str)
        .default("")
        .help("More parameters of the URL, as if they stood at its end: name=value&name=value"),
    Opt::new("database", "connection_recycle_time", Kind::INT)
        .default("3600")
        .help("Seconds after which a connection that nobody uses is replaced; -1 for never"),
    Opt::new("database", "connection_trace", Kind::Bool)
        .default("false")
        .ignored("statements are not logged"),
    Opt::new("database", "db_inc_retry_interval", Kind::Bool)
        .default("true")
        .ignored(REPEATED),
    Opt::new("database", "db_max_retries", Kind::INT)
        .default("20")
        .ignored(REPEATED),
    Opt::new("database", "db_max_retry_interval", Kind::INT)
        .default("10")
        .ignored(REPEATED),
    Opt::new("database", "db_retry_interval", Kind::INT)
        .default("1")
        .ignored(REPEATED),
    Opt::new("database", "max_retries", Kind::INT)
        .default("10")
        .help("How often `db sync` asks a server that is not there yet; -1 for no end"),
    Opt::new("database", "mysql_sql_mode", Kind::Str)
        .default("TRADITIONAL")
        .ignored("the mode is strict"),
    Opt::new("database", "mysql_wsrep_sync_wait", Kind::INT)
        .help("What else than reads waits until a node of Galera is current, by its bits; reads always do"),
    Opt::new("database", "pool_timeout", Kind::INT)
        .help("Seconds to wait for a free connection; 5 if it is not set"),
    Opt::new("database", "retry_interval", Kind::INT)
        .default("10")
        .help("Seconds between two of these"),
    Opt::new("database", "slave_connection", Kind::Secret)
        .ignored("reads must see the last write, so all go to connection"),
    Opt::new("database", "sqlite_synchronous", Kind::Bool)
        .default("true")
        .ignored("SQLite writes to the disk at each commit"),
    Opt::new("database", "synchronous_reader", Kind::Bool)
        .default("true")
        .ignored("all reads see the last write"),
    Opt::new("database", "use_db_reconnect", Kind::Bool)
        .default("false")
        .ignored(REPEATED),
];
