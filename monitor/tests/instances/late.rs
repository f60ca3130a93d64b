//! Reports that are late: each is looked at again, by what it claims.

use crate::{
    suite::{VM1, VM2, World},
    watch::Host,
};
use monitor::instances::event::What;

/// Both VMs run, and the API is away while `story` is told; not for as long as Python's monitors try.
async fn told_late(story: impl AsyncFnOnce(&Host)) -> Vec<String> {
    let host = Host::new();
    host.fake.start(VM1, true).await;
    host.fake.start(VM2, true).await;
    host.watched(async || {
        host.api.is_away(true);
        story(&host).await;
        assert_eq!(host.taken(), Vec::<String>::new());
        host.api.is_away(false);
        host.sleep(60).await;
    })
    .await;
    host.taken()
}

#[tokio::test(start_paused = true)]
async fn that_a_vm_was_halted_is_told_late_if_it_is_and_withdrawn_if_it_goes_on() {
    for (detail, name) in
        [(2, "SUSPENDED_IOERROR"), (3, "SUSPENDED_WATCHDOG"), (6, "SUSPENDED_API_ERROR")]
    {
        let taken = told_late(async |host| {
            for vm in [VM1, VM2] {
                host.fake.pause(vm).await;
                host.fake.says(vm, What::Lifecycle { kind: 3, detail });
            }
            host.sleep(20).await;
            host.fake.resume(VM1).await;
        });
        assert_eq!(taken.await, [format!("VM2 LIFECYCLE {name}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_happened_to_a_vm_is_told_late_if_it_runs_on_and_withdrawn_if_it_was_started_anew() {
    for (what, name) in [
        (What::Reboot, "REBOOT UNKNOWN"),
        (What::Watchdog { action: 2 }, "WATCHDOG WATCHDOG_RESET"),
        (What::IoError { action: 2 }, "IO_ERROR IO_ERROR_REPORT"),
        (What::IoErrorReason, "IO_ERROR_REASON UNKNOWN"),
        (What::ControlError, "CONTROL_ERROR UNKNOWN"),
    ] {
        let taken = told_late(async |host| {
            host.fake.says(VM1, what);
            host.fake.says(VM2, what);
            host.sleep(20).await;
            host.fake.destroy(VM1).await;
            host.fake.start(VM1, true).await;
            // That it was stopped is late, too.
            host.sleep(20).await;
        });
        assert_eq!(taken.await, [format!("VM2 {name}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_happened_to_a_vm_that_does_not_run_any_more_is_withdrawn() {
    let taken = told_late(async |host| {
        host.fake.says(VM1, What::IoError { action: 2 });
        host.sleep(20).await;
        host.fake.destroy(VM1).await;
    });
    assert_eq!(taken.await, ["VM1 LIFECYCLE STOPPED_DESTROYED"]);
}
