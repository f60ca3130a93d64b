//! Requests: filed once, answered once.

use crate::{doors::Doors, fixtures::*};
use futures::future::join_all;
use recovery::{
    HostName,
    evidence::{Evidence, Kind},
    request::{Asked, Request, RequestState},
};
use store::StoreError;

fn request(n: u32) -> Request {
    let asked = Asked::ConfirmDead {
        host: HostName::new("compute01"),
        reason: "I pulled the plug – ☠".into(),
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
}

pub(crate) async fn a_request_that_nobody_filed_cannot_be_answered(doors: &Doors) {
    let refused = RequestState::Refused;
    assert!(!doors.a.answer_request(&uuid(1), refused, "no", None).await.unwrap());
}
