//! A read model as one number: the hashes of all its rows, combined so that their order does not matter. Keys are unique,
//! so no two rows cancel each other out. Two models that differ have the same digest once in 2^64 times.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::read_models::generation::GenerationId;
use crate::read_models::tables::Model;

/// What a model's rows come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Checksum {
    #[sqlx(try_from = "i64")]
    pub(super) rows: u64,
    hash: i64,
}

impl Model {
    /// The digest of what [`rows`](Model::rows) would read.
    pub(super) async fn checksum(&self, db: &mut PgConnection, generation: GenerationId) -> sqlx::Result<Checksum> {
        let (keys, count, sketch) = (self.keys.join(", "), self.count(), self.sketch());
        let statement = format!(
            "select count(*) as rows, coalesce(bit_xor(hash_record_extended(
                 row({keys}, partition_id, {count}, {sketch}), 0)), 0) as hash
             from {} where generation_id = $1 and {}",
            self.table,
            self.is_compared()
        );
        sqlx::query_as(AssertSqlSafe(statement)).bind(generation.0).fetch_one(db).await
    }
}
