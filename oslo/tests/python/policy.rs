//! Rules, files that override them, and who may do what: the same answers.

use std::collections::BTreeMap;
use std::path::Path;

use oslo::policy::{
    Creds, Decision, Denial, Enforcer, Manner, OldRule, RuleDefault, Scope, read_overrides,
};
use serde_json::{Value, json};

use crate::oracle::{Chance, Oracle, cases};

const DEFAULTS: &[RuleDefault] = &[
    rule("admin_api", "is_admin:True", &[], None),
    rule("owner", "project_id:%(project_id)s", &[], None),
    rule("hosts:index", "rule:admin_api", &[], None),
    rule("hosts:show", "rule:admin_api or rule:owner", &[], None),
    rule("system:list", "role:reader and system_scope:all", &[Scope::System], None),
    rule("mixed:list", "role:reader", &[Scope::System, Scope::Project], None),
    rule(
        "hosts:create",
        "role:manager",
        &[],
        Some(OldRule { name: "hosts:add", check: "rule:admin_api" }),
    ),
    rule(
        "hosts:update",
        "role:member",
        &[Scope::Project],
        Some(OldRule { name: "hosts:update", check: "role:manager" }),
    ),
    rule("hosts:delete", "@", &[], Some(OldRule { name: "owner", check: "role:x" })),
];

const fn rule(
    name: &'static str,
    check: &'static str,
    scopes: &'static [Scope],
    old: Option<OldRule>,
) -> RuleDefault {
    RuleDefault { name, check, scopes, description: "", old }
}

struct Case {
    /// Below the folder of the configuration.
    files: BTreeMap<String, String>,
    default_rule: &'static str,
    new_defaults_only: bool,
    target: BTreeMap<String, String>,
    questions: Vec<(String, Value)>,
}

#[test]
#[ignore = "needs Python: cargo xtask test oslo"]
fn rules_made_by_chance_let_the_same_callers_in() {
    let mut oracle = Oracle::start();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in cases() {
        let case = case(&mut Chance(seed));
        let root = tempfile::tempdir().unwrap();
        let theirs = oracle.ask(&case.question(root.path()));
        let ours = case.answers(root.path());
        let (ours, theirs) = match (ours, theirs["answers"].as_array()) {
            (Err(_), None) => {
                *seen.entry("files that both refuse").or_default() += 1;
                continue;
            }
            (Ok(ours), Some(theirs)) => (ours, theirs),
            (ours, _) => panic!("OSLO_SEED={seed}: {ours:?}, Python's {theirs}\n{:#?}", case.files),
        };
        for ((ours, theirs), question) in ours.iter().zip(theirs).zip(&case.questions) {
            let Some(how) = same(ours, theirs) else {
                let (rule, creds) = question;
                panic!(
                    "OSLO_SEED={seed}: {rule}: ours {ours:?}, Python's {theirs}\n{creds}\n{:?}\n\
                     {:#?}\ndefault rule {}, new defaults only {}",
                    case.target, case.files, case.default_rule, case.new_defaults_only
                );
            };
            *seen.entry(how).or_default() += 1;
        }
    }
    println!("{} cases: {seen:#?}", cases().count());
    let count = |how| seen.get(how).copied().unwrap_or(0);
    let all: usize = seen.values().sum();
    assert!(count("allowed") * 5 > all && count("denied") * 5 > all, "one-sided: {seen:?}");
    assert!(count("undecided, where Python allows") * 10 < all, "too many undecided: {seen:?}");
}

/// How the two answers agree.
fn same(ours: &Decision, theirs: &Value) -> Option<&'static str> {
    match (ours, theirs) {
        (Decision::Allowed, Value::Bool(true)) => Some("allowed"),
        (Decision::Denied(_), Value::Bool(false)) => Some("denied"),
        // On purpose: what cannot be understood is "no" to Python, and `not` makes "yes" of it.
        (Decision::Denied(Denial::Undecided), Value::Bool(true)) => {
            Some("undecided, where Python allows")
        }
        (Decision::Denied(_), Value::String(_)) => Some("denied, where Python fails"),
        // On purpose: where Python fails at one alternative, ours looks at the next.
        (Decision::Allowed, Value::String(_)) => Some("allowed, where Python fails"),
        _ => None,
    }
}

impl Case {
    fn question(&self, root: &Path) -> Value {
        let scope = |scope: &Scope| match scope {
            Scope::System => "system",
            Scope::Domain => "domain",
            Scope::Project => "project",
        };
        let default = |rule: &RuleDefault| {
            json!({
                "name": rule.name, "check": rule.check,
                "scopes": rule.scopes.iter().map(scope).collect::<Vec<_>>(),
                "old": rule.old.map(|old| [old.name, old.check]),
            })
        };
        let question = |(rule, creds): &(String, Value)| json!({ "rule": rule, "creds": creds });
        let options = format!(
            "policy_file = policy.yaml\npolicy_dirs = policy.d\npolicy_dirs = more.d\n\
             policy_default_rule = {}\nenforce_new_defaults = {}\n",
            self.default_rule, self.new_defaults_only
        );
        json!({
            "ask": "rules", "root": root, "files": self.files, "options": options,
            "defaults": DEFAULTS.iter().map(default).collect::<Vec<_>>(), "target": self.target,
            "questions": self.questions.iter().map(question).collect::<Vec<_>>(),
        })
    }

    /// From the files that Python's side has written.
    fn answers(&self, root: &Path) -> Result<Vec<Decision>, String> {
        let file = Some(root.join("policy.yaml")).filter(|path| path.exists());
        let dirs = [root.join("policy.d"), root.join("more.d")];
        let overrides = read_overrides(file.as_deref(), &dirs).map_err(|e| e.to_string())?;
        let manner = Manner {
            default_rule: self.default_rule.to_owned(),
            new_defaults_only: self.new_defaults_only,
        };
        let (enforcer, _) = Enforcer::with(DEFAULTS, &overrides, &manner);
        let ask = |(rule, creds): &(String, Value)| {
            let each = creds.as_object().unwrap().iter();
            let creds = each.fold(Creds::default(), |creds, (name, v)| creds.with(name, v.clone()));
            enforcer.enforce(rule, &self.target, &creds)
        };
        Ok(self.questions.iter().map(ask).collect())
    }
}

const NAMES: &[&str] = &[
    "admin_api",
    "owner",
    "hosts:index",
    "hosts:show",
    "system:list",
    "mixed:list",
    "hosts:create",
    "hosts:add",
    "hosts:update",
    "hosts:delete",
    "default",
    "other",
    "mine",
];
const LEAVES: &[&str] = &[
    "@",
    "!",
    "role:admin",
    "role:Admin",
    "role:member",
    "role:manager",
    "role:reader",
    "role:%(r)s",
    "role:nobody",
    "role:",
    "is_admin:True",
    "is_admin:False",
    "is_admin:1",
    "user_id:%(user_id)s",
    "user_id:u1",
    "project_id:%(project_id)s",
    "project_id:%(nope)s",
    "user.id:7",
    "user.name:n",
    "user:x",
    "d.list.k:b",
    "d.k:v",
    "d.list:b",
    "roles:admin",
    "none:None",
    "none.x:y",
    "system_scope:all",
    "system:all",
    "domain_id:%(domain_id)s",
    "'x':%(x)s",
    "\"x\":%(x)s",
    "True:%(true)s",
    "None:%(none)s",
    "1:%(one)s",
    "1.5:1.5",
    "-1:-1",
    "1:1",
    "2:%(one)s",
    "a:%%",
    "user_id:%(user_id)s%(x)s",
    "a-b:c",
    "user_id:u:1",
    "nothing",
    "user_id:%d",
    "01:1",
    "x_y:%(x)s",
];

fn case(chance: &mut Chance) -> Case {
    let mut files = BTreeMap::new();
    if chance.percent(85) {
        let text = if chance.percent(40) { json_file(chance) } else { yaml_file(chance) };
        files.insert("policy.yaml".to_owned(), text);
    }
    for name in ["policy.d/1.yaml", "policy.d/2.json", "policy.d/.hidden", "more.d/1.yaml"] {
        if chance.percent(20) {
            let json = name.ends_with("json");
            let text = if json { json_file(chance) } else { yaml_file(chance) };
            files.insert(name.to_owned(), text);
        }
    }
    let targets = [
        ("x", ["x", "y"]),
        ("one", ["1", "2"]),
        ("true", ["True", "true"]),
        ("none", ["None", ""]),
        ("r", ["ADMIN", "reader"]),
        ("user_id", ["u1", "u2"]),
        ("project_id", ["p1", "p2"]),
        ("domain_id", ["d1", "None"]),
    ];
    let mut target = BTreeMap::new();
    for (name, values) in targets {
        if chance.percent(80) {
            target.insert(name.to_owned(), chance.one(&values).to_owned());
        }
    }
    let questions = (0..6).map(|_| (chance.one(NAMES).to_owned(), creds(chance))).collect();
    Case {
        files,
        default_rule: chance.one(&["default", "default", "other", "missing"]),
        new_defaults_only: chance.percent(60),
        target,
        questions,
    }
}

fn creds(chance: &mut Chance) -> Value {
    let roles = ["admin", "Member", "manager", "reader"].into_iter().filter(|_| chance.percent(40));
    let roles: Vec<&str> = roles.collect();
    let mut creds = json!({
        "roles": roles,
        "user_id": chance.one(&["u1", "u2"]),
        "project_id": chance.one(&["p1", "p2"]),
        "is_admin": chance.percent(50),
        "user": { "id": 7, "name": "n" },
        "d": { "k": "v", "list": [{ "k": "a" }, { "k": "b" }] },
        "none": null,
        "x_y": "x",
    });
    if chance.percent(25) {
        creds["system_scope"] = json!(chance.one(&["all", ""]));
    }
    if chance.percent(20) {
        creds["domain_id"] = json!("d1");
    }
    creds
}

/// Names once each: what YAML does with two of one name is not asked here.
fn names(chance: &mut Chance) -> Vec<&'static str> {
    let percent = 20 + chance.below(60);
    NAMES.iter().copied().filter(|_| chance.percent(percent)).collect()
}

fn json_file(chance: &mut Chance) -> String {
    let mut rules = serde_json::Map::new();
    for name in names(chance) {
        let rule = if chance.percent(20) { lists(chance) } else { json!(text(chance)) };
        rules.insert(name.to_owned(), rule);
    }
    if chance.percent(50) { json!(rules).to_string() } else { format!("{:#}", json!(rules)) }
}

fn yaml_file(chance: &mut Chance) -> String {
    let mut file = String::new();
    for name in names(chance) {
        if chance.percent(10) {
            file += "# a comment\n\n";
        }
        let rule = if chance.percent(15) { lists(chance) } else { json!(text(chance)) };
        // JSON's text is YAML's quoted text.
        file += &format!("{}: {rule}\n", json!(name));
    }
    if chance.percent(2) {
        file += chance.one(&["- x\n", "\"open: x\n", "x\n", "{\n"]);
    }
    file
}

/// The form before the language: any of the lists, all of a list.
fn lists(chance: &mut Chance) -> Value {
    let list = |chance: &mut Chance| {
        if chance.percent(20) {
            return json!(leaf(chance));
        }
        let leaves: Vec<String> = (0..chance.below(3)).map(|_| leaf(chance)).collect();
        json!(leaves)
    };
    (0..chance.below(4)).map(|_| list(chance)).collect()
}

fn leaf(chance: &mut Chance) -> String {
    if chance.percent(25) {
        return format!("rule:{}", chance.one(NAMES));
    }
    chance.one(LEAVES).to_owned()
}

fn text(chance: &mut Chance) -> String {
    match chance.below(100) {
        0..4 => String::new(),
        4..7 => broken(chance),
        _ => expression(chance, 3),
    }
}

fn broken(chance: &mut Chance) -> String {
    let part = expression(chance, 1);
    let shapes = ["( @", "@ )", "and", "@ or", "not", "()", "'text'", "(role:admin or)", "   "];
    match chance.below(3) {
        0 => chance.one(&shapes).to_owned(),
        1 => format!("{part} {}", chance.one(&shapes)),
        _ => format!("{part} {part}"),
    }
}

fn expression(chance: &mut Chance, depth: usize) -> String {
    let space = |chance: &mut Chance| chance.one(&[" ", " ", "  ", "\t", "\n"]).to_owned();
    match chance.below(if depth == 0 { 1 } else { 8 }) {
        0..2 => leaf(chance),
        2 => format!("{}{}{}", chance.one(&["not", "NOT"]), space(chance), operand(chance, depth)),
        3 => format!("({})", expression(chance, depth - 1)),
        4 => format!("( {} )", expression(chance, depth - 1)),
        _ => {
            let mut all = operand(chance, depth);
            for _ in 0..=chance.below(3) {
                let word = chance.one(&["and", "or", "or", "AND", "Or"]).to_owned();
                all = format!(
                    "{all}{}{word}{}{}",
                    space(chance),
                    space(chance),
                    operand(chance, depth)
                );
            }
            all
        }
    }
}

/// What may stand beside `and`: a check, one that is negated, or something in parentheses.
fn operand(chance: &mut Chance, depth: usize) -> String {
    match chance.below(4) {
        0 if depth > 1 => format!("({})", expression(chance, depth - 1)),
        1 => format!("not {}", leaf(chance)),
        _ => leaf(chance),
    }
}
