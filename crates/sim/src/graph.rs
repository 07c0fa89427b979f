//! The Graph API: who may ask, what it costs, what goes wrong, and who answers.
//!
//! Owns the order of things for every request: parse, count, authenticate, charge, fault, serve. The answers are in
//! the submodules. Refuses to know sockets.

pub(crate) mod address;
mod batch;
mod bin;
mod delta;
mod read;
mod write;

use http::HeaderMap;

use crate::call::Call;
use crate::faults::Fault;
use crate::graph::address::{Addr, DriveRef, Resource, SiteRef, parse, route_of, without_version};
use crate::reply::{Fail, Reply};
use crate::route;
use crate::world::World;
use crate::world::drive::DriveState;

/// Query parameters that clients are known to send rightly.
const KNOWN_QUERY: [&str; 14] = [
    "$top",
    "$select",
    "$expand",
    "$skiptoken",
    "$orderby",
    "$filter",
    "token",
    "$deltatoken",
    "avoverride",
    "$count",
    "@microsoft.graph.conflictbehavior",
    "@name.conflictbehavior",
    "@odata.type",
    "allowexternal",
];

/// Answers a request to Graph.
pub(crate) fn handle(world: &mut World, call: &Call) -> Reply {
    let Some(path) = without_version(&call.path) else {
        world.audit.count(route::UNKNOWN);
        return world.refuse(&Fail::bad("Invalid version: unknown"));
    };
    let resource = parse(path);
    let route = route_of(&call.method, &resource);
    world.audit.count(route);
    if route::is_write(route) {
        world.audit.requests.writes += 1;
    }
    let app = match world.authenticate(&call.headers, route) {
        Ok(app) => app,
        Err(fail) => return world.refuse(&fail),
    };
    if route::is_write(route) {
        world.check_source_untouched(&resource, route);
    }
    for name in call.query.names() {
        if !KNOWN_QUERY.contains(&name.to_ascii_lowercase().as_str()) {
            world.audit.violate(format!("{route} has an unknown query parameter \"{name}\""));
        }
    }
    let charge = world.charge(call, route, &app);
    if let Some(seconds) = charge.retry_after {
        return world.throttled(429, Some(seconds));
    }
    let subject = format!("{}?{}", crate::url::decode(path), call.query.get("token").unwrap_or_default());
    let fault = world.faults.draw(route, &subject);
    let mut reply = serve_with(world, call, &resource, route, fault);
    if let (true, Some((limit, left, reset))) = (world.config.rate_limit_headers, charge.state)
        && left * 5 <= limit
    {
        reply.set("ratelimit-limit", &limit.to_string());
        reply.set("ratelimit-remaining", &left.to_string());
        reply.set("ratelimit-reset", &reset.to_string());
    }
    reply
}

fn serve_with(
    world: &mut World,
    call: &Call,
    resource: &Resource,
    route: &'static str,
    fault: Option<Fault>,
) -> Reply {
    if let Some(fault) = fault {
        world.note_fault(fault);
        if let Some(reply) = world.refused_by(fault, call) {
            return reply;
        }
    }
    let served = match resource {
        Resource::Batch => batch::serve(world, call),
        _ => serve(world, call, resource, route, fault),
    };
    let reply = served.unwrap_or_else(|fail| world.refuse(&fail));
    world.damage(reply, fault, call)
}

fn serve(
    world: &mut World,
    call: &Call,
    resource: &Resource,
    route: &'static str,
    fault: Option<Fault>,
) -> Result<Reply, Fail> {
    match resource {
        Resource::User(user) => read::user(world, user),
        Resource::UserDrives(user) => read::user_drives(world, user),
        Resource::Site(site) => read::site(world, site),
        Resource::SiteDrives(site) => read::site_drives(world, site, call),
        Resource::SiteBin(site) => bin::list(world, site, call),
        Resource::Drive(drive) => read::drive(world, drive, call),
        Resource::List(drive) => read::list(world, drive),
        Resource::Item { drive, addr, action } => {
            let drive = world.resolve_drive(drive)?;
            world.check_drive(drive, route::is_write(route))?;
            let target = Target { drive, addr, fault };
            match route {
                route::DELTA => delta::serve(world, call, &target, action),
                route::PUT_CONTENT => write::put_content(world, call, &target),
                route::CREATE_SESSION => write::create_session(world, call, &target),
                route::CREATE_CHILD => write::create_child(world, call, &target),
                route::PATCH_ITEM => write::patch(world, call, &target),
                route::DELETE_ITEM | route::PERMANENT_DELETE => write::delete(world, call, &target, route),
                route::DELETE_VERSION => write::delete_version(world, &target, action),
                route::COPY => write::copy(world, call, &target),
                route::CHECKIN => write::checkin(world, &target),
                _ => read::item(world, call, &target, route),
            }
        }
        Resource::Batch | Resource::Unknown => Err(Fail::bad("Resource not found for the segment.")),
    }
}

/// The item that a request is about, and the fault that it meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) drive: usize,
    pub(crate) addr: &'a Addr,
    pub(crate) fault: Option<Fault>,
}

impl World {
    /// Finds the application behind a bearer token and checks what it may do.
    fn authenticate(&self, headers: &HeaderMap, route: &'static str) -> Result<String, Fail> {
        let denied = |message: &str| Fail::new(401, "InvalidAuthenticationToken", message);
        let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let bearer = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = bearer.filter(|(_, token)| !token.is_empty()) else {
            return Err(denied("Access token is empty."));
        };
        let Some(found) = self.tokens.get(token) else {
            return Err(denied("CompactToken parsing failed with error code: 80049217"));
        };
        if found.expires <= self.now {
            return Err(denied("Lifetime validation failed, the token is expired."));
        }
        if found.revoked {
            return Err(denied("Access token has expired or is not yet valid."));
        }
        if found.roles.is_empty() {
            return Err(denied("Either scp or roles claim need to be present in the token."));
        }
        let may = |names: &[&str]| found.roles.iter().any(|role| names.contains(&role.as_str()));
        let sites_or_files_write = ["Files.ReadWrite.All", "Sites.ReadWrite.All", "Sites.FullControl.All"];
        let allowed = match route {
            _ if route::is_write(route) => may(&sites_or_files_write),
            route::GET_SITE | route::SITE_DRIVES => {
                may(&["Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All"])
            }
            route::GET_USER => may(&["User.Read.All", "Directory.Read.All"]),
            route::BATCH => true,
            _ => may(&sites_or_files_write) || may(&["Files.Read.All", "Sites.Read.All"]),
        };
        if allowed { Ok(found.app.clone()) } else { Err(Fail::new(403, "accessDenied", "Access denied")) }
    }

    fn charge(&mut self, call: &Call, route: &'static str, app: &str) -> crate::quota::Charge {
        let with_token = call.query.get("token").is_some() || call.path.contains("token=");
        let permissions = call.query.get("$expand").is_some_and(|expand| expand.contains("permissions"));
        let units = route::resource_units(route, with_token, permissions);
        self.audit.requests.resource_units += units;
        self.meter.charge(app, units, self.now)
    }

    fn check_source_untouched(&mut self, resource: &Resource, route: &'static str) {
        let Resource::Item { drive, addr, .. } = resource else { return };
        if route == route::COPY {
            return;
        }
        if let Ok(drive) = self.resolve_drive(drive)
            && self.is_source(drive)
        {
            let name = addr.path.last().or(addr.id.as_ref()).cloned().unwrap_or_default();
            self.audit.violate(format!("{route} wants to change \"{name}\" on a source drive"));
        }
    }

    pub(crate) fn resolve_drive(&self, drive: &DriveRef) -> Result<usize, Fail> {
        match drive {
            DriveRef::Id(id) => self.drive_by_id(id).ok_or_else(Fail::not_found),
            DriveRef::OfUser(user) => read::drive_of_user(self, user),
            DriveRef::OfSite(site) => {
                let site = self.resolve_site(site)?;
                let first = self.sites.get(site).and_then(|site| site.drives.first());
                first.copied().ok_or_else(Fail::not_found)
            }
        }
    }

    pub(crate) fn resolve_site(&self, site: &SiteRef) -> Result<usize, Fail> {
        let found = match site {
            SiteRef::Root => self.site_by_path(crate::world::SITE_HOST, ""),
            SiteRef::Id(id) => self.site_by_id(id),
            SiteRef::Path { host, path } => self.site_by_path(host, path),
        };
        found.ok_or_else(|| Fail::new(404, "itemNotFound", "Requested site could not be found"))
    }

    /// Refuses what the state of the drive does not allow.
    pub(crate) fn check_drive(&self, drive: usize, writes: bool) -> Result<(), Fail> {
        match self.drive(drive).map_or(DriveState::Normal, |drive| drive.state) {
            DriveState::Archived => {
                Err(Fail::new(403, "accessDenied", "The site is archived.").inner("siteArchived"))
            }
            DriveState::Locked => {
                Err(Fail::new(423, "notAllowed", "The site is locked.").inner("resourceLocked"))
            }
            DriveState::ReadOnly if writes => {
                Err(Fail::new(423, "notAllowed", "The site is read-only.").inner("resourceLocked"))
            }
            _ => Ok(()),
        }
    }

    /// The item at an address that exists and is visible.
    pub(crate) fn find(&self, drive_index: usize, addr: &Addr) -> Result<u32, Fail> {
        let drive = self.drive(drive_index).ok_or_else(Fail::not_found)?;
        let start = match &addr.id {
            Some(id) => drive.ids.index_of(id).ok_or_else(Fail::not_found)?,
            None => 0,
        };
        let seen = |index: u32| drive.item(index).is_some_and(|item| item.visible(self.now));
        let mut at = start;
        for name in &addr.path {
            if !seen(at) {
                return Err(Fail::not_found());
            }
            at = drive.child(at, name).ok_or_else(Fail::not_found)?;
        }
        if seen(at) { Ok(at) } else { Err(Fail::not_found()) }
    }

    /// An error reply.
    pub(crate) fn refuse(&mut self, fail: &Fail) -> Reply {
        let request_id = self.fresh().text();
        let date = self.now.to_string();
        let reply = Reply::fail(fail, date.get(..19).unwrap_or(&date), &request_id);
        if let Some(seconds) = fail.retry_after {
            self.audit.hold(self.now, seconds);
        }
        reply
    }

    pub(crate) fn throttled(&mut self, status: u16, retry_after: Option<u64>) -> Reply {
        let mut fail = if status == 429 {
            Fail::new(429, "activityLimitReached", "The request has been throttled").inner("throttledRequest")
        } else {
            Fail::new(503, "serviceNotAvailable", "The service is temporarily unavailable.")
        };
        fail.retry_after = retry_after;
        if retry_after.is_none() && status == 429 {
            self.audit.requests.throttled += 1;
        }
        self.refuse(&fail)
    }

    pub(crate) fn note_fault(&mut self, fault: Fault) {
        *self.audit.requests.faults.entry(fault.name().to_owned()).or_default() += 1;
    }

    /// The reply of a fault that comes instead of any work.
    pub(crate) fn refused_by(&mut self, fault: Fault, call: &Call) -> Option<Reply> {
        Some(match fault {
            Fault::Throttle { retry_after } => self.throttled(429, retry_after),
            Fault::Unavailable { retry_after } => self.throttled(503, retry_after),
            Fault::ServerError { status } => {
                self.refuse(&Fail::new(status, "generalException", "An unspecified error has occurred."))
            }
            Fault::Html { status } => Reply::text(
                status,
                "text/html; charset=utf-8",
                "<html><body><h1>Service problem</h1></body></html>",
            ),
            Fault::DropBefore if call.batched => self.throttled(503, None),
            Fault::DropBefore => {
                let mut reply = Reply::empty(503);
                reply.lost = true;
                reply
            }
            Fault::RevokeToken => {
                for token in self.tokens.values_mut() {
                    token.revoked = true;
                }
                self.refuse(&Fail::new(
                    401,
                    "InvalidAuthenticationToken",
                    "Access token has expired or is not yet valid.",
                ))
            }
            Fault::Locked => self.refuse(
                &Fail::new(
                    423,
                    "notAllowed",
                    "The file is currently checked out or locked for editing by another user.",
                )
                .inner("resourceLocked"),
            ),
            _ => return None,
        })
    }

    /// What a fault makes of a reply to work that was done.
    pub(crate) fn damage(&mut self, mut reply: Reply, fault: Option<Fault>, call: &Call) -> Reply {
        match fault {
            Some(Fault::LostReply) if call.batched => {
                self.refuse(&Fail::new(504, "generalException", "The gateway timed out."))
            }
            Some(Fault::LostReply | Fault::CommittedUnseen) => {
                reply.lost = true;
                reply
            }
            Some(Fault::TimeoutAfter) => {
                self.refuse(&Fail::new(504, "generalException", "The gateway timed out."))
            }
            _ => reply,
        }
    }
}
