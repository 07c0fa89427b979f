use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use proptest::prelude::*;

use super::*;
use crate::clock::Chance;

async fn all(body: Body) -> Vec<u8> {
    let pieces: Vec<Bytes> = body.try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
    pieces.concat()
}

fn sound(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
}

async fn put(spool: &dyn Spool, file: FileId, bytes: &[u8]) {
    let mut writer = spool.writer(file, 0).await.unwrap();
    writer.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), ByteSize(bytes.len() as u64));
}

const A: FileId = FileId(7);
const B: FileId = FileId(0x0001_2345);

/// What every spool does.
async fn conforms(spool: &dyn Spool) {
    resumes(spool).await;
    replaces(spool).await;
    shuts(spool).await;
    adopts(spool).await;
}

#[expect(clippy::cognitive_complexity, reason = "a straight row of assertions")]
async fn resumes(spool: &dyn Spool) {
    let a = A;
    let content = sound(PIECE * 2 + 17);
    assert_eq!(spool.size(a).await.unwrap(), None);
    assert_eq!(spool.read(a, 0).await.err().unwrap().kind, ErrorKind::NotFound);
    spool.remove(a).await.unwrap();

    // Unfinished, it is no file; resumed, it goes on; what lies beyond the resume is cut.
    let mut writer = spool.writer(a, 0).await.unwrap();
    writer.write(Bytes::copy_from_slice(&content[..1000])).await.unwrap();
    drop(writer);
    assert_eq!(spool.partial(a).await.unwrap(), Some(ByteSize(1000)));
    assert_eq!(spool.size(a).await.unwrap(), None);
    assert_eq!(spool.writer(a, 1001).await.err().unwrap().kind, ErrorKind::NotFound);
    assert_eq!(all(spool.read_partial(a).await.unwrap()).await, &content[..1000]);
    let mut writer = spool.writer(a, 900).await.unwrap();
    writer.write(Bytes::copy_from_slice(&content[900..])).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(spool.partial(a).await.unwrap(), None);
    assert_eq!(spool.size(a).await.unwrap(), Some(ByteSize(content.len() as u64)));
    assert_eq!(all(spool.read(a, 0).await.unwrap()).await, content);
    assert_eq!(all(spool.read(a, 5000).await.unwrap()).await, &content[5000..]);
    assert!(all(spool.read(a, u64::from(u32::MAX)).await.unwrap()).await.is_empty());
}

async fn replaces(spool: &dyn Spool) {
    let a = A;
    // A later revision replaces it only when it is finished.
    let mut writer = spool.writer(a, 0).await.unwrap();
    writer.write(Bytes::from_static("新しい録音".as_bytes())).await.unwrap();
    assert_eq!(spool.size(a).await.unwrap(), Some(ByteSize(1_048_593)));
    writer.finish().await.unwrap();
    assert_eq!(all(spool.read(a, 0).await.unwrap()).await, "新しい録音".as_bytes());
}

#[expect(clippy::cognitive_complexity, reason = "a straight row of assertions")]
async fn shuts(spool: &dyn Spool) {
    let (a, b) = (A, B);
    // A later writer shuts the earlier one, and so does removal.
    let mut stale = spool.writer(b, 0).await.unwrap();
    stale.write(Bytes::from_static(b"old")).await.unwrap();
    let mut fresh = spool.writer(b, 0).await.unwrap();
    assert_eq!(stale.write(Bytes::from_static(b"old")).await.unwrap_err().kind, ErrorKind::Stopped);
    assert_eq!(stale.finish().await.unwrap_err().kind, ErrorKind::Stopped);
    fresh.write(Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(spool.used().await.unwrap(), ByteSize(15 + 3));
    assert_eq!(spool.lying(0x45).await.unwrap(), [b]);
    assert_eq!(spool.lying(7).await.unwrap(), [a]);
    spool.remove(b).await.unwrap();
    assert_eq!(fresh.finish().await.unwrap_err().kind, ErrorKind::Stopped);
    spool.remove(a).await.unwrap();
    assert_eq!(spool.used().await.unwrap(), ByteSize(0));
    put(spool, b, b"").await;
    assert_eq!(spool.size(b).await.unwrap(), Some(ByteSize(0)));
}

async fn adopts(spool: &dyn Spool) {
    let (b, content) = (B, sound(100_000));
    // An older temporary folder's file is taken in and stays where it was.
    let old = tempfile::tempdir().unwrap();
    let path = old.path().join("会議 2025-06-21.wav");
    std::fs::write(&path, &content).unwrap();
    assert_eq!(spool.adopt(b, &path).await.unwrap(), ByteSize(content.len() as u64));
    assert_eq!(all(spool.read(b, 0).await.unwrap()).await, content);
    spool.remove(b).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content);
    assert_eq!(spool.adopt(b, &old.path().join("無い")).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(spool.adopt(b, old.path()).await.unwrap_err().kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn the_disk_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&DiskSpool::open(folder.path().join("深い/場所")).await.unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn memory_conforms() {
    conforms(&MemorySpool::new()).await;
}

#[tokio::test]
async fn no_name_on_disk_is_anything_but_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let spool = DiskSpool::open(folder.path()).await.unwrap();
    put(&spool, FileId(0x0001_2345), b"x").await;
    assert!(folder.path().join("45/23/74565").is_file());
    assert!(!folder.path().join("probe").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn others_may_not_read_what_waits() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let spool = DiskSpool::open(folder.path().join("spool")).await.unwrap();
    put(&spool, FileId(1), b"x").await;
    let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("spool"), mode("spool/01"), mode("spool/01/00/1")), (0o700, 0o700, 0o600));
}

#[tokio::test]
async fn a_spool_that_cannot_be_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = DiskSpool::open(file.join("below")).await.unwrap_err();
    assert_eq!(error.code, Some(Code::SpoolUnusable));
    // The folder vanishes under a running process, and a file stands in its place.
    let root = folder.path().join("spool");
    let spool = DiskSpool::open(&root).await.unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    std::fs::write(&root, b"").unwrap();
    let error = spool.writer(FileId(1), 0).await.err().unwrap();
    assert_eq!(error.code, Some(Code::SpoolUnusable));
}

/// `/dev/full` answers every write as a full disk does; it has no length to set, so the slot is filled by hand.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let spool = DiskSpool::open(folder.path()).await.unwrap();
    let device = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut writer = spool.writer_on(FileId(1), device);
    let error = writer.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Full, Some(Code::SpoolFull)));
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_keeps_what_fitted_for_the_resume() {
    let spool = MemorySpool::with_limit(ByteSize(10));
    let mut writer = spool.writer(FileId(1), 0).await.unwrap();
    writer.write(Bytes::from_static(b"12345678")).await.unwrap();
    let error = writer.write(Bytes::from_static(b"90ab")).await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Full, Some(Code::SpoolFull)));
    assert_eq!(all(spool.read_partial(FileId(1)).await.unwrap()).await, b"1234567890");
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_never_exceeded_and_its_queue_is_fair() {
    let budget = SpoolBudget::new(ByteSize(100), ByteSize(30));
    let room = budget.reserve(ByteSize(60)).await;
    assert!(budget.try_reserve(ByteSize(11)).is_none());
    let (mut big, mut small) =
        (Box::pin(budget.reserve(ByteSize(70))), Box::pin(budget.reserve(ByteSize(1))));
    let wait = Duration::from_millis(1);
    assert!(tokio::time::timeout(wait, &mut big).await.is_err());
    assert!(tokio::time::timeout(wait, &mut small).await.is_err(), "the queue was jumped");
    drop(room);
    let big = big.await;
    assert_eq!(budget.used(), ByteSize(100));
    assert!(tokio::time::timeout(wait, &mut small).await.is_err());
    // Taking over moves bytes and adds none; forgetting gives them back.
    let taken = budget.take_over(ByteSize(20));
    assert_eq!(budget.used(), ByteSize(100));
    drop(taken);
    let small = small.await;
    budget.forget_found(ByteSize(10));
    assert_eq!(budget.used(), ByteSize(71));
    small.leave();
    drop(big);
    assert_eq!(budget.used(), ByteSize(1));
    // A file larger than the whole budget goes alone.
    let huge = budget.reserve(ByteSize(1000)).await;
    assert!(budget.try_reserve(ByteSize(1)).is_none());
    assert_eq!(huge.bytes(), ByteSize(1000));
}

#[derive(Clone, Debug)]
enum Step {
    Open(i64, u64),
    Write(i64, usize),
    Finish(i64),
    Remove(i64),
    /// A kill: every writer is gone, the folder is opened again.
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let file = || 1i64..4;
    let step = prop_oneof![
        3 => (file(), 0u64..60).prop_map(|(f, n)| Step::Open(f, n)),
        5 => (file(), 0usize..40).prop_map(|(f, n)| Step::Write(f, n)),
        2 => file().prop_map(Step::Finish),
        1 => file().prop_map(Step::Remove),
        1 => Just(Step::Kill),
    ];
    proptest::collection::vec(step, 1..40)
}

type Model = BTreeMap<i64, (Option<Vec<u8>>, Option<Vec<u8>>)>;

/// Plays the steps and compares with a model after each: (unfinished, finished) per file.
async fn play(steps: Vec<Step>, spool: &mut Box<dyn Spool>, reopen: &dyn Fn() -> Box<dyn Spool>) {
    let mut model = Model::new();
    let mut writers: BTreeMap<i64, Box<dyn SpoolWriter>> = BTreeMap::new();
    let mut fill = 0u8;
    for step in steps {
        match step {
            Step::Open(file, from) => {
                writers.remove(&file);
                let part = model.entry(file).or_default().0.get_or_insert_default();
                let opened = spool.writer(FileId(file), from).await;
                assert_eq!(opened.is_ok(), from <= part.len() as u64);
                if let Ok(writer) = opened {
                    part.truncate(usize::try_from(from).unwrap());
                    writers.insert(file, writer);
                }
            }
            Step::Write(file, length) => {
                let Some(writer) = writers.get_mut(&file) else { continue };
                fill = fill.wrapping_add(1);
                writer.write(Bytes::from(vec![fill; length])).await.unwrap();
                let part = model.get_mut(&file).unwrap().0.as_mut().unwrap();
                part.extend(std::iter::repeat_n(fill, length));
            }
            Step::Finish(file) => {
                let Some(writer) = writers.remove(&file) else { continue };
                writer.finish().await.unwrap();
                let lying = model.get_mut(&file).unwrap();
                lying.1 = lying.0.take();
            }
            Step::Remove(file) => {
                writers.remove(&file);
                spool.remove(FileId(file)).await.unwrap();
                model.remove(&file);
            }
            Step::Kill => {
                writers.clear();
                *spool = reopen();
            }
        }
        for file in 1..4 {
            let (part, finished) = model.get(&file).cloned().unwrap_or_default();
            let size = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|b| ByteSize(b.len() as u64));
            assert_eq!(spool.partial(FileId(file)).await.unwrap(), size(&part));
            assert_eq!(spool.size(FileId(file)).await.unwrap(), size(&finished));
            if let Some(finished) = finished {
                assert_eq!(all(spool.read(FileId(file), 0).await.unwrap()).await, finished);
            }
        }
    }
    let lying: usize = model
        .values()
        .map(|(part, finished)| part.as_ref().map_or(0, Vec::len) + finished.as_ref().map_or(0, Vec::len))
        .sum();
    assert_eq!(spool.used().await.unwrap(), ByteSize(lying as u64));
}

fn on_a_runtime(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_is_as_the_model(steps in steps()) {
        let memory = MemorySpool::new();
        let mut spool: Box<dyn Spool> = Box::new(memory.clone());
        on_a_runtime(play(steps, &mut spool, &|| Box::new(memory.clone())));
    }

    #[test]
    fn the_disk_is_as_the_model(steps in steps()) {
        on_a_runtime(async {
            let folder = tempfile::tempdir().unwrap();
            let first = DiskSpool::open(folder.path()).await.unwrap();
            let mut spool: Box<dyn Spool> = Box::new(first);
            let reopen = || -> Box<dyn Spool> { Box::new(DiskSpool::at(folder.path())) };
            play(steps, &mut spool, &reopen).await;
        });
    }

    #[test]
    fn a_crash_leaves_a_beginning_of_what_was_written(seed: u64, length in 0usize..200) {
        on_a_runtime(async {
            let spool = MemorySpool::new();
            put(&spool, FileId(1), &sound(50)).await;
            let mut writer = spool.writer(FileId(2), 0).await.unwrap();
            writer.write(Bytes::from(sound(length))).await.unwrap();
            spool.crash(&Chance::seeded(seed));
            assert_eq!(writer.write(Bytes::from_static(b"late")).await.unwrap_err().kind, ErrorKind::Stopped);
            let left = all(spool.read_partial(FileId(2)).await.unwrap()).await;
            assert!(sound(length).starts_with(&left));
            assert_eq!(all(spool.read(FileId(1), 0).await.unwrap()).await, sound(50));
            assert_eq!(spool.used().await.unwrap(), ByteSize(50 + left.len() as u64));
        });
    }
}
