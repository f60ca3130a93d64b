//! oslo.db's options.

use oslo::config::{Kind, Opt};

use super::why::PYTHON;

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
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "connection_parameters", Kind::Str)
        .default("")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "connection_recycle_time", Kind::INT)
        .default("3600")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "connection_trace", Kind::Bool)
        .default("false")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "db_inc_retry_interval", Kind::Bool)
        .default("true")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "db_max_retries", Kind::INT)
        .default("20")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "db_max_retry_interval", Kind::INT)
        .default("10")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "db_retry_interval", Kind::INT)
        .default("1")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "max_retries", Kind::INT)
        .default("10")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "mysql_sql_mode", Kind::Str)
        .default("TRADITIONAL")
        .ignored("the mode is strict"),
    Opt::new("database", "mysql_wsrep_sync_wait", Kind::INT)
        .ignored("all nodes of Galera are asked to be current before what depends on it"),
    Opt::new("database", "pool_timeout", Kind::INT)
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
    Opt::new("database", "retry_interval", Kind::INT)
        .default("10")
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
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
        .ignored("the pool keeps what it needs, and whole transactions are repeated within bounds"),
];
