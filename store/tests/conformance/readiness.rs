//! What the last look at each host's fence devices came to, which guest agents answer, and where hosts were seen alive.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    HostId, HostName, Millis, ServerId,
    evidence::{Sighting, Sign},
    identity::{Identified, Identity},
    readiness::{Check, Readiness, Rung},
    tiers::GuestHeard,
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

pub(crate) async fn of_each_guest_the_last_word_is_kept(doors: &Doors) {
    let [first, second] = ["compute01", "compute02"].map(HostName::new);
    let all: Vec<ServerId> = (0..1_001).map(|n| ServerId::new(uuid(n))).collect();
    assert_eq!(doors.a.guest(&all[0]).await.unwrap(), None);
    doors.a.guests_answer(&first, &all, NOW).await.unwrap();
    // The same once more, and one twice in it.
    let again = [all[0].clone(), all[1_000].clone(), all[0].clone()];
    doors.b.guests_answer(&second, &again, seconds_later(5)).await.unwrap();
    doors.b.guests_answer(&second, &[], seconds_later(9)).await.unwrap();
    let heard = |host: &HostName, at| Some(GuestHeard { host: host.clone(), at });
    assert_eq!(doors.a.guest(&all[1]).await.unwrap(), heard(&first, NOW));
    for server in &again {
        assert_eq!(doors.a.guest(server).await.unwrap(), heard(&second, seconds_later(5)));
    }
}

fn seen(host: &HostName, at: Millis, what: Sign) -> Sighting {
    Sighting { host: host.clone(), at, what }
}

pub(crate) async fn of_each_host_the_last_sign_of_life_of_each_kind_is_kept(doors: &Doors) {
    let [first, second] = ["compute01", "compute02"].map(HostName::new);
    assert_eq!(doors.a.sightings(&first).await.unwrap(), []);
    let saw = |host, s| seen(host, seconds_later(s), Sign::MonitorSaw);
    // The last was slow on its way.
    for sighting in [saw(&first, 0), saw(&second, 1), saw(&first, 2), saw(&first, 1)] {
        doors.a.keep_sighting(&sighting).await.unwrap();
    }
    assert_eq!(doors.b.sightings(&first).await.unwrap(), [saw(&first, 2)]);
    assert_eq!(doors.b.sightings(&second).await.unwrap(), [saw(&second, 1)]);
    // What a guest answers is one, too.
    doors.b.guests_answer(&first, &[], seconds_later(3)).await.unwrap();
    assert_eq!(doors.a.sightings(&first).await.unwrap().len(), 1, "nobody answered");
    doors.b.guests_answer(&first, &[ServerId::new(uuid(7))], seconds_later(4)).await.unwrap();
    doors.a.guests_answer(&first, &[ServerId::new(uuid(7))], seconds_later(3)).await.unwrap();
    let answers = seen(&first, seconds_later(4), Sign::GuestAnswers);
    assert_eq!(doors.a.sightings(&first).await.unwrap(), [answers, saw(&first, 2)]);
}

pub(crate) async fn of_each_host_its_agents_last_word_is_kept(doors: &Doors) {
    let [host, other] = ["compute01", "compute02"].map(HostName::new);
    let said = |boot: &str, uuid: Option<&str>| Identity {
        boot: boot.into(),
        uuid: uuid.map(Into::into),
        serial: Some("CZ – ☠".into()),
    };
    assert_eq!(doors.a.identified(&host).await.unwrap(), None);
    doors.a.identify(&host, &said("b1", Some("u")), NOW).await.unwrap();
    doors.b.identify(&host, &said("b1", None), seconds_later(5)).await.unwrap();
    let known =
        |boot, booted_by, at| Some(Identified { identity: said(boot, None), booted_by, at });
    assert_eq!(doors.a.identified(&host).await.unwrap(), known("b1", NOW, seconds_later(5)));
    doors.a.identify(&host, &said("b2", None), seconds_later(9)).await.unwrap();
    let rebooted = known("b2", seconds_later(9), seconds_later(9));
    assert_eq!(doors.b.identified(&host).await.unwrap(), rebooted);
    assert_eq!(doors.b.identified(&other).await.unwrap(), None);
}
