//! The simulated Hub, rule by rule, in process and under a paused clock: what clients that others wrote cannot show.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod client;
mod commits;
mod downloads;
mod faults;
mod listing;
mod migration;
mod quotas;
mod uploads;
