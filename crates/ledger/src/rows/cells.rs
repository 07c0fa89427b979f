//! Reads the columns of one row in their order.

use jiff::Timestamp;
use landfall_core::StoreError;
use landfall_core::words::ByteSize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::error::{corrupt, failed};

/// A row and the next column to be read of it.
pub(crate) struct Cells<'r> {
    row: &'r AnyRow,
    next: usize,
}

impl<'r> Cells<'r> {
    pub(crate) fn of(row: &'r AnyRow) -> Self {
        Self { row, next: 0 }
    }

    fn column(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// A number that is always there.
    pub(crate) fn number(&mut self) -> Result<i64, StoreError> {
        let column = self.column();
        self.row.try_get(column).map_err(failed("read"))
    }

    /// A number that may be missing.
    pub(crate) fn maybe(&mut self) -> Result<Option<i64>, StoreError> {
        let column = self.column();
        self.row.try_get(column).map_err(failed("read"))
    }

    /// A text that may be missing.
    pub(crate) fn text(&mut self) -> Result<Option<String>, StoreError> {
        let column = self.column();
        self.row.try_get(column).map_err(failed("read"))
    }

    /// Bytes that may be missing.
    pub(crate) fn bytes(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let column = self.column();
        self.row.try_get(column).map_err(failed("read"))
    }

    /// A number of bytes (or of things) that may be missing.
    pub(crate) fn size(&mut self) -> Result<Option<ByteSize>, StoreError> {
        let size = self.maybe()?.map(u64::try_from).transpose();
        size.map(|s| s.map(ByteSize)).map_err(|error| corrupt("a size is negative").with_source(error))
    }

    /// A moment that may be missing.
    pub(crate) fn moment(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let moment = self.maybe()?.map(Timestamp::from_microsecond).transpose();
        moment.map_err(|error| corrupt("a moment is out of range").with_source(error))
    }
}
