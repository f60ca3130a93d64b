//! A commented policy file, from the rules that a program brings along.

use super::{RuleDefault, Scope};

/// Every rule with what it guards, commented out: what is left commented out keeps its default.
pub fn sample(defaults: &[RuleDefault]) -> String {
    let mut text = String::new();
    for default in defaults {
        text += &format!("# {}\n", default.description);
        if !default.scopes.is_empty() {
            let scopes: Vec<&str> = default.scopes.iter().map(scope).collect();
            text += &format!("# Intended scope(s): {}\n", scopes.join(", "));
        }
        text += &format!("#\"{}\": \"{}\"\n", default.name, default.check);
        if let Some(old) = default.old {
            text += &format!("# It was \"{}\": \"{}\" before.\n", old.name, old.check);
        }
        text.push('\n');
    }
    text
}

fn scope(scope: &Scope) -> &'static str {
    match scope {
        Scope::System => "system",
        Scope::Domain => "domain",
        Scope::Project => "project",
    }
}
