//! Hears every source, and reports what comes of it.

use super::{Attests, Hosts, Power, Source, SourceFault};
use crate::{Care, Claim, Mark, Report, Reporter, Watched};
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use openstack::instance_ha::Client;
use ports::{Clock, Entropy, within};
use recovery::{
    HostName,
    nouns::NotificationType,
    verdict::{
        Limits, Proof, Quorum, Round, Rule, Verdict, Watch,
        ledger::{Ledger, Say},
    },
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// The longest that the loop needs to turn: it does every second, whatever the sources do.
pub const TURN_MOST: Duration = Duration::from_secs(180);
const TURN_EVERY: Duration = Duration::from_secs(1);
/// Rounds that a source may be ahead of us.
const ROUNDS_MOST: usize = 16;
/// A source that has something new all the time is asked no more often.
const LEAST: Duration = Duration::from_millis(100);
/// Before a source that failed is asked again; it doubles, up to the interval.
const PAUSE: Duration = Duration::from_secs(1);

/// What watching hosts takes.
#[derive(Clone, Debug)]
pub struct HostsConfig {
    /// This host, which says nothing of itself.
    pub hostname: HostName,
    /// `monitoring_interval`
    pub interval: Duration,
    /// `monitoring_samples`
    pub samples: u32,
    /// `monitoring_timeout`: for one question to a source.
    pub timeout: Duration,
    pub rule: Rule,
    /// `host_status` is `UNKNOWN` without proof, whatever Python's driver would say.
    pub require_proof: bool,
}

/// A driver that was begun.
#[derive(Debug)]
pub struct Driven {
    pub source: Box<dyn Source>,
    /// Who looks whether a host has power before its death is reported as certain; none: nobody is asked, it is `NORMAL`.
    pub power: Option<Arc<dyn Power>>,
}

/// Watches hosts.
#[derive(Debug)]
pub struct WatchHosts {
    pub config: HostsConfig,
    pub sources: Vec<Driven>,
    pub hosts: Hosts,
    pub reporter: Reporter,
    pub client: Client,
    pub mark: Mark,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// `host_status` of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HostStatus {
    Normal,
    Unknown,
}

type Heard = (usize, Result<Round, SourceFault>);
/// A look at a host's power.
type Powers = FuturesUnordered<BoxFuture<'static, (HostName, Result<(), String>)>>;

/// What is known while it runs.
struct Watching {
    with: HostsConfig,
    names: Vec<&'static str>,
    watch: Watch,
    ledger: Ledger,
    hosts: Hosts,
    attests: Attests,
    powers: Powers,
    power: Option<Arc<dyn Power>>,
    /// How each dead host was reported; none: its power is looked at.
    reported: BTreeMap<HostName, Option<HostStatus>>,
    /// What a look at its power showed of a host that is to be reported once it is held for dead again.
    shown: BTreeMap<HostName, HostStatus>,
    /// Why each source says nothing, as it was said in the log.
    silent: Vec<Option<String>>,
    reporter: Reporter,
    mark: Mark,
    clock: Arc<dyn Clock>,
}

impl HostsConfig {
    /// One silent round is forgiven.
    fn limits(&self) -> Limits {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let silence_ms = ms(self.interval).saturating_mul(2).saturating_add(ms(self.timeout));
        Limits { interval_ms: ms(self.interval), samples: self.samples, silence_ms }
    }
}

impl WatchHosts {
    /// Watches for ever.
    pub async fn run(self) {
        let (heard, mut rounds) = mpsc::channel(ROUNDS_MOST);
        let (config, clock) = (self.config.clone(), self.clock.clone());
        let watching = Watching {
            watch: Watch::new(
                config.limits(),
                config.rule,
                config.hostname.clone(),
                self.sources.len(),
            ),
            names: self.sources.iter().map(|driven| driven.source.name()).collect(),
            silent: vec![None; self.sources.len()],
            ledger: Ledger::default(),
            hosts: self.hosts,
            attests: Attests::new(
                self.client,
                format!("masakari-hostmonitor of {}", config.hostname),
                clock.clone(),
            ),
            powers: Powers::new(),
            power: self.sources.iter().find_map(|driven| driven.power.clone()),
            reported: BTreeMap::new(),
            shown: BTreeMap::new(),
            reporter: self.reporter,
            mark: self.mark,
            clock: clock.clone(),
            with: config.clone(),
        };
        let listening = self.sources.into_iter().enumerate().map(|(number, driven)| {
            let (clock, entropy) = (clock.clone(), self.entropy.clone());
            listen(number, driven.source, heard.clone(), config.clone(), clock, entropy)
        });
        tokio::select! {
            () = watching.run(&mut rounds) => {}
            _ = join_all(listening) => {}
        }
    }
}

/// Asks a source for ever.
async fn listen(
    number: usize,
    mut source: Box<dyn Source>,
    heard: mpsc::Sender<Heard>,
    config: HostsConfig,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) {
    // A source may have two questions to ask.
    let deadline = config.interval + 2 * config.timeout;
    let mut pause = PAUSE;
    loop {
        let round = within(&*clock, deadline, source.next()).await.unwrap_or_else(|| {
            Err(SourceFault(format!(
                "{} has not answered within {} s",
                source.name(),
                deadline.as_secs()
            )))
        });
        let failed = round.is_err();
        if heard.send((number, round)).await.is_err() {
            return;
        }
        if failed {
            clock.sleep(entropy.jitter(pause)).await;
            pause = (pause * 2).min(config.interval.max(PAUSE));
        } else {
            pause = PAUSE;
            clock.sleep(LEAST).await;
        }
    }
}

impl Watching {
    async fn run(mut self, rounds: &mut mpsc::Receiver<Heard>) {
        loop {
            self.mark.turned();
            tokio::select! {
                biased;
                heard = rounds.recv() => match heard {
                    Some((number, round)) => self.hear(number, round),
                    None => return,
                },
                Some((host, off)) = self.powers.next(), if !self.powers.is_empty() => self.power_is(host, off),
                () = self.attests.turn() => continue,
                () = self.clock.sleep(TURN_EVERY) => {}
            }
            self.tell().await;
        }
    }

    fn hear(&mut self, number: usize, round: Result<Round, SourceFault>) {
        let why = match round {
            Ok(round) => {
                self.watch.take(number, &round, self.clock.boot().0);
                match round.quorum {
                    Quorum::Quorate => None,
                    Quorum::NotQuorate { why } | Quorum::CutOff { why } => Some(why),
                }
            }
            Err(SourceFault(why)) => Some(why),
        };
        let name = self.names.get(number).copied().unwrap_or_default();
        let Some(silent) = self.silent.get_mut(number) else { return };
        match (&*silent, &why) {
            (None, Some(why)) => {
                tracing::warn!("{why}");
                tracing::warn!("hostmonitor skips monitoring hosts. ({name})");
            }
            (Some(before), Some(why)) if before != why => tracing::warn!("{why} ({name})"),
            (Some(_), None) => tracing::info!("{name} monitors hosts again"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        *silent = why;
        match self.silent.iter().flatten().next() {
            None => self.mark.well(),
            Some(why) => self.mark.troubled(why),
        }
    }

    /// Says what is new.
    async fn tell(&mut self) {
        let now_ms = self.clock.boot().0;
        let standing = self.watch.standing(now_ms);
        let said = self.ledger.tell(&standing, now_ms);
        self.hosts.set(standing);
        for say in said {
            self.say(say).await;
        }
        self.tell_of_power().await;
    }

    /// Reports those whose power was looked at and that are still dead: it took its time.
    async fn tell_of_power(&mut self) {
        let is_dead =
            |host: &HostName| self.hosts.of(host).is_some_and(|s| s.verdict == Verdict::Offline);
        let dead: Vec<HostName> = self.shown.keys().filter(|host| is_dead(host)).cloned().collect();
        for host in dead {
            if let Some(status) = self.shown.remove(&host) {
                self.dead(&host, status).await;
            }
        }
    }

    async fn say(&mut self, say: Say) {
        match say {
            Say::Recognized { host, verdict } => tracing::info!(
                "Recognized '{host}' as a new member of cluster. Host status is '{verdict}'."
            ),
            Say::Unsettled { host, verdict } => {
                tracing::info!("'{host}' is '{verdict}'.");
                if verdict != Verdict::Online {
                    tracing::info!(
                        "Since host status is '{verdict}', hostmonitor doesn't send a notification."
                    );
                }
            }
            Say::Stopped { host, proof } => self.stopped(host, proof).await,
            Say::Proven { host, proof } => self.proven(host, proof).await,
            Say::Started { host } => {
                tracing::info!("'{host}' is 'online'.");
                self.mark.saw(format!("{host} is there again"));
                self.attests.withdraw(&host);
                self.shown.remove(&host);
                // Nobody is told that one is back of whom nobody was told that he was away.
                if self.reported.remove(&host) == Some(None) {
                    return;
                }
                self.report(&host, Claim::HostBack, HostStatus::Normal).await;
            }
        }
    }

    async fn stopped(&mut self, host: HostName, proof: Option<Proof>) {
        tracing::info!("'{host}' is 'offline'.");
        self.mark.saw(format!("{host} is dead"));
        if let Some(proof) = proof {
            self.reported.insert(host.clone(), None);
            return self.proven(host, proof).await;
        }
        match (&self.power, self.with.require_proof) {
            (_, true) => self.dead(&host, HostStatus::Unknown).await,
            (None, false) => self.dead(&host, HostStatus::Normal).await,
            (Some(power), false) => {
                self.reported.insert(host.clone(), None);
                let power = Arc::clone(power);
                let look = async move {
                    let off = power.is_off(&host).await;
                    (host, off)
                };
                self.powers.push(look.boxed());
            }
        }
    }

    /// What is proven is certain, whatever was said before.
    async fn proven(&mut self, host: HostName, proof: Proof) {
        tracing::info!("'{host}' is proven dead ({}): {}", proof.kind, proof.detail);
        if self.reported.get(&host) != Some(&Some(HostStatus::Normal)) {
            self.dead(&host, HostStatus::Normal).await;
        }
        self.attests.prove(host, proof);
    }

    /// The answer of a look at the power of a host, which may have been proven dead since, or be back.
    fn power_is(&mut self, host: HostName, off: Result<(), String>) {
        if self.reported.get(&host) != Some(&None) {
            return;
        }
        let status = match off {
            Ok(()) => HostStatus::Normal,
            Err(why) => {
                tracing::error!(
                    "it is not known whether {host} has power: {why}. It is reported as UNKNOWN, which Masakari does \
                     nothing about; `disable_ipmi_check = true` takes the word of its cluster"
                );
                HostStatus::Unknown
            }
        };
        self.shown.insert(host, status);
    }

    async fn dead(&mut self, host: &HostName, status: HostStatus) {
        self.shown.remove(host);
        self.reported.insert(host.clone(), Some(status));
        self.report(host, Claim::HostDead, status).await;
    }

    async fn report(&self, host: &HostName, claim: Claim, status: HostStatus) {
        let subject = format!("host {host}");
        let (event, cluster_status, care) = match claim {
            Claim::HostBack => ("STARTED", "ONLINE", Care::AsPython),
            Claim::HostDead
            | Claim::InstanceStopped { .. }
            | Claim::InstancePaused
            | Claim::InstanceRan { .. }
            | Claim::GuestSilent { .. }
            | Claim::ProcessMissing => ("STOPPED", "OFFLINE", Care::UntilAnswered),
        };
        let payload: Map<String, Value> = [
            ("event", json!(event)),
            ("cluster_status", json!(cluster_status)),
            ("host_status", json!(status.as_str())),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        // The ledger has said each change once; a host that dies again says the same of it.
        self.reporter.begins_anew(Watched::Hosts, &subject).await;
        let report = Report {
            kind: NotificationType::ComputeHost,
            subject,
            hostname: host.as_str().to_owned(),
            generated_at: self.clock.wall(),
            payload,
            claim,
            care,
        };
        self.reporter.report(report).await;
    }
}

impl HostStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}
