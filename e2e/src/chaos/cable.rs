//! Connections to the log that break: they hang for a moment, and what is on its way then is lost. The log's server and
//! its client both live on, so that each believes what it has sent.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::chance;
use super::run::Run;
use super::target::Target;

/// How long a connection hangs before it breaks, in milliseconds: messages gather on it.
const HANG_MS: (u64, u64) = (20, 800);

/// All connections of one process to the log. Dropped, they are closed.
#[derive(Debug)]
pub(super) struct Cable {
    port: u16,
    cuts: watch::Sender<Duration>,
    _connections: JoinSet<()>,
}

impl Cable {
    /// A cable to the server at this port of this machine, which may be down.
    pub(super) async fn to(server_port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening before the log's server")?;
        let port = listener.local_addr()?.port();
        let (cuts, heard) = watch::channel(Duration::ZERO);
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, server_port, heard));
        Ok(Self { port, cuts, _connections: connections })
    }

    /// `nats://host:port` of the client's end.
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on nothing passes the present connections, and after this time they are closed.
    fn cut(&self, hang: Duration) {
        self.cuts.send_replace(hang);
    }
}

/// Cuts every cable again and again until the run's time is over.
pub(super) async fn cut_all(run: &Run) {
    future::join_all(run.cables.iter().map(|(target, cable)| cut(run, *target, cable))).await;
}

async fn cut(run: &Run, target: Target, cable: &Cable) {
    let mut random = chance::sequence(run.seed, &format!("cuts-{}", target.name()));
    let calm_ms_max = u64::from(run.options.calm_seconds) * 1_000;
    loop {
        let calm = chance::between(&mut random, calm_ms_max / 8, calm_ms_max);
        tokio::select! {
            biased;
            () = sleep_until(run.until) => return,
            () = sleep(calm) => cable.cut(chance::between(&mut random, HANG_MS.0, HANG_MS.1)),
        }
        run.tally.borrow_mut().cuts += 1;
    }
}

async fn accept(listener: TcpListener, server_port: u16, cuts: watch::Receiver<Duration>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(pass(client, server_port, cuts.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Passes on both ways until one side has enough, or the cable is cut.
async fn pass(mut client: TcpStream, server_port: u16, mut cuts: watch::Receiver<Duration>) {
    // Cuts before this connection are none of its business.
    cuts.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cuts.changed() => {
            let hang = *cuts.borrow();
            sleep(hang).await;
        }
    }
}
