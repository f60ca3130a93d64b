//! What each kind of device is told in the file.

use super::Entry;
use super::fault::{Place, What, suggestion};
use super::reader::{Complaints, Fields};
use super::template::Template;
use super::tree::Node;
use crate::secret::SecretAt;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Every kind of device.
pub(super) const KINDS: [&str; 6] = ["redfish", "ipmi", "agent", "ssh", "storage", "manual"];
/// How long a rung may take in all where the file says nothing.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long the storage keeps a host out where the file says nothing: beyond any recovery.
const EXPIRY: Duration = Duration::from_secs(24 * 3600);
/// The least: half of it is proven when it is listed, and so long the evidence is believed (`recovery`'s `Evidence::holds_at`).
const EXPIRY_LEAST: Duration = Duration::from_secs(3600);

/// Agents that hand the password to ipmitool as an argument, where every user of the machine reads it
/// (fence-agents 4.12.1; they are all the same program).
const SHOW_THE_PASSWORD: [&str; 9] = [
    "fence_ipmilan",
    "fence_ipmilanplus",
    "fence_idrac",
    "fence_ilo3",
    "fence_ilo4",
    "fence_ilo5",
    "fence_imm",
    "fence_ibmz_ipmi",
    "fence_supermicro",
];
/// What is ours to say to an agent.
const OURS_TO_SAY: [&str; 4] = ["action", "option", "debug", "verbose"];

/// A BMC that speaks Redfish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedfishSettings {
    /// `https://host:port`.
    pub address: Template,
    /// The path of the system, `/redfish/v1/Systems/1`; `None`: the only one that there is.
    pub system: Option<Template>,
    pub username: Template,
    pub password: SecretAt,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate.
    pub insecure: bool,
}

/// A BMC that speaks IPMI 2.0 over the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IpmiSettings {
    pub address: Template,
    pub port: Option<Template>,
    pub username: Template,
    pub password: SecretAt,
    /// The cipher suite; many BMCs want 3 or 17.
    pub cipher: u8,
    /// `OPERATOR` or `ADMINISTRATOR`.
    pub privilege: &'static str,
}

/// A fence agent of ClusterLabs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentSettings {
    /// Its name, or its path.
    pub agent: String,
    pub parameters: BTreeMap<String, Template>,
    pub secrets: BTreeMap<String, SecretAt>,
}

/// The host itself, asked to stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SshSettings {
    pub address: Template,
    pub port: Option<Template>,
    pub user: Template,
    pub key: Template,
    pub known_hosts: Option<Template>,
    pub command: Template,
}

/// How the list of who is shut out reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    /// `ceph osd blocklist ls --format json`.
    Ceph,
    /// A line for each: an address, and the second since 1970 at which its entry ends, or `never`.
    Lines,
}

/// Which addresses are entered one by one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entries {
    /// Program and arguments; `{address}` and `{expiry_s}` are filled in.
    pub block: Vec<Template>,
    pub list: Vec<Template>,
    pub unblock: Option<Vec<Template>>,
}

/// A storage that can shut a host out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StorageSettings {
    pub commands: Entries,
    pub listing: Listing,
    pub expiry: Duration,
}

/// One device's settings, by its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settings {
    Redfish(RedfishSettings),
    Ipmi(IpmiSettings),
    Agent(AgentSettings),
    Ssh(SshSettings),
    Storage(StorageSettings),
    Manual { say: Template },
}

impl Settings {
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Redfish(_) => "redfish",
            Self::Ipmi(_) => "ipmi",
            Self::Agent(_) => "agent",
            Self::Ssh(_) => "ssh",
            Self::Storage(_) => "storage",
            Self::Manual { .. } => "manual",
        }
    }

    pub(super) fn wants_addresses(&self) -> bool {
        matches!(self, Self::Storage(_))
    }

    pub(super) fn compares_serial_only(&self) -> bool {
        matches!(self, Self::Ipmi(_))
    }

    /// Every template that a host's values fill; those of a storage's commands are filled with addresses too.
    pub(super) fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Redfish(s) => {
                let mut all = vec![&s.address, &s.username, template_of(&s.password)];
                all.extend(&s.system);
                all
            }
            Self::Ipmi(s) => {
                let mut all = vec![&s.address, &s.username, template_of(&s.password)];
                all.extend(&s.port);
                all
            }
            Self::Agent(s) => {
                s.parameters.values().chain(s.secrets.values().map(template_of)).collect()
            }
            Self::Ssh(s) => {
                let mut all = vec![&s.address, &s.user, &s.key, &s.command];
                all.extend(&s.port);
                all.extend(&s.known_hosts);
                all
            }
            Self::Storage(_) => Vec::new(),
            Self::Manual { say } => vec![say],
        }
    }
}

fn template_of(at: &SecretAt) -> &Template {
    match at {
        SecretAt::File(t) | SecretAt::Environment(t) | SecretAt::Credential(t) => t,
    }
}

const REDFISH: &[&str] =
    &["kind", "deadline", "address", "system", "username", "password", "ca_file", "insecure"];
const IPMI: &[&str] =
    &["kind", "deadline", "address", "port", "username", "password", "cipher", "privilege"];
const AGENT: &[&str] = &["kind", "deadline", "agent", "parameters", "secrets"];
const SSH: &[&str] =
    &["kind", "deadline", "address", "port", "user", "key", "known_hosts", "command"];
const STORAGE: &[&str] = &["kind", "deadline", "block", "list", "unblock", "listing", "expiry"];
const MANUAL: &[&str] = &["kind", "say"];

/// Reads one device; `None` when something is wrong with it.
pub(super) fn entry(
    name: &str,
    place: Place,
    node: &Node,
    complaints: &Complaints,
) -> Option<Entry> {
    let of = format!("the device `{name}`");
    // Which fields there are depends on the kind, so that is read first, and quietly.
    let quiet = Complaints::default();
    let Some(kind) = Fields::of(node, of.clone(), &["kind"], &quiet).get("kind") else {
        complaints.add(node.place, What::Missing { field: "kind", of });
        return None;
    };
    let fields = |known| Fields::of(node, of.clone(), known, complaints);
    let (fields, settings) = match kind.text().unwrap_or_default() {
        "redfish" => with(fields(REDFISH), redfish),
        "ipmi" => with(fields(IPMI), ipmi),
        "agent" => with(fields(AGENT), agent),
        "ssh" => with(fields(SSH), ssh),
        "storage" => with(fields(STORAGE), storage),
        "manual" => {
            with(fields(MANUAL), |f| Some(Settings::Manual { say: f.required_template("say")? }))
        }
        other => {
            let suggestion = suggestion(other, KINDS);
            let name = kind.text().unwrap_or_else(|| kind.called()).to_owned();
            complaints.add(kind.place, What::NoSuch { kind: "kind of device", name, suggestion });
            return None;
        }
    };
    let deadline = fields.duration("deadline").unwrap_or(DEADLINE);
    Some(Entry { name: name.to_owned(), place, deadline, settings: settings? })
}

fn with<'a>(
    fields: Fields<'a>,
    read: impl Fn(&Fields<'a>) -> Option<Settings>,
) -> (Fields<'a>, Option<Settings>) {
    let settings = read(&fields);
    (fields, settings)
}

fn redfish(fields: &Fields<'_>) -> Option<Settings> {
    let (address, username) =
        (fields.required_template("address"), fields.required_template("username"));
    let password = fields.secret("password");
    let system = fields.template("system");
    let ca_file = fields.plain("ca_file").map(PathBuf::from);
    let insecure = fields.flag("insecure").unwrap_or(false);
    if let Some(node) = fields.get("address")
        && let Some(text) = node.text()
        && text.contains("://")
        && !text.starts_with("https://")
        && !text.starts_with("http://")
    {
        fields.wrong("address", node, "https://ADDRESS[:PORT] is wanted", None);
    }
    let settings = RedfishSettings {
        address: address?,
        system,
        username: username?,
        password: password?,
        ca_file,
        insecure,
    };
    Some(Settings::Redfish(settings))
}

fn ipmi(fields: &Fields<'_>) -> Option<Settings> {
    let (address, username) =
        (fields.required_template("address"), fields.required_template("username"));
    let password = fields.secret("password");
    let port = fields.template("port");
    let cipher =
        fields.whole("cipher", 0, 17, "a cipher suite from 0 to 17 is wanted").unwrap_or(17);
    let levels = [("operator", "OPERATOR"), ("administrator", "ADMINISTRATOR")];
    let privilege = fields.word("privilege", &levels).unwrap_or("ADMINISTRATOR");
    let settings = IpmiSettings {
        address: address?,
        port,
        username: username?,
        password: password?,
        cipher,
        privilege,
    };
    Some(Settings::Ipmi(settings))
}

fn agent(fields: &Fields<'_>) -> Option<Settings> {
    let node = fields.required("agent");
    let agent = fields.plain("agent").map(str::to_owned);
    if let (Some(node), Some(agent)) = (node, &agent) {
        let program = agent.rsplit('/').next().unwrap_or_default();
        if !program.starts_with("fence_") {
            fields.wrong("agent", node, "a fence agent is called fence_…", None);
        } else if SHOW_THE_PASSWORD.contains(&program) {
            let instead = "it shows the password to every user of this machine; `kind: ipmi` does the same work";
            fields.wrong("agent", node, instead, None);
        }
    }
    let mut parameters = BTreeMap::new();
    for (name, place, node) in fields.pairs_of("parameters") {
        refuse_ours(fields, name, place);
        if name.starts_with("passw") && !name.ends_with("script") {
            let what = format!("`{name}` is a secret: it goes under `secrets`");
            fields.contradiction(place, what);
        }
        parameters.extend(fields.template_of(name, node).map(|text| (name.to_owned(), text)));
    }
    let mut secrets = BTreeMap::new();
    for (name, place, node) in fields.pairs_of("secrets") {
        refuse_ours(fields, name, place);
        secrets.extend(fields.secret_of(name, node).map(|at| (name.to_owned(), at)));
    }
    Some(Settings::Agent(AgentSettings { agent: agent?, parameters, secrets }))
}

fn refuse_ours(fields: &Fields<'_>, name: &str, place: Place) {
    if OURS_TO_SAY.contains(&name) {
        let what =
            format!("`{name}` cannot be set: an agent is only ever asked for `status` and `off`");
        fields.contradiction(place, what);
    }
}

fn ssh(fields: &Fields<'_>) -> Option<Settings> {
    let or = |field, text| fields.template(field).or_else(|| Template::new(text).ok());
    let key = fields.required_template("key");
    let settings = SshSettings {
        address: or("address", "{host}")?,
        port: fields.template("port"),
        user: or("user", "root")?,
        key: key?,
        known_hosts: fields.template("known_hosts"),
        command: or("command", "systemctl poweroff --force --force")?,
    };
    Some(Settings::Ssh(settings))
}

fn storage(fields: &Fields<'_>) -> Option<Settings> {
    let command = |field: &'static str| {
        let node = fields.required(field)?;
        let words = fields.list(field)?;
        if words.first().is_some_and(|(_, program)| !program.text().starts_with('/')) {
            fields.wrong(field, node, "the program comes first, with its whole path", None);
        }
        Some(words.into_iter().map(|(_, word)| word).collect())
    };
    let (block, list) = (command("block"), command("list"));
    let unblock = fields.get("unblock").and_then(|_| command("unblock"));
    let formats = [("ceph", Listing::Ceph), ("lines", Listing::Lines)];
    let listing = fields.word("listing", &formats).unwrap_or(Listing::Lines);
    let expiry = fields.duration("expiry").unwrap_or(EXPIRY);
    if let Some(node) = fields.get("expiry").filter(|_| expiry < EXPIRY_LEAST) {
        // What proves nothing longer than a recovery lasts.
        fields.wrong(
            "expiry",
            node,
            "a time of 1h at least is wanted: a recovery relies on it",
            None,
        );
    }
    let commands = Entries { block: block?, list: list?, unblock };
    Some(Settings::Storage(StorageSettings { commands, listing, expiry }))
}
