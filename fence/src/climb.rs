//! Climbs a host's ladder: asks the devices what [`crate::ladder`] says, each within its rung's time, and asks
//! others than the device before anything counts as proven. One host, or many side by side.

use crate::build::{Tools, rung};
use crate::device::{Device, Failure};
use crate::file::{Entry, LadderOf};
use crate::ladder::{Climb, Heard, Next, Step};
use crate::verdict::{Ended, Verdict};
use async_trait::async_trait;
use futures::StreamExt;
use ports::{Boot, within};
use recovery::HostName;
use recovery::evidence::{Evidence, Sighting};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// One call to a device may take so long; it counts as unanswered then. Slow BMCs take 8 s.
const CALL_MAX: Duration = Duration::from_secs(15);
/// Others than the device may take so long to say what they saw.
const SECOND_LOOK_MAX: Duration = Duration::from_secs(15);

/// What others than the device saw of the host: its newest sign of life, if any; or why nobody knows.
pub type Life = Result<Option<Sighting>, String>;

/// The second look: whoever knows of a host's signs of life by another way than its fence device.
#[async_trait]
pub trait Witness: Send + Sync + Debug {
    /// The newest sign of life of `host`, whenever it was. How long it is worth waiting for one (Nova's
    /// heartbeat comes every ten seconds) is for the witness to decide.
    async fn newest_sign_of_life(&self, host: &HostName) -> Life;

    /// How long it may take for that; after it nobody is taken to have answered.
    fn patience(&self) -> Duration {
        SECOND_LOOK_MAX
    }
}

/// How one host's climb ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Climbed {
    pub host: HostName,
    pub verdict: Verdict,
    /// What every rung came to.
    pub path: Vec<Ended>,
    /// How long each of them took, the second look included.
    pub took: Vec<Duration>,
}

impl Climbed {
    /// The evidence that it brings; none when nothing is proven.
    #[must_use]
    pub fn evidence(&self) -> Option<Evidence> {
        self.verdict.evidence(&self.host, &self.path)
    }
}

/// Climbs ladders.
#[derive(Clone, Debug)]
pub struct Climber {
    pub tools: Tools,
    pub witness: Arc<dyn Witness>,
}

impl Climber {
    /// Fences `host`, rung by rung, until one has proven it dead or there is none left. Ends within the sum of
    /// the rungs' deadlines and a second look for each.
    pub async fn climb(&self, host: &HostName, ladder: &LadderOf<'_>) -> Climbed {
        self.climb_while(host, ladder, || Ok(())).await
    }

    /// The same, as long as it may be: `may` is asked before each order to switch the host off, and ends the
    /// climb by saying why not.
    pub async fn climb_while(
        &self,
        host: &HostName,
        ladder: &LadderOf<'_>,
        may: impl Fn() -> Result<(), String>,
    ) -> Climbed {
        let rungs = ladder.entries.iter().map(|entry| rung(entry, &ladder.values));
        let mut climb = Climb::new(host.clone(), ladder.machine.clone(), rungs.collect());
        let mut standing: Option<Standing> = None;
        let (mut took, mut since) = (Vec::new(), self.tools.clock.boot());
        loop {
            let (at, step) = match climb.next() {
                Next::End(verdict) => {
                    let (host, path) = (host.clone(), climb.path().to_vec());
                    return Climbed { host, verdict, path, took };
                }
                Next::Do { rung, step } => (rung, step),
            };
            let Some(entry) = ladder.entries.get(at) else {
                climb.hear(Heard::OutOfTime);
                took.push(Duration::ZERO);
                continue;
            };
            if standing.as_ref().is_none_or(|standing| standing.rung != at) {
                standing = Some(self.stand(at, entry, ladder));
            }
            let heard = match (&mut standing, step) {
                (_, Step::SecondLook) => self.second_look(host).await,
                (Some(standing), step) => match if step == Step::Off { may() } else { Ok(()) } {
                    Ok(()) => self.ask(standing, entry.deadline, step).await,
                    Err(why) => Heard::MayNot(why),
                },
                (None, _) => Heard::OutOfTime,
            };
            climb.hear(heard);
            if took.len() < climb.path().len() {
                let now = self.tools.clock.boot();
                took.push(now.since(since));
                since = now;
            }
        }
    }

    /// Fences many hosts, at most `side_by_side` at a time; the answers come in the order in which they end.
    pub async fn climb_all(
        &self,
        hosts: &[(HostName, LadderOf<'_>)],
        side_by_side: usize,
    ) -> Vec<Climbed> {
        let climbs = hosts.iter().map(|(host, ladder)| self.climb(host, ladder));
        futures::stream::iter(climbs).buffer_unordered(side_by_side.max(1)).collect().await
    }

    fn stand(&self, rung: usize, entry: &Entry, ladder: &LadderOf<'_>) -> Standing {
        let device = match self.tools.device(entry, ladder) {
            Ok(Some(device)) => Ok(device),
            Ok(None) => Err(Failure::Unusable("a person is not asked by a program".to_owned())),
            Err(failure) => Err(failure),
        };
        Standing { rung, since: self.tools.clock.boot(), device }
    }

    async fn second_look(&self, host: &HostName) -> Heard {
        let look = self.witness.newest_sign_of_life(host);
        let patience = self.witness.patience();
        let seen = within(self.tools.clock.as_ref(), patience, look).await;
        let nobody = || Err(format!("nobody answered within {} s", patience.as_secs()));
        Heard::Life(seen.unwrap_or_else(nobody))
    }

    async fn ask(&self, standing: &mut Standing, deadline: Duration, step: Step) -> Heard {
        let clock = self.tools.clock.as_ref();
        let device = match &mut standing.device {
            Ok(device) => device,
            Err(failure) => return Heard::Failed(failure.clone()),
        };
        let pause = match step {
            Step::Examine { after_ms } | Step::Look { after_ms } => after_ms,
            Step::Off | Step::SecondLook => 0,
        };
        if pause > 0 {
            clock.sleep(Duration::from_millis(pause)).await;
        }
        let left = deadline.saturating_sub(clock.boot().since(standing.since));
        if left.is_zero() {
            return Heard::OutOfTime;
        }
        let limit = left.min(CALL_MAX);
        let at = clock.wall();
        let call = async {
            match step {
                Step::Examine { .. } => {
                    device.examine(limit).await.map(|found| Heard::Found { found, at })
                }
                Step::Look { .. } => {
                    device.look(limit).await.map(|power| Heard::Power { power, at })
                }
                Step::Off => device.off(limit).await.map(|()| Heard::Acknowledged),
                Step::SecondLook => Ok(Heard::OutOfTime),
            }
        };
        match within(clock, limit, call).await {
            Some(Ok(heard)) => heard,
            Some(Err(failure)) => Heard::Failed(failure),
            None if limit == left => Heard::OutOfTime,
            None => {
                let why = format!("it did not answer within {} s", limit.as_secs());
                Heard::Failed(Failure::NoAnswer(why))
            }
        }
    }
}

/// A rung that we stand on.
#[derive(Debug)]
struct Standing {
    rung: usize,
    since: Boot,
    device: Result<Box<dyn Device>, Failure>,
}
