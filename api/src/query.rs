//! The query string of a list: filters, and which page in which order.
//!
//! Of a parameter that repeats the last counts, but for `sort_key` and `sort_dir`, which are lists.

use crate::{fault::Fault, json::quoted};
use http::StatusCode;
use store::{Order, Page, Sort};

/// The words that Masakari's schemas take for yes and no.
pub(crate) const BOOLEAN_WORDS: &[&str] = &[
    "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "False", "FALSE", "false",
    "0", "OFF", "Off", "off", "NO", "No", "no",
];

/// The yes or no that `word` stands for (`strutils.bool_from_string`).
pub(crate) fn flag(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// A filter asks for a word that nothing has: the list is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoSuchWord;

/// Whether every database that we know has columns for such a text.
pub(crate) fn can_be_kept(text: &str) -> bool {
    text.chars().all(|c| c != '\0' && c <= '\u{ffff}')
}

/// The parameters, decoded.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(raw: &str) -> Result<Self, Fault> {
        let pairs = raw.split(['&', ';']).filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode_parameter(key)?, decode_parameter(value)?))
        });
        let not_text = || {
            let why = "The query string is not UTF-8 text; percent-encode UTF-8";
            Fault::new(StatusCode::BAD_REQUEST, why)
        };
        pairs.collect::<Option<Vec<_>>>().map(Self).ok_or_else(not_text)
    }

    /// The last value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The one of `words` that `name` asks for. Capitals and blanks at the end make no difference, as in
    /// MySQL's comparisons.
    pub(crate) fn word<W: Copy>(
        &self,
        name: &str,
        words: &[W],
        as_str: fn(W) -> &'static str,
    ) -> Result<Option<W>, NoSuchWord> {
        let Some(asked) = self.get(name).map(|text| text.trim_end_matches(' ')) else {
            return Ok(None);
        };
        let found = words.iter().find(|word| as_str(**word).eq_ignore_ascii_case(asked));
        found.copied().map(Some).ok_or(NoSuchWord)
    }

    /// The text that `name` asks for, if a column can hold it: none has what no request is accepted with, and
    /// some databases cannot even compare it.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, NoSuchWord> {
        let Some(text) = self.get(name) else { return Ok(None) };
        if can_be_kept(text) { Ok(Some(text.to_owned())) } else { Err(NoSuchWord) }
    }

    /// The yes or no that `name` asks for.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let Some(word) = self.get(name) else { return Ok(None) };
        flag(word).map(Some).ok_or_else(|| {
            let message = format!(
                "Invalid value for {name}: Unrecognized value {}, acceptable values are: '0', '1', 'f', \
                 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'",
                quoted(word)
            );
            Fault::new(StatusCode::BAD_REQUEST, message)
        })
    }

    /// The page that is asked for. Whether there are such keys and markers, the store knows.
    pub(crate) fn page(&self, limit_max: u64) -> Result<Page, Fault> {
        let limit = self.get("limit").map(|text| whole("limit", text)).transpose()?;
        self.get("page_size").map(|text| whole("page_size", text)).transpose()?;
        let sort = self.sort()?;
        let marker = match self.get("marker") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| Fault::no_marker(text))?),
        };
        Ok(Page { sort, marker, limit: Some(limit.unwrap_or(limit_max).min(limit_max)) })
    }

    /// A direction counts for the key at its place; the first one for all the keys beyond.
    fn sort(&self) -> Result<Vec<Sort>, Fault> {
        let bad = |message: String| Err(Fault::new(StatusCode::BAD_REQUEST, message));
        let mut names = self.all("sort_key");
        let mut orders = Vec::new();
        for word in self.all("sort_dir") {
            orders.push(match word {
                "asc" => Order::Ascending,
                "desc" => Order::Descending,
                _ => {
                    let why = "Unknown sort direction, must be 'asc' or 'desc'";
                    return bad(format!("Invalid input received: {why}"));
                }
            });
        }
        if names.is_empty() {
            names.push("created_at");
        }
        if orders.len() > names.len() {
            return bad("Invalid input received: Sort direction size exceeds sort key size".into());
        }
        let beyond = orders.first().copied().unwrap_or(Order::Descending);
        let orders = orders.into_iter().chain(std::iter::repeat(beyond));
        Ok(names
            .into_iter()
            .zip(orders)
            .map(|(key, order)| Sort { key: key.to_owned(), order })
            .collect())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.trim()).collect()
    }
}

fn whole(name: &str, text: &str) -> Result<u64, Fault> {
    let bad = |why: &str| {
        Fault::new(StatusCode::BAD_REQUEST, format!("Invalid input received: {name} must be {why}"))
    };
    let digits = text.trim();
    let (sign, digits) = match digits.strip_prefix(['-', '+']) {
        Some(rest) => (digits.chars().next(), rest),
        None => (None, digits),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(bad("an integer"));
    }
    let number = digits.parse().unwrap_or(u64::MAX);
    if sign == Some('-') && number > 0 { Err(bad(">= 0")) } else { Ok(number) }
}

fn decode_parameter(text: &str) -> Option<String> {
    String::from_utf8(decode(&text.replace('+', " "))).ok()
}

/// The bytes that percent-encoded `text` stands for.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).filter(|_| *first == b'%');
        let coded = pair
            .filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(coded.unwrap_or(*first));
        rest = if coded.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Page {
        Query::parse(query).unwrap().page(1000).unwrap()
    }

    fn refused(query: &str) -> String {
        Query::parse(query).and_then(|q| q.page(1000)).unwrap_err().message().to_owned()
    }

    #[test]
    fn without_wishes_the_newest_come_first_as_many_as_allowed() {
        let sort = vec![Sort { key: "created_at".into(), order: Order::Descending }];
        assert_eq!(page(""), Page { sort, marker: None, limit: Some(1000) });
    }

    #[test]
    fn the_last_of_equal_parameters_counts() {
        assert_eq!(page("limit=2&limit=3").limit, Some(3));
        assert_eq!(page("limit=2000").limit, Some(1000));
    }

    #[test]
    fn the_first_direction_counts_for_the_keys_beyond() {
        let orders = |query| page(query).sort.into_iter().map(|s| s.order).collect::<Vec<_>>();
        assert_eq!(orders("sort_key=name&sort_key=created_at&sort_dir=asc"), [Order::Ascending; 2]);
        assert_eq!(orders("sort_key=name"), [Order::Descending]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_pythons_words() {
        for (query, message) in [
            ("limit=x", "Invalid input received: limit must be an integer"),
            ("limit=-1", "Invalid input received: limit must be >= 0"),
            ("marker=x", "Marker x could not be found."),
            (
                "sort_key=name&sort_dir=asc&sort_dir=asc",
                "Invalid input received: Sort direction size exceeds sort key size",
            ),
        ] {
            assert_eq!(refused(query), message);
        }
        assert!(refused("%ff=1").starts_with("The query string is not UTF-8"));
    }

    #[test]
    fn a_percent_sign_without_digits_stands_for_itself() {
        assert_eq!(decode("%41%zz%4"), b"A%zz%4");
    }
}
