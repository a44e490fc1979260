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

/// What stands before the routes.
mod guard;

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
use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;

use guard::{Guard, admit};
use rate::{Allowances, CLIENTS_MAX};

use crate::config::Variable;

pub use client::{Client, Proxies};
pub use command::KeysCommand;
pub use grant::Grant;
pub use places::{NoPlace, Place, Places};
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

/// What a service is told about access.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The file of keys. None: everything is open.
    pub keys_file: Option<PathBuf>,
    /// The variable that names it, for messages.
    pub keys_variable: &'static str,
    /// Requests of one address.
    pub rate_per_address: Option<Rate>,
    /// Requests with one key.
    pub rate_per_key: Option<Rate>,
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
            self.rate_per_key.is_none() || self.keys_file.is_some(),
            "RATE_PER_KEY takes keys: {} must name a file of them",
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
        let Settings { rate_per_address, rate_per_key, trusted_proxies, takes_basic, .. } = settings;
        let now = Instant::now();
        Ok(Self(Arc::new(Guard {
            keys,
            per_address: rate_per_address.map(|rate| Allowances::new(rate, CLIENTS_MAX, now)),
            per_key: rate_per_key.map(|rate| Allowances::new(rate, CLIENTS_MAX, now)),
            proxies: trusted_proxies,
            takes_basic,
        })))
    }

    /// Puts the guard before all routes that there are so far. CORS belongs before it: browsers ask without a key
    /// whether they may send one.
    pub fn guard(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.0.clone(), admit))
    }

    /// Describes keys and rates, where there are any.
    pub fn describe(&self, mut document: OpenApi) -> OpenApi {
        if self.0.keys.is_some() {
            openapi::describe_keys(&mut document, self.0.takes_basic);
        }
        if self.0.per_address.is_some() || self.0.per_key.is_some() {
            openapi::describe_rates(&mut document);
        }
        document
    }
}
