//! A storage in memory that is told how to misbehave.

use super::*;
use ports::{ExecError, Finished, SystemClock};
use std::sync::Mutex;

const LIMIT: Duration = Duration::from_secs(1);

/// Its list, and how many of the addresses it takes in.
#[derive(Default, Debug)]
struct Cluster {
    list: Mutex<String>,
    heard: Mutex<Vec<String>>,
}

#[async_trait]
impl Exec for Cluster {
    async fn run(&self, program: Program, _deadline: Duration) -> Result<Finished, ExecError> {
        let words: Vec<String> =
            program.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let line = words.join(" ");
        let stdout = if line == "ls" { self.list.lock().unwrap().clone() } else { String::new() };
        self.heard.lock().unwrap().push(line);
        Ok(Finished { code: Some(0), stdout: stdout.into_bytes(), stderr: Vec::new() })
    }
}

fn storage(cluster: &Arc<Cluster>, listing: &str) -> Storage {
    let text = format!(
        "devices:\n  s:\n    kind: storage\n    block: [/usr/bin/ceph, add, \"{{address}}:0/0\", \"{{expiry_s}}\"]\n    \
         list: [/usr/bin/ceph, ls]\n    unblock: [/usr/bin/ceph, rm, \"{{address}}\"]\n    \
         listing: {listing}\n    expiry: 1h\n"
    );
    let file = crate::FencingFile::parse(std::path::Path::new("f"), &text).unwrap();
    let crate::file::Settings::Storage(settings) = file.devices["s"].settings.clone() else {
        panic!("no storage")
    };
    let addresses = vec!["192.0.2.1".to_owned(), "2001:db8::1".to_owned()];
    let values = Values::of_host("compute01").unwrap();
    Storage::new(cluster.clone(), Arc::new(SystemClock), settings, values, addresses).unwrap()
}

fn second(from_now: i64) -> i64 {
    SystemClock.wall().0 / 1000 + from_now
}

#[tokio::test]
async fn every_address_is_shut_out_and_only_a_list_that_has_all_of_them_counts() {
    let cluster = Arc::new(Cluster::default());
    let mut storage = storage(&cluster, "lines");
    storage.off(LIMIT).await.unwrap();
    let heard = cluster.heard.lock().unwrap().clone();
    assert_eq!(heard, ["add 192.0.2.1:0/0 3600", "add [2001:db8::1]:0/0 3600"]);
    for (list, power) in [
        (String::new(), Power::On),
        ("192.0.2.1 never\n".to_owned(), Power::On),
        ("192.0.2.1 never\n2001:db8:0::1 never\n".to_owned(), Power::Off),
        (format!("192.0.2.1 never\n2001:db8::1 {}\n", second(3_590)), Power::Off),
        (format!("192.0.2.1 never\n2001:db8::1 {}\n", second(60)), Power::On),
    ] {
        list.clone_into(&mut cluster.list.lock().unwrap());
        assert_eq!(storage.look(LIMIT).await, Ok(power), "{list}");
    }
    "192.0.2.1 soon".clone_into(&mut cluster.list.lock().unwrap());
    assert!(matches!(storage.look(LIMIT).await, Err(Failure::Garbled(_))));
}

#[tokio::test]
async fn cephs_list_counts_for_whole_addresses_only() {
    let cluster = Arc::new(Cluster::default());
    let mut storage = storage(&cluster, "ceph");
    let until = chrono::DateTime::from_timestamp(second(3_590), 0).unwrap();
    let until = until.format("%Y-%m-%dT%H:%M:%S%.6f+0000");
    let list = |first: &str| {
        format!(
            r#"[{{"addr":"{first}","until":"{until}"}},{{"addr":"[2001:db8::1]:0/0","until":"{until}"}}]"#
        )
    };
    *cluster.list.lock().unwrap() = list("192.0.2.1:0/0");
    assert_eq!(storage.look(LIMIT).await, Ok(Power::Off));
    *cluster.list.lock().unwrap() = list("192.0.2.1:6800/3141");
    assert_eq!(storage.look(LIMIT).await, Ok(Power::On), "that is one client of the host");
}

#[tokio::test]
async fn a_host_is_let_in_again_only_after_it_was_started_anew() {
    assert_eq!(StartedAnew::since(Millis(60_000), Millis(59_000)), None);
    assert_eq!(StartedAnew::since(Millis(60_000), Millis(65_000)), None, "clocks differ");
    let anew = StartedAnew::since(Millis(60_000), Millis(65_001)).unwrap();
    let cluster = Arc::new(Cluster::default());
    storage(&cluster, "lines").let_in(&anew, LIMIT).await.unwrap();
    let heard = ["rm 192.0.2.1", "rm 2001:db8::1", "ls"];
    assert_eq!(*cluster.heard.lock().unwrap(), heard);
    // However soon its entry ends.
    *cluster.list.lock().unwrap() = format!("2001:DB8:0::1 {}", second(1));
    let still = storage(&cluster, "lines").let_in(&anew, LIMIT).await.unwrap_err();
    assert_eq!(still, Failure::Refused("2001:db8::1 still stands in its list".into()));
}
