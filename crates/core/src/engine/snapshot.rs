//! Snapshots of the ledger that leave the machine: sealed, sent, proven there, found again and opened.
//!
//! They lie in a folder of their own at a job's destination, plain in nothing but their number and size; a job never
//! meets them ([`crate::store::Aside`]). A snapshot is sealed once, into a spool of its own, and remembered
//! before its first byte leaves; a kill at any point is gone on from with the same bytes, and a nonce never serves
//! two contents. Owns their names. Refuses to know what is in them: copying and checking a ledger is the ledger's.

mod folder;

pub use folder::{SealedSnapshot, SnapshotFolder, SnapshotListing};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::folder::name_of;
use crate::digest::{Digest, Digests};
use crate::engine::content::{Feed, FileContent};
use crate::engine::sealing::Sealer;
use crate::engine::{Engine, internal};
use crate::error::{ErrorKind, StoreError};
use crate::memo::MemoValue;
use crate::proof::{Comparison, Evidence, Proof, ProofKind, SourceLeg};
use crate::spool::Spool;
use crate::store::{Change, Found, Holding, Landed, Put, Reread};
use crate::transport::Body;
use crate::words::{ByteSize, FileId, RelPath, Times};

/// The one thing that lies in the spool of snapshots.
const WAITING: FileId = FileId(1);
/// A body that breaks off is opened again this often.
const REOPENINGS: u32 = 5;

/// A snapshot on its way, as it is remembered: no byte leaves before.
#[derive(Serialize, Deserialize)]
struct OnItsWay {
    at: Timestamp,
    name: String,
    key: String,
    size: u64,
    sha256: String,
    /// What the ledger said, so that one that says the same is not sent again.
    mark: String,
}

/// That the folder was looked at before its first use.
#[derive(Serialize, Deserialize)]
struct Claim {
    key: String,
    since: Timestamp,
}

/// The last one that arrived.
#[derive(Serialize, Deserialize)]
struct Arrived {
    at: Timestamp,
    mark: String,
}

/// What waits in the spool, as a batch reads it.
struct Waiting(Arc<dyn Spool>);

#[async_trait]
impl Reread for Waiting {
    async fn open(&self, from: u64) -> Result<Body, StoreError> {
        self.0.read(WAITING, from).await
    }
}

impl Engine {
    /// Looks at the folder before it is used for the first time, or with another key, and remembers since when
    /// this ledger sends there. What lies there already of this job is an earlier ledger's.
    ///
    /// # Errors
    /// `Exists` where anything but snapshots under this key lies there.
    pub async fn claim_snapshots(
        &self,
        to: &SnapshotFolder,
    ) -> Result<(Timestamp, SnapshotListing), StoreError> {
        let memo = to.memo("snapshot-claim");
        let key = to.seal.fingerprint();
        let before = self.ledger.memo(&memo).await?;
        let before = before.and_then(|text| serde_json::from_str::<Claim>(&text).ok());
        if let Some(claim) = before.filter(|claim| claim.key == key) {
            return Ok((claim.since, SnapshotListing::default()));
        }
        let there = to.list().await?;
        if there.strange > 0 {
            let detail = format!("{} things lie there that are no snapshots under this key", there.strange);
            let subject = to.folder.as_str();
            return Err(StoreError::new(ErrorKind::Exists, "keep snapshots in", subject, detail));
        }
        // Names have milliseconds: one that is sent at once must not seem older than this.
        let since = Timestamp::from_millisecond(self.clock.now().as_millisecond()).unwrap_or_default();
        let text = serde_json::to_string(&Claim { key, since })
            .map_err(|error| internal("claim", &to.series, &error))?;
        self.ledger.remember(&memo, MemoValue { text, secret: false, expires: None }).await?;
        Ok((since, there))
    }

    /// True where the last snapshot that arrived is old enough, and the ledger said something else then.
    ///
    /// # Errors
    /// The ledger's own.
    pub async fn snapshot_is_due(
        &self,
        to: &SnapshotFolder,
        mark: &str,
        every: Duration,
    ) -> Result<bool, StoreError> {
        let last = self.ledger.memo(&to.memo("snapshot-sent")).await?;
        let Some(last) = last.and_then(|text| serde_json::from_str::<Arrived>(&text).ok()) else {
            return Ok(true);
        };
        let now = self.clock.now();
        // A clock that was set back is no reason to send none for years.
        let fresh = last.at <= now && now.duration_since(last.at).unsigned_abs() < every;
        Ok(!fresh && last.mark != mark)
    }

    /// Seals a copy of the ledger into the spool and remembers it: [`Engine::deliver_snapshot`] sends it.
    ///
    /// # Errors
    /// Where the copy cannot be read, or the spool or the ledger not written to.
    pub async fn seal_snapshot(
        &self,
        to: &SnapshotFolder,
        plain: Body,
        mark: &str,
    ) -> Result<(), StoreError> {
        let at = self.clock.now();
        let name = to.seal.name(&name_of(&to.series, at))?;
        // A session of an earlier one is closed before its place is taken.
        self.give_up_snapshot(to).await?;
        let mut writer = self.spool.writer(WAITING, 0).await?;
        let mut sealer = Sealer::begin(to.seal.as_ref());
        let mut plain = plain;
        while let Some(piece) = plain.next().await {
            self.go_on(&name)?;
            let piece = piece.map_err(|error| {
                let detail = "the copy of the ledger cannot be read";
                StoreError::new(ErrorKind::Interrupted, "seal", &name, detail).with_source(error)
            })?;
            for part in piece.chunks(512 << 10) {
                writer.write(sealer.update(part)).await?;
            }
        }
        let (rest, sealed, _, key) = sealer.finish();
        writer.write(rest).await?;
        writer.finish().await?;
        let sha256 = sealed.digests.sha256.as_ref().map(Digest::hex).unwrap_or_default();
        let one = OnItsWay { at, name, key, size: sealed.size.0, sha256, mark: mark.to_owned() };
        let text = serde_json::to_string(&one).map_err(|error| internal("seal", &one.name, &error))?;
        self.ledger.remember(&to.sending(), MemoValue { text, secret: false, expires: None }).await
    }

    /// Sends what was sealed, or goes on with it, and shows that the destination holds it. Nothing happens where
    /// nothing waits, or what waits is not what was sealed.
    ///
    /// # Errors
    /// Where it does not arrive: it waits for the next call, unless another thing stands in its place.
    pub async fn deliver_snapshot(&self, to: &SnapshotFolder) -> Result<Option<Timestamp>, StoreError> {
        let text = self.ledger.memo(&to.sending()).await?;
        let Some(one) = text.and_then(|text| serde_json::from_str::<OnItsWay>(&text).ok()) else {
            return Ok(None);
        };
        let lies = self.spool.size(WAITING).await? == Some(ByteSize(one.size));
        if !lies || one.key != to.seal.fingerprint() {
            self.give_up_snapshot(to).await?;
            return Ok(None);
        }
        match self.carry_snapshot(to, &one).await {
            Ok(()) => {}
            Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Exists) => {
                self.give_up_snapshot(to).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        let arrived = Arrived { at: one.at, mark: one.mark };
        let text = serde_json::to_string(&arrived).map_err(|error| internal("send", &one.name, &error))?;
        let key = to.memo("snapshot-sent");
        self.ledger.remember(&key, MemoValue { text, secret: false, expires: None }).await?;
        self.give_up_snapshot(to).await?;
        Ok(Some(one.at))
    }

    async fn carry_snapshot(&self, to: &SnapshotFolder, one: &OnItsWay) -> Result<(), StoreError> {
        let path = to.path_of(&one.name)?;
        let ours = Evidence { size: ByteSize(one.size), digests: self.spooled_digests(one).await? };
        let there = match to.destination.caps().batch {
            Some(_) => self.publish_snapshot(to, path, &ours).await?,
            None => self.upload_snapshot(to, path, (one, &ours)).await?,
        };
        let compare = |theirs: &Evidence, kind| {
            Proof::compare(&ours, theirs, SourceLeg::Unpublished, kind, self.clock.now())
        };
        let mut compared = compare(&there.evidence, ProofKind::Hash);
        if matches!(compared, Comparison::Undecided) {
            let open = |from| to.destination.read(&there.item, from);
            let read = self.hash_body(&one.name, there.evidence.size, open).await?;
            compared = compare(&read, ProofKind::Bytes);
        }
        match compared {
            Comparison::Proven(_) => Ok(()),
            Comparison::Differs(words) => Err(StoreError::new(ErrorKind::Corrupt, "prove", &one.name, words)),
            Comparison::Undecided => Err(internal("prove", &one.name, &"no digest is common")),
        }
    }

    async fn publish_snapshot(
        &self,
        to: &SnapshotFolder,
        path: RelPath,
        ours: &Evidence,
    ) -> Result<Holding, StoreError> {
        let subject = path.as_str().to_owned();
        let bytes = Box::new(Waiting(Arc::clone(&self.spool)));
        let put = Change::Put { path, evidence: ours.clone(), bytes, replace: false };
        let answer = to.destination.publish(vec![put]).await?.pop();
        answer.transpose()?.flatten().ok_or_else(|| internal("publish", &subject, &"nothing is held"))
    }

    async fn upload_snapshot(
        &self,
        to: &SnapshotFolder,
        path: RelPath,
        (one, ours): (&OnItsWay, &Evidence),
    ) -> Result<Holding, StoreError> {
        let digests = ours.digests.clone();
        let feed = Feed::Spool { file: WAITING, digests, leg: Some(SourceLeg::Unpublished) };
        let mut content = FileContent::new(self, feed, &one.name, ours.size, to.hash());
        let put = Put {
            parent: to.make().await?,
            name: one.name.clone(),
            path,
            times: Times { created: Some(one.at), modified: Some(one.at) }.whole_seconds(),
            content: &mut content,
            memo: to.session(),
            // An earlier process may have begun, or ended, and said nothing.
            resumed: true,
            replaces: None,
        };
        match to.destination.upload(put).await? {
            Landed::Held(holding) | Landed::Occupied(Found::File(holding)) => Ok(holding),
            Landed::Occupied(Found::Folder(_)) => {
                Err(StoreError::new(ErrorKind::Exists, "upload", &one.name, "a folder stands there"))
            }
        }
    }

    /// All digests of what waits, shown by the one that is remembered to be of what was sealed.
    async fn spooled_digests(&self, one: &OnItsWay) -> Result<Digests, StoreError> {
        let lies =
            self.hash_body(&one.name, ByteSize(one.size), |from| self.spool.read(WAITING, from)).await?;
        if lies.digests.sha256.as_ref().map(Digest::hex).as_deref() == Some(one.sha256.as_str()) {
            return Ok(lies.digests);
        }
        let detail = "what lies in the spool is not what was sealed";
        Err(StoreError::new(ErrorKind::Corrupt, "read", &one.name, detail))
    }

    /// Forgets what is on its way: it arrived, or never will.
    async fn give_up_snapshot(&self, to: &SnapshotFolder) -> Result<(), StoreError> {
        if self.ledger.memo(&to.sending()).await?.is_some() {
            to.destination.abandon(&to.session()).await?;
            self.ledger.forget(&to.hash()).await?;
            self.ledger.forget(&to.sending()).await?;
        }
        self.spool.remove(WAITING).await
    }

    /// Takes the oldest of the snapshots since a moment away, so that as many of them stay; how many went. What was
    /// sent before is not counted and not touched: it may be all that is left of a ledger that was lost.
    ///
    /// # Errors
    /// Where they cannot be listed or taken away.
    pub async fn prune_snapshots(
        &self,
        to: &SnapshotFolder,
        since: Timestamp,
        keep: usize,
    ) -> Result<u64, StoreError> {
        let mut old = to.list().await?.snapshots;
        old.retain(|snapshot| snapshot.at >= since);
        old.truncate(old.len().saturating_sub(keep.max(1)));
        let went = old.len() as u64;
        if old.is_empty() {
            return Ok(0);
        }
        if to.destination.caps().batch.is_some() {
            let delete = |snapshot: SealedSnapshot| Change::Delete { from: snapshot.holding };
            for answer in to.destination.publish(old.into_iter().map(delete).collect()).await? {
                answer?;
            }
            return Ok(went);
        }
        for snapshot in old {
            to.destination.discard(&snapshot.holding).await?;
        }
        Ok(went)
    }

    /// Reads a snapshot and opens it; `sink` takes the plain bytes in order. Gives how many there were.
    ///
    /// # Errors
    /// `Corrupt` where it is not genuine or not whole, as far as the seal shows it: a body cut between two blocks
    /// opens, and whoever reads the ledger in it has to check that.
    pub async fn open_snapshot<S>(
        &self,
        from: &SnapshotFolder,
        snapshot: &SealedSnapshot,
        mut sink: S,
    ) -> Result<ByteSize, StoreError>
    where
        S: FnMut(&[u8]) -> Result<(), StoreError> + Send,
    {
        let size = snapshot.holding.evidence.size;
        let mut opening = from.seal.open();
        let (mut read, mut plain, mut out) = (0, 0, Vec::new());
        for attempt in 0..=REOPENINGS {
            if attempt > 0 {
                tokio::time::sleep(self.chance.jitter(Duration::from_millis(200 << attempt))).await;
            }
            let mut body = from.destination.read(&snapshot.holding.item, read).await?;
            while let Some(Ok(bytes)) = body.next().await {
                self.go_on(&snapshot.name)?;
                for piece in bytes.chunks(512 << 10) {
                    read += piece.len() as u64;
                    opening.update(piece, &mut out)?;
                    plain += out.len() as u64;
                    sink(&out)?;
                    out.clear();
                }
            }
            if read >= size.0 {
                break;
            }
        }
        if read != size.0 {
            let detail = format!("{read} of {} bytes could be read", size.0);
            return Err(StoreError::new(ErrorKind::Interrupted, "open", &snapshot.name, detail));
        }
        opening.finish(&mut out)?;
        sink(&out)?;
        Ok(ByteSize(plain + out.len() as u64))
    }
}
