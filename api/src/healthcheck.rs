//! `/healthcheck`: whether this process answers and nobody has taken it out of service by a file, as
//! oslo.middleware says it: as text, as a page or as JSON, and with more about the process if
//! the operator wants that. It does not ask the database: a load balancer that drops every API at once
//! helps nobody.

use crate::{ApiState, accept};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use serde_json::{Value, json, ser::PrettyFormatter};
use std::path::Path;

/// In the order in which one is chosen of those that a caller likes equally.
const FORMS: [&str; 3] = ["text/plain", "text/html", "application/json"];

struct Finding {
    healthy: bool,
    reason: &'static str,
    details: String,
}

/// The answer to any method, and to any path below, too.
pub(crate) fn answer(api: &ApiState, head: &Parts) -> Response {
    let finding = look(api.config.healthcheck_disable_file.as_deref());
    let status = match (finding.healthy, &head.method) {
        (true, &Method::HEAD) => StatusCode::NO_CONTENT,
        (true, _) => StatusCode::OK,
        (false, _) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let form = accept::best_offer(accept::asked(&head.headers), &FORMS).unwrap_or("text/plain");
    let (kind, body) = match form {
        _ if head.method == Method::HEAD => ("text/plain; charset=UTF-8", String::new()),
        "application/json" => ("application/json", document(api, &finding)),
        "text/html" => ("text/html; charset=UTF-8", page(api, &finding)),
        _ => ("text/plain; charset=UTF-8", finding.reason.to_owned()),
    };
    let mut response = (status, body).into_response();
    if status == StatusCode::NO_CONTENT {
        response.headers_mut().remove(header::CONTENT_TYPE);
    } else {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

fn look(disable_file: Option<&Path>) -> Finding {
    let (healthy, reason, details) = match disable_file {
        Some(file) if file.exists() => {
            (false, "DISABLED BY FILE", format!("Path '{}' was found", file.display()))
        }
        Some(file) => (true, "OK", format!("Path '{}' was not found", file.display())),
        None => (true, "OK", "No 'disable_by_file_path' configuration value specified".to_owned()),
    };
    Finding { healthy, reason, details }
}

fn now(api: &ApiState) -> String {
    crate::timestamp::progress(api.clock.wall())
}

fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn document(api: &ApiState, finding: &Finding) -> String {
    let document = if api.config.healthcheck_detailed {
        json!({
            "detailed": true,
            "greenthreads": [],
            "masakari_version": env!("CARGO_PKG_VERSION"),
            "now": now(api),
            "platform": platform(),
            "reasons": [{
                "class": "HealthcheckResult",
                "details": finding.details,
                "reason": finding.reason,
            }],
            "threads": [],
        })
    } else {
        json!({"detailed": false, "reasons": [finding.reason]})
    };
    indented(&document)
}

/// With four blanks, as Python writes it.
fn indented(document: &Value) -> String {
    use serde::Serialize;
    let mut text = Vec::new();
    let four = PrettyFormatter::with_indent(b"    ");
    // Writing to memory what has text keys only cannot fail.
    let _ = document.serialize(&mut serde_json::Serializer::with_formatter(&mut text, four));
    String::from_utf8(text).unwrap_or_default()
}

fn page(api: &ApiState, finding: &Finding) -> String {
    let mut page = String::from("<HTML>\n<HEAD><TITLE>Healthcheck Status</TITLE></HEAD>\n<BODY>\n");
    let reason = finding.reason;
    let (heads, cells) = if api.config.healthcheck_detailed {
        page.push_str(&format!(
            "<H1>Server status</H1>\n<B>Current time:</B><PRE>{}</PRE>\n<B>Version:</B><PRE>{}</PRE>\n\
             <B>Platform:</B><PRE>{}</PRE>\n<HR></HR>",
            now(api),
            env!("CARGO_PKG_VERSION"),
            platform()
        ));
        let details = escaped(&finding.details);
        let kind = "    <TD>HealthcheckResult</TD>";
        (
            "<TH>\nKind\n</TH>\n<TH>\nReason\n</TH>\n<TH>\nDetails\n</TH>\n",
            format!("{kind}\n    <TD>{reason}</TD>\n    <TD>{details}</TD>"),
        )
    } else {
        ("<TH>\nReason\n</TH>", format!("\n    <TD>{reason}</TD>\n"))
    };
    page.push_str(&format!(
        "\n<H2>Result of 1 checks:</H2>\n<TABLE bgcolor=\"#ffffff\" border=\"1\">\n<TBODY>\n<TR>\n\n{heads}\n\
         </TR>\n<TR>\n{cells}\n</TR>\n</TBODY>\n</TABLE>\n<HR></HR>\n\n</BODY>\n</HTML>"
    ));
    page
}

fn escaped(text: &str) -> String {
    let html = |c| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '\'' => "&#39;".to_owned(),
        '"' => "&#34;".to_owned(),
        c => String::from(c),
    };
    text.chars().map(html).collect()
}
