//! The INI dialect itself: lines to assignments. Knows no options, reads no files.
//!
//! Indented lines continue the value above (a `#` in them is text); blank lines and comments end
//! it. A comment cannot follow a value on its line. One pair of matching quotes around the first
//! line of a value is taken off.

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) section: String,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// A line that is not the dialect. The text of the line is not kept: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Syntax {
    #[error("there is no '=' or ':' in this line; write `name = value`, or start it with '#'")]
    NoSeparator,
    #[error("the name before '=' is empty")]
    NoName,
    #[error("this line is indented but continues nothing; remove the indent")]
    NothingToContinue,
    #[error("a section must end with ']' and nothing after it")]
    OpenSection,
    #[error("the name of the section is empty")]
    EmptySection,
    #[error("an option stands before the first section; put [DEFAULT] above it")]
    BeforeSection,
}

#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) assignments: Vec<Assignment>,
    pub(super) mistakes: Vec<(usize, Syntax)>,
}

/// Where the lines below a header belong.
enum Section {
    NoneYet,
    Named(String),
    /// Its header was a mistake that is already reported; what it holds is not reported again.
    Misspelt,
}

pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut section = Section::NoneYet;
    let mut open: Option<Assignment> = None;
    for (number, line) in (1..).zip(lines(text)) {
        let line = line.trim_end_matches(is_space);
        if line.starts_with([' ', '\t']) {
            match &mut open {
                Some(assignment) => {
                    assignment.value.push('\n');
                    assignment.value.push_str(line.trim_start_matches(is_space));
                }
                None => parsed.mistakes.push((number, Syntax::NothingToContinue)),
            }
            continue;
        }
        parsed.assignments.extend(open.take());
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            section = match header.strip_suffix(']') {
                Some(name) if !name.is_empty() => Section::Named(name.to_owned()),
                Some(_) => parsed.reject(number, Syntax::EmptySection),
                None => parsed.reject(number, Syntax::OpenSection),
            };
            continue;
        }
        match (&section, split(line)) {
            (_, Err(mistake)) => parsed.mistakes.push((number, mistake)),
            (Section::NoneYet, Ok(_)) => parsed.mistakes.push((number, Syntax::BeforeSection)),
            (Section::Named(_) | Section::Misspelt, Ok((name, value))) => {
                let section = match &section {
                    Section::Named(section) => section.clone(),
                    Section::NoneYet | Section::Misspelt => String::new(),
                };
                open = Some(Assignment { section, name, value, line: number });
            }
        }
    }
    parsed.assignments.extend(open);
    parsed.assignments.retain(|assignment| !assignment.section.is_empty());
    parsed
}

/// Python ends a line at `\n`, at `\r\n`, and at a lone `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// White space as Python has it: the four separators of ASCII count too.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

impl Parsed {
    fn reject(&mut self, line: usize, mistake: Syntax) -> Section {
        self.mistakes.push((line, mistake));
        Section::Misspelt
    }
}

fn split(line: &str) -> Result<(String, String), Syntax> {
    let (name, value) = line.split_once(['=', ':']).ok_or(Syntax::NoSeparator)?;
    let name = name.trim_matches(is_space);
    if name.is_empty() {
        return Err(Syntax::NoName);
    }
    Ok((name.to_owned(), unquote(value.trim_matches(is_space)).to_owned()))
}

/// A lone quote counts as both ends of nothing, as in the original.
fn unquote(value: &str) -> &str {
    let Some(quote @ ('"' | '\'')) = value.chars().next() else { return value };
    match value.strip_prefix(quote).map(|rest| (rest, rest.strip_suffix(quote))) {
        Some((_, Some(inside))) => inside,
        Some(("", None)) => "",
        Some((_, None)) | None => value,
    }
}
