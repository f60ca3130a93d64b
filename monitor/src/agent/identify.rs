//! Which machine this host is and in which boot, told to our own API again and again: at once after the start, and so
//! often that who reads it knows whether the host was there a while ago. Python's API has no place for it.

use openstack::{AskError, Disposition, instance_ha::Client};
use ports::{Clock, Entropy};
use recovery::{HostName, identity::Identity};
use std::{sync::Arc, time::Duration};

/// Between two tellings; and before an API is asked again that has no place for it, or refuses.
const EVERY: Duration = Duration::from_secs(600);
/// Before the next try where nobody answered.
const PAUSE: Duration = Duration::from_secs(30);

/// Tells it.
#[derive(Clone, Debug)]
pub struct Identify {
    pub client: Client,
    /// This host, as Nova calls it.
    pub host: HostName,
    pub identity: Identity,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

impl Identify {
    /// Tells for ever.
    pub async fn run(&self) {
        let mut is_said = false;
        loop {
            let told = self.client.identify(&self.host, &self.identity).await;
            let wait = match &told {
                Ok(()) => EVERY,
                Err(error) => match error.disposition() {
                    Disposition::Refused => EVERY,
                    Disposition::Transient => PAUSE,
                },
            };
            match told {
                Ok(()) => is_said = false,
                Err(error) if !is_said => {
                    is_said = true;
                    tracing::info!("which machine this host is, is not told: {}", self.why(&error));
                }
                Err(_) => {}
            }
            self.clock.sleep(self.entropy.jitter(wait)).await;
        }
    }

    fn why(&self, error: &AskError) -> String {
        if let AskError::NotFound { .. } = error {
            let host = &self.host;
            return format!("Masakari does not know host {host}, or is Python's");
        }
        if let AskError::Forbidden { .. } = error {
            return format!("{error}; the rule ha:hosts:identify of its policy names who may");
        }
        error.to_string()
    }
}
