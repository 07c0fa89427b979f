//! The audit: a second, independent enumeration of the sources, by children instead of by delta.
//!
//! Only when both agree, per folder in files, folders and bytes, with the counts that the service
//! itself states, and when a last incremental listing shows that nothing changed meanwhile, may
//! anyone say "complete as of". Memory: the folders still to be visited, one key each.

use jiff::Timestamp;

use crate::engine::{Engine, Job, Slot};
use crate::error::StoreError;
use crate::store::Listed;
use crate::words::{ByteSize, Cursor, ItemKey};

/// What the audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Folders visited.
    pub folders: u64,
    /// Files seen.
    pub files: u64,
    /// Their bytes.
    pub bytes: ByteSize,
    /// Bytes that the sources say they hold, where they do.
    pub usage: Option<ByteSize>,
    /// Where the two enumerations disagree, one sentence each; the first thousand.
    pub differences: Vec<String>,
    /// How many there are.
    pub different: u64,
    /// Changes that the last incremental listing showed.
    pub changed_meanwhile: u64,
    /// Set where both enumerations agree and nothing changed meanwhile: everything listed is all there was then.
    pub complete_as_of: Option<Timestamp>,
}

const LISTED: usize = 1000;

/// A folder to be visited: its key (`None` the root), what to call it, and how many children it should have.
struct Visit {
    key: Option<ItemKey>,
    path: String,
    children: Option<u64>,
}

impl Engine {
    /// Enumerates the sources a second time and compares with the ledger.
    ///
    /// # Errors
    /// Where a listing fails; nothing is concluded then.
    pub async fn audit(&self, job: &Job) -> Result<AuditReport, StoreError> {
        let mut report = AuditReport::default();
        for slot in &job.slots {
            self.audit_slot(job, slot, &mut report).await?;
            if let Some(usage) = slot.source.usage().await? {
                report.usage = Some(ByteSize(report.usage.unwrap_or_default().0 + usage.0));
            }
        }
        let last = self.crawl(job, false).await?;
        for (source, error) in &last.failed {
            report.differ(format!("{source}: {error}"));
        }
        let t = last.tally;
        // A source that cannot list changes lists everything again: then only news counts.
        report.changed_meanwhile = t.new + t.superseded + t.renamed + t.gone;
        if report.different == 0 && report.changed_meanwhile == 0 {
            report.complete_as_of = Some(self.clock.now());
        }
        Ok(report)
    }

    async fn audit_slot(&self, job: &Job, slot: &Slot, report: &mut AuditReport) -> Result<(), StoreError> {
        let mut visits = vec![Visit { key: None, path: String::new(), children: None }];
        while let Some(visit) = visits.pop() {
            self.go_on(&slot.label)?;
            let (files, folders, bytes) = self.audit_folder(job, slot, &visit, &mut visits, report).await?;
            report.folders += 1;
            report.files += files;
            report.bytes.0 += bytes;
            let known = self.ledger.child_tally(job.handle.id, slot.id, visit.key.as_ref()).await?;
            if known != (files, folders, bytes) {
                report.differ(format!(
                    "{}/{}: {files} files, {folders} folders, {bytes} bytes by children; {} files, {} folders, {} bytes by the crawl",
                    slot.label, visit.path, known.0, known.1, known.2
                ));
            }
            if let Some(stated) = visit.children
                && stated != files + folders
            {
                report.differ(format!(
                    "{}/{}: the service states {stated} children and lists {}",
                    slot.label,
                    visit.path,
                    files + folders
                ));
            }
        }
        Ok(())
    }

    async fn audit_folder(
        &self,
        job: &Job,
        slot: &Slot,
        visit: &Visit,
        visits: &mut Vec<Visit>,
        report: &mut AuditReport,
    ) -> Result<(u64, u64, u64), StoreError> {
        let (mut files, mut folders, mut bytes) = (0, 0, 0);
        let mut page: Option<Cursor> = None;
        loop {
            let (items, next) = slot.source.children(visit.key.as_ref(), page).await?;
            let mut keys = Vec::with_capacity(items.len());
            let mut names = std::collections::BTreeMap::new();
            for item in items {
                match item {
                    Listed::File(entry) | Listed::Skipped { entry, .. } => {
                        files += 1;
                        bytes += entry.size.0;
                        names.insert(entry.key.clone(), entry.name);
                        keys.push(entry.key);
                    }
                    Listed::Folder(folder) => {
                        folders += 1;
                        keys.push(folder.key.clone());
                        names.insert(folder.key.clone(), folder.name.clone());
                        let path = format!("{}/{}", visit.path, folder.name);
                        visits.push(Visit {
                            key: Some(folder.key),
                            path: path.trim_start_matches('/').to_owned(),
                            children: folder.child_count,
                        });
                    }
                    Listed::Gone(_) => {}
                }
            }
            for key in self.ledger.unknown_keys(job.handle.id, slot.id, &keys).await? {
                let name = names.get(&key).map_or("", String::as_str);
                report.differ(format!("{}/{}/{name}: not in the crawl", slot.label, visit.path));
            }
            match next {
                Some(cursor) => page = Some(cursor),
                None => return Ok((files, folders, bytes)),
            }
        }
    }
}

impl AuditReport {
    fn differ(&mut self, sentence: String) {
        self.different += 1;
        if self.differences.len() < LISTED {
            self.differences.push(sentence);
        }
    }
}
