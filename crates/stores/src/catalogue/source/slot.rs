//! One media file of a post: its key, what is wanted of it, and what became of it, kept as memos.

use jiff::Timestamp;
use landfall_core::memo::{Memo, MemoKey, MemoValue};
use landfall_core::state::Reason;
use landfall_core::words::ItemKey;
use landfall_core::{Digest, ErrorKind, JobId, StoreError};
use serde::{Deserialize, Serialize};

use super::super::names::{Folder, folder_of, stem_of};
use super::super::post::{Post, PostKey};
use super::super::{MediaKind, SaveAs};

/// Memos of what became of a slot, by entry key.
pub(super) const MEDIA: &str = "media";

/// Memos of what a repair wants, by entry key.
pub(super) const WANTED: &str = "wanted";

/// A media file that somebody wants: by its plain name or by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Of which post.
    pub post: PostKey,
    /// Its plain name, where that is known.
    pub name: Option<String>,
    /// Its number among the distinct media of the post, from 1.
    pub index: Option<u32>,
    /// Which kind it is; `None` where the recorded URL says it.
    pub folder: Option<Folder>,
    /// The size of its plain bytes, where that is known.
    pub plain_size: Option<u64>,
    /// The recorded backup URL that the new one takes the place of.
    pub replaces: Option<String>,
    /// The plain names of the post's other files, with `.enc` where they lie so: they show how it was counted.
    #[serde(default)]
    pub siblings: Vec<String>,
}

impl Wanted {
    /// Wants a post's media by its number.
    #[must_use]
    pub fn numbered(post: PostKey, index: u32) -> Self {
        Self {
            post,
            name: None,
            index: Some(index),
            folder: None,
            plain_size: None,
            replaces: None,
            siblings: Vec::new(),
        }
    }

    /// The name of its file without the extension.
    #[must_use]
    pub fn stem(&self) -> String {
        match (&self.name, self.index) {
            (Some(name), _) => stem_of(name).to_owned(),
            (None, index) => format!("{}_{}", self.post.id, index.unwrap_or(1)),
        }
    }

    /// The key of its entry, unless a file of the other kind has it: it does not depend on the extension, which
    /// only the content shows.
    #[must_use]
    pub fn key(&self) -> ItemKey {
        ItemKey(format!("{}/{}", self.post, self.stem()))
    }

    /// The kind that its name promises, where it has a name.
    pub(super) fn kind(&self) -> Option<Folder> {
        self.name.as_deref().map(folder_of)
    }

    /// How its download is to be called.
    pub(super) fn save_as(&self) -> SaveAs {
        let kind = self.kind().map(|folder| match folder {
            Folder::Images => MediaKind::Image,
            Folder::Videos => MediaKind::Video,
        });
        SaveAs { stem: self.stem(), kind }
    }

    /// The key of a file whose stem is that of a file of the other kind too: counted from 0, a picture and a
    /// video of one post are both called `<id>_0`.
    pub(super) fn key_beside(&self, kind: Folder) -> ItemKey {
        ItemKey(format!("{}/{}:{}", self.post, self.stem(), kind.name()))
    }

    /// Every media of a post, in order.
    pub(super) fn of_post(post: &Post) -> Vec<Self> {
        let count = u32::try_from(Self::media(post).len()).unwrap_or(u32::MAX);
        (1..=count).map(|number| Self::numbered(post.key(), number)).collect()
    }
}

/// Every key that the entry of a plain name may have.
#[must_use]
pub fn keys_of(post: &PostKey, name: &str) -> [ItemKey; 2] {
    let wanted = Wanted { name: Some(name.to_owned()), ..Wanted::numbered(post.clone(), 1) };
    [wanted.key(), wanted.key_beside(folder_of(name))]
}

/// The post of an entry's key.
pub(super) fn post_of_key(key: &str) -> Option<PostKey> {
    let (post, stem) = key.rsplit_once('/')?;
    if stem.is_empty() { None } else { PostKey::parse(post) }
}

/// How far a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stand {
    /// A try failed, or none was made; another one may help.
    Waiting,
    /// Its bytes lie where `root` and `path` say.
    Ready,
    /// Settled for good, with a reason.
    Settled,
    /// Backed up and recorded in the database.
    Done,
}

/// Where bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lies {
    /// Under the root of pictures.
    Images,
    /// Under the root of videos.
    Videos,
    /// In our own folder: the table records no local files.
    Scratch,
}

impl From<Folder> for Lies {
    fn from(folder: Folder) -> Self {
        match folder {
            Folder::Images => Self::Images,
            Folder::Videos => Self::Videos,
        }
    }
}

impl Lies {
    /// The root in the user's folders; `None` for our own.
    pub(super) fn folder(self) -> Option<Folder> {
        match self {
            Self::Images => Some(Folder::Images),
            Self::Videos => Some(Folder::Videos),
            Self::Scratch => None,
        }
    }
}

/// The bytes of a slot that are at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtHand {
    /// Under which root.
    pub lies: Lies,
    /// Where below it.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970 when it was hashed, as text: JSON's numbers end earlier.
    pub modified: String,
    /// SHA-256, hex.
    pub sha256: String,
}

/// What became of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The form of this text.
    pub v: u32,
    /// How far it is.
    pub stand: Stand,
    /// The author's folder at the destination.
    pub username: String,
    /// The post's date as the database prints it.
    #[serde(default)]
    pub date: String,
    /// Which folder at the destination.
    pub folder: Folder,
    /// The kind that its name promised when it was wanted by name; the content may show another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<Folder>,
    /// Number among the post's media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The bytes, where they are at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<AtHand>,
    /// The URL that gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// True where a resolver named that URL and the post records no media: the URL is recorded then.
    #[serde(default)]
    pub found_again: bool,
    /// Which smaller size had to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced: Option<String>,
    /// Why it stands so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// No new try before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The recorded backup URL that gives way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

impl Outcome {
    /// Nothing tried yet.
    pub(super) fn begin(post: &Post, wanted: &Wanted, folder: Folder) -> Self {
        Self {
            v: 1,
            stand: Stand::Waiting,
            username: post.username.clone(),
            date: post.date.clone(),
            folder,
            promised: wanted.kind(),
            index: wanted.index,
            file: None,
            url: None,
            found_again: false,
            reduced: None,
            reason: Some(Reason::AwaitingMedia.name().to_owned()),
            detail: None,
            not_before: None,
            replaces: wanted.replaces.clone(),
        }
    }

    /// Why it stands so, as one word of the closed list.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        Reason::parse(self.reason.as_deref()?)
    }

    /// Says how it stands and why.
    pub(super) fn stands(mut self, stand: Stand, reason: Reason, detail: impl Into<String>) -> Self {
        self.stand = stand;
        self.reason = Some(reason.name().to_owned());
        self.detail = Some(detail.into());
        self.not_before = None;
        self
    }

    /// Not before then.
    pub(super) fn until(mut self, at: Option<Timestamp>) -> Self {
        self.not_before = at;
        self
    }

    /// True where a new try makes sense now.
    pub(super) fn is_due(&self, now: Timestamp, again: bool) -> bool {
        let over = self.not_before.is_some_and(|at| at <= now);
        match self.stand {
            Stand::Waiting => self.not_before.is_none() || over,
            Stand::Settled => again || over,
            // The local file may have been changed on purpose since; our own copy is nobody's to change.
            Stand::Ready => again && self.file.as_ref().is_some_and(|file| file.lies != Lies::Scratch),
            Stand::Done => false,
        }
    }

    /// The SHA-256 of its bytes.
    pub(super) fn digest(&self) -> Option<Digest> {
        Digest::from_hex(landfall_core::Algo::Sha256, &self.file.as_ref()?.sha256)
    }
}

/// Reads a memo of this kind; one that cannot be read counts as none, which costs repeated work only.
pub(super) async fn recall<T: serde::de::DeserializeOwned>(
    memo: &dyn Memo,
    job: JobId,
    kind: &'static str,
    key: &str,
) -> Result<Option<T>, StoreError> {
    let text = memo.memo(&MemoKey::new(job, kind, key)).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Keeps a memo of this kind.
pub(super) async fn keep<T: Serialize + Sync>(
    memo: &dyn Memo,
    job: JobId,
    kind: &'static str,
    key: &str,
    value: &T,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(value).map_err(|error| {
        StoreError::new(ErrorKind::Rejected, "remember", key, "it cannot be written down").with_source(error)
    })?;
    memo.remember(&MemoKey::new(job, kind, key), MemoValue { text, secret: false, expires: None }).await
}
