use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn target() -> BTreeMap<String, String> {
    [("y", "x"), ("one", "1"), ("t", "True"), ("n", "None"), ("user_id", "u"), ("r", "admin")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn creds() -> Creds {
    Creds::default()
        .with("roles", vec!["admin", "Foo"])
        .with("is_admin", true)
        .with("user_id", "u")
        .with("user", json!({"id": 7}))
        .with("d", json!({"k": "v", "list": [{"k": "a"}, {"k": "b"}]}))
        .with("none_attr", json!(null))
}

fn overrides(rules: &[(&str, &str)]) -> BTreeMap<String, RuleText> {
    rules.iter().map(|(name, text)| ((*name).to_owned(), RuleText::from(*text))).collect()
}

fn enforcer(rules: &[(&str, &str)]) -> (Enforcer, Vec<Finding>) {
    Enforcer::new(&[], &overrides(rules), "default")
}

fn ask(rules: &[(&str, &str)], rule: &str) -> Decision {
    enforcer(rules).0.enforce(rule, &target(), &creds())
}

const REFUSED: Decision = Decision::Denied(Denial::Refused);
const UNDECIDED: Decision = Decision::Denied(Denial::Undecided);

/// Text, canonical text, allowed: as oslo.policy 6 answered for the same target and credentials.
const FACTS: &[(&str, &str, bool)] = &[
    ("", "@", true),
    ("@", "@", true),
    ("!", "!", false),
    ("role:admin", "role:admin", true),
    ("ROLE:admin", "ROLE:admin", false),
    ("role:Admin", "role:Admin", true),
    ("not role:x", "not role:x", true),
    ("not not role:admin", "not not role:admin", true),
    (
        "role:a and role:b or role:c and role:d",
        "((role:a and role:b) or (role:c and role:d))",
        false,
    ),
    ("role:a or role:b and role:c or role:d", "(role:a or (role:b and role:c) or role:d)", false),
    ("(role:a or role:b) and role:c", "((role:a or role:b) and role:c)", false),
    ("not (role:a or role:b)", "not (role:a or role:b)", true),
    ("not role:a and role:b", "(not role:a and role:b)", false),
    ("((role:a))", "role:a", false),
    ("( role:a )", "role:a", false),
    ("role:a AND role:b", "(role:a and role:b)", false),
    ("NOT role:a", "not role:a", true),
    ("role:a\tor\nrole:b", "(role:a or role:b)", false),
    ("'x':%(y)s", "'x':%(y)s", true),
    ("1:%(one)s", "1:%(one)s", true),
    ("1.5:1.5", "1.5:1.5", true),
    ("True:%(t)s", "True:%(t)s", true),
    ("None:%(n)s", "None:%(n)s", true),
    ("is_admin:True", "is_admin:True", true),
    ("is_admin:1", "is_admin:1", false),
    ("user_id:%(user_id)s", "user_id:%(user_id)s", true),
    ("user_id:%(nope)s", "user_id:%(nope)s", false),
    ("not user_id:%(nope)s", "not user_id:%(nope)s", true),
    ("user_id:u:v", "user_id:u:v", false),
    ("role:%(r)s", "role:%(r)s", true),
    ("user.id:7", "user.id:7", true),
    ("roles:admin", "roles:admin", true),
    ("d.k:v", "d.k:v", true),
    ("d.list.k:b", "d.list.k:b", true),
    ("none_attr:None", "none_attr:None", true),
    ("a:%%", "a:%%", false),
    ("a:", "a:", false),
    ("foo or role:admin", "(foo or role:admin)", true),
];

#[test]
fn a_rule_means_what_it_means_to_the_original() {
    for (text, canonical, allowed) in FACTS {
        assert_eq!(Check::parse(&(*text).into()).unwrap().to_string(), *canonical);
        let allows = ask(&[("rule", text)], "rule") == Decision::Allowed;
        assert_eq!(allows, *allowed, "{text:?}");
    }
}

#[test]
fn a_text_that_is_no_rule_denies_and_is_told() {
    let unexpected = |found: &str| RuleError::Unexpected { found: found.to_owned() };
    let deep = format!("{}role:admin{}", "(".repeat(5000), ")".repeat(5000));
    for (text, error) in [
        ("  ", RuleError::Ends),
        ("(role:admin", RuleError::Ends),
        ("role:admin)", unexpected(")")),
        ("role:admin role:b", unexpected("role:b")),
        ("and", unexpected("and")),
        ("role:admin or", RuleError::Ends),
        ("not", RuleError::Ends),
        ("()", unexpected(")")),
        ("(role:a)and role:admin", unexpected("role:admin")),
        ("\"x\"", RuleError::QuotedText),
        (&deep, RuleError::TooDeep),
        (&"not ".repeat(5000), RuleError::TooDeep),
    ] {
        let (enforcer, findings) = enforcer(&[("default", text), ("other", "not rule:default")]);
        assert_eq!(
            findings,
            [Finding::Unparsable { rule: "default".into(), error }, findings[1].clone()]
        );
        assert_eq!(enforcer.enforce("default", &target(), &creds()), UNDECIDED, "{text:?}");
        assert_eq!(enforcer.enforce("other", &target(), &creds()), UNDECIDED, "{text:?}");
    }
}

#[test]
fn a_check_that_cannot_be_read_is_told_and_never_the_reason_to_allow() {
    for (text, why) in [
        ("foo", Unreadable::NoColon),
        ("http://127.0.0.1/ask", Unreadable::Http),
        ("https:x", Unreadable::Http),
        ("user_id:%d", Unreadable::Template),
        ("user_id:100%", Unreadable::Template),
        ("user_id:%(user_id)d", Unreadable::Template),
        ("%(user_id)s:u", Unreadable::Literal),
        ("01:1", Unreadable::Literal),
        ("'x:x", Unreadable::Literal),
        (":x", Unreadable::Literal),
    ] {
        let negated = format!("not {text}");
        let (enforcer, findings) = enforcer(&[("default", &negated)]);
        let told = Finding::Unreadable { rule: "default".into(), text: text.into(), why };
        assert_eq!(findings, [told]);
        assert_eq!(enforcer.enforce("default", &target(), &creds()), UNDECIDED);
        let both = ask(&[("default", &format!("{text} and role:nobody"))], "default");
        assert_eq!(both, REFUSED);
    }
}

#[test]
fn the_list_form_is_any_of_all() {
    let lists = |lists: &[&[&str]]| {
        let strings = |list: &&[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Check::parse(&RuleText::Lists(lists.iter().map(strings).collect())).unwrap().to_string()
    };
    assert_eq!(lists(&[]), "@");
    assert_eq!(lists(&[&[]]), "!");
    assert_eq!(lists(&[&["role:admin"]]), "role:admin");
    assert_eq!(lists(&[&["role:a", "b:c"], &["role:x"]]), "((role:a and b:c) or role:x)");
}

#[test]
fn a_rule_that_does_not_exist_is_the_default_rule_or_denied() {
    assert_eq!(ask(&[("default", "role:admin")], "nope"), Decision::Allowed);
    assert_eq!(ask(&[("x", "role:admin")], "nope"), Decision::Denied(Denial::NoSuchRule));
    assert_eq!(ask(&[("x", "rule:nope"), ("default", "@")], "x"), Decision::Allowed);
    assert_eq!(ask(&[("x", "not rule:nope")], "x"), UNDECIDED);
}

#[test]
fn rules_in_a_circle_are_found_at_load_and_deny() {
    let rules = [
        ("a", "rule:b or not rule:b"),
        ("b", "rule:c and rule:c"),
        ("c", "(role:nobody or not rule:a)"),
        ("default", "rule:a or role:admin"),
        ("self", "rule:self"),
    ];
    let (enforcer, findings) = enforcer(&rules);
    let cycle = |rule: &str| Finding::Cycle { rule: rule.to_owned() };
    assert_eq!(findings, ["a", "b", "c", "self"].map(cycle));
    assert_eq!(enforcer.enforce("a", &target(), &creds()), UNDECIDED);
    assert_eq!(enforcer.enforce("self", &target(), &creds()), UNDECIDED);
    assert_eq!(enforcer.enforce("default", &target(), &creds()), Decision::Allowed);
    let (through_default, findings) = super::tests::enforcer(&[("default", "rule:missing")]);
    assert!(findings.contains(&cycle("default")));
    assert_eq!(through_default.enforce("default", &target(), &creds()), UNDECIDED);
}

#[test]
fn rules_that_refer_on_and_on_are_answered_soon_and_only_so_deep() {
    let name = |n: usize| format!("r{n:05}");
    let chain = |length: usize| -> BTreeMap<String, RuleText> {
        let link = |n| (name(n), RuleText::Text(format!("rule:{m} and rule:{m}", m = name(n + 1))));
        (0..length).map(link).chain([(name(length), "@".into())]).collect()
    };
    let ask = |length| {
        let (enforcer, _) = Enforcer::new(&[], &chain(length), "default");
        enforcer.enforce(&name(0), &target(), &creds())
    };
    assert_eq!(ask(60), Decision::Allowed);
    assert_eq!(ask(1000), UNDECIDED);
}

const DEFAULTS: &[RuleDefault] = &[
    RuleDefault {
        name: "admin_api",
        check: "is_admin:True",
        scopes: &[],
        description: "",
        old: None,
    },
    RuleDefault {
        name: "hosts:index",
        check: "rule:admin_api",
        scopes: &[],
        description: "",
        old: None,
    },
    RuleDefault {
        name: "system",
        check: "@",
        scopes: &[Scope::System],
        description: "",
        old: None,
    },
];

#[test]
fn an_override_replaces_the_default_and_a_misspelt_one_is_told() {
    let rules = overrides(&[
        ("admin_api", "role:nobody"),
        ("hosts:indx", "@"),
        ("alias", "@"),
        ("system", "rule:alias"),
    ]);
    let (enforcer, findings) = Enforcer::new(DEFAULTS, &rules, "default");
    assert_eq!(findings, [Finding::Unused { rule: "hosts:indx".into() }]);
    assert_eq!(enforcer.enforce("hosts:index", &target(), &creds()), REFUSED);
    let (enforcer, findings) = Enforcer::new(DEFAULTS, &BTreeMap::new(), "default");
    assert_eq!(findings, []);
    assert_eq!(enforcer.enforce("hosts:index", &target(), &creds()), Decision::Allowed);
    assert_eq!(enforcer.enforce("hosts:index", &target(), &Creds::default()), REFUSED);
}

#[test]
fn a_scoped_rule_asks_for_the_scope_of_the_token() {
    let (enforcer, _) = Enforcer::new(DEFAULTS, &BTreeMap::new(), "default");
    for (creds, expected) in [
        (creds(), Decision::Denied(Denial::Scope(Scope::Project))),
        (creds().with("domain_id", "d"), Decision::Denied(Denial::Scope(Scope::Domain))),
        (creds().with("system_scope", "all"), Decision::Allowed),
        (
            creds().with("system_scope", json!(null)),
            Decision::Denied(Denial::Scope(Scope::Project)),
        ),
    ] {
        assert_eq!(enforcer.enforce("system", &target(), &creds), expected);
    }
}

#[test]
fn a_policy_file_is_read_as_pyyaml_reads_it() {
    let parse = |text| parse_overrides(Path::new("policy.yaml"), text);
    for (text, expected) in [
        ("", vec![]),
        ("# only comments\n", vec![]),
        ("a: b:c\na: d:e\n", vec![("a", "d:e")]),
        ("\"os:x\": \"role:admin or '1':%(y)s\"  # c\n", vec![("os:x", "role:admin or '1':%(y)s")]),
        ("a: '!'\nb: \"@\"\nc: ''\n", vec![("a", "!"), ("b", "@"), ("c", "")]),
        ("{\"a\": \"b:c\"}", vec![("a", "b:c")]),
        ("{\n\t\"a\": \"b:c\"\n}", vec![("a", "b:c")]),
    ] {
        assert_eq!(parse(text).unwrap(), overrides(&expected), "{text:?}");
    }
    let lists = RuleText::Lists(vec![vec!["x:y".into(), "y:z".into()], vec!["z:a".into()]]);
    let expected = BTreeMap::from([("a".to_owned(), lists)]);
    assert_eq!(parse("a: [['x:y','y:z'],'z:a']").unwrap(), expected);
    assert_eq!(parse("a:\n- - x:y\n  - y:z\n- z:a\n").unwrap(), expected);
    for text in ["- a", "x", "a: @", "a:", "a: 5", "a: {b: c}", "a: [[5]]", "a: ["] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains("policy.yaml"), "{text:?}: {error}");
    }
}

#[test]
fn later_policy_files_replace_earlier_ones() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("policy.d");
    std::fs::create_dir(&dir).unwrap();
    let file = root.path().join("policy.yaml");
    std::fs::write(&file, "a: r:1\nb: r:1\n").unwrap();
    std::fs::write(dir.join("2.yaml"), "a: r:3\n").unwrap();
    std::fs::write(dir.join("1.yaml"), "a: r:2\n").unwrap();
    let found = read_overrides(Some(&file), &[dir, root.path().join("missing.d")]).unwrap();
    assert_eq!(found, overrides(&[("a", "r:3"), ("b", "r:1")]));
}

const RULE_LIKE: &str = "((\\(|not |)(role:a|x:%\\(y\\)s|'l':%%|@|!|rule:r|typo|http://h/)\\)?\
    ( and | or | )){1,9}(@|rule:(b))";

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        ask(&[("rule", &text)], "rule");
        let _ = parse_overrides(Path::new("x"), &text);
    }

    #[test]
    fn the_canonical_text_of_a_rule_is_that_rule(
        text in RULE_LIKE
    ) {
        if let Ok(check) = Check::parse(&text.as_str().into()) {
            let canonical = check.to_string();
            prop_assert_eq!(Check::parse(&canonical.as_str().into()), Ok(check));
        }
    }
}
