use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sqlx::PgPool;
use testkit::clients::load::Load;
use testkit::failure::TestResult;
use testkit::observe::summaries;
use testkit::stack::{Answered, DATABASE, Stack};
use testkit::wait;

use crate::exactly_once::{fill, traffic};

const SOON: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_healthy_system_is_proved_while_traffic_goes_on() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let load = Load::start(&stack.ingest_client, 8);
    wait::until("events are acknowledged", SOON, async || (load.acknowledged() > 2_000).then_some(())).await;
    for arguments in
        [&["verify"][..], &["verify", "--site", "load-0"], &["verify", "--from", "2025-11-01", "--to", "2025-11-30"]]
    {
        let said = stack.operate(arguments).await?;
        assert!(said.contains("nothing differs") && !said.contains(" 0 rows"), "{said}");
        println!("{arguments:?}: {said}");
    }
    load.stop().await;
    let left: i64 = sqlx::query_scalar("select count(*) from generation where status = 'scratch'")
        .fetch_one(&stack.database(DATABASE)?)
        .await?;
    assert_eq!(left, 0, "nothing is left of it");
    Ok(())
}

/// Breaks the read models with a statement, and answers what is found.
async fn broken(stack: &Stack, pool: &PgPool, statement: &'static str) -> Result<Answered> {
    let broken = sqlx::query(statement).execute(pool).await?;
    assert_eq!(broken.rows_affected(), 1, "{statement}");
    stack.operate_with(&[], &["verify"]).await
}

#[tokio::test]
async fn whatever_is_wrong_is_found() -> TestResult {
    let stack = Stack::servers().await?;
    stack.ingest(&[]).await?.stop().await;
    for partition in 0..2 {
        fill(&stack.log().await?, &format!("events.{partition}"), &traffic()[..1_000], &[5, 40]).await?;
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let pool = stack.database(DATABASE)?;
    summaries::complete(&pool).await;
    projector.process.stop().await;
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"), "before");

    let cases: [(&'static str, &'static str, &[&str]); 7] = [
        (
            "update view_daily set views = views + 1
             where event_type = 'page_view' and partition_id = 0 and day = (select min(day) from view_daily)",
            "update view_daily set views = views - 1
             where event_type = 'page_view' and partition_id = 0 and day = (select min(day) from view_daily)",
            &["view_daily site ", "1 differ"],
        ),
        (
            "with gone as (delete from path_total where ctid = (select ctid from path_total order by site_id, path limit 1)
                           returning *)
             insert into kept select * from gone",
            "insert into path_total select * from kept",
            &["path_total site ", "found nothing", "1 differ"],
        ),
        (
            "update user_total set sketch = set_bit(sketch, 130, 1 - get_bit(sketch, 130))
             where event_type = 'page_view' and partition_id = 0",
            "update user_total set sketch = set_bit(sketch, 130, 1 - get_bit(sketch, 130))
             where event_type = 'page_view' and partition_id = 0",
            &["user_total site ", "with another sketch", "1 differ"],
        ),
        (
            "with kept as (insert into kept_list select top_paths from view_total
                           where event_type = 'page_view' and partition_id = 0)
             update view_total set top_paths = '[[\"/\",1]]' where event_type = 'page_view' and partition_id = 0",
            "update view_total set top_paths = (select top_paths from kept_list)
             where event_type = 'page_view' and partition_id = 0",
            &["view_total.top_paths site ", r#"found [["/",1]]"#, "1 differ"],
        ),
        (
            "update checkpoint set stream_sequence = stream_sequence - 1 where partition_id = 1",
            "update checkpoint set stream_sequence = stream_sequence + 1 where partition_id = 1",
            &["differ"],
        ),
        (
            "insert into view_total select generation_id, site_id, event_type, 9, views from view_total limit 1",
            "delete from view_total where partition_id = 9",
            &["view_total site ", "partition 9: expected nothing", "1 differ"],
        ),
        (
            "update month_summary set users_low = users_low - 1 where ctid = (select min(ctid) from month_summary)",
            "delete from month_summary",
            &["month_summary site ", "month 20", "not what its days say", "1 differ"],
        ),
    ];
    sqlx::query("create table kept as select * from path_total where false").execute(&pool).await?;
    sqlx::query("create table kept_list as select top_paths from view_total where false").execute(&pool).await?;
    for (wrong, right, expected) in cases {
        let found = broken(&stack, &pool, wrong).await?;
        println!("{}", found.text);
        assert!(!found.is_success, "{wrong}: {found:?}");
        for part in expected {
            assert!(found.text.contains(part), "{part} in {found:?}");
        }
        sqlx::query(right).execute(&pool).await?;
    }
    // A checkpoint that no log can have led to.
    let found = broken(&stack, &pool, "update checkpoint set stream_sequence = 1000000 where partition_id = 1").await?;
    assert!(!found.is_success && found.text.contains("found 1000000"), "{found:?}");
    Ok(())
}

/// A summary of before late events may have as many views as a part of its month has now.
#[tokio::test]
async fn a_summary_that_only_fits_a_part_of_its_month_is_not_reported() -> TestResult {
    let stack = Stack::servers().await?;
    stack.ingest(&[("PARTITIONS", "1")]).await?.stop().await;
    let days = ["2025-10-03", "2025-10-03", "2025-10-03", "2025-10-20", "2025-10-21"];
    let events = days.iter().enumerate().map(|(user, day)| {
        let (site_id, path, timestamp) = ("site", "/", format!("{day}T10:00:00Z"));
        json!({ "site_id": site_id, "event_type": "page_view", "path": path, "user_id": user.to_string(), "timestamp": timestamp })
            .to_string()
    });
    fill(&stack.log().await?, "events.0", &events.collect::<Vec<_>>(), &[5]).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let pool = stack.database(DATABASE)?;
    summaries::complete(&pool).await;
    projector.process.stop().await;
    let aged = sqlx::query(
        "update month_summary as known
         set views = half.views
         from (
             select site_id, event_type, date_trunc('month', day::timestamp)::date as month,
                 sum(views) filter (where extract(day from day) <= 14) as views
             from view_daily
             group by 1, 2, 3
         ) as half
         where (half.site_id, half.event_type, half.month) = (known.site_id, known.event_type, known.month)
           and half.views < known.views",
    );
    assert_eq!(aged.execute(&pool).await?.rows_affected(), 1, "a month with events in both halves");
    let said = stack.operate(&["verify"]).await?;
    assert!(said.contains("nothing differs"), "{said}");
    // With as many views as its days it is used for reports, and what is wrong in it counts.
    let used = sqlx::query(
        "update month_summary as known
         set views = whole.views, users_low = users_low - 1
         from (
             select site_id, event_type, date_trunc('month', day::timestamp)::date as month, sum(views) as views
             from view_daily
             group by 1, 2, 3
         ) as whole
         where (whole.site_id, whole.event_type, whole.month) = (known.site_id, known.event_type, known.month)",
    );
    assert_eq!(used.execute(&pool).await?.rows_affected(), 1);
    let found = stack.operate_with(&[], &["verify"]).await?;
    assert!(!found.is_success && found.text.contains("month_summary site "), "{found:?}");
    Ok(())
}

/// What happens on the wire and in the database when a commit takes too long, and its backend outlives its client: the
/// commit fails, and so does the next look at the checkpoint.
#[tokio::test]
async fn what_a_failed_commit_has_noted_is_forgotten_before_it_is_folded_again() -> TestResult {
    let stack = Stack::servers().await?;
    stack.ingest(&[("PARTITIONS", "1")]).await?.stop().await;
    fill(&stack.log().await?, "events.0", &traffic()[..1_000], &[5, 40]).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    projector.process.stop().await;
    let pool = stack.database(DATABASE)?;
    for statement in [
        "create sequence moves",
        // It is taken up, committed, and taken up again.
        "create function fail() returns trigger language plpgsql security definer as $$
         begin
           if exists (select from public.generation where generation_id = new.generation_id and status = 'scratch')
               and nextval('public.moves') in (2, 3) then
             raise exception 'it took too long' using errcode = 'query_canceled';
           end if;
           return new;
         end $$",
        "create trigger fail before update on checkpoint for each row execute function fail()",
    ] {
        sqlx::query(statement).execute(&pool).await?;
    }
    let said = stack.operate(&["verify"]).await?;
    assert!(said.contains("nothing differs"), "{said}");
    let moves: i64 = sqlx::query_scalar("select last_value from moves").fetch_one(&pool).await?;
    assert!(moves > 3, "{moves}");
    Ok(())
}
