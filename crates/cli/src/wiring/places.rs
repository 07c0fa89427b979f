//! Sources and destination, resolved; and what can only be checked when both are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_core::error::Look;
use landfall_core::ledger::{Ledger, SourceRow};
use landfall_core::memo::Memo;
use landfall_core::store::{Destination, Found, Listed, Source};
use landfall_core::words::fold;
use landfall_core::{Code, RelPath};
use landfall_stores::fs::{FsDestination, FsSource};
use landfall_stores::graph::{Drive, Graph, Settings};

use super::{FailedSource, Graphs, OpenSource};
use crate::config::{Config, DestinationPlace, JobConfig, SourcePlace};
use crate::error::CommandError;

/// Finds the destination.
pub(crate) async fn destination(
    job: &JobConfig,
    config: &Config,
    graphs: &mut Graphs,
    ledger: &Arc<dyn Ledger>,
) -> Result<Arc<dyn Destination>, CommandError> {
    if let DestinationPlace::Folder(path) = &job.destination {
        return folder(path).await;
    }
    tracing::debug!(job = %job.name, folder = %config.folder.display(), "looking for the destination");
    let graph = graphs.get(job.destination_credentials.as_deref()).await?;
    let drive = destination_drive(&graph, &job.destination).await?;
    let memo: Arc<dyn Memo> = Arc::clone(ledger) as Arc<dyn Memo>;
    Ok(Arc::new(graph.destination(&drive, memo, Settings::default())))
}

/// A folder as a place for files; it need not be there yet.
pub(super) async fn folder(path: &Path) -> Result<Arc<dyn Destination>, CommandError> {
    Ok(Arc::new(FsDestination::open(settled(path)).await?))
}

/// Finds the drive of a destination that is one.
pub(crate) async fn destination_drive(
    graph: &Graph,
    place: &DestinationPlace,
) -> Result<Drive, CommandError> {
    Ok(match place {
        DestinationPlace::Library { site, library } => {
            let site = graph.site(site).await?;
            graph.library(&site, library.as_deref().unwrap_or("Documents")).await?
        }
        DestinationPlace::User(user) => graph.user_drive(user).await?,
        DestinationPlace::Drive(drive) => graph.drive(drive).await?,
        DestinationPlace::Folder(path) => {
            return Err(CommandError::new(Code::Internal, format!("{} is no drive", path.display())));
        }
        DestinationPlace::Dataset(dataset) => {
            return Err(CommandError::new(Code::Internal, format!("{} is no drive", dataset.repo)));
        }
    })
}

/// Finds the sources. Of a list, those that cannot be found are set aside.
pub(crate) async fn sources(
    job: &JobConfig,
    config: &Config,
    graphs: &mut Graphs,
) -> Result<(Vec<OpenSource>, Vec<FailedSource>), CommandError> {
    tracing::debug!(job = %job.name, folder = %config.folder.display(), sources = job.sources.len(), "looking for the sources");
    let mut found = Vec::new();
    let mut failed = Vec::new();
    for spec in &job.sources {
        let prefix = job.prefix(&spec.user)?;
        match source(&spec.place, job, graphs).await {
            Ok(source) => found.push(OpenSource { spec: spec.clone(), source, prefix }),
            Err(error) if job.listed && is_about_one(error.code) => {
                tracing::warn!(source = %spec.label, error = %error.detail, "left out");
                failed.push(FailedSource { label: spec.label.clone(), error });
            }
            Err(error) => return Err(error),
        }
    }
    Ok((found, failed))
}

/// Refuses a source folder that is not there before the ledger takes it for the source's own: a slip in
/// `path` can then be mended under the same name. Sources that the ledger knows are not looked at.
pub(crate) async fn with_their_folders(
    job: &JobConfig,
    sources: Vec<OpenSource>,
    known: &[SourceRow],
    failed: &mut Vec<FailedSource>,
) -> Result<Vec<OpenSource>, CommandError> {
    let mut there = Vec::with_capacity(sources.len());
    for open in sources {
        if known.iter().any(|row| row.label == open.spec.label) {
            there.push(open);
            continue;
        }
        match has_folder(open.source.as_ref(), &open.spec.path).await {
            Ok(false) => {}
            Err(error) if !job.listed => return Err(error),
            // One of many that cannot be listed is set aside by the crawl, with its error.
            Ok(true) | Err(_) => {
                there.push(open);
                continue;
            }
        }
        let label = open.spec.label;
        let detail = format!("{:?} does not lie in {label}", open.spec.path.as_str());
        let error = CommandError::new(Code::SourceNotFound, detail);
        if !job.listed {
            return Err(error);
        }
        failed.push(FailedSource { label, error });
    }
    Ok(there)
}

/// Walks down a path, by names as the crawl compares them.
async fn has_folder(source: &dyn Source, path: &RelPath) -> Result<bool, CommandError> {
    let mut parent = None;
    for name in path.segments() {
        let mut page = None;
        let below = 'found: loop {
            let (items, next) = source.children(parent.as_ref(), page).await?;
            for item in items {
                if let Listed::Folder(folder) = item
                    && (folder.name == name || fold(&folder.name) == fold(name))
                {
                    break 'found Some(folder.key);
                }
            }
            if next.is_none() {
                break None;
            }
            page = next;
        };
        if below.is_none() {
            return Ok(false);
        }
        parent = below;
    }
    Ok(true)
}

/// True where the trouble is one user's own.
fn is_about_one(code: Code) -> bool {
    matches!(code, Code::NoOneDrive | Code::SiteNotFound | Code::DriveGone | Code::DestinationLocked)
}

async fn source(
    place: &SourcePlace,
    job: &JobConfig,
    graphs: &mut Graphs,
) -> Result<Arc<dyn Source>, CommandError> {
    if let SourcePlace::Folder(path) = place {
        return Ok(Arc::new(FsSource::open(path).await?));
    }
    let graph = graphs.get(job.source_credentials.as_deref()).await?;
    let drive = source_drive(&graph, place).await?;
    Ok(Arc::new(graph.source(&drive)))
}

/// Finds the drive of a source that is one.
pub(crate) async fn source_drive(graph: &Graph, place: &SourcePlace) -> Result<Drive, CommandError> {
    Ok(match place {
        SourcePlace::User(user) => graph.user_drive(user).await?,
        SourcePlace::Drive(drive) => graph.drive(drive).await?,
        SourcePlace::PersonalSite(url) => graph.personal_site(url).await?,
        SourcePlace::Library { site, library } => {
            let site = graph.site(site).await?;
            graph.library(&site, library.as_deref().unwrap_or("Documents")).await?
        }
        SourcePlace::Folder(path) => {
            return Err(CommandError::new(Code::Internal, format!("{} is no drive", path.display())));
        }
        SourcePlace::Catalogue(_) => {
            return Err(CommandError::new(Code::Internal, "a catalogue is no drive"));
        }
    })
}

/// The path with everything resolved that is there: it stays the same once the folder has been made.
fn settled(path: &Path) -> PathBuf {
    let Ok(absolute) = std::path::absolute(path) else { return path.to_owned() };
    for there in absolute.ancestors() {
        if let Ok(real) = there.canonicalize()
            && let Ok(rest) = absolute.strip_prefix(there)
        {
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    absolute
}

/// Refuses a destination that lies inside a source, and, for a job not seen before, one that is a file.
pub(crate) async fn check(
    job: &JobConfig,
    sources: &[OpenSource],
    destination: &dyn Destination,
    known: bool,
) -> Result<(), CommandError> {
    for open in sources {
        if lies_inside(destination, &open.prefix, open.source.as_ref(), &open.spec.path) {
            let detail = format!(
                "{:?} lies in {:?} of {}",
                open.prefix.as_str(),
                open.spec.path.as_str(),
                open.spec.label
            );
            return Err(CommandError::new(Code::DestinationInsideSource, detail));
        }
    }
    if known {
        return Ok(());
    }
    let before: Vec<&str> =
        job.path.split('/').take_while(|s| !s.contains("{user}")).filter(|s| !s.is_empty()).collect();
    let mut parent = destination.root();
    for (at, name) in before.iter().enumerate() {
        match destination.find(&parent, name).await {
            Look::Present(Found::Folder(key)) => parent = key,
            Look::Present(Found::File(_)) => {
                let path = before.get(..=at).unwrap_or(&before).join("/");
                return Err(CommandError::new(Code::DestinationIsFile, format!("{path:?} is a file")));
            }
            Look::Absent => return Ok(()),
            Look::Unknown(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn lies_inside(to: &dyn Destination, prefix: &RelPath, from: &dyn Source, scope: &RelPath) -> bool {
    let (to, from) = (to.identity(), from.identity());
    if let (Some(to), Some(from)) = (to.strip_prefix("fs:"), from.strip_prefix("fs:")) {
        return Path::new(to).join(prefix.as_str()).starts_with(Path::new(from).join(scope.as_str()));
    }
    to == from && prefix.below(scope).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_the_same_once_its_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("録音").join("2025");
        let before = settled(&path);
        std::fs::create_dir_all(&path).unwrap();
        assert_eq!(before, settled(&path));
        assert_eq!(before, path.canonicalize().unwrap());
    }

    #[tokio::test]
    async fn a_destination_inside_its_source_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("a");
        std::fs::create_dir_all(from.join("b")).unwrap();
        let source = FsSource::open(&from).await.unwrap();
        let root = RelPath::root();
        let inside = |to: PathBuf, prefix: &str| {
            let (source, root, prefix) = (&source, &root, RelPath::lenient(prefix).unwrap());
            async move { lies_inside(&FsDestination::open(settled(&to)).await.unwrap(), &prefix, source, root) }
        };
        assert!(inside(from.join("b"), "").await);
        assert!(inside(from.clone(), "").await);
        assert!(inside(from.join("neu"), "ada").await);
        assert!(!inside(folder.path().join("ab"), "").await);
        assert!(!inside(folder.path().to_owned(), "").await);
    }
}
