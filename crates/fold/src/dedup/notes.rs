//! Notes of ids: when each was used, as batches store them.

use contract::EventDigest;

use super::DedupState;

/// Bytes of one note, stored: digest and slot, both little-endian. A batch may span more slots than two bytes tell apart.
const STORED_BYTES: usize = 8 + 4;

/// Ids that a batch adds to those remembered.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SeenIds {
    /// The state from which the next batch continues; none where the batch leaves it as it is.
    pub state: Option<DedupState>,
    /// Ids and slots, as [`DedupWindow::remember`](crate::DedupWindow::remember) reads them.
    pub stored: Vec<u8>,
    /// Ids that were forgotten because of the bound.
    pub forgotten: u64,
}

/// Stored ids that no batch has stored. The partition has to be folded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored event ids cannot be read")]
pub struct CorruptIds;

impl SeenIds {
    /// The latest slot that something is stored for.
    pub fn latest_slot(&self) -> Option<u64> {
        read(&self.stored).ok()?.map(|(_, slot)| slot).max()
    }

    pub(super) fn store(&mut self, id: EventDigest, slot: u64) {
        self.stored.extend(id.0.to_le_bytes());
        self.stored.extend(u32::try_from(slot).unwrap_or(u32::MAX).to_le_bytes());
    }
}

/// The notes that a batch stored.
pub(super) fn read(stored: &[u8]) -> Result<impl Iterator<Item = (EventDigest, u64)>, CorruptIds> {
    let (notes, []) = stored.as_chunks::<STORED_BYTES>() else { return Err(CorruptIds) };
    Ok(notes.iter().map(|[id @ .., s0, s1, s2, s3]| {
        let id: [u8; 8] = *id;
        (EventDigest(u64::from_le_bytes(id)), u64::from(u32::from_le_bytes([*s0, *s1, *s2, *s3])))
    }))
}
