//! Months that are over, as the projector sums them up when it has nothing more urgent to do.

use std::time::Duration;

use sqlx::PgPool;

use crate::wait;

/// A month of a large site takes a second, and there is a pause between two looks at all of them.
const SUMMED_UP_WITHIN: Duration = Duration::from_mins(3);

/// Waits until each month of the active generation that is over is summed up as it is now.
pub async fn complete(pool: &PgPool) {
    let is_complete = async || (outdated(pool).await.ok()? == 0).then_some(());
    wait::until("months are summed up", SUMMED_UP_WITHIN, is_complete).await;
}

async fn outdated(pool: &PgPool) -> sqlx::Result<i64> {
    let outdated = "
        select count(*)
        from (
            select generation_id, partition_id, site_id, event_type, date_trunc('month', day::timestamp)::date as month,
                sum(views) as views
            from view_daily
            join generation using (generation_id)
            where status = 'active'
            group by 1, 2, 3, 4, 5
        ) as now
        left join month_summary as known using (generation_id, partition_id, site_id, event_type, month)
        where month < date_trunc('month', now() at time zone 'utc') and known.views is distinct from now.views";
    sqlx::query_scalar(outdated).fetch_one(pool).await
}
