//! Who may ask for what, and how often: keys for sites, and rates for keys and addresses. Without a file of keys
//! everything is open, and without rates nobody is counted.
//!
//! One guard stands before all routes of a service, so one that is added later is guarded, too. Only what watches over
//! processes (`/healthz`, `/readyz`) and what describes them (`/api-docs`) is open. The guard decides before a body is
//! kept; which sites a request is about its handler knows, and asks the grant.

/// A key: its form, its making, its digest.
mod key;

/// The file of keys.
mod keys;

/// Changes to it.
mod file;

/// What is in it now.
mod watch;

/// Where a request has its key.
mod credentials;

/// What a request may.
mod grant;

/// Who asks.
mod client;

/// How often.
mod rate;

/// How much at once.
mod places;

/// What a client has asked and sent.
mod meter;

/// What is open to all has a bound, too.
mod probes;

/// What stands before the routes.
mod guard;

/// Which pages may ask.
mod cors;

/// Origins of pages.
mod origins;

/// What is told to those who do not get past it.
mod denied;

/// What operators do.
mod command;

/// How all of it is described.
mod openapi;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use utoipa::openapi::OpenApi;

use guard::{Guard, admit};
use meter::Meter;

use crate::config::Variable;

pub use client::{Client, Proxies, network};
pub use command::KeysCommand;
pub use cors::Pages;
pub use grant::Grant;
pub use meter::{Metered, Rates};
pub use origins::Origins;
pub use places::{NoPlace, Place, Places};
pub(crate) use probes::bounded;
pub use rate::Rate;

/// Variables of processes that may be asked by many; that of the file of keys is each one's own.
pub const VARIABLES: [Variable; 3] = [
    Variable {
        name: "RATE_PER_ADDRESS",
        meaning: "Requests of one address a second, 50, or 50:200 with a burst [all]",
    },
    Variable { name: "RATE_PER_KEY", meaning: "The same of one key [all]" },
    Variable {
        name: "TRUSTED_PROXIES",
        meaning: "Addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas [none]",
    },
];

/// Variables of processes that are sent much at once.
pub const SENDING_VARIABLES: [Variable; 4] = [
    Variable {
        name: "RATE_EVENTS_PER_ADDRESS",
        meaning: "Events of one address a second, 1000, or 1000:20000 with a burst [all]",
    },
    Variable { name: "RATE_EVENTS_PER_KEY", meaning: "The same of one key [all]" },
    Variable {
        name: "RATE_BYTES_PER_ADDRESS",
        meaning: "Bytes of bodies of one address a second, unpacked, 1000000, or 1000000:16000000 with a burst [all]",
    },
    Variable { name: "RATE_BYTES_PER_KEY", meaning: "The same of one key [all]" },
];

/// What a service is told about access.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The file of keys. None: everything is open.
    pub keys_file: Option<PathBuf>,
    /// The variable that names it, for messages.
    pub keys_variable: &'static str,
    /// What one address may send.
    pub per_address: Rates,
    /// What may be sent with one key.
    pub per_key: Rates,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Proxies,
    /// Whether people ask with browsers.
    pub takes_basic: bool,
}

impl Settings {
    /// Checks what a type cannot, and that the file of keys is there and whole.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the settings contradict each other; the message names the variable.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.per_key.is_empty() || self.keys_file.is_some(),
            "rates of keys (RATE_PER_KEY, RATE_EVENTS_PER_KEY, RATE_BYTES_PER_KEY) take keys: {} must name a file of them",
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
    /// Reads the keys, if there is a file of them, and follows it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the settings contradict each other.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        settings.check()?;
        let follow = |path: &PathBuf| watch::follow(path.clone()).with_context(|| settings.reading(path));
        let keys = settings.keys_file.as_ref().map(follow).transpose()?;
        let Settings { per_address, per_key, trusted_proxies, takes_basic, .. } = settings;
        let now = Instant::now();
        let has_rates = !per_address.is_empty() || !per_key.is_empty();
        Ok(Self(Arc::new(Guard {
            keys,
            per_address: Meter::new(per_address, now),
            per_key: Meter::new(per_key, now),
            proxies: trusted_proxies,
            takes_basic,
            has_rates,
        })))
    }

    /// Puts the guard before all routes that there are so far. CORS belongs before it: browsers ask without a key
    /// whether they may send one.
    pub fn guard(&self, router: Router) -> Router {
        // For handlers that ask who sends.
        let router = router.layer(Extension(self.0.clone()));
        router.layer(from_fn_with_state(self.0.clone(), admit))
    }

    /// Describes keys and rates, where there are any.
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
