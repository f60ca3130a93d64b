//! How Python prints a value: that is what `$name` puts in its place.

use super::Value;

/// `str(value)`.
pub(super) fn printed(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Secret(secret) => secret.expose().to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => float(*number),
        Value::List(items) => list(items),
        Value::Dict(pairs) => dict(pairs.iter().map(|(name, value)| (name, text(value)))),
        Value::DictOfLists(pairs) => dict(pairs.iter().map(|(name, items)| (name, list(items)))),
    }
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| text(item)).collect::<Vec<_>>().join(", "))
}

fn dict<'a>(pairs: impl Iterator<Item = (&'a String, String)>) -> String {
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{}: {value}", text(name))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// The shortest digits that give the number back; an exponent below -4 and from 16 on.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Ok(_) | Err(_) => format!("{number:?}"),
    }
}

/// `repr(text)`.
fn text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut printed = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => printed.push_str("\\n"),
            '\r' => printed.push_str("\\r"),
            '\t' => printed.push_str("\\t"),
            '\\' => printed.push_str("\\\\"),
            c if c == quote => printed.extend(['\\', c]),
            c if c.is_control() => printed.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => printed.push(c),
        }
    }
    printed.push(quote);
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right sides are what Python 3.11 printed.
    #[test]
    fn values_are_printed_as_python_prints_them() {
        for (number, printed) in [
            (1.0, "1.0"),
            (0.5, "0.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
        ] {
            assert_eq!(float(number), printed);
        }
        for (plain, printed) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("a\\\n\x07é", "'a\\\\\\n\\x07é'"),
        ] {
            assert_eq!(text(plain), printed);
        }
    }
}
