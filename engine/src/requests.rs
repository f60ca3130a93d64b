//! What persons ask for by way of our API: each request is a row, answered once by any engine.

use crate::{Engine, returns::Wish};
use futures::{StreamExt, stream::FuturesUnordered};
use recovery::{
    HostName, attest,
    evidence::{Evidence, Kind},
    request::{Asked, Request, RequestState},
};
use std::collections::{BTreeMap, BTreeSet};
use store::{StoreError, Words};

/// How many requests are answered in one poll.
const REQUESTS_MOST: u32 = 100;
/// How many hosts are tested at once.
const TESTED_MOST: usize = 2;
/// How many plans are made at once; the others wait. A report takes the place of one, and never of all.
const FORETOLD_MOST: usize = 2;

impl Engine {
    /// Answers requests, for ever.
    pub(crate) async fn answer_requests(&self) {
        // A plan takes many questions to Nova: a person's word does not wait for it.
        let mut foretold = FuturesUnordered::new();
        let mut at_it: BTreeMap<String, bool> = BTreeMap::new();
        let (mut tests, mut in_test) = (FuturesUnordered::new(), BTreeSet::new());
        loop {
            let long = self.answer_open_requests().await.unwrap_or_else(|e| {
                tracing::debug!(error = %e, "requests cannot be read");
                Vec::new()
            });
            for request in long {
                if let Asked::FenceTest { host, .. } = &request.asked {
                    if in_test.len() < TESTED_MOST && in_test.insert(request.id.clone()) {
                        let host = host.clone();
                        tests.push(self.test_fence(request, host));
                    }
                    continue;
                }
                let is_report = matches!(request.asked, Asked::Report { .. });
                let waits = is_report && at_it.values().any(|is_report| *is_report);
                let has_begun = at_it.contains_key(&request.id);
                if at_it.len() < FORETOLD_MOST && !waits && !has_begun {
                    at_it.insert(request.id.clone(), is_report);
                    foretold.push(self.foretell(request));
                }
            }
            let poll = self.config().poll;
            tokio::select! {
                biased;
                Some(id) = foretold.next() => drop(at_it.remove(&id)),
                Some(id) = tests.next() => drop(in_test.remove(&id)),
                _ = self.wake.wait(&*self.ports.clock, poll) => {}
            }
        }
    }

    /// Answers what can be answered at once; gives back what takes longer: plans, reports and tests.
    async fn answer_open_requests(&self) -> Result<Vec<Request>, StoreError> {
        let now = self.ports.clock.wall();
        let Words { switch, requests, stops } = self.ports.store.words(REQUESTS_MOST, now).await?;
        // Before the switch: who has read that has read these.
        self.note_stops(stops);
        self.note_switch(switch);
        self.note_words(&requests);
        self.note_tests(&requests);
        let mut long = Vec::new();
        for request in requests {
            match &request.asked {
                Asked::Plan { .. } | Asked::Report { .. } if request.deadline >= now => {
                    long.push(request);
                }
                // Who has begun a test goes on with it, however late.
                Asked::FenceTest { .. } => long.push(request),
                Asked::Plan { .. }
                | Asked::Report { .. }
                | Asked::ConfirmDead { .. }
                | Asked::Attest { .. }
                | Asked::Retry { .. }
                | Asked::Cancel { .. }
                | Asked::Approve { .. }
                | Asked::Reject { .. }
                | Asked::Return { .. } => self.answer(&request).await?,
            }
        }
        Ok(long)
    }

    async fn answer(&self, request: &Request) -> Result<(), StoreError> {
        if request.deadline < self.ports.clock.wall() {
            let why = "no engine answered in time; ask again";
            return self.answered(request, RequestState::Refused, why, None).await;
        }
        match &request.asked {
            Asked::ConfirmDead { host, reason } => self.confirm_dead(request, host, reason).await,
            Asked::Attest { evidence } => self.attest(request, evidence).await,
            Asked::Return { host, reason, power_on } => {
                let wish = Wish { reason: reason.as_deref(), power_on: *power_on };
                self.answer_return(request, host, wish).await
            }
            Asked::Retry { notification, .. }
            | Asked::Cancel { notification, .. }
            | Asked::Approve { notification, .. }
            | Asked::Reject { notification, .. } => {
                self.answer_by_hand(request, notification).await
            }
            // Beside the others.
            Asked::Plan { .. } | Asked::Report { .. } | Asked::FenceTest { .. } => Ok(()),
        }
    }

    async fn confirm_dead(
        &self,
        request: &Request,
        host: &HostName,
        reason: &str,
    ) -> Result<(), StoreError> {
        let evidence = Evidence {
            host: host.clone(),
            kind: Kind::OperatorConfirmed,
            at: self.ports.clock.wall(),
            source: request.who.clone(),
            raw: reason.to_owned(),
        };
        let answer = format!(
            "host {host} is confirmed dead by {}: its recovery may go on until it shows a sign of life",
            request.who
        );
        self.answered(request, RequestState::Done, &answer, Some(&evidence)).await
    }

    /// A reporter's word is evidence and no permit: whoever recovers the host judges it anew.
    async fn attest(&self, request: &Request, evidence: &Evidence) -> Result<(), StoreError> {
        let Evidence { host, kind, at, source, .. } = evidence;
        let fits = attest::kind(*kind).and_then(|()| attest::moment(*at, self.ports.clock.wall()));
        if let Err(unfit) = fits {
            return self.answered(request, RequestState::Refused, &unfit.to_string(), None).await;
        }
        let answer = format!(
            "host {host}: {kind} at {} is kept as evidence, from {source}; its recovery is judged anew, and may go on \
             until the host shows a sign of life",
            at.iso()
        );
        self.answered(request, RequestState::Done, &answer, Some(evidence)).await
    }

    /// Answers it, unless somebody has.
    pub(crate) async fn answered(
        &self,
        request: &Request,
        state: RequestState,
        answer: &str,
        evidence: Option<&Evidence>,
    ) -> Result<(), StoreError> {
        let store = &self.ports.store;
        if store.answer_request(&request.id, state, answer, evidence).await? {
            tracing::warn!(request = %request.id, who = %request.who, "{answer}");
            self.wake.nudge();
        }
        Ok(())
    }
}
