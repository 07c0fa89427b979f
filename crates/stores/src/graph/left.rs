//! What of a drive's items stays behind when they are moved: permissions, earlier versions, labels.
//!
//! Owns the cheapest honest plan: each item once, twenty a batch, for its facet `shared`, its labels and the number
//! of its version; then permissions (5 units) only where the facet stands, versions (2 units) only where the number is
//! not the first. Reads only: `extractSensitivityLabels` would do more, and writes to the item.
// Source: learn.microsoft.com/graph/api: driveitem-list-permissions, driveitem-list-versions,
// driveitem-getretentionlabel, resources/permission, resources/shared, read 2026-11.
// Unverified: that an item with grants of its own always has the facet `shared`; that the columns below can be asked
// for in one request with the rest, that empty ones are left out, and that expanding costs nothing more. Programs of
// others ask for `listItem($expand=fields)` so. Where the service refuses it with 400, items are asked plainly,
// versions by themselves, and their labels are unknown.

use http::Method;
use landfall_core::error::Look;
use landfall_core::store::{Aspect, Audience, Bearer, Grant, LeftBehind, LeftPrices, Person};
use landfall_core::{ErrorKind, StoreError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::batch::{Inner, MOST, Said, is_passing};
use super::place::{Place, unexpected};
use super::units;
use crate::wire::{Answer, Call, Refusal};

const OPERATION: &str = "ask about";
const FULL: &str = "?$select=id,shared&$expand=retentionLabel,listItem($expand=fields($select=_UIVersionString,_DisplayName,_IpLabelId))";
const PLAIN: &str = "?$select=id,shared";
/// The number of a version that has none before it.
const FIRST: &str = "1.0";
const NO_LIST: &str = "the answer is no list of permissions";
/// Pages of one collection that are followed; a list without end is none.
const PAGES: usize = 200;

/// What asking costs.
// Source: reference/graph.md, section 11.
pub(super) const PRICES: LeftPrices = LeftPrices { batch: MOST, each: 1, shared: 5, older: 2 };

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Item {
    id: Option<String>,
    shared: Option<Value>,
    retention_label: Option<RetentionLabel>,
    list_item: Option<ListItem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RetentionLabel {
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListItem {
    fields: Option<Map<String, Value>>,
}

impl ListItem {
    fn column(&self, name: &str) -> Option<String> {
        let text = self.fields.as_ref()?.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// One page of permissions or versions.
#[derive(Debug, Deserialize)]
struct Page {
    value: Vec<Value>,
    #[serde(rename = "@odata.nextLink", default)]
    next: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Permission {
    id: Option<String>,
    roles: Vec<String>,
    link: Option<Link>,
    granted_to_v2: Option<Named>,
    granted_to: Option<Named>,
    granted_to_identities_v2: Option<Vec<Named>>,
    granted_to_identities: Option<Vec<Named>>,
    invitation: Option<Invitation>,
    /// Seen empty where something is inherited, and missing where nothing is, but not given always.
    inherited_from: Option<Value>,
    expiration_date_time: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Link {
    scope: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Invitation {
    email: Option<String>,
}

/// Who is meant, by whichever of these the service names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Named {
    user: Option<Identity>,
    group: Option<Identity>,
    site_group: Option<Identity>,
    site_user: Option<Identity>,
    application: Option<Identity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Identity {
    display_name: Option<String>,
    email: Option<String>,
    login_name: Option<String>,
    id: Option<String>,
}

impl Named {
    fn person(&self) -> Option<Person> {
        let who = [&self.user, &self.group, &self.site_group, &self.site_user, &self.application]
            .into_iter()
            .find_map(Option::as_ref)?;
        let first = |texts: [&Option<String>; 3]| {
            texts.into_iter().flatten().find(|text| !text.is_empty()).cloned().unwrap_or_default()
        };
        let person = Person {
            name: who.display_name.clone().unwrap_or_default(),
            mail: first([&who.email, &who.login_name, &who.id]),
        };
        Some(person).filter(|person| *person != Person::default())
    }
}

impl Permission {
    /// As a grant; `None` for what lets nobody in who was not in before.
    fn grant(self) -> Option<Grant> {
        let scope = self.link.as_ref().map(|link| link.scope.as_deref().unwrap_or_default());
        let audience = match scope {
            Some("existingAccess") => return None,
            Some("anonymous") => Audience::Anyone,
            Some("organization") => Audience::Organization,
            _ => Audience::People,
        };
        let several = self.granted_to_identities_v2.or(self.granted_to_identities).unwrap_or_default();
        let one = self.granted_to_v2.or(self.granted_to);
        let mut people: Vec<Person> = several.iter().chain(&one).filter_map(Named::person).collect();
        let invited = self.invitation.and_then(|invitation| invitation.email);
        if let Some(mail) = invited.filter(|_| people.is_empty()) {
            people.push(Person { name: String::new(), mail });
        }
        Some(Grant {
            id: self.id.unwrap_or_default(),
            audience,
            people,
            role: self.roles.join(","),
            link: scope.is_some(),
            // The first moment of the calendar stands for none.
            expires: self
                .expiration_date_time
                .and_then(|text| text.parse().ok())
                .filter(|at| *at > jiff::Timestamp::UNIX_EPOCH),
            inherited: self.inherited_from.is_some(),
        })
    }
}

/// The refusal as an error, or as one that may pass.
fn refused<T>(answer: &Answer, subject: &str) -> Said<T> {
    let error = Refusal::of(answer).error(OPERATION, subject);
    match answer.status.as_u16() {
        // The token of the whole batch: the next one is sent with another.
        401 => Said::Again(error),
        status if is_passing(status) => Said::Again(error),
        _ => Said::Refused(error),
    }
}

fn read_item(answer: &Answer, subject: &str) -> Said<Option<Item>> {
    if answer.status.is_success() {
        return match answer.json::<Item>().filter(|item| item.id.is_some()) {
            Some(item) => Said::Done(Some(item)),
            None => Said::Again(unexpected(OPERATION, subject, "the answer is no drive item")),
        };
    }
    // Only Graph's own envelope is evidence of absence.
    if answer.status.as_u16() == 404 && !Refusal::of(answer).codes.is_empty() {
        return Said::Done(None);
    }
    refused(answer, subject)
}

fn read_page(answer: &Answer, subject: &str) -> Said<Page> {
    if answer.status.is_success() {
        return match answer.json::<Page>() {
            Some(page) => Said::Done(page),
            None => Said::Again(unexpected(OPERATION, subject, "the answer is no list")),
        };
    }
    refused(answer, subject)
}

/// One thing on its way to an answer.
struct Asked {
    left: LeftBehind,
    shared: bool,
    aged: bool,
}

impl Asked {
    /// What the item itself tells. `why` says why it could be asked for no more than its facet.
    fn of(thing: &Bearer, item: &Item, why: Option<&str>) -> Self {
        let mut left = LeftBehind::default();
        let row = item.list_item.as_ref().filter(|row| row.fields.is_some());
        left.retention = item.retention_label.as_ref().and_then(|label| label.name.clone());
        left.retention = left.retention.filter(|name| !name.is_empty());
        left.sensitivity =
            row.and_then(|row| row.column("_DisplayName").or_else(|| row.column("_IpLabelId")));
        if let Some(why) = why {
            left.note_unasked(Aspect::Retention, why);
        }
        if row.is_none() {
            left.note_unasked(Aspect::Sensitivity, why.unwrap_or("the service gave no columns"));
        }
        let number = row.and_then(|row| row.column("_UIVersionString"));
        Self {
            left,
            // The root has no facet, and those who have everything are named there.
            shared: thing.key.as_str().is_empty() || item.shared.is_some(),
            aged: !thing.folder && number.as_deref() != Some(FIRST),
        }
    }
}

impl Place {
    /// Says what stays behind of each thing, one answer each, in order.
    pub(super) async fn left_behind(&self, things: &[Bearer]) -> Vec<Look<LeftBehind>> {
        let mut asked = self.left_items(things).await;
        self.left_grants(things, &mut asked).await;
        self.left_versions(things, &mut asked).await;
        asked
            .into_iter()
            .map(|one| match one {
                Look::Present(asked) => Look::Present(asked.left),
                Look::Absent => Look::Absent,
                Look::Unknown(error) => Look::Unknown(error),
            })
            .collect()
    }

    async fn left_items(&self, things: &[Bearer]) -> Vec<Look<Asked>> {
        let all: Vec<&Bearer> = things.iter().collect();
        let full = self.batch(OPERATION, &self.inner(&all, FULL), PRICES.each, read_item).await;
        let too_much = |said: &Result<Option<Item>, StoreError>| {
            said.as_ref().err().is_some_and(|error| error.kind == ErrorKind::Rejected)
        };
        let again: Vec<&Bearer> =
            things.iter().zip(&full).filter(|(_, said)| too_much(said)).map(|(thing, _)| thing).collect();
        let plain = self.batch(OPERATION, &self.inner(&again, PLAIN), PRICES.each, read_item).await;
        let mut plain = plain.into_iter();
        let looks = things.iter().zip(full).map(|(thing, said)| match said {
            Ok(Some(item)) => Look::Present(Asked::of(thing, &item, None)),
            Ok(None) => Look::Absent,
            Err(error) if error.kind == ErrorKind::Rejected => match plain.next() {
                Some(Ok(Some(item))) => Look::Present(Asked::of(thing, &item, Some(&error.detail))),
                Some(Ok(None)) => Look::Absent,
                Some(Err(error)) => Look::Unknown(error),
                None => Look::Unknown(error),
            },
            Err(error) => Look::Unknown(error),
        });
        looks.collect()
    }

    async fn left_grants(&self, things: &[Bearer], asked: &mut [Look<Asked>]) {
        let chosen = chosen(things, asked, |asked| asked.shared);
        let mut lists = self.lists(&chosen, "/permissions", PRICES.shared).await.into_iter();
        for one in asked.iter_mut().filter_map(present).filter(|asked| asked.shared) {
            match lists.next() {
                Some(Ok(list)) => {
                    let read = list.into_iter().map(serde_json::from_value::<Permission>);
                    match read.collect::<Result<Vec<Permission>, _>>() {
                        Ok(all) => one.left.grants = all.into_iter().filter_map(Permission::grant).collect(),
                        Err(_) => one.left.note_unasked(Aspect::Sharing, NO_LIST),
                    }
                }
                Some(Err(error)) => one.left.note_unasked(Aspect::Sharing, &error.detail),
                None => one.left.note_unasked(Aspect::Sharing, "the batch left it out"),
            }
        }
    }

    async fn left_versions(&self, things: &[Bearer], asked: &mut [Look<Asked>]) {
        let chosen = chosen(things, asked, |asked| asked.aged);
        let mut lists = self.lists(&chosen, "/versions", PRICES.older).await.into_iter();
        for one in asked.iter_mut().filter_map(present).filter(|asked| asked.aged) {
            match lists.next() {
                // The present version is one of them.
                Some(Ok(list)) => one.left.older = (list.len() as u64).saturating_sub(1),
                Some(Err(error)) => one.left.note_unasked(Aspect::Versions, &error.detail),
                None => one.left.note_unasked(Aspect::Versions, "the batch left it out"),
            }
        }
    }

    fn inner(&self, things: &[&Bearer], tail: &str) -> Vec<Inner> {
        let inner = things.iter().map(|thing| {
            let key = if thing.key.as_str().is_empty() { &self.root } else { thing.key.as_str() };
            let url = format!("{}{tail}", self.address.batched_item(key));
            let request = [("method", json!("GET")), ("url", json!(url))];
            Inner {
                subject: thing.name.clone(),
                request: request.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            }
        });
        inner.collect()
    }

    /// A whole collection of each thing.
    async fn lists(&self, things: &[&Bearer], tail: &str, price: u64) -> Vec<Result<Vec<Value>, StoreError>> {
        let pages = self.batch(OPERATION, &self.inner(things, tail), price, read_page).await;
        let mut lists = Vec::with_capacity(pages.len());
        for (thing, page) in things.iter().zip(pages) {
            lists.push(match page {
                Ok(page) => self.rest_of(page, &thing.name, price).await,
                Err(error) => Err(error),
            });
        }
        lists
    }

    /// A collection that one page does not hold.
    async fn rest_of(&self, first: Page, subject: &str, price: u64) -> Result<Vec<Value>, StoreError> {
        let (mut all, mut next) = (first.value, first.next);
        for _ in 0..PAGES {
            let Some(link) = next else { return Ok(all) };
            let call = Call::new(Method::GET, link, OPERATION, subject).cost(units(price));
            let answer = self.wire.send(&call).await?;
            match read_page(&answer, subject) {
                Said::Done(page) => {
                    all.extend(page.value);
                    next = page.next;
                }
                Said::Refused(error) | Said::Again(error) => return Err(error),
            }
        }
        Err(unexpected(OPERATION, subject, "the list has no end"))
    }
}

/// The things that are to be asked about further.
fn chosen<'a>(things: &'a [Bearer], asked: &[Look<Asked>], is: impl Fn(&Asked) -> bool) -> Vec<&'a Bearer> {
    let pairs = things.iter().zip(asked);
    pairs
        .filter(|(_, one)| matches!(one, Look::Present(asked) if is(asked)))
        .map(|(thing, _)| thing)
        .collect()
}

fn present(look: &mut Look<Asked>) -> Option<&mut Asked> {
    match look {
        Look::Present(asked) => Some(asked),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(value: Value) -> Option<Grant> {
        serde_json::from_value::<Permission>(value).unwrap().grant()
    }

    #[test]
    fn every_form_of_a_permission_is_read() {
        let direct = grant(json!({
            "id": "aTow", "roles": ["write"],
            "grantedToV2": {"siteUser": {"loginName": "i:0#.f|x"}, "user": {"displayName": "佐藤 健", "email": "ken@contoso.com"}},
            "expirationDateTime": "0001-01-01T00:00:00Z",
        }))
        .unwrap();
        assert_eq!(direct.people, [Person { name: "佐藤 健".into(), mail: "ken@contoso.com".into() }]);
        assert!(direct.audience == Audience::People && !direct.link && !direct.inherited);
        assert_eq!((direct.role.as_str(), direct.expires), ("write", None));

        let link = grant(json!({
            "id": "7d", "roles": ["read"], "link": {"scope": "anonymous", "type": "view", "webUrl": "https://secret"},
            "inheritedFrom": {}, "expirationDateTime": "2027-04-01T00:00:00Z", "grantedToIdentitiesV2": [],
        }))
        .unwrap();
        assert!(link.link && link.inherited && link.audience == Audience::Anyone && link.expires.is_some());
        assert!(!format!("{link:?}").contains("secret"), "a link is a key");

        let old = json!({"id": "x", "roles": [], "link": {"scope": "users"},
            "grantedToIdentities": [{"user": {"displayName": "山田 花子"}}, {"group": {"id": "g"}}, {}]});
        let old = grant(old).unwrap();
        assert_eq!(old.people.len(), 2);
        assert_eq!(old.people[1], Person { name: String::new(), mail: "g".into() });
        assert!(grant(json!({"link": {"scope": "existingAccess"}})).is_none(), "it lets nobody in");
        let invited = json!({"id": "i", "roles": ["read"], "invitation": {"email": "guest@example.com"}});
        assert_eq!(grant(invited).unwrap().people[0].mail, "guest@example.com");
        let group =
            json!({"id": "s", "roles": ["owner"], "grantedToV2": {"siteGroup": {"displayName": "所有者"}}});
        assert_eq!(grant(group).unwrap().people[0].name, "所有者");
    }

    #[test]
    fn what_the_item_tells_decides_what_else_is_asked() {
        let thing = |key: &str, folder| Bearer {
            key: landfall_core::words::ItemKey(key.into()),
            name: "会議".into(),
            folder,
        };
        let item = |value: Value| serde_json::from_value::<Item>(value).unwrap();
        let fields = |fields: Value| json!({"id": "01", "listItem": {"fields": fields}});
        let first = Asked::of(&thing("01", false), &item(fields(json!({"_UIVersionString": "1.0"}))), None);
        assert!(!first.shared && !first.aged && first.left.is_nothing());
        let later =
            item(fields(json!({"_UIVersionString": "0.3", "_IpLabelId": "guid", "_DisplayName": ""})));
        let later = Asked::of(&thing("01", false), &later, None);
        assert!(later.aged && later.left.sensitivity.as_deref() == Some("guid"));
        let bare = Asked::of(&thing("01", false), &item(json!({"id": "01", "shared": {}})), None);
        assert!(bare.shared && bare.aged && bare.left.unknown[0].aspect == Aspect::Sensitivity);
        let root = Asked::of(&thing("", true), &item(fields(json!({}))), None);
        assert!(root.shared && !root.aged);
        let plain = Asked::of(&thing("01", true), &item(json!({"id": "01"})), Some("400"));
        assert_eq!(plain.left.unknown.len(), 2);
    }

    #[test]
    fn only_the_services_own_word_is_absence_and_a_refusal_is_none() {
        let answer = |status: u16, body: &str| Answer {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers: http::HeaderMap::new(),
            body: body.to_owned().into(),
        };
        let envelope = r#"{"error":{"code":"itemNotFound"}}"#;
        assert!(matches!(read_item(&answer(404, envelope), "x"), Said::Done(None)));
        assert!(matches!(read_item(&answer(404, "<html>"), "x"), Said::Refused(_)));
        assert!(matches!(read_item(&answer(403, envelope), "x"), Said::Refused(_)));
        assert!(matches!(read_item(&answer(401, envelope), "x"), Said::Again(_)));
        assert!(matches!(read_page(&answer(404, envelope), "x"), Said::Refused(_)));
        assert!(matches!(read_page(&answer(503, ""), "x"), Said::Again(_)));
        assert!(matches!(read_page(&answer(200, "<html>"), "x"), Said::Again(_)));
    }
}
