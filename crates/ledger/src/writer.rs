//! Group commit: one task owns the one connection that writes.
//!
//! Calls that write are queued to it; it puts everything that waits into one transaction, each call in
//! a savepoint of its own, so that one that is refused does not spoil the others, and answers after the
//! commit. Whoever stops waiting for an answer has not undone the write. It knows no statement but those
//! that frame transactions.

use std::future::Future;
use std::pin::Pin;

use landfall_core::{Code, ErrorKind, StoreError};
use sqlx::{AnyConnection, Connection as _};
use tokio::sync::{mpsc, oneshot};

use crate::error::failed;

/// A future that borrows the connection.
pub(crate) type Running<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// Tells a caller how its call ended, once the transaction has: `None` where that was committed.
type Answer = Box<dyn FnOnce(Option<&StoreError>) + Send>;

/// One call: runs on the connection, says whether its work is to be kept, and how to answer.
type Call = Box<dyn for<'c> FnOnce(&'c mut AnyConnection) -> Running<'c, (bool, Answer)> + Send>;

/// Calls that may wait before the next one has to wait for a place: more than the engine has workers.
const QUEUE: usize = 256;

/// Calls that one transaction takes at most, so that nobody waits for a commit for long.
const GROUP: usize = 128;

/// How the writer begins a transaction and finds its way back to the database.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Where the database is.
    pub(crate) url: String,
    /// Begins a transaction that will write.
    pub(crate) begin: &'static str,
    /// Prepares a new connection.
    pub(crate) prepare: &'static str,
}

impl Frame {
    /// Opens one more connection.
    pub(crate) async fn connect(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = AnyConnection::connect(&self.url).await.map_err(failed("open ledger"))?;
        sqlx::raw_sql(self.prepare).execute(&mut connection).await.map_err(failed("open ledger"))?;
        Ok(connection)
    }
}

/// The queue's end that callers hold.
#[derive(Clone, Debug)]
pub(crate) struct Writer(mpsc::Sender<Call>);

impl Writer {
    /// Makes the queue and the task that serves it; the caller owns the task.
    pub(crate) fn new(connection: AnyConnection, frame: Frame) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), serve(connection, frame, receiver))
    }

    /// Runs a call in the next transaction and waits for its commit.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Running<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (reply, wait) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            let running = work(connection);
            Box::pin(async move {
                let result = running.await;
                let keep = result.is_ok();
                let answer: Answer = Box::new(move |lost| {
                    let result = match lost {
                        Some(error) if keep => Err(again(error)),
                        _ => result,
                    };
                    // A caller that no longer waits does not want to know.
                    drop(reply.send(result));
                });
                (keep, answer)
            })
        });
        let ended = || {
            StoreError::new(ErrorKind::Interrupted, "write", "ledger", "the ledger was closed")
                .with_code(Code::LedgerUnreachable)
        };
        self.0.send(call).await.map_err(|_| ended())?;
        wait.await.map_err(|_| ended())?
    }
}

/// The same failure for one more caller.
fn again(error: &StoreError) -> StoreError {
    let mut copy = StoreError::new(error.kind, error.operation, error.subject.clone(), error.detail.clone());
    copy.code = error.code;
    match std::error::Error::source(error) {
        Some(source) => copy.with_source(source.to_string()),
        None => copy,
    }
}

async fn serve(mut connection: AnyConnection, frame: Frame, mut calls: mpsc::Receiver<Call>) {
    while let Some(first) = calls.recv().await {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = calls.try_recv()
        {
            group.push(next);
        }
        let mut answers = Vec::with_capacity(group.len());
        let lost = commit(&mut connection, &frame, group, &mut answers).await.err();
        if lost.is_some() {
            connection = mend(connection, &frame).await;
        }
        for answer in answers {
            answer(lost.as_ref());
        }
    }
    drop(connection.close().await);
}

/// Runs a group in one transaction. Calls that were not reached are dropped: their callers are told.
async fn commit(
    connection: &mut AnyConnection,
    frame: &Frame,
    group: Vec<Call>,
    answers: &mut Vec<Answer>,
) -> Result<(), StoreError> {
    execute(connection, frame.begin).await?;
    for call in group {
        execute(connection, "SAVEPOINT one").await?;
        let (keep, answer) = call(&mut *connection).await;
        answers.push(answer);
        if !keep {
            execute(connection, "ROLLBACK TO SAVEPOINT one").await?;
        }
        execute(connection, "RELEASE SAVEPOINT one").await?;
    }
    execute(connection, "COMMIT").await
}

async fn execute(connection: &mut AnyConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::query(statement).execute(connection).await.map_err(failed("commit"))?;
    Ok(())
}

/// After a failed transaction: rolls back, or connects anew where even that fails.
async fn mend(mut connection: AnyConnection, frame: &Frame) -> AnyConnection {
    // SQLite may have rolled back by itself; then there is nothing left to do.
    drop(execute(&mut connection, "ROLLBACK").await);
    if execute(&mut connection, "SELECT 1").await.is_ok() {
        return connection;
    }
    match frame.connect().await {
        Ok(fresh) => fresh,
        Err(error) => {
            tracing::warn!(error = error.chain(), "the ledger's database cannot be reached");
            connection
        }
    }
}
