//! What happens beside the shell: services start and stop, a visitor comes, a server dies.

/// An act, as a comment `<!-- recipes: … -->` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// `ingest stops`.
    StopIngest,
    /// `ingest starts`, or `ingest starts with PARTITIONS=5`, which stays so from then on.
    StartIngest { partitions: Option<u16> },
    /// `an event of site-abc-123 is posted and counted`.
    PostEvent,
    /// `three servers start with cluster.conf`. The shell's `NATS_URL` leads there from then on.
    StartCluster,
    /// `projector and ingest start with the three servers`.
    MoveToCluster,
    /// `each of the three servers is away for one event`: killed before it, started after it.
    KillServers,
}

impl Act {
    /// The act of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ingest stops" => Self::StopIngest,
            "ingest starts" => Self::StartIngest { partitions: None },
            "an event of site-abc-123 is posted and counted" => Self::PostEvent,
            "three servers start with cluster.conf" => Self::StartCluster,
            "projector and ingest start with the three servers" => Self::MoveToCluster,
            "each of the three servers is away for one event" => Self::KillServers,
            _ => {
                let partitions = name.strip_prefix("ingest starts with PARTITIONS=")?;
                Self::StartIngest { partitions: Some(partitions.parse().ok()?) }
            }
        })
    }
}
