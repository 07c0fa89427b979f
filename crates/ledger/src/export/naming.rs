//! How a file is named to people: its path, and its source's label before it where there are several.

use std::collections::BTreeMap;

use landfall_core::ledger::{Ledger, SourceRow};
use landfall_core::row::FileRow;
use landfall_core::{JobId, RelPath, SourceId, StoreError};

/// The sources of a job, for making and reading the paths of its outputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Naming {
    rows: Vec<SourceRow>,
    labels: BTreeMap<SourceId, String>,
}

impl Naming {
    pub(super) async fn of(ledger: &dyn Ledger, job: JobId) -> Result<Self, StoreError> {
        let mut rows = ledger.sources(job).await?;
        let labels = rows.iter().map(|s| (s.id, s.label.clone())).collect();
        // The longest label first, so that `a/b` is not taken for a path in `a`.
        rows.sort_by(|a, b| b.label.len().cmp(&a.label.len()).then_with(|| a.label.cmp(&b.label)));
        Ok(Self { rows, labels })
    }

    /// The job's sources.
    pub(super) fn sources(&self) -> &[SourceRow] {
        &self.rows
    }

    /// The path as outputs show it. A file whose folder is not known yet goes by its name.
    pub(super) fn path(&self, row: &FileRow) -> String {
        let path = row.path().map_or_else(|| row.entry.name.clone(), String::from);
        match self.labels.get(&row.source) {
            Some(label) if self.labels.len() > 1 => format!("{label}/{path}"),
            _ => path,
        }
    }

    /// What a path in a log may mean: the source it must be of, if it names one, and the path there.
    pub(super) fn meanings(&self, text: &str) -> Vec<(Option<SourceId>, RelPath)> {
        let mut meanings = Vec::new();
        for source in &self.rows {
            let tail = text.strip_prefix(source.label.as_str()).and_then(|t| t.strip_prefix('/'));
            if let Some(path) = tail.and_then(|t| RelPath::new(t).ok()) {
                meanings.push((Some(source.id), path));
            }
        }
        if let Ok(path) = RelPath::new(text) {
            meanings.push((None, path));
        }
        meanings
    }
}
