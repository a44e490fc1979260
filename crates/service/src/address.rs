//! Addresses of other servers. They may contain a user and a password; their printed form has neither.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// Placeholder for user and password in a printed address.
const HIDDEN_USER: &str = "hidden";

/// Placeholder for a whole address that cannot be parsed.
const HIDDEN: &str = "(set, not shown)";

/// Address of another server, as a variable sets it. `Display`, `Debug` and `Serialize` leave out user, password and query,
/// so that no log line, error or answer can reveal them.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "String")]
pub struct Address(String);

impl Address {
    /// The address with its credentials, only for the client that connects there.
    pub fn with_credentials(&self) -> &str {
        &self.0
    }

    /// Host and port, if the address is a URL.
    pub fn place(&self) -> Option<String> {
        let url = Url::parse(&self.0).ok()?;
        Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
    }

    fn shown(&self) -> String {
        let Ok(mut url) = Url::parse(&self.0) else {
            return if self.0.split(',').all(is_plain) { self.0.clone() } else { HIDDEN.to_owned() };
        };
        if !self.0.contains(['@', '?', '#']) {
            return self.0.clone();
        }
        // A query may contain a password, too.
        url.set_query(None);
        url.set_fragment(None);
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_hidden = !has_user || (url.set_password(None).is_ok() && url.set_username(HIDDEN_USER).is_ok());
        let shown = String::from(url);
        // The parser takes a password with an @ or a / for a part of the host or the path.
        if is_hidden && shown.matches('@').count() == usize::from(has_user) { shown } else { HIDDEN.to_owned() }
    }
}

/// Whether an item of a list is `host:port` or a URL without credentials.
fn is_plain(address: &str) -> bool {
    let address = address.trim();
    let place = address.split_once("://").map_or(address, |(_, place)| place).trim_end_matches('/');
    let host_is_plain = |host: &str| host.chars().all(|each| each.is_ascii_alphanumeric() || "-._[]:".contains(each));
    match place.rsplit_once(':') {
        Some((host, port)) => host_is_plain(host) && port.parse::<u16>().is_ok(),
        None => host_is_plain(place),
    }
}

impl From<String> for Address {
    fn from(address: String) -> Self {
        Self(address)
    }
}

impl From<&str> for Address {
    fn from(address: &str) -> Self {
        Self(address.to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_user_password_and_query() {
        for (address, shown) in [
            ("postgres://user:s3cret@host:5432/db?password=s3cret", "postgres://hidden@host:5432/db"),
            ("postgres://s3cret@host/db", "postgres://hidden@host/db"),
            ("postgres://host/db?sslpassword=s3cret", "postgres://host/db"),
            ("http://:s3cret@[::1]:8222/", "http://hidden@[::1]:8222/"),
            ("http://127.0.0.1:8222", "http://127.0.0.1:8222"),
            ("nats://a:4222,nats://b:4222", "nats://a:4222,nats://b:4222"),
            ("127.0.0.1:4222", "127.0.0.1:4222"),
            ("[::1]:4222", "[::1]:4222"),
            ("postgres//user:s3cret@nowhere", HIDDEN),
            ("http://user:s3cret", HIDDEN),
            ("nats://a:4222,nats://user:s3cret@b:4222", HIDDEN),
            ("host=a password=s3cret", HIDDEN),
            ("nonsense//s3cret", HIDDEN),
        ] {
            let address = Address::from(address);
            assert_eq!((address.to_string().as_str(), format!("{address:?}").as_str()), (shown, shown));
        }
        for address in ["postgres://user:s3cret@x@host/db", "postgres://user:s3/s3cret@host/db", "http://u:s3cret,@h"] {
            assert!(!Address::from(address).to_string().contains("s3cret"), "{address}");
        }
    }

    #[test]
    fn a_server_is_named_by_its_place() {
        assert_eq!(Address::from("http://user:secret@nats:8222/").place().as_deref(), Some("nats:8222"));
        assert_eq!(Address::from("http://127.0.0.1").place().as_deref(), Some("127.0.0.1:80"));
        assert_eq!(Address::from("nonsense").place(), None);
    }
}
