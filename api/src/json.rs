//! A JSON value as Python would hold it: objects keep their order and the last of equal keys, and
//! every value can be written the way Python writes it.
//!
//! Masakari's messages quote what was sent in Python's notation (`{'name': None}`), and operators
//! search for them, so ours are the same.

use crate::printable;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use std::{
    fmt::{self, Write},
    io,
};

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The text at `key`; `None` when there is none or it is something else.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    /// The texts of the list at `key`; `None` when there is none or something else is in it.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        match self.get(key)? {
            Self::List(items) => items.iter().map(Self::as_text).collect(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Object(_) => None,
        }
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The yes or no at `key`, which may be a word for it (see [`crate::query::flag`]).
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Self::Bool(flag) => Some(*flag),
            Self::Text(word) => crate::query::flag(word),
            Self::Null | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// Objects with their keys in order, so that equal content is equal text.
    pub(crate) fn canonical(&self) -> String {
        fn sorted(value: &Json) -> Json {
            match value {
                Json::Object(fields) => {
                    let mut fields: Vec<_> =
                        fields.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
                    fields.sort_by(|a, b| a.0.cmp(&b.0));
                    Json::Object(fields)
                }
                Json::List(items) => Json::List(items.iter().map(sorted).collect()),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => value.clone(),
            }
        }
        sorted(self).compact()
    }

    /// Its JSON text.
    pub(crate) fn compact(&self) -> String {
        // Writing to memory what has text keys only cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Its JSON text as Python writes it, which is what stands in Masakari's tables: a blank after each
    /// comma and colon, and nothing but ASCII.
    pub(crate) fn as_python_dumps(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory what has text keys only cannot fail.
        let _ = self.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Dumps));
        String::from_utf8(text).unwrap_or_default()
    }

    /// Python's `repr`.
    pub(crate) fn repr(&self) -> String {
        match self {
            Self::Null => "None".into(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::Number(number) => in_python(number),
            Self::Text(text) => quoted(text),
            Self::List(items) => format!("[{}]", join(items.iter().map(Self::repr))),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(k, v)| format!("{}: {}", quoted(k), v.repr()));
                format!("{{{}}}", join(fields))
            }
        }
    }

    /// Python's `str`: as `repr`, but text stands as it is.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => {
                self.repr()
            }
        }
    }
}

struct Dumps;

impl serde_json::ser::Formatter for Dumps {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        for c in text.chars() {
            if c.is_ascii() {
                write!(to, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// Python writes fractions that are very small or very large with an exponent of two digits or more.
fn in_python(number: &serde_json::Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let scientific = format!("{value:e}");
    let parts = scientific.split_once('e');
    let Some((digits, power)) = parts.and_then(|(d, p)| Some((d, p.parse::<i32>().ok()?))) else {
        return scientific;
    };
    if (-4..16).contains(&power) {
        return format!("{value:?}");
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Python's `repr` of a text.
pub(crate) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        // Writing to memory does not fail.
        let _ = match c {
            '\\' => write!(out, "\\\\"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            c if c == quote => write!(out, "\\{c}"),
            c if c == ' ' || printable::shows_ink(c) => write!(out, "{c}"),
            c if u32::from(c) < 0x100 => write!(out, "\\x{:02x}", u32::from(c)),
            c => write!(out, "\\u{:04x}", u32::from(c)),
        };
    }
    out.push(quote);
    out
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(flag) => to.serialize_bool(*flag),
            Self::Number(number) => number.serialize(to),
            Self::Text(text) => to.serialize_str(text),
            Self::List(items) => to.collect_seq(items),
            Self::Object(fields) => to.collect_map(fields.iter().map(|(k, v)| (k, v))),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut fields: Vec<(String, Json)> = Vec::new();
        while let Some((key, value)) = entries.next_entry::<String, Json>()? {
            match fields.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => fields.push((key, value)),
            }
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn objects_keep_their_order_and_the_last_of_equal_keys() {
        assert_eq!(read(r#"{"b": 1, "a": 2, "b": 3}"#).compact(), r#"{"b":3,"a":2}"#);
        assert_eq!(read(r#"{"b": 1, "a": {"d": 1, "c": 2}}"#).canonical(), {
            r#"{"a":{"c":2,"d":1},"b":1}"#
        });
    }

    #[test]
    fn what_goes_into_the_database_is_what_python_would_write_there() {
        let value = read(r#"{"b":[1,2,{}],"a":"é😀\n"}"#);
        assert_eq!(value.as_python_dumps(), r#"{"b": [1, 2, {}], "a": "\u00e9\ud83d\ude00\n"}"#);
    }

    #[test]
    fn values_are_written_as_python_writes_them() {
        for (json, python) in [
            (r#"{"a": null, "b": [true, 1, 1.5]}"#, "{'a': None, 'b': [True, 1, 1.5]}"),
            (
                "[1e-7, 1e16, 1e15, 0.0001, 1.5e300]",
                "[1e-07, 1e+16, 1000000000000000.0, 0.0001, 1.5e+300]",
            ),
            (r#""it's""#, "\"it's\""),
            (r#""it's \"so\"""#, r#"'it\'s "so"'"#),
            (r#""tab\tnul\u0000nbsp\u00a0""#, r"'tab\tnul\x00nbsp\xa0'"),
            (r#""日本😀\u200b""#, r"'日本😀\u200b'"),
        ] {
            assert_eq!(read(json).repr(), python);
        }
        assert_eq!(read(r#""a\tb""#).plain(), "a\tb");
    }
}
