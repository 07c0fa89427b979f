//! What counts as proof, and the only place where one is made.
//!
//! A proof is a comparison of our evidence with the destination's: equal sizes, at least one common
//! digest equal, none unequal. It stands on a second leg, what the source's own digest says of the
//! bytes we read. `parts` (files a service rewrote) comes with the `rewrite` crate.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::{Algo, Digests};
use crate::rewriting::Shown;
use crate::words::ByteSize;

/// What one side says of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Number of bytes.
    pub size: ByteSize,
    /// The digests it publishes or we computed.
    pub digests: Digests,
}

/// How the destination's leg was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofKind {
    /// The destination's own published digest equals ours.
    Hash,
    /// We read the object back and its SHA-256 equals ours.
    Bytes,
    /// Every inner part that the service does not own is identical.
    Parts,
}

impl ProofKind {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Hash, Self::Bytes, Self::Parts];

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Bytes => "bytes",
            Self::Parts => "parts",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// In which sense something was confirmed; three that are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// The service reported no change.
    Unchanged,
    /// The published hash was read again, in a listing that therefore also reported no change.
    Hash,
    /// The bytes were read again.
    Bytes,
}

/// What the source's own evidence says of the bytes that we hold to be the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceLeg {
    /// Size and digest are those that the source publishes.
    Matched,
    /// The source publishes no digest.
    Unpublished,
    /// The source publishes something else, and two reads gave the same bytes.
    Contradicted,
    /// Somebody accepted what a person made of the file at the destination: it is not the source's content.
    Accepted,
}

impl SourceLeg {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Matched, Self::Unpublished, Self::Contradicted, Self::Accepted];

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Unpublished => "unpublished",
            Self::Contradicted => "contradicted",
            Self::Accepted => "accepted",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Judges bytes that were read against what the source published of them.
    ///
    /// `None` where they contradict: the caller reads again before it believes either.
    #[must_use]
    pub fn judge(published: &Evidence, read: &Evidence) -> Option<Self> {
        if published.size != read.size {
            return None;
        }
        match common(&published.digests, &read.digests) {
            Common::Equal(_) => Some(Self::Matched),
            Common::None => Some(Self::Unpublished),
            Common::Unequal(_) => None,
        }
    }
}

/// The evidence that a file has made landfall. Only [`Proof::compare`] and [`Proof::compare_parts`] make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    kind: ProofKind,
    sense: Sense,
    leg: SourceLeg,
    algo: Algo,
    expected: Evidence,
    at: Timestamp,
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal sizes, at least one common digest equal, none unequal.
    Proven(Proof),
    /// Shown to differ; the words say in what.
    Differs(String),
    /// Sizes agree and no digest is common: the bytes have to be read back.
    Undecided,
}

impl Proof {
    /// Compares what we know of the content with what the destination says it holds.
    ///
    /// `kind` says how `theirs` was learnt: from the destination's listing, or by reading back. A
    /// proof by `bytes` needs SHA-256 on both sides where ours is known.
    #[must_use]
    pub fn compare(
        ours: &Evidence,
        theirs: &Evidence,
        leg: SourceLeg,
        kind: ProofKind,
        at: Timestamp,
    ) -> Comparison {
        if ours.size != theirs.size {
            return Comparison::Differs(format!("size {} here, {} there", ours.size.0, theirs.size.0));
        }
        match common(&ours.digests, &theirs.digests) {
            Common::None => Comparison::Undecided,
            Common::Unequal(algo) => Comparison::Differs(format!("{} differs", algo.name())),
            Common::Equal(algo) => {
                let sense = if kind == ProofKind::Hash { Sense::Hash } else { Sense::Bytes };
                Comparison::Proven(Self { kind, sense, leg, algo, expected: theirs.clone(), at })
            }
        }
    }

    /// Compares a file that the service rewrote by what was shown of its parts.
    ///
    /// `ours` is what we know of the original, `published` what the destination says of the content it holds, `read`
    /// the digests of the very bytes that were judged. What is expected from now on is that content.
    #[must_use]
    pub fn compare_parts(
        ours: &Evidence,
        published: &Evidence,
        read: &Evidence,
        shown: &Shown,
        leg: SourceLeg,
        at: Timestamp,
    ) -> Comparison {
        let (is_original, is_there) = (agree(ours, &shown.original), agree(read, &shown.there));
        if is_original == Some(false) {
            return Comparison::Differs("the parts were taken of other bytes than were sent".to_owned());
        }
        // It was changed again between the listing and the reading: the next look judges what stands there then.
        if is_original.is_none() || is_there != Some(true) || agree(published, read) != Some(true) {
            return Comparison::Undecided;
        }
        let (kind, sense, algo) = (ProofKind::Parts, Sense::Bytes, Algo::Sha256);
        Comparison::Proven(Self { kind, sense, leg, algo, expected: read.clone(), at })
    }

    /// Compares what the destination publishes with the content that was shown by parts earlier, and is expected since.
    ///
    /// The proof stays one by parts, with the SHA-256 that was read then; only the published hash was read now.
    #[must_use]
    pub fn compare_expected(
        expected: &Evidence,
        published: &Evidence,
        leg: SourceLeg,
        at: Timestamp,
    ) -> Comparison {
        match Self::compare(expected, published, leg, ProofKind::Parts, at) {
            Comparison::Proven(proof) => {
                Comparison::Proven(Self { sense: Sense::Hash, expected: expected.clone(), ..proof })
            }
            other => other,
        }
    }

    /// In which sense it was made: which of the three dates it renews.
    #[must_use]
    pub fn sense(&self) -> Sense {
        self.sense
    }

    /// How the destination's leg was shown.
    #[must_use]
    pub fn kind(&self) -> ProofKind {
        self.kind
    }

    /// What the source's evidence said.
    #[must_use]
    pub fn leg(&self) -> SourceLeg {
        self.leg
    }

    /// The strongest digest that was equal.
    #[must_use]
    pub fn algo(&self) -> Algo {
        self.algo
    }

    /// What the destination is expected to say from now on.
    #[must_use]
    pub fn expected(&self) -> &Evidence {
        &self.expected
    }

    /// When it was made.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// Whether two statements are about one content; `None` where no digest can tell.
#[must_use]
pub fn agree(one: &Evidence, other: &Evidence) -> Option<bool> {
    if one.size != other.size {
        return Some(false);
    }
    match common(&one.digests, &other.digests) {
        Common::None => None,
        Common::Equal(_) => Some(true),
        Common::Unequal(_) => Some(false),
    }
}

enum Common {
    None,
    Equal(Algo),
    Unequal(Algo),
}

/// Compares all digests that both sides have, strongest first.
fn common(ours: &Digests, theirs: &Digests) -> Common {
    let mut equal = None;
    for algo in [Algo::Sha256, Algo::Sha1, Algo::QuickXor] {
        match (ours.get(algo), theirs.get(algo)) {
            (Some(a), Some(b)) if a == b => equal = equal.or(Some(algo)),
            (Some(_), Some(_)) => return Common::Unequal(algo),
            _ => {}
        }
    }
    equal.map_or(Common::None, Common::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hasher;

    fn evidence(text: &str) -> Evidence {
        let mut hasher = Hasher::new();
        hasher.update(text.as_bytes());
        Evidence { size: ByteSize(text.len() as u64), digests: hasher.digests() }
    }

    fn compare(a: &Evidence, b: &Evidence) -> Comparison {
        Proof::compare(a, b, SourceLeg::Matched, ProofKind::Hash, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn one_unequal_digest_outweighs_an_equal_one() {
        let ours = evidence("録音");
        let mut theirs = ours.clone();
        theirs.digests.sha256 = evidence("録画").digests.sha256;
        assert!(matches!(compare(&ours, &theirs), Comparison::Differs(_)));
    }

    #[test]
    fn no_common_digest_is_no_proof() {
        let ours = evidence("録音");
        let theirs = Evidence { digests: Digests::none(), ..ours.clone() };
        assert_eq!(compare(&ours, &theirs), Comparison::Undecided);
        let shorter = Evidence { size: ByteSize(1), ..theirs };
        assert!(matches!(compare(&ours, &shorter), Comparison::Differs(_)));
    }

    #[test]
    fn a_missing_digest_is_no_difference_and_no_agreement() {
        let one = evidence("録音");
        let silent = Evidence { digests: Digests::none(), ..one.clone() };
        assert_eq!(agree(&one, &one), Some(true));
        assert_eq!(agree(&one, &silent), None);
        assert_eq!(agree(&one, &evidence("録画")), Some(false));
        assert_eq!(agree(&silent, &Evidence { size: ByteSize(1), ..silent.clone() }), Some(false));
    }

    #[test]
    fn parts_prove_only_the_bytes_that_were_judged() {
        let (ours, there) = (evidence("元"), evidence("書き換え"));
        let only = |of: &Evidence| Evidence {
            digests: Digests { sha256: of.digests.sha256.clone(), ..Digests::none() },
            ..of.clone()
        };
        let shown = Shown { original: only(&ours), there: only(&there), changes: vec!["docProps".into()] };
        let published =
            Evidence { digests: Digests { sha256: None, ..there.digests.clone() }, ..there.clone() };
        let judge = |ours: &Evidence, published: &Evidence, read: &Evidence| {
            Proof::compare_parts(ours, published, read, &shown, SourceLeg::Matched, Timestamp::UNIX_EPOCH)
        };
        let Comparison::Proven(proof) = judge(&ours, &published, &there) else { panic!() };
        assert_eq!((proof.kind(), proof.expected()), (ProofKind::Parts, &there));
        assert!(matches!(judge(&evidence("別"), &published, &there), Comparison::Differs(_)));
        assert_eq!(judge(&ours, &evidence("後"), &there), Comparison::Undecided, "changed since");
        assert_eq!(judge(&ours, &published, &evidence("他")), Comparison::Undecided, "not what was judged");
    }

    #[test]
    fn the_source_leg_tells_three_cases_apart() {
        let read = evidence("議事録");
        assert_eq!(SourceLeg::judge(&read, &read), Some(SourceLeg::Matched));
        let silent = Evidence { digests: Digests::none(), ..read.clone() };
        assert_eq!(SourceLeg::judge(&silent, &read), Some(SourceLeg::Unpublished));
        assert_eq!(SourceLeg::judge(&evidence("議事緑"), &read), None);
        assert_eq!(SourceLeg::judge(&evidence("a"), &read), None);
    }
}
