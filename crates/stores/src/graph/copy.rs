//! Copies that the service makes by itself, watched until they are done.
//!
//! Owns the monitor: its URL is remembered, so a restart goes on watching. A copy keeps no times and no
//! version history. Reference: reference/graph.md, section 10.

use std::time::Duration;

use http::Method;
use landfall_core::error::Look;
use landfall_core::state::Reason;
use landfall_core::store::{Copy, Landed};
use landfall_core::{Code, ErrorKind, Retry, StoreError};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::destination::{GraphDestination, found, write_refused};
use super::place::{source_refused, unexpected};
use super::remembered::{Begun, Remembered};
use super::units;
use crate::wire::{Call, Refusal};

const OPERATION: &str = "copy";

/// First pause between two questions; each further one is half as long again, up to [`POLL_CAP`].
const POLL: Duration = Duration::from_secs(1);

/// Longest pause between two questions.
const POLL_CAP: Duration = Duration::from_secs(30);

/// For so long one call watches; the next goes on where it left off.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What a monitor says.
enum Watched {
    Running,
    /// Done; the new item's id, where it says so.
    Done(Option<String>),
    Failed {
        codes: Vec<String>,
        text: String,
    },
    /// The monitor is not known any more.
    Gone,
}

impl GraphDestination {
    pub(super) async fn copy_within(&self, copy: Copy) -> Result<Landed, StoreError> {
        let monitor = match Remembered::recall(&*self.memo, &copy.memo).await? {
            Some(Remembered { begun: Begun::Copy(url), .. }) => Some(url),
            _ => None,
        };
        let monitor = match monitor {
            Some(url) => url,
            None => match self.begin(&copy).await? {
                Ok(url) => url,
                Err(landed) => return Ok(landed),
            },
        };
        let since = Instant::now();
        let mut pause = POLL;
        while since.elapsed() < PATIENCE {
            match self.watch(&monitor, &copy).await? {
                Watched::Running => {
                    if !self.place.wire.lane().rest(pause).await {
                        let error = self.copy_error(&copy, ErrorKind::Stopped, "stopped on request");
                        return Err(error.with_code(Code::Interrupted));
                    }
                    pause = (pause * 3 / 2).min(POLL_CAP);
                }
                Watched::Done(item) => return self.copied(&copy, item.as_deref()).await,
                Watched::Gone => return self.copied(&copy, None).await,
                Watched::Failed { codes, text } => return self.failed(&copy, &codes, text).await,
            }
        }
        Err(self
            .copy_error(&copy, ErrorKind::Interrupted, "the service is still at it")
            .with_retry(Retry::Soon))
    }

    /// Asks for the copy: the monitor's URL, or what stands under the name already.
    async fn begin(&self, copy: &Copy) -> Result<Result<String, Landed>, StoreError> {
        let from = self.place.address.sibling_item(&copy.from_drive, copy.from_item.as_str());
        let url = format!("{from}/copy?@microsoft.graph.conflictBehavior=fail");
        let body = json!({
            "parentReference": {"driveId": self.place.address.drive_id(), "id": copy.parent.as_str()},
            "name": copy.name,
        });
        // Sent once: a second copy of the same name would fail at the service and be taken for a stranger's.
        let call =
            Call::new(Method::POST, url, OPERATION, copy.path.as_str()).cost(units(2)).once().json(&body);
        let answer = self.place.wire.send(&call).await?;
        if answer.status.is_success() {
            let Some(monitor) = answer.header("location") else {
                return Err(unexpected(OPERATION, copy.path.as_str(), "the answer names no monitor"));
            };
            Remembered::new(Begun::Copy(monitor.to_owned()), 0).keep(&*self.memo, &copy.memo).await?;
            return Ok(Ok(monitor.to_owned()));
        }
        let refusal = Refusal::of(&answer);
        match refusal.status.as_u16() {
            409 => self.occupied(copy).await.map(Err),
            404 => Err(source_refused(&refusal, copy.path.as_str())),
            _ => Err(write_refused(&refusal, OPERATION, copy.path.as_str())),
        }
    }

    async fn watch(&self, monitor: &str, copy: &Copy) -> Result<Watched, StoreError> {
        let call = Call::get(monitor, OPERATION, copy.path.as_str()).pre_authenticated();
        let answer = self.place.wire.send(&call).await?;
        match answer.status.as_u16() {
            200..=299 | 303 => Ok(read_monitor(&answer.json().unwrap_or_default(), answer.status.as_u16())),
            401 | 403 | 404 | 410 => Ok(Watched::Gone),
            _ => {
                let refusal = Refusal::of(&answer);
                Ok(Watched::Failed { text: refusal.text(), codes: refusal.codes })
            }
        }
    }

    /// The copy is made, or its monitor has forgotten it: what stands there now tells.
    async fn copied(&self, copy: &Copy, item: Option<&str>) -> Result<Landed, StoreError> {
        let look = match item {
            Some(item) => self.place.item(item, "", copy.path.as_str()).await,
            None => self.item_at(&copy.parent, &copy.name).await,
        };
        match look {
            Look::Present(item) => {
                let holding = item.holding();
                let holding = holding.ok_or_else(|| {
                    unexpected(OPERATION, copy.path.as_str(), "the answer is no drive item")
                })?;
                self.memo.forget(&copy.memo).await?;
                Ok(Landed::Held(holding))
            }
            Look::Absent => {
                self.memo.forget(&copy.memo).await?;
                let detail = "the service says it is done and nothing is there";
                Err(self.copy_error(copy, ErrorKind::Interrupted, detail).with_retry(Retry::Soon))
            }
            Look::Unknown(error) => Err(error),
        }
    }

    async fn failed(&self, copy: &Copy, codes: &[String], text: String) -> Result<Landed, StoreError> {
        let says = |word: &str| codes.iter().any(|code| code.to_lowercase().contains(word));
        self.memo.forget(&copy.memo).await?;
        if says("namealreadyexists") {
            return self.occupied(copy).await;
        }
        if says("quota") || says("insufficientspace") {
            return Err(self
                .copy_error(copy, ErrorKind::Full, text)
                .with_code(Code::DestinationFull)
                .with_reason(Reason::DestinationFull));
        }
        if says("accessdenied") {
            return Err(self
                .copy_error(copy, ErrorKind::Denied, text)
                .with_reason(Reason::DestinationDenied));
        }
        if says("itemnotfound") {
            return Err(self.copy_error(copy, ErrorKind::NotFound, text).with_reason(Reason::SourceGone));
        }
        // notAllowed, notSupported and the like: another way may still lead there.
        Err(self.copy_error(copy, ErrorKind::Unsupported, text).with_reason(Reason::Rejected))
    }

    async fn occupied(&self, copy: &Copy) -> Result<Landed, StoreError> {
        match self.item_at(&copy.parent, &copy.name).await {
            Look::Present(item) => found(&item)
                .map(Landed::Occupied)
                .ok_or_else(|| unexpected(OPERATION, copy.path.as_str(), "the answer is no drive item")),
            Look::Absent => Err(self
                .copy_error(copy, ErrorKind::Locked, "something that cannot be seen holds the name")
                .with_reason(Reason::UploadReserved)
                .with_retry(Retry::After(super::destination::LOCK_PAUSE))),
            Look::Unknown(error) => Err(error),
        }
    }

    fn copy_error(&self, copy: &Copy, kind: ErrorKind, detail: impl Into<String>) -> StoreError {
        StoreError::new(kind, OPERATION, copy.path.as_str(), detail)
    }
}

/// Reads a monitor's words in any of their forms.
fn read_monitor(body: &Value, status: u16) -> Watched {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let item = text("resourceId").or_else(|| text("id")).filter(|id| !id.is_empty()).map(str::to_owned);
    match text("status").map(str::to_lowercase).as_deref() {
        Some("completed") => Watched::Done(item),
        Some("failed" | "deletefailed") => {
            let error = body.get("error");
            let inner = |name: &str| error.and_then(|e| e.get(name)).and_then(Value::as_str);
            let codes = [inner("code"), text("errorCode")].into_iter().flatten().map(str::to_owned).collect();
            let words = inner("message").or_else(|| text("statusDescription")).or_else(|| text("errorCode"));
            Watched::Failed { codes, text: crate::wire::shown_text(words.unwrap_or("the copy failed")) }
        }
        Some(_) => Watched::Running,
        // A redirect to the item, or the item itself.
        None if status == 303 || item.is_some() => Watched::Done(item),
        None => Watched::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monitors_are_read_in_all_their_forms() {
        let read = |body: Value| read_monitor(&body, 200);
        assert!(matches!(
            read(json!({"status": "inProgress", "percentageComplete": 27.8})),
            Watched::Running
        ));
        assert!(
            matches!(read(json!({"status": "completed", "resourceId": "01A"})), Watched::Done(Some(id)) if id == "01A")
        );
        let failed =
            read(json!({"status": "failed", "error": {"code": "nameAlreadyExists", "message": "m"}}));
        assert!(matches!(failed, Watched::Failed { codes, .. } if codes == ["nameAlreadyExists"]));
        let flat =
            read(json!({"status": "failed", "errorCode": "AccessDenied_x", "statusDescription": "no"}));
        assert!(
            matches!(flat, Watched::Failed { codes, text } if codes == ["AccessDenied_x"] && text == "no")
        );
        assert!(matches!(read_monitor(&Value::Null, 303), Watched::Done(None)));
        assert!(matches!(read(json!(["?"])), Watched::Running));
    }
}
