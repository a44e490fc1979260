//! Redactions: records that replace envelopes from which events were erased. Their stream is called `AMENDED_n`.
//!
//! The log cannot change a message. So what is left of an envelope lies in a stream beside that of its partition, under
//! a subject that names its sequence, and the envelope itself is deleted. A reader that finds nothing under a sequence
//! looks here: what it finds takes the envelope's place, with its time, its schema, and the line numbers of what is
//! left. So neither the order of events nor any receipt changes, and a gap that no erasure made is still one.
//! While the envelope is there, what has its sequence is not read.

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::jetstream::{self, ErrorCode};
use contract::Partition;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::connect::Log;
use super::entry::Entry;
use super::error::{LogError, log_error};
use super::lookup;

/// Amendments that are read ahead, and that are asked for at once: at most 64 × 256 KiB, 16 MiB, wait to be folded.
const AHEAD: usize = 64;

/// The redactions of one partition.
#[derive(Debug)]
pub struct Redactions {
    log: Log,
    partition: Partition,
    /// Sequences that are known to have one: 8 bytes and some each.
    sequences: BTreeSet<u64>,
    ahead: VecDeque<Entry>,
}

impl Redactions {
    pub fn of(log: Log, partition: Partition) -> Self {
        Self { log, partition, sequences: BTreeSet::new(), ahead: VecDeque::new() }
    }

    /// Whether a sequence has a redaction.
    pub async fn have(&mut self, sequence: u64) -> Result<bool, LogError> {
        if !self.sequences.contains(&sequence) {
            self.list().await?;
        }
        Ok(self.sequences.contains(&sequence))
    }

    /// The redaction of a sequence. Reads further ones ahead, up to `until`.
    pub async fn get(&mut self, sequence: u64, until: u64) -> Result<Option<Entry>, LogError> {
        while self.ahead.front().is_some_and(|logged| logged.sequence < sequence) {
            self.ahead.pop_front();
        }
        if self.ahead.front().is_none_or(|logged| logged.sequence != sequence) {
            if !self.have(sequence).await? {
                return Ok(None);
            }
            self.read_ahead(sequence, until).await?;
        }
        // What was listed may be gone again: what was restored from an archive is trimmed away some time.
        Ok(self.ahead.pop_front_if(|logged| logged.sequence == sequence))
    }

    /// The last sequence of a gap that begins at `from` and ends at `to` at the latest: what was erased is none of it.
    pub fn gap_end(&self, from: u64, to: u64) -> u64 {
        gap_end(&self.sequences, from, to)
    }

    /// The last of the consecutive redactions from `from` on, at most `to`.
    pub fn run_end(&self, from: u64, to: u64) -> u64 {
        run_end(&self.sequences, from, to)
    }

    /// The sequences before `first` without a redaction, in order.
    pub async fn missing_before(mut self, first: u64) -> Result<Vec<RangeInclusive<u64>>, LogError> {
        self.list().await?;
        Ok(missing_before(&self.sequences, first))
    }

    /// Asks the log which sequences have a redaction.
    async fn list(&mut self) -> Result<(), LogError> {
        let Some(stream) = find(&self.log, self.partition).await? else { return Ok(()) };
        let subjects = stream.info_with_subjects(self.partition.amendments_subjects()).await;
        let mut subjects = subjects.map_err(log_error("listing amendments"))?;
        while let Some((subject, _)) = subjects.try_next().await.map_err(log_error("listing amendments"))? {
            self.sequences.extend(self.partition.amended_sequence(&subject));
        }
        Ok(())
    }

    /// For an envelope that is there nothing stands that may be read in its place: it came too late to be delivered, and
    /// what has its sequence may be left of another log.
    async fn read_ahead(&mut self, from: u64, until: u64) -> Result<(), LogError> {
        let Some(amendments) = find(&self.log, self.partition).await? else {
            self.sequences.clear();
            return Ok(());
        };
        let sequences: Vec<u64> = self.sequences.range(from..=until.max(from)).take(AHEAD).copied().collect();
        let (amendments, log, partition) = (&amendments, &self.log, self.partition);
        let events = partition.stream();
        let read = sequences.into_iter().map(async |sequence| {
            let is_there = lookup::at(log, &events, sequence).await?.is_some();
            if is_there { Ok(None) } else { read(amendments, partition, sequence).await }
        });
        self.ahead = stream::iter(read).buffered(AHEAD).try_filter_map(async |found| Ok(found)).try_collect().await?;
        Ok(())
    }
}

/// The stream of a partition's redactions, if there is one.
pub async fn find(
    log: &jetstream::Context,
    partition: Partition,
) -> Result<Option<jetstream::stream::Stream>, LogError> {
    match log.get_stream(partition.amendments_stream()).await {
        Ok(stream) => Ok(Some(stream)),
        Err(err) => match err.kind() {
            GetStreamErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(log_error("looking at the stream of amendments")(err)),
        },
    }
}

/// The redaction of a sequence, if there is one.
pub async fn read(
    stream: &jetstream::stream::Stream,
    partition: Partition,
    sequence: u64,
) -> Result<Option<Entry>, LogError> {
    match stream.get_last_raw_message_by_subject(&partition.amendment_subject(sequence)).await {
        Ok(message) => Entry::amended(sequence, message).map(Some),
        Err(err) if err.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(err) => Err(log_error("reading an amendment")(err)),
    }
}

fn gap_end(amended: &BTreeSet<u64>, from: u64, to: u64) -> u64 {
    amended.range(from..=to).next().map_or(to, |amended| amended - 1)
}

fn run_end(amended: &BTreeSet<u64>, from: u64, to: u64) -> u64 {
    let run = (from..=to).zip(amended.range(from..=to)).take_while(|(expected, amended)| expected == *amended);
    run.last().map_or(from - 1, |(last, _)| last)
}

fn missing_before(amended: &BTreeSet<u64>, first: u64) -> Vec<RangeInclusive<u64>> {
    let mut expected = 1;
    let ranges = amended.range(1..first).chain([&first]).map(|&found| {
        let missing = expected..=found - 1;
        expected = found + 1;
        missing
    });
    ranges.filter(|missing| !missing.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_erased_is_no_part_of_a_gap() {
        let amended = BTreeSet::from([3, 4, 5, 9]);
        assert_eq!([gap_end(&amended, 1, 8), gap_end(&amended, 6, 7), gap_end(&amended, 6, 20)], [2, 7, 8]);
        assert_eq!([run_end(&amended, 3, 20), run_end(&amended, 3, 4), run_end(&amended, 6, 20)], [5, 4, 5]);
        assert_eq!(missing_before(&amended, 6), [1..=2]);
        assert_eq!(missing_before(&amended, 10), [1..=2, 6..=8]);
        assert_eq!(missing_before(&amended, 12), [1..=2, 6..=8, 10..=11]);
        assert_eq!([missing_before(&amended, 2), missing_before(&BTreeSet::new(), 3)], [vec![1..=1], vec![1..=2]]);
        assert_eq!(missing_before(&BTreeSet::from([1, 2]), 3), []);
    }
}
