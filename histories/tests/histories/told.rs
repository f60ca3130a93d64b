//! What the engine's log tells of a recovery that failed.

use crate::{
    crash_points::{Word, scene},
    scene::{Faults, Scene, undisturbed},
    tale::{self, Told},
};
use recovery::nouns::NotificationStatus;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells the history, and what the engines wrote to their log.
pub(crate) fn with_log(scene: Scene) -> (Told, String) {
    let lines = Lines::default();
    let to = lines.clone();
    let fmt = tracing_subscriber::fmt().without_time().with_writer(move || to.clone());
    let told = tracing::subscriber::with_default(fmt.finish(), || tale::tell_here(scene));
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (told, log)
}

#[test]
fn a_recovery_that_fails_is_a_warning_with_its_reason_and_its_notification() {
    let mut scene = Scene { seed: 3, ..scene(Word::Person, vec![undisturbed()]) };
    scene.shape.vms_per_host = 2;
    scene.faults = Some(Faults {
        rules: Vec::new(),
        from_ms: 0,
        until_ms: 3_600_000,
        store_permille: 0,
        build_fails_permille: 1_000,
        loses_touch_permille: 0,
    });
    let (told, log) = with_log(scene);
    let notification = told.stage.memory.all_notifications().remove(0);
    assert_eq!(notification.status, NotificationStatus::Failed, "{log}");
    let of_it = format!("recovery{{notification={}}}", notification.uuid);
    let line = |level: &str, text: &str| {
        let mut lines = log.lines();
        let found = lines.find(|line| line.trim_start().starts_with(level) && line.contains(text));
        let found = found.unwrap_or_else(|| panic!("{level} {text}:\n{log}"));
        assert!(found.contains(&of_it), "{found}");
        found.to_owned()
    };
    let certificate = line("INFO", "the host is proven dead proof=operator_confirmed source=");
    for part in [" host=", " true_at=", "evidence=\"operator_confirmed at ", "; monitor_said at "] {
        assert!(certificate.contains(part), "{part}: {certificate}");
    }
    line("WARN", "force down");
    line("INFO", "evacuate");
    assert!(!line("WARN", "not moved, and not tried again").contains("why=\"\""));
    let end = line("WARN", "recovery ended status=failed moved=0 failed=");
    assert!(!end.contains("why=\"\"") && !end.contains("failed=0"), "{end}");
}
