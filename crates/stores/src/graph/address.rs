//! The URLs of one drive.
//!
//! Owns how items are addressed: by id, and by parent id and name, so that a URL never grows with a
//! path. Refuses to know who asks. Reference: reference/graph.md, sections 1 and 8.1.

use crate::wire::{Cloud, encode};

/// One drive in one cloud.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    base: String,
    drive: String,
    cloud: Cloud,
}

/// Encodes an id, keeping the exclamation mark that every drive id has.
pub(crate) fn id(text: &str) -> String {
    encode(text).replace("%21", "!")
}

impl Address {
    pub(crate) fn new(base: &str, drive: &str, cloud: Cloud) -> Self {
        Self { base: base.to_owned(), drive: drive.to_owned(), cloud }
    }

    /// The drive's id as the service wrote it.
    pub(crate) fn drive_id(&self) -> &str {
        &self.drive
    }

    /// The service's address with its version.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn drive(&self) -> String {
        format!("{}/drives/{}", self.base, id(&self.drive))
    }

    pub(crate) fn delta(&self) -> String {
        // The page size is a hint; nothing is selected, because selecting has been seen to lose size and annotations.
        format!("{}/root/delta?$top=1000", self.drive())
    }

    pub(crate) fn item(&self, item: &str) -> String {
        format!("{}/items/{}", self.drive(), id(item))
    }

    /// An item of another drive of the same service.
    pub(crate) fn sibling_item(&self, drive: &str, item: &str) -> String {
        format!("{}/drives/{}/items/{}", self.base, id(drive), id(item))
    }

    /// An item for a batch: relative to the version.
    pub(crate) fn batched_item(&self, item: &str) -> String {
        format!("/drives/{}/items/{}", id(&self.drive), id(item))
    }

    pub(crate) fn children(&self, folder: &str) -> String {
        format!("{}/children", self.item(folder))
    }

    pub(crate) fn batch(&self) -> String {
        format!("{}/$batch", self.base)
    }

    /// One name in one folder, with an action on it (`content`, `createUploadSession`) or without.
    pub(crate) fn child(&self, parent: &str, name: &str, action: Option<&str>, query: &str) -> String {
        let item = self.item(parent);
        if self.cloud == Cloud::China {
            // The colon form fails there. Source: reference/graph.md, section 1 (read from rclone).
            let action = action.map(|action| format!("/{action}")).unwrap_or_default();
            let query = if query.is_empty() { String::new() } else { format!("&{query}") };
            let name = encode(&name.replace('\'', "''"));
            return format!("{item}/children('@a1'){action}?@a1='{name}'{query}");
        }
        let action = action.map(|action| format!("/{action}")).unwrap_or_default();
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{item}:/{}:{action}{query}", encode(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_and_ids_kept() {
        let address = Address::new("https://g/v1.0", "b!x_-", Cloud::Global);
        assert_eq!(
            address.child("01P", "録 #1%.wav", Some("content"), "@microsoft.graph.conflictBehavior=fail"),
            "https://g/v1.0/drives/b!x_-/items/01P:/%E9%8C%B2%20%231%25.wav:/content?@microsoft.graph.conflictBehavior=fail"
        );
        assert_eq!(address.child("01P", "a", None, ""), "https://g/v1.0/drives/b!x_-/items/01P:/a:");
    }

    #[test]
    fn china_has_a_grammar_of_its_own() {
        let address = Address::new("https://g/v1.0", "b!x", Cloud::China);
        assert_eq!(
            address.child("01P", "o'x", Some("content"), "q=1"),
            "https://g/v1.0/drives/b!x/items/01P/children('@a1')/content?@a1='o%27%27x'&q=1"
        );
    }
}
