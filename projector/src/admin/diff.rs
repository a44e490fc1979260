//! Two generations, compared row by row in one snapshot of the database.

use std::process::ExitCode;

use anyhow::Context as _;
use sqlx::{Connection, PgPool};

use super::scope_args::ScopeArgs;
use crate::cutover::positions;
use crate::read_models::compare::{self, Extent, Side, Watcher};
use crate::read_models::generation;

/// What is compared.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The generation that is taken as right.
    pub expected: i32,
    /// The one that is held against it.
    pub found: i32,
    /// Which part of them.
    #[command(flatten)]
    pub narrow: ScopeArgs,
}

/// Compares, and prints what differs or that nothing does. Failure means that something does.
///
/// # Errors
///
/// There is no such generation, or the database is unavailable.
pub async fn diff(pool: &PgPool, options: Options) -> anyhow::Result<ExitCode> {
    let generations = generation::list(pool).await?;
    let find = |number: i32| {
        let found = generations.iter().find(|generation| generation.id.0 == number);
        found.with_context(|| format!("there is no generation {number}: see `projector status`"))
    };
    let (expected, found) = (find(options.expected)?, find(options.found)?);
    let scope = options.narrow.scope();

    let (mut one, mut other) = (pool.acquire().await?, pool.acquire().await?);
    let (mut one, mut other) = (one.begin().await?, other.begin().await?);
    for db in [&mut one, &mut other] {
        sqlx::query!("set transaction isolation level repeatable read").execute(&mut **db).await?;
        sqlx::query!("set local statement_timeout = '1h'").execute(&mut **db).await?;
        sqlx::query!("set local idle_in_transaction_session_timeout = '10min'").execute(&mut **db).await?;
    }
    let snapshot = sqlx::query_scalar!(r#"select pg_export_snapshot() as "name!""#).fetch_one(&mut *one).await?;
    // The name is Postgres' own; a setting takes no parameters.
    sqlx::query(sqlx::AssertSqlSafe(format!("set transaction snapshot '{snapshot}'"))).execute(&mut *other).await?;

    let (here, there) = (positions(&mut one, expected.id).await?, positions(&mut other, found.id).await?);
    if here != there {
        println!(
            "Generation {} is at {here}, generation {} at {there}: what lies between differs.",
            expected.id, found.id
        );
    }
    let mut difference = options.narrow.printer();
    let watcher = &mut Watcher { difference: &mut difference, progress: &mut |_| {} };
    let fold = expected.identity.fold_version.min(found.identity.fold_version);
    let sides = (Side { db: &mut one, generation: expected.id }, Side { db: &mut other, generation: found.id });
    let comparison = compare::compare(sides.0, sides.1, Extent { scope: &scope, fold_version: fold }, watcher).await?;
    println!("{} rows compared, {} differ.", comparison.rows, comparison.differences);
    Ok(if comparison.differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
