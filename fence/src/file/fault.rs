//! What can be wrong with the file, where it is wrong, and what was probably meant.

use std::fmt;
use std::path::PathBuf;

/// A place in the file, both counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// One fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub place: Place,
    pub what: What,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum What {
    #[error("this is no YAML: {why}")]
    Syntax { why: String },
    #[error("{what} is not read here; write it out")]
    NotRead { what: &'static str },
    #[error("the file is empty; it needs at least `devices`")]
    Empty,
    #[error("{of} has no field `{field}`{}", meant(.suggestion))]
    UnknownField { field: String, of: String, suggestion: Option<String> },
    #[error("`{field}` stands here twice; it began on line {first}")]
    Twice { field: String, first: usize },
    #[error("{of} lacks `{field}`")]
    Missing { field: &'static str, of: String },
    #[error("`{field}` is to be {wanted}, and is {found}")]
    WrongShape { field: String, wanted: &'static str, found: &'static str },
    #[error("`{field}` is {found:?}: {wanted}{}", meant(.suggestion))]
    WrongValue { field: String, found: String, wanted: String, suggestion: Option<String> },
    #[error(
        "`{field}` is a secret and must not stand in this file: name a `file`, an `environment` variable \
         or a systemd `credential`, as {field}: {{file: /etc/masakari/bmc-password}}"
    )]
    PlainSecret { field: String },
    #[error("there is no {kind} `{name}`{}", meant(.suggestion))]
    NoSuch { kind: &'static str, name: String, suggestion: Option<String> },
    #[error("{0}")]
    Contradiction(String),
}

fn meant(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}

/// Everything that is wrong with a file, in the order of its lines.
#[derive(Debug)]
pub struct FileFaults {
    pub path: PathBuf,
    pub faults: Vec<Fault>,
}

impl fmt::Display for FileFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Fault { place, what }) in self.faults.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{}:{}: {what}", self.path.display(), place.line, place.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for FileFaults {}

/// The known word that `word` was probably meant to be: at most two letters wrong, or a third of it.
pub(crate) fn suggestion<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let far = (word.chars().count() / 3).max(2);
    let near = known.into_iter().map(|k| (distance(&word.to_lowercase(), k), k));
    let best = near.filter(|(d, k)| *d <= far && *d < k.chars().count()).min();
    best.map(|(_, k)| k.to_owned())
}

/// Letters to put in, take out, change, or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(x != y)).min(rows[i][j + 1] + 1);
            best = best.min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_suggested_and_what_is_not_is_not() {
        let known = ["address", "username", "password", "system"];
        assert_eq!(suggestion("adress", known).as_deref(), Some("address"));
        assert_eq!(suggestion("usrename", known).as_deref(), Some("username"));
        assert_eq!(suggestion("Password", known).as_deref(), Some("password"));
        assert_eq!(suggestion("colour", known), None);
        assert_eq!(suggestion("xy", ["ab"]), None);
    }
}
