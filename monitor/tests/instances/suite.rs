//! What every hypervisor is, the one in memory as well as the real libvirt: each case is told to a [`World`] in which
//! things are made to happen.

use async_trait::async_trait;
use monitor::instances::{
    AgentSaid, Connected, Domain, Event, Guest, Heard, Hypervisor, HypervisorError, Off,
    event::What,
};
use ports::{Clock, within};
use recovery::ServerId;
use std::{fmt::Debug, sync::Arc, time::Duration};

/// As long as anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// As long as a guest may take to boot, where its processor is emulated.
const BOOT: Duration = Duration::from_secs(240);
/// As long as an agent may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
const PING: &str = "guest-ping";

/// A host on which things happen. VMs are called by their UUIDs.
#[async_trait]
pub(crate) trait World: Send + Sync + Debug {
    fn hypervisor(&self) -> Arc<dyn Hypervisor>;
    /// The same for who asks agents, too.
    fn hypervisor_for_guests(&self) -> Arc<dyn Hypervisor>;
    fn clock(&self) -> Arc<dyn Clock>;
    async fn start(&self, vm: &str, is_persistent: bool);
    /// One with a system that boots, and an agent in it.
    async fn start_guest(&self, vm: &str);
    /// Its agent stands still.
    async fn hang_agent(&self, vm: &str);
    /// Its process is killed.
    async fn kill(&self, vm: &str);
    /// It is stopped on purpose.
    async fn destroy(&self, vm: &str);
    async fn pause(&self, vm: &str);
    async fn resume(&self, vm: &str);
    async fn reset(&self, vm: &str);
    async fn undefine(&self, vm: &str);
    async fn daemon_stops(&self);
    async fn daemon_starts(&self);
}

pub(crate) const VM1: &str = "11111111-2222-3333-4444-000000000001";
pub(crate) const VM2: &str = "11111111-2222-3333-4444-000000000002";

const STOPPED: i32 = 5;
const FAILED: What = What::Lifecycle { kind: STOPPED, detail: 5 };
const DESTROYED: What = What::Lifecycle { kind: STOPPED, detail: 1 };

/// Every case, each in a world of its own.
pub(crate) async fn all<W: World>(new: impl AsyncFn() -> W) {
    lists_what_is_there(&new().await).await;
    hears_a_vm_die(&new().await).await;
    hears_a_vm_stopped_on_purpose(&new().await).await;
    sees_who_stands_still(&new().await).await;
    hears_a_reset(&new().await).await;
    knows_when_the_daemon_goes_and_comes_back(&new().await).await;
    sees_who_died_while_the_daemon_was_away(&new().await).await;
    tells_which_agent_answers(&new().await).await;
}

async fn connected(world: &dyn World) -> Connected {
    world.hypervisor().connect().await.unwrap()
}

async fn domain(connected: &Connected, vm: &str) -> Option<Domain> {
    connected.link.domain(&ServerId::new(vm)).await.unwrap()
}

/// The next event of `vm` that is `what`; others pass by.
async fn hears(world: &dyn World, connected: &mut Connected, vm: &str, what: What) -> Event {
    let clock = world.clock();
    let heard = within(&*clock, PATIENCE, async {
        loop {
            match connected.heard.recv().await.expect("the connection is over") {
                Heard::Event(event) if event.server.as_str() == vm && event.what == what => {
                    return event;
                }
                Heard::Event(_) => {}
                Heard::Closed(why) => panic!("closed: {why}"),
            }
        }
    });
    heard.await.unwrap_or_else(|| panic!("{what:?} of {vm} was not heard"))
}

async fn lists_what_is_there(world: &dyn World) {
    world.start(VM1, true).await;
    world.start(VM2, false).await;
    let connected = connected(world).await;
    let mut domains = connected.link.domains().await.unwrap();
    domains.sort_by(|a, b| a.server.cmp(&b.server));
    let told: Vec<_> = domains
        .iter()
        .map(|d| (d.server.as_str(), d.run.is_some(), d.is_persistent, d.off))
        .collect();
    assert_eq!(told, [(VM1, true, true, None), (VM2, true, false, None)]);
    assert_eq!(domain(&connected, VM1).await.as_ref(), Some(&domains[0]));
    assert_eq!(domain(&connected, "11111111-2222-3333-4444-00000000dead").await, None);
}

async fn hears_a_vm_die(world: &dyn World) {
    world.start(VM1, true).await;
    world.start(VM2, false).await;
    let mut connected = connected(world).await;
    world.kill(VM1).await;
    hears(world, &mut connected, VM1, FAILED).await;
    let dead = domain(&connected, VM1).await.unwrap();
    assert_eq!((dead.run, dead.off), (None, Some(Off::Crashed)));
    world.kill(VM2).await;
    hears(world, &mut connected, VM2, FAILED).await;
    assert_eq!(domain(&connected, VM2).await, None);
}

async fn hears_a_vm_stopped_on_purpose(world: &dyn World) {
    world.start(VM1, true).await;
    let mut connected = connected(world).await;
    world.destroy(VM1).await;
    hears(world, &mut connected, VM1, DESTROYED).await;
    let off = domain(&connected, VM1).await.unwrap();
    assert_eq!((off.run, off.off), (None, Some(Off::Destroyed)));
    world.undefine(VM1).await;
    assert_eq!(domain(&connected, VM1).await, None);
}

async fn sees_who_stands_still(world: &dyn World) {
    world.start(VM1, true).await;
    let connected = connected(world).await;
    assert!(!domain(&connected, VM1).await.unwrap().is_paused);
    world.pause(VM1).await;
    assert!(domain(&connected, VM1).await.unwrap().is_paused);
    world.resume(VM1).await;
    assert!(!domain(&connected, VM1).await.unwrap().is_paused);
}

async fn hears_a_reset(world: &dyn World) {
    world.start(VM1, true).await;
    let mut connected = connected(world).await;
    let run = domain(&connected, VM1).await.unwrap().run;
    world.reset(VM1).await;
    let event = hears(world, &mut connected, VM1, What::Reboot).await;
    assert_eq!(event.run, run, "it is the same run");
    assert_eq!(domain(&connected, VM1).await.unwrap().run, run);
}

async fn closes(world: &dyn World, connected: &mut Connected) {
    let clock = world.clock();
    let closed = within(&*clock, PATIENCE, async {
        loop {
            match connected.heard.recv().await {
                Some(Heard::Event(_)) => {}
                Some(Heard::Closed(_)) | None => return,
            }
        }
    });
    closed.await.expect("the end of the connection was not heard");
}

async fn knows_when_the_daemon_goes_and_comes_back(world: &dyn World) {
    world.start(VM1, true).await;
    let mut first = connected(world).await;
    let run = domain(&first, VM1).await.unwrap().run;
    world.daemon_stops().await;
    closes(world, &mut first).await;
    let asked = first.link.domain(&ServerId::new(VM1)).await;
    assert!(asked.is_err(), "a connection that is over tells nothing: {asked:?}");
    let refused = world.hypervisor().connect().await;
    assert!(matches!(refused, Err(HypervisorError::NoConnection { .. })), "{refused:?}");
    world.daemon_starts().await;
    let mut second = connected(world).await;
    assert_eq!(domain(&second, VM1).await.unwrap().run, run, "it is the same run");
    // libvirtd makes no event of one that dies before it has found it again (qemuProcessReconnect); what it does to one waits for that.
    world.pause(VM1).await;
    world.resume(VM1).await;
    world.kill(VM1).await;
    hears(world, &mut second, VM1, FAILED).await;
}

async fn sees_who_died_while_the_daemon_was_away(world: &dyn World) {
    world.start(VM1, true).await;
    world.start(VM2, false).await;
    let mut first = connected(world).await;
    world.daemon_stops().await;
    closes(world, &mut first).await;
    world.kill(VM1).await;
    world.kill(VM2).await;
    world.daemon_starts().await;
    let second = connected(world).await;
    let clock = world.clock();
    let settled = within(&*clock, PATIENCE, async {
        // A daemon that has just come back may still look for its VMs.
        while domain(&second, VM1).await.is_some_and(|d| d.run.is_some())
            || domain(&second, VM2).await.is_some()
        {
            world.clock().sleep(Duration::from_millis(100)).await;
        }
    });
    settled.await.expect("the daemon takes the dead for running");
    let dead = domain(&second, VM1).await.unwrap();
    assert_eq!(dead.off, Some(Off::Crashed));
    drop(second);
    world.daemon_stops().await;
    world.daemon_starts().await;
    let third = connected(world).await;
    // A daemon forgets why when it is begun anew.
    assert_eq!(domain(&third, VM1).await.unwrap().off, Some(Off::Unknown));
}

async fn guest(connected: &Connected, vm: &str) -> Guest {
    connected.link.guest(&ServerId::new(vm)).await.unwrap().unwrap()
}

async fn asked(connected: &Connected, vm: &str, command: &str) -> AgentSaid {
    connected.link.ask_agent(&ServerId::new(vm), command, ANSWER).await.unwrap()
}

/// Asks until the agent of VM1 says what `is_awaited`.
async fn says(world: &dyn World, connected: &Connected, is_awaited: impl Fn(&AgentSaid) -> bool) {
    let clock = world.clock();
    let said = within(&*clock, BOOT, async {
        while !is_awaited(&asked(connected, VM1, PING).await) {
            world.clock().sleep(Duration::from_millis(300)).await;
        }
    });
    said.await.expect("the agent never says it");
}

async fn tells_which_agent_answers(world: &dyn World) {
    world.start_guest(VM1).await;
    world.start(VM2, true).await;
    let connected = &world.hypervisor_for_guests().connect().await.unwrap();

    let without = guest(connected, VM2).await;
    assert_eq!((without.is_running, without.is_busy), (true, false));
    assert_eq!(without.channels, [], "it has no channel");
    let said = asked(connected, VM2, PING).await;
    assert!(matches!(said, AgentSaid::Unknown(_)), "nobody to be missed: {said:?}");
    let nobody = ServerId::new("11111111-2222-3333-4444-00000000dead");
    assert_eq!(connected.link.guest(&nobody).await.unwrap(), None);

    // It is silent while it boots; then it answers.
    says(world, connected, |said| *said == AgentSaid::Answered).await;
    let with = guest(connected, VM1).await;
    assert_eq!((with.run, with.is_running), (domain(connected, VM1).await.unwrap().run, true));
    let open: Vec<_> = with.channels.iter().map(|channel| channel.is_open).collect();
    assert_eq!(open, [Some(true)]);
    assert_eq!(asked(connected, VM1, "guest-get-time").await, AgentSaid::Answered);
    let said = asked(connected, VM1, "guest-sing").await;
    assert!(matches!(said, AgentSaid::Refused(_)), "{said:?}");

    world.pause(VM1).await;
    assert!(!guest(connected, VM1).await.is_running);
    let said = asked(connected, VM1, PING).await;
    assert!(matches!(said, AgentSaid::Unknown(_)), "a paused VM tells nothing: {said:?}");
    world.resume(VM1).await;

    world.hang_agent(VM1).await;
    says(world, connected, |said| matches!(said, AgentSaid::Silent(_))).await;
    let channels = guest(connected, VM1).await.channels;
    assert_eq!(channels[0].is_open, Some(true), "it hangs with its channel open");
}
