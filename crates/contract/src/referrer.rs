//! Referrers: URLs of the pages from which visitors came, as browsers have them in `document.referrer`.
//!
//! Only the host of the URL is counted. No referrer makes an event invalid: unreadable ones are counted as such.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use url::Url;

use crate::field::{OTHER, SiteId};

/// Maximum bytes of a host, as of a domain name. A longer one is unreadable.
pub const HOST_BYTES_MAX: usize = 253;

/// Schemes of referrers that are counted: those of the web, and that of Android apps, which have a name in place of a host.
/// Files, browser extensions and scripts are not counted.
const SCHEMES: [&str; 3] = ["http", "https", "android-app"];

/// Value of the field `referrer`, unless it is null or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentReferrer<'a> {
    /// A text, which need not be a URL.
    Text(Cow<'a, str>),
    /// A text with a lone surrogate, which is U+FFFD here.
    Repaired(Cow<'a, str>),
    /// A number or an object, for example, or a repeated field.
    NotText,
}

/// Counted part of a referrer, in the order of [`Referrer::kind`] and host, as in read models.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Referrer {
    /// Another site.
    Host(Host),
    /// No referrer: a typed address, a bookmark, or a browser that sends none.
    None,
    /// The site of the event.
    Own,
    /// A value that is no URL with a host: no text, control characters, another scheme, or a host that is too long.
    Unreadable,
}

/// A host of 1 to 253 bytes: lower case, without port and trailing dot, in ASCII (`xn--…` for other characters). A leading
/// `www.` is kept, because on some sites it makes a difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// Host and port of a URL.
struct Origin {
    host: Host,
    /// Port of the URL, or of its scheme. Apps have none.
    port: Option<u16>,
}

impl Referrer {
    /// The counted part of a referrer in an event of a site.
    ///
    /// A referrer is the site's own if its host is the `site_id`, with or without `www.` before either. If the `site_id` has a
    /// port, as `localhost:8080`, the port has to be equal; `http://example.com/` has port 80. Without one any port matches. An
    /// IPv6 address stands in a `site_id` without brackets, and so without a port. A `site_id` that is no host has no own
    /// referrers.
    pub fn of(sent: Option<&SentReferrer<'_>>, site_id: &SiteId<'_>) -> Self {
        match Self::read(sent, |origin| origin.is_own(site_id.as_str())) {
            Self::Host(host) if host.0 == OTHER => Self::Unreadable,
            read => read,
        }
    }

    /// The counted part before fold version 5: a `site_id` with a port was no host, and a text with a lone surrogate was no text.
    pub fn without_ports(sent: Option<&SentReferrer<'_>>, site_id: &SiteId<'_>) -> Self {
        let is_repaired = matches!(sent, Some(SentReferrer::Repaired(_)));
        let sent = if is_repaired { Some(&SentReferrer::NotText) } else { sent };
        Self::read(sent, |Origin { host, .. }| is_same_host(&host.0, site_id.as_str()))
    }

    fn read(sent: Option<&SentReferrer<'_>>, is_own: impl FnOnce(&Origin) -> bool) -> Self {
        let text = match sent {
            None => return Self::None,
            Some(SentReferrer::NotText) => return Self::Unreadable,
            Some(SentReferrer::Text(text) | SentReferrer::Repaired(text)) => text,
        };
        match Origin::of_url(text) {
            Some(origin) if is_own(&origin) => Self::Own,
            Some(origin) => Self::Host(origin.host),
            None => Self::Unreadable,
        }
    }

    /// Referrer in read models for events of a site with too many hosts. No URL has this host.
    pub fn other() -> Self {
        Self::Host(Host(OTHER.to_owned()))
    }

    /// Kind in read models: `host`, `none`, `own` or `unreadable`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::None => "none",
            Self::Own => "own",
            Self::Unreadable => "unreadable",
        }
    }

    /// The host, if another site is the referrer.
    pub fn host(&self) -> Option<&Host> {
        if let Self::Host(host) = self { Some(host) } else { None }
    }
}

impl Host {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Origin {
    fn of_url(text: &str) -> Option<Self> {
        // Browsers ignore line breaks and tabs in a URL; only forged URLs contain them.
        if text.contains(char::is_control) {
            return None;
        }
        let (scheme, rest) = text.trim_matches(' ').split_once("://")?;
        let is_known = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
        // Browsers read `page` and `xe4` as the hosts of `http:///page` and `http://\xe4.example`. Here the host counts as
        // missing.
        let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.contains('\\'));
        if !is_known || authority.is_none_or(str::is_empty) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        // Hosts of the web are in lower case already, names of apps are not.
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        let is_short = (1..=HOST_BYTES_MAX).contains(&host.len());
        is_short.then(|| Self { host: Host(host), port: url.port_or_known_default() })
    }

    /// Whether the origin is that of the site.
    fn is_own(&self, site_id: &str) -> bool {
        let host = self.host.as_str();
        if let Ok(address) = site_id.parse::<Ipv6Addr>() {
            let found = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            return found.and_then(|found| found.parse().ok()) == Some(address);
        }
        match site_id.split_once(':') {
            None => is_same_host(host, site_id),
            Some((name, port)) => is_same_host(host, name) && self.port.is_some() && self.port == port.parse().ok(),
        }
    }
}

fn is_same_host(one: &str, other: &str) -> bool {
    without_www(one).eq_ignore_ascii_case(without_www(other))
}

fn without_www(host: &str) -> &str {
    match host.split_at_checked(4) {
        Some((www, rest)) if www.eq_ignore_ascii_case("www.") => rest,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
