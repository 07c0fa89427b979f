//! What a document library writes into the files that it parses: its columns, as properties.
//!
//! Rewrites real files as the service was seen to (`graph.md`, section 13): archives of Office gain properties and
//! items of `customXml` and are packed anew in another order, old Office files get another property stream, PDF an
//! update at its end, HTML, JPEG and PNG a piece within. Nothing else of a file changes. Knows nothing of whoever
//! judges the result, and shares no code with it: archives and compound files are taken apart by other crates.

use fastrand::Rng;

mod compound;
mod markup;
mod package;
mod picture;
mod portable;

pub(crate) use picture::chunk as png_chunk;

/// A library and the columns that it writes into its files.
#[derive(Clone, Debug)]
pub struct Library {
    /// The id of the content type that its files have.
    pub content_type: String,
    /// Names and values.
    pub columns: Vec<(String, String)>,
    /// What the order of members is drawn from.
    pub seed: u64,
}

impl Default for Library {
    /// One column in Japanese.
    fn default() -> Self {
        Self {
            content_type: "0x01010042D2ECEB487FD14A878A8B12B45AD0DF".to_owned(),
            columns: vec![("部門".to_owned(), "第一営業部 & 総務".to_owned())],
            seed: 0,
        }
    }
}

impl Library {
    /// The file as the library hands it out; none if this is no file that it can take apart, which it then leaves
    /// as it is.
    pub fn rewritten(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut rng = Rng::with_seed(self.seed);
        if bytes.starts_with(b"PK") {
            package::rewritten(self, bytes, &mut rng)
        } else if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
            compound::rewritten(self, bytes)
        } else if bytes.starts_with(b"%PDF-") {
            portable::rewritten(self, bytes)
        } else if bytes.starts_with(b"\x89PNG") {
            picture::png(self, bytes)
        } else if bytes.starts_with(&[0xFF, 0xD8]) {
            picture::jpeg(self, bytes)
        } else {
            markup::rewritten(self, bytes)
        }
    }

    /// Gives a column a value. What is written from then on is packed in another order too.
    pub(crate) fn set(&mut self, name: String, value: String) {
        self.columns.retain(|(known, _)| *known != name);
        self.columns.push((name, value));
        self.seed += 1;
    }

    /// All columns as one text.
    fn text(&self) -> String {
        let pairs: Vec<String> = self.columns.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{};{}", self.content_type, pairs.join(";"))
    }
}

/// A text as it stands in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
