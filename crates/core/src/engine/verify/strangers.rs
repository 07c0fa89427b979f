//! What the destination holds in the job's part and no ledger knows: doubles of our files, and foreign things.

use super::Verify;
use super::telling::Sight;
use crate::error::StoreError;
use crate::ledger::FoundRow;
use crate::row::FileRow;
use crate::state::Reason;
use crate::words::{fold, fold_hash};

const BATCH: usize = 500;

/// The name that a copying program made this one from: `name 1.ext`, `name (1).ext`.
fn doubled(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.').map_or((name, ""), |(stem, _)| (stem, &name[stem.len()..]));
    let number = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    let base = match stem.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
        Some((base, digits)) if number(digits) => Some(base),
        _ => stem.rsplit_once(' ').filter(|(_, digits)| number(digits)).map(|(base, _)| base),
    }?;
    (!base.is_empty()).then(|| format!("{base}{extension}"))
}

impl Verify<'_> {
    /// Looks at every file of the job's part that is held for nobody.
    pub(super) async fn look_at_strangers(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            self.engine.go_on("verify")?;
            let rows = self.engine.ledger.strangers(self.job.tree, after.as_ref(), BATCH).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.item.clone());
            for found in rows {
                self.look_at_stranger(found).await?;
            }
        }
    }

    async fn look_at_stranger(&mut self, found: FoundRow) -> Result<(), StoreError> {
        if self.claimed.contains(&found.item) {
            return Ok(());
        }
        let Some(place) = self.path_of(&found).await? else { return Ok(()) };
        // What a killed repair had sent is judged by the repair that goes on.
        if !self.is_ours(&place.path) || self.under_way.contains(&fold_hash(place.path.as_str())) {
            return Ok(());
        }
        if let Some(original) = self.original_of(&found).await? {
            let revision = found.revision.map(|revision| revision.0);
            let sight = Sight::of(format!("once more as {}", place.path)).by(found.changed_by.as_deref());
            let sight = Sight { item: Some(found.item), at: Some(place.path), revision, ..sight };
            return self.find(original, Reason::Doubled, sight).await;
        }
        self.find_stranger(&found, &place.path).await
    }

    /// Our file in the same folder that this one repeats, under the name and with the content.
    async fn original_of(&self, found: &FoundRow) -> Result<Option<FileRow>, StoreError> {
        let Some(name) = doubled(&found.name) else { return Ok(None) };
        let beside =
            self.engine.ledger.found_child(self.job.tree, found.parent.as_ref(), fold_hash(&name)).await?;
        for original in beside.into_iter().filter(|row| !row.folder && fold(&row.name) == fold(&name)) {
            let Some(row) = self.row_of(&original).await? else { continue };
            if original.evidence.size == found.evidence.size && self.is_the_same(&row, found).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    async fn row_of(&self, found: &FoundRow) -> Result<Option<FileRow>, StoreError> {
        let holders = self.engine.ledger.holders(self.job.handle.id, &found.item).await?;
        let Some(id) = holders.first() else { return Ok(None) };
        self.engine.file(self.job, *id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_doubles_lead_to_their_original() {
        for (name, original) in [
            ("会議 (1).wav", Some("会議.wav")),
            ("会議 1.wav", Some("会議.wav")),
            ("会議 (12).tar.gz", None),
            ("会議.tar (12).gz", Some("会議.tar.gz")),
            ("議事録 2", Some("議事録")),
            ("会議 2025.wav", None),
            (" (1).wav", None),
            ("会議(1).wav", None),
            ("1.wav", None),
            ("(1)", None),
        ] {
            assert_eq!(doubled(name).as_deref(), original, "{name}");
        }
    }
}
