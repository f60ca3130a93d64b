//! The types of options: text to value, and what is allowed when that fails.

use std::collections::BTreeMap;

use super::{Opt, address, is_space};
use crate::Secret;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Str,
    /// A string whose value is never shown.
    Secret,
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    Float {
        min: f64,
        max: f64,
    },
    Port,
    /// An IP address or the name of a host.
    HostAddress,
    /// `scheme://host…`
    Uri,
    /// Separated by commas.
    List,
    /// The option may be repeated; every value counts.
    MultiStr,
    /// `key:value,key:value`
    Dict,
    /// `key:['a','b'],key:[]`
    DictOfLists,
}

impl Kind {
    pub const INT: Self = Self::Int { min: i64::MIN, max: i64::MAX };
    pub const FLOAT: Self = Self::Float { min: f64::MIN, max: f64::MAX };

    pub const fn at_least(min: i64) -> Self {
        Self::Int { min, max: i64::MAX }
    }
}

/// What a text became.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Secret(Secret),
    Bool(bool),
    Int(i64),
    Float(f64),
    List(Vec<String>),
    Dict(BTreeMap<String, String>),
    DictOfLists(BTreeMap<String, Vec<String>>),
}

/// `Ok(None)`: an empty number, which counts as not set. `Err`: what would have been allowed.
pub(super) fn convert(opt: &Opt, texts: &[String]) -> Result<Option<Value>, String> {
    let text = texts.last().map(String::as_str).unwrap_or_default();
    Ok(Some(match opt.kind {
        Kind::Str => Value::Text(chosen(opt, text)?),
        Kind::Secret => Value::Secret(Secret::new(text)),
        Kind::HostAddress => Value::Text(address::host(text)?),
        Kind::Uri => Value::Text(address::uri(text)?),
        Kind::Bool => Value::Bool(boolean(text)?),
        Kind::Int { .. } | Kind::Float { .. } | Kind::Port
            if text.trim_matches(is_space).is_empty() =>
        {
            return Ok(None);
        }
        Kind::Int { min, max } => Value::Int(integer(text, min, max)?),
        Kind::Port => Value::Int(integer(text, 0, u16::MAX.into())?),
        Kind::Float { min, max } => Value::Float(float(text, min, max)?),
        Kind::List => {
            let items = items(text);
            items.iter().try_for_each(|item| chosen(opt, item).map(drop))?;
            Value::List(items)
        }
        Kind::MultiStr => Value::List(texts.to_vec()),
        Kind::Dict => Value::Dict(pairs(text, |value| Some(value.to_owned()))?),
        Kind::DictOfLists => Value::DictOfLists(pairs(text, bracketed)?),
    }))
}

fn chosen(opt: &Opt, text: &str) -> Result<String, String> {
    let same = |choice: &&str| {
        *choice == text || opt.ignore_case && choice.to_lowercase() == text.to_lowercase()
    };
    if opt.choices.is_empty() || opt.choices.iter().any(same) {
        return Ok(text.to_owned());
    }
    Err(format!("one of: {}", opt.choices.join(", ")))
}

pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "on" | "yes" => Ok(true),
        "0" | "false" | "off" | "no" => Ok(false),
        _ => Err("one of: true, yes, on, 1, false, no, off, 0".to_owned()),
    }
}

fn integer(text: &str, min: i64, max: i64) -> Result<i64, String> {
    let parsed = plain_digits(text).and_then(|text| text.parse().ok());
    parsed.filter(|number| (min..=max).contains(number)).ok_or_else(|| match (min, max) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        (min, i64::MAX) => format!("a whole number, at least {min}"),
        (i64::MIN, max) => format!("a whole number, at most {max}"),
        (min, max) => format!("a whole number from {min} to {max}"),
    })
}

fn float(text: &str, min: f64, max: f64) -> Result<f64, String> {
    let parsed = plain_digits(text).and_then(|text| text.parse::<f64>().ok());
    // No time or ratio is NaN or endless, whatever the original thinks; both are outside of any
    // range.
    parsed.filter(|number| (min..=max).contains(number)).ok_or_else(|| match (min, max) {
        (f64::MIN, f64::MAX) => "a finite number".to_owned(),
        (min, f64::MAX) => format!("a number, at least {min}"),
        (f64::MIN, max) => format!("a number, at most {max}"),
        (min, max) => format!("a number from {min} to {max}"),
    })
}

/// Python reads `1_000`: underscores are fine between two digits and nowhere else.
fn plain_digits(text: &str) -> Option<String> {
    let text = text.trim_matches(is_space);
    let bytes = text.as_bytes();
    let is_digit =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let misplaced = |at: usize| !(is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)));
    let mut places = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    (!places.any(|(at, _)| misplaced(at))).then(|| text.replace('_', ""))
}

fn items(text: &str) -> Vec<String> {
    match text.trim_matches(is_space).trim_end_matches(',') {
        "" => Vec::new(),
        text => text.split(',').map(|item| item.trim_matches(is_space).to_owned()).collect(),
    }
}

/// A comma separates pairs only where the value so far is complete: `k:[a,b],x:[c]` is two pairs.
fn pairs<T>(
    text: &str,
    complete: impl Fn(&str) -> Option<T>,
) -> Result<BTreeMap<String, T>, String> {
    let allowed = || "NAME:VALUE pairs separated by ',', every name once".to_owned();
    let mut result = BTreeMap::new();
    let mut pending = String::new();
    for piece in
        text.trim_matches(is_space).split(',').filter(|_| !text.trim_matches(is_space).is_empty())
    {
        pending.push_str(piece);
        if let Some((name, value)) = pending.split_once(':')
            && let Some(value) = complete(value.trim_matches(is_space))
        {
            let name = name.trim_matches(is_space).to_owned();
            if name.is_empty() || result.insert(name, value).is_some() {
                return Err(allowed());
            }
            pending.clear();
        } else {
            pending.push(',');
        }
    }
    if pending.is_empty() { Ok(result) } else { Err(allowed()) }
}

fn bracketed(text: &str) -> Option<Vec<String>> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    items(inside).into_iter().map(|item| quoted(&item)).collect()
}

fn quoted(item: &str) -> Option<String> {
    match item.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            item.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned)
        }
        Some(_) | None => Some(item.to_owned()),
    }
}
