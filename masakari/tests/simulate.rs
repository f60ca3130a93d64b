//! `masakari simulate`, as a person who doubts us sees it: the shipped program, in virtual time.
#![cfg(test)]
#![cfg(feature = "demo")]

use ports::{Exec, Finished, Program, SystemExec};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(150);

async fn simulate(arguments: &[&str]) -> Finished {
    let program = Program {
        path: env!("CARGO_BIN_EXE_masakari").into(),
        arguments: ["simulate"].iter().chain(arguments).map(Into::into).collect(),
        ..Program::default()
    };
    SystemExec.run(program, DEADLINE).await.unwrap()
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

#[tokio::test]
async fn a_seed_is_told_as_a_story_and_the_same_one_again() {
    let (first, second) = (simulate(&["--seed", "7"]).await, simulate(&["--seed", "7"]).await);
    let story = text(&first.stdout);
    assert_eq!(first.code, Some(0), "{story}");
    assert_eq!(story, text(&second.stdout));
    assert!(story.contains("loses its power"), "{story}");
    assert!(story.ends_with("It ended well: no promise was broken.\n"), "{story}");
    assert!(!story.contains('\x1b'), "no colours where there is no terminal");
    assert_ne!(story, text(&simulate(&["--seed", "8"]).await.stdout));
}

#[tokio::test]
async fn many_are_summed_up_with_what_they_met() {
    let finished = simulate(&["--seeds", "3", "--from", "20"]).await;
    let said = text(&finished.stdout);
    assert_eq!(finished.code, Some(0), "{said}");
    for wanted in ["median length: ", "throughput: ", " kinds of ", " were met less than 100 times"]
    {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(said.ends_with("3 histories, 0 failed\n"), "{said}");
}
