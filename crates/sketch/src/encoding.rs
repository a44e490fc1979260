//! Stored form of a sketch, which the README describes.
//!
//! `Layout` mirrors what `hyperloglogplus` serializes. It checks nothing when it deserializes, so everything is checked
//! here.

use serde::{Deserialize, Serialize};

use crate::sparse::{self, CODE_PRECISION, LIST_BYTES_MAX, List};
use crate::{Accuracy, KeyId, PRECISION, Registers, Sketch};

const MAGIC: &[u8; 4] = b"TMS1";
pub(crate) const HEADER_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
const LIST: u8 = 0;
const REGISTERS: u8 = 1;

const REGISTER_COUNT: u64 = 1 << PRECISION;
const REGISTERS_PER_WORD: usize = 5;
const REGISTER_BITS: usize = 6;
const WORD_COUNT: usize = (1usize << PRECISION).div_ceil(REGISTERS_PER_WORD);
/// Maximum rank: all bits after those that select the register are zero.
const RANK_MAX: u32 = 64 - PRECISION as u32 + 1;

/// Error about bytes that are no sketch, which has to be computed again from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptSketch {
    /// The header is not that of a known version and precision.
    #[error("not a sketch of a known version")]
    Unknown,
    /// The checksum does not match.
    #[error("the checksum of a sketch is wrong")]
    Checksum,
    /// The checksum matches, and the content is impossible.
    #[error("the content of a sketch is impossible")]
    Content,
}

/// The fields that `hyperloglogplus` serializes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Layout {
    builder: (),
    precision: u8,
    /// Registers, registers of linear counting in a list, maximum bytes of a list.
    counts: (u64, u64, u64),
    /// Codes that are not in the list yet; none after `count()`.
    unlisted: Vec<u32>,
    list: List,
    registers: Option<Words>,
    phantom: (),
}

#[derive(Debug, Serialize, Deserialize)]
struct Words {
    packed: Vec<u32>,
    count: u64,
    zeros: u64,
}

impl Layout {
    /// The fields of registers, whose `count()` must have been called just before.
    pub(crate) fn of(registers: &Registers) -> Self {
        let written = postcard::to_allocvec(registers).expect("writing to memory cannot fail");
        let layout: Self = postcard::from_bytes(&written).expect("the mirror of a pinned layout");
        assert!(layout.unlisted.is_empty(), "count() lists every code");
        layout
    }

    pub(crate) fn accuracy(&self) -> Accuracy {
        if self.registers.is_none() { Accuracy::Listed } else { Accuracy::Estimated }
    }

    /// Number of empty registers; 0 of a list.
    pub(crate) fn empty_registers(&self) -> u64 {
        self.registers.as_ref().map_or(0, |registers| registers.zeros)
    }

    pub(crate) fn to_bytes(&self, key_id: KeyId) -> Vec<u8> {
        let body = self.registers.as_ref().map_or(self.list.bytes().len(), |registers| 4 * registers.packed.len());
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body + CHECKSUM_BYTES);
        bytes.extend(MAGIC);
        let mode = match self.accuracy() {
            Accuracy::Listed => LIST,
            Accuracy::Estimated => REGISTERS,
        };
        bytes.extend([PRECISION, mode, 0, 0]);
        bytes.extend(key_id.0.to_le_bytes());
        match &self.registers {
            None => bytes.extend(self.list.bytes()),
            Some(registers) => bytes.extend(registers.packed.iter().flat_map(|word| word.to_le_bytes())),
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    fn from_parts(list: List, registers: Option<Words>) -> Self {
        Self {
            builder: (),
            precision: PRECISION,
            counts: (REGISTER_COUNT, 1 << (CODE_PRECISION - 1), LIST_BYTES_MAX as u64),
            unlisted: Vec::new(),
            list,
            registers,
            phantom: (),
        }
    }
}

/// Unchecked content of a stored sketch.
pub(crate) enum Parts<'a> {
    /// Content for [`words`].
    Registers(&'a [u8]),
    /// Content for [`sparse::read`].
    List(&'a [u8]),
}

pub(crate) fn read(bytes: &[u8]) -> Result<Sketch, CorruptSketch> {
    let (accuracy, key_id, body) = open(bytes)?;
    match accuracy {
        Accuracy::Listed => Ok(sketch(key_id, &Layout::from_parts(List::read(body)?, None))),
        Accuracy::Estimated => from_words(key_id, words(body)?.collect()),
    }
}

/// Checks header and checksum of a stored sketch, and returns its content.
pub(crate) fn parts(bytes: &[u8]) -> Result<(KeyId, Parts<'_>), CorruptSketch> {
    let (accuracy, key_id, body) = open(bytes)?;
    let parts = match accuracy {
        Accuracy::Listed => Parts::List(body),
        Accuracy::Estimated => Parts::Registers(body),
    };
    Ok((key_id, parts))
}

/// The sketch with these packed registers.
pub(crate) fn from_words(key_id: KeyId, words: Vec<u32>) -> Result<Sketch, CorruptSketch> {
    Ok(sketch(key_id, &Layout::from_parts(List::default(), Some(read_registers(words)?))))
}

/// Packed registers of the empty set.
pub(crate) fn no_words() -> Vec<u32> {
    vec![0; WORD_COUNT]
}

/// The sketch with these rising codes; `None` if they are too many for a list.
pub(crate) fn from_codes(key_id: KeyId, codes: &[u32]) -> Option<Sketch> {
    List::of(codes).map(|list| sketch(key_id, &Layout::from_parts(list, None)))
}

/// Adds a user of a list to registers, as `hyperloglogplus` does when a list is full.
pub(crate) fn raise(words: &mut [u32], code: u32) {
    let (index, rank) = sparse::register(code);
    let (word, shift) = (&mut words[index / REGISTERS_PER_WORD], index % REGISTERS_PER_WORD * REGISTER_BITS);
    if (*word >> shift) & 0x3f < rank {
        *word = *word & !(0x3f << shift) | rank << shift;
    }
}

/// Checks header and checksum, and returns the bytes between them.
fn open(bytes: &[u8]) -> Result<(Accuracy, KeyId, &[u8]), CorruptSketch> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(CorruptSketch::Unknown)?;
    let (header, body) = content.split_first_chunk().ok_or(CorruptSketch::Unknown)?;
    let (accuracy, key_id) = read_header(header)?;
    if crc32fast::hash(content).to_le_bytes() != *checksum {
        return Err(CorruptSketch::Checksum);
    }
    Ok((accuracy, key_id, body))
}

fn sketch(key_id: KeyId, layout: &Layout) -> Sketch {
    let written = postcard::to_allocvec(layout).expect("writing to memory cannot fail");
    let registers = postcard::from_bytes(&written).expect("the mirror of a pinned layout");
    Sketch { key_id, registers }
}

pub(crate) fn read_header(header: &[u8; HEADER_BYTES]) -> Result<(Accuracy, KeyId), CorruptSketch> {
    let [m0, m1, m2, m3, PRECISION, mode @ (LIST | REGISTERS), 0, 0, k0, k1, k2, k3] = *header else {
        return Err(CorruptSketch::Unknown);
    };
    if [m0, m1, m2, m3] != *MAGIC {
        return Err(CorruptSketch::Unknown);
    }
    let accuracy = if mode == LIST { Accuracy::Listed } else { Accuracy::Estimated };
    Ok((accuracy, KeyId(u32::from_le_bytes([k0, k1, k2, k3]))))
}

/// Implements [`Sketch::stored_has`].
pub(crate) fn has(bytes: &[u8], user: u64) -> bool {
    let Some((header, body)) = bytes.split_first_chunk() else { return false };
    if !matches!(read_header(header), Ok((Accuracy::Estimated, _))) {
        return false;
    }
    let index = usize::try_from(user >> (u64::BITS - u32::from(PRECISION))).expect("14 bits");
    // The additional bit after the last one of the digest ends the zeros.
    let rank = 1 + ((user << PRECISION) | 1 << (PRECISION - 1)).leading_zeros();
    let word = body.get(4 * (index / REGISTERS_PER_WORD)..).and_then(|words| words.first_chunk());
    let shift = index % REGISTERS_PER_WORD * REGISTER_BITS;
    word.is_some_and(|word| (u32::from_le_bytes(*word) >> shift) & 0x3f >= rank)
}

/// Reads packed registers, five in a word.
pub(crate) fn words(body: &[u8]) -> Result<impl Iterator<Item = u32>, CorruptSketch> {
    let (words, []) = body.as_chunks() else { return Err(CorruptSketch::Content) };
    if words.len() == WORD_COUNT {
        Ok(words.iter().map(|word| u32::from_le_bytes(*word)))
    } else {
        Err(CorruptSketch::Content)
    }
}

fn read_registers(words: Vec<u32>) -> Result<Words, CorruptSketch> {
    let slots =
        words.iter().flat_map(|word| (0..REGISTERS_PER_WORD).map(move |i| (word >> (i * REGISTER_BITS)) & 0x3f));
    let (mut zeros, mut largest, mut beyond) = (0, 0, 0);
    for (index, rank) in (0u64..).zip(slots) {
        if index >= REGISTER_COUNT {
            beyond |= rank;
        } else {
            zeros += u64::from(rank == 0);
            largest = largest.max(rank);
        }
    }
    let unused_bits = words.iter().fold(0, |bits, word| bits | (word >> (REGISTERS_PER_WORD * REGISTER_BITS)));
    if largest > RANK_MAX || beyond != 0 || unused_bits != 0 {
        return Err(CorruptSketch::Content);
    }
    Ok(Words { packed: words, count: REGISTER_COUNT, zeros })
}
