use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::*;
use crate::digest::{Digests, Hasher};
use crate::engine::Filters;
use crate::ledger::MemoryLedger;
use crate::seal::{Nonce, Sealed};
use crate::store::{DestinationCaps, Found, Holding, Landed, Put};
use crate::words::Times;

/// A place that is never asked for anything.
struct Nowhere(DestinationCaps);

#[async_trait]
impl Destination for Nowhere {
    fn caps(&self) -> &DestinationCaps {
        &self.0
    }
    fn identity(&self) -> String {
        "どこでもない".to_owned()
    }
    fn root(&self) -> ItemKey {
        ItemKey::from("")
    }
    fn refuses(&self, _: &RelPath, _: bool) -> Option<(Reason, String)> {
        None
    }
    fn maps(&self, name: &str) -> String {
        name.to_owned()
    }
    async fn changes(&self, _: Option<Cursor>) -> Result<Box<dyn Listing>, StoreError> {
        Err(unasked())
    }
    async fn find(&self, _: &ItemKey, _: &str) -> Look<Found> {
        Look::Unknown(unasked())
    }
    async fn ensure_folder(&self, _: &ItemKey, _: &str, _: &RelPath) -> Result<ItemKey, StoreError> {
        Err(unasked())
    }
    async fn set_folder_times(&self, _: &[(ItemKey, Times)]) -> Vec<Result<(), StoreError>> {
        Vec::new()
    }
    async fn upload(&self, _: Put<'_>) -> Result<Landed, StoreError> {
        Err(unasked())
    }
    async fn abandon(&self, _: &crate::memo::MemoKey) -> Result<(), StoreError> {
        Err(unasked())
    }
    async fn copy_from(&self, _: crate::store::Copy) -> Result<Landed, StoreError> {
        Err(unasked())
    }
    async fn read(&self, _: &ItemKey, _: u64) -> Result<Body, StoreError> {
        Err(unasked())
    }
}

fn unasked() -> StoreError {
    StoreError::new(ErrorKind::Unsupported, "ask", "どこでもない", "nothing is there")
}

fn origin() -> Origin {
    let caps = DestinationCaps {
        publishes: Vec::new(),
        digest_first: false,
        rewrites: Vec::new(),
        max_size: None,
        copy_realm: None,
        fragment: ByteSize(1),
        incremental: false,
        keeps: crate::store::KeptTimes::default(),
        prices: crate::store::Prices::default(),
        batch: None,
    };
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    Origin { ledger, job: JobId(1), destination: Arc::new(Nowhere(caps)), seal: None }
}

fn evidence(text: &str) -> Evidence {
    let mut hasher = Hasher::new();
    hasher.update(text.as_bytes());
    Evidence { size: ByteSize(text.len() as u64), digests: hasher.digests() }
}

fn row() -> FileRow {
    let listed = evidence("録音");
    let entry = Entry {
        key: ItemKey::from("元の鍵"),
        parent: None,
        name: "録音.wav".to_owned(),
        size: listed.size,
        times: Times::default(),
        revision: None,
        digests: Digests { sha256: None, ..listed.digests },
        authors: Authors::default(),
    };
    let mut row = FileRow::enrolled(FileId(7), SourceId(1), FolderId(1), entry, Timestamp::UNIX_EPOCH, 1);
    row.state = State::Success;
    row.holding =
        Some(Holding {
            item: ItemKey::from("先の鍵"), revision: None, evidence: evidence("書き換え後")
        });
    row
}

#[test]
fn what_is_expected_is_what_passed_through_us_before_what_the_source_says() {
    let origin = origin();
    let mut row = row();
    assert_eq!(origin.expected(&row).1, Known::Weak);
    assert_eq!(origin.expected(&row).0.digests, row.entry.digests);
    row.ours = evidence("本当の録音").digests;
    row.ours_size = Some(ByteSize(15));
    assert_eq!(origin.expected(&row), (evidence("本当の録音"), Known::Whole));
    row.ours = Digests::none();
    row.entry.digests = Digests::none();
    assert_eq!(origin.expected(&row).1, Known::SizeOnly);
}

#[test]
fn a_rewritten_file_is_expected_as_it_is_now_and_a_sealed_one_as_it_was() {
    let origin = origin();
    let mut row = row();
    row.ours = evidence("録音").digests;
    row.proven = Some(ProofKind::Parts);
    assert_eq!(origin.expected(&row), (evidence("書き換え後"), Known::Rewritten));
    row.proven = Some(ProofKind::Hash);
    row.leg = Some(SourceLeg::Accepted);
    row.ours = evidence("書き換え後").digests;
    assert_eq!(origin.expected(&row), (evidence("書き換え後"), Known::Accepted));
    row.leg = Some(SourceLeg::Matched);
    // What is ours of a sealed file is its ciphertext.
    row.ours = evidence("暗号文").digests;
    row.sealed = Some(Sealed { nonce: Nonce([1; 24]), key: "鍵".to_owned(), plain: evidence("録音") });
    assert_eq!(origin.expected(&row), (evidence("録音"), Known::Whole));
}

#[test]
fn an_accepted_deletion_and_a_row_without_an_object_are_not_held() {
    let mut row = row();
    assert!(is_held(&row));
    row.reason = Some(Reason::DeletionAccepted);
    assert!(!is_held(&row));
    row.reason = None;
    row.holding = None;
    assert!(!is_held(&row));
}

#[test]
fn only_the_same_early_end_three_times_is_the_objects_own() {
    let doubts = Doubts::default();
    for at in [5, 5, 3, 3] {
        doubts.short(FileId(7), at);
    }
    assert_eq!(doubts.of(FileId(7)).short, 2);
    doubts.short(FileId(7), 3);
    assert_eq!(doubts.of(FileId(7)).short, SHORT);
    doubts.whole(FileId(7));
    assert_eq!(doubts.of(FileId(7)).short, 0);
    assert_eq!(doubts.of(FileId(8)).wrong, 0);
}

#[tokio::test]
async fn a_body_is_counted_by_where_it_ends_quietly() {
    let doubts = Doubts::default();
    let whole = |bytes: &'static [u8]| -> Body { stream::iter([Ok(Bytes::from_static(bytes))]).boxed() };
    let read = |body: Body| async { body.count().await };
    read(body::counted(whole(b"abc"), 2, 5, FileId(1), doubts.clone())).await;
    assert_eq!((doubts.of(FileId(1)).short, doubts.of(FileId(1)).wrong), (0, 0));
    read(body::counted(whole(b"ab"), 2, 5, FileId(1), doubts.clone())).await;
    assert_eq!((doubts.of(FileId(1)).short, doubts.of(FileId(1)).ended), (1, 4));
    read(body::counted(whole(b"abcd"), 2, 5, FileId(2), doubts.clone())).await;
    assert_eq!((doubts.of(FileId(2)).short, doubts.of(FileId(2)).wrong), (0, 1));
    let error =
        crate::transport::TransportError { stage: crate::transport::Stage::Body, detail: String::new() };
    let broken: Body = stream::iter([Err(error)]).boxed();
    read(body::counted(broken, 0, 5, FileId(3), doubts.clone())).await;
    assert_eq!(doubts.of(FileId(3)).short, 0);
}

#[test]
fn a_narrow_choice_lists_no_empty_folders() {
    assert!(Choice::default().is_all());
    let paths = Filters::new(&["*.wav".to_owned()], &[]).unwrap();
    assert!(!Choice { paths, ..Choice::default() }.is_all());
    assert!(!Choice { only: Some(Arc::default()), ..Choice::default() }.is_all());
}
