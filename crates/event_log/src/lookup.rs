//! Messages as the log has them, asked for one at a time. The leader of the stream answers, and answers in JSON with
//! headers and body in base64: no message is such that the answer could not be read, as a delivery can be. So what is in
//! the log and what is not is asked here, and never inferred from what a consumer delivers.

use async_nats::jetstream::{self, ErrorCode, response::Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::{LogError, log_error};

/// Every subject of a stream.
const ALL_SUBJECTS: &str = ">";

/// One message of a stream.
#[derive(Debug, Clone, Deserialize)]
pub struct StoredMessage {
    pub subject: String,
    #[serde(rename = "seq")]
    pub sequence: u64,
    #[serde(rename = "time")]
    pub logged_at: DateTime<Utc>,
    /// As they were published; of a message without headers there are none.
    #[serde(default, rename = "hdrs", deserialize_with = "decoded")]
    pub headers: Bytes,
    #[serde(default, rename = "data", deserialize_with = "decoded")]
    pub body: Bytes,
}

#[derive(Debug, Default, Serialize)]
struct Request {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<DateTime<Utc>>,
    #[serde(rename = "next_by_subj", skip_serializing_if = "Option::is_none")]
    next_by_subject: Option<&'static str>,
}

#[derive(Debug, Deserialize)]
struct Found {
    message: StoredMessage,
}

/// The message of a sequence, if the stream has it.
pub async fn at(log: &jetstream::Context, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, LogError> {
    ask(log, stream, Request { seq: Some(sequence), ..Request::default() }).await
}

/// The first message of a sequence or behind it, if the stream has one: no sequence before that has one.
pub async fn first_from(
    log: &jetstream::Context,
    stream: &str,
    sequence: u64,
) -> Result<Option<StoredMessage>, LogError> {
    let next_by_subject = Some(ALL_SUBJECTS);
    ask(log, stream, Request { seq: Some(sequence), next_by_subject, ..Request::default() }).await
}

/// The first message that the log stored at a time or after it, if the stream has one.
pub async fn first_since(
    log: &jetstream::Context,
    stream: &str,
    time: DateTime<Utc>,
) -> Result<Option<StoredMessage>, LogError> {
    let next_by_subject = Some(ALL_SUBJECTS);
    ask(log, stream, Request { start_time: Some(time), next_by_subject, ..Request::default() }).await
}

async fn ask(log: &jetstream::Context, stream: &str, request: Request) -> Result<Option<StoredMessage>, LogError> {
    let answered = Box::pin(log.request(format!("STREAM.MSG.GET.{stream}"), &request)).await;
    match answered.map_err(log_error("asking the log for a message"))? {
        Response::Ok(Found { message }) => Ok(Some(message)),
        Response::Err { error } if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
        Response::Err { error } => Err(log_error("asking the log for a message")(error)),
    }
}

fn decoded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
}
