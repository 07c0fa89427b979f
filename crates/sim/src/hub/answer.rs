//! The way of one request from arrival to reply.
//!
//! Owns what holds for all of them: hosts, latency, tokens, quotas and their headers (`hub.md`, sections 1, 11 and
//! 12), faults before and after the work, counts. Refuses to know what the single routes do.

use axum::body::{Body, HttpBody as _};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use jiff::{SignedDuration, Timestamp};

use super::HubSim;
use super::faults::HubFault;
use super::quota::Left;
use super::reply::HubReply;
use super::route::{Address, Class, HubRoute, label};
use super::state::{Caller, Hub};
use super::{account, commit, fetch, inspect, lfs, listing, preupload, storage};
use crate::sim::CallError;
use crate::url::Query;

/// No request body may be larger, in bytes.
const BODY_LIMIT: usize = 300 << 20;
const BAD_TOKEN: &str = "Invalid credentials in Authorization header";

/// Which of the two hosts a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HubHost {
    Hub,
    Storage,
}

/// A request as the routes see it, read to its end.
#[derive(Debug)]
pub(crate) struct HubCall {
    pub(crate) method: Method,
    /// As on the wire, encoded.
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) address: Address,
    pub(crate) caller: Caller,
    pub(crate) now: Timestamp,
    /// What goes wrong inside the work.
    pub(crate) fault: Option<HubFault>,
}

impl HubCall {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl HubSim {
    /// Serves one request. The authority says which host it is for: `lfs.hub.sim` and `cdn.hub.sim` are the storage,
    /// anything else is the Hub.
    ///
    /// # Errors
    /// The connection broke; on TCP the socket would be closed. What was asked for may have been done.
    pub async fn call(&self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        let authority = request.uri().authority().map(|authority| authority.host().to_owned());
        let host = authority.or_else(|| {
            let host = request.headers().get(header::HOST)?.to_str().ok()?;
            host.split(':').next().map(str::to_owned)
        });
        let host = match host.as_deref() {
            Some("lfs.hub.sim" | "cdn.hub.sim") => HubHost::Storage,
            _ => HubHost::Hub,
        };
        self.call_host(host, request).await
    }

    pub(crate) async fn call_host(
        &self,
        host: HubHost,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        let (mut parts, body) = request.into_parts();
        // In process nobody writes this header; on TCP a body without it says how it is sent instead.
        if let Some(length) = body.size_hint().exact()
            && !parts.headers.contains_key(header::TRANSFER_ENCODING)
        {
            parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        if host == HubHost::Hub
            && let Some(rest) = parts.uri.path().strip_prefix("/__sim/")
        {
            let query = Query::parse(parts.uri.query().unwrap_or_default());
            let reply = inspect::handle(self, &parts.method, rest, &query, &read(body).await?);
            return Ok(reply.into_response(&parts.method));
        }
        let arrived = self.now();
        if !self.inner.latency.is_zero() {
            tokio::time::sleep(self.inner.latency).await;
        }
        let address = match host {
            HubHost::Hub => Address::read(parts.uri.path()),
            HubHost::Storage => Address {
                route: if parts.method == Method::PUT { HubRoute::StoragePut } else { HubRoute::StorageGet },
                repo: String::new(),
                rev: String::new(),
                path: String::new(),
            },
        };
        let mut fault = None;
        if address.route == HubRoute::StoragePut {
            fault = self.draw(&address, &parts, &[]);
            if fault == Some(HubFault::CutBody) {
                self.hub().note_request(host, &parts.method, address.route);
                read_some(body, parts.headers.get(header::CONTENT_LENGTH)).await;
                return Err(CallError);
            }
        }
        let body = read(body).await?;
        if address.route != HubRoute::StoragePut {
            fault = self.draw(&address, &parts, &body);
        }
        let method = parts.method.clone();
        let call = HubCall {
            path: parts.uri.path().to_owned(),
            raw_query: parts.uri.query().unwrap_or_default().to_owned(),
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            method: parts.method,
            headers: parts.headers,
            body,
            address,
            caller: Caller::default(),
            now: self.now(),
            fault,
        };
        let reply = self.hub().answer(host, call, arrived);
        if reply.lost { Err(CallError) } else { Ok(reply.into_response(&method)) }
    }

    fn draw(&self, address: &Address, parts: &Parts, body: &[u8]) -> Option<HubFault> {
        let query = parts.uri.query().unwrap_or_default();
        // Signatures differ from link to link, so what is put or read is known by its path alone.
        let query = if address.route.is_storage() { "" } else { query };
        let subject = [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), query.as_bytes(), body];
        let mut hub = self.hub();
        let fault = hub.faults.draw(address.route, &subject)?;
        *hub.audit.requests.faults.entry(fault.name().to_owned()).or_default() += 1;
        Some(fault)
    }
}

async fn read(body: Body) -> Result<Bytes, CallError> {
    // A body that breaks off is a client that went away: nothing is done and nobody is there to tell.
    axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| CallError)
}

/// Takes half of what was announced, so that the break falls into the middle.
async fn read_some(body: Body, length: Option<&HeaderValue>) {
    let length = length.and_then(|text| text.to_str().ok()?.parse::<usize>().ok()).unwrap_or(0);
    let mut stream = body.into_data_stream();
    let mut taken = 0;
    while taken < length / 2
        && let Some(Ok(piece)) = stream.next().await
    {
        taken += piece.len();
    }
}

impl Hub {
    fn note_request(&mut self, host: HubHost, method: &Method, route: HubRoute) {
        let requests = &mut self.audit.requests;
        *requests.by_route.entry(label(method, route)).or_default() += 1;
        let count = match (host, route.class()) {
            (HubHost::Storage, _) => &mut requests.storage,
            (HubHost::Hub, Class::Api) => &mut requests.api,
            (HubHost::Hub, Class::Resolvers) => &mut requests.resolvers,
            (HubHost::Hub, Class::Pages) => &mut requests.pages,
        };
        *count += 1;
    }

    fn answer(&mut self, host: HubHost, call: HubCall, arrived: Timestamp) -> HubReply {
        self.note_request(host, &call.method, call.address.route);
        let (now, fault, route) = (call.now, call.fault, call.address.route);
        let mut reply = match host {
            HubHost::Storage => self.answer_storage(&call),
            HubHost::Hub => self.answer_hub(call, arrived),
        };
        if let Some(fault) = fault {
            self.after(fault, route, &mut reply);
        }
        if reply.status == 429 {
            self.audit.requests.throttled += 1;
        }
        reply.set("date", &now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        reply
    }

    fn answer_storage(&mut self, call: &HubCall) -> HubReply {
        if call.header("authorization").is_some() {
            self.audit.violate(format!("{} {} was sent with Authorization", call.method, call.path));
            let text = "Only one auth mechanism allowed";
            return HubReply::xml(400, "InvalidArgument", text);
        }
        let reply = match call.fault {
            Some(HubFault::ServerError { status }) => {
                HubReply::xml(status, "InternalError", "Please try again.")
            }
            Some(HubFault::Unavailable { .. }) => {
                HubReply::xml(503, "SlowDown", "Please reduce your request rate.")
            }
            Some(HubFault::ExpiredLink) => HubReply::xml(403, "AccessDenied", "Request has expired"),
            Some(HubFault::Html { status }) => HubReply::html(status, "Bad gateway"),
            Some(HubFault::DropBefore) => HubReply::lost(),
            _ => storage::handle(self, call),
        };
        if call.method == Method::GET {
            self.audit.requests.bytes_out += reply.len() as u64;
        }
        reply
    }

    fn answer_hub(&mut self, mut call: HubCall, arrived: Timestamp) -> HubReply {
        let token = call.header("authorization").map(|text| text.strip_prefix("Bearer ").unwrap_or(text));
        let caller = token.map(|token| self.caller(token));
        let known = !matches!(caller, Some(None)) && call.fault != Some(HubFault::Unauthorized);
        call.caller = caller.flatten().unwrap_or_default();
        let class = call.address.route.class();
        let account = call.caller.user.clone();
        let bucket = format!("{account}: {}", class.name());
        let request = label(&call.method, call.address.route);
        self.audit.check_hold(&bucket, arrived, self.grace(), &request);
        let quota = match class {
            Class::Api => self.config.api_quota,
            Class::Resolvers => self.config.resolver_quota,
            Class::Pages => self.config.page_quota,
        };
        let mut left = self.windows.charge(&account, class, quota, self.config.window, call.now);
        if let Some(HubFault::Throttle { seconds }) = call.fault {
            left = Left { left: 0, seconds, over: true, ..left };
        }
        let mut reply = if left.over {
            let wait = SignedDuration::from_secs(i64::try_from(left.seconds).unwrap_or(i64::MAX));
            self.audit.hold(&bucket, call.now, wait);
            HubReply::error(429, None, &over_text(class, left))
        } else if !known {
            HubReply::error(401, None, BAD_TOKEN)
        } else if let Some(reply) = self.before(&call, arrived) {
            reply
        } else {
            self.route(&call, arrived)
        };
        let in_front = matches!(call.fault, Some(HubFault::ThrottleHtml | HubFault::Html { .. }));
        if !in_front {
            let name = class.name();
            reply.set("ratelimit", &format!("\"{name}\";r={};t={}", left.left, left.seconds));
            reply.set(
                "ratelimit-policy",
                &format!("\"fixed window\";\"{name}\";q={};w={}", left.quota, left.window),
            );
        }
        let id = self.request_id(call.now);
        reply.set("x-request-id", &id);
        reply
    }

    /// What goes wrong before anything is done.
    fn before(&mut self, call: &HubCall, arrived: Timestamp) -> Option<HubReply> {
        let unavailable = |retry_after: Option<u64>| {
            let reply = HubReply::error(503, None, "Service temporarily unavailable");
            match retry_after {
                Some(seconds) => reply.with("retry-after", &seconds.to_string()),
                None => reply,
            }
        };
        Some(match call.fault? {
            HubFault::ThrottleHtml => HubReply::html(429, "Too Many Requests"),
            HubFault::CommitQuota { retry_after } => commit::told_to_wait(self, call, arrived, retry_after),
            HubFault::Unavailable { retry_after } => {
                if let Some(seconds) = retry_after {
                    let bucket = format!("{}: {}", call.caller.user, call.address.route.class().name());
                    let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
                    self.audit.hold(&bucket, call.now, wait);
                }
                unavailable(retry_after)
            }
            HubFault::ServerError { status } => HubReply::error(
                status,
                None,
                "Internal Error - We're working hard to fix this as soon as possible!",
            ),
            HubFault::Html { status } => HubReply::html(status, "Bad gateway"),
            HubFault::DropBefore => HubReply::lost(),
            HubFault::StorageRefused => storage_refused(self, call),
            _ => return None,
        })
    }

    fn route(&mut self, call: &HubCall, arrived: Timestamp) -> HubReply {
        let (get, post) =
            (call.method == Method::GET || call.method == Method::HEAD, call.method == Method::POST);
        match call.address.route {
            HubRoute::Whoami if get => account::whoami(call),
            HubRoute::Create => account::repos(self, call),
            HubRoute::Info if get => account::info(self, call),
            HubRoute::Refs if get => account::refs(self, call),
            HubRoute::Commits if get => account::commits(self, call),
            HubRoute::Tree if get => listing::tree(self, call),
            HubRoute::PathsInfo if post => listing::paths_info(self, call),
            HubRoute::Preupload if post => preupload::handle(self, call),
            HubRoute::LfsBatch if post => lfs::batch(self, call),
            HubRoute::LfsVerify if post => lfs::verify(self, call),
            HubRoute::LfsComplete if post => lfs::complete(self, call),
            HubRoute::LfsFiles => lfs::files(self, call),
            HubRoute::Commit if post => commit::handle(self, call, arrived),
            HubRoute::Resolve if get => fetch::resolve(self, call),
            HubRoute::Raw if get => fetch::raw(self, call),
            HubRoute::XetToken => HubReply::error(404, None, "Xet is not enabled for this repo"),
            _ => HubReply::error(404, None, "Sorry, we can't find the page you are looking for."),
        }
    }

    /// What goes wrong once everything is done.
    fn after(&mut self, fault: HubFault, route: HubRoute, reply: &mut HubReply) {
        let len = reply.len();
        let at = usize::try_from(self.faults.offset(route, len as u64)).unwrap_or(0);
        match fault {
            HubFault::LostReply => reply.lost = true,
            HubFault::FailAfter { status: 504 } => *reply = HubReply::html(504, "504 Gateway Time-out"),
            HubFault::FailAfter { status } => {
                let ids = ["ratelimit", "ratelimit-policy", "x-request-id"]
                    .map(|name| reply.header(name).map(str::to_owned));
                *reply = HubReply::error(status, None, "Internal Error");
                for (name, value) in ["ratelimit", "ratelimit-policy", "x-request-id"].into_iter().zip(ids) {
                    reply.set(name, &value.unwrap_or_default());
                }
            }
            HubFault::Cut if reply.status < 300 => reply.cut = Some(at),
            HubFault::Truncated if reply.status < 300 && len > 0 => reply.truncate(at),
            HubFault::WrongByte if reply.status < 300 && len > 0 => {
                let mut bytes = reply.body.concat();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 0x20;
                }
                reply.body = vec![bytes.into()];
            }
            HubFault::TruncatedPage if reply.status < 300 => reply.truncate(len / 2),
            _ => {}
        }
    }
}

// Source: text as users quoted it (hub.md, section 12).
fn over_text(class: Class, left: Left) -> String {
    format!(
        "We had to rate limit you, you hit the quota of {} {} requests per {} minutes period. Upgrade to a PRO user or \
         Team/Enterprise organization account to get higher limits. See https://huggingface.co/docs/hub/rate-limits",
        left.quota,
        class.name(),
        left.window.div_ceil(60)
    )
}

/// 403 as it is when the storage of the account is full (`hub.md`, section 13).
pub(crate) fn storage_refused(hub: &Hub, call: &HubCall) -> HubReply {
    let private = hub.repo(&call.address.repo).is_some_and(|repo| repo.private);
    let text = if private {
        "Private repository storage limit reached, please upgrade your plan to increase your private storage limit."
    } else {
        "Your storage patterns tripped our internal systems!"
    };
    HubReply::error(403, None, text)
}
