//! A folder that files come from.

use std::io::{self, ErrorKind as Io};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use landfall_core::error::Look;
use landfall_core::state::Reason;
use landfall_core::store::{Entry, Listed, Listing, Opening, Source, SourceCaps};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Code, ErrorKind, StoreError};

use super::children::{Reading, Readings};
use super::errors::{Side, blocking, named};
use super::place::{body, entry, look, open_plain, path_of, revision};
use super::walk::FsListing;

/// A folder as source. It publishes no digests and lists in full each time.
#[derive(Debug)]
pub struct FsSource {
    root: Arc<Dir>,
    identity: String,
    subject: String,
    caps: SourceCaps,
    readings: Readings,
}

impl FsSource {
    /// Opens the folder.
    ///
    /// # Errors
    /// Code `SourceNotFound` where it is not there or no folder; `Denied` where we may not.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path: PathBuf = path.into();
        let subject = path.display().to_string();
        let opened = tokio::task::spawn_blocking(move || {
            Ok((Dir::open_ambient_dir(&path, ambient_authority())?, path.canonicalize()?))
        })
        .await
        .unwrap_or_else(|join| Err(io::Error::other(join)));
        let (root, path) = opened.map_err(|error| {
            let missing = matches!(error.kind(), Io::NotFound | Io::NotADirectory);
            let error = named(Side::Source, "open", &subject, error);
            if missing { error.with_code(Code::SourceNotFound) } else { error }
        })?;
        Ok(Self {
            root: Arc::new(root),
            identity: format!("fs:{}", path.display()),
            subject,
            caps: SourceCaps { prepare_batch: 1, ..SourceCaps::default() },
            readings: Readings::default(),
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        subject: &str,
        call: impl FnOnce(&Dir) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let root = Arc::clone(&self.root);
        blocking(Side::Source, operation, subject, move || call(&root)).await
    }
}

#[async_trait]
impl Source for FsSource {
    fn caps(&self) -> &SourceCaps {
        &self.caps
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    async fn list(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        let root = Some(Arc::clone(&self.root));
        Ok(Box::new(FsListing::new(Side::Source, self.subject.clone(), root, since.is_some())))
    }

    async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        entries.iter().map(|_| Ok(Opening { token: String::new(), entry: None })).collect()
    }

    /// Gives at most one byte more than was listed, so that a file that grows shows and ends.
    async fn open(&self, entry: &Entry, _: &Opening, from: u64) -> Result<Body, StoreError> {
        let key = entry.key.0.clone();
        let opened = self.blocking("open", &entry.key.0, move |root| open_plain(root, &path_of(&key)?)).await;
        let changed = || {
            StoreError::new(ErrorKind::Changed, "open", entry.key.0.clone(), "it is not what was listed")
                .with_reason(Reason::SourceChanged)
        };
        let (file, metadata) = match opened {
            Err(error) if error.kind == ErrorKind::Unsupported => return Err(changed().with_source(error)),
            other => other?,
        };
        if entry.revision.as_ref().is_some_and(|listed| *listed != revision(&metadata)) {
            return Err(changed());
        }
        let most = entry.size.0.saturating_sub(from).saturating_add(1);
        body(file, from, most).map_err(|error| named(Side::Source, "open", &entry.key.0, error))
    }

    async fn look(&self, listed: &Entry) -> Look<Entry> {
        let (key, parent) =
            (listed.key.0.clone(), listed.parent.as_ref().map_or("", ItemKey::as_str).to_owned());
        let name = listed.name.clone();
        let seen = self.blocking("look", &listed.key.0, move |root| {
            let metadata = look(root, &path_of(&key)?)?;
            Ok(metadata.is_file().then(|| entry(&parent, key, name, &metadata)))
        });
        match seen.await {
            Ok(Some(entry)) => Look::Present(entry),
            Ok(None) => Look::Absent,
            Err(error) if error.kind == ErrorKind::NotFound => Look::Absent,
            Err(error) => Look::Unknown(error),
        }
    }

    /// A folder is read once, however many pages it has, so its next page can be asked of this process only.
    ///
    /// # Errors
    /// `Interrupted` for a page that is no longer known: the folder is to be begun anew.
    async fn children(
        &self,
        parent: Option<&ItemKey>,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        let key = parent.map_or(String::new(), |key| key.0.clone());
        let subject = if key.is_empty() { self.subject.clone() } else { key.clone() };
        let reading = match &page {
            None => self.blocking("list", &subject, move |root| Reading::begin(root, key)).await?,
            Some(page) => self.readings.resume(page, &key).ok_or_else(|| {
                let detail = "this page of the folder is no longer known";
                StoreError::new(ErrorKind::Interrupted, "list", subject.clone(), detail)
            })?,
        };
        let (items, rest) = self.blocking("list", &subject, move |_| reading.page()).await?;
        Ok((items, rest.map(|rest| self.readings.keep(rest))))
    }

    async fn usage(&self) -> Result<Option<ByteSize>, StoreError> {
        Ok(None)
    }
}
