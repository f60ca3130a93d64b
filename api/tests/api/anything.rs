//! Whatever is sent, nothing breaks: no answer is a 500, and none is missing.

use crate::world::{Client, Settings, World};
use api::Listening;
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use proptest::{collection::vec, option, prelude::*, sample::select};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::oneshot,
};

const CASES: u32 = 4000;

/// What a request is made of; not every combination is one.
#[derive(Clone, Debug)]
struct Anything {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<Vec<u8>>,
    /// Whether the body breaks off.
    cut: bool,
    /// As whom.
    client: Option<Client>,
}

impl Anything {
    /// Nothing if no client could send it.
    fn request(&self) -> Option<Request<Body>> {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let uri = Uri::try_from(format!("{}{query}", self.path)).ok()?;
        let mut request = Request::builder().uri(uri);
        request = request.method(Method::from_bytes(self.method.as_bytes()).ok()?);
        if let Some(client) = self.client {
            request = request.header("x-auth-token", client.token());
        }
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).ok()?;
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        let pieces = self.body.iter().cloned().map(Bytes::from).map(Ok::<_, std::io::Error>);
        let end = self.cut.then(|| Err(std::io::Error::other("the caller is gone")));
        let body = Body::from_stream(stream::iter(pieces.chain(end).collect::<Vec<_>>()));
        request.body(body).ok()
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            "segments",
            "hosts",
            "notifications",
            "vmoves",
            "extensions",
            "versions",
            "new",
            "edit",
            "action",
            "v1",
            "ha",
            "requests",
            "confirm-dead",
            "healthcheck",
            ".",
            "..",
            "%00",
            "%ff",
            "%",
            "%2f",
            "segments.json",
            "1",
            "-1",
            "4f3c2a1b00000000000000000000000a",
            "v1.0",
            "compute01",
            "00000000-1111-2222-3333-444444444444",
            "*",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,20}".prop_map(|text| text.replace([' ', '?', '#'], "")),
        "\\PC{0,8}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let roots = select(vec!["", "/v1", "/v1", "/v1", "/ha/v1", "//v1", "/v2"]);
    (roots, vec(word(), 0..7)).prop_map(|(root, words)| match words.is_empty() {
        true => root.to_owned(),
        false => format!("{root}/{}", words.join("/")),
    })
}

fn query() -> impl Strategy<Value = String> {
    let names = select(vec![
        "limit",
        "marker",
        "sort_key",
        "sort_dir",
        "page_size",
        "type",
        "status",
        "enabled",
        "reserved",
        "on_maintenance",
        "recovery_method",
        "service_type",
        "source_host_uuid",
        "generated-since",
        "x",
        "",
    ]);
    let values = prop_oneof![
        select(vec![
            "0",
            "-1",
            "1",
            "9223372036854775807",
            "99999999999999999999999",
            "asc",
            "desc",
            "name",
            "id",
            "created_at",
            "%ff",
            "%F0%9F%98%80",
            "true",
            "maybe",
            "%00",
            "&",
            ";",
            "=",
            "1e9",
            "NaN",
        ])
        .prop_map(str::to_owned),
        "[!-~]{0,12}".prop_map(|text| text.replace('#', "")),
    ];
    vec((names, values), 0..5).prop_map(|pairs| {
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    })
}

/// JSON as clients and their enemies write it.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1e400",
            "-1E-400",
            "NaN",
            "Infinity",
            "18446744073709551616",
            "\"\"",
            "\"x\"",
            "\"\\ud800\"",
            "\"\\u0000\"",
            "\"a\\nb\"",
            "\"auto\"",
            "\"COMPUTE_HOST\"",
            "\"compute01\"",
            "\"2026-11-21T10:00:00\"",
            "\"9999-12-31T23:59:59-23:59\"",
            "\"0001-01-01T00:00:00+23:59\"",
            "\"STOPPED\"",
            "",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,10}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let keys = select(vec![
        "segment",
        "host",
        "notification",
        "name",
        "description",
        "recovery_method",
        "service_type",
        "enabled",
        "type",
        "control_attributes",
        "reserved",
        "on_maintenance",
        "hostname",
        "generated_time",
        "payload",
        "event",
        "host_status",
        "instance_uuid",
        "vir_domain_event",
        "process_name",
        "reason",
        "",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((keys.clone(), inner), 0..6).prop_map(|fields| {
                let fields: Vec<String> =
                    fields.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                format!("{{{}}}", fields.join(", "))
            }),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let nested = (1..40_000_usize, select(vec!["[", "{\"segment\":", "{\"a\":["]));
    prop_oneof![
        3 => json().prop_map(|text| vec![text.into_bytes()]),
        1 => vec(vec(any::<u8>(), 0..40), 0..4),
        1 => nested.prop_map(|(times, open)| vec![open.repeat(times).into_bytes()]),
        1 => (1..300_000_usize).prop_map(|size| vec![vec![b'a'; size / 2], vec![b'"'; size / 2]]),
        1 => json().prop_map(|text| text.bytes().map(|byte| vec![byte]).collect()),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let names = select(vec![
        "content-type",
        "accept",
        "openstack-api-version",
        "x-openstack-request-id",
        "x-auth-token",
        "x-service-token",
        "origin",
        "access-control-request-method",
        "access-control-request-headers",
        "forwarded",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "host",
        "content-length",
        "x-project-id",
        "x-roles",
        "transfer-encoding",
        "expect",
        "vary",
    ]);
    let values = prop_oneof![
        select(vec![
            "application/json",
            "text/plain",
            "application/vnd.openstack.masakari+json",
            "text/html;q=0.5, */*;q=x",
            "instance-ha 1.3",
            "instance-ha latest",
            "instance-ha 99999999999.0",
            "*",
            "GET",
            "for=x;host=;proto=,",
            "-1",
            "99999999999999999999",
            "0",
            "application/json;version=1",
            ",;,=,",
            "https",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..24),
    ];
    vec((names.prop_map(str::to_owned), values), 0..5)
}

fn anything() -> impl Strategy<Value = Anything> {
    let methods = select(vec![
        "GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE",
        "CONNECT", "FOO",
    ]);
    let clients = select(vec![None, Some(Client::Admin), Some(Client::Admin), Some(Client::Demo)]);
    // Rarely cut, or nothing else would be seen.
    let cut = prop::bool::weighted(0.05);
    (methods, path(), option::of(query()), headers(), body(), cut, clients).prop_map(
        |(method, path, query, headers, body, cut, client)| {
            let method = method.to_owned();
            Anything { method, path, query, headers, body, cut, client }
        },
    )
}

/// A client of the API under a few settings, with something in its lists.
async fn worlds() -> Vec<World> {
    let mut behind = Settings::default();
    behind.config.behind_proxy = true;
    behind.config.cors.allowed_origin = vec!["*".into()];
    behind.config.healthcheck.detailed = true;
    let worlds = vec![World::new(), World::of_trust(), World::set(behind)];
    for world in &worlds {
        let segment =
            r#"{"segment": {"name": "s", "recovery_method": "auto", "service_type": "c"}}"#;
        let body = serde_json::from_str(segment).unwrap();
        let made = world.ask("POST", "/v1/segments", Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    worlds
}

/// One in which nothing is waited for.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn no_request_is_answered_with_a_fault_of_ours() {
    let runtime = runtime();
    let worlds = runtime.block_on(worlds());
    let sent = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() };
    proptest!(config, |(anything in anything())| {
        let Some(_) = anything.request() else { return Ok(()) };
        for world in &worlds {
            let request = anything.request().unwrap();
            let answer = runtime.block_on(world.send(request));
            prop_assert!(!answer.status.is_server_error(), "{answer:?}");
            sent.set(sent.get() + 1);
        }
    });
    assert!(sent.get() > CASES, "only {} requests could be sent", sent.get());
}

#[test]
fn no_query_of_a_list_is_answered_with_a_fault_of_ours() {
    let runtime = runtime();
    let worlds = runtime.block_on(worlds());
    let lists = select(vec!["/v1/segments", "/v1/notifications", "/v1/extensions"]);
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() };
    proptest!(config, |(list in lists, query in query())| {
        let Ok(uri) = Uri::try_from(format!("{list}?{query}")) else { return Ok(()) };
        let request = Request::get(uri).header("x-auth-token", Client::Admin.token());
        let answer = runtime.block_on(worlds[0].send(request.body(Body::empty()).unwrap()));
        prop_assert!(matches!(answer.status.as_u16(), 200 | 400), "{answer:?}");
    });
}

/// What arrives on the socket may not even be HTTP, and may end anywhere.
#[tokio::test]
async fn after_whatever_bytes_the_server_still_answers() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server =
        api::serve(Listening::plainly(listener), world.app.clone(), world.clock.clone(), async {
            stopped.await.unwrap();
        });
    let token = Client::Admin.token();
    let client = async {
        for bytes in [
            "",
            "\r\n\r\n",
            "GET",
            "GET / HTTP/9.9\r\n\r\n",
            "\u{fffd}\u{0}\u{1}\r\n\r\n",
            "POST /v1/segments HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
            "POST /v1/segments HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{",
            "POST /v1/segments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "POST /v1/segments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The server may have hung up already.
            let _ = stream.write_all(bytes.as_bytes()).await;
            drop(stream);
        }
        let chunked = format!(
            "POST /v1/segments HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"a\":\r\n4\r\n 1 }}\r\n0\r\n\r\n"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(chunked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        stop.send(()).unwrap();
        answer
    };
    let (served, answer) = tokio::join!(server, client);
    served.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{answer}");
    assert!(answer.contains("'segment' is a required property"), "{answer}");
}
