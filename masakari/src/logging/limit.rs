//! So many lines in so many seconds, and no more.

use tracing::{Level, level_filters::LevelFilter};

#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) burst: u64,
    pub(crate) interval_ms: u64,
    /// This level and above are written always.
    pub(crate) except: Option<LevelFilter>,
    window: Window,
}

#[derive(Clone, Debug, Default)]
struct Window {
    ends_ms: u64,
    lines: u64,
}

impl Limit {
    pub(crate) fn new(burst: u64, interval_ms: u64, except: Option<LevelFilter>) -> Self {
        Self { burst, interval_ms, except, window: Window::default() }
    }

    /// Whether a line is written, and what is to be told of those that are not.
    pub(super) fn passes(&mut self, level: Level, boot_ms: u64) -> (bool, Option<String>) {
        if self.except.is_some_and(|except| except >= level) {
            return (true, None);
        }
        if boot_ms >= self.window.ends_ms {
            self.window = Window { ends_ms: boot_ms.saturating_add(self.interval_ms), lines: 0 };
        }
        self.window.lines += 1;
        let (burst, seconds) = (self.burst, self.interval_ms / 1000);
        let told = (self.window.lines == burst + 1)
            .then(|| format!("Logging rate limit: drop after {burst} records/{seconds} sec"));
        (self.window.lines <= burst, told)
    }
}
