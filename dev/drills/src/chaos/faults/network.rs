//! Connections to the log that break: they hang for a moment, and what is on its way then is lost. The log's server and
//! its client both live on, so that each believes what it has sent. A trap breaks one at a certain message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future;
use memchr::memmem;
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::chaos::faults::target::Target;
use crate::chaos::random;
use crate::chaos::run::Run;

/// How long a connection hangs before it breaks, in milliseconds: messages gather on it.
const HANG_MS: (u64, u64) = (20, 800);

/// Bytes that are read from the log's server at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The message of the log's server at which a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Trap {
    /// A delivery of a consumer: it is lost, and the connection closed.
    Delivery,
    /// A PubAck: it is lost, and the connection passes nothing until it is cut.
    PubAck,
}

/// All connections of one process to the log. Dropped, they are closed.
#[derive(Debug)]
pub(in crate::chaos) struct Cable {
    port: u16,
    cuts: watch::Sender<Duration>,
    snare: Arc<Snare>,
    _connections: JoinSet<()>,
}

/// The trap that is set, if one is, and the news that it has sprung.
#[derive(Debug, Default)]
struct Snare {
    set: AtomicU8,
    sprung: Notify,
}

impl Cable {
    /// A cable to the server at this port of this machine, which may be down.
    pub(in crate::chaos) async fn to(server_port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening before the log's server")?;
        let port = listener.local_addr()?.port();
        let (cuts, heard) = watch::channel(Duration::ZERO);
        let snare = Arc::new(Snare::default());
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, server_port, (heard, snare.clone())));
        Ok(Self { port, cuts, snare, _connections: connections })
    }

    /// `nats://host:port` of the client's end.
    pub(in crate::chaos) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on nothing passes the present connections, and after this time they are closed.
    pub(in crate::chaos) fn cut(&self, hang: Duration) {
        self.cuts.send_replace(hang);
    }

    /// Breaks the next connection that brings such a message, and returns once one has. Dropped, the trap is taken away.
    pub(in crate::chaos) async fn trap(&self, trap: Trap) {
        let _guard = Untrap(&self.snare);
        self.snare.set.store(trap.code(), Ordering::SeqCst);
        self.snare.sprung.notified().await;
    }
}

/// Takes a trap away when it is dropped.
struct Untrap<'a>(&'a Snare);

impl Drop for Untrap<'_> {
    fn drop(&mut self) {
        self.0.set.store(0, Ordering::SeqCst);
    }
}

impl Trap {
    fn code(self) -> u8 {
        match self {
            Self::Delivery => 1,
            Self::PubAck => 2,
        }
    }

    /// What such a message has in it.
    fn mark(self) -> &'static [u8] {
        match self {
            Self::Delivery => b" $JS.ACK.",
            Self::PubAck => br#"{"stream":"EVENTS_"#,
        }
    }
}

impl Snare {
    /// The trap that these bytes spring. Each trap springs once.
    fn springs(&self, bytes: &[u8]) -> Option<Trap> {
        let set = self.set.load(Ordering::SeqCst);
        let trap = [Trap::Delivery, Trap::PubAck].into_iter().find(|trap| trap.code() == set)?;
        memmem::find(bytes, trap.mark())?;
        let is_ours = self.set.compare_exchange(set, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        is_ours.then(|| {
            self.sprung.notify_one();
            trap
        })
    }
}

/// Cuts every cable again and again until the run's time is over.
pub(in crate::chaos) async fn cut_all(run: &Run) {
    future::join_all(run.cables.iter().map(|(target, cable)| cut(run, *target, cable))).await;
}

async fn cut(run: &Run, target: Target, cable: &Cable) {
    let mut random = random::sequence(run.seed, &format!("cuts-{}", target.name()));
    let calm_ms_max = u64::from(run.options.calm_seconds) * 1_000;
    loop {
        let calm = random::between(&mut random, calm_ms_max / 8, calm_ms_max);
        tokio::select! {
            biased;
            () = sleep_until(run.until) => return,
            () = sleep(calm) => cable.cut(random::between(&mut random, HANG_MS.0, HANG_MS.1)),
        }
        run.tally.borrow_mut().cuts += 1;
    }
}

async fn accept(listener: TcpListener, server_port: u16, (cuts, snare): (watch::Receiver<Duration>, Arc<Snare>)) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(pass(client, server_port, cuts.clone(), snare.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Passes on both ways until one side has enough, the cable is cut, or a trap springs.
async fn pass(client: TcpStream, server_port: u16, mut cuts: watch::Receiver<Duration>, snare: Arc<Snare>) {
    // Cuts before this connection are none of its business.
    cuts.mark_unchanged();
    let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    let ((mut from_client, to_client), (from_server, mut to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        _ = io::copy(&mut from_client, &mut to_server) => {}
        _ = pass_until_trapped(from_server, to_client, &snare) => {}
        _ = cuts.changed() => {
            let hang = *cuts.borrow();
            sleep(hang).await;
        }
    }
}

async fn pass_until_trapped(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, snare: &Snare) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let bytes = match from.read(&mut chunk).await? {
            0 => return Ok(()),
            length => &chunk[..length],
        };
        match snare.springs(bytes) {
            None => to.write_all(bytes).await?,
            Some(Trap::Delivery) => return Ok(()),
            Some(Trap::PubAck) => future::pending().await,
        }
    }
}
