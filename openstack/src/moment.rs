//! Times as OpenStack writes them.

use chrono::{DateTime, NaiveDateTime, SecondsFormat};
use recovery::Millis;

/// Reads Nova's and Keystone's times: with or without a fraction, with `Z`, an offset, or (Nova's
/// services) nothing, which means UTC.
pub(crate) fn read(text: &str) -> Option<Millis> {
    let aware = DateTime::parse_from_rfc3339(text).map(|t| t.timestamp_millis());
    let naive = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    aware.or_else(|_| naive().map(|t| t.and_utc().timestamp_millis())).ok().map(Millis)
}

/// Reads a `Date` header.
pub(crate) fn read_http_date(text: &str) -> Option<Millis> {
    DateTime::parse_from_rfc2822(text).ok().map(|t| Millis(t.timestamp_millis()))
}

/// Writes `moment` for a query: `2026-11-21T08:08:18Z`.
pub(crate) fn write(moment: Millis) -> String {
    DateTime::from_timestamp_millis(moment.0)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_time_is_read() {
        let at = Some(Millis(1_795_248_498_000));
        assert_eq!(read("2026-11-21T08:08:18Z"), at);
        assert_eq!(read("2026-11-21T08:08:18.000000Z"), at);
        assert_eq!(read("2026-11-21T08:08:18.000000"), at);
        assert_eq!(read("2026-11-21T08:08:18"), at);
        assert_eq!(read("2026-11-21T09:08:18+01:00"), at);
        assert_eq!(read_http_date("Sat, 21 Nov 2026 08:08:18 GMT"), at);
        assert_eq!(read("2026-11-21T08:08:18.250000"), at.map(|t| t.plus(250)));
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn a_written_time_reads_back() {
        assert_eq!(write(Millis(1_795_248_498_000)), "2026-11-21T08:08:18Z");
    }
}
