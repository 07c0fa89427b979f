//! Conformance suites, one for each trait.

pub mod ledger;
