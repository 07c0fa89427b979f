//! Summing up: totals from the looks of the ledger, plain files that are still on the Hub, heads that moved.

use landfall_core::StoreError;
use landfall_core::ledger::LookFilter;

use super::state::State;
use crate::Archive;
use crate::claim::Place;
use crate::look::{Looker, Seen};
use crate::report::{LEAKS, VerifyReport};

/// Looks read from the ledger at a time.
const LOOKS: usize = 1000;
/// The kind of memo that keeps a plain file which a repair left on the Hub.
pub(crate) const LEAK: &str = "leak";

impl Archive {
    /// Adds up what this verify saw.
    pub(super) async fn sum_up(&self, state: &State) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        let mut after = String::new();
        loop {
            let looks =
                self.engine.ledger.looks(self.job.handle.id, &LookFilter::default(), &after, LOOKS).await?;
            let Some(last) = looks.last() else { break };
            after.clone_from(&last.subject);
            for look in looks.iter().filter(|look| look.at >= state.started) {
                report.add(look);
            }
        }
        report.finish();
        Ok(report)
    }

    /// Plain files that a repair left on the Hub are no longer recorded, and are told of all the same.
    pub(super) async fn add_known_leaks(
        &self,
        looker: &mut Looker,
        report: &mut VerifyReport,
    ) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let keys = self.engine.ledger.memos(self.job.handle.id, LEAK, &after, LOOKS).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after.clone_from(last);
            let place = |key: &String| key.split_once(':').map(|(repo, path)| Place::new(repo, path));
            let places: Vec<Place> = keys.iter().filter_map(place).collect();
            for (place, seen) in places.iter().zip(looker.look(&places).await?) {
                let url = self.shelves.print(place);
                if matches!(seen, Seen::Present(_))
                    && report.leaks.len() < LEAKS
                    && !report.leaks.contains(&url)
                {
                    report.leaks.push(url);
                }
            }
        }
    }

    /// Says which repositories moved on while the pinned state was looked at.
    pub(super) async fn name_moved_heads(
        &self,
        looker: &Looker,
        report: &mut VerifyReport,
    ) -> Result<(), StoreError> {
        for (repo, head) in looker.heads() {
            let moved = match report.resumed {
                true => self.shelves.head(&repo).await.ok().flatten().filter(|now| *now != head),
                false => None,
            };
            report.repositories.insert(repo, (head, moved));
        }
        Ok(())
    }
}
