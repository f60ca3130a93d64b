//! Times in the forms in which Masakari's API reads and writes them. All of them are UTC.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use recovery::Millis;
use serde::{Serialize, Serializer};

/// A moment as text. Long lists have thousands of them: each for itself in memory costs more than to write it.
#[derive(Clone, Copy)]
pub(crate) struct Iso([u8; 26]);

impl Iso {
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// `2026-11-21T10:00:30.000000`: whole seconds, which is what the columns keep.
pub(crate) fn iso(at: Millis) -> Iso {
    // A time with a zone adds its offset anew for each part that it is asked for.
    let at = utc(at).naive_utc();
    let mut text = *b"0000-00-00T00:00:00.000000";
    // chrono's formatter takes ten times as long.
    let mut put = |from: usize, digits: usize, mut number: u32| {
        for place in text.iter_mut().skip(from).take(digits).rev() {
            *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
    };
    put(0, 4, at.year().unsigned_abs());
    put(5, 2, at.month());
    put(8, 2, at.day());
    put(11, 2, at.hour());
    put(14, 2, at.minute());
    put(17, 2, at.second());
    Iso(text)
}

/// `2026-11-21 03:05:01.250000`: the form in progress details.
pub(crate) fn progress(at: Millis) -> String {
    utc(at).format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn utc(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default()
}

/// Reads ISO 8601 as Python's `iso8601` does: with or without dashes and colons, shortened, `T` or a
/// space between, any offset; without an offset it is UTC. No leap seconds, no week dates.
pub(crate) fn parse(text: &str) -> Option<Millis> {
    let mut rest = text;
    let year = digits(&mut rest, 4, 4).filter(|year| *year > 0)?;
    let (month, day) = date(&mut rest)?;
    let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let (time, offset) =
        if rest.is_empty() { (NaiveTime::MIN, TimeDelta::zero()) } else { clock(&mut rest)? };
    let local = NaiveDateTime::new(day, time).and_utc();
    rest.is_empty().then(|| local.checked_sub_signed(offset))?.map(|t| Millis(t.timestamp_millis()))
}

fn date(rest: &mut &str) -> Option<(u32, u32)> {
    if rest.is_empty() {
        return Some((1, 1));
    }
    if !eat(rest, "-") {
        // YYYYMM would be read as hours and minutes by others.
        return Some((digits(rest, 2, 2)?, digits(rest, 2, 2)?));
    }
    let month = digits(rest, 1, 2)?;
    let day = if eat(rest, "-") { digits(rest, 1, 2)? } else { 1 };
    Some((month, day))
}

fn clock(rest: &mut &str) -> Option<(NaiveTime, TimeDelta)> {
    if !eat(rest, "T") && !eat(rest, " ") {
        return None;
    }
    let hour = digits(rest, 2, 2)?;
    let (mut minute, mut second, mut micros) = (0, 0, 0);
    if !at_zone(rest) {
        eat(rest, ":");
        minute = digits(rest, 2, 2)?;
    }
    if !at_zone(rest) {
        eat(rest, ":");
        second = digits(rest, 1, 2)?;
        if eat(rest, ".") || eat(rest, ",") {
            micros = fraction(rest)?;
        }
    }
    Some((NaiveTime::from_hms_micro_opt(hour, minute, second, micros)?, zone(rest)?))
}

fn at_zone(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['Z', '+', '-'])
}

fn zone(rest: &mut &str) -> Option<TimeDelta> {
    if rest.is_empty() || eat(rest, "Z") {
        return Some(TimeDelta::zero());
    }
    let sign = if eat(rest, "+") { 1 } else { -i64::from(eat(rest, "-")) };
    let hours = digits(rest, 2, 2)?;
    eat(rest, ":");
    let minutes = if rest.is_empty() { 0 } else { digits(rest, 2, 2)? };
    let offset = i64::from(hours) * 60 + i64::from(minutes);
    TimeDelta::try_minutes(sign * offset).filter(|_| offset < 24 * 60)
}

/// Microseconds; what is finer is cut off.
fn fraction(rest: &mut &str) -> Option<u32> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, tail) = rest.split_at(end);
    *rest = tail;
    let six: String = digits.chars().chain("000000".chars()).take(6).collect();
    if digits.is_empty() { None } else { six.parse().ok() }
}

/// Between `min` and `max` digits, as many as there are.
fn digits(rest: &mut &str, min: usize, max: usize) -> Option<u32> {
    let count = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
    let (head, tail) = rest.split_at_checked(count).filter(|_| count >= min)?;
    *rest = tail;
    head.parse().ok()
}

fn eat(rest: &mut &str, prefix: &str) -> bool {
    rest.strip_prefix(prefix).inspect(|tail| *rest = tail).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_monitors_and_people_write_is_read() {
        for (text, read) in [
            ("2026-11-21T10:00:30.000000", "2026-11-21T10:00:30.000000"),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000000"),
            ("2026-11-23T10:00:00+09:00", "2026-11-23T01:00:00.000000"),
            ("2026-11-23T10:00:00-0130", "2026-11-23T11:30:00.000000"),
            ("2026-11-25 10:00:00", "2026-11-25T10:00:00.000000"),
            ("2026-11-26T10:00:00.123", "2026-11-26T10:00:00.000000"),
            ("20261127T100000", "2026-11-27T10:00:00.000000"),
            ("2026-11-27", "2026-11-27T00:00:00.000000"),
            ("2026-11", "2026-11-01T00:00:00.000000"),
            ("1999-01-01T00:00", "1999-01-01T00:00:00.000000"),
        ] {
            assert_eq!(parse(text).map(iso).as_ref().map(Iso::as_str), Some(read), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in [
            "",
            "yesterday",
            "2026-12-31T23:59:60",
            "2026-02-30T00:00:00",
            "2026-W48-1T00:00:00",
            "202611",
            "2026-11-21T",
            "2026-11-21T10:00:00 ",
            "2026-11-21T10:00:00é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn progress_shows_milliseconds() {
        assert_eq!(progress(Millis(1_250)), "1970-01-01 00:00:01.250000");
    }
}
