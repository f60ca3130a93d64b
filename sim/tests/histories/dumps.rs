//! A host whose kernel has crashed says that it writes a dump: it is left its power until that is over, for a while, and what
//! it says proves nothing.

use crate::{
    crash_points::{Word, scene},
    fences::Fence,
    scene::{Scene, undisturbed},
    tale::{self, Stage, Told},
};
use async_trait::async_trait;
use ports::{Ear, Ears};
use recovery::{HostName, Millis, fencing::FenceEntry, log::Entry, nouns::NotificationStatus};
use sim::Bmc;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// From where it is said.
const FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// What `fence_kdump_send` sends, and how often.
const MESSAGE: [u8; 8] = [0x40, 0x2A, 0x30, 0x1B, 1, 0, 0, 0];
const EVERY_MS: u64 = 10_000;

/// When it says so first, after its death, how long, and how long that is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dumps {
    pub(crate) after_ms: u64,
    pub(crate) for_ms: u64,
    pub(crate) wait_s: u64,
}

impl Dumps {
    /// In the file of fence devices.
    pub(crate) fn configured(self, host: &HostName) -> String {
        let wait_s = self.wait_s;
        format!("kdump: {{wait: {wait_s}s}}\nhosts:\n  {host}: {{kdump_from: [{FROM}]}}\n")
    }
}

/// What arrives at the engines.
#[derive(Clone)]
pub(crate) struct Messages(pub(crate) Stage);

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Messages")
    }
}

#[async_trait]
impl Ears for Messages {
    async fn at(&self, _: SocketAddr) -> io::Result<Box<dyn Ear>> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Ear for Messages {
    async fn next(&self) -> io::Result<(IpAddr, Vec<u8>)> {
        let Self(stage) = self;
        let Some(dumps) = stage.scene.fence.as_ref().and_then(|fence| fence.dumps) else {
            return std::future::pending().await;
        };
        let now = stage.clock.wall().since(stage.began).unsigned_abs();
        let first = stage.scene.dies_at_ms + dumps.after_ms;
        // The next of the moments at which it sends.
        let sent = (now + 1).saturating_sub(first).div_ceil(EVERY_MS);
        let next = first + sent * EVERY_MS;
        if next > first + dumps.for_ms {
            return std::future::pending().await;
        }
        stage.clock.sleep(Duration::from_millis(next - now)).await;
        Ok((FROM.into(), MESSAGE.to_vec()))
    }
}

fn told(bmc: Bmc, dumps: Dumps) -> Stage {
    let fence = Fence { bmc, dumps: Some(dumps), ..Fence::default() };
    let scene = Scene { fence: Some(fence), ..scene(Word::Monitor, vec![undisturbed()]) };
    let Told { stage, outcome } = tale::tell(scene);
    assert_eq!(outcome, Ok(()), "{}", stage.story());
    stage
}

fn entries(stage: &Stage) -> Vec<(Millis, Entry)> {
    let report = &stage.memory.all_notifications()[0];
    stage.memory.lines(&report.uuid).into_iter().map(|line| (line.at, line.entry)).collect()
}

fn is_told_to_write(entry: &Entry) -> bool {
    matches!(entry, Entry::Held { why, .. } if why.contains("says that it writes a crash dump"))
}

#[test]
fn it_is_switched_off_when_its_dump_is_over_and_recovered_then() {
    let stage = told(Bmc::Honest, Dumps { after_ms: 5_000, for_ms: 120_000, wait_s: 600 });
    let last_said = stage.began.plus(stage.scene.dies_at_ms.cast_signed() + 125_000);
    let orders = stage.bmcs.orders();
    assert_eq!(orders.len(), 1, "{}", stage.story());
    let after = orders[0].at.since(last_said);
    assert!((30_000..35_000).contains(&after), "{after} ms\n{}", stage.story());
    assert_eq!(entries(&stage).iter().filter(|(_, entry)| is_told_to_write(entry)).count(), 1);
    let calls = stage.world.evacuate_calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.at > orders[0].at));
}

#[test]
fn one_that_never_ends_is_switched_off_when_its_time_is_over() {
    let stage = told(Bmc::Honest, Dumps { after_ms: 5_000, for_ms: 3_600_000, wait_s: 120 });
    let claimed = |(_, entry): &&(Millis, Entry)| matches!(entry, Entry::Claimed { .. });
    let began = entries(&stage).iter().find(claimed).unwrap().0;
    let orders = stage.bmcs.orders();
    assert_eq!(orders.len(), 1, "{}", stage.story());
    let after = orders[0].at.since(began);
    assert!((120_000..125_000).contains(&after), "{after} ms\n{}", stage.story());
}

#[test]
fn what_it_says_proves_nothing() {
    let stage = told(Bmc::Dead, Dumps { after_ms: 5_000, for_ms: 3_600_000, wait_s: 120 });
    assert!(stage.world.evacuate_calls().is_empty() && stage.world.forced_downs().is_empty());
    let report = &stage.memory.all_notifications()[0];
    assert_eq!(report.status, NotificationStatus::Failed);
    let climbed = |(_, e): &(Millis, Entry)| matches!(e, Entry::Fence(FenceEntry::Failed { .. }));
    assert!(entries(&stage).iter().any(climbed), "{}", stage.story());
}

/// The first message comes while the device is asked which machine it controls.
#[test]
fn one_that_says_so_while_its_ladder_is_climbed_is_not_switched_off_before_it_has_ended() {
    let slow = Bmc::Slow { ms: 12_000 };
    let begun = |(_, e): &(Millis, Entry)| matches!(e, Entry::Fence(FenceEntry::Begun { .. }));
    let undisturbed = told(slow, Dumps { after_ms: 3_600_000, for_ms: 0, wait_s: 600 });
    let first = entries(&undisturbed).into_iter().find(begun).unwrap().0;
    let after_ms = first.since(undisturbed.began).unsigned_abs() + 5_000;
    let after_ms = after_ms - undisturbed.scene.dies_at_ms;
    let stage = told(slow, Dumps { after_ms, for_ms: 60_000, wait_s: 600 });
    let last_said = stage.scene.dies_at_ms + after_ms + 60_000;
    let last_said = stage.began.plus(last_said.cast_signed());
    let orders = stage.bmcs.orders();
    assert_eq!(orders.len(), 1, "{}", stage.story());
    assert!(orders[0].at.since(last_said) >= 30_000, "{}", stage.story());
}
