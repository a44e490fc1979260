//! Address of a request's client. `X-Forwarded-For` counts only as far as trusted proxies have added to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::header_list;

/// Header to which each proxy adds the address of its client.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Maximum proxies of a request; further entries are ignored.
const HOPS_MAX: usize = 16;

/// Address at the other end of a request's connection: the client, or a proxy. An extension of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The address at the other end of a request's connection. The listener always sets it; requests without it share one
/// address.
pub(crate) fn peer(extensions: &Extensions) -> SocketAddr {
    let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    extensions.get::<Peer>().map_or(unknown, |Peer(address)| *address)
}

/// Networks of trusted proxies. Variable `TRUSTED_PROXIES`: addresses, or networks such as `10.0.0.0/8`, separated by
/// commas. Default: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxies(Vec<IpNet>);

impl TryFrom<String> for Proxies {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            let network = text.parse::<IpNet>().or_else(|_| address());
            network.map_err(|_| {
                format!("TRUSTED_PROXIES: \"{text}\" is neither an address nor a network such as 10.0.0.0/8")
            })
        };
        header_list::items(&text).map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Proxies> for String {
    fn from(proxies: Proxies) -> Self {
        proxies.0.iter().map(IpNet::to_string).collect::<Vec<_>>().join(",")
    }
}

impl Proxies {
    /// The client of a request: the last address that is not of a trusted proxy. If a proxy has added no address that can
    /// be read, the proxy itself counts as the client.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.ip().to_canonical();
        // From the last entry on. Entries before the first address that is not trusted may be forged.
        for named in header_list::header_items(headers, &FORWARDED_FOR).rev().take(HOPS_MAX) {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = address(named) else { break };
            client = address;
        }
        client
    }

    /// Whether an address is that of a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Parses an address; some proxies add the port, or only the brackets that an IPv6 address has before one.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let address = text.parse::<IpAddr>().or_else(|_| with_port()).ok().or_else(in_brackets)?;
    Some(address.to_canonical())
}

/// Identity of a client that shares something with others: its key, or its network where no keys are required.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Client(Name);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Address(IpAddr),
    Key(Arc<str>),
}

impl Client {
    /// The client at an address.
    pub fn of_address(address: IpAddr) -> Self {
        Self(Name::Address(network(address)))
    }

    /// The client with the key of this id.
    pub(crate) fn of_key(id: &str) -> Self {
        Self(Name::Key(id.into()))
    }
}

/// The network that counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address, which belong to one
/// customer.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, forwarded_for: &[&'static str]) -> String {
        let proxies = Proxies::try_from(trusted.to_owned()).expect("networks");
        let mut headers = HeaderMap::new();
        for value in forwarded_for {
            headers.append(FORWARDED_FOR, value.parse().expect("a header"));
        }
        proxies.client(format!("{peer}:4711").parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted = "10.0.0.0/8, 192.0.2.1,2001:db8::/32";
        for (peer, forwarded_for, expected) in [
            ("198.51.100.7", &["203.0.113.5"][..], "198.51.100.7"),
            ("10.1.2.3", &["203.0.113.5"], "203.0.113.5"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &["1.1.1.1, 203.0.113.5"], "203.0.113.5"),
            ("10.1.2.3", &["1.1.1.1", "203.0.113.5"], "203.0.113.5"),
            ("10.1.2.3", &["1.1.1.1, 203.0.113.5,192.0.2.1 , 10.9.9.9"], "203.0.113.5"),
            ("10.1.2.3", &["203.0.113.5:80"], "203.0.113.5"),
            ("10.1.2.3", &["nonsense"], "10.1.2.3"),
            ("10.1.2.3", &["203.0.113.5, nonsense, 10.2.2.2"], "10.2.2.2"),
            ("10.1.2.3", &["10.4.4.4"], "10.4.4.4"),
            ("10.1.2.3", &["203.0.113.5", "\u{e4}"], "10.1.2.3"),
            ("10.1.2.3", &["203.0.113.5, "], "203.0.113.5"),
            ("[::ffff:10.1.2.3]", &["203.0.113.5"], "203.0.113.5"),
            ("[2001:db8::1]", &["[2001:4::5]:80"], "2001:4::5"),
            ("[2001:db8::1]", &["[2001:4::5]"], "2001:4::5"),
            ("10.1.2.3", &["[::ffff:203.0.113.5]"], "203.0.113.5"),
            ("10.1.2.3", &["[203.0.113.5]"], "10.1.2.3"),
            ("10.1.2.3", &["[2001:4::5"], "10.1.2.3"),
        ] {
            assert_eq!(client(trusted, peer, forwarded_for), expected, "{peer} {forwarded_for:?}");
        }
        let shown = String::from(Proxies::try_from(trusted.to_owned()).expect("networks"));
        assert_eq!(shown, "10.0.0.0/8,192.0.2.1/32,2001:db8::/32");
        assert_eq!(client("", "10.1.2.3", &["203.0.113.5"]), "10.1.2.3");
        for text in ["10.0.0.0/33", "localhost", "10.0.0"] {
            assert!(Proxies::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_customer_has_one_network() {
        let of = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!((of("203.0.113.5"), of("2001:db8:1:2:3:4:5:6")), ("203.0.113.5".into(), "2001:db8:1:2::".into()));
    }
}
