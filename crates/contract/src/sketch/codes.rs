//! Users of a small sketch, one code each: enough of a digest to tell its register, and hundreds of registers of a finer
//! sketch. A list of them is written in as few bytes as they need.

use serde::{Deserialize, Serialize};

use super::{CorruptSketch, PRECISION};

/// Bits of a digest that a code keeps.
pub(super) const CODE_PRECISION: u8 = 25;
/// A longer list gives way to registers: as many bytes as those take.
pub(super) const LIST_BYTES_MAX: usize = 4 * (1 << PRECISION) / 5;

/// Bits of a code between those that choose its register and its end.
const BITS_BETWEEN: u32 = (CODE_PRECISION - PRECISION) as u32;
const BETWEEN: u32 = (1 << BITS_BETWEEN) - 1;

/// Rising codes, as the crate has them: LEB128 of the differences.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct List {
    count: u64,
    last: u32,
    differences: Vec<u8>,
}

impl List {
    /// The list of rising codes; none if they are too many for one.
    pub(super) fn of(codes: &[u32]) -> Option<Self> {
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

    /// Reads one that is stored.
    pub(super) fn read(body: &[u8]) -> Result<Self, CorruptSketch> {
        let mut list = Self { differences: body.to_vec(), ..Self::default() };
        for code in read(body)? {
            (list.last, list.count) = (code?, list.count + 1);
        }
        Ok(list)
    }

    /// As it is stored.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.differences
    }
}

/// The codes of a stored list, up to the first one that cannot be.
pub(super) fn read(body: &[u8]) -> Result<impl Iterator<Item = Result<u32, CorruptSketch>>, CorruptSketch> {
    if body.len() > LIST_BYTES_MAX {
        return Err(CorruptSketch::Content);
    }
    let (mut rest, mut last) = (body, None);
    Ok(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((code, behind)) = read_code(rest, last) else {
            rest = &[];
            return Some(Err(CorruptSketch::Content));
        };
        (rest, last) = (behind, Some(code));
        Some(Ok(code))
    }))
}

/// The register that a code belongs to, and what it raises it to.
pub(super) fn register(code: u32) -> (usize, u32) {
    let (index, rank) = if code & 1 == 0 {
        let index = code >> 1;
        (index >> BITS_BETWEEN, 1 + (index << (u32::BITS - BITS_BETWEEN)).leading_zeros())
    } else {
        (code >> (7 + BITS_BETWEEN), ((code >> 1) & 0x3f) + BITS_BETWEEN)
    };
    (index as usize, rank)
}

/// A code behind another one, and what follows it.
fn read_code(bytes: &[u8], last: Option<u32>) -> Option<(u32, &[u8])> {
    let (difference, behind) = read_number(bytes)?;
    let code = last.unwrap_or(0).checked_add(difference)?;
    (last.is_none_or(|last| last < code) && is_code(code)).then_some((code, behind))
}

/// A code is either an index of 25 bits and a 0, or an index of 25 bits, a rank of 6 and a 1. The second form is for
/// digests whose bits between the two precisions are all zero: only then does the rank say more than the index does.
fn is_code(code: u32) -> bool {
    if code & 1 == 0 {
        let index = code >> 1;
        index < 1 << CODE_PRECISION && index & BETWEEN != 0
    } else {
        let rank = (code >> 1) & 0x3f;
        (1..=64 - u32::from(CODE_PRECISION) + 1).contains(&rank) && (code >> 7) & BETWEEN == 0
    }
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
