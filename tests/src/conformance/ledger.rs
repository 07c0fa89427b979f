//! What every ledger must do, as cases that take any ledger.
//!
//! Cases share one database: each works in a job (and a tree) of its own name. The random comparison
//! with the memory ledger is in [`random`].

mod destination;
mod jobs;
mod listing;
mod looks;
mod memos;
mod moving;
mod owing;
pub mod random;
pub mod upgrade;
mod verifying;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use landfall_core::ledger::{EnrolTally, Enrolment, FileFilter, JobHandle, Ledger, Placement};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::{Event, Via};
use landfall_core::store::{Authors, Entry, Listed, ListedFolder};
use landfall_core::words::{ByteSize, Cursor, FileId, ItemKey, Revision, SourceId, Times, fold_hash};
use landfall_core::{Algo, Digest, Digests};

/// A future that a case or a factory gives.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Opens one more ledger on the same store, as another process would.
pub type Again = Arc<dyn Fn() -> Boxed<Arc<dyn Ledger>> + Send + Sync>;

/// A ledger under test.
#[derive(Clone)]
pub struct Setup {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Another process on the same store.
    pub again: Again,
}

type Case = (&'static str, fn(Setup) -> Boxed<()>);

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        /// Every case with its name.
        pub const CASES: &[Case] = &[$((stringify!($name), |setup| Box::pin($module::$name(setup)))),*];
    };
}

cases! {
    jobs::jobs_are_found_and_epochs_grow,
    jobs::a_changed_target_is_refused,
    jobs::a_stale_epoch_is_refused_on_every_write,
    jobs::a_second_process_is_refused_while_the_first_lives,
    jobs::an_interrupted_run_goes_on,
    jobs::a_pass_keeps_or_drops_its_cursor,
    listing::children_may_come_before_their_parents,
    listing::the_last_of_a_key_counts_and_repeating_changes_nothing,
    listing::a_moved_folder_moves_its_files,
    listing::a_parent_that_never_comes_leaves_no_path,
    listing::a_full_pass_sweeps_what_it_did_not_see,
    listing::changed_content_supersedes,
    listing::a_file_may_be_renamed_lost_and_come_back,
    listing::skipped_things_keep_their_reason,
    listing::a_key_may_change_its_kind,
    listing::an_unfinished_listing_is_not_settled,
    listing::folders_page_by_path,
    listing::children_are_counted_and_unknown_keys_named,
    listing::hostile_names_are_held_and_lead_nowhere,
    listing::a_large_page_is_taken_whole,
    moving::placement_decides_who_takes_part,
    moving::files_that_share_a_target_are_found,
    moving::a_file_goes_the_whole_way,
    moving::an_illegal_event_leaves_the_batch_unwritten,
    moving::event_numbers_have_no_gap_under_concurrency,
    moving::filters_choose,
    moving::a_folder_whose_target_changes_loses_its_item,
    moving::paths_are_found_as_spelt_or_as_folded,
    moving::totals_add_up,
    owing::what_is_owed_is_written_with_its_proof_and_survives,
    owing::settling_is_repeatable_and_numbers_are_never_given_again,
    owing::an_illegal_event_owes_nothing,
    owing::a_reader_of_what_is_owed_skips_nothing,
    owing::a_sealing_is_kept_until_the_content_changes,
    owing::files_are_found_by_their_keys,
    looks::a_newer_look_replaces_the_one_before,
    looks::one_look_is_read_and_settled_by_its_subject,
    looks::looks_page_bytewise_by_subject,
    looks::looks_that_were_not_repeated_are_forgotten,
    destination::a_tree_is_kept_as_listed,
    destination::what_goes_takes_everything_below_it,
    destination::a_full_pass_forgets_what_it_did_not_see,
    destination::files_match_what_lies_in_their_place,
    verifying::files_are_held_with_what_the_tree_has_of_them,
    verifying::the_course_is_the_sum_of_the_events,
    verifying::what_is_held_for_nobody_is_a_stranger,
    verifying::the_three_dates_stay_apart_and_the_stalest_come_first,
    verifying::a_check_may_learn_what_was_not_known,
    verifying::what_was_renamed_after_landing_is_found_again,
    verifying::whose_a_file_was_is_kept,
    memos::memos_are_replaced_listed_and_forgotten,
    memos::secrets_come_back_and_expired_memos_do_not,
}

/// Runs every case; the name of each is printed first, so that a failure names its case.
pub async fn run_all(setup: Setup) {
    for (name, case) in CASES {
        println!("case {name}");
        case(setup.clone()).await;
    }
}

/// A moment, in seconds after a fixed one.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).unwrap()
}

/// A quickXorHash made of one byte.
#[must_use]
pub fn quickxor(byte: u8) -> Digests {
    Digests::quickxor(Digest::new(Algo::QuickXor, &[byte; 20]).unwrap())
}

/// The intent to upload.
#[must_use]
pub fn intended() -> Event {
    Event::Intended { via: Via::Stream }
}

/// A file as a source lists it.
#[must_use]
pub fn entry(key: &str, parent: &str, name: &str, size: u64) -> Entry {
    Entry {
        key: ItemKey::from(key),
        parent: (!parent.is_empty()).then(|| ItemKey::from(parent)),
        name: name.to_owned(),
        size: ByteSize(size),
        times: Times { created: Some(at(-100)), modified: Some(at(-50)) },
        revision: Some(Revision(format!("\"{key},1\""))),
        digests: quickxor(1),
        authors: Authors::default(),
    }
}

/// A listed file.
#[must_use]
pub fn file(key: &str, parent: &str, name: &str) -> Listed {
    Listed::File(entry(key, parent, name, 10))
}

/// A listed folder.
#[must_use]
pub fn folder(key: &str, parent: &str, name: &str) -> Listed {
    Listed::Folder(ListedFolder {
        key: ItemKey::from(key),
        parent: (!parent.is_empty()).then(|| ItemKey::from(parent)),
        name: name.to_owned(),
        times: Times { created: None, modified: Some(at(-70)) },
        child_count: Some(2),
        authors: Authors::default(),
    })
}

/// A job with one source, for one case.
pub struct Scene {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The job.
    pub job: JobHandle,
    /// Its source.
    pub source: SourceId,
}

impl Scene {
    /// Opens the case's job and source.
    pub async fn open(setup: &Setup, name: &str) -> Self {
        let ledger = Arc::clone(&setup.ledger);
        let job = ledger.open_job(name, "宛先", "test", at(0)).await.unwrap();
        let source = ledger.open_source(&job, "ada@contoso.com", "drive-1").await.unwrap();
        Self { ledger, job, source }
    }

    /// Takes a page of the present pass.
    pub async fn page(&self, items: Vec<Listed>, complete: bool) -> EnrolTally {
        let pass = self.ledger.cursor(self.job.id, self.source).await.unwrap().pass;
        let cursor = Some(Cursor(format!("cursor-{pass}")));
        let page = Enrolment { source: self.source, pass, items, cursor, complete, at: at(10 + pass) };
        self.ledger.enrol(&self.job, page).await.unwrap()
    }

    /// A whole pass of one page, settled.
    pub async fn pass(&self, full: bool, items: Vec<Listed>) -> (EnrolTally, u64) {
        self.ledger.begin_pass(&self.job, self.source, full).await.unwrap();
        let tally = self.page(items, true).await;
        (tally, self.ledger.settle_tree(&self.job, self.source, at(20)).await.unwrap())
    }

    /// Every file, whatever its standing.
    pub async fn files(&self) -> Vec<FileRow> {
        let filter = FileFilter { standings: Standing::ALL.to_vec(), ..FileFilter::default() };
        self.ledger.scan(self.job.id, &filter, FileId(0), 100_000).await.unwrap()
    }

    /// The file with this key.
    pub async fn file(&self, key: &str) -> FileRow {
        let files = self.files().await;
        files.into_iter().find(|f| f.entry.key.as_str() == key).unwrap_or_else(|| panic!("no file {key}"))
    }

    /// Lets every unsettled file take part under its own name.
    pub async fn place_all(&self) {
        let files = self.files().await;
        let places = files.iter().filter(|f| f.standing == Standing::Unsettled).map(placed).collect();
        self.ledger.place(&self.job, places).await.unwrap();
    }

    /// Names of the events after a sequence number.
    pub async fn events(&self, after: i64) -> Vec<String> {
        let rows = self.ledger.events(self.job.id, after, 1000).await.unwrap();
        rows.into_iter().map(|e| e.name).collect()
    }
}

/// A placement that lets a file take part where it lies.
#[must_use]
pub fn placed(row: &FileRow) -> Placement {
    let path = row.path().map_or_else(|| row.entry.name.clone(), String::from);
    Placement {
        file: row.id,
        standing: Standing::In,
        skip: None,
        dest_name: None,
        target: fold_hash(&path),
        fold: fold_hash(&row.entry.name),
    }
}
