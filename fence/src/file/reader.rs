//! Takes the fields of a map apart. Every complaint goes to one list, so that a person who wrote the file sees
//! all of it at once.

use super::fault::{Fault, Place, What, suggestion};
use super::template::Template;
use super::tree::{Node, Shape};
use crate::secret::SecretAt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// No deadline is longer: a rung that takes an hour is no rung.
const DURATION_S_MAX: u64 = 86_400 * 7;

/// The complaints so far.
#[derive(Default, Debug)]
pub(super) struct Complaints(RefCell<Vec<Fault>>);

impl Complaints {
    pub(super) fn add(&self, place: Place, what: What) {
        self.0.borrow_mut().push(Fault { place, what });
    }

    pub(super) fn into_sorted(self) -> Vec<Fault> {
        let mut all = self.0.into_inner();
        all.sort_by_key(|fault| fault.place);
        all
    }
}

/// The fields of one map.
pub(super) struct Fields<'a> {
    /// What it is, as "the device `bmc`".
    of: String,
    pub(super) place: Place,
    pairs: Vec<(&'a str, &'a Node)>,
    complaints: &'a Complaints,
}

/// The pairs of a map whose keys are names of the operator's; complains of any other shape.
pub(super) fn pairs<'a>(
    node: &'a Node,
    field: &str,
    complaints: &Complaints,
) -> Vec<(&'a str, Place, &'a Node)> {
    let Shape::Map(all) = &node.shape else {
        let (field, found) = (field.to_owned(), node.called());
        complaints.add(node.place, What::WrongShape { field, wanted: "a map", found });
        return Vec::new();
    };
    let mut named: Vec<(&str, Place, &Node)> = Vec::new();
    for (key, value) in all {
        let Some(name) = key.text() else {
            let (field, found) = (field.to_owned(), key.called());
            complaints.add(key.place, What::WrongShape { field, wanted: "a name", found });
            continue;
        };
        match named.iter().find(|(other, ..)| *other == name) {
            Some((_, first, _)) => {
                let what = What::Twice { field: name.to_owned(), first: first.line };
                complaints.add(key.place, what);
            }
            None => named.push((name, key.place, value)),
        }
    }
    named
}

impl<'a> Fields<'a> {
    /// Complains of every field that is not one of `known`.
    pub(super) fn of(
        node: &'a Node,
        of: String,
        known: &[&'static str],
        complaints: &'a Complaints,
    ) -> Self {
        let mut taken = Vec::new();
        for (name, place, value) in pairs(node, &of, complaints) {
            if known.contains(&name) {
                taken.push((name, value));
            } else {
                let suggestion = suggestion(name, known.iter().copied());
                let (field, of) = (name.to_owned(), of.clone());
                complaints.add(place, What::UnknownField { field, of, suggestion });
            }
        }
        Self { of, place: node.place, pairs: taken, complaints }
    }

    pub(super) fn get(&self, field: &str) -> Option<&'a Node> {
        self.pairs.iter().find(|(name, _)| *name == field).map(|(_, node)| *node)
    }

    pub(super) fn required(&self, field: &'static str) -> Option<&'a Node> {
        let found = self.get(field);
        if found.is_none() {
            self.complaints.add(self.place, What::Missing { field, of: self.of.clone() });
        }
        found
    }

    fn text_of(&self, field: &str, node: &'a Node) -> Option<&'a str> {
        let text = node.text();
        if text.is_none() {
            let (field, found) = (field.to_owned(), node.called());
            self.complaints.add(node.place, What::WrongShape { field, wanted: "a text", found });
        }
        text
    }

    /// A value that is wrong, with what it should be.
    pub(super) fn wrong(&self, field: &str, node: &Node, wanted: &str, suggestion: Option<String>) {
        let found = node.text().unwrap_or_else(|| node.called()).to_owned();
        let (field, wanted) = (field.to_owned(), wanted.to_owned());
        let what = What::WrongValue { field, found, wanted, suggestion };
        self.complaints.add(node.place, what);
    }

    pub(super) fn contradiction(&self, place: Place, what: String) {
        self.complaints.add(place, What::Contradiction(what));
    }

    /// The pairs of a map below this one.
    pub(super) fn pairs_of(&self, field: &str) -> Vec<(&'a str, Place, &'a Node)> {
        self.get(field).map(|node| pairs(node, field, self.complaints)).unwrap_or_default()
    }

    pub(super) fn plain(&self, field: &str) -> Option<&'a str> {
        self.get(field).and_then(|node| self.text_of(field, node))
    }

    pub(super) fn template(&self, field: &str) -> Option<Template> {
        let node = self.get(field)?;
        self.template_of(field, node)
    }

    pub(super) fn required_template(&self, field: &'static str) -> Option<Template> {
        let node = self.required(field)?;
        self.template_of(field, node)
    }

    pub(super) fn template_of(&self, field: &str, node: &'a Node) -> Option<Template> {
        let text = self.text_of(field, node)?;
        if text.contains(['\n', '\r', '\0']) {
            self.wrong(field, node, "a text of one line", None);
            return None;
        }
        Template::new(text).map_err(|e| self.wrong(field, node, &e.to_string(), None)).ok()
    }

    /// `30s`, `5m`, `2h`, or a number of seconds.
    pub(super) fn duration(&self, field: &str) -> Option<Duration> {
        let node = self.get(field)?;
        let text = self.text_of(field, node)?;
        let found = seconds(text).filter(|s| (1..=DURATION_S_MAX).contains(s));
        if found.is_none() {
            self.wrong(field, node, "a time, as 30s, 5m or 24h, is wanted", None);
        }
        found.map(Duration::from_secs)
    }

    pub(super) fn whole<T: std::str::FromStr + PartialOrd>(
        &self,
        field: &str,
        least: T,
        most: T,
        wanted: &str,
    ) -> Option<T> {
        let node = self.get(field)?;
        let text = self.text_of(field, node)?;
        let number = text.parse().ok().filter(|n: &T| *n >= least && *n <= most);
        if number.is_none() {
            self.wrong(field, node, wanted, None);
        }
        number
    }

    pub(super) fn flag(&self, field: &str) -> Option<bool> {
        let node = self.get(field)?;
        match self.text_of(field, node)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.wrong(field, node, "true or false is wanted", None);
                None
            }
        }
    }

    /// One word of a closed list.
    pub(super) fn word<T: Copy>(&self, field: &str, known: &[(&'static str, T)]) -> Option<T> {
        let node = self.get(field)?;
        let text = self.text_of(field, node)?;
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let wanted = format!("one of {} is wanted", words.join(", "));
            self.wrong(field, node, &wanted, suggestion(text, words));
        }
        found
    }

    /// A list of texts, not empty.
    pub(super) fn list(&self, field: &str) -> Option<Vec<(&'a Node, Template)>> {
        let node = self.get(field)?;
        let Shape::List(items) = &node.shape else {
            let (field, found) = (field.to_owned(), node.called());
            let what = What::WrongShape { field, wanted: "a list of texts", found };
            self.complaints.add(node.place, what);
            return None;
        };
        if items.is_empty() {
            self.wrong(field, node, "at least one is wanted", None);
            return None;
        }
        items.iter().map(|item| Some((item, self.template_of(field, item)?))).collect()
    }

    /// A map of texts.
    pub(super) fn map(&self, field: &str) -> BTreeMap<String, Template> {
        let all = self.pairs_of(field).into_iter();
        all.filter_map(|(name, _, value)| Some((name.to_owned(), self.template_of(name, value)?)))
            .collect()
    }

    pub(super) fn secret(&self, field: &'static str) -> Option<SecretAt> {
        let node = self.required(field)?;
        self.secret_of(field, node)
    }

    pub(super) fn secret_of(&self, field: &str, node: &'a Node) -> Option<SecretAt> {
        const PLACES: [&str; 3] = ["file", "environment", "credential"];
        if !matches!(node.shape, Shape::Map(_)) {
            self.complaints.add(node.place, What::PlainSecret { field: field.to_owned() });
            return None;
        }
        let at = Fields::of(node, format!("`{field}`"), &PLACES, self.complaints);
        if at.pairs.len() > 1 {
            let what = format!("`{field}` lies in one place: file, environment or credential");
            self.complaints.add(node.place, What::Contradiction(what));
            return None;
        }
        let file = at.template("file").map(SecretAt::File);
        let environment = || at.template("environment").map(SecretAt::Environment);
        let credential = || at.template("credential").map(SecretAt::Credential);
        let found = file.or_else(environment).or_else(credential);
        if found.is_none() && at.pairs.is_empty() {
            self.complaints.add(node.place, What::Missing { field: "file", of: at.of });
        }
        found
    }
}

fn seconds(text: &str) -> Option<u64> {
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(each)
}
