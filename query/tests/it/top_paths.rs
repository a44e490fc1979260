//! The first paths, whether lists of top paths tell them or not.

use std::collections::BTreeMap;

use crate::models::{BATCH, Batch, Models};
use crate::service::{Service, with_models};

const DAYS: [&str; 4] = ["2025-11-10", "2025-11-11", "2025-11-12", "2025-11-13"];
const PARTITIONS: [i32; 2] = [1, 2];

/// Views of a path, by day and partition.
type Views = fn(path: u32, day: usize) -> u32;

/// Few paths with many views and many with few: lists decide.
const STEEP: Views = |path, day| 400 / (1 + path) + u32::try_from(day).unwrap_or(0) % 2;

/// Days whose first path is beyond the list on another day: some views have to be looked up.
const TURNING: Views = |path, day| {
    if path as usize == day {
        1_000
    } else if (path as usize) < 4 {
        2
    } else {
        600 / path
    }
};

/// Days with equal views of all paths: all paths have to be added up.
const FLAT: Views = |path, day| 1 + (path + u32::try_from(day).unwrap_or(0)) % 3;

/// Forty paths a day.
async fn fill(models: &Models, views: Views) -> BTreeMap<(usize, String), u64> {
    let mut all = BTreeMap::new();
    for (number, day) in DAYS.into_iter().enumerate() {
        for partition_id in PARTITIONS {
            let paths: Vec<_> = (0..40).map(|path| (format!("/{path}"), i64::from(views(path, number)))).collect();
            let given: Vec<_> = paths.iter().map(|(path, views)| (path.as_str(), *views)).collect();
            models.add(&Batch { day, partition_id, paths: &given, ..BATCH }).await;
            for (path, views) in paths {
                *all.entry((number, path)).or_default() += u64::try_from(views).expect("views");
            }
        }
    }
    all
}

/// Asks for some days, and compares with what all paths come to.
async fn check(service: &Service, all: &BTreeMap<(usize, String), u64>, days: std::ops::Range<usize>, period: &str) {
    let mut sums = BTreeMap::<&str, u64>::new();
    for ((day, path), views) in all {
        if days.contains(day) {
            *sums.entry(path).or_default() += views;
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    for limit in [1, 3, 10, 16, 17, 39, 100] {
        let answer = service.get(&format!("/stats?site_id={}&limit={limit}{period}", BATCH.site_id)).await;
        let report = answer.json();
        let found = report["top_paths"].as_array().expect("paths").iter();
        let found: Vec<_> = found
            .map(|path| (path["path"].as_str().expect("a path"), path["views"].as_u64().expect("views")))
            .collect();
        assert_eq!(found, sums[..sums.len().min(limit)], "limit {limit}, {period}");
        assert_eq!(report["total_views"], sums.iter().map(|(_, views)| views).sum::<u64>());
    }
}

async fn check_all(views: Views, with_lists: bool) {
    let (service, models, ..) = with_models().await;
    let models = if with_lists { models } else { models.without_top_paths() };
    let all = fill(&models, views).await;
    check(&service, &all, 0..4, "").await;
    check(&service, &all, 0..4, "&from=2025-11-01").await;
    check(&service, &all, 1..3, "&from=2025-11-11&to=2025-11-12").await;
    check(&service, &all, 2..3, "&date=2025-11-12").await;
}

#[tokio::test]
async fn lists_decide() {
    check_all(STEEP, true).await;
}

#[tokio::test]
async fn what_lists_leave_open_is_looked_up() {
    check_all(TURNING, true).await;
}

#[tokio::test]
async fn where_all_paths_are_alike_all_are_added_up() {
    check_all(FLAT, true).await;
}

#[tokio::test]
async fn a_generation_without_lists_is_added_up() {
    check_all(STEEP, false).await;
}

#[tokio::test]
async fn a_damaged_list_is_no_report() {
    let (service, models, db, ..) = with_models().await;
    models.add(&BATCH).await;
    sqlx::query(r#"update view_daily set top_paths = '["/"]'"#).execute(&db).await.expect("damaged");
    let answer = service.get("/stats?site_id=site-abc-123&date=2025-11-12").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("has to be rebuilt"), "{}", answer.body);
}
