//! Users per site, event type and day, and per site and event type: stored sketches, opened, added to, and sealed.

use std::collections::BTreeMap;

use contract::sketch::{CorruptSketch, SealedSketch};
use contract::{Digest, KeyId, Sketch};
use sqlx::PgConnection;

use super::{Daily, Total};
use crate::checkpoint::{Slice, as_bigint};
use crate::commit::CommitError;

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

pub(super) async fn add_daily(
    db: &mut PgConnection,
    slice: Slice,
    key_id: KeyId,
    daily: &Daily<'_>,
) -> Result<(), CommitError> {
    let mut rows = Rows::default();
    let mut day = vec![];
    for (site, kind, date, counts) in daily {
        if rows.push(site, kind, counts.users()) {
            day.push(*date);
        }
    }
    if day.is_empty() {
        return Ok(());
    }
    // Looked up one by one, however many they are: of tables that grow quickly Postgres knows too little to plan a join.
    let stored = sqlx::query!(
        r#"select wanted.row as "row!", sketch
         from unnest($3::text[], $4::text[], $5::date[]) with ordinality as wanted (site_id, event_type, day, row)
         cross join lateral (
           select sketch from user_daily as known
           where generation_id = $1 and partition_id = $2 and known.site_id = wanted.site_id
             and known.event_type = wanted.event_type and known.day = wanted.day
           limit 1
         ) as known"#,
        slice.generation.0,
        slice.partition_id(),
        &rows.site_id as &[&str],
        &rows.event_type as &[&str],
        &day,
    )
    .fetch_all(&mut *db)
    .await?;
    let grown = rows.grow(key_id, stored.into_iter().map(|row| (row.row, row.sketch)))?;
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

pub(super) async fn add_total(
    db: &mut PgConnection,
    slice: Slice,
    key_id: KeyId,
    total: &Total<'_>,
) -> Result<(), CommitError> {
    let mut rows = Rows::default();
    for (site, kind, counts) in total {
        rows.push(site, kind, counts.users());
    }
    if rows.site_id.is_empty() {
        return Ok(());
    }
    let stored = sqlx::query!(
        r#"select wanted.row as "row!", sketch
         from unnest($3::text[], $4::text[]) with ordinality as wanted (site_id, event_type, row)
         cross join lateral (
           select sketch from user_total as known
           where generation_id = $1 and partition_id = $2 and known.site_id = wanted.site_id
             and known.event_type = wanted.event_type
           limit 1
         ) as known"#,
        slice.generation.0,
        slice.partition_id(),
        &rows.site_id as &[&str],
        &rows.event_type as &[&str],
    )
    .fetch_all(&mut *db)
    .await?;
    let grown = rows.grow(key_id, stored.into_iter().map(|row| (row.row, row.sketch)))?;
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
    users: Vec<Vec<Digest>>,
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
    /// Answers whether there is something to add.
    fn push(&mut self, site_id: &'a str, event_type: &'a str, users: Vec<Digest>) -> bool {
        if users.is_empty() {
            return false;
        }
        self.site_id.push(site_id);
        self.event_type.push(event_type);
        self.users.push(users);
        true
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
    users: &[Digest],
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
