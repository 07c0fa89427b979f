//! Memos: small texts under a name, the secret ones sealed.

use std::sync::Arc;

use async_trait::async_trait;
use landfall_core::memo::{Memo, MemoKey, MemoValue};
use landfall_core::words::JobId;
use landfall_core::{Code, ErrorKind, StoreError};
use sqlx::AnyConnection;

use super::jobs::bound;
use super::{Context, SqlLedger};
use crate::error::failed;
use crate::rows::{Cells, moment};

const READ: &str = "SELECT sealed, body, expires FROM memo WHERE job = $1 AND kind = $2 AND key = $3";
const WRITE: &str = "
INSERT INTO memo (job, kind, key, sealed, body, expires) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (job, kind, key) DO UPDATE SET sealed = excluded.sealed, body = excluded.body, expires = excluded.expires";
const ERASE: &str = "DELETE FROM memo WHERE job = $1 AND kind = $2 AND key = $3";
const ERASE_EXPIRED: &str = "DELETE FROM memo WHERE job = $1 AND kind = $2 AND expires <= $3";
const LIST: &str = "
SELECT key FROM memo WHERE job = $1 AND kind = $2 AND key > $3 AND (expires IS NULL OR expires > $4)
ORDER BY key LIMIT $5";

/// What stands under a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Text(String),
    /// Nothing, or a seal that cannot be opened.
    Nothing,
    /// Something to be erased.
    Expired,
}

impl Kept {
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nothing | Self::Expired => None,
        }
    }
}

pub(super) async fn read(
    tx: &mut AnyConnection,
    context: &Context,
    name: &MemoKey,
) -> Result<Kept, StoreError> {
    let read = sqlx::query(READ).bind(name.job.0).bind(name.kind).bind(name.key.as_str());
    let Some(row) = read.fetch_optional(tx).await.map_err(failed("read memo"))? else {
        return Ok(Kept::Nothing);
    };
    let mut cells = Cells::of(&row);
    let (sealed, body, expires) = (cells.number()? != 0, cells.bytes()?.unwrap_or_default(), cells.moment()?);
    if expires.is_some_and(|at| at <= context.clock.now()) {
        return Ok(Kept::Expired);
    }
    let text = if sealed { context.seal.open(name, &body) } else { String::from_utf8(body).ok() };
    Ok(text.map_or(Kept::Nothing, Kept::Text))
}

pub(super) async fn write(
    tx: &mut AnyConnection,
    context: &Context,
    name: &MemoKey,
    value: &MemoValue,
) -> Result<(), StoreError> {
    let body = if value.secret {
        context.seal.seal(name, &value.text).ok_or_else(|| {
            StoreError::new(
                ErrorKind::Rejected,
                "seal memo",
                name.kind,
                "there is no randomness for a key or nonce",
            )
            .with_code(Code::LedgerKeyLost)
        })?
    } else {
        value.text.clone().into_bytes()
    };
    // What has lost its worth goes when something of its kind is written, so that none of it piles up.
    let now = moment(context.clock.now());
    let erase = sqlx::query(ERASE_EXPIRED).bind(name.job.0).bind(name.kind).bind(now);
    erase.execute(&mut *tx).await.map_err(failed("erase memo"))?;
    let write = sqlx::query(WRITE).bind(name.job.0).bind(name.kind).bind(name.key.as_str());
    let write = write.bind(i64::from(value.secret)).bind(body).bind(value.expires.map(moment));
    write.execute(tx).await.map_err(failed("write memo"))?;
    Ok(())
}

pub(super) async fn erase(tx: &mut AnyConnection, name: &MemoKey) -> Result<(), StoreError> {
    let erase = sqlx::query(ERASE).bind(name.job.0).bind(name.kind).bind(name.key.as_str());
    erase.execute(tx).await.map_err(failed("erase memo"))?;
    Ok(())
}

pub(super) async fn list(
    tx: &mut AnyConnection,
    context: &Context,
    of: (JobId, &'static str),
    after: &str,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let now = moment(context.clock.now());
    let list = sqlx::query_scalar(LIST).bind(of.0.0).bind(of.1).bind(after).bind(now).bind(bound(limit));
    list.fetch_all(tx).await.map_err(failed("list memos"))
}

#[async_trait]
impl Memo for SqlLedger {
    async fn memo(&self, key: &MemoKey) -> Result<Option<String>, StoreError> {
        let (context, name) = (Arc::clone(&self.context), key.clone());
        let kept = self.read(move |tx| Box::pin(async move { read(tx, &context, &name).await })).await?;
        if kept == Kept::Expired {
            self.forget(key).await?;
        }
        Ok(kept.text())
    }

    async fn remember(&self, key: &MemoKey, value: MemoValue) -> Result<(), StoreError> {
        let (context, key) = (Arc::clone(&self.context), key.clone());
        self.writer.call(move |tx| Box::pin(async move { write(tx, &context, &key, &value).await })).await
    }

    async fn forget(&self, key: &MemoKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.writer.call(move |tx| Box::pin(async move { erase(tx, &key).await })).await
    }

    async fn memos(
        &self,
        job: JobId,
        kind: &'static str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let (context, after) = (Arc::clone(&self.context), after.to_owned());
        self.read(move |tx| Box::pin(async move { list(tx, &context, (job, kind), &after, limit).await }))
            .await
    }
}
