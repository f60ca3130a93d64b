//! Bad days, which only the memory one can have on demand: nothing happens twice when an answer is
//! lost and the caller asks again.

use crate::fixtures::*;
use async_trait::async_trait;
use recovery::{lease::LeaseKey, nouns::NotificationStatus};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use store::{Gate, Memory, Store, StoreError};

/// Fails every first time, before or after the effect.
#[derive(Debug, Default)]
struct EveryFirstTime {
    unreachable: bool,
    failed: AtomicBool,
}

impl EveryFirstTime {
    fn pass(&self, doing: &'static str) -> Result<(), StoreError> {
        if self.failed.fetch_xor(true, Ordering::Relaxed) {
            return Ok(());
        }
        Err(StoreError::Away { doing, source: "the connection broke".into() })
    }
}

#[async_trait]
impl Gate for EveryFirstTime {
    async fn before(&self, doing: &'static str) -> Result<(), StoreError> {
        if self.unreachable { self.pass(doing) } else { Ok(()) }
    }

    async fn after(&self, doing: &'static str) -> Result<(), StoreError> {
        if self.unreachable { Ok(()) } else { self.pass(doing) }
    }
}

#[tokio::test]
async fn what_was_not_reached_has_not_happened() {
    let memory = Memory::new();
    let door = memory.handle(Arc::new(EveryFirstTime { unreachable: true, ..Default::default() }));
    let made = door.create_segment(new_segment(1, "seg")).await;
    assert!(matches!(made, Err(StoreError::Away { .. })));
    assert_eq!(memory.segment(&new_segment(1, "seg").uuid).await.unwrap(), None);
    assert!(door.create_segment(new_segment(1, "seg")).await.is_ok());
}

#[tokio::test]
async fn a_lost_answer_does_not_make_it_happen_twice() {
    let memory = Memory::new();
    let (_, host) = segment_and_host(&memory).await;
    let door = memory.handle(Arc::new(EveryFirstTime::default()));

    assert!(door.accept(report(10, &host)).await.is_err());
    let notification = accepted(&door, report(10, &host)).await;
    assert_eq!(memory.all_notifications(), std::slice::from_ref(&notification));
    assert_eq!(memory.evidence(&host.name).await.unwrap().len(), 1);

    let claim = [claim_unseen(LeaseKey::recovery(&notification.uuid))];
    let me = owner("one");
    assert!(door.take(&claim, &me).await.is_err());
    let lease = door.take(&claim, &me).await.unwrap().unwrap().remove(0);
    assert_eq!((lease.generation, memory.all_leases()[0].generation), (1, 1));

    let lines = [claimed(1, &lease), ended(2)];
    let summaries = [status(NotificationStatus::Finished)];
    assert!(door.append(&lease, &notification.uuid, &lines, &summaries).await.is_err());
    door.append(&lease, &notification.uuid, &lines, &summaries).await.unwrap();
    assert_eq!(memory.lines(&notification.uuid), lines);
}
