//! Connections to ingest: idle ones, slow ones, and the largest body on each.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use testkit::clients::load::event;
use testkit::observe::kernel::{Connections, raise_file_limit};
use testkit::stack::Stack;
use testkit::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{MIB, PATIENCE, check_memory};

/// Clients that never end their headers, and as many that never end their bodies.
const SLOW: usize = 250;

/// The largest body of `POST /events`.
const LARGEST_BYTES: usize = 8 << 20;

/// Bytes that a client sends at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Files of ingest and of this process that are not connections of the test.
const OTHER_FILES: usize = 1_500;

/// The bound of ingest's memory in a debug build. The process takes 64 MiB. Each connection takes 16 KiB that are being
/// read, 16 KiB that were, and 16 KiB for its task and its answer. `BODIES_BYTES_MAX` counts three times: bodies, a copy
/// while they grow, and the lines they become. `QUEUE_BYTES_MAX` counts twice: what waits, and the envelopes it becomes.
/// With ten thousand connections that is 1,068 MiB.
fn memory_bound_bytes(connections: usize) -> u64 {
    64 * MIB + (connections + 2 * SLOW) as u64 * (48 << 10) + 3 * 128 * MIB + 2 * 64 * MIB
}

/// Opens the connections, and posts the largest body on each.
pub(super) async fn check(stack: &Stack, connections: usize) -> Result<()> {
    raise_file_limit((connections + 2 * SLOW + OTHER_FILES) as u64)?;
    let ingest = stack.ingest(&[]).await?;
    let port = stack.ingest_port();
    let mut idle = Vec::new();
    for _ in 0..connections {
        idle.push(connect_idle(port).await?);
    }
    let head = b"POST /event HTTP/1.1\r\nhost: slow\r\ncontent-length: 100\r\n";
    let slow_heads = try_join_all((0..SLOW).map(|_| connect(port, head))).await?;
    let head_and_byte = [head.as_slice(), b"\r\n{"].concat();
    let slow_bodies = try_join_all((0..SLOW).map(|_| connect(port, &head_and_byte))).await?;
    // Ingest closes the slow ones after seconds.
    let all_open = async || (Connections::to(port).open >= connections).then_some(());
    wait::until("all are connected", PATIENCE, all_open).await;
    let answer = stack.ingest_client.post("/event", event("a", "/")).await?;
    ensure!(answer.status == 200, "while {connections} connections are idle: {}", answer.text);
    check_memory("idle connections", &ingest, memory_bound_bytes(connections))?;

    let body = largest_body();
    let posts: JoinSet<u16> = idle.into_iter().map(|stream| post(stream, body.clone())).collect();
    let answer = stack.ingest_client.post("/event", event("a", "/")).await?;
    ensure!(matches!(answer.status, 200 | 503), "between {connections} of the largest bodies: {}", answer.text);
    let mut answers = BTreeMap::<u16, usize>::new();
    for status in posts.join_all().await {
        *answers.entry(status).or_default() += 1;
    }
    println!("answers to the largest bodies by status: {answers:?}");
    check_memory("largest bodies", &ingest, memory_bound_bytes(connections))?;
    // 408: there was room for a body, but not the time to read it.
    ensure!(answers.keys().all(|status| matches!(status, 200 | 408 | 503)), "an answer is neither 200, 408 nor 503");

    drop((slow_heads, slow_bodies));
    wait::until("a largest body is accepted again", PATIENCE, async || {
        let answer = stack.ingest_client.post("/events", body.clone()).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    check_memory("afterwards", &ingest, memory_bound_bytes(connections))
}

fn largest_body() -> Bytes {
    let line = event("a", &format!("/{}", "x".repeat(1_000)));
    Bytes::from(vec![line.as_str(); LARGEST_BYTES / (line.len() + 1)].join("\n"))
}

async fn connect(port: u16, first: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting")?;
    stream.write_all(first).await.context("sending the first bytes")?;
    Ok(stream)
}

/// Opens a connection and uses it once: ingest soon closes those that were never used.
async fn connect_idle(port: u16) -> Result<TcpStream> {
    let mut stream = connect(port, b"GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n").await?;
    let (mut heard, mut piece) = (Vec::new(), [0; 512]);
    while !heard.ends_with(b"}") {
        let read = stream.read(&mut piece).await.context("reading an answer")?;
        ensure!(read > 0, "closed after {:?}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..read]);
    }
    Ok(stream)
}

/// Posts a body on an open connection. Returns the answer's status, or 0 if there is none.
async fn post(stream: TcpStream, body: Bytes) -> u16 {
    let (mut answers, mut requests) = stream.into_split();
    let head =
        format!("POST /events HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let send = async {
        requests.write_all(head.as_bytes()).await?;
        for piece in body.chunks(PIECE_BYTES) {
            requests.write_all(piece).await?;
        }
        std::io::Result::Ok(())
    };
    let receive = async {
        let mut status = [0; 12];
        answers.read_exact(&mut status).await.map(|_| status)
    };
    // Ingest does not read a refused body to its end, so sending it may fail.
    let exchange = async { tokio::join!(send, receive).1 };
    let Ok(Ok(status)) = tokio::time::timeout(PATIENCE, exchange).await else { return 0 };
    std::str::from_utf8(&status[9..]).ok().and_then(|status| status.parse().ok()).unwrap_or(0)
}
