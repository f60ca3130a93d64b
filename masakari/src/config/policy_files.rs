//! `[oslo_policy]`: where the operator's rules are, and how they go together with ours.

use super::Configuration;
use anyhow::Context;
use oslo::policy::{Enforcer, Finding, Manner, RuleText, Stamp, read_overrides, stamp};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The operator's rules. Files that appear later count as soon as they are there.
#[derive(Clone, Debug)]
pub(crate) struct PolicyFiles {
    file: PathBuf,
    dirs: Vec<PathBuf>,
    /// Where they lie if they are named without a folder.
    beside: Vec<PathBuf>,
    /// A person named the file: it has to be there.
    is_named: bool,
    manner: Manner,
}

impl Configuration {
    pub(crate) fn policy_files(&self) -> PolicyFiles {
        let text = |name| self.text("oslo_policy", name);
        let dirs: Vec<String> = self.values.get("oslo_policy", "policy_dirs");
        PolicyFiles {
            file: text("policy_file").unwrap_or_default().into(),
            dirs: dirs.into_iter().map(PathBuf::from).collect(),
            beside: self.directories.clone(),
            is_named: false,
            manner: Manner {
                default_rule: text("policy_default_rule").unwrap_or_default(),
                new_defaults_only: self.values.get("oslo_policy", "enforce_new_defaults"),
            },
        }
    }
}

impl PolicyFiles {
    /// One file alone, beside the defaults.
    pub(crate) fn only(file: &Path) -> Self {
        let manner = Manner::default();
        let (dirs, beside) = (Vec::new(), Vec::new());
        Self { file: file.to_owned(), dirs, beside, is_named: true, manner }
    }

    /// The rules in force, and what is wrong with them.
    pub(crate) fn enforcer(&self) -> anyhow::Result<(Enforcer, Vec<Finding>)> {
        Ok(Enforcer::with(api::RULES, &self.overrides()?, &self.manner))
    }

    /// The operator's own rules; none if there are no files.
    pub(crate) fn overrides(&self) -> anyhow::Result<BTreeMap<String, RuleText>> {
        let (file, dirs) = self.found();
        read_overrides(file.as_deref(), &dirs).context("[oslo_policy]: the rules cannot be used")
    }

    /// Differs when [`Self::overrides`] may.
    pub(crate) fn stamp(&self) -> Stamp {
        let (file, dirs) = self.found();
        stamp(file.as_deref(), &dirs)
    }

    /// The file, if it is there.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.found().0
    }

    fn found(&self) -> (Option<PathBuf>, Vec<PathBuf>) {
        let find = |name: &PathBuf| {
            let beside = self.beside.iter().map(|dir| dir.join(name));
            let candidates = beside.chain(Some(name.clone()).filter(|name| name.is_absolute()));
            // `join` of an absolute path is that path.
            candidates.into_iter().find(|path| path.exists())
        };
        let file = if self.is_named { Some(self.file.clone()) } else { find(&self.file) };
        (file, self.dirs.iter().filter_map(find).collect())
    }
}
