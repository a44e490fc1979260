//! Raw parameters, and how the value of each is read. All reports read a parameter in one way.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contract::{EventType, Receipt, SiteId};
use service::http::query_string;

use super::{ParamError, Period};

/// The parameters of a query string: each at most once, and none that the report does not take.
#[derive(Debug)]
pub(crate) struct RawParams(BTreeMap<&'static str, String>);

impl RawParams {
    /// Reads a query string; `None` is an empty one. `known` are the names that the report takes.
    pub(crate) fn read(query: Option<&str>, known: &'static [&'static str]) -> Result<Self, ParamError> {
        let mut params = BTreeMap::new();
        for pair in query_string::pairs(query.unwrap_or_default()) {
            let (name, value) = (pair.name()?, pair.value()?);
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(ParamError::Unknown { name: name.chars().take(64).collect(), known });
            };
            if params.insert(*name, value.into_owned()).is_some() {
                return Err(ParamError::Repeated(name));
            }
        }
        Ok(Self(params))
    }

    /// Removes the value of a parameter, if it was sent.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name)
    }

    /// Reads `site_id`, which is required.
    pub(crate) fn site_id(&mut self) -> Result<SiteId<'static>, ParamError> {
        let site_id = self.take("site_id").filter(|site| !site.is_empty()).ok_or(ParamError::SiteRequired)?;
        Ok(site_id.try_into()?)
    }

    /// Reads `event_type`; the default is `page_view`.
    pub(crate) fn event_type(&mut self) -> Result<EventType<'static>, ParamError> {
        Ok(self.take("event_type").map_or(Ok(EventType::PAGE_VIEW), EventType::counted)?)
    }

    /// Reads `date`, or `from` and `to`; the default is all time.
    pub(crate) fn period(&mut self) -> Result<Period, ParamError> {
        match (self.day("date")?, self.day("from")?, self.day("to")?) {
            (None, None, None) => Ok(Period::AllTime),
            (Some(day), None, None) => Ok(Period::Day(day)),
            (Some(_), _, _) => Err(ParamError::DayAndRange),
            (None, Some(first), Some(last)) if first > last => Err(ParamError::Backwards),
            (None, first, last) => Ok(Period::Range { first, last }),
        }
    }

    /// Reads a day, if one was sent.
    pub(crate) fn day(&mut self, name: &'static str) -> Result<Option<NaiveDate>, ParamError> {
        self.take(name).map(|text| read_day(&text).ok_or(ParamError::NotADay(name))).transpose()
    }

    /// Reads `limit`, from 1 to `max`.
    pub(crate) fn limit(&mut self, default: u16, max: u16) -> Result<u16, ParamError> {
        let Some(text) = self.take("limit") else { return Ok(default) };
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = text.parse().ok().filter(|limit| is_digits && (1..=max).contains(limit));
        limit.ok_or(ParamError::Limit { max })
    }

    /// Reads a text to search for; the default is the empty text, which every name contains.
    pub(crate) fn pattern(&mut self, name: &'static str, bytes_max: usize) -> Result<String, ParamError> {
        let text = self.take(name).unwrap_or_default();
        // No text in Postgres has that character, so no stored name has it.
        let holds = text.len() <= bytes_max && !text.contains('\0');
        if holds { Ok(text) } else { Err(ParamError::Pattern { name, bytes_max }) }
    }

    /// Reads `true` or `false`; the default is `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, ParamError> {
        self.take(name).map_or(Ok(false), |text| text.parse().map_err(|_| ParamError::Flag(name)))
    }

    /// Reads a parameter that has a single `value`, and returns `meaning` if it was sent.
    pub(crate) fn choice<T>(
        &mut self,
        name: &'static str,
        value: &'static str,
        meaning: T,
    ) -> Result<Option<T>, ParamError> {
        match self.take(name) {
            None => Ok(None),
            Some(text) if text == value => Ok(Some(meaning)),
            Some(_) => Err(ParamError::Choice { name, value }),
        }
    }

    /// Reads `after`, if it was sent.
    pub(crate) fn receipt(&mut self) -> Result<Option<Receipt>, ParamError> {
        self.take("after").map(|text| text.parse().map_err(|_| ParamError::After)).transpose()
    }
}

/// Reads a day of the form `YYYY-MM-DD`. Chrono's own parser accepts `2025-2-3`, too.
fn read_day(text: &str) -> Option<NaiveDate> {
    let is_in_form = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(i, byte)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    is_in_form.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}
