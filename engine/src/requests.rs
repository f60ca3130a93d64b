//! What persons ask for by way of our API: each request is a row, answered once by any engine.

use crate::Engine;
use recovery::{
    evidence::{Evidence, Kind},
    request::{Asked, Request, RequestState},
};
use store::StoreError;

/// How many requests are answered in one poll.
const REQUESTS_MOST: u32 = 100;

impl Engine {
    /// Answers requests, for ever.
    pub(crate) async fn answer_requests(&self) {
        loop {
            if let Err(e) = self.answer_open_requests().await {
                tracing::debug!(error = %e, "requests cannot be read");
            }
            self.wake.wait(&*self.ports.clock, self.config().poll).await;
        }
    }

    async fn answer_open_requests(&self) -> Result<(), StoreError> {
        for request in self.ports.store.open_requests(REQUESTS_MOST).await? {
            self.answer(&request).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: &Request) -> Result<(), StoreError> {
        let now = self.ports.clock.wall();
        let (state, answer, evidence) = if request.deadline < now {
            (RequestState::Refused, "no engine answered in time; ask again".to_owned(), None)
        } else {
            match &request.asked {
                Asked::ConfirmDead { host, reason } => {
                    let evidence = Evidence {
                        host: host.clone(),
                        kind: Kind::OperatorConfirmed,
                        at: now,
                        source: request.who.clone(),
                        raw: reason.clone(),
                    };
                    let text = format!(
                        "host {host} is confirmed dead by {}: its recovery may go on until it \
                         shows a sign of life",
                        request.who
                    );
                    (RequestState::Done, text, Some(evidence))
                }
            }
        };
        let answered =
            self.ports.store.answer_request(&request.id, state, &answer, evidence.as_ref()).await?;
        if answered {
            tracing::warn!(request = %request.id, who = %request.who, "{answer}");
            self.wake.nudge();
        }
        Ok(())
    }
}
