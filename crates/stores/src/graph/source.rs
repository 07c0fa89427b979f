//! A drive as a source of files.
//!
//! Owns the translation between the seam and Graph's reading calls. One listing, twenty addresses a
//! request, one download each: no file is looked up by itself unless its address has expired.

use async_trait::async_trait;
use landfall_core::digest::Algo;
use landfall_core::error::Look;
use landfall_core::state::Reason;
use landfall_core::store::{
    Bearer, Entry, LeftBehind, LeftPrices, Listed, Listing, Opening, Source, SourceCaps,
};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, ErrorKind, StoreError};

use super::batch;
use super::item::DriveItem;
use super::left;
use super::listing::Delta;
use super::place::{Fetched, Place, empty, source_refused, unexpected};

/// How often one opening may renew its address.
const RENEWALS: u32 = 4;

/// What is asked of an item whose address has expired.
const RECHECK: &str = "?$select=id,name,size,eTag,file,folder,package,malware,parentReference,fileSystemInfo,@microsoft.graph.downloadUrl";

/// A OneDrive or a document library that files come from.
#[derive(Debug)]
pub struct GraphSource {
    place: Place,
    caps: SourceCaps,
}

impl GraphSource {
    pub(super) fn new(place: Place) -> Self {
        let caps = SourceCaps {
            gathers: false,
            publishes: vec![Algo::QuickXor],
            prepare_batch: batch::MOST,
            incremental: true,
            copy_realm: Some(place.realm.clone()),
            prices: super::PRICES,
        };
        Self { place, caps }
    }

    /// Looks at an item whose address was refused: a new address, or why there is none.
    async fn renew(&self, entry: &Entry) -> Result<String, StoreError> {
        let item = match self.place.item(entry.key.as_str(), RECHECK, &entry.name).await {
            Look::Present(item) => item,
            Look::Absent => {
                return Err(StoreError::new(
                    ErrorKind::NotFound,
                    "open",
                    &entry.name,
                    "the source no longer has it",
                )
                .with_reason(Reason::SourceGone));
            }
            Look::Unknown(error) => return Err(error),
        };
        if item.is_infected() {
            return Err(StoreError::new(
                ErrorKind::Malware,
                "open",
                &entry.name,
                "the service holds it back as infected",
            )
            .with_reason(Reason::Malware));
        }
        if let Some(difference) = differs(entry, &item) {
            return Err(StoreError::new(ErrorKind::Changed, "open", &entry.name, difference)
                .with_reason(Reason::SourceChanged));
        }
        match item.download_url() {
            Some(url) => Ok(url.to_owned()),
            None => self.place.locate(entry.key.as_str(), &entry.name).await,
        }
    }
}

/// In what an item differs from what was listed; `None` where it is the same content.
///
/// The eTag moves with a rename too, so it only counts where no digest speaks.
fn differs(entry: &Entry, item: &DriveItem) -> Option<String> {
    if item.size() != entry.size {
        return Some(format!("size {} when listed, {} now", entry.size.0, item.size().0));
    }
    match (&entry.digests.quickxor, item.digests().quickxor) {
        (Some(then), Some(now)) => {
            (*then != now).then(|| "its hash is another than when it was listed".into())
        }
        _ => match (&entry.revision, item.revision()) {
            (Some(then), Some(now)) if *then != now => {
                Some("its eTag is another than when it was listed".into())
            }
            _ => None,
        },
    }
}

#[async_trait]
impl Source for GraphSource {
    fn caps(&self) -> &SourceCaps {
        &self.caps
    }

    fn identity(&self) -> String {
        self.place.address.drive_id().to_owned()
    }

    async fn list(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        Ok(Box::new(Delta::new(self.place.clone(), since)))
    }

    async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        self.place.prepare(entries).await
    }

    async fn open(&self, entry: &Entry, opening: &Opening, from: u64) -> Result<Body, StoreError> {
        let mut url = opening.token.clone();
        if url.is_empty() {
            url = self.place.locate(entry.key.as_str(), &entry.name).await?;
        }
        for renewal in 0..=RENEWALS {
            match self.place.fetch(&url, from, &entry.name).await? {
                Fetched::Body(body) => return Ok(body),
                Fetched::PastEnd if from >= entry.size.0 => return Ok(empty()),
                Fetched::PastEnd => {
                    let detail = format!("it ends before byte {from}");
                    return Err(StoreError::new(ErrorKind::Changed, "open", &entry.name, detail)
                        .with_reason(Reason::SourceChanged));
                }
                Fetched::Expired(refusal) if renewal == RENEWALS => {
                    return Err(source_refused(&refusal, &entry.name));
                }
                Fetched::Expired(_) => url = self.renew(entry).await?,
            }
        }
        Err(unexpected("open", &entry.name, "its address expired again and again"))
    }

    async fn look(&self, entry: &Entry) -> Look<Entry> {
        match self.place.item(entry.key.as_str(), "", &entry.name).await {
            Look::Present(item) => match item.entry(&self.place.root) {
                Some(entry) => Look::Present(entry),
                None => Look::Unknown(unexpected("look at", &entry.name, "the answer is no drive item")),
            },
            Look::Absent => Look::Absent,
            Look::Unknown(error) => Look::Unknown(error),
        }
    }

    async fn children(
        &self,
        folder: Option<&ItemKey>,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        self.place.children(folder.map(ItemKey::as_str), page).await
    }

    fn left_prices(&self) -> Option<LeftPrices> {
        Some(left::PRICES)
    }

    async fn left_behind(&self, things: &[Bearer]) -> Vec<Look<LeftBehind>> {
        self.place.left_behind(things).await
    }

    async fn usage(&self) -> Result<Option<ByteSize>, StoreError> {
        self.place.usage().await
    }
}
