//! Pages that have no numbers to show, and say what to do instead.

use chrono::NaiveDate;
use contract::SiteId;
use maud::{Markup, html};

use crate::dashboard::address::HOME;

/// Nothing has been counted at all.
pub(in crate::dashboard) fn no_sites_yet(today: NaiveDate) -> Markup {
    html! {
        section.notice {
            h1 { "Nothing has been counted yet" }
            p { "Send a first event, and its site appears here a moment later:" }
            (first_event("site-abc-123", today))
        }
    }
}

/// Nothing has been counted of this site.
pub(in crate::dashboard) fn unknown_site(site: &SiteId<'_>, today: NaiveDate) -> Markup {
    html! {
        section.notice {
            h1 { "Nothing is known of " bdi { (site.as_str()) } }
            p { "No event of this site has been counted. Choose another one above, or send its first event:" }
            (first_event(site.as_str(), today))
        }
    }
}

/// The key is for others.
pub(in crate::dashboard) fn forbidden_site(site: &SiteId<'_>) -> Markup {
    html! {
        section.notice {
            h1 { "Your key is not for " bdi { (site.as_str()) } }
            p { "Choose one of your sites above, or ask whoever runs this service for another key." }
        }
    }
}

/// The address cannot be understood.
pub(in crate::dashboard) fn bad_address(sentence: &str) -> Markup {
    html! {
        section.notice {
            h1 { "This address leads nowhere" }
            p { (sentence) }
            p { a href=(HOME) { "All sites" } }
        }
    }
}

/// Not now.
pub(in crate::dashboard) fn unavailable(sentence: &str) -> Markup {
    html! {
        section.notice {
            h1 { "Not at the moment" }
            p { (sentence) }
            p { "Events are accepted and kept meanwhile: nothing is lost. This page tries again by itself." }
        }
    }
}

fn first_event(site: &str, today: NaiveDate) -> Markup {
    html! {
        pre tabindex="0" {
            code {
                "curl http://127.0.0.1:3000/event \\\n  -d '{\"site_id\":\"" (site) "\",\"event_type\":\"page_view\",\"path\":\"/\","
                "\"user_id\":\"user-1\",\"timestamp\":\"" (today) "T00:00:00Z\"}'"
            }
        }
        p.note { "3000 is where ingest listens unless it was told otherwise. Pages send events with " code { "navigator.sendBeacon" } "." }
    }
}
