//! `fencing.yaml`: the devices, the ladders made of them, and the hosts.
//!
//! What is not known is refused with its line and column, and everything that is wrong is told at once; nothing
//! is asked of a device here.
//!
//! ```yaml
//! devices:
//!   bmc: {kind: redfish, address: "https://{bmc}", username: masakari, password: {credential: bmc}}
//!   person: {kind: manual, say: "Pull the plug of {host}, then: masakari confirm-dead {host}"}
//! ladders:
//!   default: [bmc, person]
//! hosts:
//!   compute01: {values: {bmc: 192.0.2.7}, machine: {serial: CZ1234}}
//! ```
//!
//! Which ladder a host has: the one that its entry names; otherwise what its `control_attributes` in Masakari
//! say ([`FencingFile::ladder_of`]).

pub(crate) mod fault;
mod reader;
mod settings;
pub mod template;
mod tree;

pub use fault::{Fault, FileFaults, Place, What};
pub use settings::{
    AgentSettings, Entries, IpmiSettings, Listing, RedfishSettings, Settings, SshSettings,
    StorageSettings,
};

use crate::kdump::Kdump;
use crate::machine::{By, Machine};
use fault::suggestion;
use reader::{Complaints, Fields, pairs};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use template::{Template, Unfilled, Values};

/// How many hosts are fenced side by side where the file says nothing.
const SIDE_BY_SIDE: usize = 16;
/// The ladder of a host that names none.
const DEFAULT_LADDER: &str = "default";
/// A longer file is another file.
const BYTES_MAX: u64 = 8 << 20;

/// One device as it is written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub name: String,
    pub place: Place,
    /// How long its rung may take in all.
    pub deadline: Duration,
    pub settings: Settings,
}

/// What the file says of one host.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HostEntry {
    pub place: Place,
    pub ladder: Option<Vec<String>>,
    pub values: BTreeMap<String, String>,
    pub machine: Machine,
    /// Its addresses at the storage.
    pub addresses: Vec<String>,
    /// From where it says that it writes a crash dump, if not from these.
    pub kdump_from: Vec<String>,
}

/// The whole file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FencingFile {
    pub devices: BTreeMap<String, Entry>,
    pub ladders: BTreeMap<String, Vec<String>>,
    pub hosts: BTreeMap<String, HostEntry>,
    /// How many hosts are fenced side by side.
    pub side_by_side: usize,
    /// Hosts are left their power while they write a crash dump.
    pub kdump: Option<Kdump>,
}

/// A host's ladder, with all that its devices are filled with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LadderOf<'a> {
    pub entries: Vec<&'a Entry>,
    pub values: Values,
    pub machine: Machine,
    pub addresses: Vec<String>,
}

/// Why a file cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum FileError {
    #[error("cannot read the fencing devices in {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Faults(#[from] FileFaults),
}

/// Why a host has no ladder.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum NoLadder {
    #[error(
        "neither the host's entry nor its control_attributes name a ladder, and there is no ladder `default`"
    )]
    None,
    #[error(
        "its control_attributes {found:?} mean nothing here: {why}{}",
        .suggestion.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
    )]
    MeansNothing { found: String, why: String, suggestion: Option<String> },
    #[error(transparent)]
    Unfilled(#[from] Unfilled),
}

impl FencingFile {
    /// # Errors
    /// When the file cannot be read, or with everything that is wrong in it.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        use std::io::Read;
        let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
        Ok(Self::parse(path, &text)?)
    }

    /// `path` is only for the complaints.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileFaults> {
        let faults = |faults| FileFaults { path: path.to_owned(), faults };
        let root = tree::read(text).map_err(|fault| faults(vec![fault]))?;
        let Some(root) = root else {
            let place = Place { line: 1, column: 1 };
            return Err(faults(vec![Fault { place, what: What::Empty }]));
        };
        let complaints = Complaints::default();
        let file = Self::of(&root, &complaints);
        let found = complaints.into_sorted();
        if found.is_empty() { Ok(file) } else { Err(faults(found)) }
    }

    fn of(root: &tree::Node, complaints: &Complaints) -> Self {
        const KNOWN: [&str; 5] = ["devices", "ladders", "hosts", "side_by_side", "kdump"];
        let top = Fields::of(root, "the file".to_owned(), &KNOWN, complaints);
        let mut devices = BTreeMap::new();
        if let Some(node) = top.required("devices") {
            for (name, place, node) in pairs(node, "devices", complaints) {
                if let Some(entry) = settings::entry(name, place, node, complaints) {
                    devices.insert(name.to_owned(), entry);
                }
            }
        }
        // A device that is wrong itself is known all the same.
        let known: Vec<&str> = top
            .get("devices")
            .map(|node| pairs(node, "devices", &Complaints::default()))
            .unwrap_or_default()
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        let mut ladders = BTreeMap::new();
        if let Some(node) = top.get("ladders") {
            for (name, _, node) in pairs(node, "ladders", complaints) {
                ladders.insert(name.to_owned(), rungs(node, name, &known, complaints));
            }
        }
        let kdump = top.get("kdump").map(|node| kdump(node, complaints));
        let mut file = Self { devices, ladders, hosts: BTreeMap::new(), side_by_side: 0, kdump };
        file.side_by_side = top
            .whole("side_by_side", 1, 1000, "a number from 1 to 1000 is wanted")
            .unwrap_or(SIDE_BY_SIDE);
        if let Some(node) = top.get("hosts") {
            for (name, place, node) in pairs(node, "hosts", complaints) {
                let host = file.host(name, place, node, &known, complaints);
                file.check_host(name, &host, complaints);
                file.hosts.insert(name.to_owned(), host);
            }
        }
        file
    }

    fn host(
        &self,
        name: &str,
        place: Place,
        node: &tree::Node,
        known: &[&str],
        complaints: &Complaints,
    ) -> HostEntry {
        const KNOWN: [&str; 5] = ["ladder", "values", "machine", "addresses", "kdump_from"];
        let mut host = HostEntry { place, ..HostEntry::default() };
        if node.called() == "nothing" {
            return host;
        }
        let fields = Fields::of(node, format!("the host `{name}`"), &KNOWN, complaints);
        host.ladder = fields.get("ladder").map(|ladder| match ladder.text() {
            Some(word) => self.ladders.get(word).cloned().unwrap_or_else(|| {
                let suggestion = suggestion(word, self.ladders.keys().map(String::as_str));
                let no = What::NoSuch { kind: "ladder", name: word.to_owned(), suggestion };
                complaints.add(ladder.place, no);
                Vec::new()
            }),
            None => rungs(ladder, "ladder", known, complaints),
        });
        let plain = |template: Template| template.text().to_owned();
        host.values = fields.map("values").into_iter().map(|(n, t)| (n, plain(t))).collect();
        host.addresses = addresses(&fields, "addresses");
        host.kdump_from = addresses(&fields, "kdump_from");
        if let Some(node) = fields.get("machine") {
            let of = format!("`machine` of the host `{name}`");
            let machine = Fields::of(node, of, &["uuid", "serial"], complaints);
            let text = |field| machine.plain(field).map(str::to_owned);
            host.machine = Machine { uuid: text("uuid"), serial: text("serial"), by: By::Operator };
            if !host.machine.is_recorded() {
                let what = "`machine` is to hold `uuid`, `serial` or both".to_owned();
                complaints.add(node.place, What::Contradiction(what));
            }
        }
        host
    }

    /// What a ladder of a host asks for and the host lacks, before the night in which it is needed.
    fn check_host(&self, name: &str, host: &HostEntry, complaints: &Complaints) {
        let values = match Values::of_host(name) {
            Ok(values) => values.with(&host.values),
            Err(e) => return complaints.add(host.place, What::Contradiction(e.to_string())),
        };
        let default = self.ladders.get(DEFAULT_LADDER);
        let Some(ladder) = host.ladder.as_ref().or(default) else { return };
        for entry in ladder.iter().filter_map(|device| self.devices.get(device)) {
            let settings = &entry.settings;
            for e in settings.templates().iter().filter_map(|t| t.fill(&values).err()) {
                let what = format!("the device `{}` of the host `{name}`: {e}", entry.name);
                complaints.add(host.place, What::Contradiction(what));
            }
            if settings.wants_addresses() && host.addresses.is_empty() {
                let device = &entry.name;
                let what = format!(
                    "the device `{device}` shuts addresses out, and the host `{name}` has no `addresses`"
                );
                complaints.add(host.place, What::Contradiction(what));
            }
            if settings.compares_serial_only()
                && host.machine.is_recorded()
                && host.machine.serial.is_none()
            {
                let device = &entry.name;
                let what = format!(
                    "the device `{device}` knows a machine by its serial number, and the host `{name}` records only a `uuid`"
                );
                complaints.add(host.place, What::Contradiction(what));
            }
        }
    }

    /// The ladder of `host`: what its entry says; otherwise what its `control_attributes` in Masakari mean
    /// (`ladder:NAME`, `KIND:DEVICE`, or a `KIND` of which there is one device); otherwise the ladder
    /// `default`, where the attributes are empty.
    ///
    /// # Errors
    /// When there is none, when the attributes mean nothing, or the host's name cannot stand in an address.
    pub fn ladder_of(
        &self,
        host: &str,
        control_attributes: Option<&str>,
    ) -> Result<LadderOf<'_>, NoLadder> {
        let entry = self.hosts.get(host).cloned().unwrap_or_default();
        let attributes = control_attributes.map(str::trim).filter(|text| !text.is_empty());
        let names = match (&entry.ladder, attributes) {
            (Some(ladder), _) => ladder.clone(),
            (None, Some(text)) => self.meaning_of(text)?,
            (None, None) => self.ladders.get(DEFAULT_LADDER).cloned().ok_or(NoLadder::None)?,
        };
        let entries: Vec<&Entry> =
            names.iter().filter_map(|device| self.devices.get(device)).collect();
        Ok(LadderOf {
            entries,
            values: Values::of_host(host)?.with(&entry.values),
            machine: entry.machine,
            addresses: entry.addresses,
        })
    }

    fn meaning_of(&self, text: &str) -> Result<Vec<String>, NoLadder> {
        let nothing = |why: String, suggestion| NoLadder::MeansNothing {
            found: text.to_owned(),
            why,
            suggestion,
        };
        let (kind, name) = match text.split_once(':') {
            Some((kind, name)) => (kind.trim().to_lowercase(), Some(name.trim())),
            None => (text.to_lowercase(), None),
        };
        if kind == "ladder" {
            let name = name.unwrap_or(DEFAULT_LADDER);
            let near = || suggestion(name, self.ladders.keys().map(String::as_str));
            let none = || nothing(format!("there is no ladder `{name}`"), near());
            return self.ladders.get(name).cloned().ok_or_else(none);
        }
        if !settings::KINDS.contains(&kind.as_str()) {
            let words = settings::KINDS.into_iter().chain(["ladder"]);
            let why = format!("`{kind}` is neither a kind of device nor `ladder`");
            return Err(nothing(why, suggestion(&kind, words)));
        }
        let of_kind = self.devices.values().filter(|entry| entry.settings.kind() == kind);
        let of_kind: Vec<&str> = of_kind.map(|entry| entry.name.as_str()).collect();
        match (name, of_kind.as_slice()) {
            (Some(name), names) if names.contains(&name) => Ok(vec![name.to_owned()]),
            (Some(name), names) => {
                let near = suggestion(name, names.iter().copied());
                Err(nothing(format!("there is no device `{name}` of the kind {kind}"), near))
            }
            (None, [one]) => Ok(vec![(*one).to_owned()]),
            (None, []) => Err(nothing(format!("there is no device of the kind {kind}"), None)),
            (None, several) => {
                let why = format!("there are {} devices of the kind {kind}", several.len());
                Err(nothing(format!("{why}: write {kind}:NAME"), None))
            }
        }
    }
}

/// A list of IP addresses.
fn addresses(fields: &Fields<'_>, field: &str) -> Vec<String> {
    let all = fields.list(field).unwrap_or_default().into_iter();
    all.filter_map(|(node, template)| {
        let text = template.text().to_owned();
        if text.parse::<std::net::IpAddr>().is_err() {
            fields.wrong(field, node, "an IP address is wanted", None);
            return None;
        }
        Some(text)
    })
    .collect()
}

fn kdump(node: &tree::Node, complaints: &Complaints) -> Kdump {
    let usual = Kdump::default();
    if node.called() == "nothing" {
        return usual;
    }
    let fields = Fields::of(node, "`kdump`".to_owned(), &["listen", "wait"], complaints);
    let listen = fields.plain("listen").and_then(|text| {
        let found = text.parse().ok();
        if let (None, Some(node)) = (found, fields.get("listen")) {
            fields.wrong(
                "listen",
                node,
                "an address with a port, as 0.0.0.0:7410, is wanted",
                None,
            );
        }
        found
    });
    Kdump {
        listen: listen.unwrap_or(usual.listen),
        wait: fields.duration("wait").unwrap_or(usual.wait),
    }
}

fn rungs(node: &tree::Node, of: &str, known: &[&str], complaints: &Complaints) -> Vec<String> {
    let tree::Shape::List(items) = &node.shape else {
        let (field, found) = (of.to_owned(), node.called());
        complaints.add(node.place, What::WrongShape { field, wanted: "a list of devices", found });
        return Vec::new();
    };
    if items.is_empty() {
        complaints.add(node.place, What::Contradiction(format!("the ladder `{of}` has no rung")));
    }
    let mut rungs: Vec<String> = Vec::new();
    for item in items {
        let name = item.text().unwrap_or_else(|| item.called()).to_owned();
        if !known.contains(&name.as_str()) {
            let suggestion = suggestion(&name, known.iter().copied());
            complaints.add(item.place, What::NoSuch { kind: "device", name, suggestion });
        } else if rungs.contains(&name) {
            let what = format!("the device `{name}` stands twice on the ladder");
            complaints.add(item.place, What::Contradiction(what));
        } else {
            rungs.push(name);
        }
    }
    rungs
}

#[cfg(test)]
mod tests;
