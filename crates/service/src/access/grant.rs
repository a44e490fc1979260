//! What a request may see and do: what its key is good for, or everything where no keys are asked for.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::client::Client;
use super::key::hex;
use super::keys::{Key, Keys, Sites};
use crate::Refusal;

/// What a request may. Handlers take it as an argument; one that forgets to ask it is what tests look for.
#[derive(Debug, Clone)]
pub struct Grant {
    /// None where no keys are asked for: then it is for everything.
    held: Option<Held>,
    client: Client,
}

/// A key, and where to see whether it is still good.
#[derive(Debug, Clone)]
struct Held {
    key: Arc<Key>,
    keys: watch::Receiver<Arc<Keys>>,
}

impl Grant {
    /// Everything, for a client of which nothing is known.
    pub fn everything() -> Self {
        Self::everything_for(Client::of_address(std::net::Ipv4Addr::UNSPECIFIED.into()))
    }

    /// Everything, for a client without a key.
    pub(super) fn everything_for(client: Client) -> Self {
        Self { held: None, client }
    }

    pub(super) fn of(key: Arc<Key>, keys: watch::Receiver<Arc<Keys>>) -> Self {
        let client = Client::of_key(&key.id);
        Self { held: Some(Held { key, keys }), client }
    }

    /// The client that asks, for what clients share.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The id of its key, if there is one.
    pub(super) fn key_id(&self) -> Option<String> {
        self.held.as_ref().map(|held| held.key.id.clone())
    }

    /// Whether it is for this site.
    pub fn allows(&self, site: &str) -> bool {
        self.held.as_ref().is_none_or(|held| held.key.sites.contains(site))
    }

    /// Refuses another key's site.
    ///
    /// # Errors
    ///
    /// 403 with the code `site_not_allowed`.
    pub fn check(&self, site: &str) -> Result<(), Refusal> {
        if self.allows(site) { Ok(()) } else { Err(Self::refusal()) }
    }

    /// What is told to those who ask for another site than their key's.
    pub fn refusal() -> Refusal {
        Refusal::forbidden("site_not_allowed", "the key is not good for this site")
    }

    /// The sites it is for, in byte order; none is all of them.
    pub fn sites(&self) -> Option<Vec<String>> {
        match &self.held.as_ref()?.key.sites {
            Sites::All => None,
            Sites::Only(sites) => Some(sites.iter().cloned().collect()),
        }
    }

    /// A short name of these sites, for the names of answers that depend on them; none is all of them.
    pub fn scope(&self) -> Option<String> {
        let mut hash = Sha256::new();
        for site in self.sites()? {
            // No site has a line break.
            hash.update(site.as_bytes());
            hash.update(b"\n");
        }
        let digest: [u8; 32] = hash.finalize().into();
        Some(hex(&digest[..8]))
    }

    /// Returns when it is no longer for this site, because the key was revoked or changed. For answers that do not end
    /// by themselves.
    pub async fn lost(self, site: String) {
        let Some(mut held) = self.held else { return std::future::pending().await };
        let id = held.key.id.clone();
        if held.keys.wait_for(|keys| !keys.allows(&id, &site)).await.is_err() {
            // Nobody looks at the file any more: the process stops.
            std::future::pending::<()>().await;
        }
    }
}

/// Without the guard before it, a handler answers nobody.
impl<S: Send + Sync> FromRequestParts<S> for Grant {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let unguarded = || Refusal::unavailable("unguarded", "nobody has checked who may ask for this");
        parts.extensions.get::<Self>().cloned().ok_or_else(unguarded)
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::NewKey;
    use super::*;

    fn grant(sites: Sites) -> Grant {
        let key = NewKey::make().expect("randomness");
        let made = "2025-11-12T19:30:01Z".parse().expect("an instant");
        let key =
            Key { id: key.id, sha256: key.digest, sites, origins: vec![], note: String::new(), made, revoked: None };
        Grant::of(Arc::new(key), watch::channel(Arc::default()).1)
    }

    fn only(sites: &[&str]) -> Grant {
        grant(Sites::Only(sites.iter().map(|site| (*site).to_owned()).collect()))
    }

    #[test]
    fn a_scope_is_that_of_its_sites() {
        assert_eq!(only(&["a", "b"]).scope(), only(&["b", "a"]).scope());
        let scopes = [only(&["a", "b"]), only(&["ab"]), only(&["a"]), only(&["A", "b"])].map(|grant| grant.scope());
        for (place, scope) in scopes.iter().enumerate() {
            assert!(scope.is_some() && !scopes[..place].contains(scope), "{scopes:?}");
        }
        assert_eq!((Grant::everything().scope(), grant(Sites::All).scope()), (None, None));
    }

    #[test]
    fn a_site_is_allowed_to_the_byte() {
        let grant = only(&["site-a"]);
        assert!(grant.allows("site-a") && grant.check("site-a").is_ok());
        for other in ["", "site-", "site-aa", "Site-a", "site-b", "*"] {
            assert!(!grant.allows(other) && grant.check(other).is_err(), "{other}");
        }
    }
}
