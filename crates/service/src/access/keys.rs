//! Keys, and the file of keys: one JSON object a line, with the hash of each secret instead of the secret.

mod file;
mod key;
mod watch;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::file_watch::read_bounded;
use key::{SecretHash, is_id};

pub(super) use file::edit;
pub(super) use key::{NewKey, SentKey, hex};
pub(super) use watch::follow;

/// Maximum bytes of the file: ten thousand keys of 400 bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A key in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// Id: lower-case letters and digits.
    pub(super) id: String,
    /// Hash of the secret.
    pub(super) sha256: SecretHash,
    /// Sites that the key permits.
    pub(super) sites: Sites,
    /// Origins of pages that may use the key, as browsers write them, such as `https://shop.example`. If empty, all pages
    /// and all other clients may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) origins: Vec<String>,
    /// Note for people: owner and purpose.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    /// Time of creation.
    pub(super) made: DateTime<Utc>,
    /// Time of revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<DateTime<Utc>>,
}

/// Sites of a key, written as `"*"` or as a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenSites", into = "WrittenSites")]
pub(super) enum Sites {
    /// All sites, also future ones.
    All,
    /// A list of at least one site.
    Only(BTreeSet<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenSites {
    All(String),
    Only(BTreeSet<String>),
}

/// Reason for which a file is not accepted. No message shows any content.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    /// The file is missing, or may not be read.
    #[error("it cannot be read")]
    Unreadable(#[from] std::io::Error),
    /// The file is larger than any file of keys.
    #[error("it is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// A line is damaged, so further damage is possible.
    #[error("line {line} is no key: column {column} is not as `keys add` writes it")]
    NotAKey {
        /// From 1.
        line: usize,
        /// From 1; 0 where the line as a whole is wrong.
        column: usize,
    },
    /// Two keys have the same id.
    #[error("line {line} has the id of a key before it")]
    Repeated {
        /// From 1.
        line: usize,
    },
}

/// Index of all keys by id, and of their origins.
#[derive(Debug, Default)]
pub(super) struct Keys {
    by_id: HashMap<String, Arc<Key>>,
    /// Origins of all keys that are not revoked.
    origins: HashSet<String>,
    /// Whether a key that is not revoked is bound to no origin.
    has_unbound: bool,
}

/// Binding of a key to an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// The key is bound to this origin.
    Named,
    /// The key is bound to no origin.
    Unbound,
    /// The key is bound to other origins.
    Other,
}

/// Reads a file of keys, in its order: either all keys or none.
pub(super) fn read(path: &Path) -> Result<Vec<Key>, KeysError> {
    parse(&read_bounded(path, FILE_BYTES_MAX)?)
}

fn parse(text: &[u8]) -> Result<Vec<Key>, KeysError> {
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(KeysError::TooLarge);
    }
    let mut keys = Vec::new();
    let mut ids = BTreeSet::new();
    for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let key: Key = serde_json::from_slice(text).map_err(|err| KeysError::NotAKey { line, column: err.column() })?;
        if !is_id(&key.id) {
            return Err(KeysError::NotAKey { line, column: 0 });
        }
        if !ids.insert(key.id.clone()) {
            return Err(KeysError::Repeated { line });
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Serializes keys in the form of the file.
pub(super) fn write(keys: &[Key]) -> Vec<u8> {
    let mut text = Vec::new();
    for key in keys {
        serde_json::to_writer(&mut text, key).expect("a key has no keys that JSON does not, and memory takes it");
        text.push(b'\n');
    }
    text
}

impl Keys {
    /// Finds the key whose secret was sent. It may be revoked.
    pub(super) fn find(&self, sent: &SentKey<'_>) -> Option<&Arc<Key>> {
        self.by_id.get(sent.id).filter(|key| sent.matches(&key.sha256))
    }

    /// Whether the key of this id is not revoked, and permits a site.
    pub(super) fn allows(&self, id: &str, site: &str) -> bool {
        self.by_id.get(id).is_some_and(|key| key.revoked.is_none() && key.sites.contains(site))
    }

    /// Number of keys that are not revoked.
    pub(super) fn usable(&self) -> usize {
        self.by_id.values().filter(|key| key.revoked.is_none()).count()
    }

    /// The most permissive binding to an origin of all keys that are not revoked.
    pub(super) fn binding(&self, origin: &str) -> Binding {
        match (self.origins.contains(origin), self.has_unbound) {
            (true, _) => Binding::Named,
            (false, true) => Binding::Unbound,
            (false, false) => Binding::Other,
        }
    }
}

impl Key {
    /// Binding to an origin, byte for byte.
    pub(super) fn binding(&self, origin: &str) -> Binding {
        if self.origins.is_empty() {
            return Binding::Unbound;
        }
        if self.origins.iter().any(|known| known == origin) { Binding::Named } else { Binding::Other }
    }
}

impl From<Vec<Key>> for Keys {
    fn from(keys: Vec<Key>) -> Self {
        let usable = || keys.iter().filter(|key| key.revoked.is_none());
        let has_unbound = usable().any(|key| key.origins.is_empty());
        let origins = usable().flat_map(|key| key.origins.iter().cloned()).collect();
        Self { origins, has_unbound, by_id: keys.into_iter().map(|key| (key.id.clone(), Arc::new(key))).collect() }
    }
}

impl Sites {
    /// Whether a site is permitted, byte for byte.
    pub(super) fn contains(&self, site: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(sites) => sites.contains(site),
        }
    }
}

impl From<Sites> for WrittenSites {
    fn from(sites: Sites) -> Self {
        match sites {
            Sites::All => Self::All("*".to_owned()),
            Sites::Only(sites) => Self::Only(sites),
        }
    }
}

impl TryFrom<WrittenSites> for Sites {
    type Error = &'static str;

    fn try_from(written: WrittenSites) -> Result<Self, Self::Error> {
        match written {
            WrittenSites::All(text) if text == "*" => Ok(Self::All),
            WrittenSites::Only(sites) if !sites.is_empty() => Ok(Self::Only(sites)),
            _ => Err("sites must be \"*\" or a list of at least one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sites: Sites) -> (Key, String) {
        let NewKey { id, text, hash } = NewKey::generate().expect("randomness");
        let made = "2025-11-12T19:30:01Z".parse().expect("an instant");
        let origins = vec!["https://shop.example".to_owned()];
        (Key { id, sha256: hash, sites, origins, note: "a \"note\"\n".to_owned(), made, revoked: None }, text)
    }

    #[test]
    fn what_is_written_is_read_and_found() {
        let (first, text) = key(Sites::All);
        let (second, other) = key(Sites::Only(["a".to_owned(), "b".to_owned()].into()));
        let written = write(&[first.clone(), second.clone()]);
        assert!(!String::from_utf8_lossy(&written).contains(&text[text.len() - 43..]), "no secret is stored");
        let read = parse(&written).expect("keys");
        assert_eq!(read, [first.clone(), second.clone()]);
        let keys = Keys::from(read);
        let found = |text: &str| keys.find(&SentKey::parse(text).expect("a key")).map(|key| key.id.clone());
        assert_eq!((found(&text), found(&other)), (Some(first.id.clone()), Some(second.id.clone())));
        assert_eq!(found(&text.replace(&first.id, &second.id)), None, "another key's secret");
        assert!(keys.allows(&first.id, "c") && keys.allows(&second.id, "a"));
        let origins = ["https://shop.example", "https://other.example"];
        assert_eq!(origins.map(|origin| keys.binding(origin)), [Binding::Named, Binding::Other]);
        assert!(!keys.allows(&second.id, "c") && !keys.allows(&second.id, "A") && !keys.allows("unknown", "a"));
    }

    #[test]
    fn a_damaged_file_is_no_file_and_its_content_is_not_told() {
        let (good, _) = key(Sites::All);
        let line = String::from_utf8(write(&[good])).expect("text");
        for bad in [
            line.replace("\"*\"", "\"a\""),
            line.replace("\"*\"", "[]"),
            line.replace("\"id\":\"", "\"id\":\"A"),
            line.replace("\"origins\"", "\"origin\""),
            line.replace("\"sha256\":\"", "\"sha256\":\"0"),
            line.replace("2025-", ""),
            line[..line.len() / 2].to_owned(),
            "secret".to_owned(),
        ] {
            let err = parse(format!("\n{line}{bad}").as_bytes()).expect_err("damaged").to_string();
            assert!(err.starts_with("line 3 ") && !err.contains("secret"), "{err}");
        }
        let err = parse(line.repeat(2).as_bytes()).expect_err("twice").to_string();
        assert_eq!(err, "line 2 has the id of a key before it");
        assert!(matches!(parse(&vec![b'\n'; (4 << 20) + 1]), Err(KeysError::TooLarge)));
    }
}
