//! Where a visit came from: what the client sent of it, and what is counted of that.
//!
//! A referrer is the URL of the page that led here, as browsers have it in `document.referrer`. Of its URL only the host
//! is counted. Nothing about it is ever a reason to refuse an event: what cannot be read is counted as that.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use url::Url;

use crate::field::{OTHER, SiteId};

/// Bytes of a host: what a domain name may have. A longer one is unreadable.
pub const HOST_BYTES_MAX: usize = 253;

/// URLs that lead from somewhere: the web's, and Android's, which name an app as others name a host. A file, a browser's
/// extension or a piece of script is no place that could be counted.
const SCHEMES: [&str; 3] = ["http", "https", "android-app"];

/// The field `referrer` as it was sent, if there was more in it than null or an empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentReferrer<'a> {
    /// Text; whether it is a URL is for [`Referrer::of`] to say.
    Text(Cow<'a, str>),
    /// Text with half a surrogate pair in it, which is U+FFFD here.
    Repaired(Cow<'a, str>),
    /// A number or an object, say, or the field twice.
    NotText,
}

/// What is counted of a referrer. In the order of [`Referrer::kind`] and host, as read models sort it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Referrer {
    /// Another site.
    Host(Host),
    /// None was sent: typed in, a bookmark, or the browser does not say.
    None,
    /// The site itself.
    Own,
    /// Something was sent, but no URL with a host: not text, control characters, another scheme, too long a host.
    Unreadable,
}

/// A host: lower case, without port and trailing dot, ASCII (`xn--…` for others). A leading `www.` is part of it, because
/// there are sites where it makes a difference. 1 to 253 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// What a URL says of where it leads.
struct Origin {
    host: Host,
    /// That of its scheme, where it names none. Names of apps have none.
    port: Option<u16>,
}

impl Referrer {
    /// What an event of this site counts, whose field `referrer` is this.
    ///
    /// The site itself is a host that is its `site_id`, with or without `www.` before either. A `site_id` may name a port, as
    /// `localhost:8080` does: then only URLs with that port are the site's own, and `http://example.com/` has port 80. Without
    /// one every port is. An IPv6 address stands in a `site_id` without brackets, and so without a port. A `site_id` that is no
    /// host's name has no referrers of its own.
    pub fn of(sent: Option<&SentReferrer<'_>>, site_id: &SiteId<'_>) -> Self {
        match Self::read(sent, |origin| origin.is_own(site_id.as_str())) {
            Self::Host(host) if host.0 == OTHER => Self::Unreadable,
            read => read,
        }
    }

    /// What the fold counted before its fifth version: a `site_id` with a port was no host's name, and text with half a surrogate
    /// pair was no text.
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

    /// What views are counted under whose site has too many hosts. No URL counts as this one.
    pub fn other() -> Self {
        Self::Host(Host(OTHER.to_owned()))
    }

    /// The word for it in read models: `host`, `none`, `own` or `unreadable`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::None => "none",
            Self::Own => "own",
            Self::Unreadable => "unreadable",
        }
    }

    /// The other site, if it is one.
    pub fn host(&self) -> Option<&Host> {
        if let Self::Host(host) = self { Some(host) } else { None }
    }
}

impl Host {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Origin {
    fn of_url(text: &str) -> Option<Self> {
        // Browsers pass over line breaks and tabs in a URL. Nobody sends them but to be mistaken for somebody else.
        if text.contains(char::is_control) {
            return None;
        }
        let (scheme, rest) = text.trim_matches(' ').split_once("://")?;
        let is_known = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
        // To browsers `http:///page` and `http://\xe4.example` are hosts, too: `page` and `xe4`. Here such a thing has lost
        // its host on the way.
        let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.contains('\\'));
        if !is_known || authority.is_none_or(str::is_empty) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        // Hosts of the web are lower case already, names of apps are not.
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        let is_short = (1..=HOST_BYTES_MAX).contains(&host.len());
        is_short.then(|| Self { host: Host(host), port: url.port_or_known_default() })
    }

    /// Whether it is what a site is named after.
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
