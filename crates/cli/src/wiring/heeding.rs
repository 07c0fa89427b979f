//! Long waits of an archive that end when somebody asks to stop: a stage of downloads, a resolver.
//!
//! Whatever is given up so is given up as by a kill: what was fetched lies there, the rest is fetched by the
//! next process. Everything else is handed through.

use std::sync::Arc;

use async_trait::async_trait;
use landfall_core::store::{
    Entry, Gather, Gathered, Holding, Listed, Listing, Opening, Owe, Owed, Source, SourceCaps, Told,
};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Code, ErrorKind, Look, StoreError};
use landfall_stores::catalogue::{Ask, Price, Resolved, Resolver};
use tokio_util::sync::CancellationToken;

/// Somebody who heeds a stop.
pub(super) struct Heeding<T: ?Sized> {
    inner: Arc<T>,
    stop: CancellationToken,
}

impl<T: ?Sized> Heeding<T> {
    pub(super) fn new(inner: Arc<T>, stop: &CancellationToken) -> Self {
        Self { inner, stop: stop.clone() }
    }
}

#[async_trait]
impl Source for Heeding<dyn Source> {
    fn caps(&self) -> &SourceCaps {
        self.inner.caps()
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    async fn list(&self, since: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        self.inner.list(since).await
    }

    async fn prepare(&self, entries: &[Entry]) -> Vec<Result<Opening, StoreError>> {
        self.inner.prepare(entries).await
    }

    async fn open(&self, entry: &Entry, opening: &Opening, from: u64) -> Result<Body, StoreError> {
        self.inner.open(entry, opening, from).await
    }

    async fn look(&self, entry: &Entry) -> Look<Entry> {
        self.inner.look(entry).await
    }

    async fn children(
        &self,
        folder: Option<&ItemKey>,
        page: Option<Cursor>,
    ) -> Result<(Vec<Listed>, Option<Cursor>), StoreError> {
        self.inner.children(folder, page).await
    }

    async fn gather(&self, stage: Gather) -> Result<Gathered, StoreError> {
        // A stage that is dropped has kept what it came to, slot by slot.
        tokio::select! {
            gathered = self.inner.gather(stage) => gathered,
            () = self.stop.cancelled() => {
                let error = StoreError::new(ErrorKind::Stopped, "gather", self.identity(), "stopped on request");
                Err(error.with_code(Code::Interrupted))
            }
        }
    }

    fn takes(&self, entry: &Entry) -> bool {
        self.inner.takes(entry)
    }

    async fn receipt(&self, entry: &Entry, holding: &Holding) -> Option<Owe> {
        self.inner.receipt(entry, holding).await
    }

    async fn acknowledge(&self, owed: &[Owed]) -> Vec<Told> {
        self.inner.acknowledge(owed).await
    }

    async fn usage(&self) -> Result<Option<ByteSize>, StoreError> {
        self.inner.usage().await
    }
}

#[async_trait]
impl Resolver for Heeding<dyn Resolver> {
    async fn resolve(&self, asks: &[Ask]) -> Vec<Resolved> {
        // Dropping the question ends its command and everything that it started.
        tokio::select! {
            answers = self.inner.resolve(asks) => answers,
            () = self.stop.cancelled() => {
                asks.iter().map(|_| Resolved::Later { detail: "stopped on request".to_owned() }).collect()
            }
        }
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    #[async_trait]
    impl Resolver for Silent {
        async fn resolve(&self, _asks: &[Ask]) -> Vec<Resolved> {
            std::future::pending().await
        }

        fn price(&self) -> Option<Price> {
            None
        }
    }

    #[tokio::test]
    async fn a_resolver_that_says_nothing_is_left_when_somebody_asks_to_stop() {
        let stop = CancellationToken::new();
        let silent: Arc<dyn Resolver> = Arc::new(Silent);
        let heeding = Heeding::new(silent, &stop);
        let asks = [Ask { id: "19".to_owned(), username: "花子".to_owned() }];
        let (answers, ()) = tokio::join!(heeding.resolve(&asks), async { stop.cancel() });
        assert!(matches!(answers.as_slice(), [Resolved::Later { .. }]), "{answers:?}");
    }
}
