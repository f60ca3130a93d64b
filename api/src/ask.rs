//! One question that has passed the door: who asks, what with, and what is needed to answer.

use crate::{
    ApiState,
    accept::{JSON, MASAKARI_JSON},
    auth::Caller,
    fault::Fault,
    json::Json,
    microversion::Version,
    policy,
    query::Query,
    schema::Schema,
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use recovery::Millis;
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use store::Page;

/// A caller that takes longer to send its body has gone away.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// A question whose asker is known.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) api: Arc<ApiState>,
    pub(crate) caller: Caller,
    pub(crate) version: Version,
    pub(crate) method: Method,
    /// As it came.
    pub(crate) query: String,
    pub(crate) body: Bytes,
}

impl Ask {
    /// The body, if `schema` finds nothing wrong with it. None at all reads as `null`.
    pub(crate) fn body(&self, schema: &Schema) -> Result<Json, Fault> {
        let body = if self.body.is_empty() {
            Json::Null
        } else {
            serde_json::from_slice(&self.body)
                .map_err(|why| Fault::bad("Malformed request body").because(why))?
        };
        schema.check(&body).map_err(Fault::bad)?;
        Ok(body)
    }

    pub(crate) fn can(&self, rule: &str) -> Result<(), Fault> {
        policy::can(&self.api.policy, &self.caller, rule)
    }

    /// The filters, and the page that is asked for.
    pub(crate) fn list(&self) -> Result<(Query, Page), Fault> {
        let query = Query::parse(&self.query)?;
        let page = query.page(self.api.config.osapi_max_limit)?;
        Ok((query, page))
    }

    /// The caller's name and id, for what is kept with them.
    pub(crate) fn who(&self) -> String {
        format!("{} ({})", self.caller.user_name, self.caller.user_id)
    }

    pub(crate) fn now(&self) -> Millis {
        self.api.clock.wall()
    }
}

/// What a schema has made sure of; `what` is for the case that schema and reader disagree.
pub(crate) fn given<T>(value: Option<T>, what: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::bad(format!("'{what}' is a required property")))
}

/// The whole body, which must be no larger than allowed.
pub(crate) async fn read(api: &ApiState, headers: &HeaderMap, body: Body) -> Result<Bytes, Fault> {
    let max = api.config.max_request_body_size;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if announced.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > max) {
        return Err(Fault::too_large(max));
    }
    let whole = Limited::new(body, max).collect();
    match ports::within(&*api.clock, BODY_DEADLINE, whole).await {
        Some(Ok(body)) => Ok(body.to_bytes()),
        Some(Err(why)) if why.is::<LengthLimitError>() => Err(Fault::too_large(max)),
        Some(Err(why)) => Err(Fault::bad("The request's body broke off").because(why)),
        None => Err(Fault::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("The request's body did not come within {} s", BODY_DEADLINE.as_secs()),
        )),
    }
}

/// Whether the body's type is one that we read; text and nothing count as JSON.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = value.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "" | "text/plain" | JSON | MASAKARI_JSON => Ok(()),
        _ => Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Content-Type")),
    }
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn ok(body: &impl Serialize) -> Result<Self, Fault> {
        Self::with(StatusCode::OK, body)
    }

    /// A long list, of about so many bytes: its text is not moved while it grows.
    pub(crate) fn list(body: &impl Serialize, bytes: usize) -> Result<Self, Fault> {
        let mut text = Vec::with_capacity(bytes);
        serde_json::to_writer(&mut text, body).map_err(not_written)?;
        Ok(Self { status: StatusCode::OK, body: text })
    }

    pub(crate) fn with(status: StatusCode, body: &impl Serialize) -> Result<Self, Fault> {
        Ok(Self { status, body: serde_json::to_vec(body).map_err(not_written)? })
    }

    pub(crate) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Vec::new() }
    }
}

fn not_written(why: serde_json::Error) -> Fault {
    Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "The answer cannot be written").because(why)
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        response
    }
}
