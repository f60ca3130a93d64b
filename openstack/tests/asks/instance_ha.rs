//! The client of Masakari's API and of ours beside it.

use crate::cloud::Cloud;
use openstack::instance_ha::{Client, NewEvidence, NewNotification, RequestState};
use recovery::{HostName, Millis};
use serde_json::json;

fn report() -> NewNotification {
    let payload =
        json!({ "event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL" });
    NewNotification {
        kind: "COMPUTE_HOST".into(),
        hostname: "compute01".into(),
        generated_time: "2026-11-21T08:08:18.000000".into(),
        payload: payload.as_object().unwrap().clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_goes_to_the_catalogues_masakari_and_comes_back_as_a_notification() {
    let cloud = Cloud::new();
    let notification = Client::new(cloud.session()).notify(&report()).await.unwrap();
    assert_eq!(notification.notification_uuid, "n1");
    assert_eq!(notification.status, "new");
    assert_eq!(notification.payload, report().payload);
    let asked = &cloud.asked()[0];
    assert_eq!(asked.line, "POST /ha/v1/p1/notifications");
    assert_eq!(asked.body["notification"]["type"], "COMPUTE_HOST");
}

#[tokio::test(start_paused = true)]
async fn notifications_are_read_to_their_end() {
    let cloud = Cloud::new();
    cloud.state().page = 2;
    let client = Client::new(cloud.session());
    for _ in 0..5 {
        client.notify(&report()).await.unwrap();
    }
    let ids: Vec<i64> = client.notifications(&[]).await.unwrap().iter().map(|n| n.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn confirming_a_death_goes_beside_v1() {
    let cloud = Cloud::new();
    let client = Client::new(cloud.session());
    let host = HostName::new("rack1/node2");
    let answer = client.confirm_dead(&host, "I pulled it", None).await.unwrap();
    assert_eq!((answer.id.as_str(), answer.state), ("r1", RequestState::Pending));
    let asked = &cloud.asked()[0];
    assert_eq!(asked.line, "POST /ha/ha/v1/hosts/rack1%2Fnode2/confirm-dead");
    assert_eq!(asked.body, json!({ "reason": "I pulled it" }));
    let at = Millis(1_795_240_798_500);
    client.confirm_dead(&host, "a taint", Some(at)).await.unwrap();
    let body = json!({ "reason": "a taint", "at": "2026-11-21T05:59:58.500Z" });
    assert_eq!(cloud.asked()[1].body, body);
}

#[tokio::test(start_paused = true)]
async fn what_a_reporter_knows_goes_beside_v1() {
    let cloud = Cloud::new();
    let client = Client::new(cloud.session());
    let evidence = NewEvidence {
        kind: "cluster_fenced".into(),
        at: "2026-11-21T08:08:18Z".into(),
        source: "pacemaker".into(),
        raw: "off: OK".into(),
    };
    let answer = client.attest(&HostName::new("node2"), &evidence).await.unwrap();
    assert_eq!(answer.state, RequestState::Pending);
    let asked = &cloud.asked()[0];
    assert_eq!(asked.line, "POST /ha/ha/v1/hosts/node2/evidence");
    assert_eq!(
        asked.body,
        json!({ "kind": "cluster_fenced", "at": "2026-11-21T08:08:18Z", "source": "pacemaker", "raw": "off: OK" })
    );
}
