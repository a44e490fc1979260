//! Stored sketches, damaged or forged. The harness writes header and checksum, so that the content is reached.
//!
//! An input is one stored sketch, as it is; and two sketches, parted in the middle. The first byte of each says what
//! the rest of it is: `0` a list of codes, `1` packed registers, `2` one register's rank a byte, anything else users
//! that are inserted. What registers miss at the end is zero.

use contract::{KeyId, Sketch, SketchKey, UserId};

const REGISTERS: usize = 1 << 14;
const REGISTERS_PER_WORD: usize = 5;
const REGISTERS_BYTES: usize = 4 * REGISTERS.div_ceil(REGISTERS_PER_WORD);
const RANK_MAX: u32 = 51;

/// What opens is sealed to the bytes it was opened from, counts to the same, and takes users and other sketches; in
/// which order these come does not show.
pub(crate) fn check(bytes: &[u8]) {
    check_stored(bytes);
    let (left, right) = bytes.split_at(bytes.len() / 2);
    let (left, right) = (sketch(left), sketch(right));
    if let Some(left) = &left {
        check_union(left, left);
    }
    if let (Some(left), Some(right)) = (&left, &right) {
        check_union(left, right);
    }
}

fn check_stored(bytes: &[u8]) -> Option<Sketch> {
    let sketch = Sketch::open(bytes).ok()?;
    let sealed = sketch.clone().seal();
    assert_eq!(sealed.bytes, bytes, "what opens is canonical");
    let reopened = Sketch::open(&sealed.bytes).expect("what was sealed opens");
    assert_eq!(reopened.clone().seal(), sealed);
    assert_eq!(reopened.key_id(), sketch.key_id());
    Some(sketch)
}

fn check_union(left: &Sketch, right: &Sketch) {
    let merged = |first: &Sketch, second: &Sketch| {
        let mut first = first.clone();
        first.merge(second).expect("sketches of one key");
        first
    };
    let mut union = merged(left, right);
    let sealed = union.seal();
    check_stored(&sealed.bytes).expect("what was sealed opens");
    assert_eq!(merged(right, left).seal(), sealed, "merged the other way round");
    for part in [left, right] {
        assert_eq!(merged(&union, part).seal(), sealed, "a part is in the union");
        assert_eq!(merged(part, &union).seal(), sealed, "the union has all of a part");
    }
    let mut later = merged(left, right);
    let mut earlier = left.clone();
    for user in 0..3 {
        insert(&mut later, user);
        insert(&mut earlier, user);
    }
    assert_eq!(merged(&earlier, right).seal(), later.seal(), "users inserted before or after a merge");
}

fn insert(sketch: &mut Sketch, user: usize) {
    let user = UserId::try_from(format!("user-{user}")).expect("a user");
    sketch.insert(SketchKey::for_development().digest(&user));
}

/// The sketch that some bytes stand for, if there is one.
fn sketch(bytes: &[u8]) -> Option<Sketch> {
    let (form, content) = bytes.split_first()?;
    let key_id = SketchKey::for_development().id();
    match form {
        b'0' => check_stored(&stored(key_id, 0, content)),
        b'1' => {
            let mut registers = content[..content.len().min(REGISTERS_BYTES)].to_vec();
            registers.resize(REGISTERS_BYTES, 0);
            check_stored(&stored(key_id, 1, &registers))
        }
        b'2' => Some(check_stored(&stored(key_id, 1, &packed(content))).expect("possible registers")),
        _ => {
            let mut sketch = Sketch::new(key_id);
            // Pairs of bytes: more users than a list can hold are within reach.
            for (index, pair) in content.chunks(2).enumerate() {
                insert(&mut sketch, index * usize::from(pair[0]) + usize::from(*pair.last()?));
            }
            Some(sketch)
        }
    }
}

/// Registers of these ranks, packed as they are stored.
fn packed(ranks: &[u8]) -> Vec<u8> {
    let mut ranks: Vec<u32> = ranks.iter().take(REGISTERS).map(|rank| u32::from(*rank) % (RANK_MAX + 1)).collect();
    ranks.resize(REGISTERS, 0);
    let word = |ranks: &[u32]| (0..).zip(ranks).fold(0, |word, (index, rank)| word | rank << (6 * index));
    ranks.chunks(REGISTERS_PER_WORD).flat_map(|ranks| u32::to_le_bytes(word(ranks))).collect()
}

fn stored(key_id: KeyId, mode: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = [b"TMS1\x0e", &[mode, 0, 0][..], &key_id.0.to_le_bytes(), content].concat();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}
