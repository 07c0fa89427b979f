//! Doubts: an object and the local file differ, or cannot be compared. Which of them is right, and may be believed?
//!
//! Nothing is replaced on a guess. The local file is believed where the ledger's record of what was sealed says
//! that it is the same still, or where the object cannot be opened by anybody. Two contents that are both sound
//! are for a person to choose from.

use landfall_core::state::Reason;
use landfall_core::{ErrorKind, StoreError};

use super::Judged;
use super::proof::{Before, Compared};
use crate::Archive;
use crate::claim::Place;
use crate::finding::Finding;

/// What may be done about a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What lies there is not what belongs there: the file is sent in its place.
    Replace,
    /// Nobody here can know it: said, and counted apart from then on.
    Settle(Reason),
    /// It could not be found out now.
    Later,
}

impl Archive {
    /// What may be done about what was compared; `None` where nothing is to be done. The words say why.
    pub(super) async fn weigh(
        &self,
        judged: &mut Judged,
        compared: &Compared,
        known: &Before,
    ) -> Result<Option<Verdict>, StoreError> {
        let verdict = match compared {
            Compared::Holds => return Ok(None),
            Compared::Unknown => Verdict::Later,
            Compared::Unsealed => Verdict::Replace,
            // Nothing says that it is wrong.
            Compared::NoLocal(reason) if judged.finding == Some(Finding::Unproven) => {
                Verdict::Settle(*reason)
            }
            Compared::Differs(Some(plain)) if known.plain.as_ref() == Some(plain) => Verdict::Replace,
            Compared::NoLocal(_) | Compared::Differs(_) => self.weigh_object(judged).await?,
        };
        Ok(Some(verdict))
    }

    /// Reads an object whole: one that does not open is no backup, whatever else may be right.
    async fn weigh_object(&self, judged: &mut Judged) -> Result<Verdict, StoreError> {
        let (Some(_), Some(place)) = (&self.seal, &judged.claim.place) else { return Ok(Verdict::Later) };
        match self.opens(place, judged.detail.sha256.as_deref()).await {
            Ok(true) => {
                let words = "both can be read, and they differ: which one is right, only a person can say";
                judged.detail.words = words.to_owned();
                Ok(Verdict::Settle(Reason::DifferentAtDestination))
            }
            Ok(false) => {
                judged.detail.words = "the object there is damaged: it cannot be opened".to_owned();
                Ok(Verdict::Replace)
            }
            Err(error) if error.code.is_some() || error.kind == ErrorKind::Stopped => Err(error),
            Err(error) => {
                judged.detail.words = error.chain();
                Ok(Verdict::Later)
            }
        }
    }

    /// True where every block of an object is genuine.
    ///
    /// # Errors
    /// Where it cannot be read, or where the bytes that came are not those that are published: then nothing is
    /// known of the object.
    async fn opens(&self, place: &Place, published: Option<&str>) -> Result<bool, StoreError> {
        let whole = self.read_whole(place).await?;
        if whole.sha256.is_none() || whole.sha256.as_deref() != published {
            let detail = "other bytes came than are published";
            return Err(StoreError::new(ErrorKind::Corrupt, "read", &place.path, detail));
        }
        Ok(whole.genuine)
    }
}
