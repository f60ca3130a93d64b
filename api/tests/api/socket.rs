//! Serving on a real socket.

use crate::world::{Settings, World};
use api::{Listening, Tls};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::TlsConnector;

/// Whose health check tells only those something who come from this machine.
fn world() -> World {
    let mut settings = Settings::default();
    settings.config.healthcheck.allowed_source_ranges = vec!["127.0.0.0/8".parse().unwrap()];
    World::set(settings)
}

#[tokio::test]
async fn answers_go_out_over_a_socket_until_the_server_shall_stop() {
    let world = world();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server =
        api::serve(Listening::plainly(listener), world.app.clone(), world.clock.clone(), async {
            stopped.await.unwrap();
        });
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let ask = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        stop.send(()).unwrap();
        answer
    };
    let (served, answer) = tokio::join!(server, client);
    served.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\nOK"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_does_not_hold_up_the_end() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let head = b"POST /v1/segments HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    let clock = world.clock.clone();
    let shutdown = async move { clock.sleep(Duration::from_secs(1)).await };
    api::serve(Listening::plainly(listener), world.app.clone(), world.clock.clone(), shutdown)
        .await
        .unwrap();
    assert!(world.clock.boot().0 < 20_000, "{:?}", world.clock.boot());
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_not_waited_for_for_ever() {
    let half = "POST /v1/segments HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    // With TLS the silence is in the handshake.
    for (said, tls) in [("", None), (half, None), ("", Some(tls()))] {
        let world = World::new();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let silence_most = Some(Duration::from_secs(9));
        let listening = Listening { socket, tls, silence_most };
        let never = std::future::pending();
        let served = api::serve(listening, world.app.clone(), world.clock.clone(), never);
        let mut answer = Vec::new();
        tokio::select! {
            _ = served => unreachable!("it serves on"),
            () = world.clock.sleep(Duration::from_secs(100)) => {}
            // Whether the connection is reset or closed does not matter.
            _ = stream.read_to_end(&mut answer) => {}
        }
        let waited = world.clock.boot().0;
        assert!((9_000..15_000).contains(&waited), "{said:?}: {waited} ms");
    }
}

#[tokio::test]
async fn with_tls_only_those_are_spoken_with_who_show_a_certificate_of_the_authority() {
    let (known, stranger) = tokio::join!(over_tls(true), over_tls(false));
    assert!(known.starts_with("HTTP/1.1 200 OK") && known.ends_with("OK"), "{known}");
    assert!(known.contains("200"), "{known}");
    assert_eq!(stranger, "");
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn tls() -> Tls {
    Tls::read(&file("server.pem"), &file("server.key"), Some(&file("ca.pem"))).unwrap()
}

/// What a caller with or without a certificate reads.
async fn over_tls(shows_certificate: bool) -> String {
    let authority = file("ca.pem");
    let world = world();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let listening = Listening { tls: Some(tls()), ..Listening::plainly(listener) };
    let server = api::serve(listening, world.app.clone(), world.clock.clone(), async {
        stopped.await.unwrap();
    });
    let client = async {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = if shows_certificate {
            let own = vec![CertificateDer::from_pem_file(file("client.pem")).unwrap()];
            let key = PrivateKeyDer::from_pem_file(file("client.key")).unwrap();
            builder.with_client_auth_cert(own, key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let ask = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        if stream.write_all(ask).await.is_ok() {
            // A refused caller learns of it only when it reads.
            let _ = stream.read_to_string(&mut answer).await;
        }
        stop.send(()).unwrap();
        answer
    };
    let (served, answer) = tokio::join!(server, client);
    served.unwrap();
    answer
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_with_its_file() {
    let said =
        |cert: &str, key: &str| Tls::read(&file(cert), &file(key), None).unwrap_err().to_string();
    assert!(said("nope.pem", "server.key").contains("nope.pem cannot be used as a certificate"));
    assert!(
        said("server.pem", "server.pem").contains("server.pem cannot be used as a private key")
    );
    assert!(said("server.pem", "client.key").contains("see that they belong together"));
}
