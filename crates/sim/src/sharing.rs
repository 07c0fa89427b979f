//! Sharing, versions' numbers and labels: what belongs to an item beside its bytes.
//!
//! Owns who was let in where, what of that an item below shows, and the JSON of permissions, labels and list columns.
//! Refuses to know requests; none of it moves a tag or the change log.
// Source: learn.microsoft.com/graph/api/resources/permission, driveitem-list-permissions, driveitem-getretentionlabel,
// resources/shared, read 2026-11.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::content::mix;
use crate::ids::Guid;
use crate::render::time;
use crate::reply::{Fail, member};
use crate::url::encode;
use crate::world::World;
use crate::world::drive::{Drive, Owner};

/// What is set on few items.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    pub(crate) shares: Vec<Share>,
    pub(crate) sensitivity: Option<String>,
    pub(crate) retention: Option<String>,
    /// Who may see whom it is shared with is not for the application to know.
    pub(crate) guarded: bool,
}

/// One way in which people were let in.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) scope: Scope,
    /// By their index among the users.
    pub(crate) people: Vec<usize>,
    /// `read` or `write`.
    pub(crate) role: String,
    /// Seconds since 1970.
    pub(crate) expires: Option<i64>,
    /// Makes the id of a link.
    pub(crate) number: u64,
}

/// How somebody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Without a link.
    Direct,
    Anonymous,
    Organization,
    Users,
}

impl Scope {
    pub(crate) fn of(word: Option<&str>) -> Option<Self> {
        Some(match word {
            None => Self::Direct,
            Some("anonymous") => Self::Anonymous,
            Some("organization") => Self::Organization,
            Some("users") => Self::Users,
            Some(_) => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Organization => "organization",
            Self::Direct | Self::Users => "users",
        }
    }
}

impl World {
    /// What is set on an item; made where there is nothing yet.
    pub(crate) fn shared_mut(&mut self, drive: usize, index: u32) -> Option<&mut Shared> {
        let drive = self.drive_mut(drive)?;
        drive.sharing = true;
        Some(drive.item_mut(index)?.extra_mut().shared.get_or_insert_with(Box::default))
    }

    /// Everything that lets somebody in at an item: its own, then what folders above have, with where that is.
    fn effective<'a>(&self, drive: &'a Drive, index: u32) -> Vec<(&'a Share, Option<u32>)> {
        let mut all = Vec::new();
        let mut at = index;
        loop {
            let shared = drive.item(at).and_then(|item| item.extra.as_deref()?.shared.as_deref());
            let from = (at != index).then_some(at);
            all.extend(shared.into_iter().flat_map(|shared| &shared.shares).map(|share| (share, from)));
            match drive.item(at).map(|item| item.parent) {
                Some(parent) if at != 0 => at = parent,
                _ => return all,
            }
        }
    }

    /// The facet that says that an item is shared. What folders above have counts.
    // Source: the scan guidance (learn.microsoft.com/onedrive/developer, read 2026-11): without further preferences
    // sharing information is given for items that inherit it, too.
    pub(crate) fn shared_facet(&self, drive: &Drive, index: u32) -> Option<Value> {
        if !drive.sharing || index == 0 {
            return None;
        }
        let shares = self.effective(drive, index);
        let widest = shares.iter().map(|(share, _)| share.scope).min_by_key(|scope| match scope {
            Scope::Anonymous => 0,
            Scope::Organization => 1,
            Scope::Users | Scope::Direct => 2,
        })?;
        Some(json!({"scope": widest.word()}))
    }

    /// Who has access to an item.
    pub(crate) fn permissions(&self, drive_index: usize, index: u32) -> Result<Vec<Value>, Fail> {
        let drive = self.drive(drive_index).ok_or_else(Fail::not_found)?;
        let shared = drive.item(index).and_then(|item| item.extra.as_deref()?.shared.as_deref());
        if shared.is_some_and(|shared| shared.guarded) {
            return Err(Fail::new(403, "accessDenied", "Access denied"));
        }
        let mut all = self.owners(drive);
        for (share, from) in self.effective(drive, index) {
            match share.scope {
                Scope::Direct => all.extend(share.people.iter().map(|user| self.granted(share, *user))),
                _ => all.push(self.link(drive, share, from)),
            }
        }
        Ok(all)
    }

    /// Those whose drive it is: they have everything in it.
    fn owners(&self, drive: &Drive) -> Vec<Value> {
        match drive.owner {
            Owner::User(user) => {
                let Some(person) = self.person(user) else { return Vec::new() };
                vec![json!({
                    "id": login_id(&self.login(user)), "roles": ["owner"],
                    "grantedTo": {"user": person}, "grantedToV2": {"user": person},
                })]
            }
            Owner::Library => {
                let name = self.sites.get(drive.site).map(|site| site.name.clone()).unwrap_or_default();
                let group = |number: u64, kind: &str, role: &str| {
                    let title = format!("{name} {kind}");
                    json!({
                        "id": login_id(&title), "roles": [role],
                        "grantedToV2": {"siteGroup": {"id": number.to_string(), "displayName": title, "loginName": title}},
                    })
                };
                vec![group(3, "Owners", "owner"), group(5, "Members", "write")]
            }
        }
    }

    /// A grant without a link. Where a folder above has it, nothing says so.
    fn granted(&self, share: &Share, user: usize) -> Value {
        let person = self.person(user).unwrap_or_else(|| json!({"displayName": "System Account"}));
        let login = self.login(user);
        let mut shown = json!({
            "id": login_id(&login), "roles": [share.role],
            "grantedTo": {"user": person},
            "grantedToV2": {"user": person, "siteUser": {"id": "13", "loginName": login}},
        });
        expire(&mut shown, share);
        shown
    }

    /// A link. Where a folder above has it, `inheritedFrom` was seen to say so, and was seen empty.
    // Source: OneDrive/onedrive-api-docs issue 1261, microsoft-graph-devx-api issue 223, read 2026-11.
    fn link(&self, drive: &Drive, share: &Share, from: Option<u32>) -> Value {
        let id = Guid::derived(mix(self.config.seed ^ share.number ^ 0x11f7)).text();
        let kind = if share.role == "write" { "edit" } else { "view" };
        let host = self.sites.get(drive.site).map_or("", |site| site.host);
        let token = URL_SAFE_NO_PAD.encode(format!("{id}|{}", self.config.seed));
        let mut shown = json!({
            "id": id, "roles": [share.role], "hasPassword": false,
            "link": {
                "scope": share.scope.word(), "type": kind, "preventsDownload": false,
                "webUrl": format!("https://{host}/:u:/g/{token}"),
            },
        });
        if share.scope == Scope::Users {
            let people: Vec<Value> = share
                .people
                .iter()
                .filter_map(|user| self.person(*user))
                .map(|user| json!({"user": user}))
                .collect();
            member(&mut shown, "grantedToIdentitiesV2", json!(people));
            member(&mut shown, "grantedToIdentities", json!(people));
        }
        if let Some(folder) = from {
            let path: String = drive.path(folder).iter().map(|name| format!("/{}", encode(name))).collect();
            let place = match share.number % 2 {
                0 => json!({}),
                _ => json!({
                    "driveId": drive.id, "id": drive.ids.item_id(folder),
                    "path": format!("/drives/{}/root:{path}", drive.id),
                }),
            };
            member(&mut shown, "inheritedFrom", place);
        }
        expire(&mut shown, share);
        shown
    }

    fn person(&self, user: usize) -> Option<Value> {
        let user = self.users.get(user)?;
        Some(json!({"email": user.upn, "id": user.id, "displayName": user.display}))
    }

    fn login(&self, user: usize) -> String {
        let upn = self.users.get(user).map_or("", |user| &user.upn);
        format!("i:0#.f|membership|{upn}")
    }

    /// Adds to an item what `$expand` asks for.
    pub(crate) fn expand(
        &self,
        shown: &mut Value,
        (drive_index, index): (usize, u32),
        expand: &str,
    ) -> Result<(), Fail> {
        let drive = self.drive(drive_index).ok_or_else(Fail::not_found)?;
        for (name, options) in parts(expand) {
            match name {
                "retentionLabel" => {
                    if let Some(label) = self.retention(drive, index) {
                        member(shown, "retentionLabel", label);
                    }
                }
                "listItem" if self.config.list_columns => {
                    member(shown, "listItem", list_item(drive, index, options));
                }
                "permissions" => member(shown, "permissions", json!(self.permissions(drive_index, index)?)),
                "thumbnails" => member(shown, "thumbnails", json!([])),
                _ => return Err(Fail::bad(format!("Could not find a property named '{name}'."))),
            }
        }
        Ok(())
    }

    /// The retention label, which an item below a labelled folder has too.
    fn retention(&self, drive: &Drive, index: u32) -> Option<Value> {
        let mut at = index;
        loop {
            let shared = drive.item(at).and_then(|item| item.extra.as_deref()?.shared.as_deref());
            if let Some(name) = shared.and_then(|shared| shared.retention.as_ref()) {
                return Some(json!({
                    "name": name,
                    "isLabelAppliedExplicitly": at == index,
                    "labelAppliedDateTime": time(drive.item(at).map_or(0, |item| item.modified)),
                    "labelAppliedBy": drive.item(at).map(|item| self.identity(item.by)),
                    "retentionSettings": {"behaviorDuringRetentionPeriod": "retain", "isDeleteAllowed": false},
                }));
            }
            match drive.item(at).map(|item| item.parent) {
                Some(parent) if at != 0 => at = parent,
                _ => return None,
            }
        }
    }
}

/// The item as a row of its list, with the columns that are selected; an empty column is left out.
// Unverified: that these columns can be selected through Graph, and that empty ones are left out.
fn list_item(drive: &Drive, index: u32, options: &str) -> Value {
    let mut fields = Map::new();
    let Some(item) = drive.item(index) else { return Value::Null };
    let shared = item.extra.as_deref().and_then(|extra| extra.shared.as_deref());
    let named = |name: &str| name.strip_prefix("$expand=").unwrap_or(name) == "fields";
    let asked = parts(options).into_iter().find(|(name, _)| named(name));
    let selected: Option<Vec<&str>> = asked
        .and_then(|(_, options)| options.strip_prefix("$select="))
        .map(|names| names.split(',').collect());
    let mut column = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|_| selected.as_ref().is_none_or(|names| names.contains(&name))) {
            fields.insert(name.to_owned(), value.into());
        }
    };
    column("_UIVersionString", Some(format!("{}.0", item.next_version())));
    let label = shared.and_then(|shared| shared.sensitivity.clone());
    let id =
        |name: &String| Guid::derived(name.bytes().fold(7, |acc, byte| mix(acc ^ u64::from(byte)))).text();
    column("_IpLabelId", label.as_ref().map(id));
    column("_DisplayName", label);
    column("_ComplianceTag", shared.and_then(|shared| shared.retention.clone()));
    column("FileLeafRef", Some(item.name.to_string()));
    json!({"id": (index + 1).to_string(), "fields@odata.navigationLink": "fields", "fields": fields})
}

/// `a,b(c=d;e),f` in its parts, each with what stands in its brackets.
fn parts(text: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    let (mut depth, mut from) = (0_u32, 0);
    let cuts = text.char_indices().chain([(text.len(), ',')]);
    for (at, c) in cuts {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' | ';' if depth == 0 => {
                let part = text.get(from..at).unwrap_or_default().trim();
                let (name, rest) = part.split_once('(').unwrap_or((part, ""));
                if !name.is_empty() {
                    out.push((name, rest.strip_suffix(')').unwrap_or(rest)));
                }
                from = at + 1;
            }
            _ => {}
        }
    }
    out
}

fn login_id(login: &str) -> String {
    URL_SAFE_NO_PAD.encode(login)
}

fn expire(shown: &mut Value, share: &Share) {
    if let Some(at) = share.expires {
        member(shown, "expirationDateTime", time(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansions_nest() {
        assert_eq!(
            parts("retentionLabel,listItem($expand=fields($select=_A,_B))"),
            [("retentionLabel", ""), ("listItem", "$expand=fields($select=_A,_B)")]
        );
        assert_eq!(parts("fields($select=_A,_B)"), [("fields", "$select=_A,_B")]);
        assert_eq!(parts(""), []);
    }
}
