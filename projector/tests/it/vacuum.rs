//! When the tables of a generation are vacuumed.

use sqlx::PgPool;

use crate::commit::Database;

#[tokio::test]
async fn a_generation_is_vacuumed_from_when_it_is_built() {
    let database = Database::start().await;
    let pool = &database.pool;
    assert_eq!(not_vacuumed(pool, database.slice.generation.0).await, 0, "it is active from the beginning");

    let create = sqlx::query_scalar("select create_generation(1, 1, 3600, 'building')");
    let built: i32 = create.fetch_one(pool).await.expect("a generation");
    assert_ne!(not_vacuumed(pool, built).await, 0);
    let set = sqlx::query("update generation set status = 'ready' where generation_id = $1").bind(built);
    set.execute(pool).await.expect("Postgres answers");
    assert_eq!(not_vacuumed(pool, built).await, 0);
}

/// Tables of a generation that autovacuum leaves alone.
async fn not_vacuumed(pool: &PgPool, generation: i32) -> i64 {
    let tables = "select count(*) from pg_class where relname like '%\\_g' || $1 and relkind = 'r'
                  and 'autovacuum_enabled=false' = any (reloptions)";
    sqlx::query_scalar(tables).bind(generation).fetch_one(pool).await.expect("Postgres answers")
}
