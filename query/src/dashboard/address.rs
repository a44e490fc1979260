//! The address of a page: the site, the days and the events. Everything that a page shows follows from it, so a page can be
//! shared by its address, and every control is a link or a form that leads to another address.

use chrono::{Datelike, Days, NaiveDate};
use contract::field::InvalidField;
use contract::{EventType, SiteId};
use service::http::query_string;

use super::ranges::{DAYS_MAX, Range};
use crate::params::DayRange;

/// The address of the list of sites. Addresses are relative to the page, which is in one folder with everything that it loads. So
/// the dashboard works below any path of a host.
pub(super) const HOME: &str = ".";

/// Characters of a search. It is shown again in the page and compared with every path of the site.
pub(super) const SEARCH_CHARS_MAX: usize = 100;

/// Days of a range of which only the end is given.
const DAYS_DEFAULT: u64 = 30;

/// The parameters as a form sends them, with those that were left empty. Unknown parameters are ignored, because programs add
/// their own to shared links.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    site: Option<String>,
    range: Option<String>,
    from: Option<String>,
    to: Option<String>,
    event: Option<String>,
    search: Option<String>,
}

/// A valid address of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// `None` is the list of all sites.
    pub(super) site: Option<SiteId<'static>>,
    pub(super) choice: Choice,
    pub(super) event_type: EventType<'static>,
    /// Text that paths must contain; may be empty.
    pub(super) search: String,
}

/// The choice of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Range(Range),
    Custom(DayRange),
}

/// Why an address is invalid. The page shows the message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidAddress {
    #[error("A parameter of the address is repeated, or is not UTF-8.")]
    Parameters,
    #[error("The name of the site is invalid: {0}.")]
    Site(InvalidField),
    #[error("The event type is invalid: {0}.")]
    EventType(InvalidField),
    #[error("The range is unknown. Choose one of today, 7d, 30d, 90d and 365d.")]
    Range,
    #[error("A day is invalid. Write it YYYY-MM-DD, such as 2025-11-12.")]
    Day,
    #[error("The first day must not be later than the last.")]
    Backwards,
    #[error("The range is too long. Choose at most {DAYS_MAX} days, which are ten years.")]
    TooLong,
    #[error("The search is invalid. Use at most {SEARCH_CHARS_MAX} characters, without U+0000.")]
    Search,
}

impl Parameters {
    /// Reads a query string.
    pub(super) fn read(query: &str) -> Result<Self, InvalidAddress> {
        let mut sent = Self::default();
        for pair in query_string::pairs(query) {
            let Ok(name) = pair.name() else { continue };
            let Some(place) = sent.place(&name) else { continue };
            let value = pair.value().map_err(|_| InvalidAddress::Parameters)?;
            if place.replace(value.into_owned()).is_some() {
                return Err(InvalidAddress::Parameters);
            }
        }
        Ok(sent)
    }

    fn place(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "site" => Some(&mut self.site),
            "range" => Some(&mut self.range),
            "from" => Some(&mut self.from),
            "to" => Some(&mut self.to),
            "event" => Some(&mut self.event),
            "search" => Some(&mut self.search),
            _ => None,
        }
    }
}

impl Address {
    /// The address of a site, or of the list of sites, with the default choices.
    pub(super) fn of(site: Option<SiteId<'static>>) -> Self {
        let choice = Choice::Range(Range::Month);
        Self { site, choice, event_type: EventType::PAGE_VIEW, search: String::new() }
    }

    /// Reads the parameters. `today` is the last day of a range without an end.
    pub(super) fn read(sent: Parameters, today: NaiveDate) -> Result<Self, InvalidAddress> {
        let site = given(sent.site).map(SiteId::try_from).transpose().map_err(InvalidAddress::Site)?;
        let event_type = given(sent.event).map(EventType::counted).transpose().map_err(InvalidAddress::EventType)?;
        let search = given(sent.search).unwrap_or_default();
        // Postgres has no texts with U+0000.
        if search.chars().count() > SEARCH_CHARS_MAX || search.contains('\0') {
            return Err(InvalidAddress::Search);
        }
        let event_type = event_type.unwrap_or(EventType::PAGE_VIEW);
        Ok(Self { site, choice: Choice::read(sent.range, sent.from, sent.to, today)?, event_type, search })
    }

    /// The days of the page.
    pub(super) fn period(&self, today: NaiveDate) -> DayRange {
        match self.choice {
            Choice::Range(range) => range.until(today),
            Choice::Custom(period) => period,
        }
    }

    /// The address with another choice of days.
    pub(super) fn with(&self, choice: Choice) -> Self {
        Self { choice, ..self.clone() }
    }

    /// The address with another event type. The search is dropped, because it was for paths of the other events.
    pub(super) fn with_events(&self, event_type: EventType<'static>) -> Self {
        Self { event_type, search: String::new(), ..self.clone() }
    }

    /// Names and values of the parameters, without defaults.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if let Some(site) = &self.site {
            pairs.push(("site", site.as_str().to_owned()));
        }
        match self.choice {
            Choice::Range(range) => pairs.push(("range", range.name().to_owned())),
            Choice::Custom(DayRange { first, last }) => {
                pairs.extend([("from", first.to_string()), ("to", last.to_string())]);
            }
        }
        if self.event_type != EventType::PAGE_VIEW {
            pairs.push(("event", self.event_type.as_str().to_owned()));
        }
        if !self.search.is_empty() {
            pairs.push(("search", self.search.clone()));
        }
        pairs
    }

    /// The link to the page.
    pub(super) fn link(&self) -> String {
        let query = query_string::written(self.pairs());
        if query.is_empty() { HOME.to_owned() } else { format!("?{query}") }
    }
}

impl Choice {
    /// Reads the choice of days. Days win over a named range, because the form for days is on a page that has one.
    fn read(
        range: Option<String>,
        from: Option<String>,
        to: Option<String>,
        today: NaiveDate,
    ) -> Result<Self, InvalidAddress> {
        let day = |text: Option<String>| given(text).map(|text| read_day(&text)).transpose();
        let (first, last) = match (day(from)?, day(to)?) {
            (None, None) => {
                let range = given(range).map(|name| Range::named(&name).ok_or(InvalidAddress::Range)).transpose()?;
                return Ok(Self::Range(range.unwrap_or(Range::Month)));
            }
            (Some(first), None) => (first, today.max(first)),
            (None, Some(last)) => (last - Days::new(DAYS_DEFAULT - 1), last),
            (Some(first), Some(last)) => (first, last),
        };
        // Days before the year 0 have no form in an address.
        if first.year() < 0 {
            return Err(InvalidAddress::Day);
        }
        match (DayRange { first, last }).days() {
            0 => Err(InvalidAddress::Backwards),
            1..=DAYS_MAX => Ok(Self::Custom(DayRange { first, last })),
            _ => Err(InvalidAddress::TooLong),
        }
    }
}

/// The text without surrounding blanks, unless it is empty: a form sends empty fields, too.
fn given(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Reads a day of the form `YYYY-MM-DD`. Chrono's own parser accepts `2025-2-3`, too.
fn read_day(text: &str) -> Result<NaiveDate, InvalidAddress> {
    let day = text.parse::<NaiveDate>().ok().filter(|day| day.to_string() == text && text.len() == 10);
    day.ok_or(InvalidAddress::Day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2025, 11, 12).expect("a day");

    fn read(query: &str) -> Result<Address, InvalidAddress> {
        Address::read(Parameters::read(query)?, TODAY)
    }

    #[test]
    fn a_page_is_found_again_by_its_address() {
        for query in [
            "range=30d",
            "site=site-abc-123&range=today",
            "site=site-abc-123&from=2025-01-01&to=2025-01-31&event=signup",
            "site=a&range=365d&search=%2Fblog%2F+%26%3C%22",
        ] {
            assert_eq!(read(query).expect("a page").link(), format!("?{query}"));
        }
        assert_eq!(read("").expect("a page"), Address::of(None));
        assert_eq!(
            read("utm_source=%e9&%ff&&gclid=%").expect("a page"),
            Address::of(None),
            "what others add is theirs"
        );
        assert_eq!(read("site=&from=&to=&event=&search=+"), read(""), "what was left empty is not there");
    }

    #[test]
    fn days_that_are_left_out_follow_from_those_that_are_not() {
        for (query, first, last) in [
            ("range=7d", "2025-11-06", "2025-11-12"),
            ("range=7d&from=2025-11-01", "2025-11-01", "2025-11-12"),
            ("from=2025-12-01", "2025-12-01", "2025-12-01"),
            ("to=2025-01-30", "2025-01-01", "2025-01-30"),
        ] {
            let period = read(query).expect("a page").period(TODAY);
            assert_eq!((period.first.to_string().as_str(), period.last.to_string().as_str()), (first, last), "{query}");
        }
    }

    #[test]
    fn what_leads_nowhere_says_why() {
        for (query, err) in [
            ("range=31d", InvalidAddress::Range),
            ("site=a&site=a", InvalidAddress::Parameters),
            ("site=a&site", InvalidAddress::Parameters),
            ("search=%ff", InvalidAddress::Parameters),
            ("search=%00", InvalidAddress::Search),
            ("from=2025-2-3", InvalidAddress::Day),
            ("to=0000-01-10", InvalidAddress::Day),
            ("to=2025-02-30", InvalidAddress::Day),
            ("from=+12025-02-03", InvalidAddress::Day),
            ("from=2025-11-13&to=2025-11-12", InvalidAddress::Backwards),
            ("from=0000-01-01&to=9999-12-31", InvalidAddress::TooLong),
        ] {
            assert_eq!(read(query), Err(err), "{query}");
        }
        assert_eq!(read(&format!("search={}", "é".repeat(SEARCH_CHARS_MAX + 1))), Err(InvalidAddress::Search));
        let message = read("site=%3Cscript%3E").expect_err("no site").to_string();
        assert!(message.starts_with("The name of the site is invalid: site_id must be 1 to 64"), "{message}");
    }
}
