//! Reports, judged all along: never torn, never backwards, never refused for longer than there is a reason.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::chaos::clients::visit::{self, DAYS, EVENT_TYPES};
use crate::chaos::faults::target::Target;
use crate::chaos::run::Run;
use crate::chaos::verdict::findings::Kind;
use testkit::clients::http::Answer;

/// Readers at once, so that one that hangs does not hide what happens meanwhile.
const READERS: usize = 3;

/// Between two reports of one reader.
const PAUSE: Duration = Duration::from_millis(40);

/// How long after its dependencies are back reports may still be refused: query needs a new connection to Postgres, and
/// the machine is busy with restarts.
pub(in crate::chaos) const GRACE: Duration = Duration::from_secs(3);

/// What was seen.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Seen {
    /// Reports that were answered.
    pub(in crate::chaos) reports: u64,
    /// Reports that were refused.
    pub(in crate::chaos) refused: u64,
    /// The longest that everything a report needs had been back when one was still refused.
    pub(in crate::chaos) refused_late: Duration,
    /// Reports that went back because a crash of Postgres took the latest commits, which are folded again.
    pub(in crate::chaos) set_back: u64,
    highs: BTreeMap<String, High>,
}

/// The most views that a report has shown.
#[derive(Debug, Clone, Copy)]
struct High {
    views: u64,
    at: Instant,
}

/// Reads reports until the run is over.
pub(in crate::chaos) async fn watch(run: &Run) {
    let all = all_reports();
    let reader = |number: usize| {
        let mine = all.iter().skip(number).step_by(READERS);
        async move {
            for path in mine.cycle() {
                if run.is_over.get() {
                    break;
                }
                look(run, path).await;
                sleep(PAUSE).await;
            }
        }
    };
    future::join_all((0..READERS).map(reader)).await;
}

/// All-time reports of every site and type, and one day's.
fn all_reports() -> Vec<String> {
    let mut all = Vec::new();
    for (number, site_id) in visit::sites().into_iter().enumerate() {
        for event_type in EVENT_TYPES {
            let report = format!("/stats?site_id={site_id}&event_type={event_type}&limit=1000");
            all.push(format!("{report}&date={}", DAYS[number % DAYS.len()]));
            all.push(report);
        }
    }
    all
}

async fn look(run: &Run, path: &str) {
    let begun = Instant::now();
    let answer = run.stack.query_client.get(path).await;
    let span = (begun, Instant::now());
    match answer {
        Ok(answer) if answer.status == 200 => shown(run, path, &answer, span),
        Ok(answer) if answer.status == 503 => {
            if !answer.headers.contains_key("retry-after") {
                run.note(Kind::Answer, 1, || "query answered 503 without Retry-After".to_owned());
            }
            refused(run, span, &answer.text);
        }
        Ok(answer) => run.note(Kind::Answer, 1, || format!("query answered {} to {path}", answer.status)),
        Err(err) => refused(run, span, &format!("{:#}", anyhow::Error::new(err))),
    }
}

fn shown(run: &Run, path: &str, answer: &Answer, (begun, now): (Instant, Instant)) {
    let report: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let Some(total) = report["total_views"].as_u64() else {
        return run.note(Kind::Answer, 1, || format!("query answered {path} without total_views: {}", answer.text));
    };
    let paths = report["top_paths"].as_array().into_iter().flatten();
    let sum: u64 = paths.filter_map(|path| path["views"].as_u64()).sum();
    if sum != total {
        run.note(Kind::Torn, 1, || format!("{path}: total {total}, sum of paths {sum}"));
    }
    let mut seen = run.seen.borrow_mut();
    seen.reports += 1;
    let high = seen.highs.insert(path.to_owned(), High { views: total, at: begun });
    let Some(high) = high.filter(|high| high.views > total) else { return };
    // The projector commits asynchronously: what a crash of Postgres takes is folded from the log once more.
    if run.outages.borrow().was_killed(Target::Postgres, (high.at, now)) {
        seen.set_back += 1;
    } else {
        run.note(Kind::Backwards, 1, || format!("{path}: {} views, then {total}", high.views));
    }
}

fn refused(run: &Run, span: (Instant, Instant), told: &str) {
    let mut seen = run.seen.borrow_mut();
    seen.refused += 1;
    let Some(late) = run.outages.borrow().up_before(&Target::OF_REPORTS, span) else {
        return run.note(Kind::Unavailable, 1, || format!("before the first fault: {told}"));
    };
    seen.refused_late = seen.refused_late.max(late);
    if late > GRACE {
        run.note(Kind::Unavailable, 1, || format!("{late:.1?} after everything was back: {told}"));
    }
}
