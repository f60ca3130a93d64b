//! Leases: taken all or none, renewed and given back only by their owner.

use crate::{doors::Doors, fixtures::*};
use futures::future::join_all;
use recovery::{
    HostName, NotificationId,
    lease::{LeaseKey, LeaseRow},
};
use store::Claim;

fn keys() -> [LeaseKey; 2] {
    let recovery = LeaseKey::recovery(&NotificationId::new(uuid(10)));
    [recovery, LeaseKey::host(&HostName::new("compute01"))]
}

pub(crate) async fn a_lease_that_nobody_ever_took_has_no_row_and_can_be_taken(doors: &Doors) {
    assert_eq!(doors.a.leases(&keys()).await.unwrap(), []);
    assert_eq!(doors.a.leases(&[]).await.unwrap(), []);
    let me = owner("one");
    let taken = doors.a.take(&keys().map(claim_unseen), &me).await.unwrap().unwrap();
    assert_eq!(taken.iter().map(|lease| lease.key.clone()).collect::<Vec<_>>(), keys());
    assert!(taken.iter().all(|lease| lease.owner == me && lease.generation == 1));
    let rows = doors.b.leases(&keys()).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.owner.as_ref() == Some(&me) && row.generation == 1));
}

pub(crate) async fn leases_are_taken_all_or_none(doors: &Doors) {
    let [recovery, host] = keys();
    take(&*doors.a, host.clone(), &owner("one")).await;
    let both = [claim_unseen(recovery.clone()), claim_unseen(host.clone())];
    assert_eq!(doors.b.take(&both, &owner("two")).await.unwrap(), None);
    let rows = doors.b.leases(&keys()).await.unwrap();
    assert_eq!(rows.len(), 1, "nothing of it was taken");
    assert_eq!(rows[0].owner, Some(owner("one")));
}

pub(crate) async fn a_lease_that_changed_since_it_was_seen_is_not_taken(doors: &Doors) {
    let [key, _] = keys();
    let lease = take(&*doors.a, key.clone(), &owner("one")).await;
    let seen = doors.b.leases(std::slice::from_ref(&key)).await.unwrap().remove(0);
    doors.a.renew(&[lease]).await.unwrap();
    let claim = Claim { key, seen: Some((seen.generation, seen.beat)) };
    assert_eq!(doors.b.take(&[claim], &owner("two")).await.unwrap(), None);
}

pub(crate) async fn of_many_takers_at_once_one_wins(doors: &Doors) {
    let owners: Vec<_> = (0..10).map(|n| owner(&format!("engine{n}"))).collect();
    for round in 1..=3_u64 {
        let rows = doors.a.leases(&keys()).await.unwrap();
        let seen = |key: &LeaseKey| {
            let row = rows.iter().find(|row| row.key == *key);
            row.map(|row| (row.generation, row.beat))
        };
        let claims = keys().map(|key| Claim { seen: seen(&key), key });
        let takers = owners.iter().enumerate().map(|(n, owner)| {
            let door = if n % 2 == 0 { &doors.a } else { &doors.b };
            door.take(&claims, owner)
        });
        let taken: Vec<_> = join_all(takers).await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(taken.len(), 1, "round {round}");
        let rows = doors.b.leases(&keys()).await.unwrap();
        for (lease, row) in taken[0].iter().zip(&rows) {
            assert_eq!(row.owner.as_ref(), Some(&lease.owner), "the winner has both");
            assert_eq!((lease.generation, row.generation), (round, round));
        }
    }
}

pub(crate) async fn a_renewal_and_a_taking_at_once_do_not_both_succeed(doors: &Doors) {
    let [key, _] = keys();
    let mut lease = take(&*doors.a, key.clone(), &owner("one")).await;
    for round in 0..60 {
        let seen = row(doors, &key).await;
        let claim = [Claim { key: key.clone(), seen: Some((seen.generation, seen.beat)) }];
        let taker = owner(&format!("taker{round}"));
        let renewal = [lease.clone()];
        let (renewed, taken) =
            futures::join!(doors.a.renew(&renewal), doors.b.take(&claim, &taker));
        match (renewed.unwrap().is_empty(), taken.unwrap()) {
            (true, Some(taken)) => lease = taken[0].clone(),
            (false, None) => {}
            (renewal_failed, taken) => panic!("round {round}: {renewal_failed} {taken:?}"),
        }
    }
}

pub(crate) async fn the_owner_takes_again_what_it_took_when_the_answer_was_lost(doors: &Doors) {
    let claims = keys().map(claim_unseen);
    let first = doors.a.take(&claims, &owner("one")).await.unwrap().unwrap();
    let second = doors.b.take(&claims, &owner("one")).await.unwrap().unwrap();
    assert_eq!(first, second);
}

pub(crate) async fn renewing_bumps_the_beat(doors: &Doors) {
    let leases = doors.a.take(&keys().map(claim_unseen), &owner("one")).await.unwrap().unwrap();
    let before = doors.b.leases(&keys()).await.unwrap();
    assert_eq!(doors.a.renew(&leases).await.unwrap(), leases);
    let after = doors.b.leases(&keys()).await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert!(after.beat > before.beat);
        assert_eq!(after.generation, before.generation);
    }
    assert_eq!(doors.a.renew(&[]).await.unwrap(), []);
}

async fn row(doors: &Doors, key: &LeaseKey) -> LeaseRow {
    doors.a.leases(std::slice::from_ref(key)).await.unwrap().remove(0)
}

pub(crate) async fn a_former_owner_can_neither_renew_nor_give_back(doors: &Doors) {
    let [key, other] = keys();
    let lost = take(&*doors.a, key.clone(), &owner("one")).await;
    let kept = take(&*doors.a, other, &owner("one")).await;
    let won = take(&*doors.b, key.clone(), &owner("two")).await;
    assert_eq!(won.generation, lost.generation + 1);
    let before = row(doors, &key).await;
    let still_ours = doors.a.renew(&[lost.clone(), kept.clone()]).await.unwrap();
    assert_eq!(still_ours, [kept]);
    doors.a.release(&[lost]).await.unwrap();
    assert_eq!(row(doors, &key).await, before);
}

pub(crate) async fn a_lease_of_an_earlier_generation_is_not_ours(doors: &Doors) {
    let [key, _] = keys();
    let old = take(&*doors.a, key.clone(), &owner("one")).await;
    let new = take(&*doors.a, key.clone(), &owner("one")).await;
    assert_eq!(new.generation, 2);
    assert_eq!(doors.a.renew(&[old]).await.unwrap(), []);
    assert_eq!(doors.a.renew(std::slice::from_ref(&new)).await.unwrap(), [new]);
}

pub(crate) async fn a_lease_given_back_keeps_its_generation(doors: &Doors) {
    let [key, _] = keys();
    let lease = take(&*doors.a, key.clone(), &owner("one")).await;
    doors.a.release(std::slice::from_ref(&lease)).await.unwrap();
    let free = row(doors, &key).await;
    assert_eq!((free.owner, free.generation), (None, 1));
    assert_eq!(doors.a.renew(&[lease]).await.unwrap(), []);
    assert_eq!(take(&*doors.b, key, &owner("two")).await.generation, 2);
}
