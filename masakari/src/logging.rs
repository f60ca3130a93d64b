//! The log, as oslo.log writes it: the same lines to the same places by the same options.
//!
//! One layer below `tracing`: an event becomes a [`line::Line`], a template its text, and each place
//! gets it, with the fields of the spans around it behind its own. What has a `request_id` is written by the context's template, anything else by the
//! default one. A place that fails loses the line: a full disk must not stop a recovery.

mod file;
mod format;
mod levels;
mod limit;
mod line;
mod places;

pub(crate) use file::{LogFile, Rotation, Unit};
pub(crate) use format::{BadTemplate, Look, Template};
pub(crate) use levels::{Levels, level_named};
pub(crate) use limit::Limit;
pub(crate) use places::{Facility, Journal, Place, Socket, Stream, Syslog};

use line::{Around, Line};
use ports::Clock;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tracing::{
    Event, Subscriber,
    span::{Attributes, Id},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::Targets, layer::Context, layer::SubscriberExt,
    registry::LookupSpan, reload, util::SubscriberInitExt,
};

/// How and where to log.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) places: Vec<Place>,
    pub(crate) look: Look,
    pub(crate) levels: Levels,
    pub(crate) limit: Option<Limit>,
}

/// Changes the levels of a log that has begun.
pub(crate) struct LevelsHandle(Option<reload::Handle<Targets, Registry>>);

impl LevelsHandle {
    pub(crate) fn change(&self, levels: &Levels) {
        // Without a handle `RUST_LOG` rules; a log that is gone needs no levels.
        if let Some(Err(error)) = self.0.as_ref().map(|handle| handle.reload(levels.targets())) {
            tracing::debug!(%error, "the log's levels stay");
        }
    }
}

/// Begins to log; `RUST_LOG` overrides the levels. Whoever began before us (a test) has its way.
pub(crate) fn begin(config: Config, clock: Arc<dyn Clock>) -> LevelsHandle {
    let levels = config.levels.targets();
    let oslo = Oslo {
        places: Mutex::new(config.places),
        limit: Mutex::new(config.limit),
        look: config.look,
        clock,
    };
    let registry = tracing_subscriber::registry();
    match EnvFilter::try_from_default_env() {
        Ok(filter) => {
            drop(registry.with(oslo.with_filter(filter)).try_init());
            LevelsHandle(None)
        }
        Err(_) => {
            let (levels, handle) = reload::Layer::new(levels);
            drop(registry.with(oslo.with_filter(levels)).try_init());
            LevelsHandle(Some(handle))
        }
    }
}

struct Oslo {
    places: Mutex<Vec<Place>>,
    limit: Mutex<Option<Limit>>,
    look: Look,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Oslo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oslo").finish_non_exhaustive()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Oslo {
    /// A span's fields are kept with it; those of a library's spans are not told.
    fn on_new_span(&self, about: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if line::is_ours(about.metadata().target())
            && let Some(span) = context.span(id)
        {
            span.extensions_mut().insert(Around::new(about));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Line::new(event, self.clock.wall().0);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Around>() {
                line.stands_in(around);
            }
        }
        let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let boot_ms = self.clock.boot().0;
        let (write, told) = limit.as_mut().map_or((true, None), |l| l.passes(line.level, boot_ms));
        drop(limit);
        if let Some(told) = told {
            self.write(&line.instead(told));
        }
        if write {
            self.write(&line);
        }
    }
}

impl Oslo {
    fn write(&self, line: &Line) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for place in places.iter_mut() {
            place.write(line, &self.look);
        }
    }
}

#[cfg(test)]
mod tests;
