//! From what a person writes to a drive: users, sites, libraries, personal sites.
//!
//! Owns the look-ups and the errors that say which part of the name was wrong. Refuses to list or
//! change anything inside a drive. Reference: reference/graph.md, section 3.

use landfall_core::words::ItemKey;
use landfall_core::{ByteSize, Code, ErrorKind, StoreError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::address::id;
use super::{Graph, units};
use crate::graph::item::DriveItem;
use crate::wire::{Answer, Call, Refusal, decode, encode};

const OPERATION: &str = "find";

/// Most pages of a site's libraries that are read.
const MOST_PAGES: usize = 50;

/// What a drive says about its room, as far as it says anything: libraries often do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes in use.
    pub used: Option<ByteSize>,
    /// Bytes in all.
    pub total: Option<ByteSize>,
    /// Bytes left.
    pub remaining: Option<ByteSize>,
    /// `normal`, `nearing`, `critical` or `exceeded`.
    pub state: Option<String>,
}

/// A drive that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// Its id.
    pub id: String,
    /// The id of its root folder.
    pub root: ItemKey,
    /// Its name ("Documents", "OneDrive").
    pub name: String,
    /// Where a person opens it.
    pub web_url: String,
    /// `business` for a OneDrive, `documentLibrary` for a library.
    pub drive_type: String,
    /// What it says about its room.
    pub quota: Quota,
    /// The owner's name or mail, where it says.
    pub owner: Option<String>,
}

impl Drive {
    /// True for a library of a site; false for somebody's OneDrive.
    #[must_use]
    pub fn is_library(&self) -> bool {
        self.drive_type.eq_ignore_ascii_case("documentLibrary")
    }

    /// The part of every path below the host that belongs to the drive itself, decoded: it counts
    /// towards the limit of 400 characters.
    #[must_use]
    pub fn prefix(&self) -> String {
        let path = self.web_url.split_once("://").map_or("", |(_, rest)| rest);
        let path = path.split_once('/').map_or("", |(_, path)| path);
        decode(path.split(['?', '#']).next().unwrap_or("").trim_matches('/'))
    }

    /// The host of its address.
    pub(super) fn host(&self) -> String {
        let path = self.web_url.split_once("://").map_or("", |(_, rest)| rest);
        path.split(['/', '?', '#']).next().unwrap_or("").to_owned()
    }

    /// The drive as error texts name it.
    pub(super) fn label(&self) -> String {
        if self.web_url.is_empty() { format!("drive {}", self.id) } else { decode(&self.web_url) }
    }
}

/// A site that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Where a person opens it.
    pub web_url: String,
}

/// A library of a site, as the list of a site's drives names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The drive's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The last part of its address, decoded: the default library is named "Documents" and lives at "Shared Documents".
    pub address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DriveBody {
    id: Option<String>,
    name: Option<String>,
    web_url: Option<String>,
    drive_type: Option<String>,
    quota: Option<Value>,
    owner: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SiteBody {
    id: Option<String>,
    display_name: Option<String>,
    name: Option<String>,
    web_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DrivePage {
    value: Vec<DriveBody>,
    #[serde(rename = "@odata.nextLink", default)]
    next: Option<String>,
}

impl Graph {
    /// The OneDrive of a user, by principal name or id.
    ///
    /// # Errors
    /// `NoOneDrive` where the user has none or does not exist: the service does not tell these apart.
    pub async fn user_drive(&self, user: &str) -> Result<Drive, StoreError> {
        let url = format!("{}/users/{}/drive", self.endpoints.graph, encode(user));
        let subject = format!("the OneDrive of {user}");
        let answer = self.ask(&url, 1, &subject).await?;
        if answer.status.is_success() {
            return self.drive_of(&answer, &subject).await;
        }
        let refusal = Refusal::of(&answer);
        if has_no_mysite(&refusal) {
            return Err(StoreError::new(ErrorKind::NotFound, OPERATION, subject, refusal.text())
                .with_code(Code::NoOneDrive));
        }
        Err(denied(&refusal, &subject, "Files.Read.All"))
    }

    /// A drive by its id.
    ///
    /// # Errors
    /// `DriveGone` where there is none.
    pub async fn drive(&self, drive: &str) -> Result<Drive, StoreError> {
        let url = format!("{}/drives/{}", self.endpoints.graph, id(drive));
        let subject = format!("drive {drive}");
        let answer = self.ask(&url, 1, &subject).await?;
        if answer.status.is_success() {
            return self.drive_of(&answer, &subject).await;
        }
        let refusal = Refusal::of(&answer);
        match refusal.status.as_u16() {
            // A malformed id is refused with 400.
            400 | 404 => Err(StoreError::new(ErrorKind::NotFound, OPERATION, subject, refusal.text())
                .with_code(Code::DriveGone)),
            _ => Err(denied(&refusal, &subject, "Files.Read.All")),
        }
    }

    /// The drive behind a personal site's address: the way to a OneDrive whose user was deleted.
    ///
    /// # Errors
    /// `SiteNotFound` where nothing answers at that address, `NoOneDrive` where the site has no drive.
    pub async fn personal_site(&self, url: &str) -> Result<Drive, StoreError> {
        let (host, path) = split_site(url);
        // Of https://…-my.sharepoint.com/personal/ada_contoso_com/Documents/… the first two parts are the site.
        let site: Vec<&str> = path.split('/').take(2).collect();
        let site = self.site(&format!("{host}/{}", site.join("/"))).await?;
        let subject = format!("the drive of {}", site.web_url);
        let answer = self
            .ask(&format!("{}/sites/{}/drive", self.endpoints.graph, site_id(&site.id)), 1, &subject)
            .await?;
        if answer.status.is_success() {
            return self.drive_of(&answer, &subject).await;
        }
        let refusal = Refusal::of(&answer);
        if has_no_mysite(&refusal) {
            return Err(StoreError::new(ErrorKind::NotFound, OPERATION, subject, refusal.text())
                .with_code(Code::NoOneDrive));
        }
        Err(denied(&refusal, &subject, "Sites.Read.All"))
    }

    /// A site by `host`, `host/path` or its whole address.
    ///
    /// # Errors
    /// `SiteNotFound`; `DestinationLocked` where it is locked or archived.
    pub async fn site(&self, address: &str) -> Result<Site, StoreError> {
        let (host, path) = split_site(address);
        let subject = format!("site {host}/{path}");
        let place = if path.is_empty() {
            encode(&host)
        } else {
            let path: Vec<String> = path.split('/').map(encode).collect();
            format!("{}:/{}", encode(&host), path.join("/"))
        };
        let answer = self.ask(&format!("{}/sites/{place}", self.endpoints.graph), 1, &subject).await?;
        if !answer.status.is_success() {
            let refusal = Refusal::of(&answer);
            return Err(match refusal.status.as_u16() {
                400 | 404 => StoreError::new(ErrorKind::NotFound, OPERATION, subject, refusal.text())
                    .with_code(Code::SiteNotFound),
                _ => denied(&refusal, &subject, "Sites.Read.All"),
            });
        }
        let body: SiteBody = read(&answer, &subject)?;
        let Some(id) = body.id else {
            return Err(odd(&subject, "the answer is no site"));
        };
        Ok(Site {
            id,
            name: body.display_name.or(body.name).unwrap_or_default(),
            web_url: body.web_url.unwrap_or_default(),
        })
    }

    /// The libraries of a site.
    ///
    /// # Errors
    /// `PermissionMissing` where they may not be listed.
    pub async fn libraries(&self, site: &Site) -> Result<Vec<Library>, StoreError> {
        let subject = format!("the libraries of {}", site.web_url);
        let base = &self.endpoints.graph;
        let mut link =
            Some(format!("{base}/sites/{}/drives?$select=id,name,driveType,webUrl,quota", site_id(&site.id)));
        let mut libraries = Vec::new();
        for _ in 0..MOST_PAGES {
            let Some(url) = link.take() else { break };
            let answer = self.ask(&url, 2, &subject).await?;
            if !answer.status.is_success() {
                return Err(denied(&Refusal::of(&answer), &subject, "Sites.Read.All"));
            }
            let page: DrivePage = read(&answer, &subject)?;
            libraries.extend(page.value.into_iter().filter_map(|body| {
                let web_url = body.web_url.unwrap_or_default();
                let address = decode(web_url.trim_end_matches('/').rsplit('/').next().unwrap_or(""));
                Some(Library { id: body.id?, name: body.name.unwrap_or_default(), address })
            }));
            link = page.next;
        }
        Ok(libraries)
    }

    /// A library of a site, by its name or by the last part of its address, in any case.
    ///
    /// # Errors
    /// `LibraryNotFound`, naming those that there are.
    pub async fn library(&self, site: &Site, name: &str) -> Result<Drive, StoreError> {
        let libraries = self.libraries(site).await?;
        let wanted = landfall_core::words::fold(&decode(name.trim_matches('/')));
        let same = |text: &str| landfall_core::words::fold(text) == wanted;
        let found =
            libraries.iter().find(|l| same(&l.name)).or_else(|| libraries.iter().find(|l| same(&l.address)));
        if let Some(library) = found {
            return self.drive(&library.id).await;
        }
        let known: Vec<String> = libraries.iter().map(|library| format!("{:?}", library.name)).collect();
        let detail = if known.is_empty() {
            "the site shows no library".to_owned()
        } else {
            format!("the site has {}", known.join(", "))
        };
        let subject = format!("library {name} of {}", site.web_url);
        Err(StoreError::new(ErrorKind::NotFound, OPERATION, subject, detail).with_code(Code::LibraryNotFound))
    }

    async fn ask(&self, url: &str, cost: u64, subject: &str) -> Result<Answer, StoreError> {
        self.wire.send(&Call::get(url, OPERATION, subject).cost(units(cost))).await
    }

    /// Completes a drive with the id of its root.
    async fn drive_of(&self, answer: &Answer, subject: &str) -> Result<Drive, StoreError> {
        let body: DriveBody = read(answer, subject)?;
        let Some(drive) = body.id.filter(|id| !id.is_empty()) else {
            return Err(odd(subject, "the answer is no drive"));
        };
        let url = format!("{}/drives/{}/root", self.endpoints.graph, id(&drive));
        let answer = self.ask(&url, 1, subject).await?;
        if !answer.status.is_success() {
            let refusal = Refusal::of(&answer);
            if refusal.status.as_u16() == 404 {
                return Err(refusal.error(OPERATION, subject).with_code(Code::DriveGone));
            }
            return Err(denied(&refusal, subject, "Files.Read.All"));
        }
        let Some(root) = read::<DriveItem>(&answer, subject)?.id else {
            return Err(odd(subject, "its root has no id"));
        };
        Ok(Drive {
            id: drive,
            root: ItemKey(root),
            name: body.name.unwrap_or_default(),
            web_url: body.web_url.unwrap_or_default(),
            drive_type: body.drive_type.unwrap_or_default(),
            quota: quota(body.quota.as_ref()),
            owner: body.owner.as_ref().and_then(owner),
        })
    }
}

fn read<T: DeserializeOwned>(answer: &Answer, subject: &str) -> Result<T, StoreError> {
    answer.json().ok_or_else(|| odd(subject, "the answer is not what was asked for"))
}

fn odd(subject: &str, what: &str) -> StoreError {
    StoreError::new(ErrorKind::Interrupted, OPERATION, subject, what).with_code(Code::UnexpectedAnswer)
}

fn quota(body: Option<&Value>) -> Quota {
    let number = |name: &str| body.and_then(|quota| quota.get(name)).and_then(Value::as_u64).map(ByteSize);
    // A library that says zero of everything says nothing.
    let total = number("total").filter(|total| total.0 > 0);
    Quota {
        used: number("used").filter(|used| total.is_some() || used.0 > 0),
        remaining: number("remaining").filter(|_| total.is_some()),
        total,
        state: body.and_then(|quota| quota.get("state")).and_then(Value::as_str).map(str::to_owned),
    }
}

fn owner(body: &Value) -> Option<String> {
    let user = body.get("user")?;
    ["email", "displayName"].iter().find_map(|name| user.get(name)?.as_str().map(str::to_owned))
}

/// Every form in which the service says that a user has no OneDrive.
fn has_no_mysite(refusal: &Refusal) -> bool {
    match refusal.status.as_u16() {
        404 => true,
        400 => refusal.says("mysite") || refusal.says("spo license"),
        _ => false,
    }
}

/// A refusal of a look-up: a missing permission and a closed place stop the run.
fn denied(refusal: &Refusal, subject: &str, grant: &str) -> StoreError {
    let mut error = refusal.error(OPERATION, subject);
    match error.kind {
        ErrorKind::Denied => {
            error.detail = format!(
                "{}; the application needs {grant} (application permission), with an administrator's consent",
                error.detail
            );
            error.with_code(Code::PermissionMissing)
        }
        ErrorKind::Locked => error.with_code(Code::DestinationLocked),
        ErrorKind::NotFound | ErrorKind::Rejected => error.with_code(Code::UnexpectedAnswer),
        _ => error,
    }
}

/// Host and server-relative path of an address in any of the forms that people write.
fn split_site(address: &str) -> (String, String) {
    let bare = address.trim();
    let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    let bare = bare.split(['?', '#']).next().unwrap_or("");
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let path: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    (host.trim_end_matches(':').to_owned(), path.join("/"))
}

/// A site id has commas, which stay as they are.
fn site_id(text: &str) -> String {
    encode(text).replace("%2C", ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_addresses_are_taken_as_people_write_them() {
        for (given, host, path) in [
            ("contoso.sharepoint.com/sites/Archive", "contoso.sharepoint.com", "sites/Archive"),
            ("https://contoso.sharepoint.com/sites/Archive/", "contoso.sharepoint.com", "sites/Archive"),
            ("contoso.sharepoint.com:/sites/録音", "contoso.sharepoint.com", "sites/録音"),
            ("https://c.sharepoint.com/sites/%E9%8C%B2?x=1", "c.sharepoint.com", "sites/録"),
            ("contoso.sharepoint.com", "contoso.sharepoint.com", ""),
        ] {
            assert_eq!(split_site(given), (host.to_owned(), path.to_owned()), "{given}");
        }
    }

    #[test]
    fn a_drive_knows_its_part_of_the_path() {
        let drive = Drive {
            id: "b!x".into(),
            root: ItemKey::from("01R"),
            name: "Documents".into(),
            web_url: "https://contoso.sharepoint.com/sites/Archive/Shared%20Documents".into(),
            drive_type: "documentLibrary".into(),
            quota: Quota::default(),
            owner: None,
        };
        assert_eq!(drive.prefix(), "sites/Archive/Shared Documents");
        assert!(drive.is_library());
    }

    #[test]
    fn zero_of_everything_is_no_quota() {
        let body =
            serde_json::json!({"deleted": 0, "remaining": 0, "total": 0, "used": 0, "state": "normal"});
        assert_eq!(quota(Some(&body)), Quota { state: Some("normal".into()), ..Quota::default() });
    }
}
