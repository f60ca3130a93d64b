//! The reference of all options, as Markdown, from the same tables that read the files.

use super::sample::kind;
use super::{Kind, Opt, Standing};

/// A section a group, `DEFAULT` first; a line an option. What has no effect comes last in its
/// group.
pub fn reference(tables: &[&[Opt]]) -> String {
    let mut opts: Vec<&Opt> = tables.iter().copied().flatten().collect();
    opts.sort_by_key(|opt| (opt.group != "DEFAULT", opt.group, is_ignored(opt), opt.name));
    opts.dedup();
    let mut text = String::new();
    let mut group = "";
    for opt in opts {
        if opt.group != group {
            group = opt.group;
            text += &format!(
                "\n## [{group}]\n\n| option | kind | default | meaning |\n|---|---|---|---|\n"
            );
        }
        text += &line(opt);
    }
    text
}

fn is_ignored(opt: &Opt) -> bool {
    matches!(opt.standing, Standing::Ignored(_))
}

fn line(opt: &Opt) -> String {
    let (kind_name, mut limits) = kind(opt.kind);
    if !opt.choices.is_empty() {
        limits.push(format!("one of `{}`", opt.choices.join("`, `")));
    }
    let kind_name = kind_name.trim_end_matches(" value");
    let kind_name = std::iter::once(kind_name.to_owned()).chain(limits).collect::<Vec<_>>();
    let default = match opt.default {
        None => String::new(),
        Some(_) if opt.kind == Kind::Secret => "(secret)".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(default) => format!("`{}`", default.replace('\n', "`, `")),
    };
    let mut meaning = match opt.standing {
        Standing::Current => opt.help.to_owned(),
        Standing::Retiring(advice) => format!("{} (will go away: {advice})", opt.help),
        Standing::Ignored(why) => format!("*no effect:* {why}"),
    };
    for (group, name) in opt.deprecated {
        meaning += &match *group == opt.group {
            true => format!("; old name `{name}`"),
            false => format!("; old name `[{group}] {name}`"),
        };
    }
    let cells = [format!("`{}`", opt.name), kind_name.join(", ").to_lowercase(), default, meaning];
    let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
    format!("| {} |\n", cells.join(" | "))
}
