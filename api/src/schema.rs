//! What a request's body must look like: Masakari's JSON schemas as tables, and the first thing that
//! is wrong with a body, in the words in which Python Masakari says it.
//!
//! Not a JSON Schema library: our bodies are one object in another, and the wording is the point.
//! The order of the checks is the order of the schema's keywords, because only the first error
//! is told.

use crate::{
    json::{Json, quoted},
    printable, query, timestamp,
};

/// One body.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The one key under which the object stands; `None` when the body is that object itself.
    pub(crate) key: Option<&'static str>,
    /// What may stand in the object, in this order.
    pub(crate) fields: &'static [(&'static str, Rule)],
    pub(crate) need: Need,
}

/// Which fields must be there.
#[derive(Debug)]
pub(crate) enum Need {
    All(&'static [&'static str]),
    /// The same, and it is told before what is too much.
    AllFirst(&'static [&'static str]),
    /// At least one.
    Any,
}

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// 1 to 255 printable characters without space at its ends.
    Name,
    /// Printable characters and newlines, or null, as much as the column takes.
    Description,
    /// The same, but null is refused: the column takes none.
    Attributes,
    /// Letters and digits, at most 255.
    HostType,
    Boolean,
    /// One of the words; Python writes them as a list or as a tuple.
    Word(&'static [&'static str], Brackets),
    Hostname,
    Time,
    /// Text values of at most 255 characters under modest keys.
    Payload,
    Uuid,
    /// 1 to this many characters.
    Text(usize),
    /// At most so many.
    Uuids(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Brackets {
    Square,
    Round,
}

/// The TEXT columns of MySQL end here.
const TEXT_BYTES_MAX: usize = 65_535;
const NAME_CHARS_MAX: usize = 255;
const BOOLEANS: &str = "[True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', \
     False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no']";
const BAD_NAME: &str = "An invalid 'name' value was provided. The name must be: printable characters. \
     Can not start or end with whitespace.";

/// What is wrong with one value: said alone, or after the path and value it is about.
enum Wrong {
    Whole(&'static str),
    Value(String),
}

impl Schema {
    /// The first thing that is wrong with `body`, for the person who sent it.
    pub(crate) fn check(&self, body: &Json) -> Result<(), String> {
        let Some(key) = self.key else {
            return self.check_object(body, None);
        };
        let Json::Object(fields) = body else {
            return Err(not_of_type(body, "'object'"));
        };
        match body.get(key) {
            Some(inner) => self.check_object(inner, Some(key))?,
            None => return Err(format!("{} is a required property", quoted(key))),
        }
        no_others(fields, |name| name == key)
    }

    fn check_object(&self, object: &Json, path: Option<&str>) -> Result<(), String> {
        let at_object = |message: String| match path {
            Some(path) => about(path, object, &message),
            None => message,
        };
        let Json::Object(fields) = object else {
            return Err(at_object(not_of_type(object, "'object'")));
        };
        for (name, rule) in self.fields {
            let Some(value) = object.get(name) else { continue };
            if let Rule::Payload = rule {
                check_payload(name, value)?;
            } else {
                rule.check(value).map_err(|wrong| match wrong {
                    Wrong::Whole(message) => message.to_owned(),
                    Wrong::Value(message) => about(name, value, &message),
                })?;
            }
        }
        let known = |name: &str| self.fields.iter().any(|(known, _)| *known == name);
        let others = no_others(fields, known).map_err(at_object);
        match self.need {
            Need::AllFirst(names) => all_of(names, object).map_err(at_object).and(others),
            Need::All(names) => others.and_then(|()| all_of(names, object).map_err(at_object)),
            Need::Any if others.is_err() => others,
            Need::Any if fields.is_empty() => Err(at_object(format!(
                "{} is not valid under any of the given schemas",
                object.repr()
            ))),
            Need::Any => Ok(()),
        }
    }
}

impl Rule {
    fn check(self, value: &Json) -> Result<(), Wrong> {
        match self {
            Self::Name => {
                let name = length(value, "'string'", 1, NAME_CHARS_MAX)?;
                let edge = |c: Option<char>| c.is_some_and(char::is_whitespace);
                let printable = name.chars().all(|c| c != '\n' && printable::is_printable(c));
                if printable && !edge(name.chars().next()) && !edge(name.chars().next_back()) {
                    Ok(())
                } else {
                    Err(Wrong::Whole(BAD_NAME))
                }
            }
            Self::Description if *value == Json::Null => Ok(()),
            Self::Description => long_text(value),
            Self::Attributes if *value == Json::Null => {
                Err(Wrong::Value(not_of_type(value, "'string'")))
            }
            Self::Attributes => long_text(value),
            Self::HostType => {
                let expected = if *value == Json::Null { "'string'" } else { "'string', 'null'" };
                let text = length(value, expected, 0, NAME_CHARS_MAX)?;
                let fits = text.chars().all(|c| c.is_ascii_alphanumeric());
                matches(fits, value, "'^[a-zA-Z0-9]*$'")
            }
            Self::Boolean => match value {
                Json::Bool(_) => Ok(()),
                Json::Text(word) if query::BOOLEAN_WORDS.contains(&word.as_str()) => Ok(()),
                Json::Text(_) => {
                    Err(Wrong::Value(format!("{} is not one of {BOOLEANS}", value.repr())))
                }
                Json::Null | Json::Number(_) | Json::List(_) | Json::Object(_) => {
                    Err(Wrong::Value(not_of_type(value, "'boolean', 'string'")))
                }
            },
            Self::Word(words, brackets) => one_of(value, words, brackets),
            Self::Hostname => {
                let text = length(value, "'string'", 1, NAME_CHARS_MAX)?;
                let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
                matches(fits, value, "'^[a-zA-Z0-9-._]*$'")
            }
            Self::Time => {
                let fits = timestamp::parse(text(value, "'string'")?).is_some();
                is_a(fits, value, "'date-time'")
            }
            Self::Uuid => is_a(is_uuid(text(value, "'string'")?), value, "'uuid'"),
            Self::Text(max) => length(value, "'string'", 1, max).map(|_| ()),
            Self::Uuids(max) => uuids(value, max),
            Self::Payload => Ok(()),
        }
    }
}

/// Whether `text` reads as a UUID, in any of the ways of writing one.
pub(crate) fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

fn check_payload(name: &str, payload: &Json) -> Result<(), String> {
    let Json::Object(fields) = payload else {
        return Err(about(name, payload, &not_of_type(payload, "'object'")));
    };
    let modest = |key: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_:. ".contains(c);
        (1..=255).contains(&key.len()) && key.chars().all(known)
    };
    for (key, value) in fields.iter().filter(|(key, _)| modest(key)) {
        length(value, "'string'", 0, NAME_CHARS_MAX).map_err(|wrong| match wrong {
            Wrong::Whole(message) => message.to_owned(),
            Wrong::Value(message) => about(key, value, &message),
        })?;
    }
    let mut others: Vec<&str> =
        fields.iter().map(|(key, _)| key.as_str()).filter(|key| !modest(key)).collect();
    if others.is_empty() {
        return Ok(());
    }
    others.sort_unstable();
    let verb = if others.len() == 1 { "does" } else { "do" };
    let others = others.into_iter().map(quoted).collect::<Vec<_>>().join(", ");
    let message =
        format!("{others} {verb} not match any of the regexes: '^[a-zA-Z0-9-_:. ]{{1,255}}$'");
    Err(about(name, payload, &message))
}

fn about(path: &str, value: &Json, message: &str) -> String {
    format!("Invalid input for field/attribute {path}. Value: {}. {message}", value.plain())
}

fn not_of_type(value: &Json, types: &str) -> String {
    format!("{} is not of type {types}", value.repr())
}

fn no_others(fields: &[(String, Json)], known: impl Fn(&str) -> bool) -> Result<(), String> {
    let mut others: Vec<&str> =
        fields.iter().map(|(name, _)| name.as_str()).filter(|name| !known(name)).collect();
    if others.is_empty() {
        return Ok(());
    }
    others.sort_unstable();
    let verb = if others.len() == 1 { "was" } else { "were" };
    let others = others.into_iter().map(quoted).collect::<Vec<_>>().join(", ");
    Err(format!("Additional properties are not allowed ({others} {verb} unexpected)"))
}

fn all_of(names: &[&str], object: &Json) -> Result<(), String> {
    match names.iter().find(|name| object.get(name).is_none()) {
        Some(name) => Err(format!("{} is a required property", quoted(name))),
        None => Ok(()),
    }
}

fn text<'a>(value: &'a Json, types: &str) -> Result<&'a str, Wrong> {
    match value {
        Json::Text(text) => Ok(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => {
            Err(Wrong::Value(not_of_type(value, types)))
        }
    }
}

fn length<'a>(value: &'a Json, types: &str, min: usize, max: usize) -> Result<&'a str, Wrong> {
    let text = text(value, types)?;
    let chars = text.chars().count();
    if chars < min {
        Err(Wrong::Value(format!("{} should be non-empty", value.repr())))
    } else if chars > max {
        Err(Wrong::Value(format!("{} is too long", value.repr())))
    } else {
        Ok(text)
    }
}

fn long_text(value: &Json) -> Result<(), Wrong> {
    let text = text(value, "'string', 'null'")?;
    matches(
        text.chars().all(printable::is_printable),
        value,
        &quoted(&format!("^[{}]*$", printable::RANGES)),
    )?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(Wrong::Value(format!("it is too long: at most {TEXT_BYTES_MAX} bytes fit")));
    }
    Ok(())
}

fn one_of(value: &Json, words: &[&str], brackets: Brackets) -> Result<(), Wrong> {
    if words.contains(&text(value, "'string'")?) {
        return Ok(());
    }
    let words = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
    Err(Wrong::Value(match brackets {
        Brackets::Square => format!("{} is not one of [{words}]", value.repr()),
        Brackets::Round => format!("{} is not one of ({words})", value.repr()),
    }))
}

fn matches(fits: bool, value: &Json, pattern: &str) -> Result<(), Wrong> {
    if fits {
        Ok(())
    } else {
        Err(Wrong::Value(format!("{} does not match {pattern}", value.repr())))
    }
}

fn uuids(value: &Json, max: usize) -> Result<(), Wrong> {
    let Json::List(items) = value else {
        return Err(Wrong::Value(not_of_type(value, "'array'")));
    };
    if items.len() > max {
        return Err(Wrong::Value(format!("it is too long: at most {max} are taken at once")));
    }
    items.iter().try_for_each(|item| Rule::Uuid.check(item))
}

fn is_a(fits: bool, value: &Json, format: &str) -> Result<(), Wrong> {
    if fits { Ok(()) } else { Err(Wrong::Value(format!("{} is not a {format}", value.repr()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = Schema {
        key: Some("host"),
        fields: &[("name", Rule::Name), ("type", Rule::HostType), ("reserved", Rule::Boolean)],
        need: Need::All(&["name"]),
    };

    fn wrong(body: &str) -> String {
        SCHEMA.check(&serde_json::from_str(body).unwrap()).unwrap_err()
    }

    #[test]
    fn the_first_wrong_thing_is_told_in_pythons_words() {
        assert_eq!(wrong("null"), "None is not of type 'object'");
        assert_eq!(wrong("{}"), "'host' is a required property");
        assert_eq!(
            wrong(r#"{"host": {"name": "a", "b": 1, "a": 2}}"#),
            "Invalid input for field/attribute host. Value: {'name': 'a', 'b': 1, 'a': 2}. \
             Additional properties are not allowed ('a', 'b' were unexpected)"
        );
        assert_eq!(
            wrong(r#"{"host": {"type": null}}"#),
            "Invalid input for field/attribute type. Value: None. None is not of type 'string'"
        );
    }

    #[test]
    fn a_wrong_field_is_told_before_a_missing_one() {
        assert!(wrong(r#"{"host": {"reserved": "maybe"}}"#).contains("'maybe' is not one of"));
    }

    #[test]
    fn a_name_of_blanks_is_no_name() {
        assert_eq!(wrong(r#"{"host": {"name": " "}}"#), BAD_NAME);
    }
}
