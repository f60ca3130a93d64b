//! A storage that shuts a host out: every address of the host is entered, and the list is read back.
//!
//! It counts only when *all* of them stand in the list, with an end that lies beyond the recovery: a block that
//! ends by itself lets a host that was only slow write again.
//!
//! What was shut out is let in again by [`Storage::let_in`], which wants to know that the host was started anew
//! since: a host that comes back from a pause still has what it meant to write.

use crate::device::{Device, Failure, Found, Power, quoted};
use crate::file::template::{Template, Values};
use crate::file::{Listing, StorageSettings};
use async_trait::async_trait;
use ports::{Clock, Environment, Exec, Program};
use recovery::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An entry has to last at least this share of what was asked for, when it is read back. Less means that it is
/// an older one, which may end in the middle of the recovery.
const SHARE_LEFT: u32 = 2;

/// The storage, with one host's addresses.
#[derive(Debug)]
pub struct Storage {
    exec: Arc<dyn Exec>,
    clock: Arc<dyn Clock>,
    settings: StorageSettings,
    values: Values,
    addresses: Vec<String>,
}

/// Two machines' clocks may differ by that.
const SKEW_MS: i64 = 5_000;

/// A host that was started anew since it was shut out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartedAnew(());

impl StartedAnew {
    /// `None`: it may be the boot from before.
    #[must_use]
    pub fn since(shut_out: Millis, booted: Millis) -> Option<Self> {
        (booted.since(shut_out) > SKEW_MS).then_some(Self(()))
    }
}

impl Storage {
    /// # Errors
    /// When the host has no address: what is shut out would be nothing.
    pub fn new(
        exec: Arc<dyn Exec>,
        clock: Arc<dyn Clock>,
        settings: StorageSettings,
        values: Values,
        addresses: Vec<String>,
    ) -> Result<Self, Failure> {
        if addresses.is_empty() {
            let why =
                "the host has no `addresses` in fencing.yaml, so there is nothing to shut out";
            return Err(Failure::Unusable(why.to_owned()));
        }
        Ok(Self { exec, clock, settings, values, addresses })
    }

    /// Lets the host in again; the list is read back.
    ///
    /// # Errors
    /// When there is no `unblock`, it fails, or the host still stands in the list.
    pub async fn let_in(&self, _since: &StartedAnew, limit: Duration) -> Result<(), Failure> {
        let none = || Failure::Unusable("the device has no `unblock`".to_owned());
        let command = self.settings.commands.unblock.as_ref().ok_or_else(none)?;
        for address in &self.addresses {
            self.run(command, Some(address), limit).await?;
        }
        let listed = self.listed(limit).await?;
        let out = |address: &&String| listed.iter().any(|e| shuts_out(e, address, i64::MIN));
        match self.addresses.iter().find(out) {
            Some(address) => Err(Failure::Refused(format!("{address} still stands in its list"))),
            None => Ok(()),
        }
    }

    /// What fills this word of a command.
    fn values_of(&self, word: &Template, address: Option<&String>) -> Values {
        let expiry_s = self.settings.expiry.as_secs().to_string();
        let mut more = BTreeMap::from([("expiry_s".to_owned(), expiry_s)]);
        more.extend(address.map(|address| ("address".to_owned(), written(word, address))));
        self.values.clone().with(&more)
    }

    async fn run(
        &self,
        command: &[Template],
        address: Option<&String>,
        limit: Duration,
    ) -> Result<Vec<u8>, Failure> {
        let unfilled = |e: crate::file::template::Unfilled| Failure::Unusable(e.to_string());
        let mut words = Vec::new();
        for word in command {
            words.push(word.fill(&self.values_of(word, address)).map_err(unfilled)?.into());
        }
        let program = Program {
            path: words.first().cloned().unwrap_or_default(),
            arguments: words.split_off(1.min(words.len())),
            environment: Environment::Clean,
            ..Program::default()
        };
        let finished = self.exec.run(program, limit).await?;
        match finished.code {
            Some(0) => Ok(finished.stdout),
            Some(_) | None => Err(Failure::Refused(quoted(&finished.stderr))),
        }
    }

    async fn listed(&self, limit: Duration) -> Result<Vec<Entry>, Failure> {
        let printed = self.run(&self.settings.commands.list, None, limit).await?;
        let text = String::from_utf8_lossy(&printed);
        match self.settings.listing {
            Listing::Ceph => from_ceph(&text),
            Listing::Lines => from_lines(&text),
        }
    }
}

/// The address as it is written in this word: before a port an IPv6 address stands in brackets.
fn written(word: &Template, address: &str) -> String {
    let has_port = word.text().starts_with("{address}:") || word.text().contains("/{address}:");
    match address.parse::<std::net::Ipv6Addr>() {
        Ok(_) if has_port => format!("[{address}]"),
        Ok(_) | Err(_) => address.to_owned(),
    }
}

/// Who is shut out, and to which second since 1970; `None`: for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    address: String,
    until_s: Option<i64>,
}

/// `[{"addr": "192.0.2.7:0/0", "until": "2026-11-22T10:00:00.000000+0000"}]`. Port and nonce of 0 mean every
/// client of the address; an entry of one client leaves the others in, and does not count.
fn from_ceph(text: &str) -> Result<Vec<Entry>, Failure> {
    #[derive(serde::Deserialize)]
    struct Line {
        addr: String,
        until: String,
    }
    let garbled = |e: String| Failure::Garbled(format!("the list of the blocked: {e}"));
    let lines: Vec<Line> = serde_json::from_str(text).map_err(|e| garbled(e.to_string()))?;
    let whole = lines.into_iter().filter_map(|line| {
        let address = line.addr.strip_suffix(":0/0")?.trim_matches(['[', ']']).to_owned();
        Some((address, line.until))
    });
    whole
        .map(|(address, until)| {
            let read = chrono::DateTime::parse_from_str(&until, "%Y-%m-%dT%H:%M:%S%.f%z");
            let until = read.map_err(|e| garbled(format!("{until:?}: {e}")))?;
            Ok(Entry { address, until_s: Some(until.timestamp()) })
        })
        .collect()
}

fn from_lines(text: &str) -> Result<Vec<Entry>, Failure> {
    let garbled = |line: &str| Failure::Garbled(quoted(line.as_bytes()));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [address, "never"] => Ok(Entry { address: (*address).to_owned(), until_s: None }),
            [address, second] => {
                let until_s = second.parse().map_err(|_| garbled(line))?;
                Ok(Entry { address: (*address).to_owned(), until_s: Some(until_s) })
            }
            _ => Err(garbled(line)),
        })
        .collect()
}

/// Whether `entry` shuts `address` out until `least_s` at least.
fn shuts_out(entry: &Entry, address: &str, least_s: i64) -> bool {
    let ip = |text: &str| text.parse::<std::net::IpAddr>().ok();
    let same = ip(address).is_some_and(|ours| ip(&entry.address) == Some(ours));
    same && entry.until_s.is_none_or(|until| until >= least_s)
}

#[async_trait]
impl Device for Storage {
    async fn examine(&mut self, limit: Duration) -> Result<Found, Failure> {
        Ok(Found { power: self.look(limit).await?, machine: None })
    }

    async fn look(&mut self, limit: Duration) -> Result<Power, Failure> {
        let listed = self.listed(limit).await?;
        let left = self.settings.expiry.as_secs() / u64::from(SHARE_LEFT);
        let now_s = self.clock.wall().0 / 1000;
        let least_s = now_s.saturating_add(i64::try_from(left).unwrap_or(i64::MAX));
        let out = |address: &String| listed.iter().any(|e| shuts_out(e, address, least_s));
        Ok(if self.addresses.iter().all(out) { Power::Off } else { Power::On })
    }

    async fn off(&mut self, limit: Duration) -> Result<(), Failure> {
        for address in &self.addresses {
            self.run(&self.settings.commands.block, Some(address), limit).await?;
        }
        Ok(())
    }

    async fn on(&mut self, _limit: Duration) -> Result<(), Failure> {
        Err(Failure::Refused("a storage gives no host power".to_owned()))
    }
}

#[cfg(test)]
mod tests;
