//! The files that are whole, and what they hash to: `SHA256SUMS`, written anew for each and exchanged in one step.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use contract::Partition;

use super::record::Record;
use super::writer::{self, Writer};

const NAME: &str = "SHA256SUMS";

/// Sequences of one file, the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SequenceRange {
    pub first: u64,
    pub last: u64,
}

/// The archive of one partition.
#[derive(Debug)]
pub struct Manifest {
    folder: PathBuf,
    hashes: BTreeMap<SequenceRange, String>,
}

impl SequenceRange {
    fn name(self) -> String {
        format!("{:020}-{:020}.ndjson", self.first, self.last)
    }

    fn named(name: &str) -> Option<Self> {
        let (first, last) = name.strip_suffix(".ndjson")?.split_once('-')?;
        let range = Self { first: first.parse().ok()?, last: last.parse().ok()? };
        (range.name() == name && range.first <= range.last).then_some(range)
    }
}

impl Manifest {
    /// Opens a partition's archive; one that is not there is empty. What a killed run has not finished is finished.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a range is missing in it.
    pub fn open(archive: &Path, partition: Partition) -> anyhow::Result<Self> {
        let mut manifest = Self { folder: archive.join(partition.stream()), hashes: BTreeMap::new() };
        let path = manifest.folder.join(NAME);
        if path.exists() {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            for line in text.lines() {
                let read =
                    line.split_once("  ").and_then(|(hash, name)| Some((SequenceRange::named(name)?, hash.to_owned())));
                let (range, hash) =
                    read.with_context(|| format!("{} has a line that is none: {line}", path.display()))?;
                manifest.hashes.insert(range, hash);
            }
        }
        manifest.check_ranges()?;
        manifest.settle()?;
        Ok(manifest)
    }

    fn check_ranges(&self) -> anyhow::Result<()> {
        let mut expected = 1;
        for range in self.hashes.keys() {
            ensure!(range.first == expected, "{} has nothing for sequence {expected}", self.folder.display());
            expected = range.last + 1;
        }
        Ok(())
    }

    /// The last sequence that is archived; 0 where none is.
    pub fn last(&self) -> u64 {
        self.hashes.keys().next_back().map_or(0, |range| range.last)
    }

    /// All ranges in order.
    pub fn ranges(&self) -> Vec<SequenceRange> {
        self.hashes.keys().copied().collect()
    }

    /// Proves that a file is what it was when it was written.
    ///
    /// # Errors
    ///
    /// The file differs from the manifest.
    pub fn check(&self, range: SequenceRange) -> anyhow::Result<()> {
        let path = self.folder.join(range.name());
        let found = writer::hash(&path)?;
        ensure!(
            self.hashes.get(&range) == Some(&found),
            "{} is damaged: its checksum is another than in {NAME}",
            path.display()
        );
        Ok(())
    }

    /// The envelopes of a file, in order.
    pub fn read(&self, range: SequenceRange) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Record>> + use<>> {
        let path = self.folder.join(range.name());
        let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        Ok(BufReader::new(file).lines().map(move |line| Record::parse(&line.context("reading a file of the archive")?)))
    }

    /// The envelopes of all files that begin at a sequence or before, each file once it is proved.
    pub fn lines(&self, last: u64) -> impl Iterator<Item = anyhow::Result<Record>> {
        let ranges = self.ranges().into_iter().filter(move |range| range.first <= last);
        ranges.flat_map(|range| {
            let read = self.check(range).and_then(|()| self.read(range));
            let (lines, damage) = read.map_or_else(|err| (None, Some(Err(err))), |lines| (Some(lines), None));
            damage.into_iter().chain(lines.into_iter().flatten())
        })
    }

    /// The envelope of a sequence, if the archive has it.
    ///
    /// # Errors
    ///
    /// Its file cannot be read.
    pub fn line(&self, sequence: u64) -> anyhow::Result<Option<Record>> {
        let has = |range: &&SequenceRange| (range.first..=range.last).contains(&sequence);
        let Some(&range) = self.hashes.keys().find(has) else { return Ok(None) };
        let is_it = |line: &anyhow::Result<Record>| line.as_ref().map_or(true, |line| line.sequence == sequence);
        self.read(range)?.find(is_it).transpose()
    }

    /// Begins a file; it is none of the archive before it is added.
    pub fn draft(&self) -> anyhow::Result<Writer> {
        fs::create_dir_all(&self.folder).with_context(|| format!("creating {}", self.folder.display()))?;
        Writer::begin(self.draft_path())
    }

    /// Adds a file behind the last one, or puts it in the place of one that was rewritten.
    ///
    /// The manifest is written first: where a file is not what the manifest says, the draft is taken, see `settle`.
    pub fn add(&mut self, draft: Writer, range: SequenceRange) -> anyhow::Result<()> {
        let hash = draft.end()?;
        self.hashes.insert(range, hash);
        self.check_ranges()?;
        self.write()?;
        writer::rename(&self.draft_path(), &self.folder.join(range.name()))
    }

    fn write(&self) -> anyhow::Result<()> {
        let path = self.folder.join(format!("{NAME}.draft"));
        let mut draft = Writer::begin(path.clone())?;
        for (range, hash) in &self.hashes {
            draft.write(&format!("{hash}  {}\n", range.name()))?;
        }
        draft.end()?;
        writer::rename(&path, &self.folder.join(NAME))
    }

    /// Gives the last draft its name, where a run was killed before it could.
    fn settle(&self) -> anyhow::Result<()> {
        let path = self.draft_path();
        if !path.exists() {
            return Ok(());
        }
        let hash = writer::hash(&path)?;
        match self.hashes.iter().find(|(_, known)| **known == hash) {
            Some((range, _)) => writer::rename(&path, &self.folder.join(range.name())),
            // It was not whole.
            None => fs::remove_file(&path).with_context(|| format!("removing {}", path.display())),
        }
    }

    fn draft_path(&self) -> PathBuf {
        self.folder.join("draft")
    }
}

/// The partitions that have an archive in a folder.
///
/// # Errors
///
/// There is none.
pub fn partitions(archive: &Path) -> anyhow::Result<Vec<Partition>> {
    let entries = fs::read_dir(archive).with_context(|| format!("looking for an archive in {}", archive.display()))?;
    let mut partitions = Vec::new();
    for entry in entries {
        partitions.extend(entry?.file_name().to_str().and_then(Partition::of_stream));
    }
    partitions.sort();
    if partitions.is_empty() {
        bail!("{} has no archive in it", archive.display());
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn line(sequence: u64) -> String {
        let text = format!(r#"{{"sequence":{sequence},"logged_at":"2025-11-12T19:30:01Z","body":"b"}}"#);
        Record::parse(&text).expect("a line").to_text().expect("JSON")
    }

    fn filled(folder: &Path, partition: Partition) -> Manifest {
        let mut manifest = Manifest::open(folder, partition).expect("an archive");
        for range in [SequenceRange { first: 1, last: 2 }, SequenceRange { first: 3, last: 3 }] {
            let mut draft = manifest.draft().expect("a draft");
            (range.first..=range.last).for_each(|sequence| draft.write(&line(sequence)).expect("written"));
            manifest.add(draft, range).expect("added");
        }
        manifest
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let partition = Partition::numbered(7).expect("a partition");
        filled(folder.path(), partition);
        assert_eq!(partitions(folder.path()).expect("partitions"), [partition]);
        let manifest = Manifest::open(folder.path(), partition).expect("an archive");
        assert_eq!((manifest.last(), manifest.ranges().len()), (3, 2));
        let read: Vec<_> =
            manifest.read(manifest.ranges()[0]).expect("a file").map(|line| line.expect("a line")).collect();
        assert_eq!(read.iter().map(|line| line.sequence).collect::<Vec<_>>(), [1, 2]);
        assert!(read.iter().all(|line| line.logged_at > DateTime::UNIX_EPOCH));
        let found = [2, 3, 4].map(|sequence| manifest.line(sequence).expect("a file").map(|line| line.sequence));
        assert_eq!(found, [Some(2), Some(3), None]);
        let path = folder.path().join("EVENTS_7").join(manifest.ranges()[1].name());
        fs::write(path, line(4)).expect("written");
        assert!(manifest.check(manifest.ranges()[0]).is_ok() && manifest.check(manifest.ranges()[1]).is_err());
    }

    #[test]
    fn what_was_killed_halfway_is_finished_or_cleared_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let partition = Partition::numbered(0).expect("a partition");
        let manifest = filled(folder.path(), partition);
        let range = manifest.ranges()[1];
        let path = |name: &str| folder.path().join("EVENTS_0").join(name);
        // The manifest knows the new file, which has not got its name yet.
        fs::rename(path(&range.name()), path("draft")).expect("renamed");
        fs::write(path(&range.name()), "of old").expect("written");
        Manifest::open(folder.path(), partition).expect("an archive").check(range).expect("it is whole");
        fs::write(path("draft"), "half").expect("written");
        Manifest::open(folder.path(), partition).expect("an archive").check(range).expect("it is whole");
        assert!(!path("draft").exists());
    }
}
