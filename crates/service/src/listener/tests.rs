use axum::routing::get;
use hyper::Request;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::*;
use crate::http::client_ip::Proxies;

/// More than kernels keep for a connection.
const LARGE_BYTES: usize = 16 << 20;

/// Longer than a client may take nothing, and shorter than a connection may be idle.
const TOO_LONG: Duration = Duration::from_mins(2);

fn router() -> Router {
    Router::new()
        .route("/large", get(|| async { vec![b'x'; LARGE_BYTES] }))
        .route("/never", get(std::future::pending::<()>))
        .route("/", get(|| async { "ok" }))
}

async fn connection() -> (TcpStream, Accepted, Socket) {
    connection_with(&Streams::new(Proxies::default())).await
}

/// A connection with a small buffer at its client's end, and what serves it at the other.
async fn connection_with(streams: &Streams) -> (TcpStream, Accepted, Socket) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("a small buffer");
    let client = socket.connect(listener.local_addr().expect("an address")).await.expect("a connection");
    let (stream, peer) = accept(&listener).await;
    let slots = Arc::new(Slots::new(&Connections::default()));
    let slot = slots.take(State::new(peer.ip(), false)).expect("a slot");
    let socket = Socket::new(stream, slot.state().clone());
    let router = TowerToHyperService::new(router());
    let answers = Answers { router, peer: Peer(peer), state: slot.state().clone(), streams: streams.clone() };
    let watch = Watch {
        slot,
        ending: socket.ending(),
        idle_timeout: Duration::from_secs(IDLE_TIMEOUT_S.into()),
        half_closed_timeout: None,
        shutdown: CancellationToken::new(),
    };
    (client, Accepted { answers, watch }, socket)
}

async fn ends(serving: JoinHandle<()>) -> bool {
    timeout(TOO_LONG, serving).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_http_2_that_gets_no_room_ends_with_its_connection() {
    let (client, accepted, socket) = connection().await;
    let serving = tokio::spawn(accepted.serve_http2(socket));
    // This client answers pings, and never says that it has room for an answer.
    let mut http = Builder::new(TokioExecutor::new());
    let http = http.initial_stream_window_size(0).handshake(TokioIo::new(client)).await;
    let (mut requests, speaking) = http.expect("HTTP/2");
    tokio::spawn(speaking);
    let request = Request::get("http://localhost/large").body(String::new()).expect("a request");
    let answer = requests.send_request(request).await.expect("the headers of an answer");
    assert_eq!(answer.status(), 200);
    assert!(ends(serving).await, "it stays");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_a_little_is_taken_now_and_then_ends_with_its_connection() {
    let (mut client, accepted, socket) = connection().await;
    let serving = tokio::spawn(accepted.serve_http1(socket));
    client.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    let trickle = tokio::spawn(async move {
        let mut little = vec![0; 64 << 10];
        while client.read(&mut little).await.is_ok_and(|read| read > 0) {
            sleep(Duration::from_secs(20)).await;
        }
    });
    assert!(ends(serving).await, "it stays");
    trickle.abort();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_comes_whole() {
    let (mut client, accepted, socket) = connection().await;
    let _serving = tokio::spawn(accepted.serve_http1(socket));
    let mut heard = Vec::new();
    client.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.expect("sent");
    client.read_to_end(&mut heard).await.expect("an answer");
    let text = String::from_utf8_lossy(&heard[..200]).to_lowercase();
    assert!(text.contains(&format!("content-length: {LARGE_BYTES}\r\n")), "{text}");
    assert!(heard.len() > LARGE_BYTES && heard.iter().rev().take(LARGE_BYTES).all(|byte| *byte == b'x'));
}

/// A client of HTTP/2 whose requests go to the router above.
async fn http2(streams: &Streams) -> hyper::client::conn::http2::SendRequest<String> {
    let (client, accepted, socket) = connection_with(streams).await;
    tokio::spawn(accepted.serve_http2(socket));
    let (requests, speaking) =
        Builder::new(TokioExecutor::new()).handshake(TokioIo::new(client)).await.expect("HTTP/2");
    tokio::spawn(speaking);
    requests
}

fn request(path: &str) -> Request<String> {
    Request::get(format!("http://localhost{path}")).body(String::new()).expect("a request")
}

#[tokio::test]
async fn requests_beside_others_of_a_connection_share_a_maximum() {
    let streams = Streams::with_limits(Proxies::default(), 3, 2);
    let (mut first, mut second) = (http2(&streams).await, http2(&streams).await);
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        waiting.spawn(first.send_request(request("/never")));
    }
    // Each request arrives behind those that were sent before.
    let refused = first.send_request(request("/")).await.expect("an answer");
    assert_eq!(refused.status(), 503, "its client has two beside the first");
    let alone = second.send_request(request("/")).await.expect("an answer");
    assert_eq!(alone.status(), 200, "alone on its connection");
    // What is given up is free again.
    waiting.shutdown().await;
    timeout(TOO_LONG, async { while first.send_request(request("/")).await.expect("an answer").status() != 200 {} })
        .await
        .expect("a place again");
}

#[tokio::test]
async fn a_request_has_so_many_header_fields_and_no_more() {
    let mut requests = http2(&Streams::new(Proxies::default())).await;
    for (fields, status) in [(100, 200), (101, 431), (300, 431)] {
        let mut request = request("/");
        for _ in 0..fields {
            request.headers_mut().append("a", "b".parse().expect("a value"));
        }
        let answer = requests.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{fields} fields");
    }
}

#[tokio::test]
async fn a_client_may_send_many_requests_before_it_knows_how_many() {
    let (mut client, accepted, socket) = connection().await;
    // Everything is sent before the service says how many requests it takes: the preface, settings, and 100 requests without a
    // body, each with the fields of `GET http://localhost/` from the static table.
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in (1..200_u32).step_by(2) {
        let fields = b"\x82\x86\x84\x41\x09localhost";
        sent.extend([0, 0, 14, 1, 5]);
        sent.extend(stream.to_be_bytes());
        sent.extend(fields);
    }
    client.write_all(&sent).await.expect("sent");
    tokio::spawn(accepted.serve_http2(socket));
    let (mut answers, mut head) = (0, [0; 9]);
    while answers < 100 {
        timeout(TOO_LONG, client.read_exact(&mut head)).await.expect("in time").expect("a frame");
        let [a, b, c, kind, ..] = head;
        let mut frame = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        client.read_exact(&mut frame).await.expect("the rest of it");
        // HEADERS, and neither RST_STREAM nor GOAWAY.
        assert!(kind != 3 && kind != 7, "frame {kind}: {frame:?}");
        answers += usize::from(kind == 1);
    }
}
