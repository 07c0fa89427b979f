//! The simulator's protocol, request by request, in process and under a paused clock.

mod client;
mod delta;
mod files;
mod login;
mod migration;
mod sessions;
mod throttling;
