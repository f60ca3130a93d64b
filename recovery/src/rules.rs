//! Whose servers are left alone: the operator's rules, and two of our own behind them.
//!
//! A rule says `evacuate`, `skip` or `tell` of the servers that have all of its words; the first rule that
//! fits counts. Not here: whether a server is HA_Enabled, or in a state in which it stays ([`crate::plan`],
//! [`crate::restart`]), and how a rule is written down (`rules/read.rs`).
//!
//! The two of our own can be switched off:
//!
//! * `octavia`: an amphora is replaced by Octavia, which sees its death before Nova does; evacuated besides,
//!   there are two. One is known by its name, `amphora-` and a UUID, and by having no metadata, of which Octavia
//!   writes none. Nothing else of it is the same in every cloud. A tenant's server that looks like this is named
//!   like any other that is left alone, and metadata of any kind (`HA_Enabled`) sets it apart.
//! * `local_disk`: where instance storage is not shared, Nova rebuilds what lay on the dead host from the
//!   image, or empty, and the host deletes what it still has when it comes back.

mod glob;
mod read;

pub use glob::Glob;
pub use read::{Mistake, read};

use crate::priority::Properties;
use crate::seen::{Departure, Server};
use crate::steps::Failure;
use crate::{ServerId, VMoveId};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// The rules of our own, whose names no other rule can have.
pub const OCTAVIA: &str = "octavia";
pub const LOCAL_DISK: &str = "local_disk";

/// What a rule wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// As if it were HA_Enabled, but not earlier: no later rule counts.
    Evacuate,
    /// It stays where it is.
    Skip,
    /// The same, and that is said at the end of the recovery and as a warning.
    Tell,
}

/// One word of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    pub of: Of,
    pub glob: Glob,
}

/// Of what a word speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Of {
    /// The project's id.
    Project,
    Name,
    Tag,
    Metadata(String),
    /// The flavor's name.
    Flavor,
    ExtraSpec(String),
    /// The image's id.
    Image,
    /// A property of the image, or its name.
    ImageProperty(String),
    /// The name of an aggregate of its host.
    Aggregate,
    AggregateMetadata(String),
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    pub name: String,
    pub action: Action,
    /// `None`: of a host and of a server.
    pub failure: Option<Failure>,
    /// All of them are to fit.
    pub conditions: Vec<Condition>,
}

/// All rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owners {
    /// `[recovery_rules] rule`, in their order.
    pub rules: Vec<Rule>,
    /// `[recovery_rules] octavia`.
    pub octavia: Action,
    /// `[recovery_rules] instance_storage_shared`.
    pub storage_shared: bool,
}

impl Default for Owners {
    fn default() -> Self {
        Self { rules: Vec::new(), octavia: Action::Tell, storage_shared: true }
    }
}

/// What decides over servers and a list of them does not show; of what rules may speak of, empty where no rule does.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Facts {
    /// By their ids; with each its name.
    pub images: BTreeMap<String, Properties>,
    /// Those of the server's host, by their names.
    pub aggregates: Vec<(String, Properties)>,
    /// Of those that are being migrated live, as far as Nova has a record of it.
    pub departures: BTreeMap<ServerId, Departure>,
}

/// A rule that leaves a server alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftBy {
    pub rule: String,
    pub tell: bool,
    pub why: String,
}

/// What the rules say of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No rule speaks of it.
    Usual,
    Evacuate,
    Left(LeftBy),
}

/// A server that a rule leaves alone has a row of its own among the vmoves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Left {
    pub vmove: VMoveId,
    pub name: String,
    pub rule: String,
    #[serde(default)]
    pub tell: bool,
}

impl Owners {
    /// What the first rule that fits says of `server`.
    #[must_use]
    pub fn judge(&self, server: &Server, failure: Failure, facts: &Facts) -> Verdict {
        let concerns = |rule: &&Rule| rule.failure.is_none_or(|of| of == failure);
        let mut rules = self.rules.iter().filter(concerns);
        if let Some(rule) = rules.find(|rule| rule.conditions.iter().all(|c| c.fits(server, facts)))
        {
            return verdict(rule.action, &rule.name, || words(rule));
        }
        if is_amphora(server) {
            let why = || "it is an amphora, and Octavia replaces those itself".into();
            return verdict(self.octavia, OCTAVIA, why);
        }
        match at_stake(server) {
            Some(why) if !self.storage_shared && failure == Failure::Host => {
                verdict(Action::Tell, LOCAL_DISK, || why.into())
            }
            Some(_) | None => Verdict::Usual,
        }
    }

    /// Whether a rule speaks of what only Glance tells.
    #[must_use]
    pub fn wants_images(&self) -> bool {
        self.any(|of| matches!(of, Of::ImageProperty(_)))
    }

    /// Whether a rule speaks of host aggregates.
    #[must_use]
    pub fn wants_aggregates(&self) -> bool {
        self.any(|of| matches!(of, Of::Aggregate | Of::AggregateMetadata(_)))
    }

    fn any(&self, wanted: impl Fn(&Of) -> bool) -> bool {
        self.rules.iter().flat_map(|rule| &rule.conditions).any(|c| wanted(&c.of))
    }
}

fn verdict(action: Action, rule: &str, why: impl FnOnce() -> String) -> Verdict {
    let left = |tell| LeftBy {
        rule: rule.into(),
        tell,
        why: format!("left alone by rule {rule}: {}", why()),
    };
    match action {
        Action::Evacuate => Verdict::Evacuate,
        Action::Skip => Verdict::Left(left(false)),
        Action::Tell => Verdict::Left(left(true)),
    }
}

/// What the rule knows it by, as it is written.
fn words(rule: &Rule) -> String {
    let all: Vec<String> = rule.conditions.iter().map(|c| format!("{c}")).collect();
    all.join(" ")
}

impl Condition {
    fn fits(&self, server: &Server, facts: &Facts) -> bool {
        let fits = |text: &String| self.glob.fits(text);
        let hints = &server.hints;
        let image = || facts.images.get(hints.image.as_ref()?);
        let of = |properties: &Properties, key: &String| properties.get(key).is_some_and(fits);
        match &self.of {
            Of::Project => fits(&hints.project),
            Of::Name => fits(&server.name),
            Of::Tag => hints.tags.iter().any(fits),
            Of::Metadata(key) => of(&server.metadata, key),
            Of::Flavor => fits(&hints.flavor_name),
            Of::ExtraSpec(key) => of(&hints.flavor, key),
            Of::Image => hints.image.as_ref().is_some_and(fits),
            Of::ImageProperty(key) => image().is_some_and(|image| of(image, key)),
            Of::Aggregate => facts.aggregates.iter().any(|(name, _)| fits(name)),
            Of::AggregateMetadata(key) => facts.aggregates.iter().any(|(_, all)| of(all, key)),
        }
    }
}

/// `amphora-` and a UUID, and no metadata.
fn is_amphora(server: &Server) -> bool {
    let uuid = server.name.strip_prefix("amphora-");
    server.metadata.is_empty() && uuid.is_some_and(is_uuid)
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What of a server is lost with its host, where that does not share its storage.
fn at_stake(server: &Server) -> Option<&'static str> {
    let size = &server.hints.size;
    match (&server.hints.image, size.ephemeral_gb > 0 || size.swap_mb > 0) {
        (Some(_), _) => {
            Some("its disk is on its host's own storage, and would be made anew from its image")
        }
        (None, true) => {
            Some("its ephemeral or swap disk is on its host's own storage, and would be empty")
        }
        (None, false) => None,
    }
}
