//! The guards, and what the source looks like without them.

/// A guard of exactly-once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    /// What the table calls it.
    pub(super) name: &'static str,
    /// The file that it is in.
    pub(super) file: &'static str,
    /// What stands there, once.
    pub(super) with: &'static str,
    /// What stands there instead, without it.
    pub(super) without: &'static str,
    /// What has to notice.
    pub(super) noticed: Noticed,
}

/// What has to notice that a guard is missing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Noticed {
    /// The chaos run, in what it counts.
    Chaos,
    /// A test: what the guard prevents needs more of a coincidence than chance offers in minutes.
    Test { package: &'static str, name: &'static str },
}

pub(super) const GUARDS: [Guard; 25] = [
    Guard {
        name: "answer after PubAck",
        file: "ingest/src/publish/group_commit.rs",
        with: "let outcome = self.store(&envelope).await;",
        without: "let stored = tokio::time::timeout(Duration::from_millis(50), self.store(&envelope)).await;
            let outcome = stored.unwrap_or(Ok(0));",
        noticed: Noticed::Chaos,
    },
    Guard {
        name: "envelope id",
        file: "ingest/src/publish/group_commit.rs",
        with: ".message_id(&envelope.id)",
        without: ".message_id(nuid::next().to_string())",
        noticed: Noticed::Chaos,
    },
    Guard {
        name: "event-id window",
        file: "crates/fold/src/dedup.rs",
        with: "        known.is_some()\n",
        without: "        known.is_some() && false\n",
        noticed: Noticed::Chaos,
    },
    Guard {
        name: "sequence check",
        file: "crates/event_log/src/reader.rs",
        with: "held.take_if(|held| held.sequence == self.expected)",
        without: "held.take_if(|_| true)",
        noticed: Noticed::Chaos,
    },
    Guard {
        name: "one transaction",
        file: "projector/src/read_models/commit.rs",
        with: "    let capped = writer.add(&mut tx, mode, &batch.deltas).await?;\n",
        without: "    tx.commit().await?;
    let mut tx = db.begin().await?;
    let capped = writer.add(&mut tx, mode, &batch.deltas).await?;\n",
        noticed: Noticed::Chaos,
    },
    Guard {
        name: "compare-and-set",
        file: CHECKPOINT,
        with: ADVANCE,
        without: "    let stored: (i64, i64) = sqlx::query_as(
        \"select stream_sequence, epoch from checkpoint where generation_id = $1 and partition_id = $2 for update\",
    )
    .bind(slice.generation.0)
    .bind(slice.partition_id())
    .fetch_one(&mut *db)
    .await?;
    let from = Checkpoint { sequence: u64::try_from(stored.0).expect(\"a sequence\"), epoch: stored.1, ..from };
    let advanced = sqlx::query!(\n",
        noticed: Noticed::Chaos,
    },
    Guard {
        name: "compare-and-set: sequence",
        file: CHECKPOINT,
        with: ADVANCE,
        without: "    let stored: i64 = sqlx::query_scalar(
        \"select stream_sequence from checkpoint where generation_id = $1 and partition_id = $2 for update\",
    )
    .bind(slice.generation.0)
    .bind(slice.partition_id())
    .fetch_one(&mut *db)
    .await?;
    let from = Checkpoint { sequence: u64::try_from(stored).expect(\"a sequence\"), ..from };
    let advanced = sqlx::query!(\n",
        noticed: Noticed::Test { package: "projector", name: "commit::a_commit_from_another_sequence_changes_nothing" },
    },
    Guard {
        name: "compare-and-set: epoch",
        file: CHECKPOINT,
        with: ADVANCE,
        without: "    let stored: i64 = sqlx::query_scalar(
        \"select epoch from checkpoint where generation_id = $1 and partition_id = $2 for update\",
    )
    .bind(slice.generation.0)
    .bind(slice.partition_id())
    .fetch_one(&mut *db)
    .await?;
    let from = Checkpoint { epoch: stored, ..from };
    let advanced = sqlx::query!(\n",
        noticed: Noticed::Test {
            package: "projector",
            name: "commit::a_commit_under_an_epoch_that_has_ended_changes_nothing",
        },
    },
    Guard {
        name: "what Postgres refuses is parked",
        file: "projector/src/worker/partition.rs",
        with: "if self.isolation.is_found(from.sequence) {",
        without: "if self.isolation.is_found(u64::MAX - 1) {",
        noticed: Noticed::Test {
            package: "e2e",
            name: "refused_rows::an_event_that_postgres_refuses_is_parked_and_all_others_count",
        },
    },
    Guard {
        name: "decisions are about one stream",
        file: "projector/src/worker/acknowledged.rs",
        with: "        gap.last = gap.last.min(to);\n",
        without: "        gap.last = gap.last.min(to.max(gap.last));\n",
        noticed: Noticed::Test {
            package: "e2e",
            name: "decisions::a_gap_is_not_passed_in_what_a_restored_stream_has_grown_since",
        },
    },
    Guard {
        name: "archive compared with the log",
        file: "projector/src/admin/archive/trim.rs",
        with: "        check_line(lines.next().transpose()?.as_ref(), &logged)?;\n",
        without: "        drop(lines.next().transpose()?);\n",
        noticed: Noticed::Test {
            package: "e2e",
            name: "absence::an_archive_that_lacks_an_envelope_of_the_log_is_not_trimmed_by",
        },
    },
    Guard {
        name: "age of what is trimmed",
        file: "projector/src/admin/archive/trim.rs",
        with: "if logged.logged_at > settled_until {",
        without: "if logged.logged_at > settled_until && false {",
        noticed: Noticed::Test {
            package: "e2e",
            name: "lost_ack::an_envelope_that_ingest_may_send_again_is_not_trimmed_away",
        },
    },
    Guard {
        name: "storable headers",
        file: "crates/event_log/src/headers.rs",
        with: "if char.is_control() {",
        without: "if char.is_control() && false {",
        noticed: Noticed::Test {
            package: "e2e",
            name: "headers::whatever_headers_an_envelope_has_its_partition_goes_on",
        },
    },
    Guard {
        name: "log asked every few seconds",
        file: "ingest/src/log/watch.rs",
        with: "() = sleep_until(begun + rest) => Ok(Cause::Interval),",
        without: "() = sleep_until(begun + rest), if rest < CHECK_INTERVAL => Ok(Cause::Interval),",
        noticed: Noticed::Test {
            package: "e2e",
            name: "promises::a_stream_that_is_edited_under_load_gets_nothing_more_until_it_is_right_again",
        },
    },
    Guard {
        name: "peers asked",
        file: "ingest/src/log/sync_check.rs",
        with: "            self.vouch_for(stream, &peer.name, peer.active)?;\n",
        without: "",
        noticed: Noticed::Test {
            package: "e2e",
            name: "cluster::a_server_with_a_copy_that_nobody_can_ask_is_not_trusted",
        },
    },
    Guard {
        name: "clocks compared",
        file: "ingest/src/log/clocks.rs",
        with: "(self.lead().abs() > DIFFERENCE_MAX).then(",
        without: "(self.lead().abs() > TimeDelta::MAX).then(",
        noticed: Noticed::Test { package: "e2e", name: "clocks::nothing_is_given_to_a_log_whose_clock_is_wrong" },
    },
    Guard {
        name: "envelopes fit the log",
        file: "ingest/src/log/message_size.rs",
        with: "(message_bytes_max.max(MESSAGE_BYTES_MIN) - HEADERS_BYTES_MAX).min(ENVELOPE_BYTES_MAX)",
        without: "message_bytes_max.max(ENVELOPE_BYTES_MAX).min(ENVELOPE_BYTES_MAX)",
        noticed: Noticed::Test { package: "e2e", name: "promises::envelopes_are_made_to_fit_a_smaller_max_payload" },
    },
    Guard {
        name: "parts of a request together",
        file: "ingest/src/publish/pending.rs",
        with: "self.decide(Self::FORGOTTEN) == Self::FORGOTTEN",
        without: "true",
        noticed: Noticed::Test {
            package: "e2e",
            name: "hung_up::a_request_whose_client_hangs_up_before_the_pub_ack_is_stored_as_a_whole",
        },
    },
    Guard {
        name: "places per client",
        file: "crates/service/src/http/places.rs",
        with: "if count > self.0.per_client_max.saturating_sub(of_client) {",
        without: "if count > self.0.per_client_max.saturating_sub(of_client) && false {",
        noticed: Noticed::Test { package: "query", name: "fairness::one_address_leaves_places_to_watch" },
    },
    Guard {
        name: "connections per client",
        file: "query/src/db/pool.rs",
        with: "Semaphore::new(self.per_client_max)",
        without: "Semaphore::new(Semaphore::MAX_PERMITS)",
        noticed: Noticed::Test {
            package: "query",
            name: "fairness::slow_reports_of_one_address_leave_connections_to_others",
        },
    },
    Guard {
        name: "log time with every envelope",
        file: "crates/fold/src/fold.rs",
        with: "            recent.pass(message.logged_at, message.sent_at, &mut deltas.seen);\n",
        without: "",
        noticed: Noticed::Test { package: "projector", name: "repeats::envelopes_without_ids_move_log_time" },
    },
    Guard {
        name: "bound of jumps",
        file: "crates/fold/src/dedup/log_clock.rs",
        with: "if self.now_ms == 0 || ahead <= step_max {",
        without: "if self.now_ms == 0 || ahead <= u64::MAX - step_max {",
        noticed: Noticed::Test {
            package: "projector",
            name: "repeats::one_envelope_of_a_wrong_clock_makes_nothing_forgotten",
        },
    },
    Guard {
        name: "bound of ids",
        file: "crates/fold/src/dedup.rs",
        with: "            if self.notes > self.notes_max {\n",
        without: "            if self.notes > u64::MAX - self.notes_max {\n",
        noticed: Noticed::Test { package: "projector", name: "repeats::no_flood_of_ids_takes_more_than_the_bound" },
    },
    Guard {
        name: "cap of types",
        file: "projector/src/read_models/write/caps.rs",
        with: "(self.types.len() as u64) < cap",
        without: "(self.types.len() as u64) < u64::MAX",
        noticed: CAPS,
    },
    Guard {
        name: "cap of paths and hosts",
        file: "projector/src/read_models/write/caps/stored.rs",
        with: "if bound.names < cap {",
        without: "if bound.names < u64::MAX {",
        noticed: CAPS,
    },
];

/// What notices that names are not bounded.
const CAPS: Noticed =
    Noticed::Test { package: "projector", name: "cardinality::the_first_names_of_the_log_have_rows_however_it_is_cut" };

const CHECKPOINT: &str = "projector/src/read_models/checkpoint.rs";

/// Where the checkpoint is moved.
const ADVANCE: &str = "    let advanced = sqlx::query!(\n";

#[cfg(test)]
mod tests {
    use std::fs;

    use launcher::workspace::Workspace;

    use super::*;

    #[test]
    fn every_guard_is_where_it_is_looked_for() {
        let workspace = Workspace::find().expect("the project");
        for guard in GUARDS {
            let source = fs::read_to_string(workspace.root().join(guard.file)).expect("a file of the project");
            assert_eq!(source.matches(guard.with).count(), 1, "{} in {}", guard.name, guard.file);
        }
    }
}
