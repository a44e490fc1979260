//! The read models against the account: every table with views, and what was parked.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sqlx::PgPool;

use crate::chaos::clients::hostile;
use crate::chaos::clients::visit::Place;
use crate::chaos::run::Run;
use crate::chaos::verdict::findings::Kind;
use crate::chaos::verdict::ledger::{Account, Bounds};

/// Views by what a table's key says, written as text.
pub(in crate::chaos) type Views = BTreeMap<String, u64>;

/// How many they may be.
pub(in crate::chaos) type Expected = BTreeMap<String, Bounds>;

/// A table with views: how Postgres and the account write its key.
struct Table {
    name: &'static str,
    key: &'static str,
    key_of: fn(&Place) -> String,
}

/// Referrers are the same views, told apart in another way.
const TABLES: [Table; 6] = [
    Table {
        name: "referrer_daily",
        key: "concat_ws(' ', site_id, event_type, day)",
        key_of: |place| format!("{} {} {}", place.site_id, place.event_type, place.day),
    },
    Table {
        name: "referrer_total",
        key: "concat_ws(' ', site_id, event_type)",
        key_of: |place| format!("{} {}", place.site_id, place.event_type),
    },
    Table {
        name: "path_daily",
        key: "concat_ws(' ', site_id, event_type, day, path)",
        key_of: |place| format!("{} {} {} {}", place.site_id, place.event_type, place.day, place.path),
    },
    Table {
        name: "view_daily",
        key: "concat_ws(' ', site_id, event_type, day)",
        key_of: |place| format!("{} {} {}", place.site_id, place.event_type, place.day),
    },
    Table {
        name: "path_total",
        key: "concat_ws(' ', site_id, event_type, path)",
        key_of: |place| format!("{} {} {}", place.site_id, place.event_type, place.path),
    },
    Table {
        name: "view_total",
        key: "concat_ws(' ', site_id, event_type)",
        key_of: |place| format!("{} {}", place.site_id, place.event_type),
    },
];

/// Compares all tables; answers what each site and event type was counted to.
pub(in crate::chaos) async fn compare(run: &Run, pool: &PgPool) -> Result<Views> {
    let mut counted = Views::new();
    for table in &TABLES {
        let expected = expected(&run.account.borrow(), table);
        counted = stored(pool, table).await.with_context(|| format!("reading {}", table.name))?;
        let (hostile, others): (Views, Views) =
            counted.clone().into_iter().partition(|(key, _)| key.starts_with(hostile::SITE));
        differences(run, table.name, &expected, &others);
        // Its rows are as many as the fold allows, and together they count to the event.
        let sum = BTreeMap::from([(hostile::SITE.to_owned(), hostile.values().sum())]);
        let acknowledged = Bounds::exactly(run.account.borrow().hostile);
        differences(run, table.name, &BTreeMap::from([(hostile::SITE.to_owned(), acknowledged)]), &sum);
    }
    parked(run, pool).await?;
    Ok(counted)
}

/// Takes down what is too few as lost, what is too many as counted twice.
pub(in crate::chaos) fn differences(run: &Run, what: &str, expected: &Expected, found: &Views) {
    let mut differences = BTreeMap::<Kind, (u64, Vec<String>)>::new();
    let keys = expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key)));
    for key in keys {
        let Bounds { least, most } = expected.get(key).copied().unwrap_or_default();
        let found = found.get(key).copied().unwrap_or(0);
        let (kind, amount) = match found {
            _ if found < least => (Kind::Lost, least - found),
            _ if found > most => (Kind::CountedTwice, found - most),
            _ => continue,
        };
        let of_kind = differences.entry(kind).or_default();
        of_kind.0 += amount;
        of_kind.1.push(format!("{what}: {key}: {least} acknowledged, {} in doubt, {found} counted", most - least));
    }
    for (kind, (amount, told)) in differences {
        run.findings.borrow_mut().note_again(kind, amount, told);
    }
}

fn expected(account: &Account, table: &Table) -> Expected {
    let mut expected = Expected::new();
    for (place, bounds) in account.places() {
        expected.entry((table.key_of)(place)).or_default().add(bounds);
    }
    expected
}

async fn stored(pool: &PgPool, table: &Table) -> Result<Views> {
    let (key, name) = (table.key, table.name);
    let statement = format!("select {key}, sum(views)::bigint from {name} group by 1");
    let rows: Vec<(String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(pool).await?;
    rows.into_iter().map(|(key, views)| Ok((key, u64::try_from(views)?))).collect()
}

/// Poison must be parked as it was sent, each piece once.
async fn parked(run: &Run, pool: &PgPool) -> Result<()> {
    let statement = "select event, count(*)::bigint from parked_event group by event";
    let parked: Vec<(Vec<u8>, i64)> =
        sqlx::query_as(statement).fetch_all(pool).await.context("reading parked_event")?;
    let parked: BTreeMap<_, _> = parked.into_iter().collect();
    let account = run.account.borrow();
    for poison in &account.poison {
        let times = parked.get(poison).copied().unwrap_or(0);
        if times != 1 {
            run.note(Kind::Parked, 1, || format!("{}: parked {times} times", poison.escape_ascii()));
        }
    }
    for event in parked.keys().filter(|event| !account.poison.contains(*event)) {
        run.note(Kind::Parked, 1, || format!("{}: parked, but no poison", event.escape_ascii()));
    }
    Ok(())
}
