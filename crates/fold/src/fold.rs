//! Folds messages of the log into deltas. Which events come in one batch does not show in the sum of all batches.

use contract::{Envelope, Event, EventDigest, SketchKey};

use crate::caps::Caps;
use crate::counters::Times;
use crate::dedup::{DedupWindow, LateDedup, SeenIds};
use crate::deltas::{Deltas, LineDeltas};
use crate::dimension::Dimension;
use crate::message::{Message, WHOLE_ENVELOPE};
use crate::version::FoldVersion;

/// Turns messages into deltas.
#[derive(Debug, Clone)]
pub struct Fold {
    key: SketchKey,
    version: FoldVersion,
    caps: Option<Caps>,
    /// Events of other sites are as if they were not there.
    only: Option<String>,
}

impl Fold {
    /// The newest fold, which counts users under this key.
    pub fn new(key: SketchKey) -> Self {
        Self::of_version(key, FoldVersion::NEWEST)
    }

    /// A fold for a generation that was begun by this version.
    pub fn of_version(key: SketchKey, version: FoldVersion) -> Self {
        let caps = version.caps_names().then(Caps::fold_5);
        Self { key, version, caps, only: None }
    }

    /// A fold with other caps, which few events reach.
    #[must_use]
    pub fn with_caps(self, caps: Caps) -> Self {
        Self { caps: Some(caps), ..self }
    }

    /// A fold of one site alone. It adds the same for that site: sites have nothing in common, not even ids.
    #[must_use]
    pub fn only(self, site_id: String) -> Self {
        Self { only: Some(site_id), ..self }
    }

    /// Which one it is.
    pub fn version(&self) -> FoldVersion {
        self.version
    }

    /// Nothing yet.
    pub fn begin(&self) -> Deltas {
        Deltas::empty(self.key.id(), self.version, self.caps)
    }

    /// Adds one message to the deltas. `recent` is what the partition's messages before it have left.
    pub fn add(&self, recent: &mut DedupWindow, deltas: &mut Deltas, message: Message<'_>) {
        self.pass(recent, deltas, message);
        self.add_passed(recent, deltas, message);
    }

    /// Adds a message, or a line of it, that log time has been moved to.
    fn add_passed(&self, recent: &mut DedupWindow, deltas: &mut Deltas, message: Message<'_>) {
        let (log_slot, parked) = (recent.settled_slot(), deltas.parked.len());
        let is_by_envelopes = self.version.moves_log_time_by_envelopes();
        self.add_unless(deltas, message, |id, seen| {
            if is_by_envelopes { recent.note(id, seen) } else { recent.is_repeat(id, message.logged_at, seen) }
        });
        deltas.parked[parked..].iter_mut().for_each(|parked| parked.log_slot = log_slot);
        deltas.seen.state = Some(recent.state());
    }

    /// Passes a message that nothing is left of: what it was still moves log time.
    pub fn pass(&self, recent: &mut DedupWindow, deltas: &mut Deltas, message: Message<'_>) {
        if self.version.moves_log_time_by_envelopes() {
            recent.pass(message.logged_at, message.sent_at, &mut deltas.seen);
        }
        deltas.seen.state = Some(recent.state());
    }

    /// Adds a message whose turn is long past, because it could not be read then. `ids` stands in the slot that it came in.
    pub fn add_late(&self, ids: &mut LateDedup, deltas: &mut Deltas, message: Message<'_>) {
        self.add_unless(deltas, message, |id, seen| ids.is_repeat(id, seen));
    }

    /// The ids of a message's events.
    pub fn digests(&self, message: Message<'_>) -> Vec<EventDigest> {
        let Ok(envelope) = Envelope::open(message.schema, message.body) else { return Vec::new() };
        envelope.lines().filter_map(|line| self.digest(&line.event.ok()?)).collect()
    }

    fn add_unless(
        &self,
        deltas: &mut Deltas,
        message: Message<'_>,
        mut is_repeat: impl FnMut(EventDigest, &mut SeenIds) -> bool,
    ) {
        let envelope = match Envelope::open(message.schema, message.body) {
            Ok(envelope) => envelope,
            Err(reason) => return deltas.park(message, WHOLE_ENVELOPE, reason.to_string(), message.body),
        };
        for line in envelope.lines() {
            match line.event {
                Ok(event) if self.only.as_ref().is_some_and(|only| only != event.site_id.as_str()) => {
                    // Of no site of ours; but what the bound forgets depends on the ids of all sites.
                    if let Some(id) = self.digest(&event).filter(|_| self.version.moves_log_time_by_envelopes()) {
                        is_repeat(id, &mut deltas.seen);
                    }
                }
                Ok(event) => match self.digest(&event) {
                    Some(id) if is_repeat(id, &mut deltas.seen) => {
                        *deltas.repeats.entry(event.site_id.as_str().to_owned()).or_default() += 1;
                    }
                    _ => self.count(deltas, &event),
                },
                Err(reason) => {
                    let number = i32::try_from(line.number).expect("an envelope has at most 1,000 lines and 256 KiB");
                    deltas.park(message, number, reason.to_string(), line.json);
                }
            }
        }
    }

    /// Deltas of each line of a message, in their order, to find the line that cannot be stored.
    /// `all` is told what the message does to log time.
    pub fn by_lines(&self, recent: &mut DedupWindow, all: &mut Deltas, message: Message<'_>) -> Vec<LineDeltas> {
        let number = |number: u32| i32::try_from(number).expect("an envelope has at most 1,000 lines");
        let lines: Vec<_> = match Envelope::open(message.schema, message.body) {
            Ok(envelope) => envelope.lines().map(|line| (number(line.number), line.json)).collect(),
            Err(_) => vec![(WHOLE_ENVELOPE, message.body)],
        };
        // Once: that it is read line by line does not show in log time.
        self.pass(recent, all, message);
        let by_line = |(line, json): (i32, &[u8])| {
            let mut deltas = self.begin();
            self.add_passed(recent, &mut deltas, Message { body: json, ..message });
            deltas.parked.iter_mut().for_each(|parked| parked.line = line);
            all.seen.state = deltas.seen.state;
            let mut whole = self.begin();
            whole.park(message, line, String::new(), json);
            whole.parked[0].log_slot = recent.settled_slot();
            LineDeltas { deltas, refused: whole.parked.swap_remove(0) }
        };
        lines.into_iter().map(by_line).collect()
    }

    fn digest(&self, event: &Event<'_>) -> Option<EventDigest> {
        event.event_id.as_ref().map(|event_id| self.key.event_digest(&event.site_id, event_id))
    }

    fn count(&self, deltas: &mut Deltas, event: &Event<'_>) {
        deltas.events += 1;
        let times = Times { views: 1, first: u32::try_from(deltas.events).unwrap_or(u32::MAX) };
        let counters = deltas.counters();
        let day = event.timestamp.date_naive();
        let group = counters.group(event.site_id.as_str(), event.event_type.as_str(), Some(day));
        counters.count_views(group, 1);
        for dimension in Dimension::ALL.into_iter().filter(|dimension| dimension.since() <= self.version) {
            counters.count_name(dimension, group, &dimension.name(event, self.version), times);
        }
        if let Some(user) = &event.user_id {
            counters.count_user(group, self.key.digest(user));
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
