//! What a job's ledger amounts to, for whoever has to hand it over: figures, one HTML page, one table.
//!
//! Owns the counting ([`gather`]: one pass over the files, one over the events, in bounded memory), the
//! [`Report`] as plain data, the page that a lawyer reads first ([`page`]), and the CSV of what is not proven
//! ([`Table`]), and what stays behind at the sources ([`Behind`]). It reads through the seam `Ledger` and refuses to know databases, the network, the clock and
//! the language's texts: `now` and the [`Language`] are handed in. `docs/report.md` says what each figure means.

mod audit;
mod buckets;
mod gather;
mod language;
mod left;
mod page;
mod report;
mod table;

pub use audit::Audit;
pub use gather::{Question, ReportError, gather};
pub use language::Language;
pub use left::{Aged, Behind, BehindTable, Labelled, LetIn, Unknown};
pub use page::page;
pub use report::{
    Activity, Age, Ages, Asked, Figure, Finding, Findings, Freshness, Group, Interval, Kind, LISTED, List,
    Renamed, Report, Row, Run, SizeClass, SourceFigures, Totals, Unreached,
};
pub use table::Table;
