//! Graph's JSON as we read it, and its translation into the words of the seams.
//!
//! Owns what a drive item means: file, folder, package, shortcut, infected, gone. Everything is
//! optional and unknown fields are ignored; no input makes it panic. Refuses to know how it was
//! fetched. Reference: reference/graph.md, sections 4 and 6.

use jiff::Timestamp;
use landfall_core::digest::{Algo, Digest, Digests};
use landfall_core::proof::Evidence;
use landfall_core::state::Reason;
use landfall_core::store::{Authors, Entry, Holding, Listed, ListedFolder};
use landfall_core::words::{ItemKey, Revision};
use landfall_core::{ByteSize, RelPath, Times};
use serde::Deserialize;
use serde_json::{Number, Value};

/// One item of a drive.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct DriveItem {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    size: Option<Number>,
    e_tag: Option<String>,
    file: Option<FileFacet>,
    folder: Option<FolderFacet>,
    package: Option<Value>,
    remote_item: Option<Value>,
    malware: Option<Value>,
    deleted: Option<Value>,
    root: Option<Value>,
    parent_reference: Option<ParentReference>,
    file_system_info: Option<FileSystemInfo>,
    created_date_time: Option<String>,
    last_modified_date_time: Option<String>,
    created_by: Option<IdentitySet>,
    last_modified_by: Option<IdentitySet>,
    /// Pre-authenticated: a secret.
    #[serde(rename = "@microsoft.graph.downloadUrl", alias = "@content.downloadUrl")]
    download_url: Option<String>,
}

impl std::fmt::Debug for DriveItem {
    /// An item may carry a download URL, which is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DriveItem({:?}, {:?})", self.id, self.name)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct FileFacet {
    hashes: Option<Hashes>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Hashes {
    quick_xor_hash: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct FolderFacet {
    child_count: Option<Number>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ParentReference {
    id: Option<String>,
}

/// Times that clients set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct FileSystemInfo {
    created_date_time: Option<String>,
    last_modified_date_time: Option<String>,
}

/// Who did something.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct IdentitySet {
    user: Option<Identity>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Identity {
    display_name: Option<String>,
    email: Option<String>,
    id: Option<String>,
}

impl IdentitySet {
    /// The person; none where an application did it by itself: it is then named alone, without a user.
    // Source: OneDrive/onedrive-api-docs, issue 362 (a maintainer's answer, 2016; read 2026-11).
    // Unverified: that a "user" without an address or id (such as "System Account") is never a person.
    fn person(&self) -> Option<String> {
        let user = self.user.as_ref()?;
        let known = [&user.email, &user.id].into_iter().flatten().find(|text| !text.is_empty())?;
        Some(user.display_name.as_ref().filter(|name| !name.is_empty()).unwrap_or(known).clone())
    }
}

/// One page of a listing.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemPage {
    pub(crate) value: Vec<DriveItem>,
    #[serde(rename = "@odata.nextLink", default)]
    pub(crate) next: Option<String>,
    #[serde(rename = "@odata.deltaLink", default)]
    pub(crate) delta: Option<String>,
}

impl DriveItem {
    pub(crate) fn is_file(&self) -> bool {
        self.file.is_some() && self.folder.is_none() && self.package.is_none()
    }

    /// True for what can hold children: a folder, or a package (a OneNote notebook), which is carried as one.
    pub(crate) fn is_folder(&self) -> bool {
        self.folder.is_some() || self.package.is_some()
    }

    pub(crate) fn is_infected(&self) -> bool {
        self.malware.is_some()
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.is_some()
    }

    pub(crate) fn download_url(&self) -> Option<&str> {
        self.download_url.as_deref().filter(|url| !url.is_empty())
    }

    pub(crate) fn size(&self) -> ByteSize {
        // A negative or broken size is as good as none: the proof finds out.
        ByteSize(self.size.as_ref().and_then(Number::as_u64).unwrap_or(0))
    }

    pub(crate) fn revision(&self) -> Option<Revision> {
        self.e_tag.clone().map(Revision)
    }

    pub(crate) fn digests(&self) -> Digests {
        let text =
            self.file.as_ref().and_then(|f| f.hashes.as_ref()).and_then(|h| h.quick_xor_hash.as_deref());
        // Base64 by contract; some drives once gave 40 hex digits.
        text.and_then(|text| {
            Digest::from_base64(Algo::QuickXor, text).or_else(|| Digest::from_hex(Algo::QuickXor, text))
        })
        .map_or_else(Digests::none, Digests::quickxor)
    }

    /// The times that clients set; where there are none, the service's own.
    pub(crate) fn times(&self) -> Times {
        let client = self.file_system_info.clone().unwrap_or_default();
        let read = |first: Option<&String>, second: Option<&String>| {
            [first, second].into_iter().flatten().find_map(|text| text.parse::<Timestamp>().ok())
        };
        Times {
            created: read(client.created_date_time.as_ref(), self.created_date_time.as_ref()),
            modified: read(client.last_modified_date_time.as_ref(), self.last_modified_date_time.as_ref()),
        }
        .whole_seconds()
    }

    fn authors(&self) -> Authors {
        let person = |set: Option<&IdentitySet>| set.and_then(IdentitySet::person);
        Authors {
            created: person(self.created_by.as_ref()),
            modified: person(self.last_modified_by.as_ref()),
        }
    }

    pub(crate) fn evidence(&self) -> Evidence {
        Evidence { size: self.size(), digests: self.digests() }
    }

    /// What a destination holds; `None` without an id.
    pub(crate) fn holding(&self) -> Option<Holding> {
        Some(Holding {
            item: ItemKey(self.id.clone()?),
            revision: self.revision(),
            evidence: self.evidence(),
        })
    }

    /// The folder it lies in, where that is not the root. An item without a parent's id belongs
    /// nowhere that we could name: its parent is then the empty key, which nothing ever has.
    fn parent(&self, root: &str) -> Option<ItemKey> {
        let parent = self.parent_reference.as_ref().and_then(|parent| parent.id.clone()).unwrap_or_default();
        (parent != root).then_some(ItemKey(parent))
    }

    /// The item as a file's entry, whatever it is; `None` without an id.
    pub(crate) fn entry(&self, root: &str) -> Option<Entry> {
        Some(Entry {
            key: ItemKey(self.id.clone()?),
            parent: self.parent(root),
            name: self.name.clone().unwrap_or_default(),
            size: self.size(),
            times: self.times(),
            revision: self.revision(),
            digests: self.digests(),
            authors: self.authors(),
        })
    }

    /// The item as a listing gives it; `None` for the root and for what has no id.
    pub(crate) fn listed(&self, root: &str) -> Option<Listed> {
        let entry = self.entry(root)?;
        if self.root.is_some() || entry.key.as_str() == root {
            return None;
        }
        if self.is_deleted() {
            return Some(Listed::Gone(entry.key));
        }
        if let Some(reason) = self.skipped(&entry.name) {
            return Some(Listed::Skipped { entry, reason });
        }
        if self.is_folder() {
            return Some(Listed::Folder(ListedFolder {
                key: entry.key,
                parent: entry.parent,
                name: entry.name,
                times: entry.times,
                authors: entry.authors,
                child_count: self
                    .folder
                    .as_ref()
                    .and_then(|f| f.child_count.as_ref())
                    .and_then(Number::as_u64),
            }));
        }
        Some(Listed::File(entry))
    }

    /// Why it is never moved; `None` for files, folders and packages.
    fn skipped(&self, name: &str) -> Option<Reason> {
        if self.remote_item.is_some() {
            return Some(Reason::Shortcut);
        }
        if self.is_infected() {
            return Some(Reason::Malware);
        }
        if RelPath::root().join(name).is_err() {
            return Some(Reason::HostileName);
        }
        if !self.is_folder() && self.file.is_none() {
            return Some(Reason::Special);
        }
        None
    }
}

/// The times of a file as Graph takes them; `None` where none are known.
pub(crate) fn file_system_info(times: Times) -> Option<Value> {
    let times = times.whole_seconds();
    let mut info = serde_json::Map::new();
    if let Some(created) = times.created {
        info.insert("createdDateTime".into(), created.to_string().into());
    }
    if let Some(modified) = times.modified {
        info.insert("lastModifiedDateTime".into(), modified.to_string().into());
    }
    (!info.is_empty()).then_some(Value::Object(info))
}

#[cfg(test)]
mod tests;
