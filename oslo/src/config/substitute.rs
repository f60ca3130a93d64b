//! `$name`, `${group.name}` and `$$` inside a value.

/// Files are small; a value this long is a reference that doubles itself again and again.
const TEXT_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Unknown(String),
    /// It refers to an option whose own value makes no sense.
    Wrong(String),
    Loop,
    TooLong,
}

/// `lookup` is asked for what stands after the dollar: `name` or `group.name`.
pub(super) fn substitute(
    text: &str,
    mut lookup: impl FnMut(&str) -> Result<String, Fault>,
) -> Result<String, Fault> {
    // The original takes `\$` for `$$` before anything else.
    let text = text.replace(r"\$", "$$");
    let mut rest = text.as_str();
    let mut filled = String::new();
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        (filled, rest) = if let Some(after) = after.strip_prefix('$') {
            (filled + "$", after)
        } else if let Some((reference, after)) = reference(after) {
            (filled + &lookup(reference)?, after)
        } else {
            (filled + "$", after)
        };
        if filled.len() > TEXT_BYTES_MAX {
            return Err(Fault::TooLong);
        }
    }
    Ok(filled + rest)
}

fn reference(after_dollar: &str) -> Option<(&str, &str)> {
    let (braced, text) = match after_dollar.strip_prefix('{') {
        Some(text) => (true, text),
        None => (false, after_dollar),
    };
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_part = |c: char| is_start(c) || c.is_ascii_digit() || c == '.';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (reference, after) = text.split_at(end);
    let after = if braced { after.strip_prefix('}')? } else { after };
    reference.starts_with(is_start).then_some((reference, after))
}
