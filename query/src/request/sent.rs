//! The parameters as they were sent, and how each of them is read, whatever report it belongs to.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contract::{EventType, Receipt, SiteId};
use service::query_string;

use super::{InvalidRequest, Period};

/// The parameters of a query string: each at most once, and none that the report does not take.
#[derive(Debug)]
pub(crate) struct Sent(BTreeMap<&'static str, String>);

impl Sent {
    /// Reads a query string; `None` is an empty one. `known` are the names that the report takes.
    pub(crate) fn read(query: Option<&str>, known: &'static [&'static str]) -> Result<Self, InvalidRequest> {
        let mut sent = BTreeMap::new();
        for pair in query_string::pairs(query.unwrap_or_default()) {
            let (name, value) = (pair.name()?, pair.value()?);
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(InvalidRequest::Unknown { name: name.chars().take(64).collect(), known });
            };
            if sent.insert(*name, value.into_owned()).is_some() {
                return Err(InvalidRequest::Repeated(name));
            }
        }
        Ok(Self(sent))
    }

    /// What was sent under a name.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name)
    }

    /// `site_id`, which is required.
    pub(crate) fn site_id(&mut self) -> Result<SiteId<'static>, InvalidRequest> {
        let site_id = self.take("site_id").filter(|site| !site.is_empty()).ok_or(InvalidRequest::SiteRequired)?;
        Ok(site_id.try_into()?)
    }

    /// `event_type`, without which it is `page_view`.
    pub(crate) fn event_type(&mut self) -> Result<EventType<'static>, InvalidRequest> {
        Ok(self.take("event_type").map_or(Ok(EventType::PAGE_VIEW), EventType::counted)?)
    }

    /// `date`, or `from` and `to`, without which it is all time.
    pub(crate) fn period(&mut self) -> Result<Period, InvalidRequest> {
        match (self.day("date")?, self.day("from")?, self.day("to")?) {
            (None, None, None) => Ok(Period::AllTime),
            (Some(day), None, None) => Ok(Period::Day(day)),
            (Some(_), _, _) => Err(InvalidRequest::DayAndRange),
            (None, Some(first), Some(last)) if first > last => Err(InvalidRequest::Backwards),
            (None, first, last) => Ok(Period::Range { first, last }),
        }
    }

    /// A day, if it was sent.
    pub(crate) fn day(&mut self, name: &'static str) -> Result<Option<NaiveDate>, InvalidRequest> {
        self.take(name).map(|text| read_day(&text).ok_or(InvalidRequest::NotADay(name))).transpose()
    }

    /// `limit`, from 1 to `max`.
    pub(crate) fn limit(&mut self, default: u16, max: u16) -> Result<u16, InvalidRequest> {
        let Some(text) = self.take("limit") else { return Ok(default) };
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = text.parse().ok().filter(|limit| is_digits && (1..=max).contains(limit));
        limit.ok_or(InvalidRequest::Limit { max })
    }

    /// A text to look for, without which everything is found.
    pub(crate) fn pattern(&mut self, name: &'static str, bytes_max: usize) -> Result<String, InvalidRequest> {
        let text = self.take(name).unwrap_or_default();
        // Postgres has no texts with that character, so nothing that is stored could have it.
        let holds = text.len() <= bytes_max && !text.contains('\0');
        if holds { Ok(text) } else { Err(InvalidRequest::Pattern { name, bytes_max }) }
    }

    /// Something that is true or false, and false if it was not sent.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, InvalidRequest> {
        self.take(name).map_or(Ok(false), |text| text.parse().map_err(|_| InvalidRequest::Flag(name)))
    }

    /// Something that has a single value, if it was sent.
    pub(crate) fn choice<T>(
        &mut self,
        name: &'static str,
        value: &'static str,
        meaning: T,
    ) -> Result<Option<T>, InvalidRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(text) if text == value => Ok(Some(meaning)),
            Some(_) => Err(InvalidRequest::Choice { name, value }),
        }
    }

    /// `after`, if it was sent.
    pub(crate) fn receipt(&mut self) -> Result<Option<Receipt>, InvalidRequest> {
        self.take("after").map(|text| text.parse().map_err(|_| InvalidRequest::After)).transpose()
    }
}

/// chrono's own reader takes `2025-2-3`, too; here a day has one form.
fn read_day(text: &str) -> Option<NaiveDate> {
    let is_in_form = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(i, byte)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    is_in_form.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}
