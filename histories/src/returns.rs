//! The way back: lost hosts boot, are heard, and return to service with nobody typing; some are lost again, some
//! were taken out of service by a person.
//!
//! At every step: nothing of a host is undone while a recovery of it runs, and its service is not enabled before the
//! copies of what was evacuated are destroyed.

use crate::{person::a_person_asks, scene::Scene, tale::Stage};
use recovery::{
    HostName, NotificationId,
    fold::Fold,
    log::Entry,
    request::{Asked, Request, RequestState},
    returns::{Act, Event, Rules, State, log_of},
};
use serde_json::json;
use store::{HostUpdate, Store};

/// What happens to the first host after it has died.
#[derive(Clone, Debug)]
pub struct Back {
    pub rules: Rules,
    /// Each at its time after the beginning.
    pub turns: Vec<(u64, Turn)>,
    pub end: End,
}

#[derive(Clone, Copy, Debug)]
pub enum Turn {
    Boots,
    /// It dies, and is reported at once, and confirmed dead.
    Dies,
    /// Its monitor errs: it is reported, and lives.
    Reported,
    /// A person disables its service for a reason of their own.
    Disabled,
    /// A person sets its maintenance by the API.
    Maintenance(bool),
    /// `masakari return`, with `--power-on` or without.
    Wanted {
        power_on: bool,
    },
}

/// Where it is at the end.
#[derive(Clone, Copy, Debug)]
pub enum End {
    InService,
    InReserve,
    /// In service as far as we are concerned; its service keeps a person's reason.
    DisabledBy(&'static str),
    /// Away, with these words.
    Waits(&'static str),
    /// Wherever it came to.
    Anywhere,
}

/// Why a person disables it.
pub const REASON: &str = "Ann repairs it";

pub fn last_turn_ms(scene: &Scene) -> u64 {
    let turns = scene.back.iter().flat_map(|back| &back.turns);
    turns.map(|(at_ms, _)| *at_ms + 30_000).max().unwrap_or(0)
}

pub async fn happens(stage: &Stage) {
    let Some(back) = &stage.scene.back else { return };
    let host = stage.host(0);
    for (n, (at_ms, turn)) in back.turns.iter().enumerate() {
        stage.at(*at_ms).await;
        match turn {
            Turn::Boots => stage.world.revive_host(&host),
            Turn::Dies => {
                stage.world.kill_host(&host);
                stage.report_again(&host, n).await;
                let (host, reason) = (host.clone(), "again".into());
                file(stage, n, Asked::ConfirmDead { host, reason, at: None }).await;
            }
            Turn::Reported => stage.report_again(&host, n).await,
            Turn::Disabled => {
                let service = stage.world.service(&host).unwrap().id;
                let path = format!("/compute/v2.1/os-services/{service}");
                let body = json!({ "status": "disabled", "disabled_reason": REASON });
                a_person_asks(&stage.world, "PUT", &path, &body);
            }
            Turn::Maintenance(on) => said(stage, &host, *on).await,
            Turn::Wanted { power_on } => {
                let host = host.clone();
                file(stage, n, Asked::Return { host, reason: None, power_on: *power_on }).await;
            }
        }
    }
}

async fn said(stage: &Stage, host: &HostName, on_maintenance: bool) {
    let uuid = stage.memory.host_named(host).await.unwrap().unwrap().uuid;
    let change = HostUpdate {
        name: None,
        kind: None,
        control_attributes: None,
        reserved: None,
        on_maintenance: Some(on_maintenance),
        now: stage.clock.wall(),
    };
    stage.memory.update_host(&uuid, change).await.unwrap();
}

async fn file(stage: &Stage, n: usize, asked: Asked) {
    let now = stage.clock.wall();
    let request = Request {
        id: format!("turn-{n}"),
        asked,
        who: "operator".into(),
        created_at: now,
        deadline: now.plus(60_000),
        state: RequestState::Open,
        answer: None,
    };
    stage.memory.file_request(&request).await.unwrap();
}

/// The log of the first host.
pub fn log(stage: &Stage) -> NotificationId {
    log_of(&recovery::HostId::new(format!("id-{}", stage.host(0))))
}

/// Why a host that is away does not come back, as its log says.
pub fn waits_for(stage: &Stage, host: &HostName) -> String {
    let log = log_of(&recovery::HostId::new(format!("id-{host}")));
    let state = State::fold(&stage.memory.lines(&log)).unwrap();
    recovery::returns::standing(&state).why
}

fn state(stage: &Stage) -> State {
    State::fold(&stage.memory.lines(&log(stage))).unwrap()
}

/// Whether nothing more is to come.
pub async fn over(stage: &Stage) -> bool {
    match &stage.scene.back {
        None => true,
        Some(back) => is_there(stage, back.end).await.is_ok(),
    }
}

async fn is_there(stage: &Stage, end: End) -> Result<(), String> {
    let host = stage.host(0);
    let row = stage.memory.host_named(&host).await.unwrap().unwrap();
    let service = stage.world.service(&host).unwrap();
    let (away, state) = (stage.memory.away(10).await.unwrap(), state(stage));
    let shown = (service.enabled, service.forced_down, row.on_maintenance, row.reserved);
    let reason = service.disabled_reason.unwrap_or_default();
    let wanted = match end {
        End::InService => away.is_empty() && shown == (true, false, false, false),
        End::InReserve => {
            let kept = shown == (false, false, false, true) && reason.starts_with("reserved (");
            away.is_empty() && kept
        }
        End::DisabledBy(why) => {
            away.is_empty() && shown == (false, false, false, false) && reason == why
        }
        End::Anywhere => true,
        End::Waits(words) => {
            let waits = state.why.as_ref().is_some_and(|why| why.contains(words));
            !away.is_empty() && !service.enabled && waits
        }
    };
    match wanted {
        true => Ok(()),
        false => Err(format!("{host} is not {end:?}: {shown:?} '{reason}' {away:?} {state:?}")),
    }
}

pub async fn at_the_end(stage: &Stage) -> Result<(), String> {
    let Some(back) = &stage.scene.back else { return Ok(()) };
    is_there(stage, back.end).await
}

pub fn at_every_step(stage: &Stage) -> Result<(), String> {
    let Some(_) = &stage.scene.back else { return Ok(()) };
    let lines = stage.memory.lines(&log(stage));
    let host = stage.host(0);
    for line in &lines {
        let Entry::Return(Event::Intended { act }) = &line.entry else { continue };
        let reports = stage.memory.all_notifications().into_iter();
        let id = recovery::HostId::new(format!("id-{host}"));
        for notification in reports.filter(|report| report.source_host == id) {
            let of_it = stage.memory.lines(&notification.uuid);
            let runs = of_it.first().is_some_and(|first| first.at < line.at)
                && of_it
                    .iter()
                    .rfind(|l| matches!(l.entry, Entry::Ended { .. }))
                    .is_none_or(|end| end.at > line.at);
            if runs {
                return Err(format!("{act:?} of {host} while {} ran", notification.uuid));
            }
        }
        if *act == Act::Enable && stage.world.has_stale_copies(&host) {
            return Err(format!("{host} is enabled before its stale copies are gone"));
        }
    }
    Ok(())
}
