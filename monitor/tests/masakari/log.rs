//! What the monitors of one test write to the log, as operators see it: from `INFO` up.
//!
//! The log belongs to the whole process, the lines to the thread of the test: each has its own. It is set up before any
//! monitor writes (by [`super::Api::new`]), because tracing remembers for good that nobody listened to a line.

use std::{
    cell::RefCell,
    fmt::{Debug, Write},
    sync::Once,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::Interest,
};

thread_local! {
    /// None: this thread's lines are not kept.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Sets it up, for all tests of this process.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
}

/// The lines of this test, from here on.
#[derive(Debug)]
pub(crate) struct Lines(());

impl Lines {
    pub(crate) fn kept() -> Self {
        listen();
        LINES.set(Some(Vec::new()));
        Self(())
    }

    /// Those that begin so, each with its level before it: `WARN Retry sending`.
    pub(crate) fn of(&self, begin: &str) -> Vec<String> {
        let is_one = |line: &&String| line.starts_with(begin);
        let all = self.all();
        all.iter().filter(is_one).cloned().collect()
    }

    pub(crate) fn count(&self, begin: &str) -> usize {
        self.of(begin).len()
    }

    pub(crate) fn all(&self) -> Vec<String> {
        LINES.with_borrow(|lines| lines.clone().unwrap_or_default())
    }

    /// There is one that begins so and goes on, perhaps after other words, with each of `then`.
    #[track_caller]
    pub(crate) fn have(&self, begin: &str, then: &[&str]) {
        let goes_on = |line: &String| then.iter().all(|words| line[begin.len()..].contains(words));
        assert!(
            self.of(begin).iter().any(goes_on),
            "no line {begin:?} with {then:?} among {:#?}",
            self.all()
        );
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        LINES.set(None);
    }
}

struct Listener;

/// A line as it is written.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}").unwrap(),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Listener {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && LINES.with_borrow(Option::is_some)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.get_or_insert_default().push(line.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
