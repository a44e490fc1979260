//! Requests as an SDK sends them: an event, or a batch of them with some that are none.

use bytes::Bytes;
use rand::Rng;
use serde_json::Value;

use crate::chaos::clients::visit::{Visit, Visits};

/// Events of one batch.
const BATCH_EVENTS_MAX: usize = 60;

/// A request and what it must come to.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Request {
    pub(in crate::chaos) route: &'static str,
    pub(in crate::chaos) body: Bytes,
    /// Events that are sent for the first time.
    pub(in crate::chaos) visits: Vec<Visit>,
    /// Events among them that were acknowledged before.
    pub(in crate::chaos) repeats: u64,
    /// Positions of what is no event.
    invalid: Vec<u64>,
}

impl Request {
    /// A third are single events.
    pub(in crate::chaos) fn next(visits: &mut Visits, repeat: Option<Visit>) -> Self {
        if visits.random().random_range(0..3) == 0 {
            Self::single(visits.next())
        } else {
            let size = visits.random().random_range(1..=BATCH_EVENTS_MAX);
            Self::batch(visits, size, repeat)
        }
    }

    /// All events of it in the same form, as what was acknowledged already.
    pub(in crate::chaos) fn again(&self) -> Self {
        let repeats = self.events();
        Self { visits: Vec::new(), repeats, ..self.clone() }
    }

    /// Events that are to be accepted.
    pub(in crate::chaos) fn events(&self) -> u64 {
        self.visits.len() as u64 + self.repeats
    }

    /// What is wrong with the body of a 200.
    pub(in crate::chaos) fn check(&self, answer: &Value) -> Result<(), String> {
        if self.route == "/event" {
            return if answer["receipt"].is_string() { Ok(()) } else { Err(format!("no receipt: {answer}")) };
        }
        let errors = answer["errors"].as_array().into_iter().flatten();
        let invalid: Vec<u64> = errors.filter_map(|error| error["index"].as_u64()).collect();
        let receipts = answer["receipts"].as_array().map(|receipts| receipts.len() as u64);
        let is_right = answer["accepted"].as_u64() == Some(self.events())
            && answer["rejected"].as_u64() == Some(self.invalid.len() as u64)
            && receipts == Some(self.events())
            && invalid == self.invalid;
        let expected = || format!("{} accepted and {:?} refused expected, not {answer}", self.events(), self.invalid);
        if is_right { Ok(()) } else { Err(expected()) }
    }

    fn single(visit: Visit) -> Self {
        let body = visit.json.clone().into();
        Self { route: "/event", body, visits: vec![visit], repeats: 0, invalid: Vec::new() }
    }

    fn batch(source: &mut Visits, size: usize, repeat: Option<Visit>) -> Self {
        let visits: Vec<Visit> = std::iter::repeat_with(|| source.next()).take(size).collect();
        let mut lines: Vec<(String, bool)> = visits.iter().map(|visit| (visit.json.clone(), true)).collect();
        let repeats = u64::from(repeat.is_some());
        lines.extend(repeat.map(|visit| (visit.json, true)));
        if source.random().random_range(0..5) == 0 {
            for _ in 0..source.random().random_range(1..=3) {
                let place = source.random().random_range(0..=lines.len());
                lines.insert(place, (source.invalid(), false));
            }
        }
        let invalid = (0..).zip(&lines).filter(|(_, (_, is_valid))| !is_valid).map(|(index, _)| index).collect();
        let lines: Vec<String> = lines.into_iter().map(|(json, _)| json).collect();
        let is_array = source.random().random_bool(0.5);
        let body = if is_array { format!("[{}]", lines.join(",")) } else { lines.join("\n") };
        Self { route: "/events", body: body.into(), visits, repeats, invalid }
    }
}
