//! What an archive says beforehand about the end of each damaged post.
//!
//! Owns the lines of `expected.jsonl` and `untouched.jsonl`. Refuses to know how they are drawn and how they are
//! looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of both files.
pub(crate) const VERSION: u32 = 1;

/// One damaged, unsaved or otherwise notable post: one line of `expected.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedPost {
    /// Version of the line: 1.
    pub v: u32,
    /// Table of the row.
    pub table: String,
    /// Id of the row.
    pub id: String,
    /// `username` of the row.
    pub username: String,
    /// `1`, `1b`, `2` to `6`, or `0` for what looks odd and is right.
    pub pattern: String,
    /// What was done to it, in a few words joined by hyphens.
    pub case: String,
    /// How the row ends.
    pub outcome: Outcome,
    /// Why nothing more can be done; any of these words will do. Empty unless something is final.
    pub reasons: Vec<String>,
    /// What `media_urls` must name after the repair, in order; nothing where the column stays.
    pub media_urls: Option<Vec<String>>,
    /// All files of the post, the unharmed ones too.
    pub files: Vec<ExpectedFile>,
    /// Plain files that really lie on the Hub.
    pub leaks: Vec<ExpectedLeak>,
}

/// How a row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every file that is not final has one URL that opens to its bytes.
    Saved,
    /// The row stays as it is, byte for byte, with a reason.
    Final,
    /// Either of these two.
    SavedOrSame,
    /// The row stays as it is and nothing is wrong.
    Healthy,
}

/// One file of such a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedFile {
    /// The plain name.
    pub name: String,
    /// What is wrong: `missing`, `wrong-prefix`, `wrong-repository`, `plain-path`, `leak`, `mispaired`,
    /// `never-backed-up`, `malformed`, `duplicate`; nothing for a healthy file.
    pub wrong: Option<String>,
    /// The cheapest way.
    pub action: Action,
    /// Every URL that may stand in `huggingface_urls` for it; empty where the file is final. The first is the one
    /// that the layout gives in the first repository or where the object already lies.
    pub urls: Vec<String>,
    /// Plain bytes.
    pub size: u64,
    /// SHA-256 of the plain bytes, in hexadecimal digits.
    pub sha256: String,
}

/// The cheapest proven way for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing is to be done.
    None,
    /// Only the database is wrong.
    Database,
    /// The object lies at an odd place: record that, or move it there.
    DatabaseOrMove,
    /// Seal the local file and upload it.
    Local,
    /// Download from the recorded URL, seal and upload.
    Download,
    /// Ask the resolver, download, seal and upload.
    Resolve,
    /// Ask the resolver for the lost `media_urls`; the file itself is there.
    Metadata,
    /// Report and leave as it is.
    Report,
    /// Final: nobody has the bytes any more, or they may not be fetched.
    GiveUp,
}

/// A plain file on the Hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedLeak {
    /// `owner/name`.
    pub repo: String,
    /// In the repository.
    pub path: String,
}

/// One row of the database as it was written, or one local file: one line of `untouched.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Untouched {
    /// A row: every column as `quote()` gives it, and which of them a repair may change.
    Row { v: u32, table: String, id: String, may_change: Vec<String>, columns: BTreeMap<String, String> },
    /// A local file and its SHA-256.
    File { v: u32, path: String, sha256: String },
}
