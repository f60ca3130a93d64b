//! The network between a client and the cloud: latency and faults by the seed.

use crate::fault::Fault;
use crate::life::Journey;
use crate::nova::refuse;
use crate::world::World;
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use ports::{Answer, Ask, Transport, TransportError};
use std::time::Duration;

/// A client's way to the world.
#[derive(Clone, Debug)]
pub(crate) struct Network(pub(crate) World);

/// A request on its way. Dropping it gives the answer up, not the request.
struct OnTheWay<'a> {
    world: &'a World,
    number: u64,
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.world.state().inbox.remove(&self.number);
    }
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        let to = ask.uri().authority().map_or_else(String::new, ToString::to_string);
        let journey = self.0.depart(ask);
        let on_the_way = OnTheWay { world: &self.0, number: journey.number };
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let mut left_ms = deadline_ms;
        let late = || TransportError::TimedOut { from: to.clone(), deadline_ms };
        self.wait(&mut left_ms, journey.there_ms).await.ok_or_else(late)?;
        let (answer, hold_ms) = match early(&journey, &to)? {
            Some(status) => (self.refusal(status), 0),
            None => self.0.fetch(on_the_way.number).ok_or_else(late)?,
        };
        self.wait(&mut left_ms, hold_ms.saturating_add(journey.back_ms)).await.ok_or_else(late)?;
        damage(answer, journey.fault, &to)
    }
}

impl Network {
    /// Waits, unless that is more than what is left of the deadline; then waits for that and is `None`.
    async fn wait(&self, left_ms: &mut u64, wait_ms: u64) -> Option<()> {
        let waited_ms = wait_ms.min(*left_ms);
        self.0.clock().sleep(Duration::from_millis(waited_ms)).await;
        *left_ms -= waited_ms;
        (wait_ms == waited_ms).then_some(())
    }

    fn refusal(&self, (status, retry_after_s): (u16, Option<u64>)) -> Answer {
        let mut reply = refuse(status, "The service is not well.");
        if let Some(seconds) = retry_after_s {
            reply = reply.with("retry-after", seconds.to_string());
        }
        let now = self.0.state().now;
        reply.answer(now)
    }
}

/// What ends a journey before the server has done anything.
fn early(journey: &Journey, to: &str) -> Result<Option<(u16, Option<u64>)>, TransportError> {
    match &journey.fault {
        Some(Fault::Away) => {
            Err(TransportError::Unreachable { to: to.into(), why: "connection refused".into() })
        }
        Some(Fault::Lost) => Err(broke_off(to)),
        Some(Fault::Status(status)) => Ok(Some((*status, None))),
        Some(Fault::TooMany { status, retry_after_s }) => Ok(Some((*status, Some(*retry_after_s)))),
        None | Some(Fault::Slow { .. } | Fault::Rubbish | Fault::HalfBody) => Ok(None),
    }
}

/// What happens to an answer on its way back.
fn damage(answer: Answer, fault: Option<Fault>, to: &str) -> Result<Answer, TransportError> {
    match fault {
        Some(Fault::HalfBody) => Err(broke_off(to)),
        Some(Fault::Rubbish) => {
            let mut rubbish = answer.map(|_| Bytes::from_static(b"<html>502 Bad Gateway</html>"));
            *rubbish.status_mut() = StatusCode::OK;
            Ok(rubbish)
        }
        None
        | Some(
            Fault::Away
            | Fault::Lost
            | Fault::Slow { .. }
            | Fault::Status(_)
            | Fault::TooMany { .. },
        ) => Ok(answer),
    }
}

fn broke_off(from: &str) -> TransportError {
    TransportError::BrokeOff { from: from.into(), why: "connection reset by peer".into() }
}
