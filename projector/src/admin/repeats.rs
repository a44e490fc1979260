//! How many events of each site were not counted because they came again.

use sqlx::PgPool;

/// Sites of one listing.
const LISTED_MAX: i64 = 1_000;

/// Prints a line a site, the most repeats first: `site-abc-123 17`. Of the generation that reports come from.
pub async fn print(pool: &PgPool, site_id: Option<&str>) -> sqlx::Result<()> {
    let sites = sqlx::query!(
        r#"select site_id, sum(repeats)::bigint as "repeats!"
         from repeat_total
         join generation using (generation_id)
         where status = 'active' and ($1::text is null or site_id = $1)
         group by site_id
         order by 2 desc, site_id
         limit $2"#,
        site_id,
        LISTED_MAX,
    )
    .fetch_all(pool)
    .await?;
    for site in sites {
        println!("{} {}", site.site_id, site.repeats);
    }
    Ok(())
}
