//! The rule language: text to a tree of checks, and back.
//!
//! `or` binds weaker than `and`, that weaker than `not`; words are separated by white space, and
//! parentheses count only at the ends of a word, because `%(name)s` has some inside.

use std::fmt;

use crate::config::is_space;

/// How deep parentheses and `not` may nest; each level costs stack.
const DEPTH_MAX: usize = 64;

/// A rule as a file or a table gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleText {
    Text(String),
    /// The form before the language: any of the lists, all of a list.
    Lists(Vec<Vec<String>>),
}

impl From<&str> for RuleText {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A parsed rule. Leaves keep their text: it is what a person recognizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    Always,
    Never,
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// `rule:name`
    Rule(String),
    /// `role:name`, compared without case
    Role(Template),
    /// `user.id:%(user_id)s`: what the credentials hold against the template
    Attribute {
        path: String,
        expected: Template,
    },
    /// `'x':%(y)s`, `True:%(enabled)s`: a value that stands in the rule against the template
    Literal {
        written: String,
        value: String,
        expected: Template,
    },
    Undecided {
        text: String,
        why: Unreadable,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("a check is written kind:value")]
    NoColon,
    #[error("http: and https: checks are not supported; write the rule out")]
    Http,
    #[error("after the colon only %(name)s and %% may follow a percent sign")]
    Template,
    #[error("what stands before the colon is neither a name nor a literal")]
    Literal,
}

/// Why a text is no rule at all. Such a rule denies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("a check is missing at the end; the empty rule \"\" allows everybody, \"!\" nobody")]
    Ends,
    #[error("{found:?} is not expected there")]
    Unexpected { found: String },
    #[error("a quoted text alone is no check; write kind:value")]
    QuotedText,
    #[error("parentheses and 'not' nest deeper than {DEPTH_MAX}")]
    TooDeep,
}

/// The right side of a check: text with `%(name)s` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Key(String),
}

impl Template {
    fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            pieces.push(Piece::Text(before.to_owned()));
            rest = if let Some(after) = after.strip_prefix('%') {
                pieces.push(Piece::Text("%".to_owned()));
                after
            } else {
                let (key, after) = after.strip_prefix('(')?.split_once(")s")?;
                pieces.push(Piece::Key(key.to_owned()));
                after
            };
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Some(Self { text: text.to_owned(), pieces })
    }

    /// Nothing if the target lacks one of the names.
    pub(super) fn fill<'a>(&self, target: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let filled = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Key(key) => target(key),
        });
        filled.collect()
    }
}

impl Check {
    pub fn parse(rule: &RuleText) -> Result<Self, RuleError> {
        match rule {
            RuleText::Text(text) => parse_text(text),
            RuleText::Lists(lists) => Ok(parse_lists(lists)),
        }
    }

    /// Every check that is no combination of others.
    pub(super) fn leaves(&self) -> Vec<&Self> {
        match self {
            Self::Not(inner) => inner.leaves(),
            Self::All(checks) | Self::Any(checks) => checks.iter().flat_map(Self::leaves).collect(),
            Self::Always
            | Self::Never
            | Self::Rule(_)
            | Self::Role(_)
            | Self::Attribute { .. }
            | Self::Literal { .. }
            | Self::Undecided { .. } => vec![self],
        }
    }
}

/// The canonical text: parsing it gives the same tree.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |checks: &[Self], word: &str| {
            checks.iter().map(Self::to_string).collect::<Vec<_>>().join(word)
        };
        match self {
            Self::Always => f.write_str("@"),
            Self::Never => f.write_str("!"),
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::All(checks) => write!(f, "({})", joined(checks, " and ")),
            Self::Any(checks) => write!(f, "({})", joined(checks, " or ")),
            Self::Rule(name) => write!(f, "rule:{name}"),
            Self::Role(role) => write!(f, "role:{}", role.text),
            Self::Attribute { path, expected } => write!(f, "{path}:{}", expected.text),
            Self::Literal { written, expected, .. } => write!(f, "{written}:{}", expected.text),
            Self::Undecided { text, .. } => f.write_str(text),
        }
    }
}

fn parse_lists(lists: &[Vec<String>]) -> Check {
    if lists.is_empty() {
        return Check::Always;
    }
    let all = |list: &Vec<String>| join(list.iter().map(|text| leaf(text)).collect(), Check::All);
    let alternatives: Vec<Check> = lists.iter().filter(|list| !list.is_empty()).map(all).collect();
    if alternatives.is_empty() { Check::Never } else { join(alternatives, Check::Any) }
}

fn join(mut checks: Vec<Check>, combine: fn(Vec<Check>) -> Check) -> Check {
    match checks.pop() {
        Some(only) if checks.is_empty() => only,
        last => {
            checks.extend(last);
            combine(checks)
        }
    }
}

fn parse_text(text: &str) -> Result<Check, RuleError> {
    if text.is_empty() {
        return Ok(Check::Always);
    }
    let tokens: Vec<Token<'_>> =
        text.split(is_space).filter(|word| !word.is_empty()).flat_map(tokens).collect();
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0 };
    let check = parser.alternatives()?;
    match parser.tokens.next() {
        None => Ok(check),
        Some(extra) => Err(extra.unexpected()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    Quoted,
    Check(&'a str),
}

fn tokens(word: &str) -> Vec<Token<'_>> {
    let inner = word.trim_start_matches('(');
    let core = inner.trim_end_matches(')');
    let mut tokens = vec![Token::Open; word.len() - inner.len()];
    let quoted = |quote: char| core.len() > 1 && core.starts_with(quote) && core.ends_with(quote);
    tokens.extend(match core.to_lowercase().as_str() {
        "" => None,
        "and" => Some(Token::And),
        "or" => Some(Token::Or),
        "not" => Some(Token::Not),
        _ if quoted('"') || quoted('\'') => Some(Token::Quoted),
        _ => Some(Token::Check(core)),
    });
    tokens.extend(vec![Token::Close; inner.len() - core.len()]);
    tokens
}

impl Token<'_> {
    fn unexpected(self) -> RuleError {
        let found = match self {
            Token::Open => "(",
            Token::Close => ")",
            Token::And => "and",
            Token::Or => "or",
            Token::Not => "not",
            Token::Quoted => return RuleError::QuotedText,
            Token::Check(text) => text,
        };
        RuleError::Unexpected { found: found.to_owned() }
    }
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token<'a>>>,
    depth: usize,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Result<Check, RuleError> {
        let mut checks = vec![self.conjunction()?];
        while self.tokens.next_if_eq(&Token::Or).is_some() {
            checks.push(self.conjunction()?);
        }
        Ok(join(checks, Check::Any))
    }

    fn conjunction(&mut self) -> Result<Check, RuleError> {
        let mut checks = vec![self.operand()?];
        while self.tokens.next_if_eq(&Token::And).is_some() {
            checks.push(self.operand()?);
        }
        Ok(join(checks, Check::All))
    }

    fn operand(&mut self) -> Result<Check, RuleError> {
        if self.depth == DEPTH_MAX {
            return Err(RuleError::TooDeep);
        }
        self.depth += 1;
        let check = match self.tokens.next().ok_or(RuleError::Ends)? {
            Token::Not => Check::Not(Box::new(self.operand()?)),
            Token::Open => {
                let inner = self.alternatives()?;
                match self.tokens.next().ok_or(RuleError::Ends)? {
                    Token::Close => inner,
                    other => return Err(other.unexpected()),
                }
            }
            Token::Check(text) => leaf(text),
            other @ (Token::Close | Token::And | Token::Or | Token::Quoted) => {
                return Err(other.unexpected());
            }
        };
        self.depth -= 1;
        Ok(check)
    }
}

fn leaf(text: &str) -> Check {
    let undecided = |why| Check::Undecided { text: text.to_owned(), why };
    match text {
        "@" => return Check::Always,
        "!" => return Check::Never,
        _ => {}
    }
    let Some((kind, value)) = text.split_once(':') else { return undecided(Unreadable::NoColon) };
    match kind {
        "rule" => return Check::Rule(value.to_owned()),
        "http" | "https" => return undecided(Unreadable::Http),
        _ => {}
    }
    let Some(expected) = Template::parse(value) else { return undecided(Unreadable::Template) };
    match (kind, literal(kind)) {
        ("role", _) => Check::Role(expected),
        (_, Operand::Literal(value)) => {
            Check::Literal { written: kind.to_owned(), value, expected }
        }
        (_, Operand::Path) => Check::Attribute { path: kind.to_owned(), expected },
        (_, Operand::Neither) => undecided(Unreadable::Literal),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

enum Operand {
    Literal(String),
    Path,
    Neither,
}

/// Python's literals as far as rules use them: quoted text without escapes, numbers, and three
/// constants.
fn literal(kind: &str) -> Operand {
    let quote = kind.chars().next().filter(|first| ['"', '\''].contains(first));
    let is_number = |text: &str| {
        let whole = text.strip_prefix('-').unwrap_or(text);
        whole.parse::<f64>().is_ok_and(|number| number.to_string() == whole)
    };
    match quote {
        Some(quote) => {
            let inside = kind.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            match inside.filter(|inside| !inside.contains([quote, '\\'])) {
                Some(inside) => Operand::Literal(inside.to_owned()),
                None => Operand::Neither,
            }
        }
        None if ["True", "False", "None"].contains(&kind) || is_number(kind) => {
            Operand::Literal(kind.to_owned())
        }
        None if kind.split(['.', '-']).all(is_name) => Operand::Path,
        None => Operand::Neither,
    }
}
