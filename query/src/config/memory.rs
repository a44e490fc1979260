//! The most memory that the process takes.

use service::access::AnswerLimits;
use service::listener;

use super::Config;

/// Bytes of the process itself, with everything that is not counted.
const PROCESS_BYTES: u64 = 64 << 20;

/// Bytes of a client of `GET /live`, beyond its connection.
const LIVE_CLIENT_BYTES: u64 = 15 << 10;

/// Bytes of a report that is read. The largest page is 1,000 paths of 2 KiB, as rows and as text; others have sketches of the
/// users of some days.
const READ_BYTES: u64 = 16 << 20;

/// Bytes of a report that waits for a connection.
const REPORT_BYTES: u64 = 64 << 10;

/// Bytes of all answers that are not sent yet: 32 of the largest pages of ordinary text.
const ANSWERS_BYTES_MAX: usize = 64 << 20;

/// Bytes of one answer: the largest page, where each byte of its 1,000 paths of 2 KiB is escaped as six.
const ANSWER_BYTES_MAX: usize = 16 << 20;

impl Config {
    /// The memory of answers that are not sent yet. A client has its share of it, and never less than one of the largest.
    pub(super) fn answers(&self) -> AnswerLimits {
        let per_client_bytes_max = self.client_share(ANSWERS_BYTES_MAX).max(ANSWER_BYTES_MAX);
        AnswerLimits { bytes_max: ANSWERS_BYTES_MAX, per_client_bytes_max }
    }

    /// The most memory that the process takes within its limits, with the kernel's part of its connections. `MemoryMax` of its
    /// unit has to be more.
    pub fn memory_bytes_max(&self) -> u64 {
        let tls = self.tls_cert_file.as_ref().map_or(0, |_| listener::tls_memory_bytes_max(self.http_connections_max));
        PROCESS_BYTES
            + listener::memory_bytes_max(self.http_connections_max)
            + tls
            + self.answers().memory_bytes_max()
            + u64::from(self.query_live_clients_max.get()) * LIVE_CLIENT_BYTES
            + u64::from(self.query_connections_max.get()) * READ_BYTES
            + u64::from(self.query_reports_max.get()) * REPORT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use service::cli::UnitLimits;

    #[test]
    fn the_unit_and_the_container_allow_what_the_bounds_come_to() {
        let config = super::super::tests::config(5_000, None);
        let unit = UnitLimits::read(include_str!("../../../deploy/systemd/tidemark-query.service")).expect("limits");
        let needed = config.memory_bytes_max();
        let with_tls =
            super::Config { tls_cert_file: Some(std::path::PathBuf::new()), ..config.clone() }.memory_bytes_max();
        assert!((with_tls..2 * needed).contains(&unit.memory_bytes_max), "{with_tls} of {}", unit.memory_bytes_max);
        assert!(unit.files_max >= u64::from(config.http_connections_max.get()) + 1_000, "{}", unit.files_max);
        let compose = include_str!("../../../compose.yaml");
        let (_, query) = compose.split_once("\n  query:\n").expect("the service");
        let (_, limit) = query.split_once("mem_limit: ").expect("a limit");
        assert!(limit.starts_with(&format!("{}m\n", unit.memory_bytes_max >> 20)), "{}", &limit[..10]);
        let documented = format!("{} MiB, with TLS {} MiB", needed >> 20, with_tls >> 20);
        let documented = documented.replace("1436", "1,436").replace("2076", "2,076");
        let limits = include_str!("../../../docs/limits.md");
        assert!(limits.contains(&documented), "docs/limits.md does not say {documented}");
    }
}
