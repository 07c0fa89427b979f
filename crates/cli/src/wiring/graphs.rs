//! Connections to Graph, one for each set of credentials, each with its own lane.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_core::ledger::Ledger;
use landfall_core::memo::Memo;
use landfall_core::pacing::{Lane, LaneConfig};
use landfall_core::{JobId, SystemClock};
use landfall_stores::graph::{Graph, GraphConfig};
use landfall_stores::wire::{Meter, Reading, ReqwestTransport, USER_AGENT, WireParts};
use tokio_util::sync::CancellationToken;

use super::{Context, Quota};
use crate::config::Config;
use crate::environment::Environment;
use crate::error::CommandError;
use crate::{credentials, machine};

/// Requests under way at once in the beginning.
const START: usize = 8;

/// Requests under way at once at most, where the configuration says nothing.
const MOST: usize = 32;

/// The job under which lanes keep what they spent: a lane belongs to a tenant, not to one job.
const SHARED: JobId = JobId(0);

/// The connections that were needed so far.
pub(crate) struct Graphs {
    config: Arc<Config>,
    environment: Environment,
    memo: Arc<dyn Memo>,
    /// Set when somebody asks to stop; every lane heeds it.
    stop: CancellationToken,
    open: BTreeMap<String, (Graph, String)>,
    transport: Option<Arc<ReqwestTransport>>,
    /// Lanes of other services that the job uses.
    others: Vec<Arc<Lane>>,
    /// What the tenant allows.
    pub(crate) quota: Quota,
    /// Counts the requests of all of them.
    pub(crate) meter: Arc<Meter>,
}

impl std::fmt::Debug for Graphs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Graphs({:?})", self.open.keys())
    }
}

impl Graphs {
    /// None yet.
    pub(crate) fn new(
        context: &Context,
        config: &Arc<Config>,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Self, CommandError> {
        let spec =
            context.global.tenant_quota.as_deref().or_else(|| context.environment.get("LANDFALL_QUOTA"));
        let memo: Arc<dyn Memo> = Arc::clone(ledger) as Arc<dyn Memo>;
        Ok(Self {
            config: Arc::clone(config),
            environment: context.environment.clone(),
            memo,
            stop: context.stop.clone(),
            open: BTreeMap::new(),
            transport: None,
            others: Vec::new(),
            quota: Quota::of(&config.quota, spec)?,
            meter: Arc::default(),
        })
    }

    /// The connection of these credentials, made at first need. Sends nothing.
    pub(crate) async fn get(&mut self, name: Option<&str>) -> Result<Graph, CommandError> {
        let key = name.unwrap_or_default().to_owned();
        if let Some((graph, _)) = self.open.get(&key) {
            return Ok(graph.clone());
        }
        let identity = credentials::identity(name, &self.config, &self.environment)?;
        let transport = match &self.transport {
            Some(transport) => Arc::clone(transport),
            None => Arc::clone(self.transport.insert(Arc::new(ReqwestTransport::new(USER_AGENT)?))),
        };
        let chance = Arc::new(machine::chance());
        let most = self.config.quota.parallel.unwrap_or(MOST).max(1);
        let lane = LaneConfig {
            name: format!("{}/{}", identity.tenant, identity.client),
            quotas: self.quota.for_lane(),
            start: START.min(most),
            most,
        };
        let lane = Lane::new(lane, Arc::new(SystemClock), Arc::clone(&chance));
        lane.heed(self.stop.clone());
        lane.restore(Arc::clone(&self.memo), SHARED).await?;
        let wire = WireParts {
            transport,
            lane,
            clock: Arc::new(SystemClock),
            chance,
            meter: Arc::clone(&self.meter),
        };
        let base = identity.endpoints.graph.clone();
        let graph = Graph::connect(GraphConfig {
            endpoints: identity.endpoints,
            tenant: identity.tenant,
            client: identity.client,
            credential: identity.credential,
            wire,
        });
        self.open.insert(key, (graph.clone(), base));
        Ok(graph)
    }

    /// True where these credentials were used before.
    pub(crate) fn knows(&self, name: Option<&str>) -> bool {
        self.open.contains_key(name.unwrap_or_default())
    }

    /// The root of Graph that a connection speaks to.
    pub(crate) fn base(&self, graph: &Graph) -> Option<&str> {
        self.open
            .values()
            .find(|(open, _)| Arc::ptr_eq(open.wire(), graph.wire()))
            .map(|(_, base)| base.as_str())
    }

    /// The counters of all connections.
    pub(crate) fn read(&self) -> Reading {
        self.meter.read()
    }

    /// The lanes, for their holds.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        let own = self.open.values().map(|(graph, _)| Arc::clone(graph.wire().lane()));
        own.chain(self.others.iter().cloned()).collect()
    }

    /// Counts the lane of another service among the job's.
    pub(crate) fn adopt(&mut self, lane: Arc<Lane>) {
        lane.heed(self.stop.clone());
        self.others.push(lane);
    }
}
