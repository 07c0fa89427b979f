//! The dictionary: reasons, event names and other closed lists as small numbers.
//!
//! The numbers are given by the database when a word is first seen, so that a word that is added to one
//! of the lists of core, anywhere in it, never changes what an old row says.

use std::collections::HashMap;

use landfall_core::StoreError;
use landfall_core::proof::{ProofKind, SourceLeg};
use landfall_core::state::{Reason, Via};
use sqlx::{AnyConnection, Row};

use crate::error::{corrupt, failed};

/// Names of the events, as [`landfall_core::state::Event::name`] gives them.
const EVENTS: [&str; 18] = [
    "Spooled",
    "Present",
    "SpoolLost",
    "Proven",
    "Vanished",
    "Displaced",
    "Failed",
    "Lapsed",
    "Superseded",
    "Renamed",
    "Gone",
    "Retried",
    "Intended",
    "Deferred",
    "Noted",
    "Checked",
    "Observed",
    "Relocated",
];

const READ: &str = "SELECT id, text FROM word ORDER BY id";
const ADD: &str = "INSERT INTO word (id, text) VALUES ($1, $2)";

/// Words and their numbers, as one database has them.
#[derive(Debug, Default)]
pub(crate) struct Words {
    numbers: HashMap<String, i64>,
    texts: HashMap<i64, String>,
}

impl Words {
    /// Reads the dictionary and adds what it lacks; runs inside the transaction that migrates.
    pub(crate) async fn load(tx: &mut AnyConnection) -> Result<Self, StoreError> {
        let mut words = Self::default();
        let rows = sqlx::query(READ).fetch_all(&mut *tx).await.map_err(failed("read words"))?;
        for row in rows {
            let number = row.try_get(0).map_err(failed("read words"))?;
            words.learn(number, row.try_get(1).map_err(failed("read words"))?);
        }
        let reasons = Reason::ALL.iter().map(|r| r.name());
        let kinds = ProofKind::ALL.iter().map(|k| k.name()).chain(SourceLeg::ALL.iter().map(|l| l.name()));
        for text in EVENTS.into_iter().chain(reasons).chain(kinds).chain(Via::ALL.iter().map(|v| v.name())) {
            if words.numbers.contains_key(text) {
                continue;
            }
            let number = words.texts.keys().max().copied().unwrap_or(0) + 1;
            sqlx::query(ADD).bind(number).bind(text).execute(&mut *tx).await.map_err(failed("add words"))?;
            words.learn(number, text.to_owned());
        }
        Ok(words)
    }

    fn learn(&mut self, number: i64, text: String) {
        self.numbers.insert(text.clone(), number);
        self.texts.insert(number, text);
    }

    /// The number of a word; every word of the lists has one.
    pub(crate) fn number(&self, text: &str) -> i64 {
        self.numbers.get(text).copied().unwrap_or(0)
    }

    /// The word of a number.
    pub(crate) fn text(&self, number: i64) -> Result<&str, StoreError> {
        self.texts
            .get(&number)
            .map(String::as_str)
            .ok_or_else(|| corrupt(format!("word {number} is unknown")))
    }

    /// Reads a word of one list from a column that may be empty.
    pub(crate) fn read<T>(
        &self,
        number: Option<i64>,
        parse: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(number) = number else { return Ok(None) };
        let text = self.text(number)?;
        parse(text).map(Some).ok_or_else(|| corrupt(format!("the word {text:?} is none of its list")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_another_list_is_refused() {
        let mut words = Words::default();
        words.learn(3, "malware".into());
        words.learn(4, "stream".into());
        assert_eq!(words.read(Some(3), Reason::parse).unwrap(), Some(Reason::Malware));
        assert!(words.read(Some(4), Reason::parse).is_err());
        assert!(words.read(Some(9), Reason::parse).is_err());
        assert_eq!(words.read(None, Via::parse).unwrap(), None);
    }
}
