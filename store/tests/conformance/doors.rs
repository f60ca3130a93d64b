//! Fresh stores, each with two doors: two processes on one database.

use std::sync::Arc;
use store::{Memory, Store};

pub(crate) struct Doors {
    pub(crate) a: Arc<dyn Store>,
    pub(crate) b: Arc<dyn Store>,
}

pub(crate) async fn memory() -> Doors {
    let memory = Memory::new();
    Doors { a: Arc::new(memory.clone()), b: Arc::new(memory) }
}
