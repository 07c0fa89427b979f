//! The simulator as others hold it.
//!
//! Owns the lock over the world, the clock and the way of one request from arrival to reply. Refuses to know sockets;
//! `serve` brings requests from there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::audit::Requests;
use crate::call::Call;
use crate::change::{ChangeError, WorldOp};
use crate::compare::Compare;
use crate::config::Config;
use crate::damage::{DamageError, DamageOrder, Damaged};
use crate::faults::FaultRule;
use crate::line::Line;
use crate::origins::{Host, Origins};
use crate::quota::signed;
use crate::reply::{Fail, Reply};
use crate::scenario::{self, Extras};
use crate::url::Query;
use crate::world::World;
use crate::{graph, inspect, login, origin};

/// No request body may be larger, in bytes.
const BODY_LIMIT: usize = 300 << 20;
/// 2026-01-05T00:00:00Z.
const DEFAULT_EPOCH: i64 = 1_767_571_200;

/// A simulated tenant. Clones are the same tenant.
#[derive(Clone)]
pub struct Sim {
    inner: Arc<Inner>,
}

struct Inner {
    world: Mutex<World>,
    extras: Extras,
    latency: Duration,
    line: Option<Line>,
    epoch: Timestamp,
    started: OnceLock<Instant>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("epoch", &self.inner.epoch).finish_non_exhaustive()
    }
}

/// The connection broke before a reply came. Whether anything was done is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection closed before a reply")]
pub struct CallError;

/// One file or folder, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// From the root of the drive.
    pub path: String,
    /// Item id.
    pub id: String,
    /// Folder or file.
    pub folder: bool,
    /// Bytes.
    pub size: u64,
    /// Versions of a file, the current one included.
    pub versions: usize,
    /// Client times: created and modified, seconds since 1970.
    pub times: (i64, i64),
}

impl Sim {
    /// Builds the scenario. Time begins with the first request.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let epoch = config.epoch.or_else(|| Timestamp::from_second(DEFAULT_EPOCH).ok()).unwrap_or_default();
        let (latency, line) = (config.latency, Line::of(config.line));
        let mut world = World::new(config, epoch);
        let extras = scenario::build(&mut world);
        let inner =
            Inner { world: Mutex::new(world), extras, latency, line, epoch, started: OnceLock::new() };
        Self { inner: Arc::new(inner) }
    }

    /// The line that downloads share, where it is narrow.
    pub(crate) fn line(&self) -> Option<&Line> {
        self.inner.line.as_ref()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The simulator's time: its epoch and what has passed on tokio's clock since the first request.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let started = *self.inner.started.get_or_init(Instant::now);
        let passed = signed(Instant::now().saturating_duration_since(started));
        self.inner.epoch.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Serves one request. The authority says which host it is for: `graph.sim`, `login.sim`, `my.sim` and `sp.sim`,
    /// `inspect.sim`.
    ///
    /// # Errors
    /// The connection broke; on TCP the socket would be closed. What was asked for may have been done.
    pub async fn call(&self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
        let host = authority
            .or_else(|| request.headers().get(header::HOST)?.to_str().ok().map(str::to_owned))
            .map_or(Host::Api, |authority| Host::of(&authority));
        self.call_host(host, request).await
    }

    pub(crate) async fn call_host(
        &self,
        host: Host,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        let arrived = self.now();
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        if host == Host::Api
            && let Some(rest) = path.strip_prefix("/inspect")
        {
            let body = read(body).await?;
            let now = self.now();
            let mut world = self.world();
            world.advance(now);
            return Ok(inspect::handle(&mut world, &parts.method, rest, &raw_query, &body).into_response());
        }
        if !self.inner.latency.is_zero() {
            tokio::time::sleep(self.inner.latency).await;
        }
        let body = read(body).await?;
        let query = Query::parse(&raw_query);
        let call = Call {
            method: parts.method,
            host,
            path,
            raw_query,
            query,
            headers: parts.headers,
            body,
            batched: false,
        };
        let now = self.now();
        let reply = answer(&mut self.world(), &call, arrived, now);
        if reply.lost {
            return Err(CallError);
        }
        let mut response = reply.into_response();
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = HeaderValue::from_str(&date) {
            response.headers_mut().insert(header::DATE, date);
        }
        Ok(response)
    }

    /// Environment variables that let a client find and sign in to the simulator. All values are fake.
    #[must_use]
    pub fn env(&self) -> BTreeMap<String, String> {
        let world = self.world();
        [
            ("AZURE_TENANT_ID", &world.tenant.id),
            ("AZURE_CLIENT_ID", &world.tenant.client_id),
            ("AZURE_CLIENT_SECRET", &world.tenant.secret),
            ("LANDFALL_GRAPH_URL", &world.origins.graph),
            ("LANDFALL_LOGIN_URL", &world.origins.login),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
    }

    /// Text of a `landfall.toml` with the scenario's jobs.
    #[must_use]
    pub fn job_toml(&self) -> String {
        self.inner.extras.toml.clone()
    }

    /// Files that lie beside the configuration: name and bytes.
    #[must_use]
    pub fn side_files(&self) -> Vec<(String, Vec<u8>)> {
        self.inner.extras.side_files.clone()
    }

    /// Names of the scenario's jobs, the main one first.
    #[must_use]
    pub fn jobs(&self) -> Vec<&'static str> {
        self.world().jobs.iter().map(|job| job.name).collect()
    }

    /// Compares the destination of a job with its source; an unknown job gives nothing.
    #[must_use]
    pub fn compare(&self, job: &str) -> Option<Compare> {
        self.at_now(|world| world.compare(job))
    }

    /// Counts since the start or the last reset.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.world().audit.requests.clone()
    }

    /// Starts counting anew. Violations stay.
    pub fn reset_requests(&self) {
        self.world().audit.reset();
    }

    /// What clients did that the protocol forbids, one sentence each.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.world().audit.violations().to_vec()
    }

    /// Forces a fault.
    pub fn script(&self, rule: FaultRule) {
        self.world().faults.script(rule);
    }

    /// Changes the world as another person would.
    ///
    /// # Errors
    /// What was named is not there.
    pub fn change(&self, op: WorldOp) -> Result<(), ChangeError> {
        self.at_now(|world| world.change(op))
    }

    /// Damages what a job has landed and says what a verifier should find, by path.
    ///
    /// # Errors
    /// No such job or kind, or a rate that is none. Nothing was damaged then.
    pub fn damage(&self, order: &DamageOrder) -> Result<Vec<Damaged>, DamageError> {
        self.at_now(|world| world.inflict(order))
    }

    /// Everything below a path of a drive, parents first. The drive is named as in [`WorldOp`].
    #[must_use]
    pub fn tree(&self, drive: Option<&str>, path: &str) -> Vec<TreeEntry> {
        let world = self.world();
        let Some(drive) = world.named_drive(drive).ok().and_then(|index| world.drive(index)) else {
            return Vec::new();
        };
        let Some(start) = drive.walk(0, path.split('/').filter(|name| !name.is_empty())) else {
            return Vec::new();
        };
        let mut pending = vec![start];
        let mut out = Vec::new();
        while let Some(at) = pending.pop() {
            let Some(item) = drive.item(at) else { continue };
            if let Some(folder) = item.folder() {
                pending.extend(folder.children.values().rev().copied());
            }
            if at != start {
                out.push(TreeEntry {
                    path: format!("/{}", drive.path(at).join("/")),
                    id: drive.ids.item_id(at),
                    folder: item.is_folder(),
                    size: item.size(),
                    versions: item.versions(),
                    times: (item.fs_created, item.fs_modified),
                });
            }
        }
        out
    }

    /// Id of a drive, named as in [`WorldOp`].
    #[must_use]
    pub fn drive_id(&self, drive: Option<&str>) -> Option<String> {
        let world = self.world();
        let index = world.named_drive(drive).ok()?;
        world.drive(index).map(|drive| drive.id.clone())
    }

    pub(crate) fn set_origins(&self, origins: Origins, grace: Duration) {
        let mut world = self.world();
        world.origins = origins;
        world.config.grace = world.config.grace.max(grace);
    }

    fn at_now<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let now = self.now();
        let mut world = self.world();
        world.advance(now);
        act(&mut world)
    }
}

async fn read(body: Body) -> Result<Bytes, CallError> {
    // A body that breaks off is a client that went away: nothing is done and nobody is there to tell.
    Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| CallError)
}

fn answer(world: &mut World, call: &Call, arrived: Timestamp, now: Timestamp) -> Reply {
    world.advance(now);
    world.audit.requests.total += 1;
    if call.host == Host::Api {
        world.audit.requests.bytes_in += call.body.len() as u64;
    }
    if call.host == Host::Api && login::owns(&call.path) {
        return login::handle(world, call);
    }
    let grace = SignedDuration::try_from(world.config.grace).unwrap_or(SignedDuration::ZERO);
    world.audit.check_hold(arrived, grace, &format!("{} {}", call.method, call.path));
    let mut reply = match call.host {
        Host::Api if graph::address::without_version(&call.path).is_some() => graph::handle(world, call),
        Host::Api => world.refuse(&Fail::bad("Invalid version.")),
        Host::Content => origin::handle(world, call),
    };
    let request_id = world.fresh().text();
    reply.set("request-id", &request_id);
    if let Some(given) = call.header("client-request-id") {
        let given = given.to_owned();
        reply.set("client-request-id", &given);
    }
    reply
}
