//! Permissions of a request: those of its key, or everything where no keys are required.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::keys::{Key, Keys, Sites, hex};
use crate::http::ApiError;
use crate::http::client_ip::Client;

/// Permissions of a request. Each handler takes it as an argument and checks the sites of its request.
#[derive(Debug, Clone)]
pub struct Grant {
    /// `None` where no keys are required, and everything is permitted.
    held: Option<Held>,
    client: Client,
}

/// A key, and the current keys to see whether it is still valid.
#[derive(Debug, Clone)]
struct Held {
    key: Arc<Key>,
    keys: watch::Receiver<Arc<Keys>>,
}

impl Grant {
    /// Permits everything to an unknown client.
    pub fn everything() -> Self {
        Self::everything_for(Client::of_address(std::net::Ipv4Addr::UNSPECIFIED.into()))
    }

    /// Permits everything to a client without a key.
    pub(super) fn everything_for(client: Client) -> Self {
        Self { held: None, client }
    }

    pub(super) fn of(key: Arc<Key>, keys: watch::Receiver<Arc<Keys>>) -> Self {
        let client = Client::of_key(&key.id);
        Self { held: Some(Held { key, keys }), client }
    }

    /// The client, for resources that clients share.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Id of the key, if there is one.
    pub(super) fn key_id(&self) -> Option<String> {
        self.held.as_ref().map(|held| held.key.id.clone())
    }

    /// Whether a site is permitted.
    pub fn allows(&self, site: &str) -> bool {
        self.held.as_ref().is_none_or(|held| held.key.sites.contains(site))
    }

    /// Checks a site.
    ///
    /// # Errors
    ///
    /// 403 with the code `site_not_allowed`: the key does not permit the site.
    pub fn check(&self, site: &str) -> Result<(), ApiError> {
        if self.allows(site) { Ok(()) } else { Err(Self::refusal()) }
    }

    /// The error of a site that the key does not permit.
    pub fn refusal() -> ApiError {
        ApiError::forbidden("site_not_allowed", "the key does not permit this site")
    }

    /// The permitted sites in byte order; `None` is all of them.
    pub fn sites(&self) -> Option<Vec<String>> {
        match &self.held.as_ref()?.key.sites {
            Sites::All => None,
            Sites::Only(sites) => Some(sites.iter().cloned().collect()),
        }
    }

    /// A hash of the permitted sites, for entity tags of answers that depend on them; `None` is all of them.
    pub fn scope(&self) -> Option<String> {
        let mut hash = Sha256::new();
        for site in self.sites()? {
            // A site contains no line break, so the hash is unambiguous.
            hash.update(site.as_bytes());
            hash.update(b"\n");
        }
        let digest: [u8; 32] = hash.finalize().into();
        Some(hex(&digest[..8]))
    }

    /// Returns when the site is no longer permitted, because the key was revoked or changed. For answers without an end.
    pub async fn lost(self, site: String) {
        let Some(mut held) = self.held else { return std::future::pending().await };
        let id = held.key.id.clone();
        if held.keys.wait_for(|keys| !keys.allows(&id, &site)).await.is_err() {
            // The watch has ended with the runtime.
            std::future::pending::<()>().await;
        }
    }
}

/// Fails in a handler without the guard before it.
impl<S: Send + Sync> FromRequestParts<S> for Grant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let unguarded = || ApiError::unavailable("unguarded", "the access of this request was not checked");
        parts.extensions.get::<Self>().cloned().ok_or_else(unguarded)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::NewKey;
    use super::*;

    fn grant(sites: Sites) -> Grant {
        let key = NewKey::generate().expect("randomness");
        let made = "2025-11-12T19:30:01Z".parse().expect("an instant");
        let key =
            Key { id: key.id, sha256: key.hash, sites, origins: vec![], note: String::new(), made, revoked: None };
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
