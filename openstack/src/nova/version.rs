//! Microversions: which ones this Nova speaks, and which ones we ask for.

use super::Nova;
use crate::{AskError, Asked, Request, Under};
use http::Method;
use ports::Boot;
use serde::Deserialize;
use std::{fmt, time::Duration};

/// How long we believe that Nova was not upgraded.
const VERSIONS_LAST: Duration = Duration::from_secs(3600);

/// `2.N` of the compute API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Microversion(u16);

impl Microversion {
    /// Services by UUID. Nova has had it since Pike; nothing older is spoken to.
    pub(super) const SERVICES_BY_UUID: Self = Self(53);
    /// Migrations in pages.
    pub(super) const PAGED_MIGRATIONS: Self = Self(59);
    /// What a cell that is down would have listed is named instead of left out.
    pub(super) const DOWN_CELLS_SHOW: Self = Self(69);
    /// A lock's reason.
    pub(super) const LOCK_REASON: Self = Self(73);
    /// The newest that tells what we read in lists. From 2.73 on Nova looks up the reason of each server's
    /// lock, locked or not: a list is a quarter dearer.
    pub(super) const LIST: Self = Self::DOWN_CELLS_SHOW;
    /// What went wrong is shown in the events of an instance action.
    pub(super) const ACTION_DETAILS: Self = Self(84);
    /// From 2.95 on an evacuated server stays off.
    pub(super) const EVACUATE: Self = Self(94);
    /// The zone to which its owner has pinned a server.
    pub(super) const PINNED_ZONE: Self = Self(96);
    /// Shares of Manila in a server.
    pub(super) const SHARES: Self = Self(97);
    /// An evacuated server is stopped on its new host, unless it is in error.
    pub(super) const EVACUATE_STOPPED: Self = Self(95);

    fn read(text: &str) -> Option<Self> {
        text.strip_prefix("2.")?.parse().ok().map(Self)
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2.{}", self.0)
    }
}

/// What a Nova speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Versions {
    newest: Microversion,
    learnt: Boot,
}

impl Versions {
    pub(super) fn at_most(self, wanted: Microversion) -> Microversion {
        self.newest.min(wanted)
    }
}

#[derive(Deserialize)]
struct Document {
    version: Newest,
}

#[derive(Deserialize)]
struct Newest {
    #[serde(default)]
    version: String,
}

impl Nova {
    /// What this Nova speaks, asked once and then now and again.
    pub(super) async fn versions(&self) -> Result<Versions, AskError> {
        let now = self.0.session.clock().boot();
        let is_fresh = |versions: &Versions| now.since(versions.learnt) < VERSIONS_LAST;
        self.0.versions.get(is_fresh, self.ask_for_versions()).await
    }

    /// The same as it was learnt last, without asking.
    pub(super) fn versions_at_hand(&self) -> Result<Versions, AskError> {
        self.0.versions.at_hand().ok_or_else(|| AskError::NotAtOnce {
            asked: Box::new(Asked {
                method: Method::POST,
                to: format!("{} /servers", self.0.config.service_type),
                status: None,
                request_id: "no request".into(),
            }),
            why: "it is not known yet which microversions Nova speaks".into(),
        })
    }

    async fn ask_for_versions(&self) -> Result<Versions, AskError> {
        let request = Request::get(&self.0.service, &[""], self.0.config.list_deadline);
        let reply = self.ask(Request { under: Under::Version, ..request }).await?;
        let document: Document = reply.read("Nova's version document")?;
        let text = document.version.version;
        let needed = Microversion::SERVICES_BY_UUID;
        match Microversion::read(&text) {
            Some(newest) if newest >= needed => {
                Ok(Versions { newest, learnt: self.0.session.clock().boot() })
            }
            Some(_) | None => {
                let newest = if text.is_empty() { "none".into() } else { text };
                Err(AskError::TooOld { service: "Nova", newest, needed: needed.to_string() })
            }
        }
    }
}
