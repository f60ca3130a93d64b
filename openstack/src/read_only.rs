//! A Nova that can be asked and not changed: the way to it is [`ports::ReadOnly`], by its type.

use crate::{AuthConfig, Nova, NovaConfig, Session};
use ports::{Clock, Entropy, ReadOnly};
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub struct NovaToRead(Nova);

impl NovaToRead {
    /// Nothing is sent before the first question.
    #[must_use]
    pub fn new(
        auth: AuthConfig,
        way: ReadOnly,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        config: NovaConfig,
    ) -> Self {
        Self(Nova::new(Session::new(auth, Arc::new(way), clock, entropy), config))
    }

    /// The same for who asks a [`Nova`]: each call of it that changes something fails before it is sent.
    #[must_use]
    pub fn into_nova(self) -> Nova {
        self.0
    }
}
