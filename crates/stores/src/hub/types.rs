//! What the Hub says of accounts, repositories and entries, as types.
//!
//! Owns the shapes of the answers (reference/hub.md, sections 2 to 5) and what of them is evidence. Refuses to
//! ask for anything.

use landfall_core::digest::{Algo, Digest, Digests};
use landfall_core::proof::Evidence;
use landfall_core::store::Holding;
use landfall_core::words::{ByteSize, ItemKey, Revision};
use serde::Deserialize;

use super::repo::RepoId;

/// Whose token it is and what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whoami {
    /// The account.
    pub name: String,
    /// The account's organisations, with the role there where it is told.
    pub orgs: Vec<(String, Option<String>)>,
    /// The token's role (`read`, `write`, `fineGrained`); `None` where the service does not say.
    pub role: Option<String>,
}

/// What a repository is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoInfo {
    /// Its name as the service writes it.
    pub id: String,
    /// The commit at the head of its default branch, 40 hex digits.
    pub sha: String,
    /// Whether only those with rights see it.
    pub private: bool,
    /// Bytes that count against the account, where the service says so.
    pub used: Option<ByteSize>,
}

/// File or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// The object that an LFS file points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lfs {
    /// SHA-256 of the content, lower case hex.
    pub sha256: String,
    /// Size of the content in bytes.
    pub size: u64,
}

/// One entry of a repository at one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path from the repository's root; foreign text.
    pub path: String,
    /// File or folder.
    pub kind: EntryKind,
    /// The content's size in bytes, also for LFS files; 0 for folders.
    pub size: u64,
    /// The git id: of the blob, for LFS files of the pointer's blob, for folders of the tree.
    pub oid: String,
    /// Set for LFS files.
    pub lfs: Option<Lfs>,
}

impl TreeEntry {
    /// What the listing shows of the content: for LFS files size and SHA-256, for others the size alone.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let sha256 = self.lfs.as_ref().and_then(|lfs| Digest::from_hex(Algo::Sha256, &lfs.sha256));
        Evidence { size: ByteSize(self.size), digests: Digests { sha256, ..Digests::default() } }
    }

    /// The git blob SHA-1 of a regular file, which is `sha1("blob <len>\0" + bytes)`, lower case hex; see
    /// [`git_blob_sha1`]. `None` for LFS files, where it would be the pointer's, and for folders.
    #[must_use]
    pub fn git_sha1(&self) -> Option<&str> {
        (self.lfs.is_none() && self.kind == EntryKind::File).then_some(self.oid.as_str())
    }

    /// The entry as the destination's word of what it holds.
    #[must_use]
    pub fn holding(&self, repo: &RepoId) -> Holding {
        Holding {
            item: item_key(repo, &self.path),
            revision: Some(Revision(self.oid.clone())),
            evidence: self.evidence(),
        }
    }

    /// True where this is exactly the LFS object of this SHA-256 (hex) and size.
    pub(crate) fn is_object(&self, sha256: &str, size: u64) -> bool {
        self.size == size
            && self
                .lfs
                .as_ref()
                .is_some_and(|lfs| lfs.sha256.eq_ignore_ascii_case(sha256) && lfs.size == size)
    }
}

/// The id of a file: `OWNER/NAME:path`.
pub(crate) fn item_key(repo: &RepoId, path: &str) -> ItemKey {
    ItemKey(format!("{repo}:{path}"))
}

/// The repository and path of a file's id; `None` where it is no such id.
pub(crate) fn parse_item(item: &ItemKey) -> Option<(RepoId, &str)> {
    // A repository's name holds no colon, so the first one parts the two.
    let (repo, path) = item.as_str().split_once(':')?;
    Some((RepoId::parse(repo).ok()?, path))
}

/// The id that git gives a blob of these bytes: `sha1("blob <len>\0" + bytes)`, lower case hex.
#[must_use]
pub fn git_blob_sha1(bytes: &[u8]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(format!("blob {}\0", bytes.len()).as_bytes());
    context.update(bytes);
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry on the wire.
#[derive(Deserialize)]
pub(crate) struct WireEntry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    oid: String,
    #[serde(default)]
    size: u64,
    path: String,
    #[serde(default)]
    lfs: Option<WireLfs>,
}

#[derive(Deserialize)]
struct WireLfs {
    // The field is called oid and holds the SHA-256 (reference/hub.md, section 4).
    oid: String,
    size: u64,
}

impl WireEntry {
    /// The entry; `None` for what is neither file nor folder (a submodule).
    pub(crate) fn entry(self) -> Option<TreeEntry> {
        let kind = match self.kind.as_str() {
            "file" => EntryKind::File,
            "directory" => EntryKind::Folder,
            _ => return None,
        };
        let lfs = self.lfs.map(|lfs| Lfs { sha256: lfs.oid.to_ascii_lowercase(), size: lfs.size });
        Some(TreeEntry { path: self.path, kind, size: self.size, oid: self.oid, lfs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sha256_of_an_lfs_file_is_its_oid_and_a_git_id_is_none() {
        let sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!(
            r#"{{"type":"file","oid":"aa","size":48,"path":"encrypted_images/花子/8k2m","lfs":{{"oid":"{sha}","size":48,"pointerSize":134}},"xetHash":"00"}}"#
        );
        let entry = serde_json::from_str::<WireEntry>(&text).unwrap().entry().unwrap();
        assert_eq!(entry.evidence().digests.sha256.unwrap().hex(), sha);
        assert_eq!(entry.git_sha1(), None);
        assert!(entry.is_object(&sha.to_uppercase(), 48) && !entry.is_object(sha, 49));
        let plain = r#"{"type":"file","oid":"bb","size":3,"path":"README.md"}"#;
        let entry = serde_json::from_str::<WireEntry>(plain).unwrap().entry().unwrap();
        assert!(entry.evidence().digests.is_empty());
        assert_eq!(entry.git_sha1(), Some("bb"));
    }

    #[test]
    fn git_ids_are_those_of_git() {
        // `git hash-object` of the empty file and of "hello\n".
        assert_eq!(git_blob_sha1(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(git_blob_sha1(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn an_item_key_keeps_colons_of_the_path() {
        let repo = RepoId::parse("me/EventMonitor").unwrap();
        let key = item_key(&repo, "images/a:b/録音");
        assert_eq!(parse_item(&key), Some((repo, "images/a:b/録音")));
        assert_eq!(parse_item(&ItemKey::from("no key")), None);
    }
}
