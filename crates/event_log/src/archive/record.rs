//! One envelope, as a line.

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::headers::storable;

/// An envelope as it lies in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Sequence in the partition's stream.
    pub sequence: u64,
    /// Time at which the log stored it.
    pub logged_at: DateTime<Utc>,
    /// When ingest sent it, by its own clock, if it says so. Archives of older versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// Schema header, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Nothing is left of it: all of its events were erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_erased: bool,
    /// Body, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Body, if it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<u8>>,
}

impl Record {
    /// The record of an envelope as it is now.
    pub fn of(logged: &Entry) -> Self {
        let schema = logged.schema.as_deref().map(str::to_owned);
        let Entry { sequence, logged_at, sent_at, is_erased, .. } = *logged;
        Self { sequence, logged_at, sent_at, schema, is_erased, body: None, bytes: None }
            .with_body(logged.body.to_vec())
    }

    /// A record like this one with another body.
    #[must_use]
    pub fn with_body(self, body: Vec<u8>) -> Self {
        match String::from_utf8(body) {
            Ok(text) => Self { body: Some(text), bytes: None, ..self },
            Err(err) => Self { body: None, bytes: Some(err.into_bytes()), ..self },
        }
    }

    /// Body of the envelope.
    pub fn body(&self) -> &[u8] {
        let bytes = || self.bytes.as_deref().unwrap_or_default();
        self.body.as_ref().map_or_else(bytes, String::as_bytes)
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// The archive is damaged.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut line: Self = serde_json::from_str(text).context("reading a line of the archive")?;
        // As it is read from the log today: a version before wrote control characters.
        line.schema = line.schema.map(|schema| storable(&schema).into_owned());
        ensure!(line.body.is_some() != line.bytes.is_some(), "a line of the archive has no body, or two");
        Ok(line)
    }

    /// As it is written, with its end.
    pub fn to_text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_what_it_says() {
        let logged_at = DateTime::from_timestamp(1_700_000_000, 123_456_789).expect("an instant");
        for body in [b"{\"a\":1}\n\n{}".to_vec(), vec![0xff, 0, 10], vec![]] {
            let sent_at = (!body.is_empty()).then(|| logged_at - chrono::TimeDelta::milliseconds(3));
            let line =
                Record { sequence: 7, logged_at, sent_at, schema: None, is_erased: false, body: None, bytes: None }
                    .with_body(body.clone());
            let text = line.to_text().expect("JSON");
            assert_eq!(text.matches('\n').count(), 1);
            let read = Record::parse(text.trim_end()).expect("a line");
            assert_eq!((read.body(), &read), (body.as_slice(), &line));
        }
        assert!(Record::parse(r#"{"sequence":1,"logged_at":"2025-11-12T19:30:01Z"}"#).is_err());
    }
}
