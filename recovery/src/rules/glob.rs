//! `*` is any text, `?` one character; everything else is itself, in the same case.

use alloc::{string::String, vec::Vec};

/// A pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Glob(String);

impl Glob {
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` is meant. Takes at most the product of both lengths, whatever a tenant
    /// has written.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) =
            (self.0.chars().collect(), text.chars().collect());
        let (mut p, mut t) = (0, 0);
        // The last star, and up to where its text reaches.
        let mut star: Option<(usize, usize)> = None;
        while let Some(letter) = text.get(t) {
            match (pattern.get(p), star) {
                (Some('*'), _) => {
                    star = Some((p, t));
                    p += 1;
                }
                (Some(wanted), _) if *wanted == '?' || wanted == letter => {
                    (p, t) = (p + 1, t + 1);
                }
                (_, Some((at, reach))) => {
                    star = Some((at, reach + 1));
                    (p, t) = (at + 1, reach + 1);
                }
                (_, None) => return false,
            }
        }
        pattern.iter().skip(p).all(|rest| *rest == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_whole_text() {
        // Expected values: Python's fnmatch.fnmatchcase.
        for (pattern, text, fits) in [
            ("web", "web", true),
            ("web", "web1", false),
            ("web", "Web", false),
            ("web*", "web", true),
            ("*web", "the web", true),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("*a*b*c", "xxaybyyc", true),
            ("*a*b*c", "xxaybyy", false),
            ("a*ab", "aaab", true),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("?", "é", true),
        ] {
            assert_eq!(Glob::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn no_name_of_a_tenants_takes_long() {
        let pattern = Glob::new("*a".repeat(200) + "b");
        assert!(!pattern.fits(&"a".repeat(255)));
    }
}
