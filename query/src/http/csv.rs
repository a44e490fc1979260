//! Rows and columns as CSV (RFC 4180) that is safe to open in spreadsheets.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use csv::{Terminator, Writer, WriterBuilder};
use futures_util::stream;

/// Rows that are written at once, a quarter of a megabyte with the longest paths: the text of a list is never in memory as a
/// whole.
const BLOCK_ROWS: usize = 128;

/// Characters at the beginning of a text that a spreadsheet would take for a formula and run.
const FORMULA_BEGINNINGS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A list as rows and columns.
pub(crate) struct Table {
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Box<dyn Iterator<Item = Vec<Cell>> + Send>,
}

/// A cell of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    Number(u64),
    /// `None` is an empty cell.
    Day(Option<NaiveDate>),
}

impl Table {
    /// The names of the columns, and then the rows, some at a time.
    fn blocks(self) -> impl Iterator<Item = Bytes> + Send {
        let Self { columns, mut rows } = self;
        let names = block([columns]);
        let blocks = std::iter::from_fn(move || {
            let rows: Vec<_> = rows.by_ref().take(BLOCK_ROWS).collect();
            (!rows.is_empty()).then(|| block(rows.iter().map(|row| row.iter().map(|cell| cell.text().into_owned()))))
        });
        std::iter::once(names).chain(blocks)
    }
}

impl IntoResponse for Table {
    fn into_response(self) -> Response {
        let body = Body::from_stream(stream::iter(self.blocks().map(Ok::<_, Infallible>)));
        ([(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")], body).into_response()
    }
}

impl Cell {
    fn text(&self) -> Cow<'_, str> {
        match self {
            // The apostrophe is how spreadsheets themselves mark a text.
            Self::Text(text) if text.starts_with(FORMULA_BEGINNINGS) => format!("'{text}").into(),
            Self::Text(text) => text.into(),
            Self::Number(number) => number.to_string().into(),
            Self::Day(day) => day.map(|day| day.to_string()).unwrap_or_default().into(),
        }
    }
}

fn block<R>(rows: impl IntoIterator<Item = R>) -> Bytes
where
    R: IntoIterator,
    R::Item: AsRef<[u8]>,
{
    let mut writer: Writer<Vec<u8>> = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("all rows are as long as the first, and memory takes what is written");
    }
    writer.into_inner().expect("memory takes what is written").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(rows: Vec<Vec<Cell>>) -> String {
        let table = Table { columns: vec!["path", "views", "day"], rows: Box::new(rows.into_iter()) };
        let blocks: Vec<_> = table.blocks().collect();
        String::from_utf8(blocks.concat()).expect("text")
    }

    fn row(text: &str, number: u64) -> Vec<Cell> {
        vec![Cell::Text(text.to_owned()), Cell::Number(number), Cell::Day("2025-11-12".parse().ok())]
    }

    #[test]
    fn lines_end_as_the_standard_says_and_what_is_special_is_quoted() {
        assert_eq!(written(vec![]), "path,views,day\r\n");
        let rows = vec![
            row("/a", 1),
            row("/a,b", 2),
            row("/\"c\"\r\n", 3),
            vec![Cell::Text("/é".to_owned()), Cell::Number(u64::MAX), Cell::Day(None)],
        ];
        assert_eq!(
            written(rows),
            "path,views,day\r\n/a,1,2025-11-12\r\n\"/a,b\",2,2025-11-12\r\n\"/\"\"c\"\"\r\n\",3,2025-11-12\r\n\
             /é,18446744073709551615,\r\n"
        );
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"] {
            let written = written(vec![row(text, 1)]);
            let cell = written.split("\r\n").nth(1).expect("a row").trim_start_matches('"');
            assert!(cell.starts_with('\''), "{cell}");
        }
        assert!(written(vec![row("/=1", 1)]).contains("\r\n/=1,1,"));
    }

    #[test]
    fn a_long_list_is_written_in_blocks() {
        let rows: Vec<_> = (0..=3 * BLOCK_ROWS as u64).map(|number| row("/", number)).collect();
        let count = rows.len();
        let table = Table { columns: vec!["path", "views", "day"], rows: Box::new(rows.clone().into_iter()) };
        assert_eq!(table.blocks().count(), 1 + 4);
        assert_eq!(written(rows).lines().count(), 1 + count);
    }
}
