//! Where a file goes at the destination: `encrypted_{kind}/{username}/{name}`.
//!
//! The words in braces are filled in from the post; the result is judged again segment by segment.

use landfall_core::{Code, ErrorKind, RelPath, StoreError};

use super::names::{Folder, username_fault};

/// The layout of the public project.
const USUAL: &str = "encrypted_{kind}/{username}/{name}";

/// A checked layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The segments before the name, with their braces.
    segments: Vec<String>,
}

impl Default for Layout {
    fn default() -> Self {
        let segments = USUAL.trim_end_matches("/{name}").split('/').map(str::to_owned).collect();
        Self { segments }
    }
}

impl Layout {
    /// Reads a layout.
    ///
    /// # Errors
    /// With code `BadConfig` where the last segment is not `{name}`, where a word in braces is unknown, or
    /// where the path is none.
    pub fn new(text: &str) -> Result<Self, StoreError> {
        let bad = |detail: &str| {
            Err(StoreError::new(ErrorKind::Rejected, "read layout", text, detail).with_code(Code::BadConfig))
        };
        let Some(head) = text.strip_suffix("/{name}") else {
            return bad("its last segment must be {name}");
        };
        let filled = head.replace("{kind}", "images").replace("{username}", "alice");
        if filled.contains(['{', '}']) {
            return bad("only {kind}, {username} and {name} may stand in braces");
        }
        match RelPath::new(filled) {
            Ok(path) if !path.is_root() => {
                Ok(Self { segments: head.split('/').map(str::to_owned).collect() })
            }
            _ => bad("it is no path below the destination"),
        }
    }

    /// The folder of a file.
    ///
    /// # Errors
    /// What is wrong with the user's name, in words.
    pub fn folder(&self, folder: Folder, username: &str) -> Result<RelPath, &'static str> {
        if let Some(fault) = username_fault(username) {
            return Err(fault);
        }
        let fill =
            |segment: &String| segment.replace("{kind}", folder.name()).replace("{username}", username);
        let path: Vec<String> = self.segments.iter().map(fill).collect();
        RelPath::new(path.join("/")).map_err(|_| "it makes no path")
    }

    /// The user of a folder that this layout made.
    #[must_use]
    pub fn username_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let at = self.segments.iter().position(|segment| segment == "{username}")?;
        path.split('/').nth(at)
    }

    /// The kind of a folder that this layout made.
    #[must_use]
    pub fn folder_in(&self, path: &str) -> Option<Folder> {
        let at = self.segments.iter().position(|segment| segment.contains("{kind}"))?;
        let (before, after) = self.segments.get(at)?.split_once("{kind}")?;
        Folder::parse(path.split('/').nth(at)?.strip_prefix(before)?.strip_suffix(after)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_expands_and_refuses_users_that_lead_elsewhere() {
        let layout = Layout::new("encrypted_{kind}/{username}/{name}").unwrap();
        assert_eq!(layout, Layout::default());
        assert_eq!(layout.folder(Folder::Videos, "花子").unwrap().as_str(), "encrypted_videos/花子");
        assert!(layout.folder(Folder::Images, "../evil").is_err());
        assert_eq!(layout.username_in("encrypted_videos/花子"), Some("花子"));
        assert_eq!(layout.folder_in("encrypted_videos/花子"), Some(Folder::Videos));
        assert_eq!(layout.folder_in("plain/花子"), None);
        for bad in ["{name}", "a/{user}/{name}", "a/../{name}", "a/{username}", "/a/{name}"] {
            assert_eq!(Layout::new(bad).unwrap_err().code, Some(Code::BadConfig), "{bad}");
        }
    }
}
