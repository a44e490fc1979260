//! The subject of an erasure, and what is left of an envelope without its events.

use anyhow::{Context as _, ensure};
use contract::{Event, EventDigest, EventId, SiteId, SketchKey, UserId};
use serde_json::Value;

/// A site, or one of its users. Not `Debug`: it names a person.
pub(crate) struct Subject {
    site_id: String,
    user_id: Option<String>,
    /// Both names as JSON writes them, to be found in what is no JSON.
    quoted: Vec<Vec<u8>>,
}

/// An envelope without what is erased.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remainder {
    /// An erased line is an empty one: all others keep their numbers, so their receipts.
    pub(crate) body: Vec<u8>,
    /// Lines that are left.
    pub(crate) left: u64,
    /// Lines that are not.
    pub(crate) erased: u64,
}

impl Subject {
    /// Checks that there can be such a site and such a user.
    pub(crate) fn new(site_id: String, user_id: Option<String>) -> anyhow::Result<Self> {
        SiteId::try_from(site_id.as_str()).context("--site is no site's name")?;
        if let Some(user_id) = &user_id {
            ensure!(!user_id.is_empty(), "--user is empty: events without a user belong to no user");
            UserId::try_from(user_id.as_str()).context("--user is no user's name")?;
        }
        let texts = std::iter::once(&site_id).chain(&user_id);
        let quoted = texts.map(|text| Value::from(text.as_str()).to_string().into_bytes()).collect();
        Ok(Self { site_id, user_id, quoted })
    }

    /// The site, its own or that of the user.
    pub(crate) fn site_id(&self) -> &str {
        &self.site_id
    }

    /// Which kind of erasure this is.
    pub(crate) fn kind(&self) -> &'static str {
        if self.user_id.is_some() { "user" } else { "site" }
    }

    /// Digest under the key that recognises the same erasure.
    pub(crate) fn digest(&self, key: &SketchKey) -> EventDigest {
        let kind = EventId::try_from(self.kind()).expect("letters make an id");
        let site = key.event_digest(&SiteId::try_from(self.site_id.as_str()).expect("it was checked"), &kind);
        let user = self.user_id.as_deref().map(|user_id| UserId::try_from(user_id).expect("it was checked"));
        EventDigest(site.0 ^ user.map_or(0, |user| key.digest(&user).to_bits()))
    }

    /// What is left of an envelope; `None` where nothing is to be erased.
    pub(crate) fn remainder(&self, body: &[u8]) -> Option<Remainder> {
        let mut remainder = Remainder { body: Vec::with_capacity(body.len()), left: 0, erased: 0 };
        for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
            if number > 0 {
                remainder.body.push(b'\n');
            }
            let is_blank = line.trim_ascii().is_empty();
            if !is_blank && self.owns(line) {
                remainder.erased += 1;
            } else {
                remainder.left += u64::from(!is_blank);
                remainder.body.extend_from_slice(line);
            }
        }
        (remainder.erased > 0).then_some(remainder)
    }

    /// Whether a line is theirs. One that is no event, so is parked, is theirs if its JSON names them all the same, or if
    /// their names stand in it as JSON writes them: nothing is counted of such a line, and what is left in it could be
    /// found.
    pub(crate) fn owns(&self, line: &[u8]) -> bool {
        match Event::parse(line) {
            Ok(event) => self.matches(event.site_id.as_str(), event.user_id.as_ref().map(UserId::as_str)),
            Err(_) => self.is_named_in(line) || self.quoted.iter().all(|text| contains(line, text)),
        }
    }

    fn matches(&self, site_id: &str, user_id: Option<&str>) -> bool {
        self.site_id == site_id && (self.user_id.is_none() || self.user_id.as_deref() == user_id)
    }

    fn is_named_in(&self, line: &[u8]) -> bool {
        let Ok(value) = serde_json::from_slice::<Value>(line) else { return false };
        let text = |name| value.get(name).and_then(Value::as_str);
        text("site_id").is_some_and(|site_id| self.matches(site_id, text("user_id")))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(site: &str, user: Option<&str>) -> Subject {
        Subject::new(site.to_owned(), user.map(str::to_owned)).expect("names")
    }

    fn event(site: &str, user: &str) -> String {
        format!(
            r#"{{"site_id":"{site}","event_type":"page_view","path":"/","timestamp":"2025-11-12T19:30:01Z","user_id":"{user}"}}"#
        )
    }

    #[test]
    fn what_is_left_keeps_its_bytes_and_its_line() {
        let body = format!("{}\n\n{}\n{}\n", event("a", "ann"), event("b", "ann"), event("a", "bob"));
        let left = subject("a", Some("ann")).remainder(body.as_bytes()).expect("something is erased");
        assert_eq!((left.erased, left.left), (1, 2));
        assert_eq!(
            String::from_utf8(left.body).expect("text"),
            format!("\n\n{}\n{}\n", event("b", "ann"), event("a", "bob"))
        );
        let left = subject("a", None).remainder(body.as_bytes()).expect("something is erased");
        assert_eq!(String::from_utf8(left.body).expect("text"), format!("\n\n{}\n\n", event("b", "ann")));
        assert_eq!(subject("a", Some("an")).remainder(body.as_bytes()), None, "a name is not a part of one");
    }

    #[test]
    fn an_id_is_the_same_however_it_is_written() {
        assert!(subject("a", Some("ann")).owns(event("a", r"\u0061nn").as_bytes()));
        assert!(subject("a", Some("\"ö\"")).owns(event("a", "\\\"ö\\\"").as_bytes()));
    }

    #[test]
    fn what_cannot_be_read_is_theirs_if_it_names_them() {
        let ann = subject("a", Some("ann"));
        let named = [
            r#"{"site_id":"a","user_id":"\u0061nn"}"#,
            r#"{"site_id":"a","user_id":"ann"#,
            r#"{"user_id":"ann","user_id":"bob","site_id":"a""#,
            "\u{1} \"ann\" at \"a\"",
        ];
        // The second one breaks off within the name: it does not name her.
        assert_eq!(named.map(|line| ann.owns(line.as_bytes())), [true, false, true, true]);
        assert!(!ann.owns(br#"{"site_id":"b","user_id":"ann"}"#) && !ann.owns(b"ann a"));
        assert!(subject("a", None).owns(br#"{"site_id":"a","path":7}"#));
    }

    #[test]
    fn nobody_is_no_user() {
        assert!(
            Subject::new("a".to_owned(), Some(String::new())).is_err() && Subject::new("ä".to_owned(), None).is_err()
        );
    }
}
