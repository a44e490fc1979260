//! Properties of sketches that hold for any users.

use std::collections::BTreeSet;
use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

const KEY: KeyId = KeyId(7);

/// Bits of a digest between the register's index and the end of a listed code. Where all are zero, the code has
/// another form.
const BETWEEN: u64 = ((1 << 11) - 1) << 39;

/// Some users of a union, and whether they were stored and read before they came to the others.
#[derive(Debug, Clone)]
struct Part {
    chosen: Vec<u64>,
    many: Range<u64>,
    is_stored: bool,
}

impl Part {
    fn digests(&self) -> impl Iterator<Item = Digest> {
        self.chosen.iter().copied().chain(self.many.clone().map(mixed)).map(Digest)
    }

    fn sketch(&self) -> Sketch {
        let mut sketch = sketch_of(self.digests());
        if self.is_stored { Sketch::open(&sketch.seal().bytes).expect("what was sealed") } else { sketch }
    }
}

/// Well mixed, as a digest is.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_add(1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn sketch_of(users: impl IntoIterator<Item = Digest>) -> Sketch {
    let mut sketch = Sketch::new(KEY);
    users.into_iter().for_each(|user| sketch.insert(user));
    sketch
}

fn merged<'a>(parts: impl IntoIterator<Item = &'a Sketch>) -> Sketch {
    let mut union = Sketch::new(KEY);
    parts.into_iter().for_each(|part| union.merge(part).expect("one key"));
    union
}

fn digest() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), any::<u64>().prop_map(|digest| digest & !BETWEEN), 0..4u64]
}

fn part() -> impl Strategy<Value = Part> {
    // Around where a list is begun, where it is full, and far beyond.
    let length = prop_oneof![4 => 0..300u64, 2 => 2_000..4_000u64, 1 => 5_500..9_000u64];
    let many = (0..4_000u64, length).prop_map(|(start, length)| start..start + length);
    (prop::collection::vec(digest(), 0..40), many, any::<bool>()).prop_map(|(chosen, many, is_stored)| Part {
        chosen,
        many,
        is_stored,
    })
}

/// Parts, and the same in another order.
fn parts() -> impl Strategy<Value = (Vec<Part>, Vec<Part>)> {
    prop::collection::vec(part(), 0..5).prop_flat_map(|parts| (Just(parts.clone()), Just(parts).prop_shuffle()))
}

/// An index of 25 bits; or one of 14, eleven zeros, and the rank of what follows.
fn code() -> impl Strategy<Value = u32> {
    let plain = (0..1u32 << 25).prop_filter("needs a rank", |index| index & 0x7ff != 0).prop_map(|index| index << 1);
    let ranked = (0..1u32 << 14, 1..=40u32).prop_map(|(index, rank)| index << 18 | rank << 1 | 1);
    prop_oneof![plain, ranked]
}

/// The stored form of a list of codes.
fn list_of(codes: BTreeSet<u32>) -> Vec<u8> {
    let mut bytes = b"TMS1\x0e\0\0\0\x07\0\0\0".to_vec();
    let mut last = 0;
    for code in codes {
        let mut difference = code - last;
        while difference > 0x7f {
            bytes.push(0x80 | u8::try_from(difference & 0x7f).expect("seven bits"));
            difference >>= 7;
        }
        bytes.push(u8::try_from(difference).expect("seven bits"));
        last = code;
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn config() -> Config {
    Config { cases: 48, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_merge_is_the_sketch_of_the_union((parts, shuffled) in parts()) {
        let straight = sketch_of(parts.iter().flat_map(Part::digests)).seal();
        prop_assert_eq!(merged(&parts.iter().map(Part::sketch).collect::<Vec<_>>()).seal(), straight.clone());
        prop_assert_eq!(merged(&shuffled.iter().map(Part::sketch).collect::<Vec<_>>()).seal(), straight);
    }

    #[test]
    fn a_user_that_a_stored_sketch_has_changes_nothing((parts, _) in parts(), more in prop::collection::vec(digest(), 1..40)) {
        let sketch = merged(&parts.iter().map(Part::sketch).collect::<Vec<_>>()).seal();
        for user in parts.iter().flat_map(Part::digests) {
            prop_assert_eq!(Sketch::stored_has(&sketch.bytes, user), sketch.accuracy == Accuracy::Estimated);
        }
        for user in more.into_iter().map(Digest) {
            let mut with_user = Sketch::open(&sketch.bytes).expect("what was sealed");
            with_user.insert(user);
            let is_same = with_user.seal().bytes == sketch.bytes;
            prop_assert!(is_same || !Sketch::stored_has(&sketch.bytes, user));
            prop_assert!(!is_same || sketch.accuracy == Accuracy::Listed || Sketch::stored_has(&sketch.bytes, user));
        }
    }

    #[test]
    fn a_union_of_stored_sketches_is_their_merge((parts, _) in parts()) {
        let sketches: Vec<_> = parts.iter().map(Part::sketch).collect();
        let mut union = Union::default();
        for mut sketch in sketches.iter().cloned() {
            union.add(&sketch.seal().bytes).expect("one key");
        }
        let united = union.into_sketch().expect("what was sealed").map(|mut sketch| sketch.seal());
        prop_assert_eq!(united, (!parts.is_empty()).then(|| merged(&sketches).seal()));
    }

    /// More codes than a union keeps: the same users again and again, and others each time.
    #[test]
    fn many_lists_are_their_merge(length in 3_000..5_000u64, step in prop_oneof![Just(0u64), 1..200u64]) {
        let parts = (0..24).map(|number| Part { chosen: vec![], many: number * step..number * step + length, is_stored: false });
        let sketches: Vec<_> = parts.map(|part| part.sketch()).collect();
        let mut union = Union::default();
        for mut sketch in sketches.iter().cloned() {
            union.add(&sketch.seal().bytes).expect("one key");
        }
        let united = union.into_sketch().expect("what was sealed").map(|mut sketch| sketch.seal());
        prop_assert_eq!(united, Some(merged(&sketches).seal()));
    }

    #[test]
    fn how_parts_are_paired_does_not_show((parts, _) in parts(), cut in any::<prop::sample::Index>()) {
        let sketches: Vec<_> = parts.iter().map(Part::sketch).collect();
        let (left, right) = sketches.split_at(cut.index(sketches.len() + 1));
        let (mut left, mut right) = (merged(left), merged(right));
        let flat = merged(&sketches).seal();
        prop_assert_eq!(merged([&left, &right]).seal(), flat.clone());
        // Looking at a sketch changes how it lies in memory, and nothing else.
        let _ = (left.seal(), right.seal());
        prop_assert_eq!(merged([&right, &left, &right]).seal(), flat);
    }

    #[test]
    fn the_order_of_users_and_how_often_they_come_does_not_show(
        (users, shuffled) in prop::collection::vec(digest(), 0..400).prop_flat_map(|users| {
            let twice = [users.clone(), users.clone()].concat();
            (Just(users), Just(twice).prop_shuffle())
        }),
    ) {
        let straight = sketch_of(users.into_iter().map(Digest)).seal();
        prop_assert_eq!(sketch_of(shuffled.into_iter().map(Digest)).seal(), straight);
    }

    #[test]
    fn what_is_stored_reads_back(part in part()) {
        let sealed = part.sketch().seal();
        prop_assert_eq!(Sketch::open(&sealed.bytes).expect("a sketch").seal(), sealed);
    }

    #[test]
    fn a_list_of_any_possible_codes_is_canonical(codes in prop::collection::btree_set(code(), 0..200)) {
        let bytes = list_of(codes);
        let mut sketch = Sketch::open(&bytes).expect("possible codes");
        prop_assert_eq!(sketch.seal().bytes, bytes);
    }
}

proptest! {
    // Each case seals hundreds of sketches.
    #![proptest_config(Config { cases: 12, max_shrink_iters: 20, ..config() })]

    /// Around the end of the list, around 11,500, where counting by empty registers ends, and around 81,920, where the
    /// correction for bias does.
    #[test]
    fn more_users_are_never_fewer(
        seed in any::<u64>(),
        (users, step) in prop_oneof![
            3 => Just((5_840..5_960, 1)),
            1 => Just((11_100..11_900, 8)),
            1 => Just((81_000..83_000, 20)),
            1 => Just((0..300, 3)),
        ],
    ) {
        let user = |number: u64| Digest(mixed(mixed(number) ^ seed));
        let mut sketch = sketch_of((0..users.start).map(user));
        let mut shown = sketch.seal().users;
        for number in users.step_by(step) {
            (number..number + step as u64).for_each(|number| sketch.insert(user(number)));
            let now = sketch.seal();
            prop_assert!(shown <= now.users, "{} users after {shown}, behind {number}", now.users);
            prop_assert_eq!(Sketch::open(&now.bytes).expect("what was sealed").seal(), now.clone());
            shown = now.users;
        }
    }

    /// One of several days that share users grows.
    #[test]
    fn more_users_of_a_day_are_never_fewer_of_a_range(
        seed in any::<u64>(),
        sizes in prop::collection::vec((prop_oneof![0..6_000u64, 5_800..5_900u64], 0..4_000u64), 1..4),
        grown in any::<prop::sample::Index>(),
        steps in prop::collection::vec(1..30u64, 1..12),
    ) {
        let user = |number: u64| Digest(mixed(mixed(number) ^ seed));
        let mut days: Vec<_> = sizes.iter().map(|(size, begin)| sketch_of((*begin..begin + size).map(user))).collect();
        let grown = grown.index(days.len());
        let (mut next, mut shown) = (sizes[grown].0 + sizes[grown].1, 0);
        for step in steps {
            (next..next + step).for_each(|number| days[grown].insert(user(number)));
            next += step;
            let mut members = Members::default();
            for day in &mut days {
                let SealedSketch { bytes, users, accuracy, .. } = day.seal();
                members.add(Count::new(users, accuracy).into(), &bytes).expect("one key");
            }
            let (count, _) = members.end().expect("one key").expect("a day");
            prop_assert!(shown <= count.users, "{count:?} after {shown}");
            prop_assert!(count.low <= count.users && count.users <= count.high, "{count:?}");
            shown = count.users;
        }
    }
}
