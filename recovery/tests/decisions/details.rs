//! `recovery_workflow_details`, against what Python Masakari answered (20.0.0, microversion 1.1).

use crate::words::{Log, arrived, id, planned, proven};
use recovery::{
    details,
    log::{Act, Entry},
    nouns::NotificationStatus,
    seen::VmState,
};
use serde_json::{Value, json};

/// As recorded; ids and times are left out.
const PYTHON: &str = r#"[
    {"name": "DisableComputeServiceTask", "progress": 1.0, "progress_details": [
        {"timestamp": "<time>", "progress": "0.0", "message": "Disabling compute service on host: 'compute01'"},
        {"timestamp": "<time>", "progress": "1.0", "message": "Disabled compute service on host: 'compute01'"}
    ], "state": "SUCCESS"},
    {"name": "PrepareHAEnabledInstancesTask", "progress": 1.0, "progress_details": [
        {"timestamp": "<time>", "progress": "0.0", "message": "Preparing instances for evacuation"},
        {"timestamp": "<time>", "progress": "0.3", "message": "Total instances running on failed host 'compute01' is 2"},
        {"timestamp": "<time>", "progress": "0.6", "message": "Total HA Enabled instances count: '0'"},
        {"timestamp": "<time>", "progress": "0.7", "message": "Total Non-HA Enabled instances count: '2'"},
        {"timestamp": "<time>", "progress": "0.8", "message": "All instances (HA Enabled/Non-HA Enabled) should be considered for evacuation. Total count is: '2'"},
        {"timestamp": "<time>", "progress": "1.0", "message": "Instances to be evacuated are: '<uuid>,<uuid>'"}
    ], "state": "SUCCESS"},
    {"name": "EvacuateInstancesTask", "progress": 1.0, "progress_details": [
        {"timestamp": "<time>", "progress": "0.0", "message": "Start evacuation of instances from failed host 'compute01', instance uuids are: '<uuid>,<uuid>'"},
        {"timestamp": "<time>", "progress": "0.5", "message": "Evacuation of instance started: '<uuid>'"},
        {"timestamp": "<time>", "progress": "0.5", "message": "Evacuation of instance started: '<uuid>'"},
        {"timestamp": "<time>", "progress": "0.7", "message": "Successfully evacuate instances '<uuid>,<uuid>' from host 'compute01'"},
        {"timestamp": "<time>", "progress": "1.0", "message": "Evacuation process completed!"}
    ], "state": "SUCCESS"}
]"#;

const VMS: [&str; 2] =
    ["a90693ba-7a47-4f9c-aaa1-e12194a5016b", "f745038e-dab0-4a4d-83c0-75b600d2ab7a"];

/// As the API shows it, without ids and times.
fn shown(log: &Log) -> Value {
    let plain =
        |text: &str| VMS.iter().fold(text.to_owned(), |text, id| text.replace(id, "<uuid>"));
    let tasks = details::details(&log.lines, &crate::words::host("compute01"));
    let tasks = tasks.iter().map(|task| {
        let messages = task.messages.iter().map(|m| {
            let progress = format!("{:?}", m.progress);
            json!({"timestamp": "<time>", "progress": progress, "message": plain(&m.text)})
        });
        json!({
            "name": task.name,
            "progress": task.progress,
            "progress_details": messages.collect::<Vec<_>>(),
            "state": task.state,
        })
    });
    Value::Array(tasks.collect())
}

fn begun() -> Log {
    Log::default()
        .says(0, Entry::Claimed { owner: "engine".into(), generation: 1 })
        .says(1, proven())
        .says(2, Entry::DisableIntended)
        .says(3, Entry::Disabled)
}

fn finished(log: Log) -> Log {
    log.says(9, Entry::Confirmed { on_host: 0 })
        .says(9, Entry::Ended { status: NotificationStatus::Finished, message: None })
}

#[test]
fn the_plain_case_reads_as_pythons() {
    let servers = VMS.map(id).to_vec();
    let log = begun()
        .plans(4, &VMS.map(planned))
        .says(5, Entry::Intended { act: Act::Evacuate, servers: servers.clone() })
        .says(6, Entry::Did { act: Act::Evacuate, servers })
        .says(7, arrived(VMS[0], VmState::Active))
        .says(7, arrived(VMS[1], VmState::Active))
        .did(8, Act::Settle, VMS[0])
        .did(8, Act::Settle, VMS[1]);
    let python: Value = serde_json::from_str(PYTHON).unwrap();
    assert_eq!(shown(&finished(log)), python);
}

#[test]
fn a_task_that_has_not_begun_is_not_shown_and_one_that_runs_says_so() {
    let states = |log: &Log| {
        let tasks = details::details(&log.lines, &crate::words::host("compute01"));
        tasks.iter().map(|t| t.state).collect::<Vec<_>>()
    };
    let claimed = Log::default().says(0, Entry::Claimed { owner: "e".into(), generation: 1 });
    assert!(states(&claimed).is_empty());
    assert_eq!(states(&claimed.says(1, proven())), ["RUNNING"]);
    let planned = begun().plans(4, &VMS.map(planned));
    assert_eq!(states(&planned), ["SUCCESS", "SUCCESS", "RUNNING"]);
    let message = Some("given up".to_owned());
    let failed = planned.says(5, Entry::Ended { status: NotificationStatus::Failed, message });
    assert_eq!(states(&failed), ["SUCCESS", "SUCCESS", "FAILURE"]);
}

#[test]
fn a_held_recovery_tells_why_and_a_host_without_servers_is_skipped() {
    let why = "Nova still takes it for alive".to_owned();
    let held = Log::default().says(0, Entry::Held { why, sighting: None, lack: None });
    let text = shown(&held).to_string();
    assert!(text.contains("Held: Nova still takes it for alive"), "{text}");
    let empty = shown(&finished(begun().plans(4, &[])));
    assert_eq!(empty.as_array().map(Vec::len), Some(2));
    assert!(empty.to_string().contains("Skipped host 'compute01' recovery as no instances"));
}

#[test]
fn when_it_is_over_no_task_runs() {
    let running = |log: Log| {
        let log = finished(log);
        let tasks = details::details(&log.lines, &crate::words::host("compute01"));
        tasks.iter().filter(|t| t.state == "RUNNING").map(|t| t.name.clone()).collect::<Vec<_>>()
    };
    let [first, second] = VMS;
    let beside = Log::default().says(1, proven()).says(2, Entry::DisableIntended);
    let beside = beside.plans(3, &[planned(first)]).says(4, Entry::Disabled).moves(5, first);
    assert!(running(beside).is_empty(), "planned beside disabling");
    let none: [&str; 0] = [];
    let more = begun().plans(4, &[planned(first)]).moves(5, first);
    let more = more.plans(6, &[planned(second)]).moves(7, second);
    assert_eq!(running(more), none, "planned a second time");
    let no_service = Log::default().says(1, proven()).plans(4, &[planned(first)]).moves(5, first);
    assert_eq!(running(no_service), none, "the host has no compute service to disable");
}
