//! What a consumer delivers, over a connection of its own: a message that the client library cannot take breaks the
//! connection that it comes on, and would break it for all others.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy};
use contract::Partition;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::connect::Log;
use crate::error::{LogError, log_error};

/// Bytes asked for at a time. At most one and a half times as much is on its way: 12 MiB a partition.
const PULL_BYTES_MAX: usize = 8 << 20;

/// Messages asked for at a time, for small ones.
const PULL_MESSAGES_MAX: usize = 4_000;

/// A question to the log is answered, or asked again, within this time.
const PULL_EXPIRES: Duration = Duration::from_secs(30);

/// Two of these without a sign of life, and the consumer is made anew: so long does the restart of a server delay reports.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Time after which the server deletes a consumer that was not asked for anything.
const INACTIVE_THRESHOLD: Duration = Duration::from_mins(1);

/// Messages as they come.
pub(super) struct Deliveries {
    messages: pull::Stream,
    broken: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
#[error("the connection has broken")]
struct Broken;

impl Deliveries {
    /// Makes a consumer that begins with a sequence, and whose name begins with `consumer`.
    pub(super) async fn open(
        log: &Log,
        partition: Partition,
        consumer: &str,
        start_sequence: u64,
    ) -> Result<Self, LogError> {
        let connection = log.connection().await.map_err(log_error("connecting for messages"))?;
        let config = pull::Config {
            name: Some(format!("{consumer}-{}", nuid::next())),
            description: Some("Tidemark projector: reads behind its checkpoint, acknowledges nothing".to_owned()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            inactive_threshold: INACTIVE_THRESHOLD,
            memory_storage: true,
            num_replicas: 1,
            ..Default::default()
        };
        let stream = connection.log.get_stream_no_info(partition.stream()).await;
        let stream = stream.map_err(log_error("looking at the stream"))?;
        let consumer = stream.create_consumer(config).await.map_err(log_error("making a consumer"))?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(PULL_MESSAGES_MAX)
            .max_bytes_per_batch(PULL_BYTES_MAX)
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(log_error("asking for messages"))?;
        Ok(Self { messages, broken: connection.broken })
    }

    /// The next one. What came before the connection broke is read first.
    pub(super) async fn next(&mut self) -> Result<jetstream::Message, LogError> {
        let ended = || pull::MessagesError::new(pull::MessagesErrorKind::ConsumerDeleted);
        tokio::select! {
            biased;
            message = self.messages.next() => {
                message.unwrap_or_else(|| Err(ended())).map_err(log_error("reading messages"))
            }
            () = self.broken.cancelled() => Err(log_error("reading messages")(Broken)),
        }
    }
}
