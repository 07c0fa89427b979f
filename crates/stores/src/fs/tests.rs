use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use landfall_core::error::Look;
use landfall_core::memo::MemoKey;
use landfall_core::state::Reason;
use landfall_core::store::{
    Content, Copy, Destination, Found, Landed, Listed, Listing, Opening, Put, Source,
};
use landfall_core::transport::Body;
use landfall_core::words::{Cursor, ItemKey};
use landfall_core::{ByteSize, Code, ErrorKind, JobId, RelPath, StoreError, Times};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

async fn all(body: Body) -> Vec<u8> {
    let pieces: Vec<Bytes> = body.try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() <= 512 * 1024));
    pieces.concat()
}

/// Every file and folder of a listing as (key, what).
async fn listed(mut listing: Box<dyn Listing>) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut complete = false;
    while let Some(page) = listing.next().await.unwrap() {
        assert!(!complete && page.cursor.is_none() && page.items.len() <= 1000);
        complete = page.complete;
        for item in page.items {
            let (key, what) = said(item);
            assert_eq!(seen.insert(key.clone(), what), None, "{key} came twice");
        }
    }
    assert!(complete);
    seen
}

fn said(item: Listed) -> (String, String) {
    match item {
        Listed::File(entry) => {
            assert_eq!(RelPath::new(&entry.key.0).unwrap().name(), entry.name);
            let parent = RelPath::new(&entry.key.0).unwrap().parent().unwrap();
            assert_eq!(entry.parent.map_or(String::new(), |key| key.0), parent.as_str());
            (entry.key.0, format!("file {}", entry.size.0))
        }
        Listed::Folder(folder) => (folder.key.0, "folder".into()),
        Listed::Skipped { entry, reason } => (entry.key.0, reason.name().into()),
        Listed::Gone(key) => panic!("a full listing says that {key} is gone"),
    }
}

/// The second enumeration, page by page and folder by folder.
async fn by_children(source: &FsSource) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut folders = vec![None];
    while let Some(folder) = folders.pop() {
        let mut page = None;
        loop {
            let (items, next) = source.children(folder.as_ref(), page).await.unwrap();
            for item in items {
                if let Listed::Folder(below) = &item {
                    folders.push(Some(below.key.clone()));
                }
                let (key, what) = said(item);
                assert_eq!(seen.insert(key, what), None);
            }
            page = next;
            if page.is_none() {
                break;
            }
        }
    }
    seen
}

/// Content of a test: breaks off after `breaks` pieces, fails its judgement where `judged` says so.
struct Speech {
    bytes: Vec<u8>,
    promised: u64,
    at: usize,
    piece: usize,
    breaks: Option<usize>,
    judged: Option<ErrorKind>,
    confirmed: Vec<u64>,
    sought: Vec<u64>,
}

impl Speech {
    fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            promised: bytes.len() as u64,
            at: 0,
            piece: 7,
            breaks: None,
            judged: None,
            confirmed: Vec::new(),
            sought: Vec::new(),
        }
    }
}

#[async_trait]
impl Content for Speech {
    fn size(&self) -> ByteSize {
        ByteSize(self.promised)
    }
    async fn seek(&mut self, to: u64) -> Result<(), StoreError> {
        self.sought.push(to);
        self.at = usize::try_from(to).unwrap();
        Ok(())
    }
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let Some(left) = &mut self.breaks {
            let Some(less) = left.checked_sub(1) else {
                return Err(StoreError::new(ErrorKind::Interrupted, "read", "録音", "the source broke off"));
            };
            *left = less;
        }
        let end = (self.at + self.piece).min(self.bytes.len());
        let piece = Bytes::copy_from_slice(&self.bytes[self.at..end]);
        self.at = end;
        Ok((!piece.is_empty()).then_some(piece))
    }
    async fn confirmed(&mut self, offset: u64) -> Result<(), StoreError> {
        self.confirmed.push(offset);
        Ok(())
    }
    async fn finish(&mut self) -> Result<(), StoreError> {
        self.judged.map_or(Ok(()), |kind| Err(StoreError::new(kind, "read", "録音", "judged so")))
    }
}

const MODIFIED: i64 = 1_750_496_400;

struct Asked<'a> {
    parent: &'a str,
    name: &'a str,
    resumed: bool,
    replaces: Option<&'a str>,
}

fn ask<'a>(parent: &'a str, name: &'a str) -> Asked<'a> {
    Asked { parent, name, resumed: false, replaces: None }
}

fn resumed<'a>(parent: &'a str, name: &'a str) -> Asked<'a> {
    Asked { resumed: true, ..ask(parent, name) }
}

async fn send(to: &FsDestination, asked: Asked<'_>, content: &mut Speech) -> Result<Landed, StoreError> {
    let path = format!("{}/{}", asked.parent.trim_matches('/'), asked.name);
    to.upload(Put {
        parent: ItemKey::from(asked.parent),
        name: asked.name.to_owned(),
        path: RelPath::lenient(&path).unwrap_or_default(),
        times: Times { created: None, modified: Timestamp::from_second(MODIFIED).ok() },
        content,
        memo: memo(asked.name),
        resumed: asked.resumed,
        replaces: asked.replaces.map(ItemKey::from),
    })
    .await
}

fn memo(name: &str) -> MemoKey {
    MemoKey::new(JobId(1), "session", name)
}

async fn to_folder() -> (TempDir, FsDestination) {
    let folder = tempfile::tempdir().unwrap();
    let mut destination = FsDestination::open(folder.path().join("納品")).await.unwrap();
    destination.step = 10;
    (folder, destination)
}

/// What lies in the folder for everybody to see, and what is left of ours.
fn lying(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, at: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
        for found in std::fs::read_dir(at).unwrap() {
            let path = found.unwrap().path();
            if path.is_dir() {
                walk(root, &path, into);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                into.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut into = BTreeMap::new();
    walk(root, root, &mut into);
    into
}

fn held(landed: Result<Landed, StoreError>) -> landfall_core::store::Holding {
    match landed.unwrap() {
        Landed::Held(holding) => holding,
        Landed::Occupied(found) => panic!("occupied by {found:?}"),
    }
}

#[tokio::test]
async fn both_enumerations_list_the_same_tree() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "録音/会議.wav", b"123");
    write(root, "録音/か\u{3099}.wav", b"nfd");
    write(root, "録音/が.wav", b"nfc!");
    write(root, "a\nb\\c", b"");
    write(root, ".landfall/parts/x.part", b"ours");
    std::fs::create_dir_all(root.join("空/empty")).unwrap();
    let source = FsSource::open(root).await.unwrap();
    let seen = listed(source.list(None).await.unwrap()).await;
    let expected = [
        ("録音", "folder"),
        ("録音/会議.wav", "file 3"),
        ("録音/か\u{3099}.wav", "file 3"),
        ("録音/が.wav", "file 4"),
        ("a\nb\\c", "file 0"),
        (".landfall", "filtered"),
        ("空", "folder"),
        ("空/empty", "folder"),
    ];
    assert_eq!(seen, expected.map(|(key, what)| (key.into(), what.into())).into());
    assert_eq!(by_children(&source).await, seen);
}

#[cfg(unix)]
#[tokio::test]
async fn links_pipes_and_foreign_names_are_skipped_and_lead_nowhere() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "秘密", b"secret");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "本物/x", b"x");
    symlink(outside.path(), root.join("away")).unwrap();
    symlink(outside.path().join("秘密"), root.join("file-away")).unwrap();
    symlink("本物", root.join("within")).unwrap();
    symlink(".", root.join("本物/loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    std::fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff\xfe.wav")), b"z").unwrap();
    let source = FsSource::open(root).await.unwrap();
    let seen = listed(source.list(None).await.unwrap()).await;
    let kinds: Vec<&str> = seen.values().map(String::as_str).collect();
    assert_eq!(kinds.iter().filter(|what| **what == "special").count(), 5, "{seen:?}");
    assert_eq!(kinds.iter().filter(|what| **what == "hostile-name").count(), 1);
    assert_eq!(seen.len(), 8);
    assert_eq!(by_children(&source).await, seen);
    // A key that names a way out, or goes through a link, opens nothing.
    let mut entry = first_file(&source).await;
    entry.revision = None;
    for key in ["away/秘密", "file-away", "within/x", "../秘密", "/etc/passwd", "本物/loop/x"] {
        entry.key = ItemKey::from(key);
        assert!(source.open(&entry, &opening(), 0).await.is_err(), "{key} was opened");
        assert!(!matches!(source.look(&entry).await, Look::Present(_)), "{key} was seen");
    }
    let destination = FsDestination::open(root).await.unwrap();
    for key in ["away/秘密", "file-away", "../秘密", "socket"] {
        assert!(destination.read(&ItemKey::from(key), 0).await.is_err(), "{key} was read");
    }
}

fn opening() -> Opening {
    Opening { token: String::new(), entry: None }
}

async fn first_file(source: &FsSource) -> landfall_core::store::Entry {
    let mut listing = source.list(None).await.unwrap();
    loop {
        let page = listing.next().await.unwrap().expect("a file is listed");
        for item in page.items {
            if let Listed::File(entry) = item {
                return entry;
            }
        }
    }
}

#[tokio::test]
async fn a_large_folder_comes_in_pages_and_an_old_cursor_restarts() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..2500 {
        std::fs::write(folder.path().join(format!("録音{i}.wav")), b"").unwrap();
    }
    let source = FsSource::open(folder.path()).await.unwrap();
    let mut listing = source.list(Some(Cursor("old".into()))).await.unwrap();
    let mut sizes = Vec::new();
    while let Some(page) = listing.next().await.unwrap() {
        assert_eq!(page.restarted, sizes.is_empty());
        sizes.push(page.items.len());
    }
    assert_eq!(sizes, [1000, 1000, 500]);
    assert!(listing.next().await.unwrap().is_none());

    // The second enumeration gives the same, and a page only once.
    let (items, next) = source.children(None, None).await.unwrap();
    assert_eq!(items.len(), 1000);
    assert_eq!(by_children(&source).await, listed(source.list(None).await.unwrap()).await);
    let (items, _) = source.children(None, next.clone()).await.unwrap();
    assert_eq!(items.len(), 1000);
    assert_eq!(source.children(None, next).await.unwrap_err().kind, ErrorKind::Interrupted);
}

#[tokio::test]
async fn a_file_that_changed_is_not_opened_and_one_that_grows_shows() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..1_200_000u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    write(folder.path(), "会議.wav", &content);
    let source = FsSource::open(folder.path()).await.unwrap();
    let entry = first_file(&source).await;
    assert_eq!(all(source.open(&entry, &opening(), 0).await.unwrap()).await, content);
    assert_eq!(all(source.open(&entry, &opening(), 700_000).await.unwrap()).await, &content[700_000..]);
    assert!(matches!(source.look(&entry).await, Look::Present(now) if now == entry));

    let body = source.open(&entry, &opening(), 0).await.unwrap();
    let mut grown = content.clone();
    grown.extend(b"more and more");
    write(folder.path(), "会議.wav", &grown);
    assert_eq!(all(body).await.len(), content.len() + 1);
    let error = source.open(&entry, &opening(), 0).await.err().unwrap();
    assert_eq!((error.kind, error.reason), (ErrorKind::Changed, Some(Reason::SourceChanged)));
    std::fs::remove_file(folder.path().join("会議.wav")).unwrap();
    let error = source.open(&entry, &opening(), 0).await.err().unwrap();
    assert_eq!((error.kind, error.reason), (ErrorKind::NotFound, Some(Reason::SourceGone)));
    assert!(matches!(source.look(&entry).await, Look::Absent));
}

#[tokio::test]
async fn what_is_no_folder_cannot_be_a_store() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "file", b"");
    let error = FsSource::open(folder.path().join("無い")).await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::NotFound, Some(Code::SourceNotFound)));
    let error = FsSource::open(folder.path().join("file")).await.unwrap_err();
    assert_eq!(error.code, Some(Code::SourceNotFound));
    let error = FsDestination::open(folder.path().join("file")).await.unwrap_err();
    assert_eq!(error.code, Some(Code::DestinationIsFile));
}

#[tokio::test]
async fn an_upload_lands_with_its_times_and_leaves_nothing_else() {
    let (folder, to) = to_folder().await;
    let root = folder.path().join("納品");
    assert!(listed(to.changes(None).await.unwrap()).await.is_empty());
    assert!(matches!(to.find(&to.root(), "x").await, Look::Absent));
    assert!(!root.exists(), "looking made a folder");
    // A folder may be called anything, `root` as well.
    let parent = to.ensure_folder(&to.root(), "root", &RelPath::new("root").unwrap()).await.unwrap();
    assert_eq!(to.ensure_folder(&to.root(), "root", &RelPath::new("root").unwrap()).await.unwrap(), parent);
    assert_ne!(parent, to.root());
    let mut content = Speech::of("議事録の本文です".as_bytes());
    let holding = held(send(&to, ask(&parent.0, "議事録.txt"), &mut content).await);
    assert_eq!(holding.evidence.size, ByteSize(24));
    assert_eq!(content.confirmed, [14, 24]);
    assert_eq!(all(to.read(&holding.item, 0).await.unwrap()).await, "議事録の本文です".as_bytes());
    assert_eq!(all(to.read(&holding.item, 21).await.unwrap()).await, "す".as_bytes());
    let Look::Present(Found::File(found)) = to.find(&parent, "議事録.txt").await else {
        panic!("not found")
    };
    assert_eq!(found, holding);
    assert_eq!(lying(&root).keys().collect::<Vec<_>>(), ["root/議事録.txt"]);
    let modified = std::fs::metadata(root.join("root/議事録.txt")).unwrap().modified().unwrap();
    assert_eq!(Timestamp::try_from(modified).unwrap().as_second(), MODIFIED);

    held(send(&to, ask("/", "空"), &mut Speech::of(b"")).await);
    let times = Times { created: None, modified: Timestamp::from_second(MODIFIED).ok() };
    let answers = to.set_folder_times(&[(parent.clone(), times), (ItemKey::from("無い"), times)]).await;
    assert!(answers[0].is_ok() && answers[1].is_err());
    let modified = std::fs::metadata(root.join("root")).unwrap().modified().unwrap();
    assert_eq!(Timestamp::try_from(modified).unwrap().as_second(), MODIFIED);
    let seen = listed(to.changes(None).await.unwrap()).await;
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["root", "root/議事録.txt", "空"]);
}

#[tokio::test]
async fn a_cut_upload_goes_on_where_it_was_synced() {
    let (folder, to) = to_folder().await;
    let root = folder.path().join("納品");
    let bytes: Vec<u8> = (0..100).collect();
    let mut cut = Speech { breaks: Some(9), ..Speech::of(&bytes) };
    assert_eq!(send(&to, ask("/", "長い.wav"), &mut cut).await.unwrap_err().kind, ErrorKind::Interrupted);
    assert_eq!(cut.confirmed, [14, 28, 42, 56]);
    assert!(listed(to.changes(None).await.unwrap()).await.is_empty(), "a part was taken for content");
    // As after a power cut: what was not synced is zeros.
    let part = lying(&root).into_keys().find(|name| name.ends_with(".part")).unwrap();
    let part = root.join(part);
    let mut torn = std::fs::read(&part).unwrap();
    assert_eq!(torn.len(), 63);
    torn[56..].fill(0);
    std::fs::write(&part, torn).unwrap();
    let mut rest = Speech::of(&bytes);
    let holding = held(send(&to, resumed("/", "長い.wav"), &mut rest).await);
    assert_eq!(rest.sought, [56]);
    assert_eq!(all(to.read(&holding.item, 0).await.unwrap()).await, bytes);
    assert_eq!(lying(&root).len(), 1);
    // The answer was lost: the same upload again finds its own file and sends nothing.
    let mut again = Speech::of(&bytes);
    let landed = send(&to, resumed("/", "長い.wav"), &mut again).await.unwrap();
    assert_eq!(landed, Landed::Occupied(Found::File(holding)));
    assert_eq!((again.at, lying(&root).len()), (0, 1));
}

#[tokio::test]
async fn an_upload_begun_anew_or_abandoned_keeps_nothing_of_the_earlier_one() {
    let (folder, to) = to_folder().await;
    to.abandon(&memo("x")).await.unwrap();
    let cut = || Speech { breaks: Some(3), ..Speech::of(&[b'a'; 50]) };
    send(&to, ask("/", "x"), &mut cut()).await.unwrap_err();
    let mut other = Speech::of(b"another text that is longer");
    held(send(&to, ask("/", "x"), &mut other).await);
    assert!(other.sought.is_empty());
    send(&to, ask("/", "y"), &mut cut()).await.unwrap_err();
    to.abandon(&memo("y")).await.unwrap();
    to.abandon(&memo("y")).await.unwrap();
    let lying = lying(&folder.path().join("納品"));
    assert_eq!(lying, [("x".to_owned(), b"another text that is longer".to_vec())].into());
}

#[tokio::test]
async fn content_that_is_judged_false_never_gets_a_name() {
    let (folder, to) = to_folder().await;
    let mut judged = Speech { judged: Some(ErrorKind::Changed), ..Speech::of(&[1; 30]) };
    assert_eq!(send(&to, ask("/", "a"), &mut judged).await.unwrap_err().kind, ErrorKind::Changed);
    let mut short = Speech { promised: 31, ..Speech::of(&[1; 30]) };
    assert_eq!(send(&to, ask("/", "b"), &mut short).await.unwrap_err().kind, ErrorKind::Changed);
    let mut long = Speech { promised: 29, ..Speech::of(&[1; 30]) };
    assert_eq!(send(&to, ask("/", "c"), &mut long).await.unwrap_err().kind, ErrorKind::Changed);
    assert!(lying(&folder.path().join("納品")).is_empty());
}

#[tokio::test]
async fn nothing_of_somebody_else_is_overwritten() {
    let (folder, to) = to_folder().await;
    let root = folder.path().join("納品");
    write(&root, "同じ名前.txt", b"theirs");
    std::fs::create_dir(root.join("folder")).unwrap();
    let mut content = Speech::of(b"ours");
    let Landed::Occupied(Found::File(there)) =
        send(&to, ask("/", "同じ名前.txt"), &mut content).await.unwrap()
    else {
        panic!("not occupied by a file")
    };
    assert_eq!((there.evidence.size, content.at), (ByteSize(6), 0));
    let landed = send(&to, ask("/", "folder"), &mut content).await.unwrap();
    assert_eq!(landed, Landed::Occupied(Found::Folder(ItemKey::from("folder"))));
    // Somebody takes the name while we send.
    let theirs = root.join("同時");
    let mut racing = Racing { inner: Speech::of(&[7; 40]), write: theirs.clone() };
    let path = RelPath::new("同時").unwrap();
    let put = Put {
        parent: to.root(),
        name: "同時".into(),
        path,
        times: Times::default(),
        content: &mut racing,
        memo: memo("同時"),
        resumed: false,
        replaces: None,
    };
    assert!(matches!(to.upload(put).await.unwrap(), Landed::Occupied(Found::File(_))));
    assert_eq!(std::fs::read(&theirs).unwrap(), b"was faster");
    let error = to.ensure_folder(&to.root(), "同時", &RelPath::new("同時").unwrap()).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::Exists, Some(Reason::FolderIsFile)));
    let error = send(&to, ask("同時", "below"), &mut Speech::of(b"x")).await.unwrap_err();
    assert_eq!(error.reason, Some(Reason::FolderIsFile));
    assert!(matches!(to.find(&ItemKey::from("同時"), "below").await, Look::Absent));
    assert_eq!(lying(&root).len(), 2);
}

struct Racing {
    inner: Speech,
    write: std::path::PathBuf,
}

#[async_trait]
impl Content for Racing {
    fn size(&self) -> ByteSize {
        self.inner.size()
    }
    async fn seek(&mut self, to: u64) -> Result<(), StoreError> {
        self.inner.seek(to).await
    }
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        self.inner.next().await
    }
    async fn confirmed(&mut self, offset: u64) -> Result<(), StoreError> {
        self.inner.confirmed(offset).await
    }
    async fn finish(&mut self) -> Result<(), StoreError> {
        std::fs::write(&self.write, b"was faster").unwrap();
        Ok(())
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_at_the_destination_lead_nowhere() {
    let (folder, to) = to_folder().await;
    let (root, outside) = (folder.path().join("納品"), folder.path().join("outside"));
    write(&root, "x", b"");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("away")).unwrap();
    std::os::unix::fs::symlink(outside.join("new"), root.join("dangling")).unwrap();
    assert!(send(&to, ask("away", "new"), &mut Speech::of(b"x")).await.is_err());
    assert!(send(&to, ask("..", "new"), &mut Speech::of(b"x")).await.is_err());
    assert!(send(&to, ask("/", "../new"), &mut Speech::of(b"x")).await.is_err());
    assert!(send(&to, ask("/", ".LandFall"), &mut Speech::of(b"x")).await.is_err());
    let landed = send(&to, ask("/", "dangling"), &mut Speech::of(b"x")).await.unwrap();
    assert!(matches!(landed, Landed::Occupied(Found::File(_))));
    let away = RelPath::new("away").unwrap();
    let error = to.ensure_folder(&to.root(), "away", &away).await.unwrap_err();
    assert_eq!(error.reason, Some(Reason::FolderIsFile));
    assert!(lying(&outside).is_empty());
}

#[tokio::test]
async fn a_replaced_file_is_kept_and_replaced_once() {
    let (folder, mut to) = to_folder().await;
    let root = folder.path().join("納品");
    write(&root, "深い/議事録.txt", b"first");
    let replace =
        |resumed| Asked { replaces: Some("深い/議事録.txt"), resumed, ..ask("深い", "議事録.txt") };
    held(send(&to, replace(false), &mut Speech::of(b"second")).await);
    // The answer was lost: our own new version is not replaced again.
    let landed = send(&to, replace(true), &mut Speech::of(b"second")).await.unwrap();
    assert!(matches!(landed, Landed::Occupied(Found::File(there)) if there.evidence.size == ByteSize(6)));
    held(send(&to, replace(false), &mut Speech::of(b"the third")).await);
    to.links = false;
    held(send(&to, replace(false), &mut Speech::of(b"4th")).await);
    let mut seen = lying(&root);
    seen.retain(|name, _| !name.ends_with(".was"));
    let expected = [
        ("深い/議事録.txt", "4th"),
        (".landfall/replaced/1/深い/議事録.txt", "first"),
        (".landfall/replaced/2/深い/議事録.txt", "second"),
        (".landfall/replaced/3/深い/議事録.txt", "the third"),
    ];
    assert_eq!(seen, expected.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into());
    // Somebody else changed it while we sent: theirs stays.
    let mut racing = Racing { inner: Speech::of(&[7; 40]), write: root.join("深い/議事録.txt") };
    let put = Put {
        parent: ItemKey::from("深い"),
        name: "議事録.txt".into(),
        path: RelPath::new("深い/議事録.txt").unwrap(),
        times: Times::default(),
        content: &mut racing,
        memo: memo("議事録.txt"),
        resumed: false,
        replaces: Some(ItemKey::from("深い/議事録.txt")),
    };
    assert!(matches!(to.upload(put).await.unwrap(), Landed::Occupied(_)));
    assert_eq!(std::fs::read(root.join("深い/議事録.txt")).unwrap(), b"was faster");
}

#[tokio::test]
async fn without_hard_links_a_name_is_claimed_and_never_taken() {
    let (folder, mut to) = to_folder().await;
    to.links = false;
    let root = folder.path().join("納品");
    held(send(&to, ask("/", "録音.wav"), &mut Speech::of(b"0123456789abc")).await);
    write(&root, "空の他人", b"");
    let mut racing = Racing { inner: Speech::of(&[7; 40]), write: root.join("速い") };
    let put = Put {
        parent: to.root(),
        name: "速い".into(),
        path: RelPath::new("速い").unwrap(),
        times: Times::default(),
        content: &mut racing,
        memo: memo("速い"),
        resumed: false,
        replaces: None,
    };
    assert!(matches!(to.upload(put).await.unwrap(), Landed::Occupied(_)));
    let landed = send(&to, resumed("/", "空の他人"), &mut Speech::of(b"xyz")).await.unwrap();
    assert!(matches!(landed, Landed::Occupied(_)), "an empty file of somebody else was taken for ours");
    // Killed between the claim and the rename: an empty file of ours and the part beside it.
    let mut cut = Speech { breaks: Some(2), ..Speech::of(&[5; 30]) };
    send(&to, ask("/", "途中"), &mut cut).await.unwrap_err();
    let part = lying(&root).into_keys().find(|name| name.ends_with(".part")).unwrap();
    write(&root, &part.replace(".part", ".claim"), "途中".as_bytes());
    write(&root, "途中", b"");
    held(send(&to, resumed("/", "途中"), &mut Speech::of(&[5; 30])).await);
    // The same, but given up: the claimed name is free again.
    send(&to, ask("/", "z"), &mut Speech { breaks: Some(2), ..Speech::of(&[5; 30]) }).await.unwrap_err();
    let part = lying(&root).into_keys().find(|name| name.ends_with(".part")).unwrap();
    write(&root, &part.replace(".part", ".claim"), b"z");
    write(&root, "z", b"");
    to.abandon(&memo("z")).await.unwrap();
    let seen = lying(&root);
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["空の他人", "途中", "速い", "録音.wav"]);
    assert_eq!(seen["途中"], [5; 30]);
}

#[cfg(unix)]
#[tokio::test]
async fn killed_between_link_and_tidying_the_upload_knows_its_own_file() {
    let (folder, to) = to_folder().await;
    let root = folder.path().join("納品");
    let mut cut = Speech { breaks: Some(2), ..Speech::of(&[5; 14]) };
    send(&to, ask("/", "x"), &mut cut).await.unwrap_err();
    let part = lying(&root).into_keys().find(|name| name.ends_with(".part")).unwrap();
    std::fs::hard_link(root.join(part), root.join("x")).unwrap();
    let mut content = Speech::of(&[5; 14]);
    held(send(&to, resumed("/", "x"), &mut content).await);
    assert_eq!((content.at, lying(&root)), (0, [("x".to_owned(), vec![5; 14])].into()));
}

#[tokio::test]
async fn a_folder_copies_nothing_by_itself() {
    let (_folder, to) = to_folder().await;
    let copy = Copy {
        from_drive: "fs:/".into(),
        from_item: ItemKey::from("x"),
        parent: to.root(),
        name: "x".into(),
        path: RelPath::new("x").unwrap(),
        memo: memo("x"),
    };
    assert_eq!(to.copy_from(copy).await.unwrap_err().kind, ErrorKind::Unsupported);
}

#[test]
fn file_errors_are_named_by_remedy() {
    use std::io::ErrorKind as Io;

    use super::errors::{Side, named};
    let of = |side, kind: Io| named(side, "upload", "録音", kind.into());
    let full = of(Side::Destination, Io::StorageFull);
    assert_eq!((full.kind, full.code), (ErrorKind::Full, Some(Code::DestinationFull)));
    let denied = of(Side::Destination, Io::ReadOnlyFilesystem);
    assert_eq!((denied.kind, denied.reason), (ErrorKind::Denied, Some(Reason::DestinationDenied)));
    assert_eq!(of(Side::Source, Io::PermissionDenied).reason, Some(Reason::SourceDenied));
    assert_eq!(of(Side::Destination, Io::NotADirectory).reason, Some(Reason::FolderIsFile));
    assert_eq!(of(Side::Destination, Io::FileTooLarge).reason, Some(Reason::TooLarge));
}

#[tokio::test]
async fn children_of_a_destination_are_listed_and_what_is_ours_can_be_taken_away() {
    let (folder, to) = to_folder().await;
    let root = folder.path().join("納品");
    write(&root, "控え/封印", b"12345");
    write(&root, "控え/奥/中", b"1");
    write(&root, "録音.wav", b"1");
    let names = |items: Vec<Listed>| {
        let mut names: Vec<String> = items.into_iter().map(|item| said(item).0).collect();
        names.sort();
        names
    };
    let (items, next) = to.children(&ItemKey::from("控え"), None).await.unwrap();
    assert_eq!((names(items), next), (vec!["控え/奥".to_owned(), "控え/封印".to_owned()], None));
    let (items, _) = to.children(&to.root(), None).await.unwrap();
    assert_eq!(names(items), ["控え", "録音.wav"]);
    let Look::Present(Found::File(there)) = to.find(&ItemKey::from("控え"), "封印").await else {
        panic!()
    };
    write(&root, "控え/封印", b"another");
    assert_eq!(to.discard(&there).await.unwrap_err().kind, ErrorKind::Changed);
    let Look::Present(Found::File(there)) = to.find(&ItemKey::from("控え"), "封印").await else {
        panic!()
    };
    to.discard(&there).await.unwrap();
    to.discard(&there).await.unwrap();
    assert!(!root.join("控え/封印").exists() && root.join("控え/奥/中").exists());
    assert_eq!(
        to.remove(&there).await.unwrap_err().kind,
        ErrorKind::Unsupported,
        "nothing of a job's goes for good"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// However often it is cut, and wherever: in the end the content is whole, there once, and alone.
    #[test]
    fn an_upload_survives_any_cuts(length in 0usize..200, piece in 1usize..30, cuts in proptest::collection::vec(0usize..12, 0..6), links: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (folder, mut to) = to_folder().await;
            to.links = links;
            let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i).unwrap()).collect();
            let mut asked = ask("/", "録音.wav");
            let mut held = None;
            for cut in cuts.into_iter().map(Some).chain([None]) {
                let mut content = Speech { breaks: cut, piece, ..Speech::of(&bytes) };
                match send(&to, asked, &mut content).await {
                    Ok(Landed::Held(holding)) => held = Some(holding),
                    Ok(Landed::Occupied(there)) => assert_eq!(Some(there), held.clone().map(Found::File)),
                    Err(error) => assert_eq!(error.kind, ErrorKind::Interrupted),
                }
                asked = resumed("/", "録音.wav");
            }
            assert_eq!(lying(&folder.path().join("納品")), [("録音.wav".to_owned(), bytes)].into());
        });
    }

    #[test]
    fn any_name_is_refused_or_comes_back_as_it_was(name in "\\PC{1,40}|[\\x01-\\x7f]{1,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (folder, to) = to_folder().await;
            match send(&to, ask("/", &name), &mut Speech::of(b"x")).await {
                Ok(landed) => {
                    assert!(matches!(landed, Landed::Held(holding) if holding.item.0 == name));
                    let seen = listed(to.changes(None).await.unwrap()).await;
                    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [name]);
                }
                Err(_) => {
                    let refused = RelPath::root().join(&name).map_or(true, |path| to.refuses(&path, false).is_some());
                    assert!(refused, "{name:?} should have been taken");
                    assert!(lying(&folder.path().join("納品")).is_empty());
                }
            }
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        });
    }
}
