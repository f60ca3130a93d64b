//! The shape of the workspace, as a test: who may use whom, what a file may be called, how long it may
//! be. [`ARROWS`] *is* the diagram of the architecture; a new arrow fails until the table says so.

use std::path::{Path, PathBuf};

use toml::Table;

use crate::places;

/// A crate, what it may use, and what its tests may use besides.
struct Room {
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

const fn room(name: &'static str, uses: &'static [&'static str]) -> Room {
    Room { name, uses, tests_use: &[] }
}

/// A room whose tests run in the simulated world.
const fn simulated(name: &'static str, uses: &'static [&'static str]) -> Room {
    Room { name, uses, tests_use: &["sim"] }
}

const ARROWS: &[Room] = &[
    room("recovery", &[]),
    room("oslo", &[]),
    room("ports", &["recovery"]),
    room("fence", &["recovery", "ports"]),
    simulated("store", &["recovery", "oslo", "ports"]),
    simulated("openstack", &["recovery", "oslo", "ports"]),
    simulated("engine", &["recovery", "store", "openstack", "ports", "fence"]),
    simulated("monitor", &["recovery", "oslo", "openstack", "ports"]),
    simulated("api", &["recovery", "oslo", "store", "openstack", "ports"]),
    room("sim", &["recovery", "oslo", "ports", "store", "openstack", "engine", "api", "fence"]),
    room(
        "histories",
        &["recovery", "oslo", "ports", "store", "openstack", "engine", "api", "fence", "sim"],
    ),
    room(
        "fuzz",
        &["recovery", "oslo", "ports", "store", "openstack", "api", "fence", "monitor", "sim"],
    ),
    room(
        "masakari",
        &[
            "recovery",
            "oslo",
            "ports",
            "store",
            "openstack",
            "engine",
            "api",
            "sim",
            "histories",
            "fence",
            "monitor",
        ],
    ),
    room("xtask", &[]),
];

/// Names that say nothing, so that everything ends up in them.
const DRAWERS: &[&str] =
    &["common", "util", "utils", "helper", "helpers", "manager", "managers", "types", "misc"];
/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 600;

fn members() -> Vec<String> {
    let root = parsed(&places::root().join("Cargo.toml"));
    let members = root["workspace"]["members"].as_array().unwrap();
    members.iter().map(|m| m.as_str().unwrap().to_owned()).collect()
}

fn parsed(path: &Path) -> Table {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The crates of ours in one table of a manifest.
fn ours(manifest: &Table, table: &str) -> Vec<String> {
    let names = manifest.get(table).and_then(|t| t.as_table()).into_iter().flat_map(Table::keys);
    names.filter(|name| ARROWS.iter().any(|room| room.name == *name)).cloned().collect()
}

/// What is wrong with one crate's manifest.
fn faults(room: &Room, manifest: &Table) -> Vec<String> {
    let mut faults = Vec::new();
    let may = |name: &str, in_tests: bool| {
        room.uses.contains(&name) || in_tests && room.tests_use.contains(&name)
    };
    for (table, in_tests) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        let new = ours(manifest, table).into_iter().filter(|name| !may(name, in_tests));
        faults.extend(new.map(|name| format!("{} -> {name} in [{table}]", room.name)));
    }
    let inherits = manifest.get("lints").and_then(|l| l.get("workspace")?.as_bool());
    if inherits != Some(true) {
        faults.push(format!("{} has no `[lints] workspace = true`", room.name));
    }
    faults
}

/// Every file with one of these endings below a directory, but for what is built or generated.
fn files(below: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![below.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "__pycache__"
            {
                open.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found
}

/// The lines of a file down to its tests; none of a file that is all test.
fn lines_before_tests(path: &Path, text: &str) -> usize {
    let is_test = path.components().any(|c| c.as_os_str() == "tests") || path.ends_with("tests.rs");
    if is_test { 0 } else { text.lines().take_while(|line| *line != "#[cfg(test)]").count() }
}

#[test]
fn every_crate_is_in_the_table_and_every_line_of_the_table_is_a_crate() {
    let mut named: Vec<&str> = ARROWS.iter().map(|room| room.name).collect();
    let mut members = members();
    named.sort_unstable();
    members.sort_unstable();
    assert_eq!(named, members);
}

#[test]
fn no_crate_uses_another_that_the_table_does_not_allow() {
    let manifest = |room: &Room| parsed(&places::root().join(room.name).join("Cargo.toml"));
    let faults: Vec<String> = ARROWS.iter().flat_map(|r| faults(r, &manifest(r))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_arrow_backwards_and_missing_lints_are_seen() {
    let manifest: Table = "[dependencies]\nengine.workspace = true\nserde = \"1\"\n\
        [dev-dependencies]\nsim.workspace = true\n"
        .parse()
        .unwrap();
    let store = ARROWS.iter().find(|room| room.name == "store").unwrap();
    let expected = ["store -> engine in [dependencies]", "store has no `[lints] workspace = true`"];
    assert_eq!(faults(store, &manifest), expected);
}

#[test]
fn no_file_or_folder_is_a_drawer() {
    let root = places::root();
    let all = files(root, &[".rs", ".py", ".sh"]);
    assert!(all.len() > 30, "only {} files were looked at", all.len());
    let is_drawer = |path: &&PathBuf| {
        let inside = path.strip_prefix(root).unwrap().with_extension("");
        inside.components().any(|c| DRAWERS.iter().any(|drawer| c.as_os_str() == *drawer))
    };
    let drawers: Vec<_> = all.iter().filter(is_drawer).collect();
    assert!(drawers.is_empty(), "{drawers:?}");
}

#[test]
fn no_file_is_longer_than_a_person_reads_at_once() {
    let long: Vec<String> = files(places::root(), &[".rs", ".py", ".sh"])
        .iter()
        .filter_map(|path| Some((path, std::fs::read_to_string(path).ok()?)))
        .map(|(path, text)| (path, lines_before_tests(path, &text)))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "more than {FILE_LINES_MAX}: {}", long.join(", "));
}

#[test]
fn tests_at_the_end_of_a_file_do_not_count_for_its_length() {
    let text = "one\ntwo\n#[cfg(test)]\nmod tests {}\n";
    assert_eq!(lines_before_tests(Path::new("engine/src/acts.rs"), text), 2);
    assert_eq!(lines_before_tests(Path::new("engine/tests/acts.rs"), text), 0);
}
