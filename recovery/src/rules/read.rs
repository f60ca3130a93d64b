//! A rule as an operator writes it: `NAME evacuate|skip|tell WORD=PATTERN …`.

use super::{Action, Condition, Glob, LOCAL_DISK, OCTAVIA, Of, Rule};
use crate::steps::Failure;
use alloc::{string::String, vec::Vec};
use core::fmt;

/// The words that stand alone before `=`.
const PLAIN: [(&str, Of); 6] = [
    ("project", Of::Project),
    ("name", Of::Name),
    ("tag", Of::Tag),
    ("flavor", Of::Flavor),
    ("image", Of::Image),
    ("aggregate", Of::Aggregate),
];
const NAME_CHARS_MOST: usize = 64;
/// A rule with more is a mistake of a script.
const WORDS_MOST: usize = 32;

/// Why a rule cannot be read.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Mistake {
    #[error("is not NAME evacuate|skip|tell WORD=PATTERN ...")]
    Shape,
    #[error("has a name with more than letters, digits, _, - and ., or than {NAME_CHARS_MOST}")]
    Name,
    #[error("has the name of a built-in rule")]
    BuiltIn,
    #[error("says {word:?}; there are evacuate, skip and tell")]
    Action { word: String },
    #[error(
        "has {word:?}; there are project=, name=, tag=, flavor=, image=, aggregate=, metadata:KEY=, \
         flavor:KEY=, image:KEY=, aggregate:KEY= and failure="
    )]
    Word { word: String },
    #[error("has {word:?} without a pattern")]
    Empty { word: String },
    #[error("has failure={word}; there are host and instance")]
    Failure { word: String },
    #[error("has no word that tells which servers it means; name=* means all")]
    Everything,
    #[error("has more than {WORDS_MOST} words")]
    Long,
}

/// Reads one rule.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str) -> Result<Rule, Mistake> {
    let mut words = text.split_whitespace();
    let (Some(name), Some(action)) = (words.next(), words.next()) else {
        return Err(Mistake::Shape);
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.chars().all(fits) || name.len() > NAME_CHARS_MOST {
        return Err(Mistake::Name);
    }
    if [OCTAVIA, LOCAL_DISK].contains(&name) {
        return Err(Mistake::BuiltIn);
    }
    let action = Action::read(action).ok_or_else(|| Mistake::Action { word: action.into() })?;
    let (mut failure, mut conditions) = (None, Vec::new());
    for word in words {
        match word.strip_prefix("failure=") {
            Some(of) => failure = Some(read_failure(of)?),
            None => conditions.push(condition(word)?),
        }
    }
    match conditions.len() {
        0 => Err(Mistake::Everything),
        1..=WORDS_MOST => Ok(Rule { name: name.into(), action, failure, conditions }),
        _ => Err(Mistake::Long),
    }
}

impl Action {
    /// What `word` wants.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "evacuate" => Some(Self::Evacuate),
            "skip" => Some(Self::Skip),
            "tell" => Some(Self::Tell),
            _ => None,
        }
    }
}

fn read_failure(word: &str) -> Result<Failure, Mistake> {
    match word {
        "host" => Ok(Failure::Host),
        "instance" => Ok(Failure::Server),
        _ => Err(Mistake::Failure { word: word.into() }),
    }
}

/// The words that name a key: `metadata:role=batch`.
fn keyed(kind: &str, key: String) -> Option<Of> {
    match kind {
        "metadata" => Some(Of::Metadata(key)),
        "flavor" => Some(Of::ExtraSpec(key)),
        "image" => Some(Of::ImageProperty(key)),
        "aggregate" => Some(Of::AggregateMetadata(key)),
        _ => None,
    }
}

fn condition(text: &str) -> Result<Condition, Mistake> {
    let unknown = || Mistake::Word { word: text.into() };
    let (word, pattern) = text.split_once('=').ok_or_else(unknown)?;
    let of = match word.split_once(':') {
        Some((kind, key)) if !key.is_empty() => keyed(kind, key.into()).ok_or_else(unknown)?,
        Some(_) => return Err(unknown()),
        None => {
            let known = PLAIN.into_iter().find(|(known, _)| *known == word);
            known.map(|(_, of)| of).ok_or_else(unknown)?
        }
    };
    if pattern.is_empty() {
        return Err(Mistake::Empty { word: text.into() });
    }
    Ok(Condition { of, glob: Glob::new(pattern) })
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Of::Project => f.write_str("project")?,
            Of::Name => f.write_str("name")?,
            Of::Tag => f.write_str("tag")?,
            Of::Flavor => f.write_str("flavor")?,
            Of::Image => f.write_str("image")?,
            Of::Aggregate => f.write_str("aggregate")?,
            Of::Metadata(key) => write!(f, "metadata:{key}")?,
            Of::ExtraSpec(key) => write!(f, "flavor:{key}")?,
            Of::ImageProperty(key) => write!(f, "image:{key}")?,
            Of::AggregateMetadata(key) => write!(f, "aggregate:{key}")?,
        }
        write!(f, "={}", self.glob.as_str())
    }
}
