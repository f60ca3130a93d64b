//! What persons ask for by way of our API: each request is a row, answered once by any engine.

use crate::{
    Engine,
    forecast::{About, Question},
    returns::Wish,
};
use futures::{StreamExt, stream::FuturesUnordered};
use recovery::{
    HostName, Millis, attest,
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

/// What takes longer than an answer may: it is done beside the others.
enum Long {
    Foretell(Question),
    Test { request: Request, host: HostName },
}

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
            for one in long {
                match one {
                    Long::Foretell(question) => {
                        let is_report = question.is_report();
                        let waits = is_report && at_it.values().any(|is_report| *is_report);
                        let has_begun = at_it.contains_key(&question.id);
                        if at_it.len() < FORETOLD_MOST && !waits && !has_begun {
                            at_it.insert(question.id.clone(), is_report);
                            foretold.push(self.foretell(question));
                        }
                    }
                    Long::Test { request, host } => {
                        if in_test.len() < TESTED_MOST && in_test.insert(request.id.clone()) {
                            tests.push(self.test_fence(request, host));
                        }
                    }
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

    /// Answers what can be answered at once; gives back what takes longer.
    async fn answer_open_requests(&self) -> Result<Vec<Long>, StoreError> {
        let now = self.ports.clock.wall();
        let Words { switch, requests, stops } = self.ports.store.words(REQUESTS_MOST, now).await?;
        // Before the switch: who has read that has read these.
        self.note_stops(stops);
        self.note_switch(switch);
        self.note_words(&requests);
        self.note_tests(&requests);
        let mut long = Vec::new();
        for request in requests {
            long.extend(self.answer(request).await?);
        }
        Ok(long)
    }

    async fn answer(&self, request: Request) -> Result<Option<Long>, StoreError> {
        // Who has begun a test goes on with it, however late.
        if let Asked::FenceTest { host, .. } = &request.asked {
            let host = host.clone();
            return Ok(Some(Long::Test { request, host }));
        }
        if let Some(why) = refused(&request, self.ports.clock.wall()) {
            self.answered(&request, RequestState::Refused, &why, None).await?;
            return Ok(None);
        }
        match &request.asked {
            Asked::ConfirmDead { host, reason, at } => {
                let at = at.unwrap_or(request.created_at);
                self.confirm_dead(&request, host, reason, at).await?;
            }
            Asked::Attest { evidence } => self.attest(&request, evidence).await?,
            Asked::Return { host, reason, power_on } => {
                let wish = Wish { reason: reason.as_deref(), power_on: *power_on };
                self.answer_return(&request, host, wish).await?;
            }
            Asked::Retry { notification, .. }
            | Asked::Cancel { notification, .. }
            | Asked::Approve { notification, .. }
            | Asked::Reject { notification, .. } => {
                self.answer_by_hand(&request, notification).await?;
            }
            Asked::Plan { host } => {
                let host = host.clone();
                let question = Question { id: request.id, about: About::Host(host) };
                return Ok(Some(Long::Foretell(question)));
            }
            Asked::Report { segment, after } => {
                let (segment, after) = (segment.clone(), *after);
                let about = About::Segments { segment, after };
                return Ok(Some(Long::Foretell(Question { id: request.id, about })));
            }
            Asked::FenceTest { .. } => {}
        }
        Ok(None)
    }

    /// It was so when it was said, and not when an engine came to read it: what the host has shown in between voids it.
    async fn confirm_dead(
        &self,
        request: &Request,
        host: &HostName,
        reason: &str,
        at: Millis,
    ) -> Result<(), StoreError> {
        let now = self.ports.clock.wall();
        let evidence = Evidence {
            host: host.clone(),
            kind: Kind::OperatorConfirmed,
            // Another clock than ours may be ahead; nobody speaks of the future.
            at: at.min(now),
            source: request.who.clone(),
            raw: reason.to_owned(),
        };
        if let Err(unfit) = attest::moment(evidence.at, now) {
            return self.answered(request, RequestState::Refused, &unfit.to_string(), None).await;
        }
        let answer = format!(
            "host {host} is confirmed dead by {}: its recovery may go on until it shows a sign of life",
            request.who
        );
        self.answered(request, RequestState::Done, &answer, Some(&evidence)).await
    }

    /// A reporter's word is evidence and no permit: whoever recovers the host judges it anew.
    async fn attest(&self, request: &Request, evidence: &Evidence) -> Result<(), StoreError> {
        let Evidence { host, kind, at, source, .. } = evidence;
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

/// Why it is not done any more, or not at all.
fn refused(request: &Request, now: Millis) -> Option<String> {
    if request.deadline < now {
        return Some("no engine answered in time; ask again".into());
    }
    let Asked::Attest { evidence } = &request.asked else { return None };
    let fits = attest::kind(evidence.kind).and_then(|()| attest::moment(evidence.at, now));
    fits.err().map(|unfit| unfit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn request(asked: Asked) -> Request {
        Request {
            id: "1".into(),
            asked,
            who: "ann".into(),
            created_at: NOW,
            deadline: NOW.plus(10_000),
            state: RequestState::Open,
            answer: None,
        }
    }

    #[test]
    fn what_nobody_answered_in_time_is_refused() {
        let host = HostName::new("compute01");
        let asked = request(Asked::ConfirmDead { host, reason: "unplugged".into(), at: None });
        assert_eq!(refused(&asked, NOW.plus(10_000)), None);
        let why = refused(&asked, NOW.plus(10_001)).unwrap();
        assert!(why.contains("no engine answered in time"), "{why}");
    }

    /// The API has looked, too: but a row may wait for an engine, or be written by somebody else.
    #[test]
    fn what_cannot_be_attested_or_not_any_more_is_refused() {
        let attested = |kind, ms| {
            let (source, raw) = ("ann".into(), "off".into());
            let host = HostName::new("compute01");
            let evidence = Evidence { host, kind, at: NOW.plus(ms), source, raw };
            refused(&request(Asked::Attest { evidence }), NOW)
        };
        for kind in [Kind::ClusterFenced, Kind::LeaseExpired, Kind::PoweredOff] {
            assert_eq!(attested(kind, 0), None, "{kind}");
        }
        for (kind, ms, says) in [
            (Kind::OperatorConfirmed, 0, "cannot be attested"),
            (Kind::StorageFenced, 0, "cannot be attested"),
            (Kind::PoweredOff, attest::AHEAD_MOST_MS + 1, "in the future"),
            (Kind::PoweredOff, -attest::AGE_MOST_MS - 1_000, "s old"),
        ] {
            let why = attested(kind, ms).unwrap();
            assert!(why.contains(says), "{why}");
        }
    }
}
