//! Pages without numbers, which say what to do.

use chrono::NaiveDate;
use contract::SiteId;
use maud::{Markup, html};

use crate::dashboard::address::HOME;

/// The page of a service that has counted no event.
pub(in crate::dashboard) fn no_sites_yet(today: NaiveDate) -> Markup {
    html! {
        section.notice {
            h1 { "No events yet" }
            p { "Send an event. Its site appears here a moment later:" }
            (first_event("site-abc-123", today))
        }
    }
}

/// The page of a site without any event.
pub(in crate::dashboard) fn unknown_site(site: &SiteId<'_>, today: NaiveDate) -> Markup {
    html! {
        section.notice {
            h1 { "No events of " bdi { (site.as_str()) } }
            p { "No event of this site has been counted. Choose another site above, or send an event:" }
            (first_event(site.as_str(), today))
        }
    }
}

/// The page of a site that the key may not see.
pub(in crate::dashboard) fn forbidden_site(site: &SiteId<'_>) -> Markup {
    html! {
        section.notice {
            h1 { "Your key may not read " bdi { (site.as_str()) } }
            p { "Choose one of your sites above, or ask the operator of this service for another key." }
        }
    }
}

/// The page of an invalid address.
pub(in crate::dashboard) fn bad_address(sentence: &str) -> Markup {
    html! {
        section.notice {
            h1 { "This address is invalid" }
            p { (sentence) }
            p { a href=(HOME) { "All sites" } }
        }
    }
}

/// The page for a report that cannot be read now.
pub(in crate::dashboard) fn unavailable(sentence: &str) -> Markup {
    html! {
        section.notice {
            h1 { "Not available at the moment" }
            p { (sentence) }
            p { "Events are still accepted and stored; none is lost. This page reloads by itself." }
        }
    }
}

/// The page for read models that are damaged.
pub(in crate::dashboard) fn damaged() -> Markup {
    html! {
        section.notice {
            h1 { "The stored data of this site is damaged" }
            p { "An operator has to rebuild the read models from the log." }
            p { "Events are still accepted and stored; none is lost." }
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
        p.note { "Port 3000 is the default of ingest. Pages send events with " code { "navigator.sendBeacon" } "." }
    }
}
