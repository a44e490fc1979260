//! One look at the log. Servers and streams are asked at once, and a stream that is known to be good need not wait for
//! the others, nor for a server that does not answer.

use std::mem;
use std::pin::pin;

use contract::Partition;
use contract::event::EVENT_LINE_BYTES_MAX;
use futures_util::{Stream, StreamExt, stream};
use service::Address;

use super::Guard;
use crate::clocks::Reading;
use crate::health;
use crate::known::Known;
use crate::servers::{self, Answer};
use crate::size::MESSAGE_BYTES_MIN;
use crate::streams::{self, Seen};
use crate::trust::{Class, Distrust, Trust};

/// Streams that are asked at once: of a thousand, 60 times one round trip.
const STREAMS_ASKED_MAX: usize = 16;

/// What one look finds.
pub(super) struct Look<'a> {
    guard: &'a Guard,
    known: &'a mut Known,
    /// Whether a stream may be given events before the look is over.
    is_prompt: bool,
    connected_to: String,
    /// The server that ingest is connected to, once it has answered.
    connected: Option<Connected<'a>>,
    /// What time each server has that answered.
    readings: Vec<Reading>,
    /// Why a server did not answer.
    silence: Option<anyhow::Error>,
    /// Streams with a server that has not answered yet.
    unvouched: Vec<(Partition, Seen)>,
    short_of_copies: usize,
}

/// The server that ingest is connected to.
#[derive(Clone, Copy)]
struct Connected<'a> {
    monitor_url: &'a Address,
    /// Bytes of a message, headers included, that it takes.
    max_payload: usize,
}

impl<'a> Look<'a> {
    pub(super) fn new(guard: &'a Guard, known: &'a mut Known, was_trusted: bool) -> Self {
        // What is broken stays refused until all have been asked.
        let is_prompt = was_trusted && !known.is_broken;
        Self {
            guard,
            known,
            is_prompt,
            connected_to: guard.jetstream.client().server_info().server_id,
            connected: None,
            readings: vec![],
            silence: None,
            unvouched: vec![],
            short_of_copies: 0,
        }
    }

    /// Looks at the servers and at all streams. That a stream does not answer is no error.
    pub(super) async fn run(mut self) -> Result<(), Distrust> {
        let guard = self.guard;
        let client = servers::client().map_err(|err| Distrust::unknown(Class::ServerSilent, &err))?;
        let mut servers = servers::ask_each(&client, &guard.monitor_urls);
        let connected = self.connected(&mut servers).await?;
        verify_size(connected.max_payload.min(guard.jetstream.client().max_payload()))?;
        let is_alone = guard.monitor_urls.len() == 1;
        if is_alone {
            verify_health(&client, connected.monitor_url).await?;
        }
        let questions = stream::iter(Partition::all(guard.partitions))
            .map(async |partition| (partition, streams::verify(&guard.jetstream, partition, guard.declaration).await));
        let mut streams = pin!(questions.buffer_unordered(STREAMS_ASKED_MAX));
        loop {
            tokio::select! {
                biased;
                Some((url, answer)) = servers.next() => self.note_server(url, answer)?,
                Some((partition, answer)) = streams.next() => self.note_stream(partition, answer, connected)?,
                else => break,
            }
        }
        self.withdraw_unvouched(connected);
        guard.clocks.agree(self.readings.iter().map(Reading::lead));
        self.known.tell_of_copies(self.short_of_copies, guard.declaration.replicas);
        if !is_alone {
            tell_of_health(&client, connected.monitor_url).await;
        }
        Ok(())
    }

    /// Waits for the server that ingest is connected to: nothing is given to it before.
    async fn connected(
        &mut self,
        servers: &mut (impl Stream<Item = (&'a Address, anyhow::Result<Answer>)> + Unpin),
    ) -> Result<Connected<'a>, Distrust> {
        while let Some((url, answer)) = servers.next().await {
            self.note_server(url, answer)?;
            if let Some(connected) = self.connected {
                return Ok(connected);
            }
        }
        // It may have restarted between the two questions, so this is no broken promise yet.
        let unknown = || anyhow::anyhow!("NATS_MONITOR_URLS names other servers than the one at NATS_URL");
        Err(Distrust::unknown(Class::ServerSilent, &self.silence.take().unwrap_or_else(unknown)))
    }

    /// One server answered or not. One of them must be the one we are connected to; others may be away: of several
    /// servers one may die.
    fn note_server(&mut self, url: &'a Address, answer: anyhow::Result<Answer>) -> Result<(), Distrust> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(err) => {
                self.silence.get_or_insert(err);
                return Ok(());
            }
        };
        self.known.servers.note(url, &answer)?;
        self.readings.push(answer.reading);
        if answer.report.server_id == self.connected_to {
            self.connected = Some(Connected { monitor_url: url, max_payload: answer.report.max_payload });
        }
        if let Some(connected) = self.connected {
            for (partition, seen) in mem::take(&mut self.unvouched) {
                self.vouch(partition, seen, connected);
            }
        }
        Ok(())
    }

    fn note_stream(
        &mut self,
        partition: Partition,
        answer: Result<Seen, Distrust>,
        connected: Connected<'a>,
    ) -> Result<(), Distrust> {
        match answer {
            Ok(seen) => {
                self.short_of_copies += usize::from(seen.replicas < usize::from(self.guard.declaration.replicas));
                self.vouch(partition, seen, connected);
            }
            Err(Distrust::Unknown(lack)) => self.known.silent(partition, lack),
            Err(distrust) => return Err(distrust),
        }
        Ok(())
    }

    /// All servers were asked: streams with one that has not answered get nothing.
    fn withdraw_unvouched(&mut self, connected: Connected<'a>) {
        for (partition, seen) in mem::take(&mut self.unvouched) {
            if let Err(lack) = self.known.seen(partition, &seen, connected.max_payload) {
                self.known.streams.withdraw(partition, lack);
            }
        }
    }

    /// Trusts a stream if its servers are known to keep their promises; it waits for them otherwise.
    fn vouch(&mut self, partition: Partition, seen: Seen, connected: Connected<'a>) {
        let is_new = self.known.streams.untrusted.contains(&partition);
        if self.known.seen(partition, &seen, connected.max_payload).is_err() {
            self.unvouched.push((partition, seen));
        } else if is_new && self.is_prompt {
            self.guard.settle(Trust::Given(self.known.streams.clone()));
        }
    }
}

/// One server that cannot write can do nothing.
async fn verify_health(client: &reqwest::Client, monitor_url: &Address) -> Result<(), Distrust> {
    health::verify(client, monitor_url).await.map_err(|lack| {
        if lack.class == Class::ServerSilent { Distrust::Unknown(lack) } else { Distrust::Unwell(lack) }
    })
}

/// Of several servers one may be unwell, as while it catches up or elects a leader, and the others store: whether they
/// do, their answers tell.
async fn tell_of_health(client: &reqwest::Client, monitor_url: &Address) {
    if let Err(lack) = health::verify(client, monitor_url).await {
        tracing::warn!(reason = lack.detail, "One of the log's servers is not well");
    }
}

/// Whether the server takes the largest event. Envelopes are made to fit.
fn verify_size(max_payload: usize) -> Result<(), Distrust> {
    if max_payload >= MESSAGE_BYTES_MIN {
        return Ok(());
    }
    Err(Distrust::broken(
        Class::TakesTooLittle,
        format!(
            "the log's server takes messages of {max_payload} bytes, and an event of {EVENT_LINE_BYTES_MAX} needs \
             {MESSAGE_BYTES_MIN} with headers: set `max_payload: 1MB` in its configuration (see nats/server.conf) and \
             reload it"
        ),
    ))
}
