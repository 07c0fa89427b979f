//! The seam to whoever can tell a file that a service rewrote from one that is damaged.
//!
//! The engine knows no format; the judge knows no engine (crate `rewrite`, wired in `stores`). What is kept of an
//! original is a text, so that later rewritings are judged without it (`docs/rewrite.md`).

use async_trait::async_trait;

use crate::error::StoreError;
use crate::proof::Evidence;
use crate::store::Reread;

/// What is kept of an original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The judge's own text, some KiB.
    pub text: String,
    /// Size and SHA-256 of the bytes it was made of.
    pub original: Evidence,
}

/// What was shown: every part that is not the service's is the original's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Size and SHA-256 of the original.
    pub original: Evidence,
    /// Size and SHA-256 of the bytes that were judged.
    pub there: Evidence,
    /// The parts that the service added or changed, named.
    pub changes: Vec<String>,
}

/// Judges rewritten files. A difference is an answer, in words; an error says nothing of the file.
#[async_trait]
pub trait Rewriting: Send + Sync {
    /// Reads an original and says what a later judgement needs of it; `Err` of the inner result where it is no file
    /// of a kind that can be judged, or a hostile one.
    async fn keep(&self, name: &str, original: &dyn Reread) -> Result<Result<Kept, String>, StoreError>;

    /// Judges what stands there now by what was kept.
    async fn compare(
        &self,
        name: &str,
        kept: &str,
        there: &dyn Reread,
    ) -> Result<Result<Shown, String>, StoreError>;
}
