//! Keeps a monitor running: one that ends, or breaks, is begun again after a pause that grows, and the others go on.

use super::{Node, Role};
use futures::FutureExt;
use monitor::Mark;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// Before the first new try; it doubles.
const PAUSE: Duration = Duration::from_secs(2);
/// What a person has put right is noticed no later.
const PAUSE_MOST: Duration = Duration::from_secs(60);
/// Who ran for so long had begun well.
const WELL_AFTER: Duration = Duration::from_secs(300);

/// Runs it for ever. One line says why it does not run, and each line more another reason.
pub(super) async fn running(role: &'static Role, node: Arc<Node>, mark: Mark) {
    let (clock, entropy) = (node.machine.clock.clone(), node.machine.entropy.clone());
    let (mut pause, mut told) = (PAUSE, None);
    loop {
        let began = clock.boot();
        mark.starts();
        let run = AssertUnwindSafe((role.run)(Arc::clone(&node), mark.clone()));
        let why = match run.catch_unwind().await {
            Ok(Ok(())) => "it ended".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            // The panic itself stands on standard error.
            Err(_) => "it broke, which is a mistake of ours".to_owned(),
        };
        if clock.boot().since(began) >= WELL_AFTER {
            (pause, told) = (PAUSE, None);
        }
        if told.as_ref() != Some(&why) {
            tracing::error!(
                "`{}` does not run on {}: {why}. It is tried again, every {} s at the latest; what else this process \
                 watches goes on",
                role.name,
                node.hostname,
                PAUSE_MOST.as_secs()
            );
        }
        mark.rests(&why);
        told = Some(why);
        clock.sleep(entropy.jitter(pause)).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Configuration, monitor_role::node, ports_of::Machine};
    use futures::future::join_all;
    use monitor::{Board, standing::State};
    use ports::{Clock, SeededEntropy};
    use sim::SimClock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static BEGUN: AtomicU32 = AtomicU32::new(0);

    const fn role(name: &'static str, run: super::super::Run) -> Role {
        let turn_most = Duration::from_secs(60);
        let sending = Configuration::callback;
        Role { name, program: "", watched: None, turn_most, sending, run, at_stop: None }
    }

    static CANNOT_BEGIN: Role = role("cannot begin", |_, _| {
        BEGUN.fetch_add(1, Ordering::SeqCst);
        async { anyhow::bail!("process_list.yaml is not there: make it") }.boxed_local()
    });
    static BREAKS: Role = role("breaks", |node, mark| {
        async move {
            node.machine.clock.sleep(Duration::from_secs(10)).await;
            mark.well();
            panic!("a mistake of ours");
        }
        .boxed_local()
    });
    static WORKS: Role = role("works", |node, mark| {
        async move {
            loop {
                mark.well();
                node.machine.clock.sleep(Duration::from_secs(10)).await;
            }
        }
        .boxed_local()
    });

    #[tokio::test(start_paused = true)]
    async fn a_monitor_that_ends_is_begun_again_and_the_others_go_on() {
        let clock: Arc<dyn Clock> = Arc::new(SimClock::new());
        let machine = Machine { clock: clock.clone(), entropy: Arc::new(SeededEntropy::new(1)) };
        let none = "[api]\nauth_type = none\nendpoint = http://127.0.0.1:9/v1\n";
        let folder = tempfile::tempdir().unwrap();
        let (node, _sender) = {
            let configuration = Configuration::of_text(none);
            let sending = configuration.callback();
            node(configuration, machine, folder.path(), &sending).unwrap()
        };
        let board = Board::new(clock.clone());
        let all = [&CANNOT_BEGIN, &BREAKS, &WORKS].map(|role| {
            running(role, Arc::clone(&node), board.mark(role.name, None, role.turn_most))
        });
        tokio::select! {
            _ = join_all(all) => {}
            () = clock.sleep(Duration::from_secs(3600)) => {}
        }
        let shown = board.shown("masakari-monitor", "cmp1", 1).monitors;
        let state = |name: &str| {
            let monitor = shown.iter().find(|monitor| monitor.name == name).unwrap();
            (monitor.state, monitor.why.clone().unwrap_or_default())
        };
        assert_eq!(
            state("cannot begin"),
            (State::Down, "process_list.yaml is not there: make it".into())
        );
        assert_eq!(state("works"), (State::Well, String::new()));
        assert!(
            matches!(state("breaks").0, State::Down | State::Starting),
            "{:?}",
            state("breaks")
        );
        assert_eq!(board.stuck(), [""; 0]);
        // Every 30 to 60 s, once the pause has grown.
        let begun = BEGUN.load(Ordering::SeqCst);
        assert!((60..=130).contains(&begun), "begun {begun} times");
    }
}
