//! A commented sample file, from the same tables that read the real one.

use super::{Kind, Opt, Standing};

const COLUMNS: usize = 79;

/// Every option with its help, limits and default, commented out. `DEFAULT` comes first, then the
/// groups by name.
pub fn sample(tables: &[&[Opt]]) -> String {
    let mut opts: Vec<&Opt> = tables.iter().copied().flatten().collect();
    opts.sort_by_key(|opt| (opt.group != "DEFAULT", opt.group));
    opts.dedup();
    let mut text = String::new();
    let mut group = "";
    for opt in opts {
        if opt.group != group {
            group = opt.group;
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}[{group}]\n");
        }
        text.push('\n');
        describe(&mut text, opt);
    }
    text
}

fn describe(text: &mut String, opt: &Opt) {
    let (kind, limits) = kind(opt.kind);
    for paragraph in format!("{} ({kind})", opt.help.trim()).lines() {
        wrap(text, paragraph);
    }
    let mut notes = limits;
    if !opt.choices.is_empty() {
        notes.push(format!("Allowed values: {}", opt.choices.join(", ")));
    }
    for (group, name) in opt.deprecated {
        notes.push(format!("Deprecated group/name - [{group}]/{name}"));
    }
    match opt.standing {
        Standing::Current => {}
        Standing::Retiring(advice) => notes.push(format!("Will go away: {advice}")),
        Standing::Ignored(reason) => notes.push(format!("Has no effect: {reason}")),
    }
    notes.iter().for_each(|note| wrap(text, note));
    let values: Vec<&str> = match opt.default {
        None => vec!["<None>"],
        Some("") => vec![""],
        Some(_) if opt.kind == Kind::Secret => vec!["<secret>"],
        Some(default) => default.lines().collect(),
    };
    for value in values {
        let space = if value.is_empty() { "" } else { " " };
        let quote = if value.trim() == value { "" } else { "\"" };
        text.push_str(&format!("#{} ={space}{quote}{value}{quote}\n", opt.name));
    }
}

fn wrap(text: &mut String, paragraph: &str) {
    let mut line = String::from("#");
    for word in paragraph.split_whitespace() {
        if line.len() > 1 && line.len() + 1 + word.len() > COLUMNS {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

pub(super) fn kind(kind: Kind) -> (&'static str, Vec<String>) {
    let mut limits = Vec::new();
    let mut limit = |bound: &str, value: Option<String>| {
        limits.extend(value.map(|value| format!("{bound} value: {value}")));
    };
    let name = match kind {
        Kind::Str | Kind::Secret => "string value",
        Kind::Bool => "boolean value",
        Kind::Int { min, max } => {
            limit("Minimum", (min != i64::MIN).then(|| min.to_string()));
            limit("Maximum", (max != i64::MAX).then(|| max.to_string()));
            "integer value"
        }
        Kind::Float { min, max } => {
            limit("Minimum", (min > f64::MIN).then(|| min.to_string()));
            limit("Maximum", (max < f64::MAX).then(|| max.to_string()));
            "floating point value"
        }
        Kind::Port => {
            limit("Minimum", Some("0".to_owned()));
            limit("Maximum", Some("65535".to_owned()));
            "port value"
        }
        Kind::HostAddress => "host address value",
        Kind::Uri => "URI value",
        Kind::List => "list value",
        Kind::MultiStr => "multi valued",
        Kind::Dict | Kind::DictOfLists => "dict value",
    };
    (name, limits)
}
