//! `[recovery_rules]`: whose VMs are left alone. How a rule is read is in `recovery::rules`; here it gets the
//! place at which it was written.

use super::Configuration;
use recovery::rules::{Action, Owners, Rule, read};

const GROUP: &str = "recovery_rules";

impl Configuration {
    /// # Errors
    /// When a rule makes no sense, or two have one name.
    pub(crate) fn owners(&self) -> anyhow::Result<Owners> {
        let texts: Vec<String> = self.values.get(GROUP, "rule");
        let mut rules: Vec<Rule> = Vec::new();
        for (n, text) in texts.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let wrong =
                |what: String| self.wrong_nth(GROUP, "rule", n, format!("= {text:?} {what}"));
            let rule = read(text).map_err(|mistake| wrong(mistake.to_string()))?;
            if rules.iter().any(|other| other.name == rule.name) {
                return Err(wrong("has the name of another rule".into()));
            }
            rules.push(rule);
        }
        let octavia = self.text(GROUP, "octavia").and_then(|word| Action::read(&word));
        Ok(Owners {
            rules,
            octavia: octavia.unwrap_or(Action::Tell),
            storage_shared: self.values.get(GROUP, "instance_storage_shared"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::told_of_a_role as told;

    #[test]
    fn without_a_word_of_the_operators_only_amphorae_are_left_alone() {
        assert_eq!(Configuration::of_text("").owners().unwrap(), Owners::default());
        assert_eq!(Owners::default().octavia, Action::Tell);
        assert!(Owners::default().storage_shared);
    }

    #[test]
    fn rules_keep_their_order() {
        let text = "[recovery_rules]\nrule = ours evacuate project=p1\nrule = rest skip name=*\n\
                    octavia = evacuate\ninstance_storage_shared = false\n";
        let owners = Configuration::of_text(text).owners().unwrap();
        let names: Vec<&str> = owners.rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["ours", "rest"]);
        assert_eq!((owners.octavia, owners.storage_shared), (Action::Evacuate, false));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_own_line() {
        for (rule, expected) in [
            ("batch", "is not NAME evacuate|skip|tell WORD=PATTERN ..."),
            (
                "a/b skip name=x",
                "has a name with more than letters, digits, _, - and ., or than 64",
            ),
            ("octavia skip name=x", "has the name of a built-in rule"),
            ("fine skip name=x", "has the name of another rule"),
            ("batch ignore name=x", "says \"ignore\"; there are evacuate, skip and tell"),
            ("batch skip", "has no word that tells which servers it means; name=* means all"),
            (
                "batch skip failure=host",
                "has no word that tells which servers it means; name=* means all",
            ),
            ("batch skip name=", "has \"name=\" without a pattern"),
            ("batch skip name=x failure=vm", "has failure=vm; there are host and instance"),
            (
                "batch skip projekt=x",
                "has \"projekt=x\"; there are project=, name=, tag=, flavor=, image=, aggregate=, \
                 metadata:KEY=, flavor:KEY=, image:KEY=, aggregate:KEY= and failure=",
            ),
        ] {
            let text = format!(
                "[recovery_rules]\nrule = fine skip tag=x\nrule = {rule}\nrule = last skip tag=y\n"
            );
            let line =
                format!("masakari.conf:6: error: [recovery_rules] rule = {rule:?} {expected}");
            assert_eq!(told(&text), [line]);
        }
        let word = "[recovery_rules]\noctavia = ignore\n";
        assert!(
            told(word)[0].starts_with("masakari.conf:5: error: [recovery_rules] octavia"),
            "{:?}",
            told(word)
        );
    }
}
