//! Reports that began before a generation's tables were there. Postgres plans a statement before it takes its snapshot: one
//! that was planned without the tables could see the generation as active, and read some of it as empty.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::STEP_PAUSE;

/// Longer than a report may take. What still reads then is a comparison, which names its generations.
const READERS_MAX: Duration = Duration::from_secs(10);

/// Waits until every report that runs now has ended; others may begin.
pub(super) async fn wait_for(db: &mut PgConnection) -> sqlx::Result<()> {
    let running = sqlx::query_scalar!(
        r#"select distinct virtualtransaction as "name!"
         from pg_locks
         where locktype = 'relation' and mode = 'AccessShareLock' and pid <> pg_backend_pid()
           and relation in ('view_daily'::regclass, 'view_total'::regclass)"#
    )
    .fetch_all(&mut *db)
    .await?;
    let deadline = Instant::now() + READERS_MAX;
    while Instant::now() < deadline {
        let left = sqlx::query_scalar!(
            r#"select count(*) as "left!"
             from pg_locks
             where virtualtransaction = any($1) and locktype = 'relation' and mode = 'AccessShareLock'
               and relation in ('view_daily'::regclass, 'view_total'::regclass)"#,
            &running
        )
        .fetch_one(&mut *db)
        .await?;
        if left == 0 {
            break;
        }
        sleep(STEP_PAUSE).await;
    }
    Ok(())
}
