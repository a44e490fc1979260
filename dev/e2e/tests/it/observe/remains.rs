//! What is left on a disk: texts in files, whatever reads or forgets them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use memchr::memmem;

/// Before everything else in a file that nats-server has compressed; then come the algorithm and the length.
const MAGIC: &[u8] = b"cmp";
const ALGORITHM_S2: u8 = 1;

/// Behind everything else, and part of the length; it is not compressed.
const CHECKSUM_BYTES: usize = 8;

/// The files of a folder in which a text, or other bytes, stand, written out or in what nats-server has compressed; but for
/// those in folders that are to be passed.
///
/// # Panics
///
/// Something is compressed in a way that is not known: the test could not say what is in it.
pub(crate) fn files_with(folder: &Path, text: impl AsRef<[u8]>, passed: &[&str]) -> Result<Vec<PathBuf>> {
    let (mut found, finder) = (Vec::new(), memmem::Finder::new(text.as_ref()));
    let is_in = |bytes: &[u8]| finder.find(bytes).is_some();
    for_each_file(folder, passed, &mut |path, bytes| {
        if is_in(bytes) || unpacked(bytes).is_some_and(|bytes| is_in(&bytes)) {
            found.push(path.to_owned());
        }
    })?;
    Ok(found)
}

/// How many files of a folder nats-server has compressed.
pub(crate) fn compressed_files(folder: &Path) -> Result<usize> {
    let mut compressed = 0;
    for_each_file(folder, &[], &mut |_, bytes| compressed += usize::from(unpacked(bytes).is_some()))?;
    Ok(compressed)
}

fn for_each_file(folder: &Path, passed: &[&str], look: &mut impl FnMut(&Path, &[u8])) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_symlink() || passed.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            for_each_file(&path, passed, look)?;
        // A file may go while it is looked for.
        } else if let Ok(bytes) = fs::read(&path) {
            look(&path, &bytes);
        }
    }
    Ok(())
}

/// What a file holds, if nats-server has compressed it.
fn unpacked(file: &[u8]) -> Option<Vec<u8>> {
    let (&algorithm, rest) = file.strip_prefix(MAGIC)?.split_first()?;
    assert_eq!(algorithm, ALGORITHM_S2, "an algorithm that is not known");
    let length_end = 1 + rest.iter().position(|byte| *byte < 0x80).expect("a length");
    let length = rest[..length_end].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    let frames = &rest[length_end..rest.len() - CHECKSUM_BYTES];
    let mut out = Vec::with_capacity(length);
    minlz::Reader::new(frames).read_to_end(&mut out).expect("frames of S2");
    assert_eq!(out.len() + CHECKSUM_BYTES, length, "it is read to its end");
    Some(out)
}
