//! What some messages add to the read models.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contract::KeyId;

use crate::caps::Caps;
use crate::counters::Counters;
use crate::dedup::SeenIds;
use crate::message::Message;
use crate::sorted::Sorted;
use crate::version::FoldVersion;

/// Bytes of a message kept in `parked_event`. What a server takes by default is smaller.
const PARKED_BYTES_MAX: usize = 1 << 20;

/// What some consecutive messages add to the read models.
#[derive(Debug, Clone)]
pub struct Deltas {
    key_id: KeyId,
    version: FoldVersion,
    caps: Option<Caps>,
    counted: Counted,
    /// Memory of parked events, about.
    parked_bytes: usize,
    /// Events that cannot be read.
    pub parked: Vec<Parked>,
    /// Events that count.
    pub events: u64,
    /// Events that do not count, of each site, because their ids are known.
    pub repeats: BTreeMap<String, u64>,
    /// Ids to remember.
    pub seen: SeenIds,
}

/// Counted events, while more may come and afterwards.
#[derive(Debug, Clone)]
enum Counted {
    /// More may come.
    Open(Box<Counters>),
    /// No more will.
    Sorted(Box<Sorted>),
}

/// An event, or an envelope, that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The envelope's sequence.
    pub sequence: u64,
    /// The line in it, from 0, or [`WHOLE_ENVELOPE`](crate::WHOLE_ENVELOPE).
    pub line: i32,
    /// Why it cannot be read.
    pub reason: String,
    /// When the log stored it.
    pub logged_at: DateTime<Utc>,
    /// The slot of log time that it came in, where that is settled.
    pub log_slot: Option<u64>,
    /// The envelope's schema header.
    pub schema: Option<String>,
    /// As it lies in the log.
    pub event: Vec<u8>,
}

/// Deltas of one line of a message.
#[derive(Debug)]
pub struct LineDeltas {
    /// The deltas of that line alone.
    pub deltas: Deltas,
    /// The line as it is kept where that cannot be stored, without the reason.
    pub refused: Parked,
}

impl Deltas {
    /// Deltas of no message, by a fold of this version under this key.
    pub(crate) fn empty(key_id: KeyId, version: FoldVersion, caps: Option<Caps>) -> Self {
        Self {
            key_id,
            version,
            caps,
            counted: Counted::Open(Box::default()),
            parked_bytes: 0,
            parked: Vec::new(),
            events: 0,
            repeats: BTreeMap::new(),
            seen: SeenIds::default(),
        }
    }

    /// The counters, which take more events.
    pub(crate) fn counters(&mut self) -> &mut Counters {
        let Counted::Open(counters) = &mut self.counted else { panic!("deltas that are sorted take nothing more") };
        counters
    }

    /// The key of the users' digests.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Version of the fold that made them.
    pub fn version(&self) -> FoldVersion {
        self.version
    }

    /// Whether the read models that they are added to have lists of top paths.
    pub fn keeps_top_paths(&self) -> bool {
        self.version.keeps_top_paths()
    }

    /// How many names a site may bring, where its fold bounds that.
    pub fn caps(&self) -> Option<Caps> {
        self.caps
    }

    /// Events that do not count, of all sites.
    pub fn repeats(&self) -> u64 {
        self.repeats.values().sum()
    }

    /// Bytes that they take in memory, about.
    pub fn bytes(&self) -> usize {
        let counted = match &self.counted {
            Counted::Open(counters) => counters.bytes(),
            Counted::Sorted(sorted) => sorted.bytes(),
        };
        counted + self.parked_bytes + self.seen.stored.len()
    }

    /// Sorts what is counted, once nothing more will come.
    pub fn sort(&mut self) {
        if let Counted::Open(counters) = &mut self.counted {
            self.counted = Counted::Sorted(Box::new(Sorted::from(std::mem::take(counters.as_mut()))));
        }
    }

    /// All deltas, in the order of read models' keys.
    pub fn sorted(&self) -> Cow<'_, Sorted> {
        match &self.counted {
            Counted::Open(counters) => Cow::Owned(Sorted::from(counters.as_ref().clone())),
            Counted::Sorted(sorted) => Cow::Borrowed(sorted.as_ref()),
        }
    }

    /// Notes that a line is added beside these, for the sums that are told.
    pub fn take_line(&mut self, line: Self) {
        self.events += line.events;
        self.parked.extend(line.parked);
        self.seen.stored.extend(line.seen.stored);
        self.seen.forgotten += line.seen.forgotten;
        for (site_id, repeats) in line.repeats {
            *self.repeats.entry(site_id).or_default() += repeats;
        }
    }

    /// Parks a line of a message, or all of it.
    pub(crate) fn park(&mut self, message: Message<'_>, line: i32, reason: String, event: &[u8]) {
        let event = event[..event.len().min(PARKED_BYTES_MAX)].to_vec();
        let (sequence, logged_at) = (message.sequence, message.logged_at);
        let schema = message.schema.map(str::to_owned);
        self.parked_bytes += size_of::<Parked>() + reason.len() + event.len() + schema.as_ref().map_or(0, String::len);
        self.parked.push(Parked { sequence, line, reason, logged_at, log_slot: None, schema, event });
    }
}
