//! OneDrive and SharePoint libraries through Microsoft Graph, as a source and as a destination.
//!
//! Owns the meaning of Graph's calls and answers: delta, batches, sessions, folders, copies, names.
//! Refuses to know the ledger, the engine and the network: requests go through [`crate::wire`], what
//! must outlive a restart through `Memo`. Design: `docs/graph.md`, `docs/sessions.md`. Protocol:
//! reference/graph.md.

mod address;
mod amend;
mod batch;
mod copy;
mod destination;
mod empty;
mod folders;
mod item;
mod left;
mod listing;
mod names;
mod place;
mod remembered;
mod resolve;
mod source;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use landfall_core::StoreError;
use landfall_core::memo::Memo;
use landfall_core::pacing::{Cost, QuotaConfig};
use landfall_core::store::{Fee, Prices};

use crate::wire::{Credential, Endpoints, RU_MINUTE, SignIn, Tokens, Wire, WireParts};

pub use destination::{GraphDestination, Settings};
pub use resolve::{Drive, Library, Quota, Site};
pub use source::GraphSource;

/// The quota of resource units a day.
const RU_DAY: &str = "ru-day";

/// The price of a request in resource units, which counts for the minute and for the day.
// Source: reference/graph.md, section 11 (learn.microsoft.com/sharepoint, throttling, read 2026-11).
pub(crate) fn units(resource_units: u64) -> Cost {
    Cost::of(RU_MINUTE, resource_units).and(RU_DAY, resource_units)
}

/// The price list by which jobs are planned.
// Unverified: whether fragments are charged; asking a download host is not.
pub(crate) const PRICES: Prices = Prices {
    page: Fee { requests: 1, units: 1 },
    prepare: Fee { requests: 1, units: 20 },
    open: Fee { requests: 1, units: 0 },
    upload: Fee { requests: 1, units: 2 },
    fragment: Fee { requests: 1, units: 2 },
    empty_file: Fee { requests: 2, units: 4 },
    // The PATCH for the times travels in a batch of twenty and is priced by itself.
    folder: Fee { requests: 1, units: 4 },
    copy: Fee { requests: 3, units: 3 },
    amend: Fee { requests: 1, units: 2 },
};

/// The quotas of one app in one tenant, for the lane's configuration. The caller takes off the margin.
#[must_use]
pub fn quotas(minute: u64, day: u64) -> Vec<QuotaConfig> {
    vec![
        QuotaConfig { name: RU_MINUTE, units: minute, window: Duration::from_secs(60) },
        QuotaConfig { name: RU_DAY, units: day, window: Duration::from_secs(24 * 3600) },
    ]
}

/// What a connection to Graph is made of.
#[derive(Debug)]
pub struct GraphConfig {
    /// Where login and Graph are.
    pub endpoints: Endpoints,
    /// The tenant: a GUID or a verified domain.
    pub tenant: String,
    /// The application's id.
    pub client: String,
    /// How the application proves who it is.
    pub credential: Credential,
    /// Transport, lane, clock, chance and meter.
    pub wire: WireParts,
}

/// One app in one tenant.
#[derive(Clone, Debug)]
pub struct Graph {
    wire: Arc<Wire>,
    endpoints: Endpoints,
    tenant: String,
}

impl Graph {
    /// Makes a connection; nothing is sent yet.
    #[must_use]
    pub fn connect(config: GraphConfig) -> Self {
        let GraphConfig { endpoints, tenant, client, credential, wire } = config;
        let tokens = Tokens::new(wire.clone(), &endpoints, &tenant, &client, credential);
        let wire = Wire::new(wire, Arc::new(tokens), &endpoints.graph);
        Self { wire: Arc::new(wire), endpoints, tenant }
    }

    /// The wire, for its meter and lane.
    #[must_use]
    pub fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// Gets a token, if there is none yet, and says what it showed.
    ///
    /// # Errors
    /// Where the credentials are refused: with the code of the remedy.
    pub async fn sign_in(&self) -> Result<SignIn, StoreError> {
        self.wire.tokens().sign_in().await
    }

    /// A drive as a source.
    #[must_use]
    pub fn source(&self, drive: &Drive) -> GraphSource {
        GraphSource::new(self.place(drive, "Files.Read.All (application), with an administrator's consent"))
    }

    /// A drive as a destination. `memo` keeps what must outlive a restart.
    #[must_use]
    pub fn destination(&self, drive: &Drive, memo: Arc<dyn Memo>, settings: Settings) -> GraphDestination {
        let grant =
            "Files.ReadWrite.All or Sites.ReadWrite.All (application), with an administrator's consent";
        GraphDestination::new(self.place(drive, grant), drive, memo, settings)
    }

    fn place(&self, drive: &Drive, grant: &'static str) -> place::Place {
        place::Place {
            wire: Arc::clone(&self.wire),
            address: address::Address::new(&self.endpoints.graph, &drive.id, self.endpoints.cloud),
            root: drive.root.as_str().to_owned(),
            realm: format!("graph:{}", self.tenant.to_lowercase()),
            label: drive.label(),
            grant,
        }
    }
}
