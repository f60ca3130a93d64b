//! `/segments/{segment}/hosts`.

use crate::{
    ask::{Ask, Reply, given},
    fault::Fault,
    query::NoSuchWord,
    route::Action,
    schema::{Need, Rule, Schema, is_uuid},
    segments,
    timestamp::{Iso, iso},
};
use http::StatusCode;
use recovery::{
    HostId, HostName, SegmentId,
    nouns::{Host, Segment},
};
use serde::Serialize;
use store::{HostFilter, HostUpdate, NewHost};

const FIELDS: &[(&str, Rule)] = &[
    ("name", Rule::Name),
    ("type", Rule::HostType),
    ("control_attributes", Rule::Attributes),
    ("reserved", Rule::Boolean),
    ("on_maintenance", Rule::Boolean),
];
const CREATE: Schema = Schema {
    key: Some("host"),
    fields: FIELDS,
    need: Need::All(&["name", "type", "control_attributes"]),
};
const UPDATE: Schema = Schema { key: Some("host"), fields: FIELDS, need: Need::Any };

pub(crate) async fn answer(ask: &Ask, segment: &SegmentId, action: Action) -> Result<Reply, Fault> {
    match action {
        Action::Index => index(ask, segment).await,
        Action::Create => create(ask, segment).await,
        Action::Show(id) => show(ask, segment, &HostId::new(id)).await,
        Action::Update(id) => update(ask, segment, &HostId::new(id)).await,
        Action::Delete(id) => delete(ask, segment, &HostId::new(id)).await,
        Action::New | Action::Edit | Action::Act => Err(Fault::not_allowed(&ask.method, &action)),
    }
}

/// The names and control attributes that a query gives are no filters, as in Python Masakari: clients
/// that send them look through the whole list themselves.
async fn index(ask: &Ask, segment: &SegmentId) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:os-hosts:index")?;
    let (query, page) = ask.list()?;
    let segment = segments::find(ask, segment).await?;
    let on_maintenance = query.flag("on_maintenance")?;
    let reserved = query.flag("reserved")?;
    let found = match query.text("type") {
        Ok(kind) => {
            let filter = HostFilter { kind, on_maintenance, reserved, ..HostFilter::default() };
            ask.api.store.hosts(&segment.uuid, &filter, &page).await?
        }
        Err(NoSuchWord) => Vec::new(),
    };
    Reply::ok(&Many { hosts: found.iter().map(|host| View::of(host, &segment)).collect() })
}

async fn show(ask: &Ask, segment: &SegmentId, id: &HostId) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:os-hosts:detail")?;
    if !is_uuid(id.as_str()) {
        return Err(Fault::not_found(format!("No host with id {id}.")));
    }
    let host = find(ask, segment, id).await?;
    one(ask, StatusCode::OK, &host).await
}

async fn create(ask: &Ask, segment: &SegmentId) -> Result<Reply, Fault> {
    let body = ask.body(&CREATE)?;
    ask.can("os_masakari_api:os-hosts:create")?;
    let segment = segments::find(ask, segment).await?;
    let host = given(body.get("host"), "host")?;
    let new = NewHost {
        uuid: HostId::new(ask.api.entropy.uuid().to_string()),
        name: HostName::new(given(host.text("name"), "name")?),
        segment: segment.uuid.clone(),
        kind: given(host.text("type"), "type")?.to_owned(),
        control_attributes: given(host.text("control_attributes"), "control_attributes")?.into(),
        reserved: host.flag("reserved").unwrap_or(false),
        on_maintenance: host.flag("on_maintenance").unwrap_or(false),
        now: ask.now(),
    };
    check_compute_service(ask, &new.name).await?;
    let host = ask.api.store.create_host(new).await?;
    Reply::with(StatusCode::CREATED, &One { host: View::of(&host, &segment) })
}

async fn update(ask: &Ask, segment: &SegmentId, id: &HostId) -> Result<Reply, Fault> {
    let body = ask.body(&UPDATE)?;
    ask.can("os_masakari_api:os-hosts:update")?;
    find(ask, segment, id).await?;
    let host = given(body.get("host"), "host")?;
    let change = HostUpdate {
        name: host.text("name").map(HostName::new),
        kind: host.text("type").map(str::to_owned),
        control_attributes: host.text("control_attributes").map(str::to_owned),
        reserved: host.flag("reserved"),
        on_maintenance: host.flag("on_maintenance"),
        now: ask.now(),
    };
    if let Some(name) = &change.name {
        check_compute_service(ask, name).await?;
    }
    let sentence = format!("Host {id} can't be updated as it is in-use to process notifications.");
    let changed = ask.api.store.update_host(id, change).await;
    one(ask, StatusCode::OK, &changed.map_err(|e| Fault::in_use(e, sentence))?).await
}

async fn delete(ask: &Ask, segment: &SegmentId, id: &HostId) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:os-hosts:delete")?;
    find(ask, segment, id).await?;
    let sentence = format!("Host {id} can't be deleted as it is in-use to process notifications.");
    ask.api.store.delete_host(id).await.map_err(|e| Fault::in_use(e, sentence))?;
    Ok(Reply::no_content())
}

/// The host, which must be in that segment, or 404.
async fn find(ask: &Ask, segment: &SegmentId, id: &HostId) -> Result<Host, Fault> {
    let missing = || {
        Fault::not_found(format!(
            "Host '{id}' under failover_segment '{segment}' could not be found."
        ))
    };
    if !is_uuid(id.as_str()) {
        return Err(missing());
    }
    let host = ask.api.store.host(id).await?.filter(|host| host.segment == *segment);
    host.ok_or_else(missing)
}

/// A host that Nova does not know could never be recovered: its name is a mistake.
async fn check_compute_service(ask: &Ask, name: &HostName) -> Result<(), Fault> {
    let away = |why| {
        Fault::unavailable(format!(
            "Nova cannot be asked whether it has a compute service {name}; try again later"
        ))
        .because(why)
    };
    match ask.api.nova.compute_service(name).await.map_err(away)? {
        Some(_) => Ok(()),
        None => Err(Fault::bad(format!("Compute service with name {name} could not be found."))),
    }
}

async fn one(ask: &Ask, status: StatusCode, host: &Host) -> Result<Reply, Fault> {
    let segment = segments::find(ask, &host.segment).await?;
    Reply::with(status, &One { host: View::of(host, &segment) })
}

#[derive(Serialize)]
struct One<'a> {
    host: View<'a>,
}

#[derive(Serialize)]
struct Many<'a> {
    hosts: Vec<View<'a>>,
}

/// A host as clients see it.
#[derive(Serialize)]
struct View<'a> {
    id: i64,
    uuid: &'a str,
    name: &'a str,
    failover_segment_id: &'a str,
    failover_segment: segments::View<'a>,
    #[serde(rename = "type")]
    kind: &'a str,
    reserved: bool,
    control_attributes: &'a str,
    on_maintenance: bool,
    created_at: Option<Iso>,
    updated_at: Option<Iso>,
    deleted_at: (),
    deleted: bool,
}

impl<'a> View<'a> {
    fn of(host: &'a Host, segment: &'a Segment) -> Self {
        Self {
            id: host.id,
            uuid: host.uuid.as_str(),
            name: host.name.as_str(),
            failover_segment_id: host.segment.as_str(),
            failover_segment: segments::View::of(segment),
            kind: &host.kind,
            reserved: host.reserved,
            control_attributes: &host.control_attributes,
            on_maintenance: host.on_maintenance,
            created_at: host.created_at.map(iso),
            updated_at: host.updated_at.map(iso),
            deleted_at: (),
            deleted: false,
        }
    }
}
