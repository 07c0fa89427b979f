//! What a status set by hand means for a row: a pure table.

use landfall_core::row::FileRow;
use landfall_core::state::{Event, Reason, State};

/// What follows from a status in a log.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::export) enum Decision {
    /// It is the row's own state.
    Same,
    /// These events, in order.
    Change(Vec<Event>),
    /// Nothing, for this reason.
    Ignore(&'static str),
}

/// Decides what a status other than the row's own asks for.
pub(in crate::export) fn decide(row: &FileRow, wanted: State) -> Decision {
    use State::{Dupe, Local, Ng, Pending, Success};
    let retried = |comment: &str| Event::Retried { comment: comment.to_owned() };
    match (wanted, row.state) {
        (wanted, state) if wanted == state => Decision::Same,
        (Pending, Ng | Dupe) => Decision::Change(vec![retried("set to PENDING in the log")]),
        (Pending, Success) => {
            Decision::Change(vec![Event::Superseded { comment: "log edited: set to PENDING".to_owned() }])
        }
        (Pending, _) => Decision::Ignore("its bytes lie in the spool: it is on its way already"),
        // A proven file that somebody calls NG is to be moved again, so the history has both.
        (Ng, Success) => {
            let comment = "set to NG in the log".to_owned();
            let lapsed = Event::Lapsed { reason: Reason::Imported, comment: comment.clone() };
            Decision::Change(vec![lapsed, retried(&comment)])
        }
        (Ng, Dupe) => Decision::Change(vec![retried("set to NG in the log")]),
        // What is called NG is moved again, and this one is going to be moved as it is.
        (Ng, _) => Decision::Ignore("it has not landed yet and is moved in any case"),
        (Success, _) => Decision::Ignore("SUCCESS needs a proof: it stays as it is and gets proven"),
        (Local | Dupe, _) => Decision::Ignore("LOCAL and DUPE are never set by hand"),
    }
}
