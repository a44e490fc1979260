use siphasher::sip::SipHasher13;

use super::*;

const KEY: KeyId = KeyId(0xca32_7118);

fn digests(users: std::ops::Range<u32>) -> impl Iterator<Item = Digest> {
    let key = SipHasher13::new_with_key(&std::array::from_fn(|index| u8::try_from(index).expect("16 bytes")));
    users.map(move |user| Digest(key.hash(format!("user-{user}").as_bytes())))
}

fn sketch_of(users: impl IntoIterator<Item = Digest>) -> Sketch {
    let mut sketch = Sketch::new(KEY);
    users.into_iter().for_each(|user| sketch.insert(user));
    sketch
}

/// Around where a list is begun, flushed, and given up for registers.
const SIZES: [u32; 11] = [0, 1, 2, 131, 132, 133, 1_000, 5_000, 5_900, 6_500, 40_000];

#[test]
fn estimates_are_what_precision_14_gives() {
    let estimates = SIZES.map(|size| sketch_of(digests(0..size)).seal().users);
    // Constants of the key: exact as long as there is a list, within 2 % after.
    assert_eq!(estimates, [0, 1, 2, 131, 132, 133, 1_000, 4_999, 5_920, 6_434, 40_380]);
    let plain = SIZES.map(|size| sketch_of(digests(0..size)).seal().plain_users);
    assert_eq!(plain, [0, 1, 2, 131, 132, 133, 1_000, 4_999, 5_855, 6_434, 40_380]);
}

#[test]
fn a_stored_sketch_begins_with_how_it_counts() {
    let (few, many) = (sketch_of(digests(0..5_000)).seal(), sketch_of(digests(0..6_500)).seal());
    assert_eq!((few.accuracy, many.accuracy), (Accuracy::Listed, Accuracy::Estimated));
    for sealed in [few, many] {
        assert_eq!(Accuracy::of_stored(&sealed.bytes), Ok(sealed.accuracy));
        assert_eq!(Accuracy::of_stored(&sealed.bytes[..encoding::HEADER_BYTES]), Ok(sealed.accuracy));
        assert_eq!(Accuracy::of_stored(&sealed.bytes[..encoding::HEADER_BYTES - 1]), Err(CorruptSketch::Unknown));
        assert_eq!(Accuracy::of_stored(&sealed.bytes[1..]), Err(CorruptSketch::Unknown));
    }
}

#[test]
fn equal_sets_have_equal_bytes_however_they_came_about() {
    for size in SIZES {
        let straight = sketch_of(digests(0..size)).seal();

        let mut backwards: Vec<_> = digests(0..size).chain(digests(0..size / 2)).collect();
        backwards.reverse();
        assert_eq!(sketch_of(backwards).seal(), straight, "{size} users in another order, some twice");

        let mut merged = sketch_of(digests(0..size / 3));
        let _ = merged.seal();
        merged.merge(&sketch_of(digests(size / 4..size))).expect("one key");
        assert_eq!(merged.seal(), straight, "{size} users in two overlapping parts");

        let mut reopened = Sketch::open(&sketch_of(digests(0..size / 2)).seal().bytes).expect("a sketch");
        digests(size / 2..size).for_each(|user| reopened.insert(user));
        assert_eq!(reopened.seal(), straight, "{size} users with a rest in a column");
    }
}

#[test]
fn stored_sketches_read_back() {
    for size in SIZES {
        let sealed = sketch_of(digests(0..size)).seal();
        assert_eq!(Sketch::open(&sealed.bytes).expect("a sketch").seal(), sealed);
    }
}

#[test]
fn the_stored_form_never_changes() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(hex(&sketch_of(digests(0..0)).seal().bytes), "544d53310e000000187132cad40ac871");
    assert_eq!(hex(&sketch_of(digests(0..3)).seal().bytes), "544d53310e000000187132caa4d8f513a0f5649c94e0071e9e2120");
    let large = sketch_of(digests(0..10_000)).seal().bytes;
    assert_eq!((large.len(), crc32fast::hash(&large[..large.len() - 4])), (13_124, 316_143_747));
}

#[test]
fn sketches_of_different_keys_do_not_merge() {
    let mut ours = sketch_of(digests(0..3));
    let theirs = Sketch::new(KeyId(1));
    assert!(ours.merge(&theirs).is_err());
    assert_eq!(ours.seal().users, 3);
}

#[test]
fn damage_is_noticed() {
    for size in [0, 3, 1_000, 10_000] {
        let bytes = sketch_of(digests(0..size)).seal().bytes;
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1 << (index % 8);
            assert!(Sketch::open(&damaged).is_err(), "byte {index} of {size} users");
        }
        for length in 0..bytes.len().min(64) {
            assert!(Sketch::open(&bytes[..length]).is_err());
        }
    }
}

/// A stored sketch with the right checksum over any content.
fn forged(mode: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"TMS1\x0e\0\0\0\x01\x02\x03\x04".to_vec();
    bytes[5] = mode;
    bytes.extend(body);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

#[test]
fn impossible_lists_are_noticed_behind_a_right_checksum() {
    assert!(Sketch::open(&forged(0, &[0x82, 0x01])).is_ok(), "one code, 65 << 1");
    let impossible: [(&str, &[u8]); 7] = [
        ("no end", &[0x80]),
        ("longer than need be", &[0x82, 0x81, 0x00]),
        ("the same code twice", &[0x82, 0x01, 0x00]),
        ("a rank of zero", &[0x01]),
        ("a rank where none is needed", &[0x83, 0x01]),
        ("more than 26 bits", &[0x80, 0x80, 0x80, 0x40]),
        ("more than 32 bits", &[0xff, 0xff, 0xff, 0xff, 0x7f]),
    ];
    for (what, body) in impossible {
        assert_eq!(Sketch::open(&forged(0, body)).expect_err(what), CorruptSketch::Content, "{what}");
    }
    assert!(Sketch::open(&forged(0, &[0x82, 0x01].repeat(10_000))).is_err(), "longer than a list gets");
}

#[test]
fn impossible_registers_are_noticed_behind_a_right_checksum() {
    let with_word = |index: usize, word: u32| {
        let mut body = vec![0; 4 * 3_277];
        body[4 * index..][..4].copy_from_slice(&word.to_le_bytes());
        forged(1, &body)
    };
    assert!(Sketch::open(&with_word(0, 51)).is_ok());
    for (what, bytes) in [
        ("a rank of 52", with_word(0, 52)),
        ("a bit between words", with_word(0, 1 << 30)),
        ("a register beyond the last", with_word(3_276, 1 << 24)),
        ("too few words", forged(1, &[0; 4 * 3_276])),
    ] {
        assert_eq!(Sketch::open(&bytes).expect_err(what), CorruptSketch::Content, "{what}");
    }
}
