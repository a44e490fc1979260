//! Access: which client may ask for what, and how often. Keys permit sites; rates bound keys and addresses. Without a file
//! of keys everything is open, and without rates nothing is counted.
//!
//! One guard stands before all routes of a service, so that a new route is guarded, too, and the memory of its answers is
//! bounded. Only the probes (`/healthz`,
//! `/readyz`) and the description of the interface (`/api-docs`) are open. The guard decides before a body is read. It
//! passes a [`Grant`] to the handler, which knows the sites of its request and checks them.

mod answers;
mod cli;
mod cors;
mod credentials;
mod grant;
mod guard;
mod keys;
mod meter;
mod openapi;
mod origins;
mod rejection;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use utoipa::openapi::OpenApi;

use guard::{Guard, admit};
use meter::Meter;

pub use crate::http::client_ip::{Client, Proxies};
pub use crate::http::places::{NoPlace, Place, Places};
pub use crate::http::rate_limit::Rate;
pub use answers::{AnswerLimits, AnswerMemory};
pub use cli::KeysCommand;
pub use cors::Pages;
pub use grant::Grant;
pub use meter::{Metered, Rates};
pub use origins::Origins;

/// Settings of access.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// File of keys. Without one everything is open.
    pub keys_file: Option<PathBuf>,
    /// Variable that names the file, for messages.
    pub keys_variable: &'static str,
    /// Rates of each address.
    pub per_address: Rates,
    /// Rates of each key.
    pub per_key: Rates,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Proxies,
    /// Whether a key may be the password of `Authorization: Basic`, as browsers ask for it.
    pub takes_basic: bool,
    /// Memory of answers in progress.
    pub answers: AnswerLimits,
}

impl Settings {
    /// Checks what types cannot, and that the file of keys is valid.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the settings contradict each other; the message names the variable.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.per_key.is_empty() || self.keys_file.is_some(),
            "rates of keys (RATE_PER_KEY, RATE_EVENTS_PER_KEY, RATE_BYTES_PER_KEY) need keys: {} must name a file of keys",
            self.keys_variable
        );
        self.keys_file.as_deref().map_or(Ok(()), |path| keys::read(path).map(drop).with_context(|| self.reading(path)))
    }

    fn reading(&self, path: &Path) -> String {
        let (path, variable) = (path.display(), self.keys_variable);
        format!("reading the keys in {path} ({variable}); `keys add` makes the file and a first key")
    }
}

/// Guards a service's routes.
#[derive(Clone)]
pub struct Access(Arc<Guard>);

impl Access {
    /// Reads the file of keys, if there is one, and watches it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the settings contradict each other.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        settings.check()?;
        let follow = |path: &PathBuf| keys::follow(path.clone()).with_context(|| settings.reading(path));
        let keys = settings.keys_file.as_ref().map(follow).transpose()?;
        let Settings { per_address, per_key, trusted_proxies, takes_basic, answers, .. } = settings;
        let now = Instant::now();
        let has_rates = !per_address.is_empty() || !per_key.is_empty();
        Ok(Self(Arc::new(Guard {
            keys,
            per_address: Meter::new(per_address, now),
            per_key: Meter::new(per_key, now),
            proxies: trusted_proxies,
            answers: answers.places(),
            takes_basic,
            has_rates,
        })))
    }

    /// Puts the guard before all routes of the router. [`Access::answer_pages`] belongs before it, because browsers send
    /// preflights without a key.
    pub fn guard(&self, router: Router) -> Router {
        // For the extractor `Metered`.
        let router = router.layer(Extension(self.0.clone()));
        router.layer(from_fn_with_state(self.0.clone(), admit))
    }

    /// Adds keys and rates to a description, if there are any.
    pub fn describe(&self, mut document: OpenApi) -> OpenApi {
        if self.0.keys.is_some() {
            openapi::describe_keys(&mut document, self.0.takes_basic);
        }
        if self.0.has_rates {
            openapi::describe_rates(&mut document);
        }
        document
    }
}
