//! Clients that do not read their answers, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use service::access::{Access, AnswerLimits, Proxies, Settings};
use service::listener::{Connections, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// More than kernels keep for a connection.
const LARGE_BYTES: usize = 16 << 20;

/// Answers are freed within this time, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(30);

async fn start() -> SocketAddr {
    let answers = AnswerLimits { bytes_max: 4 * LARGE_BYTES, per_client_bytes_max: 2 * LARGE_BYTES };
    let trusted_proxies = Proxies::try_from("127.0.0.1".to_owned()).expect("an address");
    let access = Access::new(Settings { answers, trusted_proxies, ..Settings::default() }).expect("settings");
    let router = Router::new().route("/large", get(|| async { vec![b'x'; LARGE_BYTES] }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(listener, Connections::default(), access.guard(router), CancellationToken::new()));
    address
}

/// Asks for an answer on a connection of its own, and reads no more than its status.
async fn ask(service: SocketAddr, client: &str) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("a small buffer");
    let mut stream = socket.connect(service).await.expect("a connection");
    let request = format!("GET /large HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: {client}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    (stream, String::from_utf8_lossy(&status).into_owned())
}

#[tokio::test]
async fn answers_that_a_client_does_not_read_have_their_share_of_the_memory_and_no_more() {
    let service = start().await;
    let (_first, status) = ask(service, "203.0.113.1").await;
    assert_eq!(status, "HTTP/1.1 200");
    let (second, status) = ask(service, "203.0.113.1").await;
    assert_eq!(status, "HTTP/1.1 200");
    assert_eq!(ask(service, "203.0.113.1").await.1, "HTTP/1.1 503", "the client has its share");
    let others = [ask(service, "203.0.113.2").await, ask(service, "203.0.113.3").await];
    assert!(others.iter().all(|(_, status)| status == "HTTP/1.1 200"), "others have theirs");
    assert_eq!(ask(service, "203.0.113.4").await.1, "HTTP/1.1 503", "all of it is taken");
    drop(second);
    let freed = async { while ask(service, "203.0.113.1").await.1 != "HTTP/1.1 200" {} };
    timeout(SOON, freed).await.expect("what a client gives up is free again");
}
