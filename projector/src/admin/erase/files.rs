//! The files' part of an erasure: each file of an archive that something is to be erased from is written anew.

use std::path::Path;

use super::log::Found;
use super::subject::Subject;
use event_log::archive::{self, Manifest, SequenceRange};

/// Counts what would be erased, and changes nothing.
pub(super) fn count(archive: &Path, subject: &Subject) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for partition in archive::partitions(archive)? {
        let manifest = Manifest::open(archive, partition)?;
        for range in manifest.ranges() {
            add(&mut found, in_file(&manifest, range, subject)?);
        }
    }
    Ok(found)
}

/// Erases from all files. One that is damaged is an error before anything of it is changed.
pub(super) fn erase(archive: &Path, subject: &Subject) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for partition in archive::partitions(archive)? {
        let mut manifest = Manifest::open(archive, partition)?;
        for range in manifest.ranges() {
            let here = in_file(&manifest, range, subject)?;
            if here.events > 0 {
                manifest.check(range)?;
                rewrite(&mut manifest, range, subject)?;
            }
            add(&mut found, here);
        }
    }
    Ok(found)
}

fn in_file(manifest: &Manifest, range: SequenceRange, subject: &Subject) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for line in manifest.read(range)? {
        if let Some(remainder) = subject.remainder(line?.body()) {
            add(&mut found, Found { events: remainder.erased, envelopes: 1 });
        }
    }
    Ok(found)
}

fn rewrite(manifest: &mut Manifest, range: SequenceRange, subject: &Subject) -> anyhow::Result<()> {
    let mut draft = manifest.draft()?;
    for line in manifest.read(range)? {
        let line = line?;
        let line = match subject.remainder(line.body()) {
            Some(remainder) => {
                let is_erased = remainder.left == 0;
                let mut line = line.with_body(remainder.body);
                line.is_erased = is_erased;
                line
            }
            None => line,
        };
        draft.write(&line.to_text()?)?;
    }
    manifest.add(draft, range)
}

fn add(sum: &mut Found, found: Found) {
    sum.events += found.events;
    sum.envelopes += found.envelopes;
}
