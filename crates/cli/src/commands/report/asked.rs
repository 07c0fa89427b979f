//! What the configuration asks for: places and filters in its own words, rules in the reader's.

use landfall_core::engine::NamePolicy;
use landfall_core::store::OnConflict;
use landfall_report::Asked;

use crate::config::{DestinationPlace, JobConfig, SourcePlace, SourceSpec};
use crate::ui;

/// Puts a job into lines. Nothing secret stands in them: an address of a database is left out.
pub(super) fn asked(job: &JobConfig) -> Asked {
    Asked {
        sources: job.sources.iter().map(source).collect(),
        destination: destination(job),
        filters: filters(job),
        seal: job.seal.as_ref().map(|seal| match &seal.remote {
            Some(remote) => format!("rclone-crypt, {remote}"),
            None => "rclone-crypt".to_owned(),
        }),
        rules: rules(job),
    }
}

fn source(spec: &SourceSpec) -> String {
    let place = match &spec.place {
        SourcePlace::User(user) => format!("onedrive: {user}"),
        SourcePlace::Drive(drive) => format!("onedrive: {drive}"),
        SourcePlace::PersonalSite(site) => format!("onedrive: {site}"),
        SourcePlace::Library { site, library } => library_of(site, library.as_deref()),
        SourcePlace::Folder(path) => return format!("folder: {}", path.display()),
        SourcePlace::Catalogue(place) => {
            let tables: Vec<&str> = place.tables.iter().map(|table| table.name.as_str()).collect();
            return format!("catalogue: {}", tables.join(", "));
        }
    };
    below(place, spec.path.as_str())
}

fn destination(job: &JobConfig) -> String {
    let place = match &job.destination {
        DestinationPlace::Library { site, library } => library_of(site, library.as_deref()),
        DestinationPlace::User(user) => format!("onedrive: {user}"),
        DestinationPlace::Drive(drive) => format!("onedrive: {drive}"),
        DestinationPlace::Folder(path) => format!("folder: {}", path.display()),
        DestinationPlace::Dataset(place) => format!("huggingface: {}, {}", place.repo, place.layout),
    };
    below(place, &job.path)
}

fn library_of(site: &str, library: Option<&str>) -> String {
    match library {
        Some(library) => format!("sharepoint: {site}, {library}"),
        None => format!("sharepoint: {site}"),
    }
}

fn below(place: String, path: &str) -> String {
    if path.is_empty() { place } else { format!("{place}, /{path}") }
}

fn filters(job: &JobConfig) -> Vec<String> {
    let [include, exclude] = &job.patterns;
    let mut lines: Vec<String> = include.iter().map(|pattern| format!("include {pattern}")).collect();
    lines.extend(exclude.iter().map(|pattern| format!("exclude {pattern}")));
    let filters = &job.policy.filters;
    lines.extend(filters.min_size.map(|size| format!("min_size {size}")));
    lines.extend(filters.max_size.map(|size| format!("max_size {size}")));
    lines.extend(filters.since.map(|since| format!("since {since:.0}")));
    lines
}

fn rules(job: &JobConfig) -> Vec<String> {
    let names = match job.policy.names {
        NamePolicy::Refuse => "page.rule.names_refuse",
        NamePolicy::Map => "page.rule.names_map",
    };
    let conflict = match job.policy.on_conflict {
        OnConflict::Keep => "page.rule.keep",
        OnConflict::Replace => "page.rule.replace",
        OnConflict::Rename => "page.rule.rename",
    };
    vec![ui::word(names), ui::word(conflict)]
}
