//! Rules put together, and asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::rule::{Check, RuleError, RuleText, Unreadable};

/// How many `rule:` references may follow one from another; each costs stack.
const REFERENCES_MAX: usize = 64;

/// A rule that a program brings along.
#[derive(Debug, Clone, Copy)]
pub struct RuleDefault {
    pub name: &'static str,
    pub check: &'static str,
    /// The scopes of token that may use it; empty: any.
    pub scopes: &'static [Scope],
    pub description: &'static str,
    /// What it was before.
    pub old: Option<OldRule>,
}

/// A rule under its former name, or with its former check.
#[derive(Debug, Clone, Copy)]
pub struct OldRule {
    pub name: &'static str,
    pub check: &'static str,
}

/// The options of `[oslo_policy]` that decide how rules are put together.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Answers for rules that do not exist, if it does: `policy_default_rule`.
    pub default_rule: String,
    /// Whether whom only an old default lets in stays out: `enforce_new_defaults`.
    pub new_defaults_only: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { default_rule: "default".to_owned(), new_defaults_only: true }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    System,
    Domain,
    Project,
}

/// Who asks: the attributes that rules compare (`user_id`, `project_id`, `roles`, `is_admin`, …).
#[derive(Debug, Clone, Default)]
pub struct Creds(BTreeMap<String, Value>);

impl Creds {
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// `system` is the older name of `system_scope`.
    fn get(&self, name: &str) -> Option<&Value> {
        let scope = || self.0.get("system_scope").filter(|_| self.has("system_scope"));
        let renamed = (name == "system").then(scope).flatten();
        renamed.or_else(|| self.0.get(name))
    }

    fn has(&self, name: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)) && value != "")
    }

    fn scope(&self) -> Scope {
        if self.has("system_scope") || self.has("system") {
            Scope::System
        } else if self.has("domain_id") {
            Scope::Domain
        } else {
            Scope::Project
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    Denied(Denial),
}

/// Why not; for the log, not for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("there is no such rule and no default rule")]
    NoSuchRule,
    #[error("the rule does not allow a token of this scope")]
    Scope(Scope),
    #[error("the rule says no")]
    Refused,
    #[error("the rule cannot be decided; see the findings of the policy at start")]
    Undecided,
}

/// What is wrong with the rules. All of it only ever denies, so all of it is a warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    #[error("policy rule {rule:?} cannot be read and denies everybody: {error}")]
    Unparsable { rule: String, error: RuleError },
    #[error("policy rule {rule:?}: the check {text:?} cannot be decided: {why}")]
    Unreadable { rule: String, text: String, why: Unreadable },
    #[error("policy rule {rule:?} refers to {name:?}, which is no rule")]
    UndefinedReference { rule: String, name: String },
    #[error(
        "policy rule {rule:?} refers to itself, perhaps by way of others, and cannot be decided"
    )]
    Cycle { rule: String },
    #[error("policy rule {rule:?} is asked by nobody and has no effect; is it a typo?")]
    Unused { rule: String },
}

/// All rules in force. They can be replaced while they are asked.
#[derive(Debug)]
pub struct Enforcer(RwLock<Arc<InForce>>);

#[derive(Debug)]
struct InForce {
    rules: BTreeMap<String, Rule>,
    default_rule: String,
}

#[derive(Debug, Clone)]
struct Rule {
    /// Nothing: unparsable.
    check: Option<Check>,
    scopes: &'static [Scope],
}

/// Three-valued: what cannot be decided must not become a "yes" by way of `not`.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Yes,
    No,
    Undecided,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

struct Question<'a> {
    target: &'a BTreeMap<String, String>,
    creds: &'a Creds,
    /// The rules that were asked; one that is still being asked counts as undecided. So a cycle
    /// ends at once, and rules that refer on and on, twice each, cost no more than their number.
    asked: RefCell<BTreeMap<&'a str, Answer>>,
}

impl Enforcer {
    /// An override replaces the default of its name. `default_rule` (oslo's `policy_default_rule`,
    /// usually `default`) answers for rules that do not exist, if it does.
    pub fn new(
        defaults: &[RuleDefault],
        overrides: &BTreeMap<String, RuleText>,
        default_rule: &str,
    ) -> (Self, Vec<Finding>) {
        let manner = Manner { default_rule: default_rule.to_owned(), ..Manner::default() };
        Self::with(defaults, overrides, &manner)
    }

    pub fn with(
        defaults: &[RuleDefault],
        overrides: &BTreeMap<String, RuleText>,
        manner: &Manner,
    ) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut rules = BTreeMap::new();
        let mut add = |name: &str, parsed: Result<Check, RuleError>, scopes| {
            let check = match parsed {
                Ok(check) => Some(check),
                Err(error) => {
                    findings.push(Finding::Unparsable { rule: name.to_owned(), error });
                    None
                }
            };
            rules.insert(name.to_owned(), Rule { check, scopes });
        };
        for default in defaults.iter().filter(|default| !overrides.contains_key(default.name)) {
            add(default.name, default_check(default, overrides, manner), default.scopes);
        }
        for (name, text) in overrides {
            let registered = defaults.iter().find(|default| default.name == name);
            let scopes = registered.map_or(&[][..], |default| default.scopes);
            add(name, Check::parse(text), scopes);
        }
        let rules = InForce { rules, default_rule: manner.default_rule.clone() };
        findings.extend(rules.check_rules());
        findings.extend(rules.unused(defaults, overrides));
        (Self(RwLock::new(Arc::new(rules))), findings)
    }

    /// From now on the rules of `other` are in force.
    pub fn replace(&self, other: &Self) {
        let rules = other.in_force();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn enforce(
        &self,
        rule: &str,
        target: &BTreeMap<String, String>,
        creds: &Creds,
    ) -> Decision {
        self.in_force().enforce(rule, target, creds)
    }

    /// Every rule in force by its canonical text; nothing for one that cannot be read.
    pub fn rules(&self) -> Vec<(String, Option<String>)> {
        let text = |(name, rule): (&String, &Rule)| {
            (name.clone(), rule.check.as_ref().map(Check::to_string))
        };
        self.in_force().rules.iter().map(text).collect()
    }
}

/// An override of the old name counts for the new one too, unless it only refers to it.
fn default_check(
    default: &RuleDefault,
    overrides: &BTreeMap<String, RuleText>,
    manner: &Manner,
) -> Result<Check, RuleError> {
    let check = Check::parse(&default.check.into())?;
    let Some(old) = default.old else { return Ok(check) };
    let old_check = Check::parse(&old.check.into())?;
    if let Some(text) = overrides.get(old.name).filter(|_| old.name != default.name) {
        // One that cannot be read must not open what the operator wanted closed.
        let set = Check::parse(text)?;
        if set != old_check && set != Check::Rule(default.name.to_owned()) {
            return Ok(set);
        }
    }
    if manner.new_defaults_only || old.check == default.check {
        return Ok(check);
    }
    Ok(Check::Any(vec![check, old_check]))
}

/// Overrides that say what the default says anyway.
pub fn redundant(defaults: &[RuleDefault], overrides: &BTreeMap<String, RuleText>) -> Vec<String> {
    let same = |default: &&RuleDefault| {
        let set = overrides.get(default.name).map(Check::parse);
        matches!((set, Check::parse(&default.check.into())), (Some(Ok(a)), Ok(b)) if a == b)
    };
    defaults.iter().filter(same).map(|default| default.name.to_owned()).collect()
}

impl InForce {
    fn enforce<'a>(
        &'a self,
        rule: &'a str,
        target: &'a BTreeMap<String, String>,
        creds: &'a Creds,
    ) -> Decision {
        let Some(found) = self.rule(rule) else { return Decision::Denied(Denial::NoSuchRule) };
        let scope = creds.scope();
        if !found.scopes.is_empty() && !found.scopes.contains(&scope) {
            return Decision::Denied(Denial::Scope(scope));
        }
        let question = Question { target, creds, asked: RefCell::default() };
        match self.ask_rule(rule, &question, 0) {
            Answer::Yes => Decision::Allowed,
            Answer::No => Decision::Denied(Denial::Refused),
            Answer::Undecided => Decision::Denied(Denial::Undecided),
        }
    }

    fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.get(name).or_else(|| self.rules.get(&self.default_rule))
    }

    fn ask_rule<'a>(&'a self, name: &'a str, question: &Question<'a>, depth: usize) -> Answer {
        if let Some(answer) = question.asked.borrow().get(name) {
            return *answer;
        }
        question.asked.borrow_mut().insert(name, Answer::Undecided);
        let answer = match self.rule(name).and_then(|rule| rule.check.as_ref()) {
            Some(check) if depth < REFERENCES_MAX => self.ask(check, question, depth),
            Some(_) | None => Answer::Undecided,
        };
        question.asked.borrow_mut().insert(name, answer);
        answer
    }

    fn ask<'a>(&'a self, check: &'a Check, question: &Question<'a>, depth: usize) -> Answer {
        let fill = |template: &super::rule::Template| {
            template.fill(|key| question.target.get(key).map(String::as_str))
        };
        match check {
            Check::Always => Answer::Yes,
            Check::Never => Answer::No,
            Check::Undecided { .. } => Answer::Undecided,
            Check::Not(inner) => match self.ask(inner, question, depth) {
                Answer::Yes => Answer::No,
                Answer::No => Answer::Yes,
                Answer::Undecided => Answer::Undecided,
            },
            Check::All(checks) => self.ask_until(checks, Answer::No, Answer::Yes, question, depth),
            Check::Any(checks) => self.ask_until(checks, Answer::Yes, Answer::No, question, depth),
            Check::Rule(name) => self.ask_rule(name, question, depth + 1),
            // A name that the target lacks is a plain "no", as in the original.
            Check::Role(role) => fill(role)
                .is_some_and(|role| {
                    let roles = question.creds.0.get("roles").and_then(Value::as_array);
                    let held = roles.into_iter().flatten().filter_map(Value::as_str);
                    let role = role.to_lowercase();
                    held.map(str::to_lowercase).any(|held| held == role)
                })
                .into(),
            Check::Literal { value, expected, .. } => {
                fill(expected).is_some_and(|expected| expected == *value).into()
            }
            Check::Attribute { path, expected } => {
                let (name, rest) = path.split_once('.').unwrap_or((path, ""));
                match (fill(expected), question.creds.get(name)) {
                    (Some(expected), Some(value)) => holds(value, rest, &expected),
                    (None, _) | (_, None) => Answer::No,
                }
            }
        }
    }

    /// The first decisive answer decides; without one an undecided answer stays undecided.
    fn ask_until<'a>(
        &'a self,
        checks: &'a [Check],
        decisive: Answer,
        otherwise: Answer,
        question: &Question<'a>,
        depth: usize,
    ) -> Answer {
        let mut answer = otherwise;
        for check in checks {
            match self.ask(check, question, depth) {
                found if found == decisive => return decisive,
                Answer::Undecided => answer = Answer::Undecided,
                Answer::Yes | Answer::No => {}
            }
        }
        answer
    }

    fn check_rules(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, rule) in &self.rules {
            let rule_name = || name.clone();
            for leaf in rule.check.iter().flat_map(Check::leaves) {
                if let Check::Undecided { text, why } = leaf {
                    let text = text.clone();
                    findings.push(Finding::Unreadable { rule: rule_name(), text, why: *why });
                }
            }
            for reference in self.references(name).filter(|to| !self.rules.contains_key(*to)) {
                let name = reference.to_owned();
                findings.push(Finding::UndefinedReference { rule: rule_name(), name });
            }
            if self.reaches_itself(name) {
                findings.push(Finding::Cycle { rule: rule_name() });
            }
        }
        findings
    }

    fn references<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let check = self.rule(name).and_then(|rule| rule.check.as_ref());
        check.into_iter().flat_map(Check::leaves).filter_map(|leaf| match leaf {
            Check::Rule(name) => Some(name.as_str()),
            Check::Always
            | Check::Never
            | Check::Not(_)
            | Check::All(_)
            | Check::Any(_)
            | Check::Role(_)
            | Check::Attribute { .. }
            | Check::Literal { .. }
            | Check::Undecided { .. } => None,
        })
    }

    fn reaches_itself<'a>(&'a self, name: &str) -> bool {
        // A rule that does not exist is the default rule under another name.
        let real = |to: &'a str| if self.rules.contains_key(to) { to } else { &self.default_rule };
        let mut seen = BTreeSet::new();
        let mut ahead: Vec<&str> = self.references(name).map(real).collect();
        while let Some(next) = ahead.pop() {
            if next == name {
                return true;
            }
            if seen.insert(next) {
                ahead.extend(self.references(next).map(real));
            }
        }
        false
    }

    /// An override that is neither registered nor referred to is most likely a misspelt name.
    fn unused(
        &self,
        defaults: &[RuleDefault],
        overrides: &BTreeMap<String, RuleText>,
    ) -> Vec<Finding> {
        let referred: BTreeSet<&str> =
            self.rules.keys().flat_map(|name| self.references(name)).collect();
        let names = |default: &RuleDefault| [default.name, default.old.map_or("", |old| old.name)];
        let registered: BTreeSet<&str> = defaults.iter().flat_map(names).collect();
        let known = |name: &str| {
            name == self.default_rule || referred.contains(name) || registered.contains(name)
        };
        let unknown = overrides.keys().filter(|name| !known(name));
        unknown.map(|name| Finding::Unused { rule: name.clone() }).collect()
    }
}

/// Follows the dots; a list holds what any of its elements holds. What has no parts cannot be asked
/// for them: the original fails there.
fn holds(value: &Value, path: &str, expected: &str) -> Answer {
    if let Value::Array(elements) = value {
        let mut answer = Answer::No;
        for element in elements {
            match holds(element, path, expected) {
                Answer::Yes => return Answer::Yes,
                Answer::Undecided => answer = Answer::Undecided,
                Answer::No => {}
            }
        }
        return answer;
    }
    if !path.is_empty() {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        return match value {
            Value::Object(parts) => {
                parts.get(name).map_or(Answer::No, |value| holds(value, rest, expected))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Answer::Undecided,
            Value::Array(_) => Answer::No,
        };
    }
    let same = match value {
        Value::String(text) => text == expected,
        Value::Bool(true) => expected == "True",
        Value::Bool(false) => expected == "False",
        Value::Null => expected == "None",
        Value::Number(number) => number.to_string() == expected,
        Value::Array(_) | Value::Object(_) => false,
    };
    same.into()
}
