//! The seams to places that hold files: [`Source`] lists and gives, [`Destination`] takes and shows.
//!
//! The engine asks a store's capabilities and never its kind. A listing is a sequence of pages, each
//! with a cursor that the ledger keeps in the same transaction as the page, so that a killed crawl
//! goes on where it was. Order within a listing is not promised: children may come before parents,
//! one key may come many times (the last one counts), pages may be empty.

mod aside;
mod destination;
mod left;
mod listing;
mod source;
mod walk;

pub use aside::Aside;
pub use destination::{
    Binned, Change, Content, Copy, Destination, DestinationCaps, Found, Holding, KeptTimes, Landed,
    OnConflict, Put, Reread,
};
pub use left::{Aspect, Audience, Bearer, Grant, LeftBehind, LeftPrices, Person, Unasked};
pub use listing::{Authors, Entry, Listed, ListedFolder, Listing, Page};
pub use source::{Gather, Gathered, Opening, Owe, Owed, Source, SourceCaps, Told};
pub use walk::{folder_at, make_folder_at};

/// What one kind of step costs: requests on the wire and units of the service's own price list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fee {
    /// Requests.
    pub requests: u64,
    /// Units (for Graph: resource units).
    pub units: u64,
}

/// A store's price list, by which `plan` says beforehand what a job will cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// One page of a listing (1,000 items).
    pub page: Fee,
    /// One `prepare` of a whole batch (its inner requests included in the units).
    pub prepare: Fee,
    /// Opening one file's bytes.
    pub open: Fee,
    /// Opening one upload.
    pub upload: Fee,
    /// One fragment of an upload.
    pub fragment: Fee,
    /// Uploading one empty file, all told.
    pub empty_file: Fee,
    /// Making one folder and setting its times.
    pub folder: Fee,
    /// One copy by the service.
    pub copy: Fee,
    /// Moving, dating or removing one object.
    pub amend: Fee,
}
