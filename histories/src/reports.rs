//! What monitors and persons say of the hosts that die.

use crate::{scene::OldWord, tale::Stage};
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId,
    evidence::{Evidence, Kind},
    nouns::NotificationType,
    request::{Asked, Request, RequestState},
};
use store::{Memory, NewNotification, Store};

impl Stage {
    pub async fn report(&self, host: &HostName) {
        let id = format!("report-{host}");
        self.report_as(host, id.clone(), id).await;
    }

    /// The host is lost once more.
    pub async fn report_again(&self, host: &HostName, n: usize) {
        let id = format!("report-{host}-{n}");
        self.report_as(host, id.clone(), id).await;
    }

    pub async fn report_as(&self, host: &HostName, id: String, fingerprint: String) {
        let report = self.death_of(host, id, fingerprint);
        for memory in self.databases() {
            memory.accept(report.clone()).await.unwrap();
        }
    }

    /// What a monitor reports of a host that has died.
    #[must_use]
    pub fn death_of(&self, host: &HostName, id: String, fingerprint: String) -> NewNotification {
        let now = self.clock.wall();
        let payload =
            r#"{"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}"#;
        let evidence = Evidence {
            host: host.clone(),
            kind: Kind::MonitorSaid,
            at: now,
            source: "monitor".into(),
            raw: payload.into(),
        };
        NewNotification {
            uuid: NotificationId::new(id),
            kind: NotificationType::ComputeHost,
            generated_time: now,
            payload: payload.into(),
            source_host: HostId::new(format!("id-{host}")),
            segment: SegmentId::new("segment"),
            fingerprint,
            window_ms: 180_000,
            evidence: Some(evidence),
            now,
        }
    }

    /// Those that are told of failures.
    pub fn databases(&self) -> impl Iterator<Item = &Memory> {
        let beside = self.scene.storm.shadow.then_some(&self.beside);
        std::iter::once(&self.memory).chain(beside)
    }

    /// A person looks first: a host that has come back is not confirmed dead.
    pub async fn confirm(&self, host: &HostName) {
        let old = self.scene.old_word;
        if old.is_none() && self.world.condition(host) != sim::Condition::Dead {
            return;
        }
        let now = self.clock.wall();
        let said = now.plus(-30_000);
        let at = (old == Some(OldWord::PassedOn)).then_some(said);
        let request = Request {
            id: format!("request-{host}"),
            asked: match self.scene.attested {
                true => Asked::Attest { evidence: fenced_by_the_cluster(host, now) },
                false => Asked::ConfirmDead { host: host.clone(), reason: "no power".into(), at },
            },
            who: "operator".into(),
            created_at: if old == Some(OldWord::Waited) { said } else { now },
            // So short that the host cannot have come back before it is answered.
            deadline: now.plus(5_000),
            state: RequestState::Open,
            answer: None,
        };
        for memory in self.databases() {
            memory.file_request(&request).await.unwrap();
        }
    }
}

fn fenced_by_the_cluster(host: &HostName, at: Millis) -> Evidence {
    let (source, raw) = ("pacemaker by reporter".into(), "off: OK".into());
    Evidence { host: host.clone(), kind: Kind::ClusterFenced, at, source, raw }
}
