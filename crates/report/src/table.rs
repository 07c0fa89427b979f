//! The CSV: one row a file that is not proven or was skipped, with reason and next step, as it is met.
//!
//! For a spreadsheet: a byte order mark first, and a cell that would compute begins with an apostrophe, as in
//! `log export --spreadsheet`. Lines end in CR LF. Names are kept as they are, line ends within quotes.

use std::io::{self, Write};

use crate::language::Language;
use crate::report::Row;

const HEADER: [&str; 11] = [
    "source",
    "path",
    "size_bytes",
    "state",
    "reason",
    "why",
    "next_step",
    "detail",
    "attempts",
    "not_before",
    "changed_at",
];

/// Rows for a spreadsheet under way. The header is written with the first row, or at the end where there is none.
pub(crate) struct Sheet<'a, const COLUMNS: usize> {
    out: &'a mut (dyn Write + Send),
    header: [&'static str; COLUMNS],
    line: String,
    begun: bool,
    rows: u64,
}

impl<'a, const COLUMNS: usize> Sheet<'a, COLUMNS> {
    pub(crate) fn new(out: &'a mut (dyn Write + Send), header: [&'static str; COLUMNS]) -> Self {
        Self { out, header, line: String::new(), begun: false, rows: 0 }
    }

    /// Rows written, the header aside.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn row(&mut self, cells: &[&str; COLUMNS]) -> io::Result<()> {
        self.begin()?;
        self.rows += 1;
        self.write(cells)
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.begin()?;
        self.out.flush()
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        self.out.write_all("\u{feff}".as_bytes())?;
        self.write(&self.header.clone())
    }

    fn write(&mut self, cells: &[&str; COLUMNS]) -> io::Result<()> {
        self.line.clear();
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.line.push(',');
            }
            put(&mut self.line, cell);
        }
        self.line.push_str("\r\n");
        self.out.write_all(self.line.as_bytes())
    }
}

/// The table of files that are not proven or were skipped.
pub struct Table<'a> {
    sheet: Sheet<'a, { HEADER.len() }>,
    language: Language<'a>,
}

impl std::fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} rows)", self.rows())
    }
}

impl<'a> Table<'a> {
    /// A table that goes to a writer; it should be buffered.
    pub fn new(out: &'a mut (dyn Write + Send), language: Language<'a>) -> Self {
        Self { sheet: Sheet::new(out, HEADER), language }
    }

    /// Rows written, the header aside.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.sheet.rows()
    }

    pub(crate) fn row(&mut self, row: &Row) -> io::Result<()> {
        let reason = row.reason.as_deref();
        let whole = |at: jiff::Timestamp| format!("{at:.0}");
        let cells = [
            row.source.clone(),
            row.path.clone(),
            row.bytes.to_string(),
            row.standing.clone(),
            reason.unwrap_or_default().to_owned(),
            self.language.why(&row.standing, reason),
            self.language.next(&row.standing, reason),
            row.detail.clone(),
            row.attempts.to_string(),
            row.not_before.map(whole).unwrap_or_default(),
            whole(row.since),
        ];
        self.sheet.row(&cells.each_ref().map(String::as_str))
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.sheet.finish()
    }
}

fn put(line: &mut String, cell: &str) {
    let armed = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let quoted = cell.contains(['"', ',', '\r', '\n']);
    if quoted {
        line.push('"');
    }
    if armed {
        line.push('\'');
    }
    if quoted {
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_would_compute_or_break_out_does_neither() {
        for (cell, line) in [
            ("=1+1", "'=1+1"),
            ("+81", "'+81"),
            ("-1.jpg", "'-1.jpg"),
            ("@花子", "'@花子"),
            ("\tx", "'\tx"),
            ("名,前", "\"名,前\""),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("一行\n二行", "\"一行\n二行\""),
            ("𠮷野家.wav", "𠮷野家.wav"),
        ] {
            let mut out = String::new();
            put(&mut out, cell);
            assert_eq!(out, line);
        }
    }
}
