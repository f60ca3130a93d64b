//! What each source answers about 500 hosts, as long as the real ones write it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(crate) const COUNT: usize = 500;
/// What the cluster of Pacemaker runs on each host, besides its connection and its STONITH device.
const CLONES: [&str; 2] = ["nova-compute", "compute-unfence-trigger"];
pub(crate) const PREFIX: &str = "/masakari/lease/";

pub(crate) fn name(number: usize) -> String {
    format!("cmp{number:03}.example.org")
}

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
        "metadata": { "name": name(number), "resourceVersion": "1234567", "labels": labels,
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

/// `GET /api/v1/nodes`
pub(crate) fn nodes() -> Vec<u8> {
    let items: Vec<Value> = (0..COUNT).map(node).collect();
    let list =
        json!({ "kind": "NodeList", "metadata": { "resourceVersion": "1234567" }, "items": items });
    list.to_string().into_bytes()
}

/// Every tenth was fenced.
fn is_there(number: usize) -> bool {
    number == 0 || !number.is_multiple_of(10)
}

/// `GET /v1/agent/members`
pub(crate) fn members() -> Vec<u8> {
    let member = |number: usize| {
        json!({ "Name": name(number), "Addr": "10.0.0.1", "Port": 8301, "Status": 1,
        "Tags": { "dc": "storage", "role": "node", "build": "1.22.0:abcdef12", "id": "3a848b11-f614-4cf1-806b-4208dd147ed6",
            "segment": "", "vsn": "2", "vsn_max": "3", "vsn_min": "2" },
        "ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2, "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4 })
    };
    Value::Array((0..COUNT).map(member).collect()).to_string().into_bytes()
}

/// `POST /v3/kv/range`, as etcd's gateway writes it.
pub(crate) fn leases() -> Vec<u8> {
    let kv = |number: usize| {
        let lease = json!({ "stage": "held", "boot": "3a848b11-f614-4cf1-806b-4208dd147ed6", "agent": "4f0b6a1d9e",
            "renew_ms": 2000, "term_ms": 20_000, "watchdog_ms": 10_000, "beat": 123_456 + number });
        json!({ "key": STANDARD.encode(format!("{PREFIX}{}", name(number))), "create_revision": "17",
            "mod_revision": (1_000_000 + number).to_string(), "version": "123456", "value": STANDARD.encode(lease.to_string()) })
    };
    let header = json!({ "cluster_id": "14841639068965178418", "member_id": "10276657743932975437", "revision": "2000000",
        "raft_term": "7" });
    json!({ "header": header, "kvs": (0..COUNT).map(kv).collect::<Vec<_>>(), "count": COUNT.to_string() })
        .to_string()
        .into_bytes()
}

/// `crm_mon --output-as=xml`, as Pacemaker 2.1.5 printed it of five, with the resources and histories of each, and a fencing of every
/// tenth.
pub(crate) fn crm_mon() -> String {
    let mut xml = String::from(
        "<pacemaker-result api-version=\"2.25\" request=\"crm_mon --output-as=xml\"><summary><stack type=\"corosync\"/>\
         <current_dc present=\"true\" version=\"2.1.5\" name=\"cmp000.example.org\" id=\"1\" with_quorum=\"true\"/>\
         <cluster_options stonith-enabled=\"true\" maintenance-mode=\"false\"/></summary><nodes>",
    );
    let every = |xml: &mut String, write: &dyn Fn(&mut String, &str, usize)| {
        (0..COUNT).for_each(|number| write(xml, &name(number), number));
    };
    every(&mut xml, &|xml, host, number| {
        let (online, kind) = (is_there(number), if number < 3 { "member" } else { "remote" });
        let node = format!(
            "<node name=\"{host}\" id=\"{host}\" online=\"{online}\" standby=\"false\" standby_onfail=\"false\" \
             maintenance=\"false\" pending=\"false\" unclean=\"false\" health=\"green\" shutdown=\"false\" \
             expected_up=\"false\" is_dc=\"false\" resources_running=\"4\" type=\"{kind}\"/>\n"
        );
        xml.push_str(&node);
    });
    xml.push_str("</nodes><resources>");
    every(&mut xml, &|xml, host, _| {
        resource(xml, host, "ocf:pacemaker:remote", "cmp001.example.org");
        resource(xml, &format!("stonith-{host}"), "stonith:fence_ipmilan", "cmp002.example.org");
    });
    for clone in CLONES {
        write!(xml, "<clone id=\"{clone}-clone\" multi_state=\"false\" managed=\"true\">").unwrap();
        every(&mut xml, &|xml, host, _| resource(xml, clone, "ocf:pacemaker:Dummy", host));
        xml.push_str("</clone>");
    }
    xml.push_str("</resources><node_history>");
    every(&mut xml, &|xml, host, _| {
        write!(xml, "<node name=\"{host}\">").unwrap();
        let beside = format!("stonith-{host}");
        [host, &beside].into_iter().chain(CLONES).for_each(|of| history(xml, of));
        xml.push_str("</node>\n");
    });
    xml.push_str("</node_history><fence_history>");
    for number in (10..COUNT).step_by(10) {
        let event = format!(
            "<fence_event action=\"reboot\" target=\"{}\" client=\"pacemaker-controld.59\" origin=\"cmp000\" \
             status=\"success\" delegate=\"cmp001\" completed=\"2026-11-21 02:14:08Z\"/>\n",
            name(number)
        );
        xml.push_str(&event);
    }
    xml + "</fence_history><status code=\"0\" message=\"OK\"/></pacemaker-result>"
}

fn resource(xml: &mut String, id: &str, agent: &str, on: &str) {
    let resource = format!(
        "<resource id=\"{id}\" resource_agent=\"{agent}\" role=\"Started\" active=\"true\" orphaned=\"false\" \
         blocked=\"false\" managed=\"true\" failed=\"false\" failure_ignored=\"false\" nodes_running_on=\"1\">\n\
         <node name=\"{on}\" id=\"{on}\" cached=\"true\"/></resource>\n"
    );
    xml.push_str(&resource);
}

fn history(xml: &mut String, id: &str) {
    let history = format!(
        "<resource_history id=\"{id}\" orphan=\"false\" migration-threshold=\"1000000\">\n"
    );
    xml.push_str(&history);
    for (call, task) in [(8, "start"), (9, "monitor")] {
        let operation = format!(
            "<operation_history call=\"{call}\" task=\"{task}\" rc=\"0\" rc_text=\"ok\" interval=\"10000ms\" \
             last-rc-change=\"Sat Nov 21 02:08:33 2026\" exec-time=\"8ms\" queue-time=\"0ms\"/>\n"
        );
        xml.push_str(&operation);
    }
    xml.push_str("</resource_history>\n");
}

/// `cibadmin --query --xpath //node_state --no-children`
pub(crate) fn node_states() -> String {
    let state = |number: usize| {
        let (host, there) = (name(number), is_there(number));
        let fenced = if there { 0 } else { 1_795_227_248 };
        format!(
            "<node_state remote_node=\"true\" id=\"{host}\" uname=\"{host}\" in_ccm=\"{there}\" \
             crm-debug-origin=\"do_update_resource\" node_fenced=\"{fenced}\"/>\n"
        )
    };
    format!("<xpath-query>{}</xpath-query>", (0..COUNT).map(state).collect::<String>())
}
