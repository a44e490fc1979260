//! Receipts, as clients show them.

use contract::{Partition, Receipt};

/// A text is a receipt if it is what the receipt says of itself. The bytes, taken as numbers, make a receipt that reads
/// back as itself.
pub(crate) fn check(text: &[u8]) {
    if let Ok(receipt) = String::from_utf8_lossy(text).parse::<Receipt>() {
        assert_eq!(receipt.to_string().as_bytes(), text);
    }
    let Some(([p0, p1, s0, s1, s2, s3, s4, s5, s6, s7, l0, l1, l2, l3], _)) = text.split_first_chunk() else { return };
    let Some(partition) = Partition::numbered(u16::from_le_bytes([*p0, *p1]) % Partition::COUNT_MAX) else {
        panic!("a remainder is smaller than its divisor");
    };
    let sequence = u64::from_le_bytes([*s0, *s1, *s2, *s3, *s4, *s5, *s6, *s7]);
    let receipt = Receipt { partition, sequence, line: u32::from_le_bytes([*l0, *l1, *l2, *l3]) };
    assert_eq!(receipt.to_string().parse(), Ok(receipt));
}
