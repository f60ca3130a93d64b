//! `masakari-manage` and `masakari-status`.

use crate::{
    cli::ConfigArgs,
    config::Configuration,
    logging, output,
    ports_of::{Machine, machine_name},
};
use anyhow::Context;
use clap::{Args, Subcommand};
use std::process::ExitCode;
use store::Store;

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
    /// Whether the database answers and has the schema that this program needs
    Version,
}

impl Manage {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let configuration = Configuration::read(&self.config.0, "masakari-manage")?;
        let machine = Machine::new()?;
        let log = configuration.log_of_a_command("masakari-manage", &machine_name())?;
        logging::begin(log, machine.clock.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = machine.open(&configuration.database()?).await?;
            match &self.what {
                What::Db { verb: Db::Sync } => {
                    store.sync().await.context("the schema was not changed")?;
                    output::say("the database's schema is up to date");
                }
                What::Db { verb: Db::Version } => {
                    store.check().await?;
                    output::say("the database's schema is the one this program needs");
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

#[derive(Args, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    what: Upgrade,
}

#[derive(Subcommand, Debug)]
enum Upgrade {
    /// Look for what would stop an upgrade
    Upgrade {
        #[command(subcommand)]
        verb: Check,
    },
}

#[derive(Subcommand, Debug)]
enum Check {
    /// Read the configuration and ask the database
    Check,
}

impl Status {
    /// Exit codes as oslo.upgradecheck: 0 fine, 1 look at it, 2 does not work.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let Upgrade::Upgrade { verb: Check::Check } = self.what;
        let configuration = Configuration::read(&self.config.0, "masakari-status")?;
        let machine = Machine::new()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for warning in &configuration.warnings {
            output::say(&format!("warning: {warning}"));
        }
        let checked = runtime.block_on(async {
            machine.open(&configuration.database()?).await?.check().await?;
            anyhow::Ok(())
        });
        match checked {
            Err(error) => {
                output::error(&error);
                Ok(ExitCode::from(2))
            }
            Ok(()) if configuration.warnings.is_empty() => {
                output::say("configuration and database are fine");
                Ok(ExitCode::SUCCESS)
            }
            Ok(()) => Ok(ExitCode::from(1)),
        }
    }
}
