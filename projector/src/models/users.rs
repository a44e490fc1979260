//! Users per site, event type and day, and per site and event type: stored sketches, opened, added to, and sealed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use contract::sketch::{CorruptSketch, SealedSketch};
use contract::{Digest, KeyId, Sketch};
use sqlx::PgConnection;

use crate::checkpoint::{Slice, as_bigint};
use crate::commit::CommitError;
use crate::deltas::Deltas;

/// A stored sketch that nothing can be added to.
#[derive(Debug, thiserror::Error)]
pub enum UnusableSketch {
    /// Its bytes were changed.
    #[error("the stored sketch of site {site_id} cannot be read")]
    Corrupt {
        /// Whose users they are.
        site_id: String,
        /// What is wrong with it.
        source: CorruptSketch,
    },
    /// Its generation says another key.
    #[error("the stored sketch of site {site_id} was made with key {found}, not with its generation's")]
    Key {
        /// Whose users they are.
        site_id: String,
        /// The key it was made with.
        found: KeyId,
    },
}

pub(super) async fn add_daily(db: &mut PgConnection, slice: Slice, deltas: &Deltas) -> Result<(), CommitError> {
    let mut rows = Rows::default();
    let mut day = vec![];
    for (site, kind, date, counts) in deltas.daily().filter(|(.., counts)| !counts.users.is_empty()) {
        rows.push(site, kind, Cow::Borrowed(&counts.users));
        day.push(date);
    }
    if day.is_empty() {
        return Ok(());
    }
    let stored = sqlx::query!(
        r#"select wanted.row as "row!", sketch
         from unnest($3::text[], $4::text[], $5::date[]) with ordinality as wanted (site_id, event_type, day, row)
         join user_daily using (site_id, event_type, day)
         where generation_id = $1 and partition_id = $2"#,
        slice.generation.0,
        slice.partition_id(),
        &rows.site_id as &[&str],
        &rows.event_type as &[&str],
        &day,
    )
    .fetch_all(&mut *db)
    .await?;
    let grown = rows.grow(deltas.key_id(), stored.into_iter().map(|row| (row.row, row.sketch)))?;
    sqlx::query!(
        "insert into user_daily (generation_id, partition_id, site_id, event_type, day, users, sketch)
         select $1, $2, grown.*
         from unnest($3::text[], $4::text[], $5::date[], $6::bigint[], $7::bytea[]) as grown
         on conflict (generation_id, site_id, event_type, day, partition_id)
         do update set users = excluded.users, sketch = excluded.sketch",
        slice.generation.0,
        slice.partition_id(),
        &grown.of(&rows.site_id) as &[&str],
        &grown.of(&rows.event_type) as &[&str],
        &grown.of(&day),
        &grown.users,
        &grown.sketches,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn add_total(db: &mut PgConnection, slice: Slice, deltas: &Deltas) -> Result<(), CommitError> {
    let mut rows = Rows::default();
    for (site, kind, counts) in deltas.total().filter(|(.., counts)| !counts.users.is_empty()) {
        rows.push(site, kind, Cow::Owned(counts.users));
    }
    if rows.site_id.is_empty() {
        return Ok(());
    }
    let stored = sqlx::query!(
        r#"select wanted.row as "row!", sketch
         from unnest($3::text[], $4::text[]) with ordinality as wanted (site_id, event_type, row)
         join user_total using (site_id, event_type)
         where generation_id = $1 and partition_id = $2"#,
        slice.generation.0,
        slice.partition_id(),
        &rows.site_id as &[&str],
        &rows.event_type as &[&str],
    )
    .fetch_all(&mut *db)
    .await?;
    let grown = rows.grow(deltas.key_id(), stored.into_iter().map(|row| (row.row, row.sketch)))?;
    sqlx::query!(
        "insert into user_total (generation_id, partition_id, site_id, event_type, users, sketch)
         select $1, $2, grown.*
         from unnest($3::text[], $4::text[], $5::bigint[], $6::bytea[]) as grown
         on conflict (generation_id, site_id, event_type, partition_id)
         do update set users = excluded.users, sketch = excluded.sketch",
        slice.generation.0,
        slice.partition_id(),
        &grown.of(&rows.site_id) as &[&str],
        &grown.of(&rows.event_type) as &[&str],
        &grown.users,
        &grown.sketches,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Sketches that users are added to, in the order of their keys.
#[derive(Default)]
struct Rows<'a> {
    site_id: Vec<&'a str>,
    event_type: Vec<&'a str>,
    users: Vec<Cow<'a, BTreeSet<Digest>>>,
}

/// The sketches that are others now. Large ones rarely are.
#[derive(Default)]
struct Grown {
    /// Which of the rows.
    rows: Vec<usize>,
    users: Vec<i64>,
    sketches: Vec<Vec<u8>>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, site_id: &'a str, event_type: &'a str, users: Cow<'a, BTreeSet<Digest>>) {
        self.site_id.push(site_id);
        self.event_type.push(event_type);
        self.users.push(users);
    }

    /// Adds the users to what is stored, as (row counted from 1, sketch).
    fn grow(&self, key_id: KeyId, stored: impl Iterator<Item = (i64, Vec<u8>)>) -> Result<Grown, UnusableSketch> {
        let stored: BTreeMap<i64, Vec<u8>> = stored.collect();
        let mut grown = Grown::default();
        for ((number, site_id), (row, users)) in (1..).zip(&self.site_id).zip(self.users.iter().enumerate()) {
            let known = stored.get(&number).map(Vec::as_slice);
            if let Some(sealed) = add_users(key_id, site_id, known, users)? {
                grown.rows.push(row);
                grown.users.push(as_bigint(sealed.users));
                grown.sketches.push(sealed.bytes);
            }
        }
        Ok(grown)
    }
}

impl Grown {
    /// A column of the rows that grew.
    fn of<V: Copy>(&self, column: &[V]) -> Vec<V> {
        self.rows.iter().map(|row| column[*row]).collect()
    }
}

/// The sketch with the users in it, unless they were in it before.
fn add_users(
    key_id: KeyId,
    site_id: &str,
    stored: Option<&[u8]>,
    users: &BTreeSet<Digest>,
) -> Result<Option<SealedSketch>, UnusableSketch> {
    let mut sketch = match stored {
        None => Sketch::new(key_id),
        Some(bytes) => {
            Sketch::open(bytes).map_err(|source| UnusableSketch::Corrupt { site_id: site_id.to_owned(), source })?
        }
    };
    if sketch.key_id() != key_id {
        return Err(UnusableSketch::Key { site_id: site_id.to_owned(), found: sketch.key_id() });
    }
    for user in users {
        sketch.insert(*user);
    }
    let sealed = sketch.seal();
    Ok((stored != Some(sealed.bytes.as_slice())).then_some(sealed))
}
