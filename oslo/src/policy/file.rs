//! Policy files: YAML (of which JSON is nearly a part) to overrides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::RuleText;
use crate::door::{ReadError, list, read_text};

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("policy file {path} is not YAML", path = .path.display())]
    Syntax { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("policy file {path}: {what}; write `\"name\": \"rule\"` lines", path = .path.display())]
    Shape { path: PathBuf, what: String },
}

/// Reads the policy file, if there is one, and then every file of the directories that exist, in
/// the order of their names. The later replaces the earlier.
pub fn read_overrides(
    file: Option<&Path>,
    dirs: &[PathBuf],
) -> Result<BTreeMap<String, RuleText>, FileError> {
    let mut paths: Vec<PathBuf> = file.map(Path::to_owned).into_iter().collect();
    for dir in dirs.iter().filter(|dir| dir.exists()) {
        paths.extend(list(dir, "")?);
    }
    let mut overrides = BTreeMap::new();
    for path in paths {
        overrides.extend(parse_overrides(&path, &read_text(&path)?)?);
    }
    Ok(overrides)
}

/// What tells whether files or folders have changed: what is there, its time and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, Option<SystemTime>, u64)>);

/// The stamp of what [`read_overrides`] would read now.
pub fn stamp(file: Option<&Path>, dirs: &[PathBuf]) -> Stamp {
    let inside = dirs.iter().flat_map(|dir| list(dir, "").unwrap_or_default());
    let paths = file.map(Path::to_owned).into_iter().chain(dirs.iter().cloned()).chain(inside);
    let look = |path: PathBuf| {
        let found = std::fs::metadata(&path).ok()?;
        Some((path, found.modified().ok(), found.len()))
    };
    Stamp(paths.filter_map(look).collect())
}

/// `path` is only for the error.
pub fn parse_overrides(path: &Path, text: &str) -> Result<BTreeMap<String, RuleText>, FileError> {
    let shape = |what: String| FileError::Shape { path: path.to_owned(), what };
    let rules = match parse(text) {
        Ok(Value::Object(rules)) => rules,
        Ok(Value::Null) => return Ok(BTreeMap::new()),
        Ok(_) => return Err(shape("it is not a map of rules".to_owned())),
        Err(source) => {
            return Err(FileError::Syntax { path: path.to_owned(), source: source.into() });
        }
    };
    let rules = rules.into_iter().map(|(name, rule)| match rule_text(rule) {
        Some(rule) => Ok((name, rule)),
        None => Err(shape(format!("rule {name:?} is neither text nor a list of lists"))),
    });
    rules.collect()
}

fn parse(text: &str) -> Result<Value, serde_saphyr::Error> {
    // JSON may be indented with tabs, YAML not.
    if let Ok(json) = serde_json::from_str(text) {
        return Ok(json);
    }
    let last_wins = serde_saphyr::DuplicateKeyPolicy::LastWins;
    // A line of the log has no room for a picture of the place; line and column are told.
    let options = serde_saphyr::options! { duplicate_keys: last_wins, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options)
}

fn rule_text(rule: Value) -> Option<RuleText> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match rule {
        Value::String(text) => Some(RuleText::Text(text)),
        Value::Array(lists) => lists
            .iter()
            .map(|list| match list {
                Value::Array(checks) => checks.iter().map(text).collect(),
                single => Some(vec![text(single)?]),
            })
            .collect::<Option<_>>()
            .map(RuleText::Lists),
        // The original reads a rule without value as "everybody". No operator means that.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}
