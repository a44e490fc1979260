//! Users per site, event type and day, and per site and event type: stored sketches, opened, added to, and sealed.

use contract::{KeyId, Sketch};
use fold::Deltas;

use super::group_key::{Group, Keys};
use super::row_cache::State;
use crate::read_models::bigint::as_bigint;
use crate::read_models::error::UnusableSketch;

/// Sketches of one grain that are others now.
#[derive(Default)]
pub(super) struct Users<'a> {
    pub(super) keys: Keys<'a>,
    pub(super) counts: Vec<i64>,
    pub(super) sketches: Vec<Vec<u8>>,
}

impl<'a> Users<'a> {
    pub(super) fn push(&mut self, group: &Group<'a>, users: i64, sketch: Vec<u8>) {
        self.keys.push(group);
        self.counts.push(users);
        self.sketches.push(sketch);
    }
}

/// Adds a group's users to its sketch. Answers what it counts to, if it is another one now: large ones rarely are.
pub(super) fn add(deltas: &Deltas, group: &Group<'_>, state: &mut State) -> Result<Option<i64>, UnusableSketch> {
    let users = group.counts.users();
    let stored = state.sketch.as_deref();
    if users.iter().all(|user| stored.is_some_and(|stored| Sketch::stored_has(stored, *user))) {
        return Ok(None);
    }
    let mut sketch = open(deltas.key_id(), group.site_id, stored)?;
    for user in users {
        sketch.insert(user);
    }
    let sealed = sketch.seal();
    if stored == Some(sealed.bytes.as_slice()) {
        return Ok(None);
    }
    let counted = as_bigint(deltas.version().users(&sealed));
    state.sketch = Some(sealed.bytes);
    Ok(Some(counted))
}

fn open(key_id: KeyId, site_id: &str, stored: Option<&[u8]>) -> Result<Sketch, UnusableSketch> {
    let Some(stored) = stored else { return Ok(Sketch::new(key_id)) };
    let sketch =
        Sketch::open(stored).map_err(|source| UnusableSketch::Corrupt { site_id: site_id.to_owned(), source })?;
    if sketch.key_id() == key_id {
        Ok(sketch)
    } else {
        Err(UnusableSketch::Key { site_id: site_id.to_owned(), found: sketch.key_id() })
    }
}
