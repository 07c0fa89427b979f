//! Changes to what already stands in a drive: moved, dated, its versions, and what lies in the recycle bin.
//!
//! No byte of content passes here. Reference: reference/graph.md, sections 8.4 and 8.5; the recycle bin:
//! learn.microsoft.com, "recycleBin: list items" (v1.0, read 2026-11).

use http::{Method, header};
use jiff::Timestamp;
use landfall_core::error::Look;
use landfall_core::state::Reason;
use landfall_core::store::{Binned, Holding};
use landfall_core::words::{Cursor, ItemKey, fold};
use landfall_core::{ByteSize, ErrorKind, RelPath, StoreError, Times};
use serde::Deserialize;
use serde_json::{Number, json};

use super::destination::{GraphDestination, write_refused};
use super::item::DriveItem;
use super::place::unexpected;
use super::units;
use crate::wire::{Call, Refusal, encode};

/// Tries around answers that pass by themselves.
const TRIES: u32 = 6;

#[derive(Deserialize)]
struct Versions {
    value: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    last_modified_date_time: Option<String>,
}

#[derive(Deserialize)]
struct Bin {
    value: Vec<BinItem>,
    #[serde(rename = "@odata.nextLink", default)]
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct BinItem {
    name: Option<String>,
    size: Option<Number>,
    deleted_from_location: Option<String>,
    deleted_by: Option<DeletedBy>,
}

#[derive(Deserialize)]
struct DeletedBy {
    user: Option<Person>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    display_name: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct SiteId {
    id: String,
}

impl BinItem {
    /// Where it lay below the drive, and who deleted it. `id` is the deletion's, not the item's, so that only
    /// place, name and size tell what it was.
    fn binned(&self, prefix: &str) -> Binned {
        let folder = self.deleted_from_location.as_deref().unwrap_or("").trim_matches('/');
        let path = self.name.as_deref().and_then(|name| below(folder, prefix)?.join(name).ok());
        // Unverified: the documentation's table has no deletedBy; answers were seen to carry one.
        let user = self.deleted_by.as_ref().and_then(|by| by.user.as_ref());
        let by = user.and_then(|user| user.display_name.clone().or_else(|| user.email.clone()));
        Binned { path, size: ByteSize(self.size.as_ref().and_then(Number::as_u64).unwrap_or(0)), by }
    }
}

/// What follows a drive's address in a folder's; compared as the service compares names.
fn below(folder: &str, drive: &str) -> Option<RelPath> {
    let mut segments = folder.split('/');
    if !drive.split('/').all(|wanted| segments.next().is_some_and(|segment| fold(segment) == fold(wanted))) {
        return None;
    }
    segments.try_fold(RelPath::root(), |path, segment| path.join(segment).ok())
}

impl GraphDestination {
    /// Moves or renames within the drive. `If-Match` is honoured on PATCH, so that nobody's newer work is moved.
    pub(super) async fn move_item(
        &self,
        from: &Holding,
        parent: &ItemKey,
        name: &str,
    ) -> Result<Holding, StoreError> {
        let mut call = Call::new(Method::PATCH, self.place.address.item(from.item.as_str()), "move", name)
            .cost(units(2))
            .once()
            .json(&json!({ "name": name, "parentReference": { "id": parent.as_str() } }));
        if let Some(revision) = &from.revision {
            call = call.header(header::IF_MATCH, &revision.0);
        }
        for failures in 1..=TRIES {
            let refused = match self.place.wire.send(&call).await {
                Ok(answer) if answer.status.is_success() => {
                    return answer
                        .json::<DriveItem>()
                        .and_then(|item| item.holding())
                        .ok_or_else(|| unexpected("move", name, "the answer is no drive item"));
                }
                Ok(answer) => Some(Refusal::of(&answer)),
                Err(error) if error.code.is_some() => return Err(error),
                Err(_) => None,
            };
            // A lost reply may have been carried out: what stands there now decides.
            if let Look::Present(item) = self.item_at(parent, name).await
                && let Some(holding) = item.holding().filter(|holding| holding.item == from.item)
            {
                return Ok(holding);
            }
            match refused.as_ref().map(|refusal| refusal.status.as_u16()) {
                None | Some(408 | 500..=599) => self.pause(failures).await,
                Some(412) => {
                    let detail = "it was changed meanwhile";
                    return Err(StoreError::new(ErrorKind::Changed, "move", name, detail));
                }
                Some(409) => {
                    let error =
                        StoreError::new(ErrorKind::Exists, "move", name, "something else stands there");
                    return Err(error.with_reason(Reason::DifferentAtDestination));
                }
                Some(_) => {
                    return Err(refused.map_or_else(
                        || unexpected("move", name, "no answer"),
                        |refusal| write_refused(&refusal, "move", name),
                    ));
                }
            }
        }
        Err(unexpected("move", name, "the service did not carry it out"))
    }

    /// Deletes into the recycle bin, if it is still what is described.
    pub(super) async fn remove_item(&self, from: &Holding) -> Result<(), StoreError> {
        let subject = format!("item {}", from.item);
        let mut call =
            Call::new(Method::DELETE, self.place.address.item(from.item.as_str()), "delete", &subject)
                .cost(units(2));
        if let Some(revision) = &from.revision {
            call = call.header(header::IF_MATCH, &revision.0);
        }
        let answer = self.place.wire.send(&call).await?;
        // An attempt before this one may have been carried out.
        if answer.status.is_success() || answer.status.as_u16() == 404 {
            return Ok(());
        }
        if answer.status.as_u16() == 412 {
            return Err(StoreError::new(ErrorKind::Changed, "delete", subject, "it was changed meanwhile"));
        }
        Err(write_refused(&Refusal::of(&answer), "delete", &subject))
    }

    /// Sets times and gives what is held then.
    pub(super) async fn date(&self, item: &ItemKey, times: Times) -> Result<Holding, StoreError> {
        let subject = format!("item {item}");
        let set = self.set_times(item, times, &subject).await?;
        set.and_then(|item| item.holding())
            .ok_or_else(|| unexpected("set times of", &subject, "the answer is no drive item"))
    }

    /// When each version was made, the newest first.
    pub(super) async fn versions_of(&self, item: &ItemKey) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let subject = format!("item {item}");
        let url = format!("{}/versions", self.place.address.item(item.as_str()));
        let answer =
            self.place.wire.send(&Call::get(url, "list the versions of", &subject).cost(units(2))).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of(&answer).error("list the versions of", &subject));
        }
        let page: Versions = answer.json().ok_or_else(|| {
            unexpected("list the versions of", &subject, "the answer is no list of versions")
        })?;
        Ok(page.value.iter().map(|v| v.last_modified_date_time.as_ref()?.parse().ok()).collect())
    }

    /// One page of the site's recycle bin.
    pub(super) async fn binned(
        &self,
        page: Option<Cursor>,
    ) -> Result<(Vec<Binned>, Option<Cursor>), StoreError> {
        let subject = format!("the recycle bin of {}", self.place.label);
        let url = match page {
            Some(link) => link.0,
            None => self.bin_url(&subject).await?,
        };
        let answer = self.place.wire.send(&Call::get(url, "list", &subject).cost(units(2))).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of(&answer).error("list", &subject));
        }
        let bin: Bin = answer
            .json()
            .ok_or_else(|| unexpected("list", &subject, "the answer is no page of a recycle bin"))?;
        let items = bin.value.iter().map(|item| item.binned(&self.prefix)).collect();
        Ok((items, bin.next.map(Cursor)))
    }

    async fn bin_url(&self, subject: &str) -> Result<String, StoreError> {
        // The library's address without its last part is the site's.
        let site = self.prefix.rsplit_once('/').map_or("", |(site, _)| site);
        let base = self.place.address.base();
        let segments: Vec<String> = site.split('/').filter(|part| !part.is_empty()).map(encode).collect();
        let url = match segments.is_empty() {
            true => format!("{base}/sites/{}", self.host),
            false => format!("{base}/sites/{}:/{}", self.host, segments.join("/")),
        };
        let answer =
            self.place.wire.send(&Call::get(url, "look at the site of", subject).cost(units(1))).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of(&answer).error("look at the site of", subject));
        }
        let site: SiteId = answer
            .json()
            .ok_or_else(|| unexpected("look at the site of", subject, "the answer is no site"))?;
        Ok(format!("{base}/sites/{}/recycleBin/items?$top=200", encode(&site.id).replace("%2C", ",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binned(from: &str) -> Binned {
        let item: BinItem = serde_json::from_value(json!({
            "id": "825e764f", "name": "議事録.docx", "size": 12, "deletedFromLocation": from,
            "deletedBy": { "user": { "displayName": "山田 花子", "email": "hanako@contoso.com" } }
        }))
        .unwrap();
        item.binned("sites/Archive/Shared Documents")
    }

    #[test]
    fn what_was_deleted_is_placed_below_the_drive_whatever_the_case() {
        let there = binned("sites/archive/Shared Documents/Voices/会議");
        assert_eq!(there.path.unwrap().as_str(), "Voices/会議/議事録.docx");
        assert_eq!(there.by.as_deref(), Some("山田 花子"));
        assert_eq!(binned("sites/Archive/Shared Documents").path.unwrap().as_str(), "議事録.docx");
    }

    #[test]
    fn what_lay_elsewhere_has_no_path_here() {
        assert_eq!(binned("sites/Archive/Shared Documents2/Voices").path, None);
        assert_eq!(binned("sites/Other/Lists/x").path, None);
    }
}
