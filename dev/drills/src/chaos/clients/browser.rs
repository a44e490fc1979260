//! Clients as browsers are: they hang up when a page closes, close the sending side behind a request, send one request on
//! two connections, and send again by themselves whatever got no answer.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::chaos::clients::sdk::TRIES_END;
use crate::chaos::clients::visit::{Visit, Visits};
use crate::chaos::random;
use crate::chaos::run::Run;
use crate::chaos::verdict::findings::Kind;

/// Clients at once.
const CLIENTS: u32 = 4;

/// Between two events of one client, in milliseconds.
const PAUSE_MS: (u64, u64) = (20, 200);

/// Between two tries of one event, in milliseconds.
const RETRY_MS: (u64, u64) = (20, 300);

/// An answer comes within this time, or the client sends again.
const PATIENCE: Duration = Duration::from_secs(6);

/// The bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// How a request is sent.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// The connection is closed behind the request: nothing is ever heard.
    HangUp,
    /// The sending side is closed behind the request, and the answer read.
    HalfClose,
    /// One request on two connections at once.
    Twice,
    /// Sent once, and its answer awaited.
    Patient,
}

const MANNERS: [Manner; 4] = [Manner::HangUp, Manner::HalfClose, Manner::Twice, Manner::Patient];

/// Sends until the run's time is over, and then until everything that was sent is acknowledged.
pub(in crate::chaos) async fn send(run: &Run) {
    future::join_all((0..CLIENTS).map(|number| send_as(run, number))).await;
}

async fn send_as(run: &Run, number: u32) {
    let mut visits = Visits::of(run.seed, format!("browser-{number}"));
    let mut random = random::sequence(run.seed, &format!("manners-{number}"));
    while Instant::now() < run.until {
        let visit = visits.next();
        if deliver(run, &visit, &mut random).await {
            run.account.borrow_mut().add(&visit);
        } else {
            run.note(Kind::Unfinished, 1, || format!("not acknowledged within {TRIES_END:?}"));
        }
        sleep(random::between(visits.random(), PAUSE_MS.0, PAUSE_MS.1)).await;
    }
}

/// Whether the event was acknowledged in the end.
async fn deliver(run: &Run, visit: &Visit, random: &mut StdRng) -> bool {
    let give_up = run.until + TRIES_END;
    while Instant::now() < give_up {
        let (manner, begun) = (*random::one_of(random, &MANNERS), Instant::now());
        match timeout(PATIENCE, exchange(run, visit, manner)).await {
            Ok(Ok(Some(200))) => {
                run.check_trust(begun);
                return true;
            }
            Ok(Ok(Some(503) | None) | Err(_)) | Err(_) => {}
            Ok(Ok(Some(status))) => {
                run.note(Kind::Answer, 1, || format!("ingest answered {status} to a client that went on {manner:?}"));
                return false;
            }
        }
        run.tally.borrow_mut().retries += 1;
        sleep(Duration::from_millis(random.random_range(RETRY_MS.0..=RETRY_MS.1))).await;
    }
    false
}

/// The status of an answer; `None` where the client did not wait for one.
async fn exchange(run: &Run, visit: &Visit, manner: Manner) -> Result<Option<u16>> {
    match manner {
        Manner::Twice => {
            let (first, second) = tokio::join!(ask(run, visit, manner), ask(run, visit, manner));
            first.or(second)
        }
        _ => ask(run, visit, manner).await,
    }
}

async fn ask(run: &Run, visit: &Visit, manner: Manner) -> Result<Option<u16>> {
    let mut stream = TcpStream::connect(("127.0.0.1", run.stack.ingest_port())).await?;
    let body = &visit.json;
    let head =
        format!("POST /event HTTP/1.1\r\nHost: ingest\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + body.as_str()).as_bytes()).await?;
    match manner {
        Manner::HangUp => return Ok(None),
        Manner::HalfClose => stream.shutdown().await?,
        Manner::Twice | Manner::Patient => {}
    }
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).context("an answer begins with its status")?;
    Ok(Some(status.parse()?))
}
