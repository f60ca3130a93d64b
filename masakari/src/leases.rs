//! `masakari leases`: the leases of all hosts, as whoever watches hosts by them sees them.

use crate::{cli::ConfigArgs, config::Configuration, output, ports_of::Machine};
use clap::Args;
use monitor::lease::{EtcdError, Observer, Sighted, observer::LOOK_EVERY};
use recovery::deadman::Standing;
use serde_json::json;
use std::{collections::BTreeMap, process::ExitCode, time::Duration};

/// For an etcd that does not answer.
const ASKS_FOR: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
pub(crate) struct Leases {
    #[command(flatten)]
    config: ConfigArgs,
    /// Look for so many seconds at the most; without it until each host has renewed or its term is over, or with --follow until stopped
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
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
        if last.is_empty() {
            output::note(&format!("no host has a lease below {}", configuration.lease_prefix()));
        }
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
            if self.has_seen_enough(&looked, clock.boot().since(began)) {
                return Ok(looked?);
            }
            clock.sleep(LOOK_EVERY).await;
        }
    }

    /// One look does not tell who lives.
    fn has_seen_enough(&self, looked: &Result<Vec<Sighted>, EtcdError>, since: Duration) -> bool {
        let is_known = match looked {
            Ok(all) => !all.iter().any(|one| matches!(one.standing, Standing::Unmoved { .. })),
            Err(_) => since >= ASKS_FOR,
        };
        let is_over = self.seconds.is_some_and(|most| since >= Duration::from_secs(most));
        is_over || is_known && !self.follow
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
        Standing::Unmoved { .. } => "unmoved",
        Standing::Lives => "lives",
        Standing::Overdue { .. } => "overdue",
        Standing::Dead(_) => "dead",
        Standing::Silent { .. } => "silent",
        Standing::Left => "given back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Role, parse};
    use recovery::HostName;

    fn enough(words: &str, standings: &[Standing], seconds: u64) -> bool {
        let words = format!("masakari leases {words}");
        let arguments = words.split_whitespace().map(Into::into).collect();
        let Ok(Role::Leases(leases)) = parse(arguments) else { panic!("{words}") };
        let host = HostName::new("cmp1");
        let one = |standing: &Standing| {
            let (host, detail) = (host.clone(), String::new());
            Sighted { host, standing: *standing, at: None, detail }
        };
        let looked = Ok(standings.iter().map(one).collect());
        leases.has_seen_enough(&looked, Duration::from_secs(seconds))
    }

    #[test]
    fn it_is_looked_until_each_lease_has_moved_or_is_overdue() {
        let (new, lives) = (Standing::Unmoved { for_ms: 9_000 }, Standing::Lives);
        let overdue = Standing::Overdue { for_ms: 20_000 };
        assert!(!enough("", &[lives, new], 9));
        assert!(enough("", &[lives, overdue], 20));
        assert!(enough("", &[], 0));
        assert!(enough("--seconds 9", &[lives, new], 9));
        assert!(enough("--seconds 9", &[lives], 2));
        assert!(!enough("--follow", &[lives], 86_400));
        assert!(enough("--follow --seconds 9", &[new], 9));
    }

    #[test]
    fn an_etcd_that_does_not_answer_is_asked_for_a_while() {
        let Ok(Role::Leases(leases)) = parse(vec!["masakari".into(), "leases".into()]) else {
            panic!("it is a role")
        };
        let away = || Err(EtcdError::Nobody);
        assert!(!leases.has_seen_enough(&away(), Duration::from_secs(4)));
        assert!(leases.has_seen_enough(&away(), ASKS_FOR));
    }
}
