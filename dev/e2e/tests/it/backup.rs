use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use contract::Partition;
use launcher::process::Process;
use launcher::servers::postgres::Postgres;
use sqlx::PgPool;
use tempfile::TempDir;
use testkit::failure::TestResult;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Projector, Stack};
use testkit::wait;

use crate::history::{SOON, says};
use crate::servers::backup::Backup;

const PARTITIONS: u16 = 4;

/// Sites, some in every partition.
const SITES: u32 = 16;

/// A whole Tidemark, and a folder for what is brought back.
struct Drill {
    stack: Stack,
    ingest: Option<Process>,
    projector: Projector,
    folder: TempDir,
}

impl Drill {
    async fn begin() -> Result<Self> {
        let stack = Stack::servers().await?;
        let ingest = Some(stack.ingest(&[]).await?);
        let projector = stack.projector(DATABASE, &[]).await?;
        let folder = tempfile::Builder::new().prefix("tidemark-drill-").tempdir().context("making a folder")?;
        Ok(Self { stack, ingest, projector, folder })
    }

    /// One view of every site at this path, and one user more each. Each has an id: sent again it is the same event.
    async fn post(&self, path: &str) -> Result<()> {
        let event = |site: u32| {
            let named =
                format!(r#""site_id":"drill-{site}","user_id":"{path}-{site}","event_id":"{path}","path":"{path}""#);
            format!(r#"{{{named},"event_type":"page_view","timestamp":"2025-11-12T19:30:01Z"}}"#)
        };
        let answer =
            self.stack.ingest_client.post("/events", (0..SITES).map(event).collect::<Vec<_>>().join("\n")).await?;
        assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (200, Some(SITES.into())), "{}", answer.text);
        Ok(())
    }

    async fn views(&self) -> Result<BTreeMap<String, i64>> {
        views_by_path(&self.stack.database(DATABASE)?, "drill-").await
    }

    async fn back_up_log(&self) -> Result<Vec<Backup>> {
        let log = self.stack.log().await?;
        let mut backups = vec![];
        for partition in Partition::all(PARTITIONS) {
            backups.push(Backup::take(&log, partition).await?);
        }
        Ok(backups)
    }

    /// Without ingest, which would make the streams anew.
    async fn lose_log(&mut self) -> Result<()> {
        if let Some(ingest) = self.ingest.take() {
            ingest.stop().await;
        }
        self.stack.nats.kill().await;
        fs::remove_dir_all(self.stack.nats.store())?;
        self.stack.nats.restart().await
    }

    async fn restore_log(&self, backups: &[Backup]) -> Result<()> {
        let log = self.stack.log().await?;
        for backup in backups {
            backup.restore(&log).await?;
        }
        Ok(())
    }

    /// Another server in its place, in an own folder. Who was connected to the lost one is not led there.
    async fn replace_postgres(&mut self, dir: &Path) -> Result<()> {
        self.projector.process.stop().await;
        self.stack.postgres.kill().await;
        self.stack.postgres = Postgres::start(dir).await?;
        Ok(())
    }

    async fn start_projector(&mut self) -> Result<()> {
        self.projector = self.stack.projector(DATABASE, &[]).await?;
        Ok(())
    }

    async fn start_ingest(&mut self) -> Result<()> {
        self.ingest = Some(self.stack.ingest(&[]).await?);
        Ok(())
    }
}

/// All paths, each with one view of every site.
fn once(paths: &[&str]) -> BTreeMap<String, i64> {
    paths.iter().map(|path| ((*path).to_owned(), SITES.into())).collect()
}

#[tokio::test]
async fn a_lost_postgres_is_built_again_from_the_log() -> TestResult {
    let mut drill = Drill::begin().await?;
    drill.post("/first").await?;
    let before = drill.stack.drained(DATABASE).await?;
    let new = drill.folder.path().join("postgres");
    drill.replace_postgres(&new).await?;
    // No client notices.
    drill.post("/meanwhile").await?;
    drill.stack.create_database(DATABASE).await?;
    drill.start_projector().await?;
    let after = drill.stack.drained(DATABASE).await?;
    assert_eq!(drill.views().await?, once(&["/first", "/meanwhile"]));
    assert!(before.len() < after.len(), "{} rows, then {}", before.len(), after.len());
    let _query = drill.stack.query().await?;
    let report = drill.stack.query_client.get("/stats?site_id=drill-0").await?.json();
    assert_eq!((&report["total_views"], &report["unique_users"]), (&2.into(), &2.into()), "{report}");
    Ok(())
}

/// Ends what a standby hears of its primary.
async fn cut_off(standby: &Postgres) -> Result<()> {
    let db = PgPool::connect(&standby.owner_url(DATABASE)).await?;
    sqlx::query("alter system set primary_conninfo = ''").execute(&db).await?;
    sqlx::query("select pg_reload_conf()").execute(&db).await?;
    wait::until("the standby hears nothing", SOON, async || {
        let receivers = sqlx::query_scalar::<_, i64>("select count(*) from pg_stat_wal_receiver").fetch_one(&db);
        (receivers.await.ok()? == 0).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_standby_that_is_behind_takes_over_and_the_log_has_the_rest() -> TestResult {
    let mut drill = Drill::begin().await?;
    drill.post("/first").await?;
    drill.stack.drained(DATABASE).await?;
    let standby = drill.stack.postgres.start_standby(&drill.folder.path().join("standby")).await?;
    cut_off(&standby).await?;
    drill.post("/behind").await?;
    let counted = drill.stack.drained(DATABASE).await?;
    drill.projector.process.stop().await;
    drill.stack.postgres.kill().await;
    drill.stack.postgres = standby;
    sqlx::query("select pg_promote()").execute(&drill.stack.database(DATABASE)?).await?;
    assert_eq!(drill.views().await?, once(&["/first"]));
    drill.start_projector().await?;
    assert_eq!(drill.stack.drained(DATABASE).await?, counted);
    drill.post("/new").await?;
    drill.stack.drained(DATABASE).await?;
    assert_eq!(drill.views().await?, once(&["/behind", "/first", "/new"]));
    Ok(())
}

#[tokio::test]
async fn a_lost_log_is_restored_and_the_projector_says_what_is_missing() -> TestResult {
    let mut drill = Drill::begin().await?;
    drill.post("/saved").await?;
    drill.stack.drained(DATABASE).await?;
    let backups = drill.back_up_log().await?;
    drill.post("/lost").await?;
    let counted = drill.stack.drained(DATABASE).await?;
    drill.lose_log().await?;
    drill.restore_log(&backups).await?;
    let ends = drill.stack.log_ends().await?;
    let saved: Vec<_> = (0..).zip(backups.iter().filter_map(Backup::last_sequence)).collect();
    assert_eq!(ends, saved, "what was saved is what is there");
    for (partition, end) in ends {
        says(&drill.projector, &format!("partition {partition} stands still: the stream ends at sequence {end}")).await;
        let (partition, end) = (partition.to_string(), end.to_string());
        drill.stack.operate(&["acknowledge", "--partition", &partition, "--to", &end, "--by", "drill"]).await?;
    }
    drill.start_ingest().await?;
    // A client that never heard of its 200 comes again.
    drill.post("/lost").await?;
    assert_eq!(
        drill.stack.drained(DATABASE).await?.len(),
        counted.len() + usize::try_from(SITES)?,
        "and their repeats"
    );
    drill.post("/new").await?;
    drill.stack.drained(DATABASE).await?;
    assert_eq!(drill.views().await?, once(&["/lost", "/new", "/saved"]));
    Ok(())
}

#[tokio::test]
async fn where_both_are_lost_backups_bring_back_what_they_had() -> TestResult {
    let mut drill = Drill::begin().await?;
    drill.post("/in-both").await?;
    drill.stack.drained(DATABASE).await?;
    let postgres = drill.folder.path().join("backup");
    drill.stack.postgres.back_up(&postgres).await?;
    // The log is saved after Postgres, so what it has more is counted again.
    drill.post("/in-the-log").await?;
    let saved = drill.stack.drained(DATABASE).await?;
    let backups = drill.back_up_log().await?;
    drill.post("/in-neither").await?;
    drill.stack.drained(DATABASE).await?;

    drill.lose_log().await?;
    drill.replace_postgres(&postgres).await?;
    assert_eq!(drill.views().await?, once(&["/in-both"]));
    drill.restore_log(&backups).await?;
    drill.start_projector().await?;
    assert_eq!(drill.stack.drained(DATABASE).await?, saved);
    drill.start_ingest().await?;
    drill.post("/new").await?;
    let restored = drill.stack.drained(DATABASE).await?;
    assert_eq!(drill.views().await?, once(&["/in-both", "/in-the-log", "/new"]));

    // Without a backup of Postgres it is the same, from the log alone.
    drill.stack.create_database("rebuilt").await?;
    let _rebuilding = drill.stack.projector("rebuilt", &[]).await?;
    assert_eq!(drill.stack.drained("rebuilt").await?, restored);
    Ok(())
}
