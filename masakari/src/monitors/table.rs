//! The monitors of this host as people read them.

use super::Asked;
use monitor::standing::{Shown, ShownMonitor, ShownSending};

const HEAD: [&str; 7] = ["PROGRAM", "WATCHES", "STATE", "SINCE", "LAST SEEN", "WAITING", "OLDEST"];

/// A table, and below it what needs more words than fit into one.
pub(super) fn told(asked: &[Asked]) -> Vec<String> {
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut words = Vec::new();
    for one in asked {
        match &one.said {
            Ok(shown) => {
                rows.extend(shown.monitors.iter().map(|monitor| row(&one.program, monitor)));
                words.extend(reasons(shown));
            }
            Err(why) => {
                let none = || "-".to_owned();
                let state = "no answer".to_owned();
                rows.push([one.program.clone(), none(), state, none(), none(), none(), none()]);
                words.push(format!("{}: {why}", one.program));
            }
        }
    }
    let mut lines = aligned(&rows);
    if !words.is_empty() {
        lines.push(String::new());
        lines.append(&mut words);
    }
    lines
}

fn row(program: &str, monitor: &ShownMonitor) -> [String; 7] {
    let seen = monitor.last_event.as_ref().map(|event| format!("{} ago", span(event.ago_s)));
    [
        program.to_owned(),
        monitor.name.clone(),
        monitor.state.as_str().to_owned(),
        span(monitor.since_s),
        seen.unwrap_or_else(|| "-".into()),
        monitor.waiting.to_string(),
        monitor.oldest_s.map_or_else(|| "-".into(), span),
    ]
}

fn reasons(shown: &Shown) -> Vec<String> {
    let monitors = shown.monitors.iter();
    let whys = monitors.filter_map(|one| Some(format!("{}: {}", one.name, one.why.as_ref()?)));
    let mut reasons: Vec<String> = whys.collect();
    reasons.push(format!("{}: {}", shown.program, sending(&shown.sending)));
    if !shown.sending.kept_on_disk {
        reasons.push(format!(
            "{}: nothing is kept on disk; a restart forgets what waits (its log says why)",
            shown.program
        ));
    }
    reasons
}

fn sending(sending: &ShownSending) -> String {
    let last = sending.last_answer.as_ref();
    let said = last.map(|answer| format!("{}, {} ago", answer.what, span(answer.ago_s)));
    match (sending.failing_s, said) {
        (Some(failing_s), Some(said)) => {
            format!("the API has failed for {}: {said}", span(failing_s))
        }
        (Some(failing_s), None) => format!("the API has failed for {}", span(failing_s)),
        (None, Some(said)) => format!("the API's last answer: {said}"),
        (None, None) => "nothing was to be sent yet".to_owned(),
    }
}

/// The two largest units.
fn span(s: u64) -> String {
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m {}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {}m", s / 3600, s / 60 % 60),
        _ => format!("{}d {}h", s / 86_400, s / 3600 % 24),
    }
}

fn aligned(rows: &[[String; 7]]) -> Vec<String> {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
