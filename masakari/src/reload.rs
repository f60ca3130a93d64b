//! SIGHUP: the configuration is read anew, and what can change while we run changes.
//!
//! That is what decides (`[host_failure]`, `[instance_failure]`, `[process_failure]`, `[recovery]`, `[recovery_rules]`, `[fencing]`,
//! `[taskflow_driver_recovery_flows]`, `[recovery_steps]`, intervals and limits) and the log's levels. Connections, ports
//! and who we are stay until a restart. Files that cannot be used change nothing: a mistake in an editor must not
//! stop a recovery. Policy files need no signal.

use crate::{cli::ConfigArgs, config::Configuration, logging::LevelsHandle, signals::Hangups};

/// A daemon that can be told to read its configuration anew.
pub(crate) struct Reload {
    hangups: Hangups,
    args: ConfigArgs,
    program: &'static str,
    levels: LevelsHandle,
}

impl Reload {
    pub(crate) fn new(
        args: &ConfigArgs,
        program: &'static str,
        levels: LevelsHandle,
    ) -> anyhow::Result<Self> {
        Ok(Self { hangups: Hangups::heard()?, args: args.clone(), program, levels })
    }

    /// Reads anew at each SIGHUP, for ever; `apply` gets only what is without mistakes.
    pub(crate) async fn keep(mut self, apply: impl Fn(&Configuration) -> anyhow::Result<()>) {
        loop {
            self.hangups.next().await;
            match self.read(&apply) {
                Ok(()) => {
                    tracing::info!(
                        "SIGHUP: the configuration was read anew; connections, listening addresses and names \
                         change at a restart"
                    );
                }
                Err(error) => tracing::error!("SIGHUP: everything stays as it was: {error:#}"),
            }
        }
    }

    fn read(&self, apply: impl Fn(&Configuration) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let configuration = Configuration::read(&self.args.0, self.program)?;
        let levels = configuration.levels()?;
        apply(&configuration)?;
        for warning in &configuration.warnings {
            tracing::warn!("{warning}");
        }
        self.levels.change(&levels);
        Ok(())
    }
}
