//! Whether each host could be fenced, in Prometheus' text format.

use crate::prometheus::{escaped, head, line};
use openstack::instance_ha::Fencing;

const STATES: [&str; 4] = ["ready", "impaired", "not_ready", "unknown"];

/// All of them, each in one state.
pub(super) fn told(hosts: &[Fencing]) -> String {
    let mut text = String::new();
    let name = "masakari_host_fencing";
    head(&mut text, name, "gauge", "1: the host is in this state; alarm on not_ready and impaired");
    for host in hosts {
        let (segment, known) = (escaped(&host.segment), STATES.contains(&host.state.as_str()));
        let shown = if known { host.state.as_str() } else { "unknown" };
        for state in STATES {
            let host = escaped(&host.host);
            let labels = format!("host=\"{host}\",segment=\"{segment}\",state=\"{state}\"");
            line(&mut text, name, &labels, (state == shown).into());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_is_in_one_state() {
        let host = |host: &str, state: &str| Fencing {
            host: host.into(),
            segment: "rack\"1".into(),
            state: state.into(),
            why: None,
            since: None,
            checked_at: None,
        };
        let text = told(&[host("c1", "not_ready"), host("c2", "of a later version")]);
        let ones: Vec<&str> = text.lines().filter(|line| line.ends_with("} 1")).collect();
        assert_eq!(
            ones,
            [
                r#"masakari_host_fencing{host="c1",segment="rack\"1",state="not_ready"} 1"#,
                r#"masakari_host_fencing{host="c2",segment="rack\"1",state="unknown"} 1"#,
            ]
        );
        assert_eq!(text.lines().filter(|line| line.ends_with("} 0")).count(), 6);
        assert!(text.contains("# TYPE masakari_host_fencing gauge"));
    }
}
