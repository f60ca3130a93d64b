//! Serving on a real socket.

use crate::world::World;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

#[tokio::test]
async fn answers_go_out_over_a_socket_until_the_server_shall_stop() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = api::serve(listener, world.app.clone(), world.clock.clone(), async {
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
    api::serve(listener, world.app.clone(), world.clock.clone(), shutdown).await.unwrap();
    assert!(world.clock.boot().0 < 20_000, "{:?}", world.clock.boot());
}
