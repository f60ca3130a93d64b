//! `masakari-manage`.

use crate::{
    cli::ConfigArgs,
    config::{Configuration, Pool},
    logging, output,
    ports_of::{Machine, machine_name},
};
use anyhow::Context;
use clap::{Args, Subcommand};
use ports::Clock;
use recovery::Millis;
use std::process::ExitCode;
use store::Sql;

#[derive(Args, Debug)]
pub(crate) struct Manage {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// The database's schema
    Db {
        #[command(subcommand)]
        verb: Db,
    },
}

#[derive(Subcommand, Debug)]
enum Db {
    /// Create the schema, or bring it up to date; may run any number of times
    Sync,
    /// Print Masakari's revision of the database
    Version,
    /// Remove old rows: notifications that ended, what else was deleted, and what belongs to them
    Purge {
        /// Older than so many days
        #[arg(
            long = "age_in_days",
            value_name = "DAYS",
            default_value_t = 30,
            allow_negative_numbers = true
        )]
        age_in_days: i64,
        /// At most so many rows of Masakari's tables; -1 for all
        #[arg(long = "max_rows", value_name = "ROWS", default_value_t = -1,
              allow_negative_numbers = true)]
        max_rows: i64,
    },
}

const DAY_MS: i64 = 86_400_000;

/// What to purge, or what is wrong with the arguments, in Python's words.
fn purge_of(age_in_days: i64, max_rows: i64, now: Millis) -> anyhow::Result<(Millis, Option<u64>)> {
    anyhow::ensure!(max_rows >= -1, "Invalid input received: max_rows must be >= -1");
    anyhow::ensure!(
        max_rows <= i64::from(i32::MAX),
        "Invalid input received: max_rows must be <= {}",
        i32::MAX
    );
    anyhow::ensure!(max_rows != 0, "Must supply value greater than 0 for max_rows.");
    anyhow::ensure!(age_in_days >= 0, "Must supply a non-negative value for age.");
    anyhow::ensure!(age_in_days < now.0 / DAY_MS, "Maximal age is count of days since epoch.");
    Ok((now.plus(-age_in_days * DAY_MS), u64::try_from(max_rows).ok()))
}

impl Manage {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let configuration = Configuration::read(&self.config.0, "masakari-manage")?;
        let machine = Machine::new()?;
        let log = configuration.log_of_a_command("masakari-manage", &machine_name())?;
        drop(logging::begin(log, machine.clock.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let database = configuration.database()?;
            let store = machine.open(&database).await?;
            match &self.what {
                What::Db { verb: Db::Sync } => {
                    wait_for(&store, database.pool, &*machine.clock).await;
                    store.sync().await.context("the schema was not changed")?;
                    output::say("the database's schema is up to date");
                }
                What::Db { verb: Db::Version } => {
                    let revision = store.revision().await?;
                    output::say(revision.as_deref().unwrap_or("None"));
                }
                What::Db { verb: Db::Purge { age_in_days, max_rows } } => {
                    let (before, most) = purge_of(*age_in_days, *max_rows, machine.clock.wall())?;
                    let purged = store.purge(before, most).await?;
                    output::say(&format!(
                        "purged {} rows: {} notifications, {} VM moves, {} hosts, {} segments",
                        purged.total(),
                        purged.notifications,
                        purged.vmoves,
                        purged.hosts,
                        purged.segments,
                    ));
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Waits for a server that is not there yet: it may be started at the same time. What it has to say
/// when it is there, or that it is not, is for the next who asks.
async fn wait_for(store: &Sql, pool: Pool, clock: &dyn Clock) {
    for left in (0..pool.tries).rev() {
        if store.answers().await {
            return;
        }
        tracing::warn!(
            "the database does not answer; it is asked again in {} s, {left} times at most",
            pool.try_every.as_secs()
        );
        clock.sleep(pool.try_every).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn refused(age_in_days: i64, max_rows: i64) -> String {
        purge_of(age_in_days, max_rows, NOW).unwrap_err().to_string()
    }

    #[test]
    fn arguments_of_purge_are_refused_in_pythons_words() {
        assert_eq!(refused(30, 0), "Must supply value greater than 0 for max_rows.");
        assert_eq!(refused(30, -2), "Invalid input received: max_rows must be >= -1");
        assert_eq!(
            refused(30, 2_147_483_648),
            "Invalid input received: max_rows must be <= 2147483647"
        );
        assert_eq!(refused(-1, -1), "Must supply a non-negative value for age.");
        assert_eq!(refused(20_717, -1), "Maximal age is count of days since epoch.");
    }

    #[test]
    fn without_a_number_of_rows_all_old_ones_go() {
        assert_eq!(purge_of(1, -1, NOW).unwrap(), (NOW.plus(-86_400_000), None));
        assert_eq!(purge_of(0, 7, NOW).unwrap(), (NOW, Some(7)));
    }
}
