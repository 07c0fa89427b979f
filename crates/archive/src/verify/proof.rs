//! The full proof of an older object: its nonce is read, the local file sealed again with it, and both compared.
//!
//! Owns what was shown before, so that nothing is shown twice.

use std::collections::BTreeMap;

use landfall_core::ledger::LookFilter;
use landfall_core::seal::Seal;
use landfall_core::words::ItemKey;
use landfall_core::{Digest, ErrorKind, StoreError};
use landfall_stores::catalogue::{LocalFile, Post};

use super::Judged;
use crate::Archive;
use crate::claim::{Claim, Name, Place, name_of};
use crate::finding::Finding;
use crate::look::Looker;
use crate::report::Detail;

/// Looks read from the ledger at a time.
const LOOKS: usize = 1000;

impl Archive {
    /// What claims were shown to hold: by the ledger's rows of what we sent ourselves, and by earlier looks.
    pub(super) async fn shown_before(
        &self,
        batch: &[(Claim, Post)],
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let mut shown = BTreeMap::new();
        let Some(slot) = self.job.slots.first() else { return Ok(shown) };
        let mut keys: BTreeMap<ItemKey, (String, String)> = BTreeMap::new();
        for (claim, _) in batch {
            let Some(place) = &claim.place else { continue };
            if let Name::Sealed(plain) = name_of(place, self.seal.as_deref()) {
                let stem = plain.rsplit_once('.').map_or(plain.as_str(), |(stem, _)| stem);
                let item = format!("{}:{}", place.repo, place.path);
                keys.insert(ItemKey(format!("{}/{stem}", claim.post)), (claim.subject(), item));
            }
        }
        let wanted: Vec<ItemKey> = keys.keys().cloned().collect();
        for row in self.engine.ledger.files_by_key(self.job.handle.id, slot.id, &wanted).await? {
            let Some((subject, item)) = keys.remove(&row.entry.key) else { continue };
            let same = row.holding.as_ref().is_some_and(|held| held.item.as_str() == item);
            if let (true, true, Some(sha)) = (same, row.proven.is_some(), &row.ours.sha256) {
                shown.insert(subject, sha.hex());
            }
        }
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(shown) };
        let (mut after, end) = (first.0.post.to_string(), format!("{}~", last.0.post));
        loop {
            let looks =
                self.engine.ledger.looks(self.job.handle.id, &LookFilter::default(), &after, LOOKS).await?;
            let Some(last) = looks.last() else { return Ok(shown) };
            after.clone_from(&last.subject);
            for look in &looks {
                if let Some(sha) = Detail::of(look).shown {
                    shown.entry(look.subject.clone()).or_insert(sha);
                }
            }
            if after > end || looks.len() < LOOKS {
                return Ok(shown);
            }
        }
    }

    /// Shows that an object holds the local file's bytes: its nonce is read and the file sealed again with it.
    pub(super) async fn show(
        &self,
        judged: &mut Judged,
        post: &Post,
        looker: &Looker,
    ) -> Result<(), StoreError> {
        let (Some(seal), Some(place)) = (&self.seal, &judged.claim.place) else { return Ok(()) };
        judged.finding = Some(Finding::Unproven);
        let plain = match name_of(place, Some(seal.as_ref())) {
            Name::Sealed(plain) | Name::Enc(plain) => plain,
            Name::Plain(_) | Name::Unreadable => return Ok(()),
        };
        let Some(published) = judged.detail.sha256.clone() else {
            judged.detail.words = "no SHA-256 is published of it".to_owned();
            return Ok(());
        };
        let Some(local) = self.one_local(post, &plain).await? else {
            judged.detail.words = "no local file to compare it with".to_owned();
            return Ok(());
        };
        match self.sealed_as(seal.as_ref(), place, &local, &plain, looker).await {
            Ok(Some(sha)) if sha == published => {
                judged.detail.shown = Some(sha);
                judged.finding = None;
            }
            Ok(sha) => {
                judged.finding = Some(Finding::Changed);
                judged.detail.words = match sha {
                    Some(_) => "it does not hold the bytes of the local file".to_owned(),
                    None => "it is not sealed".to_owned(),
                };
            }
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => return Err(error),
            // One file that cannot be read, here or there, ends nothing.
            Err(error) => judged.detail.words = error.chain(),
        }
        Ok(())
    }

    /// SHA-256 of a local file sealed with the nonce that an object begins with; `None` where the object has none.
    async fn sealed_as(
        &self,
        seal: &dyn Seal,
        place: &Place,
        local: &LocalFile,
        plain: &str,
        looker: &Looker,
    ) -> Result<Option<String>, StoreError> {
        let header = looker.beginning(place, seal.header().0).await?;
        let Some(nonce) = seal.nonce_of(&header) else { return Ok(None) };
        let body = self.catalogue.read_local(local).await?;
        let (_, sealed) = self.engine.seal_again(seal, nonce, body, plain).await?;
        Ok(sealed.digests.sha256.as_ref().map(Digest::hex))
    }
}
