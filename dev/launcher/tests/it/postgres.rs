//! Postgres comes back with its data.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use launcher::install;
use launcher::servers::postgres::Postgres;
use launcher::workspace::Workspace;

/// Runs a statement through psql and returns what it prints.
async fn sql(postgres: &Postgres, database: &str, statement: &str) -> Result<String> {
    let programs = install::postgres(&Workspace::find()?).await?;
    let mut psql = Command::new(programs.program("psql"));
    psql.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, &postgres.owner_url(database)]);
    let output = tokio::task::spawn_blocking(move || psql.output()).await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_with_its_data() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut postgres = Postgres::start(dir.path()).await?;
    postgres.create_database("it").await?;
    postgres.create_database("it").await.context("a database that exists is no error")?;
    let url = postgres.owner_url("it");
    sql(&postgres, "it", "create table note as select 'kept' as text").await?;

    postgres.kill().await;
    assert!(sql(&postgres, "it", "select 1").await.is_err());
    postgres.restart().await?;
    assert_eq!(postgres.owner_url("it"), url);
    assert_eq!(sql(&postgres, "it", "select text from note").await?, "kept");

    postgres.stop().await;
    assert!(postgres.process().exit_status().is_some_and(|status| status.success()));
    drop(postgres);
    let postgres = Postgres::start(dir.path()).await?;
    assert_eq!(postgres.owner_url("it"), url);
    assert_eq!(sql(&postgres, "it", "select text from note").await?, "kept");
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_freezes_the_backends_too() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // A folder that only its owner may enter, in a folder of the test's own.
    let postgres = Postgres::start(&dir.path().join("deep").join("inside")).await?;
    let statement = "select pg_sleep(1.0), clock_timestamp() - now() > interval '1.9 seconds'";
    let (outcome, frozen) = tokio::join!(sql(&postgres, "postgres", statement), async {
        while sql(&postgres, "postgres", "select count(*) from pg_stat_activity where query like '%pg_sleep(%1.0)%'")
            .await?
            .parse::<u32>()?
            < 2
        {}
        postgres.freeze()?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        postgres.thaw();
        anyhow::Ok(())
    });
    frozen?;
    assert_eq!(outcome?, "|t");
    Ok(())
}
