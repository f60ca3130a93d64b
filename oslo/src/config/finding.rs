//! What loading has to tell the operator.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::Syntax;

/// One thing to tell. `Display` is one line: place, severity, what and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub place: Place,
    pub problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The value in force is not the one that was written: do not start.
    Error,
    Warning,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    File { path: Arc<Path>, line: usize },
    Environment { variable: String },
    CommandLine,
    BuiltInDefault,
}

impl Place {
    pub(super) fn file(path: &Arc<Path>, line: usize) -> Self {
        Self::File { path: Arc::clone(path), line }
    }

    pub(super) fn path(&self) -> Option<Arc<Path>> {
        match self {
            Self::File { path, .. } => Some(Arc::clone(path)),
            Self::Environment { .. } | Self::CommandLine | Self::BuiltInDefault => None,
        }
    }
}

/// An option by its group and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub group: String,
    pub name: String,
}

impl Name {
    /// The form in which names are compared: groups without case (save `DEFAULT`), `-` as `_`.
    pub(super) fn new(group: &str, name: &str) -> Self {
        let group = if group == "DEFAULT" { group.to_owned() } else { group.to_lowercase() };
        Self { group, name: name.replace('-', "_") }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.group, self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{0}")]
    Syntax(Syntax),
    #[error("no option of ours is in section [{section}]{}", hint(meant))]
    UnknownSection { section: String, meant: Option<String> },
    #[error("{option} is unknown and has no effect{}", hint(meant))]
    UnknownOption { option: Name, meant: Option<Name> },
    #[error("{old} is the old name of {new}; use the new one")]
    Deprecated { old: Name, new: Name },
    #[error("{option} will go away: {advice}")]
    Retiring { option: Name, advice: &'static str },
    #[error("{option} is accepted and has no effect: {reason}")]
    Ignored { option: Name, reason: &'static str },
    #[error("{option} is set again here; this value wins over the one in line {first_line}")]
    Duplicate { option: Name, first_line: usize },
    #[error("{option} is empty; the default is used")]
    EmptyNumber { option: Name },
    #[error("{option}{} must be {allowed}", quoted(written))]
    BadValue { option: Name, written: Option<String>, allowed: String },
    #[error(
        "{option}{} must be {allowed}; it has no effect here, but Python would fail",
        quoted(written)
    )]
    BadIgnored { option: Name, written: Option<String>, allowed: String },
    #[error("{new} is set too and wins over {old}, its old name; remove the old one")]
    BothNames { old: Name, new: Name },
    #[error(
        "{option} refers to ${reference}, which no option is called; write $$ for a plain dollar"
    )]
    UnknownReference { option: Name, reference: String },
    #[error("{option} refers to ${reference}, whose value is not valid")]
    WrongReference { option: Name, reference: String },
    #[error("{option} refers to itself, perhaps by way of others")]
    ReferenceLoop { option: Name },
    #[error("{option} becomes too long when its references are filled in")]
    TooLong { option: Name },
}

impl Finding {
    pub fn severity(&self) -> Severity {
        match &self.problem {
            Problem::Syntax(_)
            | Problem::BadValue { .. }
            | Problem::UnknownReference { .. }
            | Problem::WrongReference { .. }
            | Problem::ReferenceLoop { .. }
            | Problem::TooLong { .. } => Severity::Error,
            Problem::UnknownSection { .. }
            | Problem::UnknownOption { .. }
            | Problem::Deprecated { .. }
            | Problem::Retiring { .. }
            | Problem::BadIgnored { .. }
            | Problem::BothNames { .. }
            | Problem::Ignored { .. }
            | Problem::Duplicate { .. }
            | Problem::EmptyNumber { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}: {severity}: {}", self.place, self.problem)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::CommandLine => f.write_str("command line"),
            Self::BuiltInDefault => f.write_str("built-in default"),
        }
    }
}

fn hint(meant: &Option<impl fmt::Display>) -> String {
    meant.as_ref().map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

fn quoted(written: &Option<String>) -> String {
    written.as_ref().map(|written| format!(" = {written:?}")).unwrap_or_default()
}

/// The candidate that is fewest typing errors away, if it is near enough to be meant.
pub fn nearest<'a>(typed: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near_enough = (typed.chars().count() / 2).min(3);
    candidates
        .map(|candidate| {
            // Two letters the wrong way round are one error, not two.
            let swapped = letters(typed) == letters(candidate);
            (if swapped { 1 } else { typing_errors(typed, candidate) }, candidate)
        })
        .filter(|(errors, _)| *errors <= near_enough)
        .min()
        .map(|(_, candidate)| candidate)
}

fn letters(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters
}

/// Levenshtein's distance, one row at a time.
fn typing_errors(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in (1..).zip(a.chars()) {
        let mut diagonal = i - 1;
        let mut left = i;
        for (to, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *above;
            left = changed.min(left + 1).min(diagonal + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i;
        }
    }
    row.last().copied().unwrap_or_default()
}
