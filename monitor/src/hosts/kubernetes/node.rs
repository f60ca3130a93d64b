//! What Kubernetes' API says of nodes, read from its JSON: a page of a list, and one line of a watch.
//!
//! A node's object is some 20 kB, of which its Ready condition and one taint matter here: all else is passed over as it is read, and
//! nothing of it is kept. What is no list of nodes, or larger than one can be, is refused.

use chrono::DateTime;
use recovery::Millis;
use serde::Deserialize;
use std::borrow::Cow;

/// More nodes than Kubernetes supports in one cluster.
pub const NODES_MOST: usize = 10_000;
/// A page of nodes; etcd takes no object of more than 1.5 MiB, and most are a hundredth of that.
pub const PAGE_BYTES_MOST: usize = 48 << 20;
/// A line of a watch is one object.
pub const LINE_BYTES_MOST: usize = 4 << 20;
/// A name of Kubernetes: a DNS subdomain.
const NAME_BYTES_MOST: usize = 253;
/// What of somebody else's sentence is shown.
const WORDS_MOST: usize = 200;
/// "I have made certain that this node is down": Kubernetes itself acts on it (non-graceful node shutdown).
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// The controller's word of a node whose kubelet has never reported: it has not died, it has not come yet.
const NEVER_CAME: &str = "NodeStatusNeverUpdated";

/// What matters of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub name: String,
    pub ready: Ready,
    /// When that last changed.
    pub changed_at: Option<Millis>,
    /// The newest status of its kubelet. In peace it is as old as five minutes.
    pub heard_at: Option<Millis>,
    pub taint: Option<Taint>,
}

/// The Ready condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// `True`
    Yes,
    /// `False`: its kubelet says itself that it is not ready, and so lives.
    No,
    /// `Unknown`: its kubelet has been silent for longer than the controller waits.
    Silent,
    /// There is none, or its kubelet has never been heard.
    Never,
}

/// The taint [`OUT_OF_SERVICE`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taint {
    /// `=nodeshutdown:NoExecute`
    pub words: String,
    /// Only if its author wrote it down; `kubectl taint` does not.
    pub added_at: Option<Millis>,
}

/// A part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    pub nodes: Vec<Node>,
    /// Of the whole list: a watch goes on from here.
    pub version: String,
    /// Where the next page begins.
    pub more: Option<String>,
}

/// One line of a watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It is there, and so.
    Is { node: Node, version: String },
    /// It was deleted, or its labels do not fit any more.
    Left { name: String, version: String },
    /// Nothing that is looked for has changed until then.
    Bookmark { version: String },
    /// What happened since the version that was asked for is forgotten: list again.
    Gone,
    /// The watch ends with this.
    Ended { code: u16, why: String },
}

/// Why an answer is not used.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Unreadable {
    #[error("{bytes} bytes: more than {most} are not read")]
    Huge { bytes: usize, most: usize },
    #[error("not the JSON that Kubernetes writes: {0}")]
    Syntax(String),
    #[error("a {kind}, where {wanted} was asked for: {message}")]
    Else { kind: String, wanted: &'static str, message: String },
    #[error("a node without a name, or with one of more than {NAME_BYTES_MOST} bytes")]
    Name,
    #[error("more than {NODES_MOST} nodes: narrow [kubernetes] monitoring_node_labels")]
    TooMany,
    #[error("an event of the type {0:?}, which a watch does not have")]
    Type(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListJson<'a> {
    #[serde(default, borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    metadata: ListMetaJson<'a>,
    #[serde(default, borrow)]
    items: Option<Vec<NodeJson<'a>>>,
    #[serde(default, borrow)]
    message: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ListMetaJson<'a> {
    #[serde(default, borrow)]
    resource_version: Cow<'a, str>,
    #[serde(default, borrow, rename = "continue")]
    more: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct NodeJson<'a> {
    #[serde(default, borrow)]
    metadata: MetaJson<'a>,
    #[serde(default, borrow)]
    spec: SpecJson<'a>,
    #[serde(default, borrow)]
    status: StatusJson<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct MetaJson<'a> {
    #[serde(default, borrow)]
    name: Cow<'a, str>,
    #[serde(default, borrow)]
    resource_version: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
struct SpecJson<'a> {
    #[serde(default, borrow)]
    taints: Option<Vec<TaintJson<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaintJson<'a> {
    #[serde(default, borrow)]
    key: Cow<'a, str>,
    #[serde(default, borrow)]
    value: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    effect: Cow<'a, str>,
    #[serde(default, borrow)]
    time_added: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
struct StatusJson<'a> {
    #[serde(default, borrow)]
    conditions: Option<Vec<ConditionJson<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConditionJson<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    status: Cow<'a, str>,
    #[serde(default, borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    last_transition_time: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    last_heartbeat_time: Option<Cow<'a, str>>,
}

/// A line of a watch, whose object depends on its type.
#[derive(Deserialize)]
struct LineJson<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a serde_json::value::RawValue,
}

/// What the API says when it has nothing else to say.
#[derive(Deserialize)]
struct SaidJson<'a> {
    #[serde(default)]
    code: u16,
    #[serde(default, borrow)]
    message: Option<Cow<'a, str>>,
}

/// A page of a list.
///
/// # Errors
/// When it is none, or too large.
pub fn page(body: &[u8]) -> Result<Page, Unreadable> {
    small(body, PAGE_BYTES_MOST)?;
    let list: ListJson<'_> = read(body)?;
    if list.kind != "NodeList" {
        let message = shortened(list.message.as_deref().unwrap_or_default());
        return Err(Unreadable::Else {
            kind: shortened(&list.kind),
            wanted: "a NodeList",
            message,
        });
    }
    let items = list.items.unwrap_or_default();
    if items.len() > NODES_MOST {
        return Err(Unreadable::TooMany);
    }
    Ok(Page {
        nodes: items.iter().map(node).collect::<Result<_, _>>()?,
        version: list.metadata.resource_version.into_owned(),
        more: list.metadata.more.filter(|more| !more.is_empty()).map(Cow::into_owned),
    })
}

/// One line of a watch, without its end.
///
/// # Errors
/// When it is none, or too large.
pub fn event(line: &[u8]) -> Result<Event, Unreadable> {
    small(line, LINE_BYTES_MOST)?;
    let line: LineJson<'_> = read(line)?;
    let object = line.object.get().as_bytes();
    match line.kind.as_ref() {
        "ADDED" | "MODIFIED" => {
            let read: NodeJson<'_> = read(object)?;
            let version = read.metadata.resource_version.clone().into_owned();
            Ok(Event::Is { node: node(&read)?, version })
        }
        "DELETED" => {
            let read: NodeJson<'_> = read(object)?;
            let version = read.metadata.resource_version.clone().into_owned();
            Ok(Event::Left { name: name(&read.metadata)?, version })
        }
        "BOOKMARK" => {
            let read: NodeJson<'_> = read(object)?;
            Ok(Event::Bookmark { version: read.metadata.resource_version.into_owned() })
        }
        "ERROR" => match said(object)? {
            (410, _) => Ok(Event::Gone),
            (code, why) => Ok(Event::Ended { code, why }),
        },
        other => Err(Unreadable::Type(shortened(other))),
    }
}

/// The code and the sentence of a `Status`.
///
/// # Errors
/// When it is none.
pub fn said(body: &[u8]) -> Result<(u16, String), Unreadable> {
    let read: SaidJson<'_> = read(body)?;
    Ok((read.code, shortened(read.message.as_deref().unwrap_or_default())))
}

fn small(body: &[u8], most: usize) -> Result<(), Unreadable> {
    if body.len() > most { Err(Unreadable::Huge { bytes: body.len(), most }) } else { Ok(()) }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| Unreadable::Syntax(shortened(&error.to_string())))
}

/// Somebody else's words, without what would make a log of many lines.
pub(super) fn shortened(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MOST).collect()
}

fn name(meta: &MetaJson<'_>) -> Result<String, Unreadable> {
    match meta.name.len() {
        1..=NAME_BYTES_MOST => Ok(meta.name.clone().into_owned()),
        _ => Err(Unreadable::Name),
    }
}

fn node(read: &NodeJson<'_>) -> Result<Node, Unreadable> {
    let conditions = read.status.conditions.as_deref().unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.kind == "Ready");
    let taints = read.spec.taints.as_deref().unwrap_or_default();
    Ok(Node {
        name: name(&read.metadata)?,
        ready: ready.map_or(Ready::Never, ready_of),
        changed_at: ready.and_then(|ready| time(ready.last_transition_time.as_deref())),
        heard_at: ready.and_then(|ready| time(ready.last_heartbeat_time.as_deref())),
        taint: taints.iter().find(|taint| taint.key == OUT_OF_SERVICE).map(taint_of),
    })
}

fn ready_of(condition: &ConditionJson<'_>) -> Ready {
    match condition.status.as_ref() {
        "True" => Ready::Yes,
        "False" => Ready::No,
        _ if condition.reason.as_deref() == Some(NEVER_CAME) => Ready::Never,
        _ => Ready::Silent,
    }
}

fn taint_of(taint: &TaintJson<'_>) -> Taint {
    let value = taint.value.as_deref().unwrap_or_default();
    Taint {
        words: shortened(&format!("{OUT_OF_SERVICE}={value}:{}", taint.effect)),
        added_at: time(taint.time_added.as_deref()),
    }
}

/// A time that cannot be read is none: it blinds nobody.
fn time(text: Option<&str>) -> Option<Millis> {
    DateTime::parse_from_rfc3339(text?).ok().map(|at| Millis(at.timestamp_millis()))
}
