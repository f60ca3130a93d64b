//! What `crm_mon --output-as=xml` prints, read by the version of its schema. Pure.

use recovery::Millis;
use roxmltree::{Document, Node as Element, ParsingOptions};
use std::collections::BTreeMap;

/// More than a cluster of a thousand nodes with all its resources has.
pub const BYTES_MOST: usize = 4 << 20;
const ELEMENTS_MOST: u32 = 400_000;
/// The major version of the schema that is known (`api-version`); `crm_mon -X` says none and is as 2.
const SCHEMA: &str = "2";

/// What the cluster says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cluster {
    /// The name of its coordinator, if it has one.
    pub coordinator: Option<String>,
    pub has_quorum: bool,
    /// Nothing is managed in it: a person is at work.
    pub is_maintained: bool,
    pub nodes: Vec<Node>,
    /// Of each remote the members that have the connection to it.
    pub connections: BTreeMap<String, Vec<String>>,
    pub fencings: Vec<Fencing>,
}

/// What it says of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub name: String,
    pub kind: NodeKind,
    pub is_online: bool,
    /// It is to be fenced, or its state is not known.
    pub is_unclean: bool,
    /// It joins.
    pub is_pending: bool,
    pub is_maintained: bool,
}

/// What kind of node it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    Member,
    Remote,
    /// A VM or a container that is a resource of the cluster: no host.
    Guest,
    /// Only pinged, or of a kind that is not known here.
    Other,
}

/// One fencing that was ordered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fencing {
    pub target: String,
    /// `off`, `reboot`, …
    pub action: String,
    /// `success`, `failed`, `pending`.
    pub status: String,
    /// Who did it; `a human` for `stonith_admin --confirm`.
    pub delegate: String,
    /// Who wanted it.
    pub client: String,
    pub completed: Option<Millis>,
}

/// Why an answer is of no use.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Unreadable {
    #[error("it is {bytes} bytes long, and at most {BYTES_MOST} are read")]
    TooLarge { bytes: usize },
    #[error("it is no XML: {0}")]
    NoXml(String),
    #[error("it is <{0}>, and not <pacemaker-result> or <crm_mon>")]
    OtherRoot(String),
    #[error("its schema has version {0:?}; {SCHEMA}.x is known here")]
    OtherSchema(String),
    #[error("Pacemaker's tool says: {0}")]
    Said(String),
    #[error("it has no <{0}>")]
    Missing(&'static str),
    #[error("<node> has no {0}")]
    NodeWithout(&'static str),
}

/// Reads it as XML, within bounds. A DTD is refused.
pub(super) fn document(text: &str) -> Result<Document<'_>, Unreadable> {
    if text.len() > BYTES_MOST {
        return Err(Unreadable::TooLarge { bytes: text.len() });
    }
    let options = ParsingOptions { nodes_limit: ELEMENTS_MOST, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
        .map_err(|error| Unreadable::NoXml(error.to_string()))
}

impl Cluster {
    /// Reads what the tool printed.
    ///
    /// # Errors
    /// Why it says nothing of any host.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let document = document(text)?;
        let root = document.root_element();
        match (root.tag_name().name(), root.attribute("api-version")) {
            ("pacemaker-result", Some(version)) if version.split('.').next() == Some(SCHEMA) => {}
            ("pacemaker-result", version) => {
                return Err(Unreadable::OtherSchema(version.unwrap_or_default().to_owned()));
            }
            ("crm_mon", _) => {}
            (other, _) => return Err(Unreadable::OtherRoot(other.to_owned())),
        }
        if let Some(said) = error_of(root) {
            return Err(Unreadable::Said(said));
        }
        let summary = child(root, "summary").ok_or(Unreadable::Missing("summary"))?;
        let coordinator = child(summary, "current_dc").ok_or(Unreadable::Missing("current_dc"))?;
        let options = child(summary, "cluster_options");
        let nodes = child(root, "nodes").ok_or(Unreadable::Missing("nodes"))?;
        let nodes: Result<Vec<Node>, Unreadable> = children(nodes, "node").map(node).collect();
        let nodes = nodes?;
        if nodes.is_empty() {
            return Err(Unreadable::Missing("node"));
        }
        let history = child(root, "fence_history").into_iter();
        let fencings = history.flat_map(|history| children(history, "fence_event").map(fencing));
        Ok(Self {
            coordinator: coordinator
                .attribute("name")
                .filter(|_| is(coordinator, "present"))
                .map(ToOwned::to_owned),
            has_quorum: is(coordinator, "with_quorum"),
            is_maintained: options.is_some_and(|options| is(options, "maintenance-mode")),
            nodes,
            connections: child(root, "resources").map(connections).unwrap_or_default(),
            fencings: fencings.collect(),
        })
    }
}

/// What `<status>` says beside "OK": a tool that could not ask prints it with the code 0, too.
fn error_of(root: Element<'_, '_>) -> Option<String> {
    let status = child(root, "status")?;
    let errors: Vec<&str> = status
        .descendants()
        .filter(|element| element.has_tag_name("error"))
        .filter_map(|e| e.text())
        .collect();
    if !errors.is_empty() {
        return Some(errors.join("; "));
    }
    let code = status.attribute("code").unwrap_or("0");
    (code != "0").then(|| {
        format!("{} (code {code})", status.attribute("message").unwrap_or("it did not succeed"))
    })
}

fn child<'a, 'i>(of: Element<'a, 'i>, name: &'static str) -> Option<Element<'a, 'i>> {
    children(of, name).next()
}

fn children<'a, 'i>(
    of: Element<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Element<'a, 'i>> {
    of.children().filter(move |element| element.has_tag_name(name))
}

fn is(element: Element<'_, '_>, name: &str) -> bool {
    element.attribute(name) == Some("true")
}

fn node(element: Element<'_, '_>) -> Result<Node, Unreadable> {
    let name = element.attribute("name").ok_or(Unreadable::NodeWithout("name"))?;
    if element.attribute("online").is_none() {
        return Err(Unreadable::NodeWithout("online"));
    }
    let kind = match element.attribute("type") {
        Some("member") => NodeKind::Member,
        Some("remote") if element.has_attribute("id_as_resource") => NodeKind::Guest,
        Some("remote") => NodeKind::Remote,
        Some(_) | None => NodeKind::Other,
    };
    Ok(Node {
        name: name.to_owned(),
        kind,
        is_online: is(element, "online"),
        is_unclean: is(element, "unclean"),
        is_pending: is(element, "pending"),
        is_maintained: is(element, "maintenance"),
    })
}

/// The resource that is a remote's connection bears its name.
fn connections(resources: Element<'_, '_>) -> BTreeMap<String, Vec<String>> {
    let is_remote = |of: &Element<'_, '_>| {
        let agent = of.attribute("resource_agent").unwrap_or_default();
        of.has_tag_name("resource") && agent.ends_with("pacemaker:remote")
    };
    let all = resources.descendants().filter(is_remote).filter_map(|resource| {
        let members = children(resource, "node").filter_map(|node| node.attribute("name"));
        Some((resource.attribute("id")?.to_owned(), members.map(ToOwned::to_owned).collect()))
    });
    all.collect()
}

fn fencing(element: Element<'_, '_>) -> Fencing {
    let text = |name: &str| element.attribute(name).unwrap_or_default().to_owned();
    Fencing {
        target: text("target"),
        action: text("action"),
        status: text("status"),
        delegate: text("delegate"),
        client: text("client"),
        completed: element.attribute("completed").and_then(moment),
    }
}

/// A moment with its zone; one without says nothing certain.
fn moment(text: &str) -> Option<Millis> {
    let text = text.trim();
    let formats = ["%Y-%m-%d %H:%M:%S%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S %#z"];
    let text = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |utc| format!("{utc}+00:00"));
    let parsed =
        formats.iter().find_map(|format| chrono::DateTime::parse_from_str(&text, format).ok());
    parsed.map(|at| Millis(at.timestamp_millis()))
}
