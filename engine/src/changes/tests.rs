use super::*;
use async_trait::async_trait;
use recovery::Millis;
use std::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering},
};

/// Goes on by itself while somebody sleeps.
#[derive(Default, Debug)]
struct Hand(AtomicU64);

#[async_trait]
impl Clock for Hand {
    fn wall(&self) -> Millis {
        Millis(0)
    }

    fn boot(&self) -> Boot {
        Boot(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, wait: Duration) {
        self.0.fetch_add(wait.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }
}

/// A cloud whose servers are numbers, which change at moments; each list takes a second of it.
#[derive(Default)]
struct Cloud {
    clock: Hand,
    feed: Feed<u8, &'static str, u64>,
    /// What changed, when, and into what.
    changed: RefCell<Vec<(u64, u8, &'static str)>>,
    /// Since when it was asked, each time.
    asked: RefCell<Vec<u64>>,
    fails: Cell<bool>,
}

impl Cloud {
    fn change(&self, server: u8, into: &'static str) {
        self.changed.borrow_mut().push((self.clock.boot().0, server, into));
    }

    async fn list(&self, since: u64) -> Result<(Vec<(u8, &'static str)>, u64), AskError> {
        self.asked.borrow_mut().push(since);
        let began = self.clock.boot().0;
        let rows = self
            .changed
            .borrow()
            .iter()
            .filter(|(at, ..)| *at >= since)
            .copied()
            .collect::<Vec<_>>();
        tokio::task::yield_now().await;
        self.clock.sleep(Duration::from_secs(1)).await;
        if self.fails.get() {
            return Err(AskError::Misconfigured { option: "cloud", why: "it fails".into() });
        }
        Ok((rows.into_iter().map(|(_, server, into)| (server, into)).collect(), began))
    }

    async fn look(&self, since: u64) -> Result<(BTreeMap<u8, &'static str>, u64), AskError> {
        let all = (0..=9).collect();
        self.feed.since(&self.clock, since, async |s| self.list(s).await, |f| f.of(&all)).await
    }

    async fn sees(&self, since: u64) -> (Vec<(u8, &'static str)>, u64) {
        let (rows, upto) = self.look(since).await.unwrap();
        (rows.into_iter().collect(), upto)
    }
}

#[tokio::test]
async fn whoever_waits_while_one_lists_is_served_by_the_next_list_together() {
    let cloud = Cloud::default();
    cloud.change(1, "moved");
    let (a, b, c) = futures::join!(cloud.sees(0), cloud.sees(0), cloud.sees(0));
    assert_eq!([a.0, b.0, c.0], [vec![(1, "moved")], vec![(1, "moved")], vec![(1, "moved")]]);
    assert_eq!(cloud.asked.borrow().len(), 2, "the first one's, and one for both others");
}

#[tokio::test]
async fn what_changes_while_one_lists_is_not_kept_from_who_asks_then() {
    let cloud = Cloud::default();
    let first = cloud.sees(0);
    let second = async {
        cloud.change(1, "moved");
        cloud.sees(0).await.0
    };
    let (first, second) = futures::join!(first, second);
    assert_eq!((first.0, second), (vec![], vec![(1, "moved")]));
}

#[tokio::test]
async fn each_change_is_listed_once_and_shown_to_everybody() {
    let cloud = Cloud::default();
    cloud.change(1, "moved");
    cloud.clock.sleep(Duration::from_secs(1)).await;
    let (_, upto) = cloud.sees(0).await;
    cloud.change(2, "moved");
    let (fresh, second) = cloud.sees(upto).await;
    assert_eq!(fresh, [(1, "moved"), (2, "moved")], "the first is still true");
    cloud.change(3, "moved");
    assert_eq!(cloud.sees(0).await.0, [(1, "moved"), (2, "moved"), (3, "moved")]);
    assert_eq!(cloud.sees(second).await.0, [(2, "moved"), (3, "moved")]);
    let asked = cloud.asked.borrow().clone();
    assert!(asked.is_sorted() && asked[1] == upto && asked[2] == second, "{asked:?}");
}

#[tokio::test]
async fn who_wants_to_know_from_earlier_on_lists_from_there() {
    let cloud = Cloud::default();
    cloud.change(1, "moved");
    cloud.clock.sleep(Duration::from_secs(30)).await;
    assert_eq!(cloud.sees(20_000).await.0, []);
    assert_eq!(cloud.sees(0).await.0, [(1, "moved")]);
    assert_eq!(*cloud.asked.borrow(), [20_000, 0]);
    assert_eq!(cloud.sees(0).await.0, [(1, "moved")]);
    assert_eq!(cloud.asked.borrow().len(), 3);
    assert!(cloud.asked.borrow()[2] >= 30_000, "since then all is known");
}

/// Which began after he asked, and goes not so far back.
#[tokio::test]
async fn who_wants_to_know_from_earlier_on_is_not_served_by_a_list_of_what_came_later() {
    let cloud = Cloud::default();
    cloud.change(1, "moved");
    cloud.clock.sleep(Duration::from_secs(30)).await;
    let (a, b, c) = futures::join!(cloud.sees(20_000), cloud.sees(20_000), cloud.sees(0));
    assert_eq!([a.0, b.0, c.0], [vec![], vec![], vec![(1, "moved")]]);
    assert_eq!(cloud.asked.borrow().len(), 3);
}

#[tokio::test]
async fn a_list_that_fails_has_failed_for_all_who_waited_for_it() {
    let cloud = Cloud::default();
    cloud.fails.set(true);
    let (a, b, c) = futures::join!(cloud.look(0), cloud.look(0), cloud.look(0));
    assert!(a.is_err() && b.is_err() && c.is_err());
    assert_eq!(cloud.asked.borrow().len(), 2);
    cloud.fails.set(false);
    cloud.change(1, "moved");
    assert_eq!(cloud.sees(0).await.0, [(1, "moved")], "the next one is asked anew");
}

#[tokio::test]
async fn what_nobody_asked_for_in_a_long_time_is_forgotten_and_listed_anew() {
    let cloud = Cloud::default();
    cloud.change(1, "moved");
    let (_, upto) = cloud.sees(0).await;
    cloud.clock.sleep(KEPT * 2).await;
    assert_eq!(cloud.sees(0).await.0, [(1, "moved")]);
    assert_eq!(cloud.asked.borrow()[1], 0, "and not since {upto}");
    assert!(cloud.feed.known.lock().await.lists.len() == 1);
}

#[tokio::test]
async fn what_was_known_since_long_ago_is_forgotten_piece_by_piece() {
    let cloud = Cloud::default();
    cloud.change(1, "moved");
    let mut upto = 0;
    for _ in 0..100 {
        upto = cloud.sees(upto).await.1;
        cloud.clock.sleep(Duration::from_secs(5)).await;
    }
    let known = cloud.feed.known.lock().await;
    assert!(known.rows.is_empty() && known.lists.len() < 20, "{known:?}");
    drop(known);
    assert_eq!(cloud.sees(0).await.0, [(1, "moved")], "nobody takes it for unchanged");
}

#[tokio::test]
async fn a_list_that_was_given_up_is_made_by_the_next_one() {
    let cloud = Cloud::default();
    cloud.change(1, "moved");
    {
        let mut given_up = Box::pin(cloud.sees(0));
        assert!(futures::poll!(given_up.as_mut()).is_pending());
    }
    assert_eq!(cloud.sees(0).await.0, [(1, "moved")]);
    assert_eq!(cloud.asked.borrow().len(), 2);
}

#[tokio::test]
async fn lists_leave_nova_three_quarters_of_the_time() {
    let cloud = Cloud::default();
    for _ in 0..10 {
        cloud.sees(0).await;
    }
    assert_eq!(cloud.clock.boot(), Boot(10_000 + 9 * 3_000));
    assert_eq!(cloud.feed.rests_until(), Boot(40_000));
}

#[tokio::test]
async fn a_clock_of_nova_that_was_set_back_hides_no_change() {
    let cloud = Cloud::default();
    let ahead = async |_| Ok((vec![], 1_000_000));
    let all = (0..=9).collect();
    let (_, far) = cloud.feed.since(&cloud.clock, 0, ahead, |f| f.of(&all)).await.unwrap();
    let back = async |_| Ok((vec![(1, "moved")], 5_000));
    let (rows, upto) = cloud.feed.since(&cloud.clock, far, back, |f| f.of(&all)).await.unwrap();
    assert_eq!((rows.len(), upto), (1, 5_000));
}

#[tokio::test]
async fn of_a_server_that_changed_again_the_last_is_shown() {
    let cloud = Cloud::default();
    cloud.change(1, "on its way");
    assert_eq!(cloud.sees(0).await.0, [(1, "on its way")]);
    cloud.change(1, "moved");
    assert_eq!(cloud.sees(0).await.0, [(1, "moved")]);
}

#[tokio::test]
async fn who_asks_when_all_is_forgotten_lists_from_his_own_cursor_on() {
    let cloud = Cloud::default();
    cloud.sees(0).await;
    cloud.clock.sleep(KEPT * 2).await;
    cloud.sees(170_000).await;
    assert_eq!(*cloud.asked.borrow(), [0, 170_000]);
}

#[tokio::test]
async fn between_two_lists_is_a_tenth_of_a_second_at_least_and_ten_seconds_at_most() {
    for (takes, rests_ms) in [(0, 100), (60_000, 10_000)] {
        let cloud = Cloud::default();
        let list = async |_| {
            cloud.clock.sleep(Duration::from_millis(takes)).await;
            Ok((vec![(1, "moved")], 0))
        };
        cloud.feed.since(&cloud.clock, 0, list, |f| f.within(..)).await.unwrap();
        assert_eq!(cloud.feed.rests_until(), Boot(takes + rests_ms));
    }
}

/// As records of evacuations are wanted: all of one host, whatever their number.
#[tokio::test]
async fn a_range_of_keys_shows_what_is_fresh_of_it() {
    let cloud = Cloud::default();
    let look = async |since, from| {
        let list = async |s| cloud.list(s).await;
        cloud.feed.since(&cloud.clock, since, list, |f| f.within(from..=5)).await.unwrap()
    };
    for server in [1, 3, 5, 7] {
        cloud.change(server, "moved");
    }
    cloud.clock.sleep(Duration::from_secs(1)).await;
    let (rows, first) = look(0, 3).await;
    assert_eq!((rows, first), (vec!["moved", "moved"], 1_000));
    cloud.change(4, "left");
    let (rows, second) = look(first, 2).await;
    assert_eq!(rows, ["moved", "left", "moved"], "the first are still true");
    assert_eq!(look(second, 0).await.0, ["left"]);
    let back = async |_| Ok((vec![(2, "back")], first));
    let (rows, _) = cloud.feed.since(&cloud.clock, second, back, |f| f.within(..=2)).await.unwrap();
    assert_eq!(rows, ["moved", "back"], "Nova's clock was set back");
}
