//! `/segments`.

use crate::{
    ask::{Ask, Reply, given},
    fault::Fault,
    json::Json,
    microversion::Version,
    query::NoSuchWord,
    route::Action,
    schema::{Brackets, Need, Rule, Schema, is_uuid},
    timestamp::{Iso, iso},
};
use http::StatusCode;
use recovery::{
    SegmentId,
    nouns::{RecoveryMethod, Segment},
};
use serde::Serialize;
use store::{NewSegment, SegmentFilter, SegmentUpdate};

const METHOD: Rule =
    Rule::Word(&["auto", "reserved_host", "auto_priority", "rh_priority"], Brackets::Square);
const FIELDS: &[(&str, Rule)] = &[
    ("name", Rule::Name),
    ("description", Rule::Description),
    ("recovery_method", METHOD),
    ("service_type", Rule::Name),
];
const FIELDS_WITH_ENABLED: &[(&str, Rule)] = &[
    ("name", Rule::Name),
    ("description", Rule::Description),
    ("recovery_method", METHOD),
    ("service_type", Rule::Name),
    ("enabled", Rule::Boolean),
];

pub(crate) async fn answer(ask: &Ask, action: Action) -> Result<Reply, Fault> {
    match action {
        Action::Index => index(ask).await,
        Action::Create => create(ask).await,
        Action::Show(id) => show(ask, &SegmentId::new(id)).await,
        Action::Update(id) => update(ask, &SegmentId::new(id)).await,
        Action::Delete(id) => delete(ask, &SegmentId::new(id)).await,
        Action::New | Action::Edit | Action::Act => Err(Fault::not_allowed(&ask.method, &action)),
    }
}

async fn index(ask: &Ask) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:segments:index")?;
    let (query, page) = ask.list()?;
    let enabled = query.flag("enabled")?;
    let method = query.word("recovery_method", RecoveryMethod::ALL, RecoveryMethod::as_str);
    let found = match (method, query.text("service_type")) {
        (Ok(recovery_method), Ok(service_type)) => {
            let filter = SegmentFilter { recovery_method, service_type, enabled };
            ask.api.store.segments(&filter, &page).await?
        }
        (Err(NoSuchWord), _) | (_, Err(NoSuchWord)) => Vec::new(),
    };
    Reply::ok(&Many { segments: found.iter().map(View::of).collect() })
}

async fn show(ask: &Ask, id: &SegmentId) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:segments:detail")?;
    one(StatusCode::OK, &find(ask, id).await?)
}

async fn create(ask: &Ask) -> Result<Reply, Fault> {
    let need = Need::All(&["name", "recovery_method", "service_type"]);
    let body = ask.body(&schema(ask.version, need))?;
    ask.can("os_masakari_api:segments:create")?;
    let segment = given(body.get("segment"), "segment")?;
    let new = NewSegment {
        uuid: SegmentId::new(ask.api.entropy.uuid().to_string()),
        name: given(segment.text("name"), "name")?.to_owned(),
        service_type: given(segment.text("service_type"), "service_type")?.to_owned(),
        description: segment.text("description").map(str::to_owned),
        recovery_method: given(method(segment), "recovery_method")?,
        enabled: segment.flag("enabled").unwrap_or(true),
        now: ask.now(),
    };
    one(StatusCode::CREATED, &ask.api.store.create_segment(new).await?)
}

async fn update(ask: &Ask, id: &SegmentId) -> Result<Reply, Fault> {
    let body = ask.body(&schema(ask.version, Need::Any))?;
    ask.can("os_masakari_api:segments:update")?;
    find(ask, id).await?;
    let segment = given(body.get("segment"), "segment")?;
    let change = SegmentUpdate {
        name: segment.text("name").map(str::to_owned),
        service_type: segment.text("service_type").map(str::to_owned),
        description: segment
            .get("description")
            .map(|_| segment.text("description").map(str::to_owned)),
        recovery_method: method(segment),
        enabled: segment.flag("enabled"),
        now: ask.now(),
    };
    let sentence =
        format!("Failover segment {id} can't be updated as it is in-use to process notifications.");
    let changed = ask.api.store.update_segment(id, change).await;
    one(StatusCode::OK, &changed.map_err(|e| Fault::in_use(e, sentence))?)
}

async fn delete(ask: &Ask, id: &SegmentId) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:segments:delete")?;
    find(ask, id).await?;
    let sentence = format!(
        "Failover segment ({id}) can't be deleted as it is in-use to process notifications."
    );
    ask.api.store.delete_segment(id).await.map_err(|e| Fault::in_use(e, sentence))?;
    Ok(Reply::no_content())
}

/// The segment, or 404.
pub(crate) async fn find(ask: &Ask, id: &SegmentId) -> Result<Segment, Fault> {
    let missing = || Fault::no_segment(id.as_str());
    // MySQL would find an id with a blank after it, and cannot compare every text.
    if !is_uuid(id.as_str()) {
        return Err(missing());
    }
    ask.api.store.segment(id).await?.ok_or_else(missing)
}

fn schema(version: Version, need: Need) -> Schema {
    let fields = match version {
        Version::Initial | Version::ProgressDetails => FIELDS,
        Version::SegmentEnabled | Version::VMoves => FIELDS_WITH_ENABLED,
    };
    Schema { key: Some("segment"), fields, need }
}

fn method(segment: &Json) -> Option<RecoveryMethod> {
    segment.text("recovery_method").and_then(RecoveryMethod::from_word)
}

fn one(status: StatusCode, segment: &Segment) -> Result<Reply, Fault> {
    Reply::with(status, &One { segment: View::of(segment) })
}

#[derive(Serialize)]
struct One<'a> {
    segment: View<'a>,
}

#[derive(Serialize)]
struct Many<'a> {
    segments: Vec<View<'a>>,
}

/// A segment as clients see it.
#[derive(Serialize)]
pub(crate) struct View<'a> {
    id: i64,
    uuid: &'a str,
    name: &'a str,
    service_type: &'a str,
    enabled: bool,
    description: Option<&'a str>,
    recovery_method: &'static str,
    created_at: Option<Iso>,
    updated_at: Option<Iso>,
    deleted_at: (),
    deleted: bool,
}

impl<'a> View<'a> {
    pub(crate) fn of(segment: &'a Segment) -> Self {
        Self {
            id: segment.id,
            uuid: segment.uuid.as_str(),
            name: &segment.name,
            service_type: &segment.service_type,
            enabled: segment.enabled,
            description: segment.description.as_deref(),
            recovery_method: segment.recovery_method.as_str(),
            created_at: segment.created_at.map(iso),
            updated_at: segment.updated_at.map(iso),
            deleted_at: (),
            deleted: false,
        }
    }
}
