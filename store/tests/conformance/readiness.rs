//! What the last look at each host's fence devices came to.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    HostId,
    readiness::{Check, Readiness, Rung},
};

pub(crate) fn check(n: u32, found: Result<Vec<Rung>, String>) -> Check {
    Check { since: NOW, ..Check::of(HostId::new(uuid(n)), found, None, seconds_later(5)) }
}

fn rung(said: &str, is_fault: bool) -> Rung {
    Rung { device: "bmc (redfish)".into(), could_prove: !is_fault, is_fault, said: said.into() }
}

pub(crate) async fn the_last_look_at_each_hosts_devices_is_kept(doors: &Doors) {
    assert_eq!(doors.a.fence_checks().await.unwrap(), []);
    let first = check(1, Ok(vec![rung("on", false)]));
    let none = check(2, Err("it has no ladder – ☠".into()));
    for kept in [&first, &none] {
        doors.a.keep_fence_check(kept).await.unwrap();
    }
    assert_eq!(doors.b.fence_checks().await.unwrap(), [first, none.clone()]);
    let second = check(1, Ok(vec![rung("on", false), rung("no answer: 'x'", true)]));
    assert_eq!(second.readiness, Readiness::Impaired);
    doors.b.keep_fence_check(&second).await.unwrap();
    assert_eq!(doors.a.fence_checks().await.unwrap(), [second, none]);
}
