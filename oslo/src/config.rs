//! oslo.config: options declared in tables, values read from files, environment and command line.
//!
//! Every room owns a `pub const OPTIONS: &[Opt]`; [`Values::load`] reads all sources against all
//! tables at once and returns the values together with everything worth telling the operator: all
//! of it, not the first. A typo is a warning, because a file is shared by programs that know other
//! options; a value that cannot be understood is an error, because running with a guess is worse
//! than not starting.
//!
//! Precedence, highest first: command line, environment (`OS_<GROUP>__<OPTION>`), files, the later
//! file first.
//!
//! Deliberate differences from the original: `-` and `_` are alike in files too; an empty number
//! means the default; infinite and NaN floats and integers beyond 64 bits are refused; a
//! multi-valued option takes an environment variable whole (the original cuts it into letters);
//! `$name` may name what only the file holds (the original fails when the value is used).

mod address;
mod find;
mod finding;
mod from_value;
mod ini;
mod kind;
mod python;
mod reference;
mod sample;
mod substitute;
#[cfg(test)]
mod tests;
mod values;

pub use find::{Location, Search, gather, read_source};
pub use finding::{Finding, Name, Place, Problem, Severity, nearest};
pub use from_value::FromValue;
pub use ini::Syntax;
pub(crate) use ini::is_space;
pub(crate) use kind::boolean;
pub use kind::{Kind, Value};
pub use reference::reference;
pub use sample::sample;
pub use values::{Source, Values};

/// One option, as a room declares it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opt {
    /// The section, `DEFAULT` included.
    pub group: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    /// As an operator would write it in the file (one item a line for [`Kind::MultiStr`]), so that
    /// it passes the same checks.
    pub default: Option<&'static str>,
    pub help: &'static str,
    /// Older (group, name) pairs that still work.
    pub deprecated: &'static [(&'static str, &'static str)],
    /// The allowed texts; empty: any.
    pub choices: &'static [&'static str],
    /// Whether choices are compared without case.
    pub ignore_case: bool,
    pub standing: Standing,
}

/// What setting an option still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Current,
    /// Works, and will go away. The text says what to use instead.
    Retiring(&'static str),
    /// Accepted so that an existing file is not refused, without effect. The text says why.
    Ignored(&'static str),
}

impl Opt {
    pub const fn new(group: &'static str, name: &'static str, kind: Kind) -> Self {
        Self {
            group,
            name,
            kind,
            default: None,
            help: "",
            deprecated: &[],
            choices: &[],
            ignore_case: false,
            standing: Standing::Current,
        }
    }

    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    pub const fn help(mut self, text: &'static str) -> Self {
        self.help = text;
        self
    }

    pub const fn deprecated(mut self, names: &'static [(&'static str, &'static str)]) -> Self {
        self.deprecated = names;
        self
    }

    pub const fn choices(mut self, allowed: &'static [&'static str]) -> Self {
        self.choices = allowed;
        self
    }

    pub const fn any_case(mut self) -> Self {
        self.ignore_case = true;
        self
    }

    /// Accepted without effect; see [`Standing::Ignored`].
    pub const fn ignored(self, why: &'static str) -> Self {
        self.standing(Standing::Ignored(why))
    }

    pub const fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }
}
