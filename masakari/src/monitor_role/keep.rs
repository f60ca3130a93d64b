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
                "{} of {} are not watched: {why}. It is tried again, every {} s at the latest; what else this process \
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
