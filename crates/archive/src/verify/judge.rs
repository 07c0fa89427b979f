//! Judging: what an answer of a repository means for one claim, and what a post's columns say by themselves.
//!
//! Owns the look that is kept of each. What lies elsewhere is [`super::candidates`]' business, whether the bytes
//! are the file's that of [`super::proof`].

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use landfall_core::ledger::{Answer, Looked};
use landfall_core::{Digest, StoreError};
use landfall_stores::catalogue::{Kinds, Post};

use super::proof::Before;
use super::{Depth, Judged, VerifyOptions};
use crate::Archive;
use crate::claim::{Claim, Name, Place, belongs, kind_of, name_of};
use crate::finding::Finding;
use crate::look::{Looker, Seen};
use crate::report::Detail;

/// Objects that a verify by hash proves at a time; the lane decides how many of their requests are under way.
pub const PROOFS_AT_ONCE: usize = 8;

impl Archive {
    /// Findings about a post as a whole.
    pub(super) async fn judge_post(&self, post: &Post) -> Result<Vec<Looked>, StoreError> {
        let mut findings = Vec::new();
        for (column, fault) in post.faults() {
            let finding = if fault.is_unreadable() { Finding::Malformed } else { Finding::Doubled };
            findings.push((column, finding, fault.name().to_owned()));
        }
        if post.lost_its_media() && post.media.unreadable().is_none() {
            findings.push(("media_urls", Finding::LostMedia, String::new()));
        }
        let mut looks = Vec::with_capacity(findings.len());
        for (column, finding, words) in findings {
            let subject = format!("{} {column}", post.key());
            let settled = self.settled(&subject).await?;
            looks.push(Looked {
                subject,
                owner: post.key().to_string(),
                section: post.username.clone(),
                answer: Answer::Present,
                finding: Some(finding.name().to_owned()),
                detail: Detail { words, settled, ..Detail::default() }.text(),
                at: self.engine.clock.now(),
            });
        }
        Ok(looks)
    }

    /// Looks at claims and judges each by itself.
    pub(crate) async fn judge(
        &self,
        batch: Vec<(Claim, Post)>,
        options: &VerifyOptions,
        looker: &mut Looker,
    ) -> Result<Vec<(Judged, Post)>, StoreError> {
        let nowhere = Place::new("", "");
        let places: Vec<Place> = batch.iter().filter_map(|(claim, _)| claim.place.clone()).collect();
        let mut seen = looker.look(&places).await?.into_iter();
        let before = self.known_before(&batch).await?;
        let mut out = Vec::with_capacity(batch.len());
        for (claim, post) in batch {
            let place = claim.place.clone().unwrap_or_else(|| nowhere.clone());
            let seen = match claim.place.is_some() {
                true => seen.next().unwrap_or(Seen::Absent),
                false => Seen::Absent,
            };
            let known = before.get(&claim.subject()).cloned().unwrap_or_default();
            out.push((self.judge_one(claim, &place, seen, &post, &known), known, post));
        }
        // A proof waits for one request most of its time: others go on meanwhile, and the order stays.
        let looker = &*looker;
        let depth = options.depth;
        let proofs =
            out.into_iter().map(|(judged, known, post)| self.prove(judged, known, post, depth, looker));
        stream::iter(proofs).buffered(PROOFS_AT_ONCE).try_collect().await
    }

    /// Shows what an object holds, as deep as is asked.
    async fn prove(
        &self,
        judged: Judged,
        known: Before,
        post: Post,
        depth: Depth,
        looker: &Looker,
    ) -> Result<(Judged, Post), StoreError> {
        let mut judged = judged;
        // What reading showed to be wrong is shown right by reading and by nothing else.
        if judged.detail.misread.is_some() {
            if depth != Depth::Doubts {
                return Ok((judged, post));
            }
            self.engine.go_on("verify")?;
            judged.verdict = self.read_anew(&mut judged).await?;
            if judged.verdict.is_some() {
                return Ok((judged, post));
            }
        }
        let open = match judged.finding {
            None => judged.detail.shown != judged.detail.sha256,
            Some(finding) => finding == Finding::Changed,
        };
        let doubted = known.doubted || judged.finding.is_some();
        let wanted = match depth {
            Depth::Exists | Depth::Bytes => false,
            Depth::Hash => true,
            Depth::Doubts => doubted,
        };
        if judged.answer == Answer::Present && open && wanted {
            self.engine.go_on("verify")?;
            let compared = self.compare(&mut judged, &post, looker).await?;
            if depth == Depth::Doubts {
                judged.verdict = self.weigh(&mut judged, &compared, &known).await?;
            }
        }
        Ok((judged, post))
    }

    fn judge_one(&self, claim: Claim, place: &Place, seen: Seen, post: &Post, known: &Before) -> Judged {
        let kind = match kind_of(&place.path) {
            Some(Kinds::Images) => "images",
            Some(Kinds::Videos) => "videos",
            None => "",
        };
        let mut detail = Detail { url: claim.url.clone(), kind: kind.to_owned(), ..Detail::default() };
        let name = name_of(place, self.seal.as_deref());
        let (answer, finding) = match seen {
            _ if claim.place.is_none() => (Answer::Absent, Some(Finding::ForeignUrl)),
            Seen::Unknown(words) => {
                detail.words = words;
                (Answer::Unknown, None)
            }
            Seen::Absent => match name {
                Name::Plain(_) => (Answer::Absent, Some(Finding::UnsealedPath)),
                _ => (Answer::Absent, Some(Finding::Absent)),
            },
            Seen::Present(thing) => {
                detail.size = Some(thing.evidence.size.0);
                detail.sha256 = thing.evidence.digests.sha256.as_ref().map(Digest::hex);
                detail.shown = known.shown(detail.sha256.as_deref());
                let same = |sha256: &Option<String>| *sha256 == detail.sha256;
                detail.read = known.read.as_ref().filter(|(_, sha256)| same(sha256)).map(|(at, _)| *at);
                let misread = known.misread.clone().filter(|(sha256, _)| same(&Some(sha256.clone())));
                if let Some((sha256, words)) = misread {
                    (detail.misread, detail.words) = (Some(sha256), words);
                }
                let changed = detail.is_changed() || detail.misread.is_some();
                let finding = match &name {
                    Name::Plain(_) => Some(Finding::Leak),
                    Name::Sealed(plain) | Name::Enc(plain) if !belongs(plain, &post.id) => {
                        detail.words = format!("its name is that of {plain}");
                        Some(Finding::Mispaired)
                    }
                    _ if changed => Some(Finding::Changed),
                    _ => None,
                };
                (Answer::Present, finding)
            }
        };
        Judged { claim, answer, finding, found: Vec::new(), detail, sealed: false, verdict: None }
    }

    /// The look that keeps a judged claim, settled where it was settled before.
    pub(crate) async fn look_of(&self, judged: Judged) -> Result<Looked, StoreError> {
        let (subject, settling) = (judged.claim.subject(), judged.settling());
        let mut detail = judged.detail;
        if judged.finding.is_some() {
            detail.settled = self.settled(&settling).await?;
        }
        if let Some(found) = judged.found.first() {
            detail.found = Some(self.shelves.print(found));
        }
        Ok(Looked {
            subject,
            owner: judged.claim.post.to_string(),
            section: judged.claim.username,
            answer: judged.answer,
            finding: judged.finding.map(|finding| finding.name().to_owned()),
            detail: detail.text(),
            at: self.engine.clock.now(),
        })
    }
}
