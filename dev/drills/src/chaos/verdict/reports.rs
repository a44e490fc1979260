//! Reports against the account: of every site and type, of all time and of every day.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::chaos::run::Run;
use crate::chaos::verdict::comparison::{self, Views};
use crate::chaos::verdict::findings::Kind;
use crate::chaos::verdict::ledger::{Bounds, USERS_ERROR_MAX};

/// Compares all reports; answers by how many users the worst is off.
pub(in crate::chaos) async fn compare(run: &Run) -> Result<u64> {
    let expected = run.account.borrow().reports();
    let mut error_max = 0;
    for ((site_id, event_type, day), (paths, users)) in expected {
        let date = day.map(|day| format!("&date={day}")).unwrap_or_default();
        let path = format!("/stats?site_id={site_id}&event_type={event_type}&limit=1000{date}");
        let report = read(run, &path).await?;
        let expected = paths.into_iter().map(|(path, views)| (path, Bounds::exactly(views))).collect();
        let found = views_by_path(&report);
        comparison::differences(run, &path, &expected, &found);
        let sum: u64 = found.values().sum();
        if report["total_views"].as_u64() != Some(sum) {
            run.note(Kind::Torn, 1, || format!("{path}: total {}, sum of paths {sum}", report["total_views"]));
        }
        let error = report["unique_users"].as_u64().map_or(users, |found| found.abs_diff(users));
        error_max = error_max.max(error);
        if error > USERS_ERROR_MAX {
            run.note(Kind::Users, error, || format!("{path}: {users} users, {} found", report["unique_users"]));
        }
    }
    Ok(error_max)
}

async fn read(run: &Run, path: &str) -> Result<Value> {
    let answer = run.stack.query_client.get(path).await.with_context(|| format!("asking for {path}"))?;
    anyhow::ensure!(answer.status == 200, "{path} was answered {}: {}", answer.status, answer.text);
    serde_json::from_str(&answer.text).with_context(|| format!("reading the answer to {path}"))
}

fn views_by_path(report: &Value) -> Views {
    let paths = report["top_paths"].as_array().into_iter().flatten();
    paths.filter_map(|path| Some((path["path"].as_str()?.to_owned(), path["views"].as_u64()?))).collect()
}
