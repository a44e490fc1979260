//! What services serve at `/metrics`, what documentation promises of it, and which of it rules and dashboards use.

use std::collections::{BTreeMap, BTreeSet};

/// Kinds of metrics by name.
pub(crate) type Kinds = BTreeMap<String, String>;

/// With which our own names begin; `up` and the like are Prometheus' own.
const PREFIXES: [&str; 6] = ["access_", "http_", "ingest_", "projector_", "query_", "tls_"];

/// The kinds of all metrics that are served, from the text of `/metrics`.
pub(crate) fn served(text: &str) -> Kinds {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let kinds: Kinds = types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
    for name in kinds.keys() {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no description");
    }
    kinds
}

/// The value of one series, as it stands there: `projector_lag_seconds{generation="1",partition="0"}`.
pub(crate) fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// What the tables of a document promise below the line that ends with `heading`, up to the next line of text.
///
/// # Panics
///
/// There is no such heading, or no table below it.
pub(crate) fn promised(document: &str, heading: &str) -> Kinds {
    let mut lines = document.lines().skip_while(|line| !line.ends_with(heading));
    assert!(lines.next().is_some(), "nothing is headed {heading:?}");
    let rows = lines.skip_while(|line| line.is_empty()).take_while(|line| line.starts_with('|'));
    let promised: Kinds = rows
        .filter_map(|row| {
            let mut cells = row.split('|').map(str::trim).skip(1);
            let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            Some((name.to_owned(), cells.next()?.to_owned()))
        })
        .collect();
    assert!(!promised.is_empty(), "no table is below {heading:?}");
    promised
}

/// The names of our metrics in expressions, without what a histogram adds to its own.
pub(crate) fn used(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours = words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)));
    ours.map(|word| {
        let suffixes = ["_bucket", "_sum", "_count"];
        suffixes.iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word).to_owned()
    })
    .collect()
}
