//! The length of the deduplication window.

use super::SLOTS;

/// Seconds within which an id is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSeconds(pub(super) u32);

/// A window of another length than one minute to one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the window in which repeats are recognised must be 60 to 86400 seconds")]
pub struct InvalidWindow;

impl WindowSeconds {
    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }

    /// Milliseconds of a slot.
    pub fn slot_ms(self) -> u64 {
        (u64::from(self.0) * 1_000).div_ceil(SLOTS)
    }
}

impl TryFrom<u32> for WindowSeconds {
    type Error = InvalidWindow;

    fn try_from(seconds: u32) -> Result<Self, InvalidWindow> {
        if (60..=86_400).contains(&seconds) { Ok(Self(seconds)) } else { Err(InvalidWindow) }
    }
}
