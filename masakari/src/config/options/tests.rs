//! The table against the list of what Python has.

use std::collections::BTreeMap;

use oslo::config::{Kind, Opt};

use super::TABLES;

const PYTHON: &str = concat!(include_str!("python.tsv"), include_str!("python-monitors.tsv"));

/// Where ours says something else on purpose: group, name, and why.
const DIFFERS: &[(&str, &str, &str)] = &[
    ("DEFAULT", "hostname", "its old name, host, is the engine's too"),
    ("DEFAULT", "state_path", "the package's folder is no place for a database"),
    ("api", "auth_type", "the ways to log in that are known here"),
    ("keystone_authtoken", "auth_type", "the ways to log in that are known here"),
    ("oslo_messaging_kafka", "ssl_client_key_password", "it is a secret"),
];

fn table() -> BTreeMap<(&'static str, &'static str), &'static Opt> {
    let opts: Vec<&Opt> = TABLES.iter().copied().flatten().collect();
    let by_name: BTreeMap<_, _> = opts.iter().map(|opt| ((opt.group, opt.name), *opt)).collect();
    assert_eq!(by_name.len(), opts.len(), "an option is declared twice");
    by_name
}

fn kind(opt: &Opt) -> &'static str {
    match opt.kind {
        Kind::Str => "str",
        Kind::Secret => "secret",
        Kind::Bool => "bool",
        Kind::Int { .. } => "int",
        Kind::Float { .. } => "float",
        Kind::Port => "port",
        Kind::HostAddress => "host address",
        Kind::Uri => "uri",
        Kind::List => "list",
        Kind::MultiStr => "multi",
        Kind::Dict => "dict",
        Kind::DictOfLists => "dict of lists",
    }
}

/// The default as the list has it.
fn default(opt: &Opt) -> String {
    match (opt.kind, opt.default) {
        (Kind::MultiStr, default) => {
            default.into_iter().flat_map(str::lines).map(|item| format!("{item}\\n")).collect()
        }
        (_, default) => default.unwrap_or("-").to_owned(),
    }
}

fn faults(line: &str, opt: &Opt) -> Vec<String> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [_, _, kind_there, default_there, limits, old] = columns[..] else {
        panic!("six columns: {line:?}")
    };
    let mut faults = Vec::new();
    if kind(opt) != kind_there {
        faults.push(format!("is {} and not {kind_there}", kind(opt)));
    }
    if default(opt) != default_there && default_there != "(of the machine)" {
        faults.push(format!("defaults to {:?} and not {default_there:?}", default(opt)));
    }
    let choices = limits.split("one of ").nth(1).unwrap_or_default();
    let any_case = if opt.ignore_case { " without case" } else { "" };
    if choices != format!("{}{any_case}", opt.choices.join("|")) {
        faults.push(format!("allows {:?} and not {choices:?}", opt.choices));
    }
    let old_here: Vec<String> =
        opt.deprecated.iter().map(|(group, name)| format!("{group}/{name}")).collect();
    if old_here.join(" ") != old.replace('-', "") {
        faults.push(format!("has the old names {old_here:?} and not {old:?}"));
    }
    faults
}

#[test]
fn every_option_that_python_has_is_here_and_means_the_same() {
    let table = table();
    let mut wrong = Vec::new();
    for line in PYTHON.lines() {
        let mut columns = line.split('\t');
        let (group, name) = (columns.next().unwrap(), columns.next().unwrap());
        let known = DIFFERS.iter().any(|(g, n, _)| (*g, *n) == (group, name));
        let faults = match table.get(&(group, name)) {
            None => vec!["is missing".to_owned()],
            Some(opt) => faults(line, opt),
        };
        if known == faults.is_empty() {
            wrong.push(format!(
                "[{group}] {name}: {}",
                if known { "differs no longer" } else { "" }
            ));
        }
        wrong.extend(faults.iter().filter(|_| !known).map(|f| format!("[{group}] {name} {f}")));
    }
    assert!(PYTHON.lines().count() > 360, "the list is cut off");
    wrong.retain(|line| !line.ends_with(": "));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_option_says_what_it_means_or_why_it_has_no_effect() {
    for opt in table().values() {
        let told = match opt.standing {
            oslo::config::Standing::Current => opt.help,
            oslo::config::Standing::Retiring(text) | oslo::config::Standing::Ignored(text) => text,
        };
        assert!(told.len() > 10, "[{}] {}: {told:?}", opt.group, opt.name);
        assert!(!told.ends_with('.'), "[{}] {}: no full stop: {told:?}", opt.group, opt.name);
    }
}
