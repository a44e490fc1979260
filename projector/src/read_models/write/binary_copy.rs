//! Rows as COPY takes them, in Postgres's binary form.

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::group_key::Group;
use crate::read_models::slice::Slice;

/// Bytes that are sent at once.
const SEND_BYTES: usize = 1 << 20;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1i16).to_be_bytes();

/// Binary dates count from here.
const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a day");

/// Rows of one table, collected and sent.
pub(super) struct CopyRows<'a> {
    db: &'a mut PgConnection,
    statement: String,
    slice: Slice,
    rows: Vec<u8>,
}

impl<'a> CopyRows<'a> {
    /// For a table with its columns, `table (generation_id, partition_id, site_id, event_type[, day], …)`.
    pub(super) fn new(db: &'a mut PgConnection, slice: Slice, table: &str) -> Self {
        Self { db, statement: format!("copy {table} from stdin (format binary)"), slice, rows: HEADER.to_vec() }
    }

    /// Begins a row; so many further columns follow.
    pub(super) fn row(&mut self, group: &Group<'_>, further: i16) -> &mut Self {
        self.rows.extend((4 + i16::from(group.day.is_some()) + further).to_be_bytes());
        let (generation, partition) = (self.slice.generation.0, self.slice.partition_id());
        self.field(&generation.to_be_bytes()).field(&partition.to_be_bytes());
        self.text(group.site_id).text(group.event_type);
        if let Some(day) = group.day { self.day(day) } else { self }
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    pub(super) fn text_or_null(&mut self, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            return self.text(text);
        }
        self.rows.extend((-1i32).to_be_bytes());
        self
    }

    fn day(&mut self, day: NaiveDate) -> &mut Self {
        let days = i32::try_from((day - EPOCH).num_days()).expect("a date has fewer days");
        self.field(&days.to_be_bytes())
    }

    pub(super) fn bigint(&mut self, number: i64) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.field(bytes)
    }

    /// Writes all rows so far, if they are many.
    pub(super) async fn send_if_full(&mut self) -> sqlx::Result<()> {
        if self.rows.len() >= SEND_BYTES { self.send().await } else { Ok(()) }
    }

    /// Writes all rows so far.
    pub(super) async fn send(&mut self) -> sqlx::Result<()> {
        if self.rows.len() == HEADER.len() {
            return Ok(());
        }
        self.rows.extend(TRAILER);
        let mut copy = self.db.copy_in_raw(&self.statement).await?;
        copy.send(self.rows.as_slice()).await?;
        copy.finish().await?;
        self.rows.truncate(HEADER.len());
        Ok(())
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.rows.extend(i32::try_from(bytes.len()).expect("a field is bounded").to_be_bytes());
        self.rows.extend(bytes);
        self
    }
}
