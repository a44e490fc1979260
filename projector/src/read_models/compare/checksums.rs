//! A read model as one number: the hashes of all its rows, combined so that their order does not matter. Keys are unique,
//! so no two rows cancel each other out. Two models that differ have the same digest once in 2^64 times.

use sqlx::PgConnection;

use super::Model;
use crate::read_models::generation::GenerationId;

/// What a model's rows come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) rows: u64,
    hash: i64,
}

macro_rules! checksum {
    ($statement:literal, $db:expr, $generation:expr) => {{
        let row = sqlx::query!($statement, $generation.0).fetch_one($db).await?;
        Checksum { rows: u64::try_from(row.rows).unwrap_or(0), hash: row.hash }
    }};
}

impl Model {
    /// The digest of what [`rows`](Model::rows) would read.
    pub(super) async fn checksum(self, db: &mut PgConnection, generation: GenerationId) -> sqlx::Result<Checksum> {
        Ok(match self {
            Self::ViewDaily => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, day, partition_id, views), 0)), 0) as "hash!"
                   from view_daily where generation_id = $1"#,
                db,
                generation
            ),
            Self::ViewTotal => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, partition_id, views), 0)), 0) as "hash!"
                   from view_total where generation_id = $1"#,
                db,
                generation
            ),
            Self::PathDaily => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, day, path, partition_id, views), 0)), 0) as "hash!"
                   from path_daily where generation_id = $1"#,
                db,
                generation
            ),
            Self::PathTotal => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, path, partition_id, views), 0)), 0) as "hash!"
                   from path_total where generation_id = $1"#,
                db,
                generation
            ),
            Self::UserDaily => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, day, partition_id, users, sketch), 0)), 0) as "hash!"
                   from user_daily where generation_id = $1"#,
                db,
                generation
            ),
            Self::UserTotal => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, partition_id, users, sketch), 0)), 0) as "hash!"
                   from user_total where generation_id = $1"#,
                db,
                generation
            ),
            Self::ReferrerDaily => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, day, kind, host, partition_id, views), 0)), 0) as "hash!"
                   from referrer_daily where generation_id = $1"#,
                db,
                generation
            ),
            Self::ReferrerTotal => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, kind, host, partition_id, views), 0)), 0) as "hash!"
                   from referrer_total where generation_id = $1"#,
                db,
                generation
            ),
            Self::TopPathsDaily => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, day, partition_id, top_paths::text), 0)), 0) as "hash!"
                   from view_daily where generation_id = $1 and top_paths is not null"#,
                db,
                generation
            ),
            Self::TopPathsTotal => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, event_type, partition_id, top_paths::text), 0)), 0) as "hash!"
                   from view_total where generation_id = $1 and top_paths is not null"#,
                db,
                generation
            ),
            Self::Repeats => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(site_id, partition_id, repeats), 0)), 0) as "hash!"
                   from repeat_total where generation_id = $1"#,
                db,
                generation
            ),
            Self::Parked => checksum!(
                r#"select count(*) as "rows!", coalesce(bit_xor(hash_record_extended(
                        row(stream_sequence, line, partition_id, superseded_by), 0)), 0) as "hash!"
                   from parked_event where generation_id = $1 and state <> 'counted'"#,
                db,
                generation
            ),
        })
    }
}
