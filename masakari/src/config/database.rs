//! `[database]` and `[taskflow]`: which database, and how its connections are kept.

use super::Configuration;
use anyhow::Context;
use oslo::{
    Secret,
    database_url::{self, DatabaseUrl},
};
use std::{path::PathBuf, time::Duration};

/// More than any request waits for.
const CONNECTIONS_UNLIMITED: u32 = 1000;
/// So long a caller waits for a connection before the database is called away. Python's callers wait
/// for 30 s, longer than clients do.
const WAIT: Duration = Duration::from_secs(5);

/// Which database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// In sqlx's form.
    pub(crate) url: Secret,
    /// Where Python noted the progress of its recoveries, if that is another one.
    pub(crate) progress: Option<Secret>,
    pub(crate) pool: Pool,
}

/// How connections are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pool {
    pub(crate) connections_most: u32,
    /// For a free connection.
    pub(crate) wait: Duration,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) wsrep_sync_wait: u32,
    /// How often `db sync` asks a server that is not there yet, and how long after one another.
    pub(crate) tries: u32,
    pub(crate) try_every: Duration,
    /// How often what Python left is looked for, and from which age on it is what a `new` one is.
    pub(crate) adopt_every: Option<Duration>,
    pub(crate) adopt_new_after: Duration,
}

impl Configuration {
    pub(crate) fn database(&self) -> anyhow::Result<Database> {
        let pool = self.pool();
        let Some((url, findings)) = self.database_url()? else {
            let path = self.state_path().join("masakari.sqlite");
            let url = format!("sqlite://{}?mode=rwc", path.display());
            return Ok(Database { url: Secret::new(url), progress: None, pool });
        };
        for finding in findings {
            tracing::warn!("[database] connection: {finding}");
        }
        let own = url.to_sqlx();
        let progress = self.values.get::<Option<Secret>>("taskflow", "connection");
        let progress = progress.filter(|other| !other.expose().is_empty());
        let progress =
            progress.map(|other| as_sqlx(&other, "[taskflow] connection")).transpose()?;
        let progress = progress.filter(|other| other.expose() != own.expose());
        Ok(Database { url: own, progress, pool })
    }

    /// The folder of what is written.
    pub(crate) fn state_path(&self) -> PathBuf {
        PathBuf::from(self.default_text("state_path").unwrap_or_default())
    }

    /// As oslo.service reads it: less than nothing is never, nothing is a minute.
    fn spacing(&self, name: &str) -> Option<Duration> {
        let seconds = u64::try_from(self.values.get::<i64>("DEFAULT", name)).ok()?;
        Some(Duration::from_secs(if seconds == 0 { 60 } else { seconds }))
    }

    fn pool(&self) -> Pool {
        let number = |name: &str| self.values.get::<i64>("database", name);
        let perhaps = |name: &str| self.values.get::<Option<i64>>("database", name);
        // Less than nothing is no limit, as which one that no database has will do.
        let or_unlimited = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let seconds = |number: i64| u64::try_from(number).ok().map(Duration::from_secs);
        let kept: u32 = self.values.get("database", "max_pool_size");
        let more = or_unlimited(number("max_overflow"));
        Pool {
            connections_most: kept.saturating_add(more).min(CONNECTIONS_UNLIMITED),
            wait: perhaps("pool_timeout").and_then(seconds).unwrap_or(WAIT),
            lifetime: seconds(number("connection_recycle_time")),
            wsrep_sync_wait: perhaps("mysql_wsrep_sync_wait")
                .and_then(|bits| u32::try_from(bits).ok())
                .unwrap_or(0),
            tries: or_unlimited(number("max_retries")),
            try_every: seconds(number("retry_interval")).unwrap_or_default(),
            adopt_every: self.spacing("process_unfinished_notifications_interval"),
            adopt_new_after: seconds(
                self.values.get("DEFAULT", "retry_notification_new_status_interval"),
            )
            .unwrap_or_default(),
        }
    }

    /// Nothing if it is not set.
    pub(super) fn database_url(
        &self,
    ) -> anyhow::Result<Option<(DatabaseUrl, Vec<database_url::Finding>)>> {
        let set = self.values.get::<Option<Secret>>("database", "connection");
        let Some(set) = set.filter(|connection| !connection.expose().is_empty()) else {
            return Ok(None);
        };
        let mut text = set.expose().to_owned();
        if let Some(more) = self.text("database", "connection_parameters") {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str(&more);
        }
        let url = DatabaseUrl::parse(&text);
        let url = url
            .map_err(|error| self.wrong("database", "connection", format!("is wrong: {error}")))?;
        Ok(Some(url))
    }
}

fn as_sqlx(connection: &Secret, option: &str) -> anyhow::Result<Secret> {
    let (url, findings) = DatabaseUrl::parse(connection.expose())
        .with_context(|| format!("{option} cannot be understood"))?;
    for finding in findings {
        tracing::warn!("{option}: {finding}");
    }
    Ok(url.to_sqlx())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(text: &str) -> Database {
        Configuration::of_text(&format!("[database]\n{text}")).database().unwrap()
    }

    #[test]
    fn what_python_left_is_looked_for_as_its_periodic_task_would() {
        let told = |text: &str| {
            let pool = Configuration::of_text(&format!("[DEFAULT]\n{text}")).pool();
            (pool.adopt_every.map(|every| every.as_secs()), pool.adopt_new_after.as_secs())
        };
        assert_eq!(told(""), (Some(120), 60));
        let set = "process_unfinished_notifications_interval = 30\n\
                   retry_notification_new_status_interval = 10\n";
        assert_eq!(told(set), (Some(30), 10));
        assert_eq!(told("process_unfinished_notifications_interval = 0").0, Some(60));
        assert_eq!(told("process_unfinished_notifications_interval = -1").0, None);
    }

    #[test]
    fn connections_are_kept_as_oslo_db_would() {
        let pool = database("").pool;
        assert_eq!((pool.connections_most, pool.wsrep_sync_wait), (55, 0));
        assert_eq!((pool.wait, pool.lifetime), (WAIT, Some(Duration::from_secs(3600))));
        assert_eq!((pool.tries, pool.try_every), (10, Duration::from_secs(10)));
        let pool = database(
            "max_pool_size = 3\nmax_overflow = 4\npool_timeout = 7\nconnection_recycle_time = 60\n\
             mysql_wsrep_sync_wait = 6\nmax_retries = 2\nretry_interval = 1\n",
        )
        .pool;
        assert_eq!((pool.connections_most, pool.wsrep_sync_wait), (7, 6));
        assert_eq!(pool.wait, Duration::from_secs(7));
        assert_eq!(pool.lifetime, Some(Duration::from_secs(60)));
        assert_eq!((pool.tries, pool.try_every), (2, Duration::from_secs(1)));
    }

    #[test]
    fn less_than_nothing_is_no_limit() {
        let pool =
            database("max_overflow = -1\nconnection_recycle_time = -1\nmax_retries = -1\n").pool;
        assert_eq!((pool.connections_most, pool.lifetime), (CONNECTIONS_UNLIMITED, None));
        assert_eq!(pool.tries, u32::MAX);
    }

    #[test]
    fn parameters_are_those_of_the_url() {
        let at_its_end =
            database("connection = mysql://u:p@h/d?ssl_ca=/ca.pem&ssl_check_hostname=1\n");
        for text in [
            "connection = mysql://u:p@h/d\nconnection_parameters = ssl_ca=/ca.pem&ssl_check_hostname=1\n",
            "connection = mysql://u:p@h/d?ssl_ca=/ca.pem\nconnection_parameters = ssl_check_hostname=1\n",
        ] {
            assert_eq!(database(text).url.expose(), at_its_end.url.expose());
        }
        assert!(at_its_end.url.expose().contains("pem"));
    }
}
