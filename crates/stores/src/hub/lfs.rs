//! Where objects are to be sent: the LFS batch, in the forms `basic` and `multipart`.
// Source: reference/hub.md, section 8.

use std::collections::BTreeMap;

use http::{Method, header};
use landfall_core::StoreError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{HubApi, TRIES};
use super::refusal::HubRefusal;
use super::repo::RepoId;
use super::types::Lfs;
use crate::wire::shown_text;

/// Objects in one request.
// Source: huggingface_hub 2.4.0, read 2026-11.
const OBJECTS: usize = 256;

/// The media type of the LFS protocol.
pub(super) const LFS_TYPE: &str = "application/vnd.git-lfs+json";

/// Where one object is to be sent. The addresses are secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum Upload {
    /// One PUT of all bytes.
    Basic {
        /// Where.
        href: String,
    },
    /// Several PUTs, then one request that joins them.
    Multipart {
        /// Where the parts are joined.
        done: String,
        /// Bytes of every part but the last.
        chunk: u64,
        /// Where each part goes, in order.
        parts: Vec<String>,
    },
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Basic { .. } => f.write_str("Basic(..)"),
            Self::Multipart { chunk, parts, .. } => {
                write!(f, "Multipart({} parts of {chunk} bytes)", parts.len())
            }
        }
    }
}

/// What the storage says of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LfsAnswer {
    /// It holds it already.
    Stored,
    /// It wants it here.
    Wanted(Upload),
    /// It refuses it, in words.
    Refused(String),
}

impl HubApi {
    /// Asks where objects are to be sent, 256 a request; the answers by SHA-256. Each object is named once.
    ///
    /// # Errors
    /// Where any request fails, or where the account has no room.
    pub async fn lfs_batch(
        &self,
        repo: &RepoId,
        objects: &[Lfs],
    ) -> Result<BTreeMap<String, LfsAnswer>, StoreError> {
        let unique: BTreeMap<&str, u64> =
            objects.iter().map(|object| (object.sha256.as_str(), object.size)).collect();
        let unique: Vec<(&str, u64)> = unique.into_iter().collect();
        let mut answers = BTreeMap::new();
        for piece in unique.chunks(OBJECTS) {
            answers.extend(self.lfs_piece(repo, piece).await?);
        }
        Ok(answers)
    }

    async fn lfs_piece(
        &self,
        repo: &RepoId,
        objects: &[(&str, u64)],
    ) -> Result<BTreeMap<String, LfsAnswer>, StoreError> {
        let subject = repo.to_string();
        let listed: Vec<_> = objects.iter().map(|(oid, size)| json!({"oid": oid, "size": size})).collect();
        let body = json!({
            "operation": "upload",
            "transfers": ["basic", "multipart"],
            "hash_algo": "sha256",
            "ref": {"name": "main"},
            "objects": listed,
        });
        let address = format!("/datasets/{repo}.git/info/lfs/objects/batch");
        let call = self
            .call(Method::POST, &address, "ask for upload addresses in", &subject)
            .header(header::ACCEPT, LFS_TYPE)
            .header(header::CONTENT_TYPE, LFS_TYPE)
            .bytes(body.to_string().into());
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.ask(&call).await?;
            if !answer.status.is_success() {
                return Err(HubRefusal::of(&answer).error("ask for upload addresses in", &subject));
            }
            let read = answer.json::<WireBatch>().map(WireBatch::answers);
            if let Some(answers) = read.filter(|have| objects.iter().all(|(oid, _)| have.contains_key(*oid)))
            {
                return Ok(answers);
            }
            if tries == TRIES {
                let detail = "the answer leaves objects out";
                return Err(self.unexpected("ask for upload addresses in", &subject, detail));
            }
            self.pause(tries).await;
        }
    }
}

#[derive(Deserialize)]
struct WireBatch {
    objects: Vec<WireObject>,
}

#[derive(Deserialize)]
struct WireObject {
    oid: String,
    #[serde(default)]
    size: u64,
    actions: Option<WireActions>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireActions {
    upload: Option<WireAction>,
}

#[derive(Deserialize)]
struct WireAction {
    href: String,
    #[serde(default)]
    header: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct WireError {
    code: Option<i64>,
    #[serde(default)]
    message: String,
}

impl WireBatch {
    fn answers(self) -> BTreeMap<String, LfsAnswer> {
        self.objects.into_iter().map(|object| (object.oid.to_ascii_lowercase(), object.answer())).collect()
    }
}

impl WireObject {
    fn answer(self) -> LfsAnswer {
        if let Some(error) = self.error {
            let code = error.code.unwrap_or(0);
            return LfsAnswer::Refused(shown_text(&format!("{code}: {}", error.message)));
        }
        let Some(action) = self.actions.and_then(|actions| actions.upload) else {
            return LfsAnswer::Stored;
        };
        let chunk = action.header.get("chunk_size").and_then(number);
        let Some(chunk) = chunk else { return LfsAnswer::Wanted(Upload::Basic { href: action.href }) };
        let mut parts: Vec<(u64, String)> = action
            .header
            .iter()
            .filter(|(key, _)| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit()))
            .filter_map(|(key, value)| Some((key.parse().ok()?, value.as_str()?.to_owned())))
            .collect();
        parts.sort_unstable();
        if chunk == 0 || self.size.div_ceil(chunk) != parts.len() as u64 {
            let detail = format!("{} parts of {chunk} bytes do not make {} bytes", parts.len(), self.size);
            return LfsAnswer::Refused(detail);
        }
        let parts = parts.into_iter().map(|(_, url)| url).collect();
        LfsAnswer::Wanted(Upload::Multipart { done: action.href, chunk, parts })
    }
}

/// A number that may be written as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(object: &str) -> LfsAnswer {
        serde_json::from_str::<WireObject>(object).unwrap().answer()
    }

    #[test]
    fn parts_are_sorted_by_number_and_must_fit_the_size() {
        let object = |size: u64| {
            format!(
                r#"{{"oid":"a","size":{size},"actions":{{"upload":{{"href":"http://hub.sim/done","header":
                {{"chunk_size":"10","00010":"p10","00002":"p2","00001":"p1","x-note":"no"}}}}}}}}"#
            )
        };
        let LfsAnswer::Wanted(Upload::Multipart { chunk, parts, .. }) = answer(&object(25)) else {
            panic!("not multipart")
        };
        assert_eq!((chunk, parts), (10, vec!["p1".to_owned(), "p2".to_owned(), "p10".to_owned()]));
        assert!(matches!(answer(&object(31)), LfsAnswer::Refused(_)));
    }

    #[test]
    fn no_action_means_stored_and_an_error_is_kept() {
        assert_eq!(answer(r#"{"oid":"a","size":1}"#), LfsAnswer::Stored);
        let refused = answer(r#"{"oid":"a","size":1,"error":{"code":422,"message":"壊れた"}}"#);
        assert_eq!(refused, LfsAnswer::Refused("422: 壊れた".to_owned()));
    }
}
