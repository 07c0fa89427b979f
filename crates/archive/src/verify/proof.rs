//! The full proof of an older object: its nonce is read, the local file sealed again with it, and both compared.
//!
//! Owns what was known before, so that nothing is shown twice. What is to be done about contents that differ is
//! [`super::doubt`]'s.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::ledger::LookFilter;
use landfall_core::seal::Seal;
use landfall_core::state::Reason;
use landfall_core::words::ItemKey;
use landfall_core::{Digest, ErrorKind, StoreError};
use landfall_stores::catalogue::{LocalFile, Post, keys_of};

use super::{Judged, VerifyOptions};
use crate::Archive;
use crate::claim::{Claim, Name, Place, name_of};
use crate::finding::Finding;
use crate::look::Looker;
use crate::report::Detail;

/// Looks read from the ledger at a time.
const LOOKS: usize = 1000;

/// What the ledger knows of one claim from before.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    /// SHA-256 of what we sent there ourselves and proved, hex.
    sent: Option<String>,
    /// SHA-256 of the plain file that this was sealed from, hex.
    pub(super) plain: Option<String>,
    /// SHA-256 of what lay there when a verify showed it to be the file's bytes, hex.
    looked: Option<String>,
    /// The last look at it could not show that it holds the file's bytes.
    pub(super) doubted: bool,
    /// When its bytes were last read back and right, with the SHA-256 that was published then, hex.
    pub(super) read: Option<(Timestamp, Option<String>)>,
    /// The SHA-256 that was published of it when reading it showed other bytes, hex, and what was said of it.
    pub(super) misread: Option<(String, String)>,
}

impl Before {
    /// True where anything was shown to belong there.
    fn is_shown(&self) -> bool {
        self.sent.is_some() || self.looked.is_some()
    }

    /// What was shown to belong there: the present object where that was shown of it, else what we sent.
    pub(super) fn shown(&self, published: Option<&str>) -> Option<String> {
        let now =
            [&self.looked, &self.sent].into_iter().flatten().find(|sha| published == Some(sha.as_str()));
        now.or(self.sent.as_ref()).or(self.looked.as_ref()).cloned()
    }
}

/// What comparing an object with the local file came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// It holds the file's bytes.
    Holds,
    /// It holds others; with the SHA-256 of the local file, hex.
    Differs(Option<String>),
    /// It is no sealed object at all.
    Unsealed,
    /// There is nothing to compare it with.
    NoLocal(Reason),
    /// It could not be compared now.
    Unknown,
}

impl Archive {
    /// Recorded objects of which nothing shows yet that they hold their files' bytes: at most so many reads of a
    /// few bytes does a verify by hash cost. Asks nobody but the database and the ledger.
    ///
    /// # Errors
    /// The ledger's own, and the catalogue's.
    pub async fn unproven(&self) -> Result<u64, StoreError> {
        let options = VerifyOptions::default();
        let mut walk = self.walk(None);
        let mut unproven = 0;
        while let Some(posts) = walk.next(LOOKS).await? {
            let mut batch: Vec<(Claim, Post)> = Vec::new();
            for post in posts {
                batch.extend(self.claims(&post, &options).into_iter().map(|claim| (claim, post.clone())));
            }
            let known = self.known_before(&batch).await?;
            for (claim, _) in &batch {
                let Some(place) = &claim.place else { continue };
                let readable = matches!(name_of(place, self.seal.as_deref()), Name::Sealed(_) | Name::Enc(_));
                let shown = known.get(&claim.subject()).is_some_and(Before::is_shown);
                unproven += u64::from(readable && !shown);
            }
        }
        Ok(unproven)
    }

    /// What is known of claims: by the ledger's rows of what we sent ourselves, and by earlier looks.
    pub(super) async fn known_before(
        &self,
        batch: &[(Claim, Post)],
    ) -> Result<BTreeMap<String, Before>, StoreError> {
        let mut known: BTreeMap<String, Before> = BTreeMap::new();
        let Some(slot) = self.job.slots.first() else { return Ok(known) };
        let mut keys: BTreeMap<ItemKey, Vec<(String, ItemKey)>> = BTreeMap::new();
        for (claim, _) in batch {
            let Some(place) = &claim.place else { continue };
            if let Name::Sealed(plain) = name_of(place, self.seal.as_deref()) {
                for key in keys_of(&claim.post, &plain) {
                    let item = ItemKey(format!("{}:{}", place.repo, place.path));
                    keys.entry(key).or_default().push((claim.subject(), item));
                }
            }
        }
        let wanted: Vec<ItemKey> = keys.keys().cloned().collect();
        for row in self.engine.ledger.files_by_key(self.job.handle.id, slot.id, &wanted).await? {
            let (Some(held), Some(sha), true) = (&row.holding, &row.ours.sha256, row.proven.is_some()) else {
                continue;
            };
            let claims = keys.remove(&row.entry.key).unwrap_or_default();
            for (subject, _) in claims.into_iter().filter(|(_, item)| *item == held.item) {
                let before = known.entry(subject).or_default();
                before.sent = Some(sha.hex());
                let plain = row.sealed.as_ref().and_then(|sealed| sealed.plain.digests.sha256.as_ref());
                before.plain = plain.map(Digest::hex);
            }
        }
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(known) };
        let (mut after, end) = (first.0.post.to_string(), format!("{}~", last.0.post));
        loop {
            let looks =
                self.engine.ledger.looks(self.job.handle.id, &LookFilter::default(), &after, LOOKS).await?;
            let Some(last) = looks.last() else { return Ok(known) };
            after.clone_from(&last.subject);
            for look in &looks {
                let finding = look.finding.as_deref().and_then(Finding::parse);
                let doubted = matches!(finding, Some(Finding::Changed | Finding::Unproven));
                let detail = Detail::of(look);
                if !doubted && detail.shown.is_none() && detail.read.is_none() {
                    continue;
                }
                let before = known.entry(look.subject.clone()).or_default();
                (before.looked, before.doubted) = (detail.shown, doubted);
                before.read = detail.read.map(|at| (at, detail.sha256));
                before.misread = detail.misread.map(|sha256| (sha256, detail.words));
            }
            if after > end || looks.len() < LOOKS {
                return Ok(known);
            }
        }
    }

    /// Compares an object with the local file: its nonce is read and the file sealed again with it. The finding
    /// says what came of it.
    pub(super) async fn compare(
        &self,
        judged: &mut Judged,
        post: &Post,
        looker: &Looker,
    ) -> Result<Compared, StoreError> {
        let (Some(seal), Some(place)) = (&self.seal, &judged.claim.place) else {
            return Ok(Compared::Unknown);
        };
        // What is not what was proven stays so until it is shown to be the file all the same.
        judged.finding = judged.finding.or(Some(Finding::Unproven));
        let plain = match name_of(place, Some(seal.as_ref())) {
            Name::Sealed(plain) | Name::Enc(plain) => plain,
            Name::Plain(_) | Name::Unreadable => {
                judged.detail.words = "its name tells nobody which file it is".to_owned();
                return Ok(Compared::NoLocal(Reason::LocalFileMissing));
            }
        };
        let Some(published) = judged.detail.sha256.clone() else {
            judged.detail.words = "no SHA-256 is published of it".to_owned();
            return Ok(Compared::Unknown);
        };
        let local = match self.only_local(post, &plain).await? {
            Ok(local) => local,
            Err((reason, words)) => {
                judged.detail.words = words.to_owned();
                return Ok(Compared::NoLocal(reason));
            }
        };
        let (finding, words, compared) = match self
            .sealed_as(seal.as_ref(), place, &local, &plain, looker)
            .await
        {
            Ok(Some((_, sha))) if sha.as_ref() == Some(&published) => (None, String::new(), Compared::Holds),
            Ok(Some((plain, _))) => {
                let words = "it does not hold the bytes of the local file".to_owned();
                (Some(Finding::Changed), words, Compared::Differs(plain))
            }
            Ok(None) => (Some(Finding::Changed), "it is not sealed".to_owned(), Compared::Unsealed),
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => return Err(error),
            // One file that cannot be read, here or there, ends nothing.
            Err(error) => (judged.finding, error.chain(), Compared::Unknown),
        };
        (judged.finding, judged.detail.words) = (finding, words);
        if finding.is_none() {
            judged.detail.shown = Some(published);
        }
        Ok(compared)
    }

    /// The one local file that a plain name means and that has bytes; else why there is none, with words.
    async fn only_local(
        &self,
        post: &Post,
        plain: &str,
    ) -> Result<Result<LocalFile, (Reason, &'static str)>, StoreError> {
        let mut files = self.local_files(post, plain).await?;
        let several = files.len() > 1;
        Ok(match files.pop() {
            Some(_) if several => Err((Reason::LocalFileAmbiguous, "more than one local file may be it")),
            Some(file) if file.size.0 == 0 => Err((Reason::LocalFileEmpty, "the local file has no bytes")),
            Some(file) => Ok(file),
            None => Err((Reason::LocalFileMissing, "no local file to compare it with")),
        })
    }

    /// SHA-256 of a local file and of what it gives sealed with the nonce that an object begins with; `None` where
    /// the object has none.
    async fn sealed_as(
        &self,
        seal: &dyn Seal,
        place: &Place,
        local: &LocalFile,
        plain: &str,
        looker: &Looker,
    ) -> Result<Option<(Option<String>, Option<String>)>, StoreError> {
        let header = looker.beginning(place, seal.header().0).await?;
        let Some(nonce) = seal.nonce_of(&header) else { return Ok(None) };
        let body = self.catalogue.read_local(local).await?;
        let (plain, sealed) = self.engine.seal_again(seal, nonce, body, plain).await?;
        let hex = |sha: &Option<Digest>| sha.as_ref().map(Digest::hex);
        Ok(Some((hex(&plain.digests.sha256), hex(&sealed.digests.sha256))))
    }
}
