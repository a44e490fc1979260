//! Where a visit came from: what the client sent of it, and what is counted of that.
//!
//! A referrer is the URL of the page that led here, as browsers have it in `document.referrer`. Of its URL only the host
//! is counted. Nothing about it is ever a reason to refuse an event: what cannot be read is counted as that.

use std::borrow::Cow;

use url::Url;

use crate::field::SiteId;

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

impl Referrer {
    /// What an event of this site counts, whose field `referrer` is this.
    ///
    /// The site itself is a host that is its `site_id`, with or without `www.` before either. A `site_id` that is no
    /// host's name has no referrers of its own.
    pub fn of(sent: Option<&SentReferrer<'_>>, site_id: &SiteId<'_>) -> Self {
        let text = match sent {
            None => return Self::None,
            Some(SentReferrer::NotText) => return Self::Unreadable,
            Some(SentReferrer::Text(text)) => text,
        };
        match Host::of_url(text) {
            Some(host) if without_www(&host.0).eq_ignore_ascii_case(without_www(site_id.as_str())) => Self::Own,
            Some(host) => Self::Host(host),
            None => Self::Unreadable,
        }
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
        (1..=HOST_BYTES_MAX).contains(&host.len()).then_some(Self(host))
    }
}

fn without_www(host: &str) -> &str {
    match host.split_at_checked(4) {
        Some((www, rest)) if www.eq_ignore_ascii_case("www.") => rest,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
