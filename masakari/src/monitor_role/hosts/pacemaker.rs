//! `monitoring_driver = default`: Pacemaker.

use super::Driver;
use anyhow::bail;

pub(super) const DRIVER: Driver = Driver {
    names: &["default", "pacemaker"],
    begin: |_| {
        bail!(
            "[host] monitoring_driver: Pacemaker is not watched by this version: use Python's masakari-hostmonitor"
        )
    },
};
