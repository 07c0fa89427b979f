//! `tables`: names, or tables with the names of their columns, mixed as one likes.
//!
//! Told apart while reading, by hand, so that a mistake keeps its place in the file.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use toml::Spanned;

/// The list as it is written.
pub(in crate::config) type TablesPart = Vec<Spanned<TableEntry>>;

/// One element of the list.
#[derive(Debug)]
pub(in crate::config) enum TableEntry {
    /// A table of the usual shape.
    Name(String),
    /// A table with columns of other names.
    Columns(Box<TablePart>),
}

/// A table and what its columns are called. Columns not named are those of the usual shape; an empty
/// text says that the table has none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TablePart {
    pub(in crate::config) name: String,
    pub(in crate::config) id: Option<String>,
    pub(in crate::config) username: Option<String>,
    pub(in crate::config) display_name: Option<String>,
    pub(in crate::config) media_urls: Option<String>,
    pub(in crate::config) local_media: Option<String>,
    pub(in crate::config) huggingface_urls: Option<String>,
    pub(in crate::config) uploaded: Option<String>,
    pub(in crate::config) date: Option<String>,
}

impl<'de> Deserialize<'de> for TableEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = TableEntry;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a table, or { name = …, id = …, media_urls = …, … }")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<TableEntry, E> {
        Ok(TableEntry::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TableEntry, A::Error> {
        TablePart::deserialize(MapAccessDeserializer::new(map))
            .map(|part| TableEntry::Columns(Box::new(part)))
    }
}
