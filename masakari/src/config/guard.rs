//! `[guard]`: what holds recoveries when many hosts are lost at once.

use super::Configuration;
use recovery::guard::{Bound, Rules};

impl Configuration {
    pub(crate) fn guard(&self) -> Rules {
        let number = |name: &str| self.values.get::<u32>("guard", name);
        let ms = |name: &str| self.values.get::<i64>("guard", name) * 1000;
        let bound = |hosts, percent| Bound { hosts: number(hosts), percent: number(percent) };
        // Two heartbeats may be late, and the answer that tells of them.
        let heartbeat_ms = self.values.get::<i64>("fencing", "report_interval") * 1000;
        Rules {
            segment: bound("segment_hosts", "segment_percent"),
            cloud: bound("cloud_hosts", "cloud_percent"),
            window_ms: ms("window"),
            per_minute: number("per_minute"),
            silent_percent: number("silent_percent"),
            silent_ms: (2 * heartbeat_ms + 10_000).max(Rules::default().silent_ms),
            cooldown_ms: ms("cooldown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Configuration;
    use recovery::guard::Rules;

    #[test]
    fn who_sets_nothing_has_the_guards_own_bounds() {
        assert_eq!(Configuration::of_text("").guard(), Rules::default());
    }

    #[test]
    fn zeros_switch_it_off() {
        let off =
            "[guard]\nsegment_percent = 0\ncloud_percent = 0\nsilent_percent = 0\nper_minute = 0\n";
        assert!(!Configuration::of_text(off).guard().is_on());
        let slow = Configuration::of_text("[fencing]\nreport_interval = 60\n").guard();
        assert_eq!(slow.silent_ms, 130_000);
    }
}
