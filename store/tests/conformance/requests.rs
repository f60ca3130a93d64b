//! Requests: filed once, answered once.

use crate::{doors::Doors, fixtures::*};
use futures::future::join_all;
use recovery::{
    HostName, SegmentId,
    evidence::{Evidence, Kind},
    fencing::FenceEntry,
    lease::{Lease, LeaseKey},
    log::{Entry, Summary},
    request::{Asked, Request, RequestState},
};
use store::{NewNotification, StoreError};

pub(crate) fn request(n: u32) -> Request {
    let asked = Asked::ConfirmDead {
        host: HostName::new("compute01"),
        reason: "I pulled the plug – ☠".into(),
        at: None,
    };
    Request {
        id: uuid(n),
        asked,
        who: "admin (42)".into(),
        created_at: seconds_later(i64::from(n)),
        deadline: seconds_later(i64::from(n) + 10),
        state: RequestState::Open,
        answer: None,
    }
}

fn confirmed() -> Evidence {
    Evidence {
        host: HostName::new("compute01"),
        kind: Kind::OperatorConfirmed,
        at: NOW,
        source: "admin (42)".into(),
        raw: "I pulled the plug".into(),
    }
}

pub(crate) async fn a_request_is_filed_and_listed_oldest_first(doors: &Doors) {
    for n in [3, 1, 2] {
        doors.a.file_request(&request(n)).await.unwrap();
    }
    assert_eq!(doors.b.request(&uuid(2)).await.unwrap(), Some(request(2)));
    assert_eq!(doors.b.request(&uuid(9)).await.unwrap(), None);
    assert_eq!(doors.b.open_requests(2).await.unwrap(), [request(1), request(2)]);
    doors.a.file_request(&request(2)).await.unwrap();
    assert_eq!(doors.b.open_requests(9).await.unwrap().len(), 3, "the same twice is one");
    let other = Request { who: "somebody else".into(), ..request(2) };
    let refused = doors.a.file_request(&other).await;
    assert!(matches!(refused, Err(StoreError::Exists { noun: "request", .. })));
}

pub(crate) async fn a_persons_word_that_is_passed_on_is_read_as_it_was_said(doors: &Doors) {
    for (n, reason) in [(1, "no power – ☠"), (2, "1795240798500 is no time"), (3, "")] {
        let (host, reason) = (HostName::new("compute01"), reason.to_owned());
        let asked = Asked::ConfirmDead { host, reason, at: Some(seconds_later(-7)) };
        let filed = Request { asked, ..request(n) };
        doors.a.file_request(&filed).await.unwrap();
        assert_eq!(doors.b.request(&uuid(n)).await.unwrap(), Some(filed));
    }
}

pub(crate) async fn a_plan_that_is_asked_for_is_read_as_it_was_filed(doors: &Doors) {
    let plan = Request { asked: Asked::Plan { host: HostName::new("compute01") }, ..request(1) };
    doors.a.file_request(&plan).await.unwrap();
    assert_eq!(doors.b.open_requests(9).await.unwrap(), [plan]);
    let long = "x".repeat(60_000);
    doors.a.answer_request(&uuid(1), RequestState::Done, &long, None).await.unwrap();
    let read = doors.b.request(&uuid(1)).await.unwrap().unwrap();
    assert_eq!(read.answer, Some(long));
}

pub(crate) async fn a_fence_test_that_is_asked_for_is_read_as_it_was_filed(doors: &Doors) {
    for (n, reason) in [(1, None), (2, Some("new BMC – ☠".to_owned()))] {
        let asked = Asked::FenceTest { host: HostName::new("compute01"), reason };
        let filed = Request { asked, ..request(n) };
        doors.a.file_request(&filed).await.unwrap();
        assert_eq!(doors.b.request(&uuid(n)).await.unwrap(), Some(filed));
    }
}

pub(crate) async fn a_report_that_is_asked_for_is_read_as_it_was_filed(doors: &Doors) {
    let report = |n, segment: Option<&str>, after| Request {
        asked: Asked::Report { segment: segment.map(SegmentId::new), after },
        ..request(n)
    };
    let all = [report(1, None, None), report(2, Some(&uuid(7)), None), report(3, None, Some(42))];
    for one in &all {
        doors.a.file_request(one).await.unwrap();
    }
    assert_eq!(doors.b.open_requests(9).await.unwrap(), all);
}

pub(crate) async fn a_request_is_answered_once(doors: &Doors) {
    doors.a.file_request(&request(1)).await.unwrap();
    let answers = (0..10).map(|n| {
        let door = if n % 2 == 0 { &doors.a } else { &doors.b };
        async move {
            let answer = format!("answer {n}");
            let evidence = confirmed();
            door.answer_request(&uuid(1), RequestState::Done, &answer, Some(&evidence)).await
        }
    });
    let answered = join_all(answers).await.into_iter().map(Result::unwrap);
    assert_eq!(answered.filter(|first| *first).count(), 1);
    assert_eq!(doors.a.open_requests(9).await.unwrap(), []);
    let read = doors.a.request(&uuid(1)).await.unwrap().unwrap();
    assert_eq!(read.state, RequestState::Done);
    assert!(read.answer.unwrap().starts_with("answer "));
    let evidence = doors.b.evidence(&HostName::new("compute01")).await.unwrap();
    assert_eq!(evidence, [confirmed()], "evidence once, of the answer that counted");
    // Somebody else's answer is not ours because it says the same.
    doors.a.file_request(&request(2)).await.unwrap();
    let mut answered = Vec::new();
    for door in [&doors.a, &doors.b, &doors.a] {
        let done = RequestState::Done;
        answered.push(door.answer_request(&uuid(2), done, "noted", None).await.unwrap());
    }
    assert_eq!(answered, [true, false, false]);
}

pub(crate) async fn what_a_reporter_attests_is_kept_whole(doors: &Doors) {
    let raw = "off \"\\\u{1f480}\n".repeat(600);
    let evidence = Evidence { kind: Kind::ClusterFenced, raw, ..confirmed() };
    let attested = Request { asked: Asked::Attest { evidence: evidence.clone() }, ..request(1) };
    doors.a.file_request(&attested).await.unwrap();
    doors.a.file_request(&attested).await.unwrap();
    assert_eq!(doors.b.open_requests(9).await.unwrap(), [attested]);
    let (done, host) = (RequestState::Done, &evidence.host);
    assert!(doors.b.answer_request(&uuid(1), done, "kept", Some(&evidence)).await.unwrap());
    assert_eq!(doors.a.evidence(host).await.unwrap(), std::slice::from_ref(&evidence));
}

pub(crate) async fn a_request_that_nobody_filed_cannot_be_answered(doors: &Doors) {
    let refused = RequestState::Refused;
    assert!(!doors.a.answer_request(&uuid(1), refused, "no", None).await.unwrap());
}

pub(crate) async fn what_a_device_proved_is_evidence_with_its_line_once(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let id =
        accepted(&*doors.a, NewNotification { evidence: None, ..report(10, &host) }).await.uuid;
    let lease = take(&*doors.a, LeaseKey::recovery(&id), &owner("one")).await;
    let path = "1. bmc (redfish): no answer\n2. pdu (agent): was off already, asked twice";
    let evidence = Evidence {
        host: host.name.clone(),
        kind: Kind::PoweredOff,
        at: NOW,
        source: "fence device pdu (agent)".into(),
        raw: path.repeat(40),
    };
    let proven = line(1, Entry::Fence(FenceEntry::Proven { evidence: evidence.clone() }));
    let brings = [Summary::Evidence(Box::new(evidence.clone()))];
    // The answer to the first is lost, say.
    for door in [&doors.a, &doors.b] {
        door.append(&lease, &id, std::slice::from_ref(&proven), &brings).await.unwrap();
    }
    assert_eq!(doors.b.evidence(&host.name).await.unwrap(), [evidence]);
    assert_eq!(doors.b.log(&id).await.unwrap(), [proven]);
    let former = Lease { generation: lease.generation + 1, ..lease };
    let refused = doors.a.append(&former, &id, &[held(2)], &brings).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { .. })), "{refused:?}");
    assert_eq!(doors.b.evidence(&host.name).await.unwrap().len(), 1, "evidence of a former owner");
}
