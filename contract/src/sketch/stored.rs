//! The stored form of a sketch:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `TMS1` |
//! | 1 | precision, 14 |
//! | 1 | 0: a list of codes, 1: registers |
//! | 2 | zero |
//! | 4 | key id, little-endian |
//! | … | the codes in rising order, each as LEB128 of the difference to the one before; or 3,277 words, little-endian, of five 6-bit registers each |
//! | 4 | CRC-32 of all before, little-endian |
//!
//! The crate behind sketches keeps its registers to itself, but writes them with serde: `Layout` mirrors what it
//! writes. The version is pinned, a golden test would notice another layout. It checks nothing when it reads, so all
//! is checked here.

use serde::{Deserialize, Serialize};

use super::{Accuracy, PRECISION, Registers, Sketch};
use crate::digest::KeyId;

const MAGIC: &[u8; 4] = b"TMS1";
pub(super) const HEADER_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
const LIST: u8 = 0;
const REGISTERS: u8 = 1;

const REGISTER_COUNT: u64 = 1 << PRECISION;
const REGISTERS_PER_WORD: usize = 5;
const REGISTER_BITS: usize = 6;
const WORD_COUNT: usize = (1usize << PRECISION).div_ceil(REGISTERS_PER_WORD);
/// Bits of a digest that a listed code keeps.
const CODE_PRECISION: u8 = 25;
/// A longer list gives way to registers.
const LIST_BYTES_MAX: usize = 4 * (1 << PRECISION) / REGISTERS_PER_WORD;
/// The most zeros a digest can begin with behind the bits that choose its register, and one.
const RANK_MAX: u32 = 64 - PRECISION as u32 + 1;

/// Bytes that are no sketch. It has to be computed again from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptSketch {
    /// Too short, or not marked as a sketch of a version and precision that we know.
    #[error("not a sketch of a known version")]
    Unknown,
    /// The checksum is another one.
    #[error("the checksum of a sketch is wrong")]
    Checksum,
    /// The checksum is right, the content cannot be.
    #[error("the content of a sketch is impossible")]
    Content,
}

/// What the crate writes of itself, field by field.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Layout {
    builder: (),
    precision: u8,
    /// Registers, registers of linear counting in a list, bytes a list may have.
    counts: (u64, u64, u64),
    /// Codes not yet in the list; none after `count()`.
    unlisted: Vec<u32>,
    list: List,
    registers: Option<Words>,
    phantom: (),
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct List {
    count: u64,
    last: u32,
    differences: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Words {
    packed: Vec<u32>,
    count: u64,
    zeros: u64,
}

impl Layout {
    /// Looks into registers whose `count()` was called just before.
    pub(super) fn of(registers: &Registers) -> Self {
        let written = postcard::to_allocvec(registers).expect("writing to memory cannot fail");
        let layout: Self = postcard::from_bytes(&written).expect("the mirror of a pinned layout");
        assert!(layout.unlisted.is_empty(), "count() lists every code");
        layout
    }

    pub(super) fn accuracy(&self) -> Accuracy {
        if self.registers.is_none() { Accuracy::Listed } else { Accuracy::Estimated }
    }

    pub(super) fn to_bytes(&self, key_id: KeyId) -> Vec<u8> {
        let body = self.registers.as_ref().map_or(self.list.differences.len(), |registers| 4 * registers.packed.len());
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body + CHECKSUM_BYTES);
        bytes.extend(MAGIC);
        let mode = match self.accuracy() {
            Accuracy::Listed => LIST,
            Accuracy::Estimated => REGISTERS,
        };
        bytes.extend([PRECISION, mode, 0, 0]);
        bytes.extend(key_id.0.to_le_bytes());
        match &self.registers {
            None => bytes.extend(&self.list.differences),
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

/// What a stored sketch is made of: none of it has been looked at.
pub(super) enum Parts<'a> {
    /// See [`words`].
    Registers(&'a [u8]),
    /// See [`codes`].
    List(&'a [u8]),
}

pub(super) fn read(bytes: &[u8]) -> Result<Sketch, CorruptSketch> {
    let (accuracy, key_id, body) = open(bytes)?;
    match accuracy {
        Accuracy::Listed => Ok(sketch(key_id, &Layout::from_parts(read_list(body)?, None))),
        Accuracy::Estimated => from_words(key_id, words(body)?.collect()),
    }
}

/// Takes a stored sketch apart.
pub(super) fn parts(bytes: &[u8]) -> Result<(KeyId, Parts<'_>), CorruptSketch> {
    let (accuracy, key_id, body) = open(bytes)?;
    let parts = match accuracy {
        Accuracy::Listed => Parts::List(body),
        Accuracy::Estimated => Parts::Registers(body),
    };
    Ok((key_id, parts))
}

/// The sketch with these registers.
pub(super) fn from_words(key_id: KeyId, words: Vec<u32>) -> Result<Sketch, CorruptSketch> {
    Ok(sketch(key_id, &Layout::from_parts(List::default(), Some(read_registers(words)?))))
}

/// Registers of nobody.
pub(super) fn no_words() -> Vec<u32> {
    vec![0; WORD_COUNT]
}

/// The sketch with these codes, which rise; none if they are too many for a list.
pub(super) fn from_codes(key_id: KeyId, codes: &[u32]) -> Option<Sketch> {
    let list = write_list(codes)?;
    Some(sketch(key_id, &Layout::from_parts(list, None)))
}

/// Whether these codes, which rise, are few enough for a list.
pub(super) fn are_listed(codes: &[u32]) -> bool {
    write_list(codes).is_some()
}

/// Puts a user of a list into registers, as the crate does when the list is full.
pub(super) fn raise(words: &mut [u32], code: u32) {
    const BITS_BETWEEN: u32 = (CODE_PRECISION - PRECISION) as u32;
    let (index, rank) = if code & 1 == 0 {
        let index = code >> 1;
        (index >> BITS_BETWEEN, 1 + (index << (u32::BITS - BITS_BETWEEN)).leading_zeros())
    } else {
        (code >> (7 + BITS_BETWEEN), ((code >> 1) & 0x3f) + BITS_BETWEEN)
    };
    let index = index as usize;
    let (word, shift) = (&mut words[index / REGISTERS_PER_WORD], index % REGISTERS_PER_WORD * REGISTER_BITS);
    if (*word >> shift) & 0x3f < rank {
        *word = *word & !(0x3f << shift) | rank << shift;
    }
}

/// Looks at the header and the checksum, and answers what is between.
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

pub(super) fn read_header(header: &[u8; HEADER_BYTES]) -> Result<(Accuracy, KeyId), CorruptSketch> {
    let [m0, m1, m2, m3, PRECISION, mode @ (LIST | REGISTERS), 0, 0, k0, k1, k2, k3] = *header else {
        return Err(CorruptSketch::Unknown);
    };
    if [m0, m1, m2, m3] != *MAGIC {
        return Err(CorruptSketch::Unknown);
    }
    let accuracy = if mode == LIST { Accuracy::Listed } else { Accuracy::Estimated };
    Ok((accuracy, KeyId(u32::from_le_bytes([k0, k1, k2, k3]))))
}

/// See [`Sketch::stored_has`].
pub(super) fn has(bytes: &[u8], user: u64) -> bool {
    let Some((header, body)) = bytes.split_first_chunk() else { return false };
    if !matches!(read_header(header), Ok((Accuracy::Estimated, _))) {
        return false;
    }
    let index = usize::try_from(user >> (u64::BITS - u32::from(PRECISION))).expect("14 bits");
    // A bit behind the last one of the digest ends the zeros there.
    let rank = 1 + ((user << PRECISION) | 1 << (PRECISION - 1)).leading_zeros();
    let word = body.get(4 * (index / REGISTERS_PER_WORD)..).and_then(|words| words.first_chunk());
    let shift = index % REGISTERS_PER_WORD * REGISTER_BITS;
    word.is_some_and(|word| (u32::from_le_bytes(*word) >> shift) & 0x3f >= rank)
}

/// Rising codes, each written in as few bytes as it needs.
fn read_list(body: &[u8]) -> Result<List, CorruptSketch> {
    let mut list = List { differences: body.to_vec(), ..List::default() };
    for code in codes(body)? {
        (list.last, list.count) = (code?, list.count + 1);
    }
    Ok(list)
}

/// The codes of a list, up to the first one that cannot be.
pub(super) fn codes(body: &[u8]) -> Result<impl Iterator<Item = Result<u32, CorruptSketch>>, CorruptSketch> {
    if body.len() > LIST_BYTES_MAX {
        return Err(CorruptSketch::Content);
    }
    let (mut rest, mut last) = (body, None);
    Ok(std::iter::from_fn(move || {
        let is_more = !rest.is_empty();
        is_more.then(|| {
            let (code, behind) = read_code(rest, last).ok_or(CorruptSketch::Content)?;
            (rest, last) = (behind, Some(code));
            Ok(code)
        })
    }))
}

/// A code behind another one, and what follows it.
fn read_code(bytes: &[u8], last: Option<u32>) -> Option<(u32, &[u8])> {
    let (difference, behind) = read_number(bytes)?;
    let code = last.unwrap_or(0).checked_add(difference)?;
    (last.is_none_or(|last| last < code) && is_code(code)).then_some((code, behind))
}

/// None if they take more bytes than a list may have.
fn write_list(codes: &[u32]) -> Option<List> {
    let mut list = List::default();
    for code in codes {
        write_number(&mut list.differences, code - list.last);
        (list.last, list.count) = (*code, list.count + 1);
        if list.differences.len() > LIST_BYTES_MAX {
            return None;
        }
    }
    Some(list)
}

/// LEB128, in its shortest form only.
fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number: u64 = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let is_shortest = *byte != 0 || index == 0;
            let number = u32::try_from(number).ok().filter(|_| is_shortest)?;
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

fn write_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// A code is either an index of 25 bits and a 0, or an index of 25 bits, a rank of 6 and a 1. The second form is for
/// digests whose bits between the two precisions are all zero: only then does the rank say more than the index does.
fn is_code(code: u32) -> bool {
    const BETWEEN: u32 = (1 << (CODE_PRECISION - PRECISION)) - 1;
    if code & 1 == 0 {
        let index = code >> 1;
        index < 1 << CODE_PRECISION && index & BETWEEN != 0
    } else {
        let rank = (code >> 1) & 0x3f;
        (1..=64 - u32::from(CODE_PRECISION) + 1).contains(&rank) && (code >> 7) & BETWEEN == 0
    }
}

/// Registers, five in a word, as they are stored.
pub(super) fn words(body: &[u8]) -> Result<impl Iterator<Item = u32>, CorruptSketch> {
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
