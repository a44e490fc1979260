//! Many events that were sent together: a JSON array, or one event a line. Each is judged alone.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contract::Partition;
use contract::envelope::{ENVELOPE_BYTES_MAX, ENVELOPE_EVENTS_MAX, push_line};
use serde_json::value::RawValue;

use crate::submission::{Rejected, Submission, check};

/// Events of one request.
pub const BATCH_EVENTS_MAX: usize = 10_000;

/// Bytes of one request, unpacked: 8 MiB. So ten thousand events of 800 bytes.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// What a request's body came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The valid events, each part small enough for one envelope.
    pub parts: Vec<Part>,
    /// How many they are.
    pub accepted: usize,
    /// The others: position in the request, from 0, and reason.
    pub rejected: Vec<(usize, Rejected)>,
}

/// Some events of one partition.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The events.
    pub submission: Submission,
    /// For each of them, which of the accepted events it is, from 0.
    pub positions: Vec<usize>,
}

/// Why a whole request is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// An array that does not parse has no elements to judge one by one.
    #[error("a batch that begins with [ must be a JSON array: {0}")]
    NotAnArray(String),
    /// Nothing was sent.
    #[error("a batch must have at least one event")]
    Empty,
    /// Nothing of what was sent is an event.
    #[error("a batch must have at least one valid event; at index {index}: {error}")]
    NothingValid {
        /// The first position.
        index: usize,
        /// What is wrong there.
        error: Rejected,
    },
    /// More than [`BATCH_EVENTS_MAX`].
    #[error("a batch must have at most {BATCH_EVENTS_MAX} events")]
    TooMany,
}

impl Batch {
    /// Takes a body apart.
    ///
    /// # Errors
    ///
    /// Nothing in it can be accepted; see [`InvalidBatch`].
    pub fn parse(body: &[u8], now: DateTime<Utc>, partitions: u16) -> Result<Self, InvalidBatch> {
        let mut batch = Self::default();
        let mut open: BTreeMap<Partition, Part> = BTreeMap::new();
        for (index, json) in elements(body)?.into_iter().enumerate() {
            match check(json, now, partitions) {
                Ok(partition) => batch.add(&mut open, partition, json),
                Err(reason) => batch.rejected.push((index, reason)),
            }
        }
        batch.parts.extend(open.into_values());
        if batch.accepted > 0 {
            return Ok(batch);
        }
        match batch.rejected.into_iter().next() {
            None => Err(InvalidBatch::Empty),
            Some((index, error)) => Err(InvalidBatch::NothingValid { index, error }),
        }
    }

    fn add(&mut self, open: &mut BTreeMap<Partition, Part>, partition: Partition, json: &[u8]) {
        let part = open.entry(partition).or_insert_with(|| Part::new(partition));
        if !part.has_room_for(json) {
            self.parts.push(std::mem::replace(part, Part::new(partition)));
        }
        push_line(&mut part.submission.lines, json);
        part.submission.events += 1;
        part.positions.push(self.accepted);
        self.accepted += 1;
    }
}

impl Part {
    fn new(partition: Partition) -> Self {
        Self { submission: Submission { partition, lines: Vec::new(), events: 0 }, positions: Vec::new() }
    }

    fn has_room_for(&self, json: &[u8]) -> bool {
        self.positions.len() < ENVELOPE_EVENTS_MAX && self.submission.lines.len() + json.len() < ENVELOPE_BYTES_MAX
    }
}

/// The pieces that may be events: array elements, or lines that are not blank.
fn elements(body: &[u8]) -> Result<Vec<&[u8]>, InvalidBatch> {
    let body = body.trim_ascii();
    let elements: Vec<&[u8]> = if body.starts_with(b"[") {
        let elements: Vec<&RawValue> =
            serde_json::from_slice(body).map_err(|err| InvalidBatch::NotAnArray(err.to_string()))?;
        elements.into_iter().map(|element| element.get().as_bytes()).collect()
    } else {
        body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect()
    };
    if elements.len() > BATCH_EVENTS_MAX { Err(InvalidBatch::TooMany) } else { Ok(elements) }
}

#[cfg(test)]
mod tests;
