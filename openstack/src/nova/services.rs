//! Compute services, their heartbeats, and how not to take our own writes for one.
//!
//! Nova keeps the time of the last heartbeat (`last_seen_up`) to itself. What `os-services` shows is
//! `updated_at`, which moves with every heartbeat, also of a service that is forced down, and also when
//! anybody disables the service or forces it down. Without care, the first step of a recovery would
//! look like a sign of life of the dead host. So a time that is our own write is not a heartbeat: this
//! process remembers what Nova answered to its writes, and another one, after a crash, reads the time
//! that we put at the end of the reason for disabling.

use super::{Microversion, Nova, own_writes::OUR_CLOCK_MS};
use crate::{AskError, Asked, Repeat, moment};
use http::Method;
use recovery::{ForceDown, HostName, Millis, ServiceId, seen::ComputeService};
use serde::Deserialize;
use serde_json::{Value, json};

/// Nova takes no longer reason.
const REASON_CHARS_MAX: usize = 255;

/// The status of a service whose cell is down.
const UNKNOWN: &str = "UNKNOWN";

/// A row of `os-services`. Of a host whose cell is down there is only the name, and [`UNKNOWN`].
#[derive(Deserialize)]
struct Row {
    host: String,
    #[serde(default)]
    id: Option<String>,
    status: String,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    forced_down: Option<bool>,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    disabled_reason: Option<String>,
}

impl Nova {
    /// The compute service of `host`; `None` when Nova has none.
    pub async fn compute_service(
        &self,
        host: &HostName,
    ) -> Result<Option<ComputeService>, AskError> {
        let services =
            self.services(&[("binary", "nova-compute"), ("host", host.as_str())]).await?;
        Ok(services.into_iter().find(|service| service.host == *host))
    }

    /// All compute services. Fails when a cell is down: ask for single hosts then.
    pub async fn compute_services(&self) -> Result<Vec<ComputeService>, AskError> {
        self.services(&[("binary", "nova-compute")]).await
    }

    /// All compute services of which Nova tells, and of how many it does not, because their cell is down.
    pub async fn compute_services_told(&self) -> Result<(Vec<ComputeService>, u32), AskError> {
        let reply = self.get(&["os-services"], &[("binary", "nova-compute")]).await?;
        let ours = self.0.session.clock().wall();
        let (asked, novas) = (reply.asked.clone(), reply.date().unwrap_or(ours));
        let rows: Vec<Row> = reply.read_under("services")?;
        let (rows, untold): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| row.status != UNKNOWN);
        let told = rows.into_iter().map(|row| self.read_service(row, &asked, novas));
        Ok((told.collect::<Result<_, _>>()?, u32::try_from(untold.len()).unwrap_or(u32::MAX)))
    }

    async fn services(&self, query: &[(&str, &str)]) -> Result<Vec<ComputeService>, AskError> {
        let reply = self.get(&["os-services"], query).await?;
        let ours = self.0.session.clock().wall();
        let (asked, novas) = (reply.asked.clone(), reply.date());
        let rows: Vec<Row> = reply.read_under("services")?;
        rows.into_iter().map(|row| self.read_service(row, &asked, novas.unwrap_or(ours))).collect()
    }

    fn read_service(
        &self,
        row: Row,
        asked: &Asked,
        novas_now: Millis,
    ) -> Result<ComputeService, AskError> {
        let partial = |why| AskError::PartialAnswer { asked: Box::new(asked.clone()), why };
        let (Some(id), Some(state)) = (row.id, row.state) else {
            return Err(partial(format!("Nova's cell of host {} does not answer", row.host)));
        };
        let id = ServiceId::new(id);
        let (reason, stamp) = row.disabled_reason.as_deref().map_or((None, None), unstamp);
        let ours = self.0.session.clock().wall();
        let heartbeat = row.updated_at.as_deref().and_then(moment::read).filter(|&at| {
            let stamped = stamp.is_some_and(|stamp| at.since(stamp).abs() <= OUR_CLOCK_MS);
            !self.0.own_writes.may_be(&id, at) && !stamped
        });
        Ok(ComputeService {
            id,
            host: HostName::new(row.host),
            enabled: row.status == "enabled",
            disabled_reason: reason.map(ToOwned::to_owned),
            up: state == "up",
            forced_down: row.forced_down.unwrap_or(false),
            heartbeat_at: heartbeat.map(|at| ours.plus(-novas_now.since(at))),
        })
    }

    /// Keeps Nova from starting anything on the service's host.
    pub async fn disable_service(&self, id: &ServiceId, reason: &str) -> Result<(), AskError> {
        let now = self.by_novas_clock(self.0.session.clock().wall());
        let reason = stamped(reason, now);
        self.update_service(
            id,
            json!({ "status": "disabled", "disabled_reason": reason }),
            Repeat::IfNotArrived,
            |service| !service.enabled,
        )
        .await
    }

    pub async fn enable_service(&self, id: &ServiceId) -> Result<(), AskError> {
        self.update_service(id, json!({ "status": "enabled" }), Repeat::IfNotArrived, |service| {
            service.enabled
        })
        .await
    }

    /// Tells Nova that a host that is proven dead is down, whatever its heartbeat says. [At once](Nova::ready).
    pub async fn force_down(&self, permitted: &ForceDown) -> Result<(), AskError> {
        let body = json!({ "forced_down": true });
        let is_so = |service: &ComputeService| service.forced_down;
        self.update_service(permitted.service(), body, Repeat::AtOnce, is_so).await
    }

    /// Believes the heartbeat again. Nova refuses until the restarted nova-compute has taken note of
    /// the evacuations from its host.
    pub async fn unforce_down(&self, id: &ServiceId) -> Result<(), AskError> {
        let body = json!({ "forced_down": false });
        self.update_service(id, body, Repeat::IfNotArrived, |service| !service.forced_down).await
    }

    /// Nova refuses an update that would change nothing, by a 400 like any other; so after a 400 we look.
    async fn update_service(
        &self,
        id: &ServiceId,
        body: Value,
        repeat: Repeat,
        is_so: impl Fn(&ComputeService) -> bool,
    ) -> Result<(), AskError> {
        let (at, deadline) = (Microversion::SERVICES_BY_UUID, self.0.config.service_deadline);
        let path = ["os-services", id.as_str()];
        let sent_at = self.by_novas_clock(self.0.session.clock().wall());
        let write = self.0.own_writes.begin(id, sent_at);
        match self.change(Method::PUT, &path, body, at, (deadline, repeat)).await {
            Ok(reply) => {
                let written = reply.body.pointer("/service/updated_at").and_then(Value::as_str);
                if let Some(written) = written.and_then(moment::read) {
                    write.done(written);
                }
                Ok(())
            }
            Err(refused @ AskError::BadRequest { .. }) => {
                drop(write);
                let services = self.compute_services().await?;
                match services.iter().find(|service| service.id == *id) {
                    Some(service) if is_so(service) => Ok(()),
                    Some(_) | None => Err(refused),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// `reason (2026-11-21T08:08:18Z)`
fn stamped(reason: &str, now: Millis) -> String {
    let stamp = format!(" ({})", moment::write(now));
    let room = REASON_CHARS_MAX - stamp.len();
    reason.chars().take(room).chain(stamp.chars()).collect()
}

/// The reason as it was given, and the time that we put behind it.
fn unstamp(reason: &str) -> (Option<&str>, Option<Millis>) {
    let stamped = reason.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    match stamped.and_then(|(reason, stamp)| Some((reason, moment::read(stamp)?))) {
        Some((reason, at)) => (Some(reason), Some(at)),
        None => (Some(reason), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_back_with_its_time() {
        let text = stamped("host failed (again)", Millis(1_795_248_498_000));
        assert_eq!(text, "host failed (again) (2026-11-21T08:08:18Z)");
        let at = Some(Millis(1_795_248_498_000));
        assert_eq!(unstamp(&text), (Some("host failed (again)"), at));
        assert_eq!(unstamp("under repair (Bob)"), (Some("under repair (Bob)"), None));
    }

    #[test]
    fn a_long_reason_loses_its_end_and_not_its_time() {
        let text = stamped(&"ö".repeat(400), Millis(0));
        assert_eq!(text.chars().count(), 255);
        assert_eq!(unstamp(&text).1, Some(Millis(0)));
    }
}
