//! Listens for hosts that say that they write a crash dump (`fence::kdump`).
//!
//! What is heard stays in this process: another engine hears the same, where hosts tell all of them, and what is not heard
//! delays nothing. It decides nothing: `recovery::fencing` leaves such a host its power, for so long and no longer.

use crate::Engine;
use fence::kdump::is_message;
use ports::{Ear, Ears};
use recovery::{HostName, Millis, fencing::Dump};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

/// Nothing to listen for, or nowhere to: how soon that is looked at again. Also how soon another configuration counts.
const REST: Duration = Duration::from_secs(60);
/// What is older is forgotten.
const KEPT_MS: i64 = 3_600_000;

impl Engine {
    /// Listens for ever.
    pub(crate) async fn hear_dumps(&self) {
        loop {
            let Some((ears, listen)) = self.where_dumps_are_told() else {
                self.ports.clock.sleep(REST).await;
                continue;
            };
            let error = match ears.at(listen).await {
                Ok(ear) => match self.hear_at(listen, &*ear).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            tracing::warn!(%listen, %error, "hosts that write a crash dump are not heard, and not left their power for it");
            self.ports.clock.sleep(REST).await;
        }
    }

    fn where_dumps_are_told(&self) -> Option<(Arc<dyn Ears>, SocketAddr)> {
        let config = self.config();
        let fencing = config.fencing.as_ref()?;
        let kdump = fencing.file.kdump.as_ref()?;
        Some((fencing.tools.ears.clone(), kdump.listen))
    }

    /// Until it is to be listened elsewhere.
    async fn hear_at(&self, listen: SocketAddr, ear: &dyn Ear) -> io::Result<()> {
        while self.where_dumps_are_told().is_some_and(|(_, now)| now == listen) {
            let Some(heard) = ports::within(&*self.ports.clock, REST, ear.next()).await else {
                continue;
            };
            let (from, datagram) = heard?;
            if !is_message(&datagram) {
                continue;
            }
            let config = self.config();
            let Some(fencing) = &config.fencing else { continue };
            for host in fencing.file.who_dumps_from(from) {
                self.note_dump(HostName::new(host));
            }
        }
        Ok(())
    }

    fn note_dump(&self, host: HostName) {
        let now = self.now();
        let mut dumps = self.dumps.borrow_mut();
        dumps.retain(|_, heard| now.since(*heard) < KEPT_MS);
        if !dumps.contains_key(&host) {
            tracing::warn!(%host, "it says that it writes a crash dump (fence_kdump)");
        }
        dumps.insert(host, now);
    }

    /// What the host said of a crash dump. `since`: when its recovery began.
    pub(crate) fn dump_of(&self, host: &HostName, since: Millis) -> Option<Dump> {
        let heard = *self.dumps.borrow().get(host)?;
        let wait = self.config().fencing.as_ref()?.file.kdump.as_ref()?.wait;
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Some(Dump { heard, until: since.plus(wait_ms) })
    }
}
