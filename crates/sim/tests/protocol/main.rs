//! The simulator's protocol, request by request, in process and under a paused clock.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod client;
mod damage;
mod delta;
mod files;
mod login;
mod migration;
mod office;
mod people;
mod sessions;
mod sharing;
mod throttling;
