//! What the operators' document shows is what the program reads.
#![cfg(test)]

use fence::FencingFile;
use std::path::Path;

#[test]
fn the_sample_in_the_document_is_right_and_says_what_the_document_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fencing.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let sample = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let file = FencingFile::parse(&path, sample).unwrap_or_else(|e| panic!("{e}"));
    let kinds: std::collections::BTreeSet<&str> =
        file.devices.values().map(|entry| entry.settings.kind()).collect();
    assert_eq!(kinds.len(), 6, "the sample shows every kind of device: {kinds:?}");
    let rungs = |host: &str, attributes| {
        let ladder = file.ladder_of(host, attributes).unwrap();
        ladder.entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(rungs("compute01", None), "bmc pdu ceph person");
    assert_eq!(rungs("compute02", None), "ask-host old-bmc person");
    assert_eq!(rungs("compute03", Some("redfish:bmc")), "bmc");
    for entry in file.devices.values() {
        let word = format!("`{}`", entry.settings.kind());
        assert!(text.contains(&word), "{word} is not explained");
    }
}
