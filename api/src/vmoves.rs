//! `/notifications/{notification}/vmoves`: the moves of VMs that one recovery makes.

use crate::{
    ask::{Ask, Reply},
    fault::Fault,
    notifications,
    route::Action,
    schema::is_uuid,
    timestamp::{Iso, iso},
};
use recovery::{
    NotificationId, VMoveId,
    nouns::{NotificationType, VMove, VMoveStatus, VMoveType},
};
use serde::Serialize;
use store::VMoveFilter;

pub(crate) async fn answer(ask: &Ask, of: &str, action: Action) -> Result<Reply, Fault> {
    let of = NotificationId::new(of);
    match action {
        Action::Index => index(ask, &of).await,
        Action::Show(id) => show(ask, &of, &VMoveId::new(id)).await,
        Action::Create
        | Action::New
        | Action::Update(_)
        | Action::Delete(_)
        | Action::Edit
        | Action::Act => Err(Fault::not_allowed(&ask.method, &action)),
    }
}

async fn index(ask: &Ask, of: &NotificationId) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:vmoves:index")?;
    let (query, page) = ask.list()?;
    check(ask, of).await?;
    let kind = query.word("type", VMoveType::ALL, VMoveType::as_str);
    let status = query.word("status", VMoveStatus::ALL, VMoveStatus::as_str);
    let found = match (kind, status) {
        (Ok(kind), Ok(status)) => {
            ask.api.store.vmoves(of, &VMoveFilter { kind, status }, &page).await?
        }
        (_, _) => Vec::new(),
    };
    Reply::ok(&Many { vmoves: found.iter().map(View::of).collect() })
}

async fn show(ask: &Ask, of: &NotificationId, id: &VMoveId) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:vmoves:detail")?;
    check(ask, of).await?;
    let missing = || Fault::no_vmove(id.as_str());
    if !is_uuid(id.as_str()) {
        return Err(missing());
    }
    let vmove = ask.api.store.vmove(id).await?.filter(|vmove| vmove.notification == *of);
    let vmove = vmove.ok_or_else(missing)?;
    Reply::ok(&One { vmove: View::of(&vmove) })
}

/// Only reports about hosts move VMs.
async fn check(ask: &Ask, of: &NotificationId) -> Result<(), Fault> {
    match notifications::find(ask, of).await?.kind {
        NotificationType::ComputeHost => Ok(()),
        NotificationType::Process | NotificationType::Vm => {
            Err(Fault::bad(format!("This notification {of} without vm moves.")))
        }
    }
}

#[derive(Serialize)]
struct One<'a> {
    vmove: View<'a>,
}

#[derive(Serialize)]
struct Many<'a> {
    vmoves: Vec<View<'a>>,
}

/// A VM move as clients see it.
#[derive(Serialize)]
struct View<'a> {
    id: i64,
    uuid: &'a str,
    notification_uuid: &'a str,
    instance_uuid: &'a str,
    instance_name: &'a str,
    source_host: &'a str,
    dest_host: Option<&'a str>,
    start_time: Option<Iso>,
    end_time: Option<Iso>,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    message: Option<&'a str>,
    created_at: Option<Iso>,
    updated_at: Option<Iso>,
    deleted_at: (),
    deleted: bool,
}

impl<'a> View<'a> {
    fn of(vmove: &'a VMove) -> Self {
        Self {
            id: vmove.id,
            uuid: vmove.uuid.as_str(),
            notification_uuid: vmove.notification.as_str(),
            instance_uuid: vmove.server.as_str(),
            instance_name: &vmove.server_name,
            source_host: vmove.source_host.as_str(),
            dest_host: vmove.dest_host.as_ref().map(recovery::HostName::as_str),
            start_time: vmove.started_at.map(iso),
            end_time: vmove.ended_at.map(iso),
            kind: vmove.kind.as_str(),
            status: vmove.status.as_str(),
            message: vmove.message.as_deref(),
            created_at: vmove.created_at.map(iso),
            updated_at: vmove.updated_at.map(iso),
            deleted_at: (),
            deleted: false,
        }
    }
}
