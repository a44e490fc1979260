//! Sparse representation of small sketches: a list with one code for each user. A code has enough bits of a digest for its
//! register of precision 14, and for its register of precision 25.

use serde::{Deserialize, Serialize};

use crate::{CorruptSketch, PRECISION};

/// Number of bits of a digest in a code.
pub(crate) const CODE_PRECISION: u8 = 25;
/// Maximum bytes of a list: the size of the registers that replace a longer one.
pub(crate) const LIST_BYTES_MAX: usize = 4 * (1 << PRECISION) / 5;

/// Number of bits of a code after those that select its register.
const BITS_BETWEEN: u32 = (CODE_PRECISION - PRECISION) as u32;
const BETWEEN: u32 = (1 << BITS_BETWEEN) - 1;

/// Rising codes as `hyperloglogplus` has them: LEB128 of the differences.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct List {
    count: u64,
    last: u32,
    differences: Vec<u8>,
}

impl List {
    /// The list of rising codes; `None` if they are too many for a list.
    pub(crate) fn of(codes: &[u32]) -> Option<Self> {
        let mut list = Self::default();
        for code in codes {
            write_number(&mut list.differences, code - list.last);
            (list.last, list.count) = (*code, list.count + 1);
            if list.differences.len() > LIST_BYTES_MAX {
                return None;
            }
        }
        Some(list)
    }

    /// Reads a stored list.
    pub(crate) fn read(body: &[u8]) -> Result<Self, CorruptSketch> {
        let mut list = Self { differences: body.to_vec(), ..Self::default() };
        for code in read(body)? {
            (list.last, list.count) = (code?, list.count + 1);
        }
        Ok(list)
    }

    /// The list in its stored form.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.differences
    }
}

/// The codes of a stored list, up to the first one that is invalid.
pub(crate) fn read(body: &[u8]) -> Result<impl Iterator<Item = Result<u32, CorruptSketch>>, CorruptSketch> {
    if body.len() > LIST_BYTES_MAX {
        return Err(CorruptSketch::Content);
    }
    let (mut rest, mut last) = (body, None);
    Ok(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((code, remaining)) = read_code(rest, last) else {
            rest = &[];
            return Some(Err(CorruptSketch::Content));
        };
        (rest, last) = (remaining, Some(code));
        Some(Ok(code))
    }))
}

/// Index and rank of the register of a code.
pub(crate) fn register(code: u32) -> (usize, u32) {
    let (index, rank) = if code & 1 == 0 {
        let index = code >> 1;
        (index >> BITS_BETWEEN, 1 + (index << (u32::BITS - BITS_BETWEEN)).leading_zeros())
    } else {
        (code >> (7 + BITS_BETWEEN), ((code >> 1) & 0x3f) + BITS_BETWEEN)
    };
    (index as usize, rank)
}

/// Reads a code that follows `last`, and returns it with the remaining bytes.
fn read_code(bytes: &[u8], last: Option<u32>) -> Option<(u32, &[u8])> {
    let (difference, remaining) = read_number(bytes)?;
    let code = last.unwrap_or(0).checked_add(difference)?;
    (last.is_none_or(|last| last < code) && is_code(code)).then_some((code, remaining))
}

/// Whether a code is valid. It is either an index of 25 bits and a 0, or an index of 25 bits, a rank of 6 and a 1. The second
/// form is for digests whose bits between the two precisions are all zero, where the index does not determine the rank.
fn is_code(code: u32) -> bool {
    if code & 1 == 0 {
        let index = code >> 1;
        index < 1 << CODE_PRECISION && index & BETWEEN != 0
    } else {
        let rank = (code >> 1) & 0x3f;
        (1..=64 - u32::from(CODE_PRECISION) + 1).contains(&rank) && (code >> 7) & BETWEEN == 0
    }
}

/// Reads LEB128, in its shortest form only.
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
