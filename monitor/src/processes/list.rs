//! `process_list.yaml`: what is watched, and the commands that start and restart it.
//!
//! A file that Python's processmonitor takes means the same here. Where Python's ends with an exception (a key that is
//! missing, a list that is none), this says what to write.

use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

const FILE_BYTES_MAX: u64 = 1 << 20;
/// More than a person writes.
const ENTRIES_MOST: usize = 1000;
const KEYS: [&str; 9] = [
    "process_name",
    "unit",
    "start_command",
    "pre_start_command",
    "post_start_command",
    "restart_command",
    "pre_restart_command",
    "post_restart_command",
    "run_as_root",
];

/// What the file says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ProcessList {
    pub entries: Vec<Entry>,
    /// What it says and nobody reads.
    pub warnings: Vec<String>,
}

/// Something to watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub watched: Watched,
    /// What Masakari is told that it is called.
    pub reported: String,
    pub start: Commands,
    /// The main one is there.
    pub restart: Commands,
    pub run_as_root: bool,
}

/// What is watched, and how.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Watched {
    /// Any process in whose command line this stands.
    Process(String),
    /// A unit of systemd.
    Unit(String),
}

/// Commands that belong together; words between blanks, without a shell.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Commands {
    pub pre: Option<String>,
    pub main: Option<String>,
    pub post: Option<String>,
}

/// Why the file cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum ListError {
    #[error(
        "the process list {path} cannot be read ({source}): write it, or set [process] process_list_path to where it is",
        path = .path.display()
    )]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the process list {path} is larger than 1 MiB", path = .path.display())]
    TooLarge { path: PathBuf },
    #[error("the process list {path} is not YAML: {why}", path = .path.display())]
    Syntax { path: PathBuf, why: String },
    #[error("the process list {path}: {what}", path = .path.display())]
    Shape { path: PathBuf, what: String },
}

impl Watched {
    /// As the file calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Process(name) | Self::Unit(name) => name,
        }
    }
}

impl ProcessList {
    /// Reads the file; `systemctl` is how a unit without a `restart_command` is restarted.
    ///
    /// # Errors
    /// When it cannot be read, is not YAML, or an entry lacks something.
    pub fn read(path: &Path, systemctl: &str) -> Result<Self, ListError> {
        let unreadable = |source| ListError::Unreadable { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > FILE_BYTES_MAX {
            return Err(ListError::TooLarge { path: path.to_owned() });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(path, &text, systemctl)
    }

    /// `path` is only for the errors.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn parse(path: &Path, text: &str, systemctl: &str) -> Result<Self, ListError> {
        let shape = |what: String| ListError::Shape { path: path.to_owned(), what };
        let last_wins = serde_saphyr::DuplicateKeyPolicy::LastWins;
        // A line of the log has no room for a picture of the place; line and column are told.
        let options = serde_saphyr::options! { duplicate_keys: last_wins, with_snippet: false };
        let read: Value = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| ListError::Syntax { path: path.to_owned(), why: error.to_string() })?;
        let items = match read {
            Value::Array(items) => items,
            Value::Null => {
                return Err(shape("it is empty; for nothing to watch write `[]`".into()));
            }
            Value::Object(_) => {
                let why = "it must be a list, even of one: write `- ` before its first key, and indent the others";
                return Err(shape(why.into()));
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(shape("it must be a list of entries with `process_name`".into()));
            }
        };
        if items.len() > ENTRIES_MOST {
            return Err(shape(format!("it has more than {ENTRIES_MOST} entries")));
        }
        let mut list = Self::default();
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("entry {}", index + 1);
            let Value::Object(keys) = item else {
                return Err(shape(format!(
                    "{place} is not a map of keys such as `process_name: …`"
                )));
            };
            let entry = entry(&place, &keys, systemctl, &mut list.warnings).map_err(shape)?;
            list.entries.push(entry);
        }
        list.keep_the_first_of_each();
        Ok(list)
    }

    /// Two would restart one thing beside each other.
    fn keep_the_first_of_each(&mut self) {
        let mut seen = BTreeSet::new();
        let warnings = &mut self.warnings;
        self.entries.retain(|entry| {
            let is_first = seen.insert(entry.watched.clone());
            if !is_first {
                let name = entry.watched.name();
                warnings.push(format!("`{name}` is there twice; the first entry counts"));
            }
            is_first
        });
    }
}

fn entry(
    place: &str,
    keys: &Map<String, Value>,
    systemctl: &str,
    warnings: &mut Vec<String>,
) -> Result<Entry, String> {
    for key in keys.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        warnings.push(format!(
            "{place}: `{key}` is not a key that is known, and is not read; known are {}",
            KEYS.join(", ")
        ));
    }
    let text = |key: &str| match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(format!("{place}: `{key}` must be one line of text"))
        }
    };
    let commands = |which: &str| {
        let of = |before: &str| text(&format!("{before}{which}_command"));
        Ok::<_, String>(Commands { pre: of("pre_")?, main: of("")?, post: of("post_")? })
    };
    let (process, unit) = (text("process_name")?, text("unit")?.map(with_suffix));
    let (start, mut restart) = (commands("start")?, commands("restart")?);
    let (watched, reported) = match (process, unit) {
        (None, None) => {
            return Err(format!(
                "{place} says neither `process_name` (a part of the command line that `ps -ef` shows) nor `unit` \
                 (a unit of systemd): what is to be watched?"
            ));
        }
        (process, Some(unit)) => {
            let named = process.as_deref().map_or_else(|| of_unit(&unit), last_part);
            restart.main.get_or_insert_with(|| format!("{systemctl} restart {unit}"));
            (Watched::Unit(unit), named)
        }
        (Some(process), None) => {
            let named = last_part(&process);
            (Watched::Process(process), named)
        }
    };
    if restart.main.is_none() {
        let name = watched.name();
        return Err(format!("{place} (`{name}`) has no `restart_command`: how is it restarted?"));
    }
    let run_as_root = is_true(keys.get("run_as_root"))
        .ok_or_else(|| format!("{place}: `run_as_root` must be True or False"))?;
    Ok(Entry { watched, reported, start, restart, run_as_root })
}

/// What PyYAML takes for a truth. A text is one for Python whatever it says; here it has to say which.
fn is_true(value: Option<&Value>) -> Option<bool> {
    let text = match value {
        None | Some(Value::Null) => return Some(false),
        Some(Value::Bool(truth)) => return Some(*truth),
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => return number.as_i64().map(|number| number != 0),
        Some(Value::Array(_) | Value::Object(_)) => return None,
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// What Python reports of a `process_name`.
fn last_part(process: &str) -> String {
    process.rsplit('/').next().unwrap_or(process).to_owned()
}

fn with_suffix(unit: String) -> String {
    let unit = unit.trim();
    if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") }
}

/// What Masakari calls the process of a unit, however a distribution calls that.
fn of_unit(unit: &str) -> String {
    let name = unit.rsplit_once('.').map_or(unit, |(name, _)| name);
    match name.strip_prefix("openstack-").unwrap_or(name) {
        "devstack@n-cpu" | "kolla-nova_compute-container" => "nova-compute".into(),
        name => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ProcessList, String> {
        let read = ProcessList::parse(Path::new("list.yaml"), text, "systemctl");
        read.map_err(|error| error.to_string())
    }

    fn one(text: &str) -> Entry {
        let mut list = parse(text).unwrap();
        assert_eq!(list.entries.len(), 1);
        list.entries.remove(0)
    }

    #[test]
    fn pythons_sample_means_what_it_means_to_python() {
        let sample = "
-
    # nova-compute
    process_name: /usr/local/bin/nova-compute
    start_command: systemctl start nova-compute
    pre_start_command:
    post_start_command:
    restart_command: systemctl restart nova-compute
    pre_restart_command:
    post_restart_command:
    run_as_root: True
-
    # instancemonitor
    process_name: /usr/bin/python /usr/local/bin/masakari-instancemonitor
    start_command: systemctl start masakari-instancemonitor
    pre_start_command:
    post_start_command:
    restart_command: systemctl restart masakari-instancemonitor
    pre_restart_command: echo before
    post_restart_command: echo after
    run_as_root: False
";
        let list = parse(sample).unwrap();
        let told: Vec<_> =
            list.entries.iter().map(|e| (e.reported.as_str(), e.run_as_root)).collect();
        assert_eq!(told, [("nova-compute", true), ("masakari-instancemonitor", false)]);
        let nova = &list.entries[0];
        assert_eq!(nova.watched, Watched::Process("/usr/local/bin/nova-compute".into()));
        let start = "systemctl start nova-compute".to_owned();
        assert_eq!(nova.start, Commands { pre: None, main: Some(start), post: None });
        let restart = &list.entries[1].restart;
        assert_eq!(restart.pre.as_deref(), Some("echo before"));
        assert_eq!(restart.post.as_deref(), Some("echo after"));
        assert_eq!(list.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_unit_is_restarted_by_systemctl_unless_its_entry_says_how() {
        let entry = one("- unit: nova-compute\n");
        assert_eq!(entry.watched, Watched::Unit("nova-compute.service".into()));
        let command = entry.restart.main.as_deref();
        assert_eq!(command, Some("systemctl restart nova-compute.service"));
        let entry = one("- {unit: libvirtd.socket, restart_command: mine}\n");
        assert_eq!(
            (entry.watched.name(), entry.restart.main.as_deref()),
            ("libvirtd.socket", Some("mine"))
        );
    }

    #[test]
    fn a_units_process_is_called_as_masakari_calls_it() {
        for (unit, name) in [
            ("nova-compute", "nova-compute"),
            ("openstack-nova-compute.service", "nova-compute"),
            ("devstack@n-cpu.service", "nova-compute"),
            ("kolla-nova_compute-container", "nova-compute"),
            ("libvirtd", "libvirtd"),
        ] {
            assert_eq!(one(&format!("- unit: {unit}\n")).reported, name, "{unit}");
        }
        let named = one("- {unit: my-nova, process_name: /usr/bin/nova-compute}\n");
        assert_eq!(
            (named.watched.name(), named.reported.as_str()),
            ("my-nova.service", "nova-compute")
        );
    }

    #[test]
    fn truth_is_what_pyyaml_takes_for_it() {
        for (word, truth) in [
            ("True", true),
            ("yes", true),
            ("on", true),
            ("false", false),
            ("no", false),
            ("", false),
            ("'True'", true),
        ] {
            let text = format!("- {{process_name: a, restart_command: b, run_as_root: {word}}}\n");
            assert_eq!(one(&text).run_as_root, truth, "{word}");
        }
    }

    #[test]
    fn an_unknown_key_is_told_and_hurts_nobody() {
        let list = parse("- {process_name: a, restart_command: b, id: 2}\n").unwrap();
        assert_eq!(list.entries.len(), 1);
        assert!(list.warnings[0].starts_with("entry 1: `id` is not a key"), "{:?}", list.warnings);
    }

    #[test]
    fn of_two_entries_for_one_thing_the_first_counts() {
        let text =
            "- {process_name: a, restart_command: b}\n- {process_name: a, restart_command: c}\n";
        let list = parse(text).unwrap();
        assert_eq!(list.entries.len(), 1);
        assert_eq!(list.entries[0].restart.main.as_deref(), Some("b"));
        assert_eq!(list.warnings, ["`a` is there twice; the first entry counts"]);
    }

    #[test]
    fn what_cannot_be_used_says_what_to_write() {
        for (text, says) in [
            ("- process_name: [\n", "is not YAML"),
            ("", "it is empty; for nothing to watch write `[]`"),
            ("process_name: a\n", "it must be a list, even of one: write `- `"),
            ("nonsense", "it must be a list of entries"),
            ("- a\n", "entry 1 is not a map"),
            ("- {restart_command: b}\n", "entry 1 says neither `process_name`"),
            ("- {process_name: a, restart_comand: b}\n", "entry 1 (`a`) has no `restart_command`"),
            (
                "- {process_name: a, restart_command: [b]}\n",
                "`restart_command` must be one line of text",
            ),
            (
                "- {process_name: a, restart_command: b, run_as_root: root}\n",
                "`run_as_root` must be True or False",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.starts_with("the process list list.yaml") && error.contains(says),
                "{error}"
            );
        }
        let broken = parse("- process_name: [\n").unwrap_err();
        assert!(broken.contains("line ") && !broken.contains('\n'), "{broken:?}");
        let absent = ProcessList::read(Path::new("/nowhere/list.yaml"), "systemctl").unwrap_err();
        assert!(absent.to_string().contains("set [process] process_list_path"), "{absent}");
    }
}
