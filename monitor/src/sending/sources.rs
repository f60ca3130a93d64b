//! The sources of a process in which several monitors share one sender: each is asked about what it watches.

use super::{Look, Source};
use crate::{Report, Watched};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The sources that there are. Clones share them.
#[derive(Clone, Default, Debug)]
pub struct Sources(Arc<Mutex<BTreeMap<Watched, Arc<dyn Source>>>>);

impl Sources {
    /// From here on `source` is asked about what is `watched`.
    pub fn set(&self, watched: Watched, source: Arc<dyn Source>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(watched, source);
    }

    fn of(&self, watched: Watched) -> Option<Arc<dyn Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&watched).cloned()
    }
}

#[async_trait]
impl Source for Sources {
    async fn look(&self, report: &Report) -> Look {
        let watched = report.claim.watched();
        match self.of(watched) {
            Some(source) => source.look(report).await,
            // Its monitor has not begun yet, or is not wanted any more: then it is for a person to say.
            None => Look::Unknown(format!("{} are not watched by this process", watched.as_str())),
        }
    }
}
