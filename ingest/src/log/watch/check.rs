//! One check of the log. Servers and streams are asked at the same time: a stream that is known to be good waits neither
//! for the other streams nor for a server that does not answer.

use std::mem;
use std::pin::pin;

use contract::Partition;
use contract::event::EVENT_LINE_BYTES_MAX;
use futures_util::{Stream, StreamExt, stream};
use service::Address;

use super::Watchdog;
use crate::log::clocks::Reading;
use crate::log::findings::Findings;
use crate::log::message_size::MESSAGE_BYTES_MIN;
use crate::log::monitor::{self, Answer};
use crate::log::status::{CheckError, ProblemKind, Status};
use crate::log::streams::{self, StreamReport};

/// Questions about streams that are under way at the same time: a thousand streams take 60 round trips.
const STREAM_REQUESTS_MAX: usize = 16;

/// State of one check.
pub(super) struct Check<'a> {
    watchdog: &'a Watchdog,
    findings: &'a mut Findings,
    /// Whether a stream may be given events before the check is complete.
    is_prompt: bool,
    /// Id of the server that ingest is connected to.
    connected_to: String,
    /// The server that ingest is connected to, once it has answered.
    connected: Option<Connected<'a>>,
    /// Readings of the clocks of all servers that have answered.
    readings: Vec<Reading>,
    /// Error of the first server that did not answer.
    silence: Option<anyhow::Error>,
    /// Streams with a server that has not answered yet.
    unvouched: Vec<(Partition, StreamReport)>,
    short_of_copies: usize,
}

/// The server that ingest is connected to.
#[derive(Clone, Copy)]
struct Connected<'a> {
    monitor_url: &'a Address,
    /// Bytes of a message, headers included, that it takes.
    max_payload: usize,
}

impl<'a> Check<'a> {
    pub(super) fn new(watchdog: &'a Watchdog, findings: &'a mut Findings, was_trusted: bool) -> Self {
        // After a broken promise the whole log stays refused until all servers and streams were asked.
        let is_prompt = was_trusted && !findings.is_broken;
        Self {
            watchdog,
            findings,
            is_prompt,
            connected_to: watchdog.jetstream.client().server_info().server_id,
            connected: None,
            readings: vec![],
            silence: None,
            unvouched: vec![],
            short_of_copies: 0,
        }
    }

    /// Asks the servers and all streams. A stream without an answer is a finding, not an error.
    pub(super) async fn run(mut self) -> Result<(), CheckError> {
        let watchdog = self.watchdog;
        let client = monitor::client().map_err(|err| CheckError::unknown(ProblemKind::ServerSilent, &err))?;
        let mut servers = monitor::report_each(&client, &watchdog.monitor_urls);
        let connected = self.connected(&mut servers).await?;
        verify_size(connected.max_payload.min(watchdog.jetstream.client().max_payload()))?;
        verify_account(watchdog.account_limit.bytes())?;
        let is_alone = watchdog.monitor_urls.len() == 1;
        if is_alone {
            verify_health(&client, connected.monitor_url).await?;
        }
        let requests = stream::iter(Partition::all(watchdog.partitions)).map(async |partition| {
            (partition, streams::verify(&watchdog.jetstream, partition, watchdog.declaration).await)
        });
        let mut streams = pin!(requests.buffer_unordered(STREAM_REQUESTS_MAX));
        loop {
            tokio::select! {
                biased;
                Some((url, answer)) = servers.next() => self.record_server(url, answer)?,
                Some((partition, answer)) = streams.next() => self.record_stream(partition, answer, connected)?,
                else => break,
            }
        }
        self.distrust_unvouched(connected);
        watchdog.clocks.agree(self.readings.iter().map(Reading::lead));
        self.findings.report_copies(self.short_of_copies, watchdog.declaration.replicas);
        if !is_alone {
            report_health(&client, connected.monitor_url).await;
        }
        Ok(())
    }

    /// Waits for the answer of the server that ingest is connected to: it is given nothing before.
    async fn connected(
        &mut self,
        servers: &mut (impl Stream<Item = (&'a Address, anyhow::Result<Answer>)> + Unpin),
    ) -> Result<Connected<'a>, CheckError> {
        while let Some((url, answer)) = servers.next().await {
            self.record_server(url, answer)?;
            if let Some(connected) = self.connected {
                return Ok(connected);
            }
        }
        // The server may have restarted between the two questions, so this is no broken promise yet.
        let unknown = || anyhow::anyhow!("NATS_MONITOR_URLS names other servers than the one at NATS_URL");
        Err(CheckError::unknown(ProblemKind::ServerSilent, &self.silence.take().unwrap_or_else(unknown)))
    }

    /// Records one server's answer. Servers other than the connected one may be away: of several, one may die.
    fn record_server(&mut self, url: &'a Address, answer: anyhow::Result<Answer>) -> Result<(), CheckError> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(err) => {
                self.silence.get_or_insert(err);
                return Ok(());
            }
        };
        self.findings.servers.record(url, &answer)?;
        self.readings.push(answer.reading);
        if answer.report.server_id == self.connected_to {
            self.connected = Some(Connected { monitor_url: url, max_payload: answer.report.max_payload });
        }
        if let Some(connected) = self.connected {
            for (partition, report) in mem::take(&mut self.unvouched) {
                self.vouch(partition, report, connected);
            }
        }
        Ok(())
    }

    fn record_stream(
        &mut self,
        partition: Partition,
        answer: Result<StreamReport, CheckError>,
        connected: Connected<'a>,
    ) -> Result<(), CheckError> {
        match answer {
            Ok(report) => {
                self.short_of_copies += usize::from(report.replicas < usize::from(self.watchdog.declaration.replicas));
                self.vouch(partition, report, connected);
            }
            Err(CheckError::Unknown(problem)) => self.findings.stream_silent(partition, problem),
            Err(err) => return Err(err),
        }
        Ok(())
    }

    /// Distrusts the streams of servers that have not answered, after all were asked.
    fn distrust_unvouched(&mut self, connected: Connected<'a>) {
        for (partition, report) in mem::take(&mut self.unvouched) {
            if let Err(problem) = self.findings.stream_answered(partition, &report, connected.max_payload) {
                self.findings.streams.distrust(partition, problem);
            }
        }
    }

    /// Trusts a stream if its servers are known to keep their promises; otherwise the stream waits for their answers.
    fn vouch(&mut self, partition: Partition, report: StreamReport, connected: Connected<'a>) {
        let is_new = self.findings.streams.untrusted.contains(&partition);
        if self.findings.stream_answered(partition, &report, connected.max_payload).is_err() {
            self.unvouched.push((partition, report));
        } else if is_new && self.is_prompt {
            self.watchdog.publish(Status::Trusted(self.findings.streams.clone()));
        }
    }
}

/// Checks the health of a server that is alone: if it cannot write, nothing is stored.
async fn verify_health(client: &reqwest::Client, monitor_url: &Address) -> Result<(), CheckError> {
    monitor::verify_health(client, monitor_url).await.map_err(|problem| {
        if problem.kind == ProblemKind::ServerSilent {
            CheckError::Unknown(problem)
        } else {
            CheckError::Unwell(problem)
        }
    })
}

/// Logs the health of one of several servers. It may be unwell while it catches up or elects a leader, and the others
/// still store events; their answers to publications tell.
async fn report_health(client: &reqwest::Client, monitor_url: &Address) {
    if let Err(problem) = monitor::verify_health(client, monitor_url).await {
        tracing::warn!(reason = problem.detail, "One of the log's servers is not well");
    }
}

/// Checks that ingest's account takes the largest event, as far as its refusals show.
fn verify_account(message_bytes_max: usize) -> Result<(), CheckError> {
    if message_bytes_max >= MESSAGE_BYTES_MIN {
        return Ok(());
    }
    Err(CheckError::broken(
        ProblemKind::TakesTooLittle,
        format!(
            "the account of ingest refuses messages of {MESSAGE_BYTES_MIN} bytes, which an event of {EVENT_LINE_BYTES_MAX} \
             needs with headers: raise `max_payload` in the limits of the account or of the user, and restart ingest"
        ),
    ))
}

/// Checks that the server takes the largest event. Envelopes are made to fit the rest.
fn verify_size(max_payload: usize) -> Result<(), CheckError> {
    if max_payload >= MESSAGE_BYTES_MIN {
        return Ok(());
    }
    Err(CheckError::broken(
        ProblemKind::TakesTooLittle,
        format!(
            "the log's server takes messages of {max_payload} bytes, and an event of {EVENT_LINE_BYTES_MAX} needs \
             {MESSAGE_BYTES_MIN} with headers: set `max_payload: 1MB` in its configuration (see nats/server.conf) and \
             reload it"
        ),
    ))
}
