//! Which files are found where nothing is named, and in which order they count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oslo::config::{Location, Search, Source, gather};
use serde_json::json;

use crate::config::{answer_of, rust, table};
use crate::oracle::{Chance, Oracle};

const FOLDERS: &[&str] =
    &["home/.masakari", "home", "etc/masakari", "etc", "common/etc/masakari", "snap/etc/masakari"];
const CASES: u64 = 200;

/// Each file says its own name, so that the values tell which were read and in which order.
fn tree(root: &Path, chance: &mut Chance) {
    let write = |path: PathBuf| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        std::fs::write(&path, format!("[DEFAULT]\nmulti = {name}\na = {name}\n")).unwrap();
    };
    for folder in FOLDERS {
        for file in ["masakari.conf", "masakari-api.conf", "masakari-engine.conf"] {
            if chance.percent(25) {
                write(root.join(folder).join(file));
            }
            if chance.percent(15) {
                for part in ["20-b.conf", "10-a.conf", ".hidden.conf", "readme.txt"] {
                    write(root.join(folder).join(format!("{file}.d")).join(part));
                }
            }
        }
    }
    for named in ["named/1.conf", "named/d/1.conf", "named/d/2.conf"] {
        write(root.join(named));
    }
}

#[test]
#[ignore = "needs Python: cargo xtask test oslo"]
fn the_same_files_are_found_and_count_in_the_same_order() {
    let mut oracle = Oracle::start();
    oracle.ask(&table());
    for seed in 0..CASES {
        let mut chance = Chance(seed);
        let root = tempfile::tempdir().unwrap();
        tree(root.path(), &mut chance);
        let program = chance.one(&["masakari-api", "masakari-engine"]);
        let mut environment = BTreeMap::from([("HOME", root.path().join("home"))]);
        for (variable, folder) in [("SNAP_COMMON", "common"), ("SNAP", "snap")] {
            if chance.percent(50) {
                environment.insert(variable, root.path().join(folder));
            }
        }
        let mut named = Vec::new();
        while chance.percent(35) {
            named.push(match chance.below(2) {
                0 => Location::File(root.path().join("named/1.conf")),
                _ => Location::Dir(root.path().join("named/d")),
            });
        }
        let argument = |location: &Location| match location {
            Location::File(path) => format!("--config-file={}", path.display()),
            Location::Dir(path) => format!("--config-dir={}", path.display()),
        };
        let arguments: Vec<String> = named.iter().map(argument).collect();
        let theirs = oracle.ask(&json!({
            "ask": "search", "root": root.path(), "environment": environment,
            "program": program, "arguments": arguments,
        }));
        let snaps = ["SNAP_COMMON", "SNAP"].iter().filter_map(|n| environment.get(n).cloned());
        let search = Search {
            project: "masakari".to_owned(),
            program: program.to_owned(),
            home: environment.get("HOME").cloned(),
            etc: root.path().join("etc"),
            snaps: snaps.collect(),
        };
        let sources: Vec<Source> = gather(&named, &search).unwrap();
        let (ours, theirs) = (rust(&sources).unwrap(), answer_of(&theirs).unwrap());
        for option in ["DEFAULT.multi", "DEFAULT.a"] {
            let (ours, theirs) = (ours[option].clone().unwrap(), theirs[option].clone().unwrap());
            let nothing = theirs.is_null() && ours.as_array().is_none_or(Vec::is_empty);
            assert!(ours == theirs || nothing, "case {seed}: {ours} and not {theirs}");
        }
    }
}
