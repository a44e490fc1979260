//! Files of nats-server that are compressed: `cmp`, the algorithm, the length, then S2 in frames, then a checksum. S2 is
//! Snappy, and an offset of 0 says that the last one is meant.

/// Before everything else.
const MAGIC: &[u8] = b"cmp";
const ALGORITHM_S2: u8 = 1;

/// Behind everything else, and part of the length; it is not compressed.
const CHECKSUM_BYTES: usize = 8;

/// Bytes of a frame header: its kind and its length.
const FRAME_HEAD: usize = 4;
const FRAME_COMPRESSED: u8 = 0;
const FRAME_PLAIN: u8 = 1;
/// From here on frames may be passed: they hold no data.
const FRAME_SKIPPABLE: u8 = 0x80;
/// Before the data of a frame.
const CRC_BYTES: usize = 4;

/// What a file holds, if nats-server has compressed it.
pub fn unpacked(file: &[u8]) -> Option<Vec<u8>> {
    let (&algorithm, rest) = file.strip_prefix(MAGIC)?.split_first()?;
    assert_eq!(algorithm, ALGORITHM_S2, "an algorithm that is not known");
    let mut rest = rest;
    let length = varint(&mut rest);
    let (mut frames, _) = rest.split_at(rest.len() - CHECKSUM_BYTES);
    let mut out = Vec::with_capacity(length);
    while !frames.is_empty() {
        let head = take(&mut frames, FRAME_HEAD);
        let frame = take(&mut frames, little_endian(&head[1..]));
        match head[0] {
            FRAME_COMPRESSED => out.extend(block(&frame[CRC_BYTES..])),
            FRAME_PLAIN => out.extend_from_slice(&frame[CRC_BYTES..]),
            kind => assert!(kind >= FRAME_SKIPPABLE, "a frame that is not known"),
        }
    }
    assert_eq!(out.len() + CHECKSUM_BYTES, length, "it is read to its end, and right");
    Some(out)
}

/// One block: literals, and copies of what came before.
fn block(mut rest: &[u8]) -> Vec<u8> {
    let length = varint(&mut rest);
    let (mut out, mut offset) = (Vec::with_capacity(length), 0);
    while !rest.is_empty() {
        let tag = take(&mut rest, 1)[0];
        let (kind, upper) = (tag & 3, usize::from(tag >> 2));
        let copied = match kind {
            0 => {
                let length = if upper < 60 { upper } else { little_endian(take(&mut rest, upper - 59)) };
                out.extend_from_slice(take(&mut rest, length + 1));
                continue;
            }
            1 => {
                let near = usize::from(tag & 0xe0) << 3 | little_endian(take(&mut rest, 1));
                if near == 0 {
                    repeated(upper & 7, &mut rest)
                } else {
                    offset = near;
                    (upper & 7) + 4
                }
            }
            far => {
                offset = little_endian(take(&mut rest, if far == 2 { 2 } else { 4 }));
                upper + 1
            }
        };
        for _ in 0..copied {
            out.push(out[out.len() - offset]);
        }
    }
    assert_eq!(out.len(), length, "a block is read to its end, and right");
    out
}

/// How much is copied from where the last copy was from.
fn repeated(code: usize, rest: &mut &[u8]) -> usize {
    match code {
        5 => little_endian(take(rest, 1)) + 8,
        6 => little_endian(take(rest, 2)) + (1 << 8) + 4,
        7 => little_endian(take(rest, 3)) + (1 << 16) + 4,
        few => few + 4,
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(length);
    *rest = behind;
    taken
}

fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn varint(rest: &mut &[u8]) -> usize {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = take(rest, 1)[0];
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_copies_and_repeats_are_unpacked() {
        // "abcd", 4 from 4 before, 6 from there once more, "x", 3 from 15 before, 9 from there by two bytes.
        let packed =
            [27, 3 << 2, b'a', b'b', b'c', b'd', 1, 4, 1 | 2 << 2, 0, 0, b'x', 2 | 2 << 2, 15, 0, 1 | 5 << 2, 0, 1];
        assert_eq!(String::from_utf8(block(&packed)).expect("text"), "abcdabcdabcdabxabcdabcdabcd");
    }

    #[test]
    fn frames_are_put_together_and_other_files_are_left_alone() {
        let mut file = b"cmp\x01\x0e\xff\x06\0\0S2sTwO\x01\x08\0\0crc_ab".to_vec();
        file.truncate(file.len() - 2);
        file.extend(b"abcd\0\x08\0\0crc_\x02\x04cd");
        file.truncate(file.len() - 4);
        file.extend([2, 1 << 2, b'e', b'f']);
        file.extend(b"checksum");
        assert_eq!(unpacked(&file).expect("compressed"), b"abcdef");
        assert_eq!(unpacked(b"com"), None);
    }
}
