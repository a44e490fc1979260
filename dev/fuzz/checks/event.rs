//! Event JSON, as it comes from clients and from the log.

use contract::envelope::push_line;
use contract::referrer::{HOST_BYTES_MAX, SentReferrer};
use contract::{Envelope, Event, Referrer};

/// What is accepted lies in the log as one line and is read back as the same event; what is counted of its path is
/// where the path begins; a host that is counted is in its one form.
pub(crate) fn check(json: &[u8]) {
    let Ok(event) = Event::parse(json) else { return };

    let (sent, counted) = (event.path.as_str(), event.path.without_query());
    let rest = sent.strip_prefix(counted).expect("what is counted is the beginning of the path");
    assert!(counted.starts_with('/') && !counted.contains(['?', '#']), "{counted:?}");
    assert!(rest.is_empty() || rest.starts_with(['?', '#']), "{rest:?} is left out");

    let referrer = Referrer::of(event.referrer.as_ref(), &event.site_id);
    if let Some(host) = referrer.host() {
        let text = host.as_str();
        assert!((1..=HOST_BYTES_MAX).contains(&text.len()) && text.is_ascii() && !text.ends_with('.'), "{text:?}");
        assert!(!text.contains(|char: char| char.is_ascii_uppercase() || char.is_control()), "{text:?}");
        let again = SentReferrer::Text(format!("android-app://{text}/").into());
        assert_eq!(Referrer::of(Some(&again), &event.site_id), referrer);
    }

    let mut line = Vec::new();
    push_line(&mut line, json);
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line, ended");
    assert_eq!(Event::parse(&line).as_ref(), Ok(&event));
    let envelope = Envelope::open(None, &line).expect("an event is an envelope of one line");
    let read: Vec<_> = envelope.lines().map(|line| (line.number, line.event)).collect();
    assert_eq!(read, [(0, Ok(event))]);
}
