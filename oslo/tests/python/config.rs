//! Files and environment: the same values, or both refuse.

use std::collections::BTreeMap;

use oslo::Secret;
use oslo::config::{Kind, Opt, Problem, Severity, Source, Values};
use serde_json::{Value, json};

use crate::oracle::{Chance, Oracle, cases};

pub(crate) const OPTIONS: &[Opt] = &[
    Opt::new("DEFAULT", "a", Kind::Str),
    Opt::new("DEFAULT", "b", Kind::Str).default("b's own"),
    Opt::new("DEFAULT", "home", Kind::Str).default("${state_path}/x"),
    Opt::new("DEFAULT", "state_path", Kind::Str).default("/var/$g.c"),
    Opt::new("DEFAULT", "number", Kind::INT).deprecated(&[("DEFAULT", "nummer")]),
    Opt::new("DEFAULT", "wait", Kind::Int { min: 1, max: 9 }).default("3"),
    Opt::new("DEFAULT", "ratio", Kind::FLOAT),
    Opt::new("DEFAULT", "share", Kind::Float { min: 0.0, max: 1.0 }).default("0.5"),
    Opt::new("DEFAULT", "flag", Kind::Bool).default("false"),
    Opt::new("DEFAULT", "maybe", Kind::Bool),
    Opt::new("DEFAULT", "port", Kind::Port).default("15868"),
    Opt::new("DEFAULT", "listen", Kind::HostAddress).default("0.0.0.0"),
    Opt::new("DEFAULT", "url", Kind::Uri),
    Opt::new("DEFAULT", "list", Kind::List).default("x,y"),
    Opt::new("DEFAULT", "multi", Kind::MultiStr),
    Opt::new("DEFAULT", "twins", Kind::MultiStr).default("x\ny"),
    Opt::new("DEFAULT", "dict", Kind::Dict),
    Opt::new("DEFAULT", "flows", Kind::DictOfLists),
    Opt::new("DEFAULT", "backend", Kind::Str).choices(&["p", "q", "r s"]).default("p"),
    Opt::new("DEFAULT", "when", Kind::Str).choices(&["Days", "Hours"]).any_case(),
    Opt::new("g", "c", Kind::Str).default("lib"),
    Opt::new("g", "a", Kind::Str),
    Opt::new("g", "dashed-name", Kind::Str),
    Opt::new("g", "long_name", Kind::Str).deprecated(&[("h", "old"), ("DEFAULT", "older")]),
    Opt::new("g", "many", Kind::MultiStr).deprecated(&[("h", "many")]),
    Opt::new("g", "count", Kind::at_least(0)).deprecated(&[("h", "count")]).default("7"),
    Opt::new("database", "connection", Kind::Secret).deprecated(&[("DEFAULT", "sql_connection")]),
];

pub(crate) fn table() -> Value {
    let number = |at: i64, none: i64| if at == none { Value::Null } else { json!(at) };
    let float = |at: f64, none: f64| if at == none { Value::Null } else { json!(at) };
    let describe = |opt: &Opt| {
        let (kind, min, max) = match opt.kind {
            Kind::Str => ("str", Value::Null, Value::Null),
            Kind::Secret => ("secret", Value::Null, Value::Null),
            Kind::Bool => ("bool", Value::Null, Value::Null),
            Kind::Int { min, max } => ("int", number(min, i64::MIN), number(max, i64::MAX)),
            Kind::Float { min, max } => ("float", float(min, f64::MIN), float(max, f64::MAX)),
            Kind::Port => ("port", Value::Null, Value::Null),
            Kind::HostAddress => ("host address", Value::Null, Value::Null),
            Kind::Uri => ("uri", Value::Null, Value::Null),
            Kind::List => ("list", Value::Null, Value::Null),
            Kind::MultiStr => ("multi", Value::Null, Value::Null),
            Kind::Dict => ("dict", Value::Null, Value::Null),
            Kind::DictOfLists => ("dict of lists", Value::Null, Value::Null),
        };
        json!({
            "group": opt.group, "name": opt.name, "kind": kind, "min": min, "max": max,
            "default": opt.default, "choices": opt.choices, "ignore_case": opt.ignore_case,
            "deprecated": opt.deprecated,
        })
    };
    json!({ "ask": "table", "table": OPTIONS.iter().map(describe).collect::<Vec<_>>() })
}

#[derive(Clone, Debug)]
struct Case {
    files: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// `group.name` to its value, or why not. All of it may be refused at once.
type Answer = Result<BTreeMap<String, Result<Value, String>>, String>;

#[test]
#[ignore = "needs Python: cargo xtask test oslo"]
fn files_made_by_chance_give_the_same_values_or_are_refused_by_both() {
    let mut oracle = Oracle::start();
    oracle.ask(&table());
    let (mut refused, mut values, mut wrong) = (0, 0, 0);
    for seed in cases() {
        let case = case(&mut Chance(seed));
        let theirs = python(&mut oracle, &case);
        match &theirs {
            Err(_) => refused += 1,
            Ok(all) => {
                values += all.values().filter(|value| value.is_ok()).count();
                wrong += all.values().filter(|value| value.is_err()).count();
            }
        }
        if let Err(why) = compare(&case, &rust(&case.sources()), &theirs) {
            let case = shrunk(&mut oracle, case);
            let least = compare(&case, &rust(&case.sources()), &python(&mut oracle, &case));
            panic!("OSLO_SEED={seed}: {why}\nwithout what does not matter: {least:?}\n{case:#?}");
        }
    }
    let count = cases().count();
    println!("{count} cases: {refused} refused as a whole, {values} values equal, {wrong} refused");
    assert!(refused * 5 < count, "too many files are refused to show anything");
    assert!(count < 100 || wrong > count, "too few values are refused to show anything");
}

impl Case {
    fn sources(&self) -> Vec<Source> {
        let named = self.files.iter().zip(0..);
        let files = named.map(|(text, number)| Source::File {
            path: format!("{number}.conf").into(),
            text: text.clone(),
        });
        let environment = self.environment.clone().into_iter().collect();
        files.chain([Source::Environment(environment)]).collect()
    }
}

pub(crate) fn answer_of(answer: &Value) -> Answer {
    if let Some(why) = answer["refused"].as_str() {
        return Err(why.to_owned());
    }
    let each = |(name, answer): (&String, &Value)| {
        let value = match answer["refused"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(answer["is"].clone()),
        };
        (name.clone(), value)
    };
    Ok(answer["values"].as_object().expect("values").iter().map(each).collect())
}

fn python(oracle: &mut Oracle, case: &Case) -> Answer {
    let question = json!({ "ask": "config", "files": case.files, "environment": case.environment });
    answer_of(&oracle.ask(&question))
}

pub(crate) fn rust(sources: &[Source]) -> Answer {
    let (values, findings) = Values::load(sources, &[OPTIONS]);
    let mut wrong = BTreeMap::new();
    for finding in findings.iter().filter(|f| f.severity() == Severity::Error) {
        let option = match &finding.problem {
            Problem::BadValue { option, .. }
            | Problem::UnknownReference { option, .. }
            | Problem::WrongReference { option, .. }
            | Problem::ReferenceLoop { option }
            | Problem::TooLong { option } => option,
            _ => return Err(finding.to_string()),
        };
        wrong.insert((option.group.clone(), option.name.clone()), finding.to_string());
    }
    let each = |opt: &Opt| {
        let name = opt.name.replace('-', "_");
        let value = match wrong.remove(&(opt.group.to_owned(), name.clone())) {
            Some(why) => Err(why),
            None => Ok(value(&values, opt)),
        };
        (format!("{}.{name}", opt.group), value)
    };
    Ok(OPTIONS.iter().map(each).collect())
}

fn value(values: &Values, opt: &Opt) -> Value {
    let (group, name) = (opt.group, opt.name);
    match opt.kind {
        Kind::Str | Kind::HostAddress | Kind::Uri => {
            json!(values.get::<Option<String>>(group, name))
        }
        Kind::Secret => {
            json!(values.get::<Option<Secret>>(group, name).map(|s| s.expose().to_owned()))
        }
        Kind::Bool => json!(values.get::<Option<bool>>(group, name)),
        Kind::Int { .. } | Kind::Port => json!(values.get::<Option<i64>>(group, name)),
        Kind::Float { .. } => json!(values.get::<Option<f64>>(group, name)),
        Kind::List | Kind::MultiStr => json!(values.get::<Vec<String>>(group, name)),
        Kind::Dict => json!(values.get::<BTreeMap<String, String>>(group, name)),
        Kind::DictOfLists => json!(values.get::<BTreeMap<String, Vec<String>>>(group, name)),
    }
}

fn compare(case: &Case, ours: &Answer, theirs: &Answer) -> Result<(), String> {
    let (ours, theirs) = match (ours, theirs) {
        (Err(_), Err(_)) => return Ok(()),
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(why), Ok(_)) => return Err(format!("only ours refuses the files: {why}")),
        (Ok(_), Err(why)) => return Err(format!("only Python refuses the files: {why}")),
    };
    for opt in OPTIONS {
        let name = format!("{}.{}", opt.group, opt.name.replace('-', "_"));
        let same = match (&ours[&name], &theirs[&name]) {
            (Err(_), Err(_)) => true,
            (Ok(ours), Ok(theirs)) => equal(opt, ours, theirs),
            // On purpose: what only a file holds may be referred to.
            (Ok(_), Err(why)) => why.starts_with("NoSuchOptError") && case.mentions("$loose"),
            // On purpose: endless and undefined numbers, and those beyond 64 bits, are refused.
            (Err(why), Ok(theirs)) => beyond(theirs) || why.ends_with("not valid") && odd(theirs),
        };
        if !same {
            let texts = (&ours[&name], &theirs[&name]);
            return Err(format!("{name}: ours {:?}, Python's {:?}", texts.0, texts.1));
        }
    }
    Ok(())
}

impl Case {
    fn mentions(&self, word: &str) -> bool {
        self.files.iter().any(|text| text.contains(word))
    }
}

pub(crate) fn equal(opt: &Opt, ours: &Value, theirs: &Value) -> bool {
    let empty = |value: &Value| {
        value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty)
    };
    match (opt.kind, theirs) {
        // On purpose: an empty number is the default.
        (Kind::Int { .. } | Kind::Port | Kind::Float { .. }, Value::Null) => {
            let default = opt.default.and_then(|text| text.parse::<f64>().ok());
            ours.as_f64() == default
        }
        (Kind::Float { .. }, Value::String(number)) => ours.as_f64() == number.parse().ok(),
        // Ours has no list that is not there.
        (Kind::List | Kind::MultiStr | Kind::Dict | Kind::DictOfLists, Value::Null) => empty(ours),
        _ => ours == theirs,
    }
}

/// A text into which such a number was put.
fn odd(theirs: &Value) -> bool {
    let text = theirs.to_string();
    ["nan", "inf", "99999999999999999999"].iter().any(|number| text.contains(number))
}

fn beyond(theirs: &Value) -> bool {
    match theirs {
        Value::String(float) => float.parse::<f64>().is_ok_and(|number| !number.is_finite()),
        Value::Number(number) => number.as_i64().is_none(),
        _ => false,
    }
}

/// The case without the lines that do not matter.
fn shrunk(oracle: &mut Oracle, mut case: Case) -> Case {
    let mut at = (0, 0);
    while at.0 < case.files.len() {
        let lines: Vec<&str> = case.files[at.0].split_inclusive('\n').collect();
        if at.1 >= lines.len() {
            at = (at.0 + 1, 0);
            continue;
        }
        let mut less = case.clone();
        less.files[at.0] =
            lines.iter().enumerate().filter(|(i, _)| *i != at.1).map(|(_, line)| *line).collect();
        if compare(&less, &rust(&less.sources()), &python(oracle, &less)).is_err() {
            case = less;
        } else {
            at.1 += 1;
        }
    }
    case
}

const SECTIONS: &[&str] = &[
    "[DEFAULT]",
    "[DEFAULT]",
    "[DEFAULT]",
    "[g]",
    "[g]",
    "[G]",
    "[h]",
    "[database]",
    "[other]",
    "[default]",
    "[ g ]",
    "[DEFAULT]  ",
    "[g]]",
];
const BROKEN: &[&str] =
    &["[g", "[]", "[g] x", "= 1", "word", " : 2", "[", "]", "\u{feff}a = 1", "[]]", "a b"];
const SEPARATORS: &[&str] = &[" = ", "=", ":", " : ", "\t=\t", " =", "= "];
const NAMES: &[&str] = &[
    "a",
    "b",
    "home",
    "state_path",
    "number",
    "nummer",
    "wait",
    "ratio",
    "share",
    "flag",
    "maybe",
    "port",
    "listen",
    "url",
    "list",
    "multi",
    "multi",
    "twins",
    "dict",
    "flows",
    "backend",
    "when",
    "c",
    "long_name",
    "dashed_name",
    "old",
    "older",
    "many",
    "many",
    "count",
    "connection",
    "sql_connection",
    "unknown",
    "loose",
];
const VALUES: &[&str] = &[
    "",
    "x",
    "1",
    "0",
    "-1",
    "5",
    "+5",
    " 7 ",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "0x10",
    "007",
    "9",
    "10",
    "65535",
    "65536",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "1E-7",
    "1e16",
    "1e400",
    "nan",
    "-inf",
    "99999999999999999999",
    "true",
    "TRUE",
    "off",
    "Yes",
    "no",
    "2",
    "t",
    "p",
    "q",
    "r s",
    "days",
    "HOURS",
    "a,b",
    "a, b ,",
    ",",
    "a,,b",
    " , ",
    "[a,b]",
    "'a,b',c",
    "k:v",
    "k:v,x:y",
    "k:v:w, x",
    "k",
    ":v",
    "k:v,k:w",
    "k:,x:y",
    "pre:[a,b],post:[]",
    "pre:['a','b c'],x:[\"q\"]",
    "pre:[a",
    "pre:[a],pre:[b]",
    "pre:[ a , b ]",
    "127.0.0.1",
    "::1",
    "1.2.3",
    "example.org",
    "example.org.",
    "-x.org",
    "a_b",
    "010.1.1.1",
    "http://h:5000/v3",
    "https://u:p@[::1]/",
    "http://",
    "ftp:x",
    "mysql+pymysql://u:p%40@h/d?charset=utf8",
    "x # c",
    "x ; c",
    "it's",
    "a=b",
    "a:b",
    "é ü",
    "\u{1d}x",
    "x\u{a0}",
    "\\",
    "%(a)s",
    "{a}",
    "[DEFAULT]",
];
const REFERENCES: &[&str] = &[
    "$a",
    "$b",
    "${a}",
    "${b}",
    "$c",
    "$g.c",
    "${g.c}",
    "$g.a",
    "$flag",
    "$number",
    "${ratio}",
    "$share",
    "$list",
    "$multi",
    "$twins",
    "$dict",
    "$flows",
    "$port",
    "$home",
    "$state_path",
    "$maybe",
    "$nummer",
    "$database.connection",
    "$nope",
    "${g.nope}",
    "$n.x",
    "$loose",
    "$$a",
    "\\$a",
    "$",
    "${",
    "${}",
    "$1",
    "$$$a",
    "${a",
    "$g",
    "$wait",
    "$g.count",
];

fn case(chance: &mut Chance) -> Case {
    let files = (0..=chance.below(3)).map(|_| file(chance)).collect();
    let mut environment = BTreeMap::new();
    while chance.percent(30) {
        // Not for options of many values: Python cuts a variable into letters there.
        let opts: Vec<&Opt> = OPTIONS.iter().filter(|o| o.kind != Kind::MultiStr).collect();
        let opt = chance.one(&opts);
        let name = format!("OS_{}__{}", opt.group, opt.name.replace('-', "_")).to_uppercase();
        environment.insert(name, text(chance));
    }
    Case { files, environment }
}

fn file(chance: &mut Chance) -> String {
    let end = if chance.percent(5) { "\r\n" } else { "\n" };
    let mut text = String::new();
    if chance.percent(97) {
        text = format!("{}{end}", chance.one(SECTIONS));
    }
    for _ in 0..chance.below(14) {
        let line = match chance.below(100) {
            0..15 => chance.one(SECTIONS).to_owned(),
            15..20 => String::new(),
            20..24 => chance.one(&["# c", "; c", "#", "\t", "  "]).to_owned(),
            24 if chance.percent(60) => chance.one(BROKEN).to_owned(),
            25 if chance.percent(50) => format!(" {}", text_line(chance)),
            _ => assignment(chance, end),
        };
        text += &line;
        text += if chance.percent(1) { "\r" } else { end };
    }
    text
}

fn text_line(chance: &mut Chance) -> String {
    text(chance).replace(['\n', '\r'], "")
}

fn assignment(chance: &mut Chance, end: &str) -> String {
    let mut line = format!("{}{}", chance.one(NAMES), chance.one(SEPARATORS));
    let value = text_line(chance);
    line += &match chance.below(10) {
        0 => format!("'{value}'"),
        1 => format!("\"{value}\""),
        2 if chance.percent(30) => format!("'{value}"),
        _ => value,
    };
    while chance.percent(12) {
        line += end;
        line += chance.one(&[" ", "\t", "    "]);
        line += &text_line(chance);
    }
    line
}

pub(crate) fn text(chance: &mut Chance) -> String {
    let mut text = String::new();
    loop {
        text += if chance.percent(25) { chance.one(REFERENCES) } else { chance.one(VALUES) };
        if !chance.percent(20) {
            return text;
        }
        text += chance.one(&["", "", " ", ",", "/", "."]);
    }
}
