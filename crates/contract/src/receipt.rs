//! Receipts of acknowledged events.

use std::fmt;
use std::str::FromStr;

use crate::subjects::Partition;

/// Position of an event in the log: `<partition>-<stream sequence>-<line in the envelope>`, `0-4711-0`. Receipts of a
/// partition are ordered like its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// Partition of the event.
    pub partition: Partition,
    /// Sequence of the envelope in the partition's stream, from 1.
    pub sequence: u64,
    /// Line of the event in the envelope, from 0.
    pub line: u32,
}

/// Error about a text that is no receipt.
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
