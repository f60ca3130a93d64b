//! Which parts log from which level on.

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;

/// Our counterparts of what Python Masakari is made of.
const COUNTERPARTS: [(&str, &[&str]); 4] = [
    ("sqlalchemy", &["sqlx", "sea_orm", "sea_orm_migration"]),
    ("urllib3.connectionpool", &["hyper", "hyper_util", "reqwest", "rustls", "h2"]),
    ("masakari", &["api", "engine", "masakari", "openstack", "oslo", "ports", "recovery", "store"]),
    ("masakarimonitors", &["monitor", "masakari", "openstack", "oslo", "ports"]),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) debug: bool,
    /// Python's name of a logger, and its level.
    pub(crate) parts: Vec<(String, LevelFilter)>,
}

/// A name or a number of Python's.
pub(crate) fn level_named(word: &str) -> Option<LevelFilter> {
    if let Ok(number) = word.trim().parse::<i64>() {
        return Some(match number {
            ..=5 => LevelFilter::TRACE,
            6..=10 => LevelFilter::DEBUG,
            11..=20 => LevelFilter::INFO,
            21..=30 => LevelFilter::WARN,
            _ => LevelFilter::ERROR,
        });
    }
    match word.trim() {
        "NOTSET" | "TRACE" => Some(LevelFilter::TRACE),
        "DEBUG" => Some(LevelFilter::DEBUG),
        "INFO" => Some(LevelFilter::INFO),
        "WARN" | "WARNING" => Some(LevelFilter::WARN),
        "ERROR" | "CRITICAL" | "FATAL" => Some(LevelFilter::ERROR),
        _ => None,
    }
}

impl Levels {
    pub(super) fn targets(&self) -> Targets {
        let root = if self.debug { Level::DEBUG } else { Level::INFO };
        let mut targets = Targets::new().with_default(root);
        for (part, level) in &self.parts {
            for target in counterparts(part) {
                targets = targets.with_target(target, *level);
            }
        }
        targets
    }
}

/// `masakari.engine.claim` is `engine::claim` here.
fn counterparts(part: &str) -> Vec<String> {
    if let Some((_, targets)) = COUNTERPARTS.iter().find(|(known, _)| *known == part) {
        return targets.iter().map(|target| (*target).to_owned()).collect();
    }
    let ours = part.strip_prefix("masakari.").unwrap_or(part);
    vec![ours.replace('.', "::")]
}
