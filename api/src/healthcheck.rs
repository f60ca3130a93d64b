//! `/healthcheck`: whether this process answers and nobody has taken it out of service by a file, as
//! oslo.middleware says it: as text, as a page or as JSON, and with more about the process if
//! the operator wants that. It does not ask the database: a load balancer that drops every API at once
//! helps nobody.

use crate::{ApiState, accept, health::Finding, serve::Peer};
use axum::{
    extract::ConnectInfo,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use serde_json::{Value, json, ser::PrettyFormatter};

/// In the order in which one is chosen of those that a caller likes equally.
const FORMS: [&str; 3] = ["text/plain", "text/html", "application/json"];

/// The answer to any method, and to any path below, too.
pub(crate) fn answer(api: &ApiState, head: &Parts) -> Response {
    let from = head.extensions.get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.0.ip());
    if !api.config.healthcheck.tells(from, &head.headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let findings = api.config.healthcheck.look();
    let healthy = findings.iter().all(|finding| finding.healthy);
    let status = match (healthy, &head.method) {
        (true, &Method::HEAD) => StatusCode::NO_CONTENT,
        (true, _) => StatusCode::OK,
        (false, _) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let form = accept::best_offer(accept::asked(&head.headers), &FORMS).unwrap_or("text/plain");
    let (kind, body) = match form {
        _ if head.method == Method::HEAD => ("text/plain; charset=UTF-8", String::new()),
        "application/json" => ("application/json", document(api, &findings)),
        "text/html" => ("text/html; charset=UTF-8", page(api, &findings)),
        _ => ("text/plain; charset=UTF-8", text(&findings)),
    };
    let mut response = (status, body).into_response();
    if status == StatusCode::NO_CONTENT {
        response.headers_mut().remove(header::CONTENT_TYPE);
    } else {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

fn text(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.reason).collect::<Vec<_>>().join("\n")
}

fn now(api: &ApiState) -> String {
    crate::timestamp::progress(api.clock.wall())
}

fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn document(api: &ApiState, findings: &[Finding]) -> String {
    let detail = |finding: &Finding| {
        json!({
            "class": "HealthcheckResult",
            "details": finding.details,
            "reason": finding.reason,
        })
    };
    let document = if api.config.healthcheck.detailed {
        json!({
            "detailed": true,
            "greenthreads": [],
            "masakari_version": env!("CARGO_PKG_VERSION"),
            "now": now(api),
            "platform": platform(),
            "reasons": findings.iter().map(detail).collect::<Vec<_>>(),
            "threads": [],
        })
    } else {
        let reasons: Vec<_> = findings.iter().map(|finding| finding.reason).collect();
        json!({"detailed": false, "reasons": reasons})
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

fn page(api: &ApiState, findings: &[Finding]) -> String {
    let mut page = String::from("<HTML>\n<HEAD><TITLE>Healthcheck Status</TITLE></HEAD>\n<BODY>\n");
    let detailed = api.config.healthcheck.detailed;
    if detailed {
        page.push_str(&format!(
            "<H1>Server status</H1>\n<B>Current time:</B><PRE>{}</PRE>\n<B>Version:</B><PRE>{}</PRE>\n\
             <B>Platform:</B><PRE>{}</PRE>\n<HR></HR>",
            now(api),
            env!("CARGO_PKG_VERSION"),
            platform()
        ));
    }
    let heads = if detailed {
        "<TH>\nKind\n</TH>\n<TH>\nReason\n</TH>\n<TH>\nDetails\n</TH>\n"
    } else {
        "<TH>\nReason\n</TH>"
    };
    let row = |finding: &Finding| {
        let reason = finding.reason;
        let details = escaped(&finding.details);
        if detailed {
            format!(
                "<TR>\n    <TD>HealthcheckResult</TD>\n    <TD>{reason}</TD>\n    \
                 <TD>{details}</TD>\n</TR>"
            )
        } else {
            format!("<TR>\n\n    <TD>{reason}</TD>\n\n</TR>")
        }
    };
    let rows: String = findings.iter().map(row).collect();
    page.push_str(&format!(
        "\n<H2>Result of {} checks:</H2>\n<TABLE bgcolor=\"#ffffff\" border=\"1\">\n<TBODY>\n<TR>\n\n\
         {heads}\n</TR>\n{rows}\n</TBODY>\n</TABLE>\n<HR></HR>\n\n</BODY>\n</HTML>",
        findings.len()
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
