//! A cluster of 500: what is kept of an answer, and how long it takes to digest (`--ignored --nocapture`, best with `--release`).

use monitor::hosts::{
    consul::members::Members,
    kubernetes::{
        node::{Event, page},
        nodes::{Change, Nodes, NotReady, Now},
    },
};
use ports::{Boot, Clock, SystemClock};
use recovery::Millis;
use serde_json::{Value, json};

const COUNT: usize = 500;
const NOW: Now = Now { wall: Millis(1_795_240_800_000), boot: Boot(5_000) };

/// As a kubelet of a busy host writes it: some 20 kB, most of it images and who wrote which field.
fn node(number: usize) -> Value {
    let digest = "sha256:4f1c7a5bd9f2b1a0e8d6c3b2a19f8e7d6c5b4a392817161514131211100f0e0d";
    let image = |n: usize| {
        json!({ "names": [format!("registry.example.org/openstack/service-{n}@{digest}"),
            format!("registry.example.org/openstack/service-{n}:2025.2-ubuntu")], "sizeBytes": 734_003_200 + n })
    };
    let field = |n: usize| {
        (format!("f:field-{n}"), json!({ ".": {}, "f:value": {}, "f:lastTransitionTime": {} }))
    };
    let wrote = json!({ "manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-11-23T02:07:55Z",
        "fieldsType": "FieldsV1", "fieldsV1": (0..60).map(field).collect::<serde_json::Map<_, _>>() });
    let condition = |kind: &str, status: &str| {
        json!({ "type": kind, "status": status, "lastHeartbeatTime": "2026-11-23T02:07:55Z",
            "lastTransitionTime": "2026-11-20T02:07:55Z", "reason": "KubeletReady", "message": "kubelet is posting ready status" })
    };
    let labels: serde_json::Map<_, _> =
        (0..25).map(|n| (format!("example.org/label-{n}"), json!("enabled"))).collect();
    json!({
        "metadata": { "name": format!("cmp{number:03}.example.org"), "resourceVersion": "1234567", "labels": labels,
            "uid": "3a848b11-f614-4cf1-806b-4208dd147ed6", "managedFields": [wrote, wrote] },
        "spec": { "podCIDR": "10.244.1.0/24", "providerID": "metal3://x" },
        "status": {
            "conditions": [condition("MemoryPressure", "False"), condition("DiskPressure", "False"),
                condition("PIDPressure", "False"), condition("Ready", "True")],
            "images": (0..50).map(image).collect::<Vec<_>>(),
            "capacity": { "cpu": "128", "memory": "1056763892Ki", "pods": "250" },
        }
    })
}

fn list() -> Vec<u8> {
    let items: Vec<Value> = (0..COUNT).map(node).collect();
    let list =
        json!({ "kind": "NodeList", "metadata": { "resourceVersion": "1234567" }, "items": items });
    list.to_string().into_bytes()
}

#[test]
fn of_ten_megabytes_a_name_and_two_times_of_each_are_kept() {
    let body = list();
    assert!(body.len() > 8_000_000, "{}", body.len());
    let page = page(&body).unwrap();
    assert_eq!(page.nodes.len(), COUNT);
    let names: usize = page.nodes.iter().map(|node| node.name.capacity()).sum();
    assert!(names <= COUNT * 32, "{names} bytes of names");
    assert!(size_of_val(&page.nodes[0]) <= 160, "{}", size_of_val(&page.nodes[0]));
}

#[test]
fn five_hundred_heartbeats_are_no_round() {
    let nodes = page(&list()).unwrap().nodes;
    let mut known = Nodes::new(NotReady::Uncertain);
    known.list(nodes.clone(), "1".into(), NOW);
    for mut node in nodes {
        node.heard_at = Some(NOW.wall);
        let version = "2".into();
        assert_eq!(known.event(Event::Is { node, version }, NOW), Change::None);
    }
}

#[test]
#[ignore = "a measurement"]
fn how_long_an_answer_of_500_takes() {
    let body = list();
    let member = |n: usize| {
        json!({ "Name": format!("cmp{n:03}"), "Addr": "10.0.0.1", "Port": 8301, "Status": 1,
        "Tags": { "dc": "storage", "role": "node", "build": "1.22.0:abcdef12", "id": "3a848b11-f614-4cf1-806b-4208dd147ed6",
            "segment": "", "vsn": "2", "vsn_max": "3", "vsn_min": "2" } })
    };
    let members = Value::Array((0..COUNT).map(member).collect()).to_string();
    let measure = |what: &str, bytes: usize, digest: &dyn Fn()| {
        let mut took: Vec<u64> = (0..20)
            .map(|_| {
                let began = SystemClock.boot();
                (0..5).for_each(|_| digest());
                u64::try_from(SystemClock.boot().since(began).as_micros()).unwrap() / 5
            })
            .collect();
        took.sort_unstable();
        println!("{what}: {bytes} bytes, median {} us, at most {} us", took[10], took[19]);
    };
    measure("500 nodes of Kubernetes, to a round", body.len(), &|| {
        let mut known = Nodes::new(NotReady::Uncertain);
        let page = page(&body).unwrap();
        known.list(page.nodes, page.version, NOW);
        assert_eq!(known.round(NOW).hosts.len(), COUNT);
    });
    measure("500 members of Consul", members.len(), &|| {
        assert_eq!(Members::read(members.as_bytes()).unwrap().names().count(), COUNT);
    });
}
