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
use crate::world::item::{Editor, Item};
use crate::world::{MY_HOST, Site, World};

/// What the application calls itself in the directory.
const APP_NAME: &str = "Migration";

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

/// Shows items of one drive. What neighbours share is made once.
pub(crate) struct Sheet<'a> {
    world: &'a World,
    drive_index: usize,
    drive: &'a Drive,
    site: &'a Site,
    view: View,
    select: Option<Vec<&'a str>>,
    /// Parent reference and web address of the folder that was needed last.
    folder: Option<(u32, Value, String)>,
    /// Host and path of download URLs.
    content_base: String,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(
        world: &'a World,
        drive_index: usize,
        view: View,
        select: Option<&'a str>,
    ) -> Option<Self> {
        let select = select.map(|names| names.split(',').map(str::trim).collect());
        Some(Self {
            world,
            drive_index,
            drive: world.drive(drive_index)?,
            site: world.site_of(drive_index)?,
            view,
            select,
            folder: None,
            content_base: world.content_base(drive_index),
        })
    }

    fn wants(&self, name: &str) -> bool {
        self.select.as_ref().is_none_or(|names| selected(names, name))
    }

    /// The JSON of an item, restricted to what was selected.
    pub(crate) fn item(&mut self, index: u32) -> Value {
        let drive = self.drive;
        let Some(item) = drive.item(index) else { return Value::Null };
        let mut map = Map::new();
        map.insert("id".into(), drive.ids.item_id(index).into());
        let (reference, address) = self.folder_of(index, item);
        if self.wants("parentReference") || item.deleted {
            map.insert("parentReference".into(), reference);
        }
        if item.deleted {
            map.insert("deleted".into(), json!({"state": "deleted"}));
            let facet = if item.is_folder() { "folder" } else { "file" };
            map.insert(facet.into(), json!({}));
            return Value::Object(map);
        }
        if self.wants("webUrl") {
            let own = if index == 0 { String::new() } else { format!("/{}", encode(&item.name)) };
            map.insert("webUrl".into(), format!("{address}{own}").into());
        }
        self.plain(&mut map, index, item);
        self.facets(&mut map, index, item);
        Value::Object(map)
    }

    fn plain(&self, map: &mut Map<String, Value>, index: u32, item: &Item) {
        if self.wants("name") {
            let name = if index == 0 { "root" } else { &*item.name };
            map.insert("name".into(), name.into());
        }
        if self.wants("size") {
            map.insert("size".into(), item.size().into());
        }
        if self.wants("eTag") {
            map.insert("eTag".into(), self.drive.etag(index).into());
        }
        if self.wants("createdDateTime") {
            map.insert("createdDateTime".into(), time(item.created).into());
        }
        if self.wants("lastModifiedDateTime") {
            map.insert("lastModifiedDateTime".into(), time(item.modified).into());
        }
        for (name, who) in [("createdBy", item.made_by), ("lastModifiedBy", item.by)] {
            if self.wants(name) {
                map.insert(name.into(), self.world.identity(who));
            }
        }
        if self.wants("fileSystemInfo") {
            let (created, modified) = (time(item.fs_created), time(item.fs_modified));
            let info = json!({"createdDateTime": created, "lastModifiedDateTime": modified});
            map.insert("fileSystemInfo".into(), info);
        }
        if index == 0 && self.wants("root") {
            map.insert("root".into(), json!({}));
        }
    }

    fn facets(&self, map: &mut Map<String, Value>, index: u32, item: &Item) {
        let extra = item.extra.as_deref();
        if let Some(kind) = extra.and_then(|extra| extra.package)
            && self.wants("package")
        {
            map.insert("package".into(), json!({"type": kind}));
        }
        if let Some((other, target)) = extra.and_then(|extra| extra.shortcut) {
            map.remove("size");
            if self.wants("remoteItem") {
                map.insert("remoteItem".into(), self.world.remote_item(other, target));
            }
            return;
        }
        if self.wants("shared")
            && let Some(facet) = self.world.shared_facet(self.drive, index)
        {
            map.insert("shared".into(), facet);
        }
        if let Some(folder) = item.folder() {
            if self.wants("folder") {
                map.insert("folder".into(), json!({"childCount": folder.children.len()}));
            }
            return;
        }
        if extra.is_some_and(|extra| extra.malware) && self.wants("malware") {
            map.insert("malware".into(), json!({"description": "Win32/Test.A"}));
        }
        if extra.is_some_and(|extra| extra.checked_out) && self.wants("publication") {
            map.insert("publication".into(), json!({"level": "checkout", "versionId": "0.1"}));
        }
        if !self.view.delta && self.wants("cTag") {
            map.insert("cTag".into(), self.drive.ctag(index).into());
        }
        if self.wants("file") {
            let mut file = json!({"mimeType": mime(&item.name)});
            if item.hash_known(self.world.now)
                && let Some(content) = item.content()
            {
                member(&mut file, "hashes", json!({"quickXorHash": to_base64(content.quick_xor())}));
            }
            map.insert("file".into(), file);
        }
        if self.view.download_url && self.wants("@microsoft.graph.downloadUrl") {
            let url = self.world.download_url_at(&self.content_base, self.drive_index, index);
            map.insert("@microsoft.graph.downloadUrl".into(), url.into());
        }
    }

    /// What an item says about its folder, and the folder's web address.
    fn folder_of(&mut self, index: u32, item: &Item) -> (Value, String) {
        if index == 0 {
            let reference = json!({"driveType": drive_type(self.drive), "driveId": self.drive.id});
            return (reference, web_url(self.drive, self.site, 0));
        }
        if let Some((known, reference, address)) = &self.folder
            && *known == item.parent
        {
            return (reference.clone(), address.clone());
        }
        let reference = self.world.parent_reference(self.drive, self.site, item.parent, self.view);
        let address = web_url(self.drive, self.site, item.parent);
        self.folder = Some((item.parent, reference.clone(), address.clone()));
        (reference, address)
    }
}

impl World {
    /// The JSON of one item.
    pub(crate) fn show_item(&self, drive: usize, index: u32, view: View, select: Option<&str>) -> Value {
        Sheet::new(self, drive, view, select).map_or(Value::Null, |mut sheet| sheet.item(index))
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

    fn parent_reference(&self, drive: &Drive, site: &Site, parent: u32, view: View) -> Value {
        let name =
            if parent == 0 { drive.segment.as_str() } else { drive.item(parent).map_or("", |p| &p.name) };
        let mut reference = json!({
            "driveType": drive_type(drive),
            "driveId": drive.id,
            "id": drive.ids.item_id(parent),
            "name": name,
            "siteId": site.guid.text(),
        });
        if !view.delta || self.config.delta_paths {
            let path: String = drive.path(parent).iter().map(|name| format!("/{}", encode(name))).collect();
            member(&mut reference, "path", format!("/drives/{}/root:{path}", drive.id));
        }
        reference
    }

    /// The identity of an editor as items and versions show it.
    // Source: OneDrive/onedrive-api-docs issue 362, read 2026-11: app-only writes name the application and no user.
    pub(crate) fn identity(&self, editor: Editor) -> Value {
        let Some(index) = editor.user() else {
            return json!({"application": {"id": self.tenant.client_id, "displayName": APP_NAME}});
        };
        self.users.get(index).map_or_else(
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
        self.download_url_at(&self.content_base(drive), drive, index)
    }

    fn download_url_at(&self, base: &str, drive: usize, index: u32) -> String {
        let expires = self.later(signed(self.config.download_lifetime)).as_millisecond();
        let guid = self.drive(drive).map(|drive| drive.ids.guid(index).text()).unwrap_or_default();
        let auth = self.seal(&format!("{drive}.{index}.{expires}"));
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

/// Keeps what `$select` names.
pub(crate) fn keep_selected(map: &mut Map<String, Value>, select: &str) {
    let names: Vec<&str> = select.split(',').map(str::trim).collect();
    map.retain(|key, _| key == "id" || key == "@odata.context" || selected(&names, key));
}

/// Annotations are lost unless named; the download URL has two names.
fn selected(names: &[&str], key: &str) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(key))
        || (key == "@microsoft.graph.downloadUrl" && names.contains(&"@content.downloadUrl"))
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
