//! Items, drives and sites as Graph shows them.
//!
//! Owns the JSON of `graph.md`, sections 3 and 4, pre-authenticated download URLs and `$select`. Refuses to change
//! anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::content::mix;
use crate::hash::to_base64;
use crate::quota::signed;
use crate::reply::member;
use crate::url::encode;
use crate::world::drive::{Drive, Owner};
use crate::world::item::Item;
use crate::world::{MY_HOST, Site, World};

/// How an item is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View {
    /// As a delta page shows it: without cTag, and a deleted item without a name.
    pub(crate) delta: bool,
    pub(crate) download_url: bool,
}

/// Seconds since 1970 as ISO 8601 with a Z.
pub(crate) fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "1970-01-01T00:00:00Z".into(), |at| at.to_string())
}

impl World {
    /// The JSON of an item, restricted to what was selected.
    pub(crate) fn show_item(
        &self,
        drive_index: usize,
        index: u32,
        view: View,
        select: Option<&str>,
    ) -> Value {
        let (Some(drive), Some(site)) = (self.drive(drive_index), self.site_of(drive_index)) else {
            return Value::Null;
        };
        let Some(item) = drive.item(index) else { return Value::Null };
        let mut map = Map::new();
        map.insert("id".into(), drive.ids.item_id(index).into());
        map.insert("parentReference".into(), self.parent_reference(drive, site, index, view));
        if item.deleted {
            map.insert("deleted".into(), json!({"state": "deleted"}));
            let facet = if item.is_folder() { "folder" } else { "file" };
            map.insert(facet.into(), json!({}));
            return Value::Object(map);
        }
        let name = if index == 0 { "root" } else { &*item.name };
        map.insert("name".into(), name.into());
        map.insert("size".into(), item.size().into());
        map.insert("eTag".into(), drive.etag(index).into());
        map.insert("createdDateTime".into(), time(item.created).into());
        map.insert("lastModifiedDateTime".into(), time(item.modified).into());
        map.insert("webUrl".into(), web_url(drive, site, index).into());
        map.insert("createdBy".into(), self.who(drive, item));
        map.insert("lastModifiedBy".into(), self.who(drive, item));
        map.insert(
            "fileSystemInfo".into(),
            json!({"createdDateTime": time(item.fs_created), "lastModifiedDateTime": time(item.fs_modified)}),
        );
        if index == 0 {
            map.insert("root".into(), json!({}));
        }
        self.show_facets(&mut map, drive_index, index, view);
        if let Some(select) = select {
            keep_selected(&mut map, select);
        }
        Value::Object(map)
    }

    fn show_facets(&self, map: &mut Map<String, Value>, drive_index: usize, index: u32, view: View) {
        let Some(drive) = self.drive(drive_index) else { return };
        let Some(item) = drive.item(index) else { return };
        let extra = item.extra.as_deref();
        if let Some(kind) = extra.and_then(|extra| extra.package) {
            map.insert("package".into(), json!({"type": kind}));
        }
        if let Some((other, target)) = extra.and_then(|extra| extra.shortcut) {
            map.remove("size");
            map.insert("remoteItem".into(), self.remote_item(other, target));
            return;
        }
        if let Some(folder) = item.folder() {
            map.insert("folder".into(), json!({"childCount": folder.children.len()}));
            return;
        }
        if extra.is_some_and(|extra| extra.malware) {
            map.insert("malware".into(), json!({"description": "Win32/Test.A"}));
        }
        if extra.is_some_and(|extra| extra.checked_out) {
            map.insert("publication".into(), json!({"level": "checkout", "versionId": "0.1"}));
        }
        if !view.delta {
            map.insert("cTag".into(), drive.ctag(index).into());
        }
        let mut file = json!({"mimeType": mime(&item.name)});
        if item.hash_known(self.now)
            && let Some(content) = item.content()
        {
            member(&mut file, "hashes", json!({"quickXorHash": to_base64(content.quick_xor())}));
        }
        map.insert("file".into(), file);
        if view.download_url {
            map.insert("@microsoft.graph.downloadUrl".into(), self.download_url(drive_index, index).into());
        }
    }

    fn remote_item(&self, drive_index: usize, index: u32) -> Value {
        let Some(drive) = self.drive(drive_index) else { return json!({}) };
        let name = drive.item(index).map(|item| item.name.clone()).unwrap_or_default();
        json!({
            "id": drive.ids.item_id(index),
            "name": name,
            "folder": {"childCount": 0},
            "parentReference": {"driveId": drive.id, "driveType": drive_type(drive)},
        })
    }

    fn parent_reference(&self, drive: &Drive, site: &Site, index: u32, view: View) -> Value {
        let mut map = Map::new();
        map.insert("driveType".into(), drive_type(drive).into());
        map.insert("driveId".into(), drive.id.clone().into());
        if index != 0 {
            let parent = drive.item(index).map_or(0, |item| item.parent);
            map.insert("id".into(), drive.ids.item_id(parent).into());
            let name =
                if parent == 0 { drive.segment.as_str() } else { drive.item(parent).map_or("", |p| &p.name) };
            map.insert("name".into(), name.into());
            if !view.delta || self.config.delta_paths {
                let path: String =
                    drive.path(parent).iter().map(|name| format!("/{}", encode(name))).collect();
                map.insert("path".into(), format!("/drives/{}/root:{path}", drive.id).into());
            }
            map.insert("siteId".into(), site.guid.text().into());
        }
        Value::Object(map)
    }

    fn who(&self, drive: &Drive, item: &Item) -> Value {
        if item.by_app {
            return json!({"application": {"id": self.tenant.client_id, "displayName": "Migration"}});
        }
        let user = match drive.owner {
            Owner::User(index) => self.users.get(index),
            Owner::Library => self.users.first(),
        };
        user.map_or_else(
            || json!({"user": {"displayName": "System Account"}}),
            |user| json!({"user": {"email": user.upn, "id": user.id, "displayName": user.display}}),
        )
    }

    pub(crate) fn site_of(&self, drive: usize) -> Option<&Site> {
        self.sites.get(self.drive(drive)?.site)
    }

    /// Where the drive's content is served: the origin and the site's path.
    pub(crate) fn content_base(&self, drive: usize) -> String {
        let Some(site) = self.site_of(drive) else { return String::new() };
        let origin = if site.host == MY_HOST { &self.origins.my } else { &self.origins.sites };
        let path: String =
            site.path.split('/').filter(|p| !p.is_empty()).map(|p| format!("/{}", encode(p))).collect();
        format!("{origin}{path}")
    }

    /// A pre-authenticated URL that holds for a while.
    pub(crate) fn download_url(&self, drive: usize, index: u32) -> String {
        let expires = self.later(signed(self.config.download_lifetime)).as_millisecond();
        let guid = self.drive(drive).map(|drive| drive.ids.guid(index).text()).unwrap_or_default();
        let auth = self.seal(&format!("{drive}.{index}.{expires}"));
        let base = self.content_base(drive);
        format!(
            "{base}/_layouts/15/download.aspx?UniqueId={guid}&Translate=false&tempauth=v1.{auth}&ApiVersion=2.0"
        )
    }

    /// Text with a check sum that shows whether someone changed it.
    pub(crate) fn seal(&self, text: &str) -> String {
        let sum = text.bytes().fold(mix(self.config.seed ^ 0x5ea1), |acc, byte| mix(acc ^ u64::from(byte)));
        URL_SAFE_NO_PAD.encode(format!("{text}|{sum:016x}"))
    }

    /// The text inside a seal, if nobody changed it.
    pub(crate) fn unseal(&self, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (inner, _) = text.rsplit_once('|')?;
        (self.seal(inner) == sealed).then(|| inner.to_owned())
    }

    pub(crate) fn show_drive(&self, index: usize) -> Value {
        let (Some(drive), Some(site)) = (self.drive(index), self.site_of(index)) else { return Value::Null };
        let owner = match drive.owner {
            Owner::User(user) => self.users.get(user).map_or(
                Value::Null,
                |user| json!({"user": {"email": user.upn, "id": user.id, "displayName": user.display}}),
            ),
            Owner::Library => json!({"group": {"displayName": format!("{} Owners", site.name)}}),
        };
        let free = drive.quota.saturating_sub(drive.used);
        let state = match free {
            0 => "exceeded",
            _ if free < drive.quota / 100 => "critical",
            _ if free < drive.quota / 10 => "nearing",
            _ => "normal",
        };
        json!({
            "@odata.context": format!("{}/$metadata#drives/$entity", self.origins.graph),
            "id": drive.id,
            "driveType": drive_type(drive),
            "name": drive.name,
            "description": "",
            "createdDateTime": time(drive.item(0).map_or(0, |root| root.created)),
            "lastModifiedDateTime": time(drive.item(0).map_or(0, |root| root.modified)),
            "webUrl": format!("{}/{}", site.web_url(), encode(&drive.segment)),
            "owner": owner,
            "quota": {
                "deleted": drive.recycled,
                "remaining": free,
                "state": state,
                "total": drive.quota,
                "used": drive.used,
            },
        })
    }

    pub(crate) fn show_site(&self, index: usize) -> Value {
        let Some(site) = self.sites.get(index) else { return Value::Null };
        json!({
            "@odata.context": format!("{}/$metadata#sites/$entity", self.origins.graph),
            "id": site.id(),
            "name": site.path.rsplit('/').next().unwrap_or_default(),
            "displayName": site.name,
            "webUrl": site.web_url(),
            "createdDateTime": "2019-04-01T00:00:00Z",
            "siteCollection": {"hostname": site.host},
            "root": {},
        })
    }
}

pub(crate) fn drive_type(drive: &Drive) -> &'static str {
    match drive.owner {
        Owner::User(_) => "business",
        Owner::Library => "documentLibrary",
    }
}

fn web_url(drive: &Drive, site: &Site, index: u32) -> String {
    let path: String = drive.path(index).iter().map(|name| format!("/{}", encode(name))).collect();
    format!("{}/{}{path}", site.web_url(), encode(&drive.segment))
}

/// Keeps what `$select` names. Annotations are lost unless named; the id always stays.
pub(crate) fn keep_selected(map: &mut Map<String, Value>, select: &str) {
    let names: Vec<&str> = select.split(',').map(str::trim).collect();
    let aliases =
        |key: &str| key == "@microsoft.graph.downloadUrl" && names.contains(&"@content.downloadUrl");
    map.retain(|key, _| {
        key == "id"
            || names.iter().any(|name| name.eq_ignore_ascii_case(key))
            || aliases(key)
            || key == "@odata.context"
    });
}

fn mime(name: &str) -> &'static str {
    let extension =
        name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "wav" => "audio/wav",
        "m4a" => "audio/mp4",
        "mp3" => "audio/mpeg",
        "txt" => "text/plain",
        "pdf" => "application/pdf",
        "html" | "htm" => "text/html",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "one" => "application/msonenote",
        _ => "application/octet-stream",
    }
}
