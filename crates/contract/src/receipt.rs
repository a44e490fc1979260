//! Receipts: what a client is given for an acknowledged event.

use std::fmt;
use std::str::FromStr;

use crate::log::Partition;

/// Where an event lies: `<partition>-<stream sequence>-<line in the envelope>`, `0-4711-0`.
///
/// Orders as the log does within a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// The slice of the log.
    pub partition: Partition,
    /// The envelope's sequence in the partition's stream, from 1.
    pub sequence: u64,
    /// The event's line in the envelope, from 0.
    pub line: u32,
}

/// A text that is no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a receipt reads <partition>-<sequence>-<line>, such as 0-4711-0")]
pub struct InvalidReceipt;

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.partition, self.sequence, self.line)
    }
}

impl FromStr for Receipt {
    type Err = InvalidReceipt;

    fn from_str(text: &str) -> Result<Self, InvalidReceipt> {
        let read = || {
            let mut parts = text.splitn(3, '-');
            let receipt = Self {
                partition: Partition::numbered(parts.next()?.parse().ok()?)?,
                sequence: parts.next()?.parse().ok()?,
                line: parts.next()?.parse().ok()?,
            };
            // One event has one receipt: `00-+1-0` is none.
            (receipt.to_string() == text).then_some(receipt)
        };
        read().ok_or(InvalidReceipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_reads_back_what_it_says() {
        for text in ["0-4711-0", "999-18446744073709551615-4294967295"] {
            assert_eq!(text.parse::<Receipt>().expect("a receipt").to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_no_receipts() {
        for text in ["", "0", "0-1", "0-1-", "0-1-2-3", "-1-1-1", "00-1-1", "0-+1-1", "1000-1-1", " 0-1-1", "a-b-c"] {
            assert_eq!(text.parse::<Receipt>(), Err(InvalidReceipt), "{text}");
        }
    }
}
