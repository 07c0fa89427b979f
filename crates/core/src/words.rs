//! The vocabulary: ids, paths, sizes and times, each its own type.
//!
//! A bare `String` or `u64` never stands for a path, an id or a size. Constructors validate and the
//! inside is private where a rule holds; ids handed out by a ledger are plain numbers.

mod fold;
mod path;
mod quoted;

pub use fold::{fold, fold_hash};
pub use path::{PathError, RelPath};
pub use quoted::Quoted;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// One job in one ledger.
    JobId
}
number_id! {
    /// One source of a job: one drive or one local folder.
    SourceId
}
number_id! {
    /// One file of one job; ascends in the order of enrolment, so it serves as a scan key.
    FileId
}
number_id! {
    /// One folder of one job's source.
    FolderId
}
number_id! {
    /// One run of a command over a job.
    RunId
}
number_id! {
    /// The fence of a lease: every write of a holder whose epoch is no longer current is refused.
    Epoch
}
number_id! {
    /// One destination tree (a drive, a repository, a folder) whose listing the ledger keeps.
    TreeId
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl std::fmt::Display for ByteSize {
    /// Prints with binary units: `512 B`, `1.5 MiB`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut whole = self.0;
        let mut tenths = 0;
        let mut unit = "B";
        for name in UNITS {
            if whole < 1024 {
                break;
            }
            tenths = (whole % 1024) * 10 / 1024;
            whole /= 1024;
            unit = name;
        }
        write!(f, "{whole}.{tenths} {unit}")
    }
}

/// Times that the user sees on a file or folder, in whole seconds as the services keep them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When it was made, as the client that made it said.
    pub created: Option<Timestamp>,
    /// When its content last changed, as the client that changed it said.
    pub modified: Option<Timestamp>,
}

impl Times {
    /// Drops what the services do not keep: anything below a second.
    #[must_use]
    pub fn whole_seconds(self) -> Self {
        let cut = |t: Timestamp| Timestamp::from_second(t.as_second()).unwrap_or(t);
        Self { created: self.created.map(cut), modified: self.modified.map(cut) }
    }
}

/// What a source calls one item, unchanged by renames: for Graph the drive and the item id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemKey(pub String);

impl ItemKey {
    /// Borrows the key as the store wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ItemKey {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl std::fmt::Display for ItemKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a listing can be taken up again; opaque to everyone but the store that made it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

impl std::fmt::Debug for Cursor {
    /// A cursor may be a whole URL, so it is not printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

/// A mark that changes whenever the item changes (an eTag, a modification stamp).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_with_their_unit() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3.0 TiB")]
        {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }
}
