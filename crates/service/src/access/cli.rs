//! Commands `keys add`, `keys list` and `keys revoke`, with which operators edit the file of keys.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};

use super::keys::{self, Key, NewKey, SentKey, Sites};
use super::origins::{self, is_origin};

/// Maximum sites, and maximum origins, of one key.
const NAMES_MAX: usize = 1_000;

/// Maximum bytes of a note.
const TEXT_BYTES_MAX: usize = 256;

/// Keys of clients, in a file that the running service watches.
#[derive(Debug, Args)]
pub struct KeysCommand {
    /// File of keys; by default the one that the service's variable names
    #[arg(long, global = true, value_name = "PATH")]
    file: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Create a key and print it once: only its hash is stored
    ///
    /// The key is the only line on standard output. A running service accepts it within a second. A missing file is created
    /// for its owner only (mode 0600).
    Add(Add),
    /// List all keys with their sites and origins, without their secrets
    List {
        /// Print one JSON object a line, as in the file
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key for good
    ///
    /// A running service refuses the key within a second, and ends the live streams that were opened with it.
    Revoke {
        /// Id of the key as in `keys list`: the part between `tm_` and the next `_`
        id: String,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Permit a site; may be given several times
    #[arg(long = "site", value_name = "SITE", required_unless_present = "all_sites", conflicts_with = "all_sites")]
    sites: Vec<String>,
    /// Permit all sites, also future ones
    #[arg(long)]
    all_sites: bool,
    /// Permit only pages of this origin, such as `https://shop.example`; may be given several times. Requests without the
    /// header `Origin` are then refused, too
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Note for people: owner and purpose of the key
    #[arg(long, default_value = "")]
    note: String,
}

impl KeysCommand {
    /// Runs the command. `variable` names the file unless the command does; `check_site` validates a site.
    ///
    /// # Errors
    ///
    /// An argument is invalid, or the file cannot be read or written.
    pub async fn run(self, variable: &str, check_site: fn(&str) -> Result<(), String>) -> anyhow::Result<()> {
        let named = || std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        let Some(path) = self.file.or_else(named) else {
            bail!("the file of keys is not named: set --file, or {variable} as for the service");
        };
        match self.task {
            Task::Add(add) => add.run(&path, check_site).await,
            Task::List { json } => list(&path, json),
            Task::Revoke { id } => revoke(&path, &id).await,
        }
    }
}

impl Add {
    async fn run(self, path: &Path, check_site: fn(&str) -> Result<(), String>) -> anyhow::Result<()> {
        self.check(check_site)?;
        let new = NewKey::generate().context("asking the operating system for randomness")?;
        let (id, text) = (new.id.clone(), new.text.clone());
        let sites = if self.all_sites { Sites::All } else { Sites::Only(self.sites.into_iter().collect()) };
        let key = Key {
            id: new.id,
            sha256: new.hash,
            sites,
            origins: self.origins.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
            note: self.note,
            made: SystemTime::now().into(),
            revoked: None,
        };
        let described = describe(&key);
        keys::edit(path, move |keys| {
            ensure!(keys.iter().all(|known| known.id != key.id), "the id is taken, by chance; try again");
            keys.push(key);
            Ok(())
        })
        .await?;
        eprintln!("Made key {id} for {described}. It is shown this once:");
        writeln!(std::io::stdout(), "{text}").context("printing the key, which is lost now: revoke it")
    }

    fn check(&self, check_site: fn(&str) -> Result<(), String>) -> anyhow::Result<()> {
        ensure!(
            self.sites.len() <= NAMES_MAX && self.origins.len() <= NAMES_MAX,
            "a key has at most {NAMES_MAX} of each"
        );
        for site in &self.sites {
            check_site(site).map_err(anyhow::Error::msg)?;
        }
        for origin in &self.origins {
            ensure!(is_origin(origin), "{}", origins::rule(origin));
        }
        ensure!(self.note.len() <= TEXT_BYTES_MAX, "a note has at most {TEXT_BYTES_MAX} bytes");
        ensure!(!self.note.chars().any(char::is_control), "a note is one line");
        Ok(())
    }
}

fn list(path: &Path, json: bool) -> anyhow::Result<()> {
    let keys = keys::read(path).with_context(|| format!("reading {}", path.display()))?;
    let mut out = std::io::stdout().lock();
    if json {
        return out.write_all(&keys::write(&keys)).context("printing the keys");
    }
    writeln!(out, "{:<12} {:<20} {:<20} GOOD FOR", "KEY", "MADE", "REVOKED")?;
    for key in keys {
        let instant = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let revoked = key.revoked.map_or_else(|| "-".to_owned(), instant);
        writeln!(out, "{:<12} {:<20} {revoked:<20} {}", key.id, instant(key.made), describe(&key))?;
    }
    Ok(())
}

fn describe(key: &Key) -> String {
    let sites = match &key.sites {
        Sites::All => "all sites".to_owned(),
        Sites::Only(sites) => sites.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    let origins =
        if key.origins.is_empty() { String::new() } else { format!(", from {} only", key.origins.join(", ")) };
    let note = if key.note.is_empty() { String::new() } else { format!(" ({})", key.note) };
    format!("{sites}{origins}{note}")
}

async fn revoke(path: &Path, id: &str) -> anyhow::Result<()> {
    // The whole key is accepted, too.
    let id = SentKey::parse(id).map_or(id, |key| key.id);
    keys::read(path).with_context(|| format!("reading {}", path.display()))?;
    let is_new = keys::edit(path, |keys| {
        let Some(key) = keys.iter_mut().find(|key| key.id == id) else {
            bail!("there is no such key; `keys list` shows those that there are");
        };
        let is_new = key.revoked.is_none();
        key.revoked.get_or_insert_with(|| SystemTime::now().into());
        Ok(is_new)
    })
    .await?;
    eprintln!("{} {id}", if is_new { "Revoked key" } else { "It was revoked before: key" });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for good in
            ["https://shop.example", "http://localhost:8080", "http://[::1]:80", "https://xn--bcher-kva.example"]
        {
            assert!(is_origin(good), "{good}");
        }
        for bad in
            ["", "shop.example", "https://", "https://shop.example/", "https://Shop.example", "null", "*", "ftp://a"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn commands_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        let add = || {
            let add = Add { sites: vec!["a".to_owned()], all_sites: false, origins: vec![], note: String::new() };
            let path = path.clone();
            tokio::spawn(async move { add.run(&path, |_| Ok(())).await })
        };
        let adding: Vec<_> = (0..20).map(|_| add()).collect();
        for added in adding {
            added.await.expect("no panic").expect("a key");
        }
        let added = keys::read(&path).expect("keys");
        assert_eq!(added.len(), 20);
        let take_back = |key: &Key| {
            let (path, id) = (path.clone(), key.id.clone());
            tokio::spawn(async move { revoke(&path, &id).await })
        };
        let taking_back: Vec<_> = added.iter().map(take_back).collect();
        for revoked in taking_back {
            revoked.await.expect("no panic").expect("revoked");
        }
        assert!(keys::read(&path).expect("keys").iter().all(|key| key.revoked.is_some()));
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).expect("a file"));
        assert_eq!(mode & 0o777, 0o600);
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
        assert_eq!(left.len(), 1, "nothing is left behind");
        assert!(revoke(&path, "unknown").await.is_err());
    }
}
