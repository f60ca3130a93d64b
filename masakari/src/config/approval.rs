//! `[approval]`: when a person is asked first.

use super::Configuration;
use recovery::approval::{Policy, Rules};
use std::collections::BTreeMap;

const WORDS: &str = "never, always or weaker_than=KIND, with KIND one of operator_confirmed, lease_expired, \
    cluster_fenced, storage_fenced and powered_off";

impl Configuration {
    /// # Errors
    /// What cannot be understood, with where it was written.
    pub(crate) fn approval(&self) -> anyhow::Result<Rules> {
        let default = self.text("approval", "default").unwrap_or_default();
        let default = Policy::read(&default).ok_or_else(|| {
            self.wrong("approval", "default", format!("= {default:?} is not {WORDS}"))
        })?;
        let mut segments = BTreeMap::new();
        for item in self.values.get::<Vec<String>>("approval", "segments") {
            let wrong = |what: &str| {
                let text = format!("has {item:?}, {what}: NAME:POLICY, with POLICY {WORDS}");
                self.wrong("approval", "segments", text)
            };
            let (name, policy) = item.rsplit_once(':').ok_or_else(|| wrong("which is not"))?;
            let policy = Policy::read(policy).ok_or_else(|| wrong("which is not"))?;
            if segments.insert(name.trim().to_owned(), policy).is_some() {
                return Err(wrong("a segment that stands there twice; it is"));
            }
        }
        Ok(Rules { default, segments })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Configuration;
    use recovery::{
        approval::{Policy, Rules},
        evidence::Kind,
    };

    fn read(text: &str) -> Result<Rules, String> {
        let configuration = Configuration::of_text(&format!("[approval]\n{text}"));
        configuration.approval().map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn who_sets_nothing_is_not_asked() {
        assert_eq!(read(""), Ok(Rules::default()));
        assert_eq!(Rules::default().of("rack1"), Policy::Never);
    }

    #[test]
    fn a_segment_has_its_own_policy() {
        let rules = read(
            "default = weaker_than=powered_off\nsegments = rack1:always, a:b:never,c:weaker_than=lease_expired",
        );
        let rules = rules.unwrap();
        assert_eq!(rules.of("rack1"), Policy::Always);
        assert_eq!(rules.of("a:b"), Policy::Never, "a name may hold a colon");
        assert_eq!(rules.of("c"), Policy::WeakerThan(Kind::LeaseExpired));
        assert_eq!(rules.of("rack2"), Policy::WeakerThan(Kind::PoweredOff));
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (text, part) in [
            ("default = sometimes", "[approval] default = \"sometimes\" is not never, always or"),
            ("default = weaker_than=hearsay", "weaker_than=hearsay"),
            ("segments = rack1", "[approval] segments has \"rack1\", which is not: NAME:POLICY"),
            ("segments = rack1:maybe", "rack1:maybe"),
            ("segments = rack1:always,rack1:never", "stands there twice"),
        ] {
            let wrong = read(text).unwrap_err();
            assert!(wrong.contains(part), "{wrong}");
        }
    }
}
