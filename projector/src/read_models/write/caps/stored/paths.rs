//! What rows say of a site's paths.

use contract::field::OTHER;

use super::{Names, Sent};

/// How many there are, of these event types.
pub(super) async fn count(names: &mut Names<'_, '_>, types: &[&str]) -> sqlx::Result<i64> {
    let (generation, partition) = (names.slice.generation.0, names.slice.partition_id());
    let Some(day) = names.day else {
        return sqlx::query_scalar!(
            r#"select count(*) as "count!" from path_total
               where generation_id = $1 and partition_id = $2 and site_id = $3 and event_type = any($4)
                 and path <> $5"#,
            generation,
            partition,
            names.site_id,
            types as &[&str],
            OTHER
        )
        .fetch_one(&mut *names.db)
        .await;
    };
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from path_daily
           where generation_id = $1 and partition_id = $2 and site_id = $3 and event_type = any($4)
             and day = $5 and path <> $6"#,
        generation,
        partition,
        names.site_id,
        types as &[&str],
        day,
        OTHER
    )
    .fetch_one(&mut *names.db)
    .await
}

/// Whether each has a row.
pub(super) async fn are_stored(names: &mut Names<'_, '_>, sent: &Sent<'_>) -> sqlx::Result<Vec<bool>> {
    let (generation, partition) = (names.slice.generation.0, names.slice.partition_id());
    let Some(day) = names.day else {
        return sqlx::query_scalar!(
            r#"select exists (
                   select from path_total as known
                   where generation_id = $1 and partition_id = $2 and site_id = $3
                     and known.event_type = sent.event_type and known.path = sent.name
               ) as "is_stored!"
               from unnest($4::text[], $5::text[]) with ordinality as sent (event_type, name, number)
               order by number"#,
            generation,
            partition,
            names.site_id,
            &sent.types as &[&str],
            &sent.names as &[&str]
        )
        .fetch_all(&mut *names.db)
        .await;
    };
    sqlx::query_scalar!(
        r#"select exists (
               select from path_daily as known
               where generation_id = $1 and partition_id = $2 and site_id = $3 and day = $4
                 and known.event_type = sent.event_type and known.path = sent.name
           ) as "is_stored!"
           from unnest($5::text[], $6::text[]) with ordinality as sent (event_type, name, number)
           order by number"#,
        generation,
        partition,
        names.site_id,
        day,
        &sent.types as &[&str],
        &sent.names as &[&str]
    )
    .fetch_all(&mut *names.db)
    .await
}
