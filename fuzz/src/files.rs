//! Files of operators.

use fence::FencingFile;
use monitor::{hosts::consul::Matrix, processes::ProcessList};
use oslo::policy::parse_overrides;
use std::path::Path;

pub(crate) const READERS: &[fn(&[u8])] = &[fencing, processes, matrix, policy];

/// What is wrong is said without the secrets that stand in the file.
fn fencing(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(faults) = FencingFile::parse(Path::new("fencing.yaml"), &text) {
        assert!(!faults.to_string().is_empty());
    }
}

fn processes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(ProcessList::parse(Path::new("process_list.yaml"), &text, "systemctl"));
}

fn matrix(bytes: &[u8]) {
    drop(Matrix::parse(Path::new("matrix.yaml"), &String::from_utf8_lossy(bytes)));
}

fn policy(bytes: &[u8]) {
    drop(parse_overrides(Path::new("policy.yaml"), &String::from_utf8_lossy(bytes)));
}
