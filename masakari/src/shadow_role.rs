//! `masakari shadow`: ours beside Python Masakari, on the same reports. `run` files what Python's API was told in a
//! database of its own, and judges and plans it there; `report` shows what each did or would have done.
//!
//! It is a role of its own, and not a setting of the engine's: there is none that could be forgotten. What it is made of
//! can change nothing: an `engine::Shadow`, ways to Nova and to Python's API that let questions pass only, and a file
//! that bears the mark of a shadow. `[database] connection` is not read.

mod mirror;
mod told;

use crate::{
    cli::ConfigArgs,
    config::Configuration,
    engine_role, logging,
    ports_of::{Machine, machine_name},
};
use clap::{Args, Subcommand};
use engine::{Sight, Wake};
use mirror::Mirror;
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use store::Store;

/// Its files of configuration are the engine's.
const PROGRAM: &str = "masakari-engine";

#[derive(Args, Debug)]
pub(crate) struct Shadow {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Judge and plan what Python Masakari is told, until it is stopped; nothing is done
    Run {
        #[command(flatten)]
        of: Of,
        /// Ask no API of Python's: reports come by a `masakari api` on the same file
        #[arg(long)]
        no_mirror: bool,
    },
    /// What Python did, what ours would have done, and where they differ
    Report {
        #[command(flatten)]
        of: Of,
        /// So many reports of hosts, the newest first
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

#[derive(Args, Debug)]
struct Of {
    /// The shadow's own file; it is made. Never Python's database
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Shadow {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match &self.what {
                What::Run { of, no_mirror } => of.run(!no_mirror).await,
                What::Report { of, limit } => of.report(*limit).await,
            }
        })
    }
}

impl Of {
    async fn run(&self, mirrors: bool) -> anyhow::Result<ExitCode> {
        let machine = Machine::new()?;
        let configuration = Configuration::read(&self.config.0, PROGRAM)?;
        // To the terminal: the files of that configuration are Python's.
        let log = configuration.log_of_a_command("masakari-shadow", &machine_name())?;
        drop(logging::begin(log, machine.clock.clone()));
        let file = self.file(&configuration);
        let store: Arc<dyn Store> = Arc::new(machine.open_shadow(&file).await?);
        tracing::warn!(database = %file.display(), "a shadow: all is judged and planned, and nothing is done");
        let sight = Sight {
            store: store.clone(),
            nova: machine.nova_to_read(&configuration)?,
            clock: machine.clock.clone(),
            entropy: machine.entropy.clone(),
        };
        let wake = Wake::default();
        let settings = engine_role::settings(&configuration, &machine.clock)?;
        let shadow = engine::Shadow::new(sight, settings, wake.clone());
        let python = machine.masakari_to_read(&configuration)?;
        let mirror = Mirror::new(python, store, machine.clock.clone());
        let mirroring = async {
            if mirrors {
                mirror.run(|| wake.nudge()).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = shadow.run(engine_role::stop()) => {}
            () = mirroring => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Exit code 1: they differ.
    async fn report(&self, limit: u32) -> anyhow::Result<ExitCode> {
        let machine = Machine::new()?;
        let configuration = Configuration::read(&self.config.0, PROGRAM)?;
        let file = self.file(&configuration);
        anyhow::ensure!(
            file.exists(),
            "there is no {}: `masakari shadow run` makes it",
            file.display()
        );
        let ours: Arc<dyn Store> = Arc::new(machine.open_shadow(&file).await?);
        let python = machine.masakari_to_read(&configuration)?;
        let differ = told::report(&*ours, &python, limit).await?;
        Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn file(&self, configuration: &Configuration) -> PathBuf {
        self.database.clone().unwrap_or_else(|| configuration.state_path().join("shadow.sqlite"))
    }
}
