//! Texts of the file with places to fill: `https://{bmc}` or `/etc/masakari/bmc/{host}`.
//!
//! One device stands for a whole rack that way. `{host}` is the host's name, everything else a value that the
//! host has in the file.

use std::collections::BTreeMap;

/// A text, and where values go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    text: String,
    names: Vec<String>,
}

/// Why a text is no template.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
#[error(
    "`{{` without its `}}`, or a name between them that is not of letters, digits, `_` and `-`"
)]
pub struct Malformed;

/// Why a template cannot be filled for a host.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Unfilled {
    #[error("the host has no value `{name}`")]
    NoValue { name: String },
    #[error(
        "{text:?} cannot be a host's name here: letters, digits, `.`, `_` and `-`, a letter or digit first"
    )]
    Host { text: String },
}

/// What a host fills in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// Only `{host}`.
    ///
    /// # Errors
    /// When the name is not one that may stand in an address, a path or a program's arguments: it comes from
    /// the API, and must not become an option or climb out of a folder.
    pub fn of_host(host: &str) -> Result<Self, Unfilled> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let starts = host.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !starts || !host.chars().all(plain) {
            return Err(Unfilled::Host { text: host.to_owned() });
        }
        Ok(Self(BTreeMap::from([("host".to_owned(), host.to_owned())])))
    }

    #[must_use]
    pub fn with(mut self, more: &BTreeMap<String, String>) -> Self {
        self.0.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }
}

impl Template {
    /// # Errors
    /// When a brace is open or names nothing.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        let mut names = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or(Malformed)?;
            let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if before.contains('}') || name.is_empty() || !name.chars().all(word) {
                return Err(Malformed);
            }
            names.push(name.to_owned());
            rest = behind;
        }
        if rest.contains('}') { Err(Malformed) } else { Ok(Self { text: text.to_owned(), names }) }
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values that it wants.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// # Errors
    /// When the host has no such value.
    pub fn fill(&self, values: &Values) -> Result<String, Unfilled> {
        let mut filled = self.text.clone();
        for name in &self.names {
            let no_value = || Unfilled::NoValue { name: name.clone() };
            let value = values.0.get(name).ok_or_else(no_value)?;
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_with_the_hosts_values() {
        let more = BTreeMap::from([("bmc".to_owned(), "10.0.0.7".to_owned())]);
        let values = Values::of_host("compute01").unwrap().with(&more);
        let filled = Template::new("https://{bmc}/{host}").unwrap().fill(&values);
        assert_eq!(filled.as_deref(), Ok("https://10.0.0.7/compute01"));
        let wants = Template::new("{plug}").unwrap().fill(&values);
        assert_eq!(wants, Err(Unfilled::NoValue { name: "plug".to_owned() }));
    }

    #[test]
    fn a_brace_that_is_open_or_names_nothing_is_no_template() {
        for wrong in ["{", "}", "a{b", "{}", "{a b}", "}{a}"] {
            assert_eq!(Template::new(wrong), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn a_hosts_name_cannot_become_an_option_or_climb_out_of_a_folder() {
        for wrong in ["-oProxyCommand=x", "../../etc/shadow", "a b", "", ".hidden", "a\nb"] {
            assert!(Values::of_host(wrong).is_err(), "{wrong}");
        }
        assert!(Values::of_host("compute-01.rack_2.example").is_ok());
    }
}
