//! Which of a host's fence devices hold its power, and how it is given back: after a test, or before a return.
//!
//! Whether that may be is judged elsewhere (`recovery::drill`, `recovery::returns`); whoever asks holds the host's own
//! lease, so that no recovery takes the host for dead meanwhile.

use crate::{Engine, fencing::Fencing};
use fence::{build::rung, file::LadderOf, ladder::Means, power_on::switch_on};
use recovery::{
    HostName,
    evidence::{Sighting, Sign},
    nouns::Host,
};
use std::time::Duration;
use store::StoreError;

/// Longer than that nobody waits for a host to be switched on.
const SWITCHED_ON_WITHIN: Duration = Duration::from_secs(120);

const NO_FILE: &str = "this engine has no file of fence devices";

impl Engine {
    /// Whether a device of the host's ladder holds its power; or why none does.
    pub(crate) async fn power_of(&self, host: &HostName) -> Result<Result<(), String>, StoreError> {
        let row = self.ports.store.host_named(host).await?;
        let config = self.config();
        Ok(match &config.fencing {
            Some(fencing) => of_power(fencing, host, row.as_ref()).map(|_| ()),
            None => Err(NO_FILE.to_owned()),
        })
    }

    /// What each device came to: the last of them says that the host has power, or (an error) none does. `may` is
    /// asked before each order.
    pub(crate) async fn switch_on(
        &self,
        host: &HostName,
        may: impl Fn() -> Result<(), String>,
    ) -> Result<Result<Vec<String>, Vec<String>>, StoreError> {
        let row = self.ports.store.host_named(host).await?;
        let config = self.config();
        let Some(fencing) = &config.fencing else { return Ok(Err(vec![NO_FILE.to_owned()])) };
        let mut ladder = match of_power(fencing, host, row.as_ref()) {
            Ok(ladder) => ladder,
            Err(why) => return Ok(Err(vec![why])),
        };
        ladder.machine = self.machine_of(host, ladder.machine).await?;
        // Said before it is so: what proved it dead by its power proves nothing from here on.
        let (host, at) = (host.clone(), self.ports.clock.wall());
        let sighting = Sighting { host, at, what: Sign::PowerOn };
        self.ports.store.keep_sighting(&sighting).await?;
        let on = switch_on(&fencing.tools, &ladder, may);
        let on = ports::within(&*self.ports.clock, SWITCHED_ON_WITHIN, on).await;
        let late =
            || format!("nobody said within {} s that it is on", SWITCHED_ON_WITHIN.as_secs());
        Ok(on.map_or_else(|| Err(vec![late()]), fence::power_on::SwitchedOn::done))
    }

    /// Why nothing is done to a host that nobody asked for: a person has stopped everything, or works on it.
    pub(crate) fn hands_off(&self, host: &HostName) -> Option<String> {
        self.disarmed().or_else(|| self.planned_stop(host).map(|stop| stop.hold().why))
    }
}

/// The rungs of its ladder that have power to take away and to give back.
pub(crate) fn of_power<'f>(
    fencing: &'f Fencing,
    host: &HostName,
    row: Option<&Host>,
) -> Result<LadderOf<'f>, String> {
    let attributes = row.map(|row| row.control_attributes.as_str());
    let mut ladder =
        fencing.file.ladder_of(host.as_str(), attributes).map_err(|none| none.to_string())?;
    let values = ladder.values.clone();
    ladder.entries.retain(|entry| rung(entry, &values).means == Means::Power);
    match ladder.entries.is_empty() {
        true => Err("no device of its ladder can take its power and give it back: only those of the kinds redfish, \
                     ipmi and agent can"
            .into()),
        false => Ok(ladder),
    }
}
