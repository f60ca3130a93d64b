//! How monitors stand, in virtual time: who is stuck, and since when somebody is what he is.
#![cfg(test)]

use monitor::{Board, Mark, standing::State};
use ports::Clock;
use sim::SimClock;
use std::time::Duration;

const TURN: Duration = Duration::from_secs(60);

fn board() -> (Board, Mark) {
    let board = Board::new(std::sync::Arc::new(SimClock::new()));
    let mark = board.mark("instances", None, TURN);
    (board, mark)
}

async fn sleep(seconds: u64) {
    SimClock::new().sleep(Duration::from_secs(seconds)).await;
}

fn state(board: &Board) -> (State, u64) {
    let monitor = board.shown("masakari-monitor", "cmp1", 1).monitors.remove(0);
    (monitor.state, monitor.since_s)
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_turn_is_stuck_whatever_it_said_of_itself() {
    let (board, mark) = board();
    for say in
        [|mark: &Mark| mark.starts(), Mark::well, |mark: &Mark| mark.troubled("libvirt is away")]
    {
        say(&mark);
        sleep(60).await;
        assert_eq!(board.stuck(), [""; 0]);
        sleep(1).await;
        assert_eq!(board.stuck(), ["instances"]);
        assert_eq!(state(&board).0, State::Stuck);
        mark.turned();
        assert_eq!(board.stuck(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_waits_to_be_begun_again_is_down_and_not_stuck() {
    let (board, mark) = board();
    mark.rests("there is no list of processes");
    sleep(1000).await;
    assert_eq!((board.stuck(), state(&board)), (vec![], (State::Down, 1000)));
    mark.starts();
    sleep(2).await;
    assert_eq!(state(&board), (State::Starting, 2));
}

#[tokio::test(start_paused = true)]
async fn another_reason_for_the_same_trouble_does_not_make_it_newer() {
    let (board, mark) = board();
    mark.troubled("no socket");
    sleep(10).await;
    mark.troubled("no answer");
    assert_eq!(state(&board), (State::Troubled, 10));
    mark.well();
    sleep(5).await;
    assert_eq!(state(&board), (State::Well, 5));
}
