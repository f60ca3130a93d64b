//! Moments, as arguments. This crate has no clock.

use alloc::{format, string::String};
use serde::{Deserialize, Serialize, Serializer};

/// A moment of the wall clock: milliseconds since 1970 in UTC. Negative before.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// The moment `milliseconds` later (earlier if negative).
    #[must_use]
    pub fn plus(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this moment; negative if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// To the millisecond, for machines and for who compares logs: `2026-11-21T18:30:05.250Z`.
    #[must_use]
    pub fn iso(self) -> String {
        let to_the_second = self.utc();
        let seconds = to_the_second.trim_end_matches('Z');
        format!("{seconds}.{:03}Z", self.0.rem_euclid(1000))
    }

    /// To the second, as people read it: `2026-11-21T18:30:05Z`.
    #[must_use]
    pub fn utc(self) -> String {
        let seconds = self.0.div_euclid(1000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Writes a moment as [`Millis::iso`] does.
pub(crate) fn iso<S: Serializer>(at: &Millis, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.iso())
}

/// The same, or null.
#[expect(clippy::ref_option, reason = "serde hands over the field")]
pub(crate) fn iso_if<S: Serializer>(at: &Option<Millis>, to: S) -> Result<S::Ok, S::Error> {
    at.map(Millis::iso).serialize(to)
}

/// Year, month and day of a count of days since 1970, in the Gregorian calendar. Years are counted from March
/// on, so that the leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    /// From 0000-03-01 to 1970-01-01, and in 400 years.
    const TO_1970: i64 = 719_468;
    const ERA: i64 = 146_097;
    let days = days.saturating_add(TO_1970);
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::Millis;

    #[test]
    fn a_moment_is_read_as_its_date_in_utc() {
        // By `date -u -d @SECONDS`.
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59Z"),
            (1_767_225_599_000, "2025-12-31T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ];
        for (ms, text) in table {
            assert_eq!(Millis(ms).utc(), text);
        }
        assert_eq!(Millis(1_709_251_199_999).iso(), "2024-02-29T23:59:59.999Z");
        assert_eq!(Millis(-1).iso(), "1969-12-31T23:59:59.999Z");
    }
}
