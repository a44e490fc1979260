//! The file of keys: one JSON object a line. It holds no secret, only what secrets are recognized by.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::key::{Digest, SentKey, is_id};
use crate::followed::read_bounded;

/// Bytes of the file: ten thousand keys of 400 bytes.
pub(super) const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// Its name: lower-case letters and digits.
    pub(super) id: String,
    /// What its secret is recognized by.
    pub(super) sha256: Digest,
    /// For which sites it is good.
    pub(super) sites: Sites,
    /// The only origins that pages may use it from, as browsers write them, such as `https://shop.example`. Empty is
    /// from anywhere, and from what is no page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) origins: Vec<String>,
    /// For people: whose it is, and what for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    /// When it was made.
    pub(super) made: DateTime<Utc>,
    /// When it was taken back, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<DateTime<Utc>>,
}

/// The sites of a key: `"*"`, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenSites", into = "WrittenSites")]
pub(super) enum Sites {
    /// Those that there will be, too.
    All,
    /// At least one.
    Only(BTreeSet<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenSites {
    All(String),
    Only(BTreeSet<String>),
}

/// Why a file is not taken. No message shows anything that is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    /// There is none, or it may not be read.
    #[error("it cannot be read")]
    Unreadable(#[from] std::io::Error),
    /// It can hardly be a file of keys.
    #[error("it is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// One line is damaged, so nobody knows what else is.
    #[error("line {line} is no key: column {column} is not as `keys add` writes it")]
    NotAKey {
        /// From 1.
        line: usize,
        /// From 1; 0 where the line as a whole is wrong.
        column: usize,
    },
    /// Which of both would be meant?
    #[error("line {line} has the id of a key before it")]
    Repeated {
        /// From 1.
        line: usize,
    },
}

/// Keys by their ids, and the origins that they are bound to.
#[derive(Debug, Default)]
pub(super) struct Keys {
    by_id: HashMap<String, Arc<Key>>,
    /// Those of keys that are not revoked.
    origins: HashSet<String>,
    /// Whether one that is not revoked is good for any origin.
    has_unbound: bool,
}

/// What a key says of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// It is bound to this one.
    Named,
    /// It is bound to none.
    Unbound,
    /// It is bound to others.
    Other,
}

/// Reads a file of keys, in its order.
///
/// # Errors
///
/// See [`KeysError`]; either all keys are read or none.
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

/// Writes keys as they are read.
pub(super) fn write(keys: &[Key]) -> Vec<u8> {
    let mut text = Vec::new();
    for key in keys {
        serde_json::to_writer(&mut text, key).expect("a key has no keys that JSON does not, and memory takes it");
        text.push(b'\n');
    }
    text
}

impl Keys {
    /// The key whose secret was sent. It may be revoked.
    pub(super) fn find(&self, sent: &SentKey<'_>) -> Option<&Arc<Key>> {
        self.by_id.get(sent.id).filter(|key| sent.is_of(&key.sha256))
    }

    /// Whether the key of this id is still good for a site.
    pub(super) fn allows(&self, id: &str, site: &str) -> bool {
        self.by_id.get(id).is_some_and(|key| key.revoked.is_none() && key.sites.contains(site))
    }

    /// How many are not revoked.
    pub(super) fn usable(&self) -> usize {
        self.by_id.values().filter(|key| key.revoked.is_none()).count()
    }

    /// What the keys that are not revoked say of an origin: the most that one of them does.
    pub(super) fn binding(&self, origin: &str) -> Binding {
        match (self.origins.contains(origin), self.has_unbound) {
            (true, _) => Binding::Named,
            (false, true) => Binding::Unbound,
            (false, false) => Binding::Other,
        }
    }
}

impl Key {
    /// What it says of an origin, to the byte.
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
    /// Whether a site is one of them, to the byte.
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
    use super::super::key::NewKey;
    use super::*;

    fn key(sites: Sites) -> (Key, String) {
        let NewKey { id, text, digest } = NewKey::make().expect("randomness");
        let made = "2025-11-12T19:30:01Z".parse().expect("an instant");
        let origins = vec!["https://shop.example".to_owned()];
        (Key { id, sha256: digest, sites, origins, note: "a \"note\"\n".to_owned(), made, revoked: None }, text)
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
        assert!(!keys.allows(&second.id, "c") && !keys.allows(&second.id, "A") && !keys.allows("nobody", "a"));
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
