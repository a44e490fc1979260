//! The wire between the log and one of its clients, which breaks on request, with something on it: an acknowledgement
//! that ingest does not hear, an envelope that the projector does not get. The log takes both for delivered.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How an acknowledgement of an envelope begins.
const PUB_ACK: &[u8] = br#"{"stream":"EVENTS_"#;

/// What the log wants to be answered to an envelope that it delivers.
const DELIVERY: &[u8] = b" $JS.ACK.";

/// The header with an envelope's id.
const ENVELOPE_ID: &str = "Nats-Msg-Id: ";

/// A proxy before the log's server. Dropped, all of its connections are closed.
pub(crate) struct Wire {
    port: u16,
    seen: Arc<Mutex<Seen>>,
    _connections: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    acks_left: usize,
    envelopes_left: usize,
    /// Whether to break at the first delivery to each consumer that comes.
    first_deliveries: VecDeque<bool>,
    consumers: BTreeSet<Vec<u8>>,
    loses_acks: bool,
    lost_acks: usize,
    cuts: usize,
    published: Vec<String>,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Forwarded.
    Passed,
    /// Dropped, while the connection goes on.
    Lost,
    /// Dropped, and the connection is closed.
    Cut,
}

/// One protocol line, and what belongs to it.
struct Frame {
    bytes: Vec<u8>,
    line_bytes: usize,
}

impl Wire {
    /// A wire to the server at this port of this machine.
    pub(crate) async fn to(server_port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening")?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, server_port, seen.clone()));
        Ok(Self { port, seen, _connections: connections })
    }

    /// `nats://host:port` of ingest's end.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on the wire breaks whenever an acknowledgement is on it, so many times.
    pub(crate) fn cut_acks(&self, cuts: usize) {
        self.seen.lock().expect("no thread panics while it holds the lock").acks_left = cuts;
    }

    /// From now on it breaks whenever an envelope is delivered, so many times.
    pub(crate) fn cut_envelopes(&self, cuts: usize) {
        self.seen.lock().expect("no thread panics while it holds the lock").envelopes_left = cuts;
    }

    /// From now on it breaks at the first delivery to the next consumers, for each that the plan says so of. What the
    /// server has sent behind that delivery is lost with it.
    pub(crate) fn cut_first_deliveries(&self, plan: &[bool]) {
        self.seen.lock().expect("no thread panics while it holds the lock").first_deliveries =
            plan.iter().copied().collect();
    }

    /// Whether acknowledgements are lost from now on while the wire holds.
    pub(crate) fn lose_acks(&self, are_lost: bool) {
        self.seen.lock().expect("no thread panics while it holds the lock").loses_acks = are_lost;
    }

    /// How many acknowledgements were lost so.
    pub(crate) fn lost_acks(&self) -> usize {
        self.seen.lock().expect("no thread panics while it holds the lock").lost_acks
    }

    /// How often it broke.
    pub(crate) fn cuts(&self) -> usize {
        self.seen.lock().expect("no thread panics while it holds the lock").cuts
    }

    /// The ids of all envelopes that ingest has sent, repeats among them.
    pub(crate) fn published(&self) -> Vec<String> {
        self.seen.lock().expect("no thread panics while it holds the lock").published.clone()
    }
}

async fn accept(listener: TcpListener, server_port: u16, seen: Arc<Mutex<Seen>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { continue };
        connections.spawn(connect(client, server, seen.clone()));
    }
}

/// Passes on both ways. Whichever ends first ends both.
async fn connect(client: TcpStream, server: TcpStream, seen: Arc<Mutex<Seen>>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let seen = || seen.lock().expect("no thread panics while it holds the lock");
    tokio::select! {
        _ = pass(from_client, to_server, |frame| seen().hear(frame)) => {}
        _ = pass(from_server, to_client, |frame| seen().deliver(frame)) => {}
    }
}

/// Passes on frame by frame, up to one that is not let through.
async fn pass(from: OwnedReadHalf, mut to: OwnedWriteHalf, fate: impl Fn(&Frame) -> Fate) -> Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let frame = Frame::read(&mut from).await?;
        match fate(&frame) {
            Fate::Passed => to.write_all(&frame.bytes).await?,
            Fate::Lost => {}
            Fate::Cut => return Ok(()),
        }
    }
}

impl Seen {
    /// Whatever ingest says reaches the server.
    fn hear(&mut self, frame: &Frame) -> Fate {
        if frame.line().starts_with(b"HPUB events.") {
            let headers = String::from_utf8_lossy(frame.payload()).into_owned();
            let id = headers.lines().find_map(|line| line.strip_prefix(ENVELOPE_ID));
            self.published.push(id.unwrap_or_default().to_owned());
        }
        Fate::Passed
    }

    fn deliver(&mut self, frame: &Frame) -> Fate {
        let is_cut = if frame.payload().starts_with(PUB_ACK) {
            if self.loses_acks {
                self.lost_acks += 1;
                return Fate::Lost;
            }
            take_one(&mut self.acks_left)
        } else if let Some(consumer) = frame.consumer() {
            let is_first = self.consumers.insert(consumer);
            let is_planned = is_first && self.first_deliveries.pop_front() == Some(true);
            is_planned || take_one(&mut self.envelopes_left)
        } else {
            false
        };
        self.cuts += usize::from(is_cut);
        if is_cut { Fate::Cut } else { Fate::Passed }
    }
}

fn take_one(left: &mut usize) -> bool {
    let is_left = *left > 0;
    *left -= usize::from(is_left);
    is_left
}

impl Frame {
    async fn read(from: &mut BufReader<OwnedReadHalf>) -> Result<Self> {
        let mut bytes = Vec::new();
        let line_bytes = from.read_until(b'\n', &mut bytes).await?;
        anyhow::ensure!(bytes.ends_with(b"\r\n"), "the connection has ended");
        let line = std::str::from_utf8(&bytes)?;
        if ["MSG ", "HMSG ", "PUB ", "HPUB "].iter().any(|word| line.starts_with(word)) {
            let payload_bytes: usize = line.split_whitespace().next_back().context("a size")?.parse()?;
            bytes.resize(line_bytes + payload_bytes + b"\r\n".len(), 0);
            from.read_exact(&mut bytes[line_bytes..]).await?;
        }
        Ok(Self { bytes, line_bytes })
    }

    fn line(&self) -> &[u8] {
        &self.bytes[..self.line_bytes]
    }

    /// Where it delivers an envelope: to which consumer.
    fn consumer(&self) -> Option<Vec<u8>> {
        let line = self.line();
        let begin = line.windows(DELIVERY.len()).position(|part| part == DELIVERY)? + DELIVERY.len();
        Some(line[begin..].split(|byte| *byte == b'.').nth(1)?.to_vec())
    }

    /// Headers and body; nothing where the line is all.
    fn payload(&self) -> &[u8] {
        &self.bytes[self.line_bytes..]
    }
}
