//! What everything is that sees processes or units, in memory as well as real: each case is told to a [`World`] in which
//! things are made to happen. Nobody polls: what is not told by an event is not seen.

use async_trait::async_trait;
use monitor::processes::{Seen, Sight};
use ports::{Clock, within};
use std::{fmt::Debug, sync::Arc, time::Duration};

/// As long as anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host on which things happen.
#[async_trait]
pub(crate) trait World: Send + Sync + Debug {
    fn sight(&self) -> Arc<dyn Sight>;
    fn clock(&self) -> Arc<dyn Clock>;
    async fn start(&self, name: &str);
    /// It, or the one of that name that was started last, is killed.
    async fn kill(&self, name: &str);
}

/// Processes by a part of their command line.
#[async_trait]
pub(crate) trait ProcessWorld: World {
    /// A command of the monitor's own with the name in its words; it runs while `story` is told.
    async fn while_we_run(&self, name: &str, story: BoxStory<'_>);
    /// One ends whose parent does not ask for it.
    async fn dies_unasked_for(&self, name: &str);
}

pub(crate) type BoxStory<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// systemd with the units of `units/`.
#[async_trait]
pub(crate) trait UnitWorld: World {
    /// A person stops it.
    async fn stop(&self, name: &str);
    /// systemd takes up anew what its units say.
    async fn reexecute(&self);
}

pub(crate) const PLAIN: &str = "plain.service";
/// systemd starts it again by itself.
pub(crate) const AGAIN: &str = "again.service";
/// It fails when it is stopped.
pub(crate) const STUBBORN: &str = "stubborn.service";
/// So it does this one, but only once.
pub(crate) const TWICE: &str = "twice.service";

pub(crate) async fn all_of_processes<W: ProcessWorld>(new: impl AsyncFn() -> W) {
    tells_who_is_there_and_who_ends(&new().await, "masakari-test-one").await;
    knows_as_many_as_bear_the_name(&new().await).await;
    does_not_take_our_commands_for_what_they_start(&new().await).await;
    does_not_take_the_dead_for_living(&new().await).await;
    looks_at_several_at_once(&new().await).await;
}

pub(crate) async fn all_of_units<W: UnitWorld>(new: impl AsyncFn() -> W) {
    tells_who_is_there_and_who_ends(&new().await, PLAIN).await;
    knows_what_a_person_stopped(&new().await).await;
    knows_what_a_person_stopped_although_it_failed(&new().await).await;
    leaves_to_systemd_what_it_restarts(&new().await).await;
    knows_what_systemd_starts_no_more(&new().await).await;
    says_which_unit_there_is_not(&new().await).await;
    hears_on_when_systemd_was_executed_anew(&new().await).await;
}

async fn look(world: &dyn World, name: &str) -> Seen {
    let mut seen = world.sight().look(&[name.to_owned()]).await;
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

/// Waits until it is so, by events alone.
async fn becomes(world: &dyn World, name: &str, wanted: &Seen) {
    let sight = world.sight();
    let clock = world.clock();
    let becomes = within(&*clock, PATIENCE, async {
        loop {
            if look(world, name).await == *wanted {
                return;
            }
            sight.changed().await;
        }
    });
    if becomes.await.is_none() {
        panic!("{name} is {:?} and not {wanted:?}", look(world, name).await);
    }
}

/// It is there; how soon that is seen is nobody's promise.
async fn is_there(world: &dyn World, name: &str) {
    let clock = world.clock();
    let there = within(&*clock, PATIENCE, async {
        while look(world, name).await != Seen::Here {
            clock.sleep(Duration::from_millis(20)).await;
        }
    });
    there.await.unwrap_or_else(|| panic!("{name} is not seen"));
}

async fn tells_who_is_there_and_who_ends(world: &dyn World, name: &str) {
    assert_ne!(look(world, name).await, Seen::Here);
    for _ in 0..2 {
        world.start(name).await;
        is_there(world, name).await;
        let sight = world.sight();
        let clock = world.clock();
        let told = within(&*clock, PATIENCE, sight.changed());
        let ((), told) = tokio::join!(world.kill(name), told);
        told.expect("the end was not told");
        becomes(world, name, &Seen::Gone).await;
    }
}

async fn knows_as_many_as_bear_the_name(world: &dyn World) {
    let name = "masakari-test-two";
    world.start(name).await;
    is_there(world, name).await;
    world.start(name).await;
    is_there(world, name).await;
    world.kill(name).await;
    assert_eq!(look(world, name).await, Seen::Here, "the other one is there");
    world.kill(name).await;
    becomes(world, name, &Seen::Gone).await;
}

async fn does_not_take_our_commands_for_what_they_start<W: ProcessWorld>(world: &W) {
    let name = "masakari-test-started";
    let story = async {
        assert_eq!(look(world, name).await, Seen::Gone);
    };
    world.while_we_run(name, Box::pin(story)).await;
    world.start(name).await;
    is_there(world, name).await;
    world.kill(name).await;
}

async fn does_not_take_the_dead_for_living<W: ProcessWorld>(world: &W) {
    let name = "masakari-dead";
    world.dies_unasked_for(name).await;
    assert_eq!(look(world, name).await, Seen::Gone);
}

async fn looks_at_several_at_once(world: &dyn World) {
    let names = ["masakari-test-a", "masakari-test-b"].map(str::to_owned);
    world.start(&names[0]).await;
    world.start(&names[1]).await;
    is_there(world, &names[0]).await;
    is_there(world, &names[1]).await;
    let sight = world.sight();
    assert_eq!(sight.look(&names).await, [Seen::Here, Seen::Here]);
    world.kill(&names[1]).await;
    let clock = world.clock();
    let told = within(&*clock, PATIENCE, async {
        while sight.look(&names).await != [Seen::Here, Seen::Gone] {
            sight.changed().await;
        }
    });
    told.await.expect("that one of two has ended was not told");
    world.kill(&names[0]).await;
    becomes(world, &names[0], &Seen::Gone).await;
}

async fn knows_what_a_person_stopped<W: UnitWorld>(world: &W) {
    assert_eq!(look(world, PLAIN).await, Seen::Stopped, "it was never started");
    world.start(PLAIN).await;
    becomes(world, PLAIN, &Seen::Here).await;
    world.stop(PLAIN).await;
    becomes(world, PLAIN, &Seen::Stopped).await;
}

async fn knows_what_a_person_stopped_although_it_failed<W: UnitWorld>(world: &W) {
    world.start(STUBBORN).await;
    becomes(world, STUBBORN, &Seen::Here).await;
    let stops = async {
        // While somebody listens, as the monitor does.
        let sight = world.sight();
        let mut seen = look(world, STUBBORN).await;
        while matches!(seen, Seen::Here | Seen::Busy) {
            sight.changed().await;
            seen = look(world, STUBBORN).await;
        }
        seen
    };
    let ((), seen) = tokio::join!(world.stop(STUBBORN), stops);
    assert_eq!(seen, Seen::Stopped);
    world.start(STUBBORN).await;
    becomes(world, STUBBORN, &Seen::Here).await;
    world.kill(STUBBORN).await;
    becomes(world, STUBBORN, &Seen::Gone).await;
}

async fn leaves_to_systemd_what_it_restarts<W: UnitWorld>(world: &W) {
    world.start(AGAIN).await;
    becomes(world, AGAIN, &Seen::Here).await;
    world.kill(AGAIN).await;
    becomes(world, AGAIN, &Seen::Busy).await;
    becomes(world, AGAIN, &Seen::Here).await;
    world.stop(AGAIN).await;
}

async fn knows_what_systemd_starts_no_more<W: UnitWorld>(world: &W) {
    world.start(TWICE).await;
    becomes(world, TWICE, &Seen::Here).await;
    world.kill(TWICE).await;
    becomes(world, TWICE, &Seen::Busy).await;
    becomes(world, TWICE, &Seen::Here).await;
    world.kill(TWICE).await;
    becomes(world, TWICE, &Seen::Refused).await;
}

async fn says_which_unit_there_is_not<W: UnitWorld>(world: &W) {
    world.start(PLAIN).await;
    let names = ["absent.service", PLAIN, "not a unit"].map(str::to_owned);
    let seen = world.sight().look(&names).await;
    assert!(matches!(&seen[0], Seen::Unknown(why) if why.contains("absent.service")), "{seen:?}");
    assert!(matches!(&seen[2], Seen::Unknown(_)), "{seen:?}");
    assert_eq!(seen[1], Seen::Here, "the others are seen all the same");
}

async fn hears_on_when_systemd_was_executed_anew<W: UnitWorld>(world: &W) {
    world.start(PLAIN).await;
    becomes(world, PLAIN, &Seen::Here).await;
    world.reexecute().await;
    is_there(world, PLAIN).await;
    world.kill(PLAIN).await;
    becomes(world, PLAIN, &Seen::Gone).await;
}
