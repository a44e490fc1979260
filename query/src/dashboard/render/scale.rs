//! The vertical axis of a chart: where it ends, and where its lines are.

/// Lines above zero, at most.
const LINES_MAX: u64 = 4;

/// A scale from 0 to `top`, which is a multiple of `step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dashboard) struct Scale {
    step: u64,
    top: u64,
}

impl Scale {
    /// The lowest scale with room for `largest`, with steps of 1, 2 or 5 times a power of ten.
    pub(in crate::dashboard) fn for_largest(largest: u64) -> Self {
        let mut power: u64 = 1;
        loop {
            for digit in [1, 2, 5] {
                let step = power.saturating_mul(digit);
                if largest.div_ceil(step) <= LINES_MAX {
                    return Self { step, top: largest.div_ceil(step).max(1).saturating_mul(step) };
                }
            }
            power = power.saturating_mul(10);
        }
    }

    /// The numbers at which lines are drawn, upwards, without zero.
    pub(in crate::dashboard) fn lines(self) -> impl Iterator<Item = u64> {
        (1..=self.top / self.step).map(move |line| line * self.step)
    }

    /// The height of a number, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a picture has far fewer than 2^53 lines")]
    pub(in crate::dashboard) fn height(self, number: u64) -> f64 {
        number as f64 / self.top as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_room_for_the_largest_and_few_round_lines() {
        for (largest, lines) in [
            (0, vec![1]),
            (1, vec![1]),
            (4, vec![1, 2, 3, 4]),
            (5, vec![2, 4, 6]),
            (9, vec![5, 10]),
            (1_450, vec![500, 1_000, 1_500]),
            (2_001, vec![1_000, 2_000, 3_000]),
        ] {
            let scale = Scale::for_largest(largest);
            assert_eq!(scale.lines().collect::<Vec<_>>(), lines, "{largest}");
            assert!(scale.height(largest) <= 1.0);
        }
        assert!(Scale::for_largest(u64::MAX).height(u64::MAX) <= 1.0);
    }
}
