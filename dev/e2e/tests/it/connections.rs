use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::future::try_join_all;
use testkit::clients::load::event;
use testkit::observe::kernel::{Connections, memory_peak_bytes, raise_file_limit};
use testkit::stack::Stack;
use testkit::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const MIB: u64 = 1 << 20;

const CONNECTIONS: usize = 10_000;

/// Clients that never end their headers, and as many that never end their bodies.
const SLOW: usize = 250;

/// The largest body of `POST /events`.
const LARGEST_BYTES: usize = 8 << 20;

/// Sent at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Files that are open beside connections: those of ingest, of this process, and of tests that run at the same time.
const OTHER_FILES: u64 = 1_500;

/// The process in this build; of each connection 16 KiB that are being read, 16 KiB that were, and 16 KiB for its task
/// and its answer; of `BODIES_BYTES_MAX` the bodies, a copy while they grow, and the lines they become; of
/// `QUEUE_BYTES_MAX` what waits, and the envelopes it becomes. 1,068 MiB.
const MEMORY_MAX_BYTES: u64 = 64 * MIB + (CONNECTIONS + 2 * SLOW) as u64 * (48 << 10) + 3 * 128 * MIB + 2 * 64 * MIB;

/// Ten thousand clients and ingest share two cores with other tests.
const PATIENCE: Duration = Duration::from_mins(2);

async fn connect(port: u16, first: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting")?;
    stream.write_all(first).await.context("sending the first bytes")?;
    Ok(stream)
}

/// A connection that waits for its next request: one that was never used is given a moment only.
async fn connect_idle(port: u16) -> Result<TcpStream> {
    let mut stream = connect(port, b"GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n").await?;
    let (mut heard, mut piece) = (Vec::new(), [0; 512]);
    while !heard.ends_with(b"}") {
        let read = stream.read(&mut piece).await.context("reading an answer")?;
        anyhow::ensure!(read > 0, "closed after {:?}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..read]);
    }
    Ok(stream)
}

/// Posts the largest body on an open connection; the answer's status, or 0 if there is none.
async fn post_largest(stream: TcpStream, body: Bytes) -> u16 {
    let (mut answers, mut requests) = stream.into_split();
    let opening =
        format!("POST /events HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let send = async {
        requests.write_all(opening.as_bytes()).await?;
        for piece in body.chunks(PIECE_BYTES) {
            requests.write_all(piece).await?;
        }
        std::io::Result::Ok(())
    };
    let hear = async {
        let mut status = [0; 12];
        answers.read_exact(&mut status).await.map(|_| status)
    };
    // Refused before it has arrived, a body is not taken to its end: sending it may fail.
    let exchange = async { tokio::join!(send, hear).1 };
    let Ok(Ok(status)) = tokio::time::timeout(PATIENCE, exchange).await else { return 0 };
    std::str::from_utf8(&status[9..]).ok().and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn check_memory(what: &str, pid: u32) {
    let peak = memory_peak_bytes(pid);
    println!("{what}: {} MiB at the peak of {} MiB", peak / MIB, MEMORY_MAX_BYTES / MIB);
    assert!(peak < MEMORY_MAX_BYTES, "{what}: {} MiB at the peak", peak / MIB);
}

#[tokio::test]
async fn ten_thousand_connections_with_the_largest_body_on_each_stay_within_bounds() -> Result<()> {
    raise_file_limit((CONNECTIONS + 2 * SLOW) as u64 + OTHER_FILES)?;
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let port = stack.ingest_port();

    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(connect_idle(port).await?);
    }
    let head = b"POST /event HTTP/1.1\r\nhost: slow\r\ncontent-length: 100\r\n";
    let slow_heads = try_join_all((0..SLOW).map(|_| connect(port, head))).await?;
    let slow_bodies = try_join_all(
        (0..SLOW).map(|_| connect(port, b"POST /event HTTP/1.1\r\nhost: slow\r\ncontent-length: 100\r\n\r\n{")),
    )
    .await?;
    // Those that are slow are given seconds only.
    let open = CONNECTIONS;
    wait::until("all are connected", PATIENCE, async || (Connections::to(port).open >= open).then_some(())).await;
    let answer = stack.ingest_client.post("/event", event("a", "/")).await?;
    assert_eq!(answer.status, 200, "while {open} connections do nothing: {}", answer.text);
    check_memory("idle connections", ingest.pid());

    let line = event("a", &format!("/{}", "x".repeat(1_000)));
    let body = Bytes::from(vec![line.as_str(); LARGEST_BYTES / (line.len() + 1)].join("\n"));
    let mut posts = JoinSet::new();
    for stream in idle {
        posts.spawn(post_largest(stream, body.clone()));
    }
    let answer = stack.ingest_client.post("/event", event("a", "/")).await?;
    assert!(matches!(answer.status, 200 | 503), "between {CONNECTIONS} of the largest bodies: {}", answer.text);
    let mut answers = BTreeMap::<u16, usize>::new();
    for status in posts.join_all().await {
        *answers.entry(status).or_default() += 1;
    }
    println!("answers to the largest bodies by status: {answers:?}");
    check_memory("largest bodies", ingest.pid());
    // 408: there was room for a body, but not the time to read it.
    assert!(answers.keys().all(|status| matches!(status, 200 | 408 | 503)), "{answers:?}");

    drop((slow_heads, slow_bodies));
    wait::until("a largest body is taken again", PATIENCE, async || {
        let answer = stack.ingest_client.post("/events", body.clone()).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(ingest.exit_status(), None, "the process that was started is the one that answers");
    Ok(())
}
