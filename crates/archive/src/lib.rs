//! The archivist's half: what a catalogue of posts says of its backup, whether it is so, and how it is mended.
//!
//! Owns the recorded URL as a *claim*, the kinds of findings, the verify that judges claims against the
//! places they name, and the planner that mends what was found by the cheapest proven way. Bytes are moved
//! by the engine as in every other job, what is recorded goes through the ledger's outbox. It knows neither
//! the database's dialect nor the protocol of the place: catalogue and [`Shelves`] are given to it.
//! [`HubShelves`] is the one adapter to the Hub's client.

mod claim;
mod finding;
mod hub;
mod look;
mod progress;
mod repair;
mod report;
mod verify;

pub use claim::{Claim, Place, kind_of};
pub use finding::Finding;
pub use hub::HubShelves;
pub use look::{Shelves, Thing};
pub use progress::OldProgress;
pub use repair::{FileOutcome, PostOutcome, RepairOptions, RepairReport, Step};
pub use report::{KindTotals, VerifyReport};
pub use verify::{Depth, PROOFS_AT_ONCE, VerifyOptions};

use std::sync::Arc;

use landfall_core::engine::{Engine, Job};
use landfall_core::seal::Seal;
use landfall_stores::catalogue::{CatalogueSource, Resolver};

/// Everything that a verify or a repair works with.
#[derive(Clone)]
pub struct Archive {
    /// Ledger, spool, clock, chance.
    pub engine: Engine,
    /// The job as `run` has it: one source, the catalogue.
    pub job: Arc<Job>,
    /// The catalogue itself.
    pub catalogue: Arc<CatalogueSource>,
    /// The places that recorded URLs name.
    pub shelves: Arc<dyn Shelves>,
    /// The seal, by which names are read and expected places computed.
    pub seal: Option<Arc<dyn Seal>>,
    /// Finds the media of posts anew, where one is configured.
    pub resolver: Option<Arc<dyn Resolver>>,
    /// The repositories that the job itself writes to, in the order of their numbers.
    pub family: Vec<String>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("job", &self.job)
            .field("family", &self.family)
            .finish_non_exhaustive()
    }
}
