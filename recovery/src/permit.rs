//! The permit: proof, in a function's signature, that a host is dead *now*.
//!
//! What could start a second copy of a VM ([`Evacuate`]) or blind Nova's own guard ([`ForceDown`])
//! cannot be built without a [`Permit`] of that VM's host, and [`permit`] is its only maker. A permit
//! is neither cloned nor stored: it is computed anew after every restart and before every batch of
//! acts, from evidence that the store restores and from what the world shows at that moment.

use crate::evidence::{Evidence, Kind, Require, Sighting};
use crate::{HostName, Millis, ServerId, ServiceId};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How much later than the evidence a sign of life must be to void it.
///
/// Nova tells its times in whole
/// seconds, from two machines' clocks (the heartbeat's and the API's), and the monitor's report is
/// often made within a second of the last heartbeat.
pub const SKEW_MS: i64 = 2_000;

/// The same for a cluster's fencing, which is an event and no state: as a rule the host boots after it. It counts only
/// when it is newer than the loss, so it must be later than the whole second in which the host was heard last.
const FENCING_AFTER_MS: i64 = 1_000;

/// Evidence may be that much older than the report of the loss that it proves: a person may have confirmed the death, or
/// somebody attested it, before a monitor reported it.
const BEFORE_MOST_MS: i64 = 600_000;

/// Which loss of the host it is about: evidence of an earlier one is none of this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    pub reported: Millis,
    /// When a person had it tried again; what was true before the host was brought back is none of that, either.
    pub retried: Option<Millis>,
    /// When we last wrote to its service to bring the host back: it was heard then.
    pub returned: Option<Millis>,
}

impl Loss {
    /// Whether the evidence may be of this loss.
    ///
    /// A later heartbeat voids what was true before it, where one is seen. A write of ours hides it until the next one:
    /// then what is long past is not known to be true still, of a host that nobody forced down. And what ends by itself
    /// may have ended.
    #[must_use]
    pub fn may_prove(self, evidence: &Evidence, heartbeat_is_hidden: bool, now: Millis) -> bool {
        // What is no older than what asks for it is of this loss, whatever our clock says.
        let asked = self.retried.map_or(self.reported, |at| at.max(self.reported));
        let returned = self.returned.map(|at| at.min(asked.plus(-1)));
        let since = returned.is_none_or(|at| evidence.at > at);
        let young = self.reported.since(evidence.at) <= BEFORE_MOST_MS;
        since && (young || !heartbeat_is_hidden) && evidence.holds_at(now)
    }
}

/// What Nova says of the host's compute service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NovaSays {
    Up,
    Down,
    /// Down because somebody (we, as a rule) forced it: says nothing about the host.
    ForcedDown,
    /// There is no such service.
    Absent,
}

/// Proof that a host is dead at this moment.
#[derive(Debug)]
pub struct Permit {
    host: HostName,
    kind: Kind,
    at: Millis,
}

/// Why there is no permit.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Missing {
    #[error("nothing says that it is dead")]
    NoEvidence,
    #[error("only {have} says that it is dead, and [fencing] require asks for proof")]
    TooWeak { have: Kind },
    #[error("it shows a sign of life, newer than the {evidence}: {}", .sighting.what)]
    SignOfLife { evidence: Kind, sighting: Sighting },
    #[error("Nova still takes it for alive, and only a report says that it is dead")]
    NovaStillUp,
}

/// Why there was no permit, as the log keeps it beside the sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lack {
    pub what: Lacks,
    pub ladder: LadderIs,
}

/// What was missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lacks {
    Evidence,
    /// Stronger evidence.
    Strength,
    /// The host's own.
    Silence,
    NovasWord,
}

/// Whether a device could have brought it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LadderIs {
    /// There is no file of fence devices.
    NoFile,
    /// There is, and the host has no ladder in it.
    None,
    There,
}

impl Missing {
    #[must_use]
    pub fn lacks(&self) -> Lacks {
        match self {
            Self::NoEvidence => Lacks::Evidence,
            Self::TooWeak { .. } => Lacks::Strength,
            Self::SignOfLife { .. } => Lacks::Silence,
            Self::NovaStillUp => Lacks::NovasWord,
        }
    }
}

/// Judges whether `host` is dead at this moment. The only maker of a [`Permit`].
///
/// The strongest evidence that no sign of life outdates decides. With a monitor's word alone Nova
/// itself must agree, so that its own guard (it refuses to evacuate from a host it takes for
/// alive) stays on.
///
/// # Errors
/// What is missing, for the person who has to decide.
pub fn permit(
    host: &HostName,
    evidence: &[Evidence],
    least: Require,
    sightings: &[Sighting],
    nova: NovaSays,
) -> Result<Permit, Missing> {
    let ours: Vec<&Evidence> = evidence.iter().filter(|e| e.host == *host).collect();
    let life_after = |e: &Evidence| {
        let against = sightings.iter().filter(|s| s.host == *host && is_outdated(e, s));
        // The newest, and first what holds still.
        against.max_by_key(|s| (s.what.lasts(), s.at))
    };
    let best = ours.iter().filter(|e| life_after(e).is_none()).max_by_key(|e| (e.kind, e.at));
    let Some(best) = best else {
        let newest = ours.iter().max_by_key(|e| (e.at, e.kind));
        return Err(match newest.and_then(|e| Some((e.kind, life_after(e)?.clone()))) {
            Some((evidence, sighting)) => Missing::SignOfLife { evidence, sighting },
            None => Missing::NoEvidence,
        });
    };
    match (best.kind, least) {
        (Kind::MonitorSaid, Require::Proven) => return Err(Missing::TooWeak { have: best.kind }),
        (Kind::MonitorSaid, Require::Monitor) if nova == NovaSays::Up => {
            return Err(Missing::NovaStillUp);
        }
        (
            Kind::MonitorSaid
            | Kind::OperatorConfirmed
            | Kind::LeaseExpired
            | Kind::ClusterFenced
            | Kind::StorageFenced
            | Kind::PoweredOff,
            Require::Monitor | Require::Proven,
        ) => {}
    }
    Ok(Permit { host: host.clone(), kind: best.kind, at: best.at })
}

/// Whether a sign of life voids the evidence.
fn is_outdated(evidence: &Evidence, life: &Sighting) -> bool {
    let later_ms = life.at.since(evidence.at);
    if !life.what.speaks_against(evidence.kind) {
        return false;
    }
    match evidence.kind {
        Kind::ClusterFenced => later_ms > -FENCING_AFTER_MS,
        Kind::MonitorSaid
        | Kind::OperatorConfirmed
        | Kind::LeaseExpired
        | Kind::StorageFenced
        | Kind::PoweredOff => later_ms > SKEW_MS,
    }
}

impl Permit {
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The strength of the proof.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// When the evidence was true.
    #[must_use]
    pub fn at(&self) -> Millis {
        self.at
    }

    /// The right to ask Nova, once, to rebuild `server` elsewhere.
    #[must_use]
    pub fn evacuate(&self, server: ServerId, target: Option<HostName>) -> Evacuate {
        Evacuate { from: self.host.clone(), server, target }
    }

    /// The right to tell Nova that the host is down whatever its heartbeat says; not with a
    /// monitor's word alone.
    #[must_use]
    pub fn force_down(&self, service: ServiceId) -> Option<ForceDown> {
        (self.kind > Kind::MonitorSaid).then(|| ForceDown { host: self.host.clone(), service })
    }
}

/// One evacuation that was permitted.
#[derive(Debug)]
pub struct Evacuate {
    from: HostName,
    server: ServerId,
    target: Option<HostName>,
}

impl Evacuate {
    /// The dead host.
    #[must_use]
    pub fn from(&self) -> &HostName {
        &self.from
    }

    #[must_use]
    pub fn server(&self) -> &ServerId {
        &self.server
    }

    /// Where to; Nova chooses when `None`.
    #[must_use]
    pub fn target(&self) -> Option<&HostName> {
        self.target.as_ref()
    }
}

/// One forcing down of a compute service that was permitted.
#[derive(Debug)]
pub struct ForceDown {
    host: HostName,
    service: ServiceId,
}

impl ForceDown {
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    #[must_use]
    pub fn service(&self) -> &ServiceId {
        &self.service
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Sign;

    fn host() -> HostName {
        HostName::new("compute01")
    }

    fn said(kind: Kind, at: i64) -> Evidence {
        Evidence { host: host(), kind, at: Millis(at), source: "test".into(), raw: "".into() }
    }

    fn seen(at: i64) -> Sighting {
        Sighting { host: host(), at: Millis(at), what: Sign::Heartbeat }
    }

    fn judge(
        evidence: &[Evidence],
        sightings: &[Sighting],
        nova: NovaSays,
    ) -> Result<Kind, Missing> {
        permit(&host(), evidence, Require::Monitor, sightings, nova).map(|p| p.kind())
    }

    #[test]
    fn without_evidence_nobody_is_dead() {
        assert_eq!(judge(&[], &[], NovaSays::Down), Err(Missing::NoEvidence));
        let mut other = said(Kind::PoweredOff, 10_000);
        other.host = HostName::new("compute02");
        assert_eq!(judge(&[other], &[], NovaSays::Down), Err(Missing::NoEvidence));
    }

    #[test]
    fn a_monitors_word_needs_nova_to_agree() {
        let word = [said(Kind::MonitorSaid, 10_000)];
        assert_eq!(judge(&word, &[], NovaSays::Up), Err(Missing::NovaStillUp));
        assert_eq!(judge(&word, &[], NovaSays::Down), Ok(Kind::MonitorSaid));
    }

    #[test]
    fn proof_does_not_wait_for_nova() {
        let proof = [said(Kind::OperatorConfirmed, 10_000)];
        assert_eq!(judge(&proof, &[], NovaSays::Up), Ok(Kind::OperatorConfirmed));
    }

    #[test]
    fn a_monitors_word_is_too_weak_where_proof_is_required() {
        let word = [said(Kind::MonitorSaid, 10_000)];
        let judged = permit(&host(), &word, Require::Proven, &[], NovaSays::Down);
        assert_eq!(judged.err(), Some(Missing::TooWeak { have: Kind::MonitorSaid }));
        let proof = [said(Kind::OperatorConfirmed, 10_000)];
        assert!(permit(&host(), &proof, Require::Proven, &[], NovaSays::Down).is_ok());
    }

    #[test]
    fn a_later_sign_of_life_voids_any_evidence() {
        for kind in [Kind::MonitorSaid, Kind::OperatorConfirmed, Kind::PoweredOff] {
            let judged = judge(&[said(kind, 10_000)], &[seen(12_001)], NovaSays::Down);
            let void = Missing::SignOfLife { evidence: kind, sighting: seen(12_001) };
            assert_eq!(judged, Err(void));
        }
    }

    #[test]
    fn that_the_machine_is_there_voids_what_says_that_it_is_off_and_not_that_it_was_reset() {
        let life = |what| Sighting { what, ..seen(20_000) };
        for kind in [
            Kind::MonitorSaid,
            Kind::OperatorConfirmed,
            Kind::LeaseExpired,
            Kind::ClusterFenced,
            Kind::StorageFenced,
            Kind::PoweredOff,
        ] {
            let is_reset = matches!(kind, Kind::ClusterFenced | Kind::LeaseExpired);
            let judged = |what| judge(&[said(kind, 10_000)], &[life(what)], NovaSays::Down);
            for what in [Sign::Heartbeat, Sign::GuestAnswers, Sign::LetStart] {
                assert!(judged(what).is_err(), "{what} and {kind}");
            }
            for what in [Sign::MonitorSaw, Sign::PowerOn] {
                assert_eq!(judged(what).is_ok(), is_reset, "{what} and {kind}");
            }
        }
    }

    #[test]
    fn what_holds_still_is_named_before_what_is_newer_and_was_a_moment() {
        let words = [
            Sighting { what: Sign::MonitorSaw, ..seen(20_000) },
            Sighting { what: Sign::GuestAnswers, ..seen(30_000) },
        ];
        let void = |kind, sighting: &Sighting| {
            Err(Missing::SignOfLife { evidence: kind, sighting: sighting.clone() })
        };
        let word = [said(Kind::MonitorSaid, 10_000)];
        assert_eq!(judge(&word, &words, NovaSays::Down), void(Kind::MonitorSaid, &words[0]));
        // The monitor's word says nothing against a reset.
        let reset = [said(Kind::LeaseExpired, 10_000)];
        assert_eq!(judge(&reset, &words, NovaSays::Down), void(Kind::LeaseExpired, &words[1]));
        // It was said to be dead after the one, and before the other.
        let later = [said(Kind::MonitorSaid, 25_000)];
        assert_eq!(judge(&later, &words, NovaSays::Down), void(Kind::MonitorSaid, &words[1]));
    }

    #[test]
    fn the_words_of_the_signs_read_back() {
        let moments = [Sign::Heartbeat, Sign::GuestAnswers, Sign::LetStart];
        for sign in moments.into_iter().chain([Sign::PowerOn, Sign::MonitorSaw]) {
            assert_eq!(Sign::from_word(sign.as_str()), Some(sign));
        }
        assert_eq!(Sign::from_word("omen"), None);
    }

    #[test]
    fn an_earlier_sign_of_life_or_one_within_the_clocks_error_voids_nothing() {
        let proof = [said(Kind::PoweredOff, 10_000)];
        assert_eq!(judge(&proof, &[seen(9_000)], NovaSays::Up), Ok(Kind::PoweredOff));
        assert_eq!(judge(&proof, &[seen(12_000)], NovaSays::Up), Ok(Kind::PoweredOff));
    }

    /// The host that Pacemaker fenced before it was lost has booted since.
    #[test]
    fn a_clusters_fencing_counts_only_when_it_is_newer_than_the_loss() {
        let fenced = [said(Kind::ClusterFenced, 10_000)];
        assert_eq!(judge(&fenced, &[seen(9_000)], NovaSays::Up), Ok(Kind::ClusterFenced));
        let void = Missing::SignOfLife { evidence: Kind::ClusterFenced, sighting: seen(9_001) };
        assert_eq!(judge(&fenced, &[seen(9_001)], NovaSays::Up), Err(void));
        assert_eq!(judge(&fenced, &[], NovaSays::Up), Ok(Kind::ClusterFenced));
    }

    #[test]
    fn what_proved_an_earlier_loss_proves_no_later_one() {
        let loss = |returned: Option<i64>| Loss {
            reported: Millis(1_000_000),
            retried: None,
            returned: returned.map(Millis),
        };
        let may = |loss: Loss, at, hidden| {
            loss.may_prove(&said(Kind::PoweredOff, at), hidden, Millis(3_000_000))
        };
        // It was brought back since.
        assert!(!may(loss(Some(900_000)), 900_000, false));
        assert!(may(loss(Some(900_000)), 900_001, true));
        // Our clock may have been set back since: what is newer than the report counts.
        assert!(may(loss(Some(9_000_000)), 1_000_000, true));
        assert!(!may(loss(Some(9_000_000)), 999_999, true));
        // It was brought back after the report, and somebody has the recovery of then tried again.
        let again = Loss { retried: Some(Millis(3_000_000)), ..loss(Some(2_000_000)) };
        assert!(!may(again, 1_500_000, false) && may(again, 2_000_001, false));
        let before = Loss { retried: Some(Millis(1_900_000)), ..loss(Some(2_000_000)) };
        assert!(!may(before, 1_500_000, false) && may(before, 1_900_000, false));
        // A write of ours hides whether it was heard.
        assert!(may(loss(None), 400_000, true) && may(loss(None), 2_000_000, true));
        assert!(!may(loss(None), 399_999, true));
        assert!(may(loss(None), 399_999, false), "a heartbeat tells");
    }

    #[test]
    fn what_ends_by_itself_proves_nothing_when_it_may_have_ended() {
        let loss = Loss { reported: Millis(1_000_000), retried: None, returned: None };
        let may = |kind, now| loss.may_prove(&said(kind, 1_000_000), false, Millis(now));
        assert!(may(Kind::StorageFenced, 2_499_999) && may(Kind::PoweredOff, 90_000_000));
        assert!(!may(Kind::StorageFenced, 2_500_000));
    }

    #[test]
    fn evidence_after_the_sign_of_life_counts_again() {
        let both = [said(Kind::PoweredOff, 10_000), said(Kind::OperatorConfirmed, 60_000)];
        assert_eq!(judge(&both, &[seen(30_000)], NovaSays::Up), Ok(Kind::OperatorConfirmed));
    }

    #[test]
    fn a_monitors_word_never_blinds_novas_guard() {
        let service = ServiceId::new("s");
        let word =
            permit(&host(), &[said(Kind::MonitorSaid, 1)], Require::Monitor, &[], NovaSays::Down);
        assert!(word.unwrap().force_down(service.clone()).is_none());
        let proof =
            permit(&host(), &[said(Kind::LeaseExpired, 1)], Require::Monitor, &[], NovaSays::Up);
        assert!(proof.unwrap().force_down(service).is_some());
    }

    #[test]
    fn the_words_of_the_kinds_read_back() {
        for kind in [Kind::MonitorSaid, Kind::StorageFenced, Kind::PoweredOff] {
            assert_eq!(Kind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::from_word("hearsay"), None);
    }
}
