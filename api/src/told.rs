//! `/ha/v1`: what the log of a recovery tells, for machines as JSON and, as its `text`, for people.
//!
//! All of it is read from the log when it is asked for, so it is there for recoveries that ended long ago.

use crate::{
    ApiState,
    ask::{Ask, Reply},
    fault::Fault,
    ha::enter,
    notifications::find,
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use recovery::{
    HostName, NotificationId,
    certificate::{Certificates, Of},
    explain::{self, Case},
    log::Line,
    nouns::Notification,
};
use serde::Serialize;
use serde_json::json;
use std::{fmt::Display, sync::Arc};

/// Why the host of a recovery was held for dead.
pub(crate) async fn certificate(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:notifications:certificate")?;
    let Tale { notification, host, lines, .. } = Tale::of(&ask, id).await?;
    let (id, kind, status) = (&notification.uuid, notification.kind, notification.status);
    let of = Of { notification: id, kind, status, host: &host };
    said("certificate", &Certificates::read(of, &lines))
}

/// Why a recovery stands where it stands, or ended as it did.
pub(crate) async fn explain(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:notifications:explain")?;
    let Tale { notification, host, on_maintenance, lines } = Tale::of(&ask, id).await?;
    let case = Case {
        notification: &notification.uuid,
        kind: notification.kind,
        status: notification.status,
        message: notification.message.as_deref(),
        host: &host,
        on_maintenance,
        lines: &lines,
    };
    said("explanation", &explain::explain(&case))
}

/// A recovery, as far as it is told.
struct Tale {
    notification: Notification,
    host: HostName,
    on_maintenance: bool,
    lines: Vec<Line>,
}

impl Tale {
    async fn of(ask: &Ask, id: String) -> Result<Self, Fault> {
        let notification = find(ask, &NotificationId::new(id)).await?;
        let lines = ask.api.store.log(&notification.uuid).await?;
        let host = ask.api.store.host(&notification.source_host).await?;
        let on_maintenance = host.as_ref().is_some_and(|host| host.on_maintenance);
        // The host may have been deleted since; its id is then all that is left of it.
        let host =
            host.map_or_else(|| HostName::new(notification.source_host.as_str()), |h| h.name);
        Ok(Self { notification, host, on_maintenance, lines })
    }
}

pub(crate) fn said<T: Serialize + Display>(
    name: &'static str,
    what: &T,
) -> Result<Response, Fault> {
    #[derive(Serialize)]
    struct Said<'a, T> {
        #[serde(flatten)]
        what: &'a T,
        text: String,
    }
    let said = Said { what, text: what.to_string() };
    Ok(Reply::ok(&json!({ name: said }))?.into_response())
}
