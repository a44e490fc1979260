use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::try_join_all;
use launcher::ports;
use testkit::clients::http::Client;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::kernel::raise_file_limit;
use testkit::stack::{DATABASE, Stack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Health checks of load balancers wait for so long.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// More than there are places.
const SILENT: usize = 16_500;

/// Files that are open beside connections: those of ingest, of this process, and of tests that run at the same time.
const OTHER_FILES: u64 = 1_500;

/// The largest body of `POST /events`, less the byte that never comes.
const LARGEST_BYTES: usize = (8 << 20) - 1;

/// What takes room or a place is let go within this time, on a machine that does other things too.
const SOON: Duration = Duration::from_mins(1);

/// A connection from another address of this machine.
async fn connect_from(address: [u8; 4], port: u16) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((address, 0)))?;
    socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.context("connecting")
}

async fn ask(stream: &mut TcpStream, path: &str) -> Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await?;
    let mut heard = vec![0; 1_024];
    let read = tokio::time::timeout(SOON, stream.read(&mut heard)).await.context("no answer")??;
    heard.truncate(read);
    Ok(String::from_utf8(heard)?)
}

#[tokio::test]
async fn probes_are_answered_while_silent_connections_take_every_place() -> TestResult {
    raise_file_limit(SILENT as u64 + OTHER_FILES)?;
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let mut silent = Vec::with_capacity(SILENT);
    for number in 0..SILENT {
        let connecting = TcpStream::connect(("127.0.0.1", stack.ingest_port()));
        match tokio::time::timeout(PROBE_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => silent.push(stream),
            other => println!("no connection {number}: {other:?}"),
        }
    }
    let begun = Instant::now();
    while begun.elapsed() < PROBE_TIMEOUT {
        // A new connection each time, as probes have it.
        let probe = Client::new(stack.ingest_port()).patient_for(PROBE_TIMEOUT);
        for path in ["/healthz", "/readyz"] {
            assert_eq!(probe.get(path).await.context("a probe")?.status, 200, "{path}");
        }
        assert_eq!(probe.post("/event", event("a", "/")).await?.status, 200);
    }
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn an_address_has_a_share_of_the_places_and_its_idle_connections_go_first() -> TestResult {
    const SHARE: usize = 10;
    let stack = Stack::servers().await?;
    let share = SHARE.to_string();
    let _ingest = stack.ingest(&[("HTTP_CONNECTIONS_MAX", "40"), ("HTTP_CONNECTIONS_PER_ADDRESS_MAX", &share)]).await?;
    let port = stack.ingest_port();
    let mut other = connect_from([127, 0, 0, 9], port).await?;
    assert!(ask(&mut other, "/healthz").await?.starts_with("HTTP/1.1 200"));
    // Those that are answered keep their places: each is asked for its body.
    let opening = b"POST /event HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    let (mut busy, mut heard) = (Vec::new(), [0; 25]);
    for _ in 0..SHARE {
        let mut stream = connect_from([127, 0, 0, 8], port).await?;
        stream.write_all(opening).await?;
        tokio::time::timeout(SOON, stream.read_exact(&mut heard)).await.context("no answer")??;
        assert!(heard.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&heard));
        busy.push(stream);
    }
    for _ in 0..SHARE {
        let mut refused = connect_from([127, 0, 0, 8], port).await?;
        let read = tokio::time::timeout(PROBE_TIMEOUT, refused.read(&mut heard)).await.context("it has a place")?;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    // The idle connection of another address is still there.
    assert!(ask(&mut other, "/healthz").await?.starts_with("HTTP/1.1 200"));
    // Silent ones give way to those that say something.
    let mut silent = Vec::new();
    for _ in 0..2 * SHARE {
        silent.push(connect_from([127, 0, 0, 7], port).await?);
    }
    let mut newest = connect_from([127, 0, 0, 7], port).await?;
    assert!(ask(&mut newest, "/healthz").await?.starts_with("HTTP/1.1 200"));
    let first = silent.first_mut().context("a silent one")?;
    let read = tokio::time::timeout(PROBE_TIMEOUT, first.read(&mut heard)).await.context("the oldest stays")?;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    for stream in &mut busy {
        let complete = [event("a", "/").into_bytes(), vec![b' '; 100]].concat();
        stream.write_all(&complete[..100]).await?;
        tokio::time::timeout(SOON, stream.read_exact(&mut heard[..12])).await.context("no answer")??;
        assert!(matches!(&heard[9..12], b"200" | b"400"), "{}", String::from_utf8_lossy(&heard));
    }
    Ok(())
}

#[tokio::test]
async fn slow_uploads_leave_room_for_single_events_and_end_soon() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let port = stack.ingest_port();
    let opening = format!("POST /events HTTP/1.1\r\nhost: slow\r\ncontent-length: {LARGEST_BYTES}\r\n\r\n");
    let body = vec![b' '; LARGEST_BYTES - 1];
    let uploads = (0..17).map(async |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(opening.as_bytes()).await?;
        // One that is refused reads no further.
        let _ = tokio::time::timeout(SOON, stream.write_all(&body)).await;
        std::io::Result::Ok(stream)
    });
    let mut uploads = try_join_all(uploads).await?;
    let begun = Instant::now();
    let mut answers = BTreeMap::<u16, usize>::new();
    while begun.elapsed() < Duration::from_secs(3) {
        *answers.entry(stack.ingest_client.post("/event", event("a", "/")).await?.status).or_default() += 1;
        let batch = stack.ingest_client.post("/events", event("a", "/")).await?;
        *answers.entry(batch.status).or_default() += 1;
    }
    assert!(answers.keys().eq([&200]), "single events and small batches: {answers:?}");
    // None of them comes to its end, so each is told.
    for upload in &mut uploads {
        let mut heard = vec![0; 12];
        tokio::time::timeout(SOON / 4, upload.read_exact(&mut heard)).await.context("no answer in time")??;
        assert!(matches!(&heard[9..], b"408" | b"503"), "{}", String::from_utf8_lossy(&heard));
    }
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn a_packed_body_costs_no_more_work_than_its_bytes() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        std::io::Write::write_all(&mut encoder, bytes).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    };
    let line = event("a", "/") + "\n";
    // As `cat a.gz b.gz` makes it.
    let two = [packed(line.as_bytes()), packed(line.as_bytes())].concat();
    let answer = stack.ingest_client.post_with("/events", ("content-encoding", "gzip"), two.clone()).await?;
    assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (200, Some(2)), "{}", answer.text);
    let (empty, blank) = (packed(b""), packed(b" "));
    for (what, member, path) in
        [("empty", &empty, "/events"), ("blank", &blank, "/events"), ("empty", &empty, "/event")]
    {
        let members = if path == "/event" { 700 } else { LARGEST_BYTES / member.len() - line.len() };
        let body = [member.repeat(members), packed(line.as_bytes())].concat();
        let answer = stack.ingest_client.post_with(path, ("content-encoding", "gzip"), body).await?;
        assert_eq!(answer.status, 400, "{what} members: {}", answer.text);
        assert!(answer.error().contains("members"), "{what}: {}", answer.error());
    }
    let garbage = [two, b"garbage".to_vec()].concat();
    let answer = stack.ingest_client.post_with("/events", ("content-encoding", "gzip"), garbage).await?;
    assert_eq!(answer.status, 400, "{}", answer.text);
    Ok(())
}

#[tokio::test]
async fn operators_have_an_address_of_their_own_and_metrics_are_only_there() -> TestResult {
    let stack = Stack::servers().await?;
    let (ingest_ops, query_ops) = (Client::new(ports::free()), Client::new(ports::free()));
    let at = |client: &Client| format!("127.0.0.1:{}", client.port());
    let few = ("HTTP_CONNECTIONS_MAX", "4");
    let _ingest = stack.ingest(&[("INGEST_OPS_LISTEN", &at(&ingest_ops)), few]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query_with(&[("QUERY_OPS_LISTEN", &at(&query_ops)), few]).await?;
    for (public, ops) in [(&stack.ingest_client, &ingest_ops), (&stack.query_client, &query_ops)] {
        assert_eq!(public.get("/healthz").await?.status, 200);
        assert_eq!(public.get("/metrics").await?.status, 404, "no metrics for everybody");
        assert_eq!(ops.get("/event").await?.status, 404, "nothing else for operators");
        assert!(ops.get("/metrics").await?.text.contains("http_connections_total"));
        // Clients that are answered keep all places; operators have theirs.
        let opening = b"POST /event HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
        let mut busy = Vec::new();
        for _ in 0..8 {
            let mut stream = TcpStream::connect(("127.0.0.1", public.port())).await?;
            let _ = stream.write_all(opening).await;
            busy.push(stream);
        }
        for path in ["/healthz", "/metrics"] {
            assert_eq!(ops.get(path).await?.status, 200, "{path}");
        }
    }
    Ok(())
}
