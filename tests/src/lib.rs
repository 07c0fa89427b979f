//! The tests' own library: conformance suites and what they need to run.
//!
//! Suites are plain `async fn` over the traits of `landfall-core`, so that every implementation is held
//! to the same words. Nothing here is shipped.

pub mod archive;
pub mod conformance;
pub mod crash;
pub mod hub_transport;
pub mod mariadb;
pub mod postgres;
pub mod sim_transport;
pub mod simulation;
