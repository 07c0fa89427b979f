//! `landfall backlog`: posts with media and no backup, by author, from the user's database alone.
//!
//! Needs neither network nor ledger and writes nothing. Owns the counting and its forms: tables, one JSON
//! object, or CSV with every post.

use std::collections::BTreeMap;

use landfall_core::Code;
use landfall_stores::catalogue::{Catalogue, Post};
use rust_i18n::t;
use serde_json::json;

use crate::args::Backlog;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Cells, count};
use crate::wiring::{Context, catalogue, catalogue_of, narrowing, no_archive};

/// Posts read at a time.
const PAGE: usize = 1000;
/// Authors that are named.
const AUTHORS: usize = 20;
/// The newest posts that are named, where nobody says how many.
const NEWEST: usize = 10;

/// What was counted.
#[derive(Default)]
struct Found {
    posts: u64,
    files: u64,
    authors: BTreeMap<String, u64>,
    tables: BTreeMap<String, u64>,
    /// The newest by id, which grows with time: bounded.
    newest: Vec<Sample>,
    /// What is wrong with rows that cannot be counted.
    faults: Vec<String>,
}

struct Sample {
    table: String,
    id: String,
    username: String,
    date: String,
    files: usize,
}

/// Counts and shows.
pub(crate) async fn backlog(context: &mut Context, args: &Backlog) -> Result<Exit, CommandError> {
    let config = context.load()?;
    let job = config.job(&args.job)?;
    let Some((place, _)) = catalogue_of(&job) else { return Err(no_archive(&args.job)) };
    let narrowed = narrowing(&args.posts)?;
    let state = config.state_folder(&args.job);
    let catalogue = catalogue(place, narrowed, state, &context.environment).await?;
    let mut csv = args.csv.then(Csv::new).transpose()?;
    let found = walk(&catalogue, args.limit, csv.as_mut()).await?;
    if let Some(csv) = csv {
        context.screen.raw(&csv.text()?);
    } else {
        show(context, args, &found);
    }
    for fault in &found.faults {
        context.screen.note(fault);
    }
    Ok(Exit::Complete)
}

async fn walk(
    catalogue: &Catalogue,
    limit: Option<u64>,
    mut csv: Option<&mut Csv>,
) -> Result<Found, CommandError> {
    let most = limit.map_or(NEWEST, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let narrowing = catalogue.config().narrowing.clone();
    let mut found = Found::default();
    let mut skip = narrowing.start.unwrap_or(0);
    for table in catalogue.tables() {
        let mut after: Option<String> = None;
        loop {
            let page = catalogue.posts(table, after.as_deref(), PAGE).await?;
            found
                .faults
                .extend(page.findings.iter().map(|fault| format!("{}: {}", fault.post, fault.detail)));
            for post in &page.posts {
                if !narrowing.takes(table, &post.username, &post.date) || !post.is_backlog() {
                    continue;
                }
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                found.take(post, most);
                if let Some(csv) = csv.as_deref_mut() {
                    csv.row(post)?;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

impl Found {
    fn take(&mut self, post: &Post, most: usize) {
        self.posts += 1;
        self.files += post.media.items.len() as u64;
        *self.authors.entry(post.username.clone()).or_default() += 1;
        *self.tables.entry(post.table.clone()).or_default() += 1;
        if most == 0 {
            return;
        }
        let age = |id: &str| (id.len(), id.to_owned());
        let at = self.newest.partition_point(|other| age(&other.id) > age(&post.id));
        if at < most {
            let sample = Sample {
                table: post.table.clone(),
                id: post.id.clone(),
                username: post.username.clone(),
                date: post.date.clone(),
                files: post.media.items.len(),
            };
            self.newest.insert(at, sample);
            self.newest.truncate(most);
        }
    }

    /// Authors with most posts first.
    fn by_author(&self) -> Vec<(&String, u64)> {
        let mut authors: Vec<(&String, u64)> =
            self.authors.iter().map(|(name, posts)| (name, *posts)).collect();
        authors.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        authors
    }
}

fn show(context: &Context, args: &Backlog, found: &Found) {
    let screen = &context.screen;
    let authors = found.by_author();
    if screen.is_json() {
        screen.result(&json!({
            "job": args.job,
            "command": "backlog",
            "posts": found.posts,
            "files": found.files,
            "users": authors.iter().map(|(user, posts)| json!({ "user": user, "posts": posts })).collect::<Vec<_>>(),
            "tables": found.tables,
            "newest": found.newest.iter().map(|post| json!({
                "table": post.table, "id": post.id, "username": post.username, "date": post.date, "files": post.files,
            })).collect::<Vec<_>>(),
            "unreadable": found.faults.len(),
        }));
        return;
    }
    let heading = |keys: &[&str]| keys.iter().map(|key| ui::word(key)).collect::<Vec<_>>();
    let mut cells = Cells::new(&heading(&["table.user", "table.posts"]), 1);
    for (author, posts) in authors.iter().take(AUTHORS) {
        cells.row(&[(*author).clone(), count(*posts)]);
    }
    screen.line(cells.to_string());
    if authors.len() > AUTHORS {
        screen.line(t!("backlog.more", number = count((authors.len() - AUTHORS) as u64)));
    }
    let mut cells = Cells::new(&heading(&["table.newest", "table.user", "table.date", "table.files"]), 3);
    for post in &found.newest {
        let name = format!("{}/{}", post.table, post.id);
        cells.row(&[name, post.username.clone(), post.date.clone(), count(post.files as u64)]);
    }
    screen.line(cells.to_string());
    screen.line(t!("backlog.total", posts = count(found.posts), files = count(found.files), job = args.job));
}

/// Every post as CSV, in memory: tens of thousands of short lines.
struct Csv(csv::Writer<Vec<u8>>);

impl Csv {
    fn new() -> Result<Self, CommandError> {
        let mut csv = Self(csv::Writer::from_writer(Vec::new()));
        csv.0.write_record(["table", "id", "username", "date", "files"]).map_err(|error| broken(&error))?;
        Ok(csv)
    }

    fn row(&mut self, post: &Post) -> Result<(), CommandError> {
        let files = post.media.items.len().to_string();
        let row = [&post.table, &post.id, &post.username, &post.date, &files];
        self.0.write_record(row).map_err(|error| broken(&error))
    }

    fn text(self) -> Result<String, CommandError> {
        let bytes = self.0.into_inner().map_err(|error| broken(&error))?;
        String::from_utf8(bytes).map_err(|error| broken(&error))
    }
}

fn broken(error: &dyn std::fmt::Display) -> CommandError {
    CommandError::new(Code::Internal, format!("write CSV: {error}"))
}

#[cfg(test)]
mod tests {
    use landfall_stores::catalogue::JsonList;

    use super::*;

    fn post(id: &str, username: &str, files: usize) -> Post {
        let media: Vec<String> = (0..files).map(|n| format!("https://pbs.twimg.com/media/K{n}")).collect();
        Post {
            table: "all_tweets".to_owned(),
            id: id.to_owned(),
            username: username.to_owned(),
            display: None,
            date: String::new(),
            media: JsonList::read(Some(JsonList::dump(&media))),
            local: None,
            hub: JsonList::default(),
            uploaded: None,
        }
    }

    #[test]
    fn the_newest_are_the_greatest_numbers_and_few() {
        let mut found = Found::default();
        for (id, user) in [("99", "花子"), ("1000", "太郎"), ("100", "花子"), ("1001", "花子")] {
            found.take(&post(id, user, 2), 3);
        }
        let ids: Vec<&str> = found.newest.iter().map(|sample| sample.id.as_str()).collect();
        assert_eq!(ids, ["1001", "1000", "100"]);
        assert_eq!((found.posts, found.files), (4, 8));
        assert_eq!(found.by_author().first().map(|(name, n)| (name.as_str(), *n)), Some(("花子", 3)));
    }
}
