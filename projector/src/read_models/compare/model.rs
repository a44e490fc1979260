//! The tables that are compared.

/// A table that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    ViewDaily,
    ViewTotal,
    PathDaily,
    PathTotal,
    UserDaily,
    UserTotal,
    ReferrerDaily,
    ReferrerTotal,
    TopPathsDaily,
    TopPathsTotal,
    Repeats,
    Parked,
}

impl Model {
    pub(super) const ALL: [Self; 12] = [
        Self::ViewDaily,
        Self::ViewTotal,
        Self::PathDaily,
        Self::PathTotal,
        Self::UserDaily,
        Self::UserTotal,
        Self::ReferrerDaily,
        Self::ReferrerTotal,
        Self::TopPathsDaily,
        Self::TopPathsTotal,
        Self::Repeats,
        Self::Parked,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ViewDaily => "view_daily",
            Self::ViewTotal => "view_total",
            Self::PathDaily => "path_daily",
            Self::PathTotal => "path_total",
            Self::UserDaily => "user_daily",
            Self::UserTotal => "user_total",
            Self::ReferrerDaily => "referrer_daily",
            Self::ReferrerTotal => "referrer_total",
            Self::TopPathsDaily => "view_daily.top_paths",
            Self::TopPathsTotal => "view_total.top_paths",
            Self::Repeats => "repeat_total",
            Self::Parked => "parked_event",
        }
    }

    /// The fold that it came with.
    pub(super) fn fold_version(self) -> i32 {
        match self {
            Self::ViewDaily
            | Self::ViewTotal
            | Self::PathDaily
            | Self::PathTotal
            | Self::UserDaily
            | Self::UserTotal
            | Self::Repeats
            | Self::Parked => 2,
            Self::ReferrerDaily | Self::ReferrerTotal => 3,
            Self::TopPathsDaily | Self::TopPathsTotal => 4,
        }
    }

    pub(super) fn has_days(self) -> bool {
        matches!(self, Self::ViewDaily | Self::PathDaily | Self::UserDaily | Self::ReferrerDaily | Self::TopPathsDaily)
    }

    /// Whether its rows are lists, in the place of sketches.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::TopPathsDaily | Self::TopPathsTotal)
    }

    pub(super) fn has_sites(self) -> bool {
        self != Self::Parked
    }
}
