//! Batches: a JSON array of events, or one event a line. Each event is accepted or rejected by itself.

use std::collections::BTreeMap;
use std::fmt;

use contract::Partition;
use contract::envelope::{ENVELOPE_EVENTS_MAX, push_line};
use contract::event::{is_utf8, trimmed};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::submission::{Rejected, Rules, Submission, check};

/// Maximum events of one request.
pub const BATCH_EVENTS_MAX: usize = 10_000;

/// Maximum bytes of one request, unpacked: 8 MiB, or ten thousand events of 800 bytes.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// Maximum elements that are collected; one more than allowed shows that there are too many. A request can hold four
/// million, whose slices would take 64 MiB, eight times the request.
const ELEMENTS_MAX: usize = BATCH_EVENTS_MAX + 1;

/// The events of a request's body.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The valid events, in parts that each fit one envelope.
    pub parts: Vec<Part>,
    /// Number of valid events.
    pub accepted: usize,
    /// The invalid events.
    pub rejected: Vec<RejectedEvent>,
}

/// An event that is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct RejectedEvent {
    /// Position in the request, from 0.
    pub index: usize,
    /// Why it is not accepted.
    pub reason: Rejected,
}

/// Valid events of one partition.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The events.
    pub submission: Submission,
    /// For each of them its position among the accepted events, from 0.
    pub positions: Vec<usize>,
}

/// Reason for which a whole request is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// The body begins like an array and does not parse, so it has no elements to check one by one.
    #[error("a batch that begins with [ must be a JSON array: {0}")]
    NotAnArray(String),
    /// The array is not encoded in UTF-8.
    #[error("a batch must be UTF-8 text")]
    NotUtf8,
    /// The body is empty.
    #[error("a batch must have at least one event")]
    Empty,
    /// No element is a valid event.
    #[error("a batch must have at least one valid event; at index {index}: {error}")]
    NothingValid {
        /// Position of the first element.
        index: usize,
        /// Error of the first element.
        error: Rejected,
    },
    /// The key permits none of the sites.
    #[error("the key permits no site of the batch")]
    NothingAllowed,
    /// There are more than [`BATCH_EVENTS_MAX`] elements.
    #[error("a batch must have at most {BATCH_EVENTS_MAX} events")]
    TooMany,
}

impl InvalidBatch {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnArray(_) => "not_json",
            Self::NotUtf8 => "not_utf8",
            Self::Empty => "no_events",
            Self::NothingValid { .. } => "no_valid_event",
            Self::NothingAllowed => "site_not_allowed",
            Self::TooMany => "too_many_events",
        }
    }
}

impl Batch {
    /// Parses a body.
    ///
    /// # Errors
    ///
    /// No event of it can be accepted.
    pub fn parse(body: &[u8], rules: &Rules) -> Result<Self, InvalidBatch> {
        let mut batch = Self::default();
        let mut open: BTreeMap<Partition, Part> = BTreeMap::new();
        for (index, json) in elements(body)?.into_iter().enumerate() {
            match check(json, rules) {
                Ok(partition) => batch.add(open.entry(partition).or_insert_with(|| Part::new(partition)), json, rules),
                // A clock may be wrong, so no timestamp can be checked.
                Err(error @ Rejected::Unsure) => return Err(InvalidBatch::NothingValid { index, error }),
                Err(reason) => batch.rejected.push(RejectedEvent { index, reason }),
            }
        }
        batch.parts.extend(open.into_values());
        if batch.accepted > 0 {
            return Ok(batch);
        }
        let is_other_site = |event: &RejectedEvent| event.reason == Rejected::NotAllowed;
        if !batch.rejected.is_empty() && batch.rejected.iter().all(is_other_site) {
            return Err(InvalidBatch::NothingAllowed);
        }
        match batch.rejected.into_iter().next() {
            None => Err(InvalidBatch::Empty),
            Some(RejectedEvent { index, reason }) => Err(InvalidBatch::NothingValid { index, error: reason }),
        }
    }

    fn add(&mut self, part: &mut Part, json: &[u8], rules: &Rules) {
        if !part.has_room_for(json, rules.envelope_bytes_max) {
            self.parts.push(std::mem::replace(part, Part::new(part.submission.partition)));
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

    fn has_room_for(&self, json: &[u8], bytes_max: usize) -> bool {
        let is_empty = self.positions.is_empty();
        is_empty || (self.positions.len() < ENVELOPE_EVENTS_MAX && self.submission.lines.len() + json.len() < bytes_max)
    }
}

/// The array elements, or the lines that are not blank, without white space around them and byte order marks before them.
fn elements(body: &[u8]) -> Result<Vec<&[u8]>, InvalidBatch> {
    let body = trimmed(body);
    let elements = if body.starts_with(b"[") {
        serde_json::from_slice(body).map(|Elements(elements)| elements).map_err(|err| not_an_array(body, &err))?
    } else {
        let lines = body.split(|byte| *byte == b'\n').map(trimmed).filter(|line| !line.is_empty());
        lines.take(ELEMENTS_MAX).collect()
    };
    if elements.len() > BATCH_EVENTS_MAX { Err(InvalidBatch::TooMany) } else { Ok(elements) }
}

fn not_an_array(body: &[u8], err: &serde_json::Error) -> InvalidBatch {
    if is_utf8(body) { InvalidBatch::NotAnArray(err.to_string()) } else { InvalidBatch::NotUtf8 }
}

/// The elements of an array, up to [`ELEMENTS_MAX`]; further ones are only checked to be JSON.
struct Elements<'a>(Vec<&'a [u8]>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor)
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < ELEMENTS_MAX {
            let Some(element) = array.next_element::<&RawValue>()? else { return Ok(Elements(elements)) };
            elements.push(element.get().as_bytes());
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Elements(elements))
    }
}

#[cfg(test)]
mod tests;
