//! What was proven of a host's death, brought to our own API until that has answered, or it is too old to be believed.
//!
//! It is kept nowhere: a source that still sees the proof after a restart of ours shows it again.

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use openstack::{
    AskError,
    instance_ha::{Client, NewEvidence, RequestState},
};
use ports::{Boot, Clock};
use recovery::{HostName, attest, evidence::Kind, verdict::Proof};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Before the second try; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// What the API made of it.
#[derive(Debug)]
enum Taken {
    /// It has answered, and will not answer otherwise.
    Final(String),
    /// Not yet.
    Later(String),
}

#[derive(Debug)]
struct Waiting {
    proof: Proof,
    pause: Duration,
    not_before: Boot,
    is_under_way: bool,
}

/// Brings evidence, of each host the newest.
#[derive(Debug)]
pub struct Attests {
    client: Client,
    /// Who vouches for it: this host's monitor.
    source: String,
    clock: Arc<dyn Clock>,
    waiting: BTreeMap<HostName, Waiting>,
    calls: FuturesUnordered<BoxFuture<'static, (HostName, Proof, Taken)>>,
    /// What stood in the way was said.
    is_told: bool,
}

impl Attests {
    /// Evidence to `client`, in the name of `source`.
    #[must_use]
    pub fn new(client: Client, source: String, clock: Arc<dyn Clock>) -> Self {
        let (waiting, calls) = (BTreeMap::new(), FuturesUnordered::new());
        Self { client, source, clock, waiting, calls, is_told: false }
    }

    /// Has `proof` brought.
    pub fn prove(&mut self, host: HostName, proof: Proof) {
        let now = self.clock.boot();
        // A call for an older one may be under way; its answer is of no matter then.
        let waiting = Waiting { proof, pause: PAUSE, not_before: now, is_under_way: false };
        self.waiting.insert(host, waiting);
    }

    /// The host is there: what was proven is not so any more.
    pub fn withdraw(&mut self, host: &HostName) {
        self.waiting.remove(host);
    }

    /// Begins what is due, and returns when something has come of it or is due again.
    pub async fn turn(&mut self) {
        self.begin();
        let now = self.clock.boot();
        let idle = self.waiting.values().filter(|waiting| !waiting.is_under_way);
        let due = idle.map(|waiting| waiting.not_before.since(now)).min();
        let clock = Arc::clone(&self.clock);
        let until = async {
            match due {
                Some(pause) => clock.sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some((host, proof, taken)) = self.calls.next(), if !self.calls.is_empty() => self.answered(&host, &proof, taken),
            () = until => {}
        }
    }

    fn begin(&mut self) {
        let (now, wall) = (self.clock.boot(), self.clock.wall());
        self.waiting.retain(|host, waiting| {
            let age = attest::moment(waiting.proof.at, wall);
            if let Err(why) = &age {
                tracing::warn!("the proof of the death of {host} is not brought any more: {why}");
            }
            waiting.is_under_way || age.is_ok()
        });
        let due = self.waiting.iter_mut().filter(|(_, w)| !w.is_under_way && w.not_before <= now);
        for (host, waiting) in due {
            waiting.is_under_way = true;
            let (client, host, proof) = (self.client.clone(), host.clone(), waiting.proof.clone());
            let source = self.source.clone();
            let bring = async move {
                let taken = bring(&client, &host, &proof, source).await;
                (host, proof, taken)
            };
            self.calls.push(bring.boxed());
        }
    }

    fn answered(&mut self, host: &HostName, proof: &Proof, taken: Taken) {
        let now = self.clock.boot();
        let Some(waiting) = self.waiting.get_mut(host).filter(|w| w.proof == *proof) else {
            return;
        };
        match taken {
            Taken::Final(said) => {
                self.is_told = false;
                tracing::info!("evidence of the death of {host} ({}): {said}", proof.kind);
                self.waiting.remove(host);
            }
            Taken::Later(why) => {
                waiting.is_under_way = false;
                waiting.not_before = now.plus(waiting.pause);
                waiting.pause = (waiting.pause * 2).min(PAUSE_MOST);
                if !std::mem::replace(&mut self.is_told, true) {
                    tracing::warn!(
                        "evidence of the death of {host} ({}) is not taken yet: {why}. It is brought again",
                        proof.kind
                    );
                }
            }
        }
    }
}

async fn bring(client: &Client, host: &HostName, proof: &Proof, source: String) -> Taken {
    let answer = match proof.kind {
        // A person's word is brought as one; who it was is in its detail.
        Kind::OperatorConfirmed => client.confirm_dead(host, &proof.detail, Some(proof.at)).await,
        Kind::MonitorSaid
        | Kind::LeaseExpired
        | Kind::ClusterFenced
        | Kind::StorageFenced
        | Kind::PoweredOff => {
            let kind = proof.kind.as_str().to_owned();
            let (at, raw) = (proof.at.iso(), proof.detail.clone());
            client.attest(host, &NewEvidence { kind, at, source, raw }).await
        }
    };
    match answer {
        Ok(answer) => {
            let said = answer.answer.unwrap_or_default();
            Taken::Final(match answer.state {
                RequestState::Pending => format!("it is taken, as request {}", answer.id),
                RequestState::Done => format!("it is taken. {said}"),
                RequestState::Refused => format!("it is refused. {said}"),
            })
        }
        Err(error @ (AskError::Conflict { .. } | AskError::BadRequest { .. })) => {
            Taken::Final(error.to_string())
        }
        Err(AskError::NotFound { .. }) => Taken::Final(
            "Masakari does not know this host, or is Python's, which takes no evidence".into(),
        ),
        Err(error @ AskError::Forbidden { .. }) => {
            let rule = match proof.kind {
                Kind::OperatorConfirmed => "ha:hosts:confirm_dead",
                Kind::MonitorSaid
                | Kind::LeaseExpired
                | Kind::ClusterFenced
                | Kind::StorageFenced
                | Kind::PoweredOff => "ha:hosts:attest",
            };
            Taken::Later(format!("{error}; the rule {rule} of its policy names who may"))
        }
        Err(error) => Taken::Later(error.to_string()),
    }
}
