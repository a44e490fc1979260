//! What each version of the fold makes of one log is written down in `golden/fold_N.txt`, and stays what it is:
//! generations of read models are continued by the version that began them.
//!
//! A counting rule that changes needs a version of its own. The file of a new version is written by
//! `TIDEMARK_GOLDEN=write cargo test -p fold --test golden`, which leaves files that exist alone.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use chrono::{DateTime, TimeDelta, Utc};
use contract::SketchKey;
use fold::{Counts, DedupState, DedupWindow, Deltas, Dimension, Fold, FoldVersion, Message, Parked, columns};

const WINDOW_SECONDS: u32 = 3_600;

/// Events that differ in everything a counting rule may look at: one a line, in the order of the log. A line that begins
/// with `@` begins an envelope: minutes after the first one by the log's clock, by ingest's clock or `-`, and its schema.
const LOG: &str = include_str!("golden/log.txt");

struct Envelope<'a> {
    stored_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    schema: Option<&'a str>,
    body: &'a str,
}

fn time(minutes: &str) -> DateTime<Utc> {
    let begin: DateTime<Utc> = "2025-11-12T12:00:00Z".parse().expect("a time");
    begin + TimeDelta::minutes(minutes.parse().expect("minutes"))
}

fn envelopes() -> Vec<Envelope<'static>> {
    let envelope = |part: &'static str| {
        let (head, body) = part.split_once('\n').expect("a head and a body");
        let fields: Vec<_> = head.split_whitespace().collect();
        let [stored, sent, schema] = fields[..] else { panic!("three fields in {head:?}") };
        Envelope {
            stored_at: time(stored),
            sent_at: (sent != "-").then(|| time(sent)),
            schema: (schema != "-").then_some(schema),
            body: body.trim_end(),
        }
    };
    LOG.split("@ ").skip(1).map(envelope).collect()
}

fn folded(version: FoldVersion) -> Deltas {
    let fold = Fold::of_version(SketchKey::for_development(), version);
    let window = WINDOW_SECONDS.try_into().expect("a window");
    let (mut recent, mut deltas) = (DedupWindow::new(window, DedupState::default()), fold.begin());
    for (sequence, envelope) in (1..).zip(envelopes()) {
        let Envelope { stored_at, sent_at, schema, body } = envelope;
        let message = Message { sequence, logged_at: stored_at, sent_at, schema, body: body.as_bytes() };
        fold.add(&mut recent, &mut deltas, message);
    }
    deltas
}

fn write_counts(text: &mut String, counts: &Counts<'_>) -> fmt::Result {
    for (path, views) in counts.names(Dimension::Path) {
        writeln!(text, "  path {path:?}: {views}")?;
    }
    for (name, views) in counts.names(Dimension::Referrer) {
        let referrer = match columns(name).collect::<Vec<_>>()[..] {
            ["host", host] => format!("Host(Host({host:?}))"),
            ["none", ""] => "None".to_owned(),
            ["own", ""] => "Own".to_owned(),
            ["unreadable", ""] => "Unreadable".to_owned(),
            _ => panic!("{name:?}"),
        };
        writeln!(text, "  referrer {referrer}: {views}")?;
    }
    for user in counts.users() {
        writeln!(text, "  user {:016x}", user.to_bits())?;
    }
    Ok(())
}

/// Deltas as text: a place a line, and what is counted there below it.
fn picture(deltas: &Deltas) -> Result<String, fmt::Error> {
    let mut text = format!("{} events count\n", deltas.events);
    for (site, repeats) in &deltas.repeats {
        writeln!(text, "{repeats} repeats of {site}")?;
    }
    for parked in &deltas.parked {
        let Parked { sequence, line, log_slot, .. } = parked;
        writeln!(text, "parked: message {sequence}, line {line}, slot {log_slot:?}")?;
    }
    writeln!(text, "{:?}", deltas.seen.state)?;
    for (site, event_type, day, counts) in deltas.sorted().each() {
        let day = day.map_or("no day".to_owned(), |day| day.to_string());
        writeln!(text, "{site}, {event_type}, {day}: {} views", counts.views())?;
        write_counts(&mut text, &counts)?;
    }
    Ok(text)
}

fn file_of(version: FoldVersion) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/fold_{version}.txt"))
}

#[test]
fn each_version_counts_as_it_always_did() {
    for number in FoldVersion::OLDEST.number()..=FoldVersion::NEWEST.number() {
        let version = FoldVersion::try_from(number).expect("a version between the oldest and the newest");
        let (file, counted) = (file_of(version), picture(&folded(version)).expect("text takes text"));
        if !file.exists() && env::var("TIDEMARK_GOLDEN").is_ok_and(|value| value == "write") {
            fs::write(&file, &counted).expect("the folder can be written to");
        }
        let golden = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let differs = golden.lines().zip(counted.lines()).find(|(golden, counted)| golden != counted);
        assert!(
            golden == counted,
            "fold {version} counts otherwise than generations that it began: make the change in a new version\n\
             first difference: {differs:?}"
        );
    }
}

#[test]
fn each_version_differs_from_the_one_before_where_this_log_can_show_it() {
    let pictures = [2, 3, 5].map(|number| {
        let version = FoldVersion::try_from(number).expect("a version");
        picture(&folded(version)).expect("text takes text")
    });
    assert!(pictures.windows(2).all(|pair| pair[0] != pair[1]));
}
