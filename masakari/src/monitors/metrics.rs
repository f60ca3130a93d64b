//! The same in Prometheus' text format.

use super::Asked;
use crate::prometheus::{escaped, head, line};
use monitor::standing::{Shown, ShownMonitor, State};

/// Name, what it is, help.
type Of<T> = (&'static str, &'static str, &'static str, fn(&T) -> Option<u64>);

const PROCESS: &[Of<Shown>] = &[
    (
        "masakari_monitor_api_failing_seconds",
        "gauge",
        "How long the API has failed; 0: it has not",
        |s| Some(s.sending.failing_s.unwrap_or(0)),
    ),
    ("masakari_monitor_last_answer_seconds", "gauge", "How long ago the API answered last", |s| {
        s.sending.last_answer.as_ref().map(|answer| answer.ago_s)
    }),
    ("masakari_monitor_kept_on_disk", "gauge", "1: what waits outlives the process", |s| {
        Some(s.sending.kept_on_disk.into())
    }),
    ("masakari_monitor_answered_total", "counter", "Reports that the API answered for good", |s| {
        Some(s.sending.answered)
    }),
    (
        "masakari_monitor_withdrawn_total",
        "counter",
        "Reports that held no more when they could be sent",
        |s| Some(s.sending.withdrawn),
    ),
    (
        "masakari_monitor_given_up_total",
        "counter",
        "Reports that Masakari would only have noted, and that it did not take in time",
        |s| Some(s.sending.given_up),
    ),
    ("masakari_monitor_lost_total", "counter", "Reports for which there was no room", |s| {
        Some(s.sending.lost)
    }),
];

const MONITOR: &[Of<ShownMonitor>] = &[
    ("masakari_monitor_turned_seconds", "gauge", "How long ago its loop turned", |m| {
        Some(m.turned_s)
    }),
    ("masakari_monitor_events_total", "counter", "What it saw", |m| Some(m.events)),
    ("masakari_monitor_waiting", "gauge", "Its reports that the API has not answered", |m| {
        Some(m.waiting)
    }),
    ("masakari_monitor_oldest_seconds", "gauge", "How old the eldest of those is", |m| {
        Some(m.oldest_s.unwrap_or(0))
    }),
];

const STATES: [State; 5] =
    [State::Starting, State::Well, State::Troubled, State::Stuck, State::Down];

/// All of them.
pub(super) fn told(asked: &[Asked]) -> String {
    let mut text = String::new();
    let name = "masakari_monitor_up";
    head(&mut text, name, "gauge", "1: the process tells how it stands");
    for one in asked {
        let up = u8::from(one.said.is_ok());
        line(&mut text, name, &format!("program=\"{}\"", escaped(&one.program)), up.into());
    }
    let shown: Vec<&Shown> = asked.iter().filter_map(|one| one.said.as_ref().ok()).collect();
    for (name, kind, help, of) in PROCESS {
        head(&mut text, name, kind, help);
        for shown in &shown {
            if let Some(value) = of(shown) {
                line(&mut text, name, &format!("program=\"{}\"", escaped(&shown.program)), value);
            }
        }
    }
    let monitors = || {
        let all = shown.iter().flat_map(|shown| shown.monitors.iter().map(move |m| (shown, m)));
        all.map(|(shown, m)| {
            let (program, name) = (escaped(&shown.program), escaped(&m.name));
            (format!("program=\"{program}\",monitor=\"{name}\""), m)
        })
    };
    let name = "masakari_monitor_state";
    head(&mut text, name, "gauge", "1: it is in this state");
    for (labels, monitor) in monitors() {
        for state in STATES {
            let labels = format!("{labels},state=\"{}\"", state.as_str());
            line(&mut text, name, &labels, (monitor.state == state).into());
        }
    }
    for (name, kind, help, of) in MONITOR {
        head(&mut text, name, kind, help);
        for (labels, monitor) in monitors() {
            if let Some(value) = of(monitor) {
                line(&mut text, name, &labels, value);
            }
        }
    }
    text
}
