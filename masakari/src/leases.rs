//! `masakari leases`: the leases of all hosts, as whoever watches hosts by them sees them.

use crate::{cli::ConfigArgs, config::Configuration, output, ports_of::Machine};
use clap::Args;
use monitor::lease::{Observer, Sighted, observer::LOOK_EVERY};
use recovery::deadman::Standing;
use serde_json::json;
use std::{collections::BTreeMap, process::ExitCode, time::Duration};

#[derive(Args, Debug)]
pub(crate) struct Leases {
    #[command(flatten)]
    config: ConfigArgs,
    /// For how many seconds is looked: one look does not tell who lives
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Say at once what changes
    #[arg(long)]
    follow: bool,
    /// One JSON document a line
    #[arg(long)]
    json: bool,
}

impl Leases {
    /// Exit code 1: a host does not renew.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let machine = Machine::new()?;
        let configuration = Configuration::read(&self.config.0, "masakari-lease")?;
        let (etcd, prefix) = (configuration.lease_etcd()?, configuration.lease_prefix());
        let clock = machine.clock;
        let observer = Observer::new(etcd, prefix, configuration.lease_boots_in(), clock.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let last = runtime.block_on(self.watch(observer, &*clock))?;
        if !self.follow {
            last.iter().for_each(|one| self.say(one, 0));
        }
        let well = |one: &Sighted| matches!(one.standing, Standing::Lives | Standing::Left);
        Ok(if last.iter().all(well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn watch(
        &self,
        mut observer: Observer,
        clock: &dyn ports::Clock,
    ) -> anyhow::Result<Vec<Sighted>> {
        let began = clock.boot();
        let mut said = BTreeMap::new();
        loop {
            let asked = clock.boot();
            let looked = observer.look().await;
            if self.follow {
                match &looked {
                    Ok(all) => all.iter().for_each(|one| {
                        let word = word(one);
                        if said.insert(one.host.clone(), word) != Some(word) {
                            self.say(one, asked.0);
                        }
                    }),
                    Err(error) => output::note(&error.to_string()),
                }
            }
            if clock.boot().since(began) >= Duration::from_secs(self.seconds) {
                return Ok(looked?);
            }
            clock.sleep(LOOK_EVERY).await;
        }
    }

    fn say(&self, one: &Sighted, asked_ms: u64) {
        let word = word(one);
        output::say(&if self.json {
            let at = one.at.map(recovery::Millis::iso);
            let host = one.host.as_str();
            json!({"host": host, "standing": word, "evidence_at": at, "detail": one.detail, "asked_boot_ms": asked_ms})
                .to_string()
        } else {
            format!("{}  {word}  {}", one.host, one.detail)
        });
    }
}

fn word(one: &Sighted) -> &'static str {
    match one.standing {
        Standing::Lives => "lives",
        Standing::Overdue { .. } => "overdue",
        Standing::Dead(_) => "dead",
        Standing::Silent { .. } => "silent",
        Standing::Left => "given back",
    }
}
