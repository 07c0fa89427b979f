//! Everything between a store's request and the network: retry, pacing, tokens, counting, cleaning.
//!
//! Owns when a request is sent again, who vouches for it, and what of it may be shown. Refuses to know
//! what a request means: prices and the reading of answers belong to the stores. Order, outermost
//! first: retry, admission by the lane, token, trace, transport; so every try pays. Design:
//! `docs/graph.md`.

mod call;
mod endpoint;
mod meter;
mod network;
mod percent;
mod pour;
mod redact;
mod refusal;
mod send;
#[cfg(test)]
pub(crate) mod testing;
mod tokens;
mod wait;

pub use call::{Answer, Auth, Call, Opened};
pub use endpoint::{Cloud, Endpoints};
pub use meter::{Meter, Reading};
pub use network::{ReqwestTransport, USER_AGENT};
pub use redact::{shown_text, shown_url};
pub use send::{Wire, WireParts};
pub use tokens::{Certificate, Credential, SignIn, Token, Tokens};

pub(crate) use call::header_text;
pub(crate) use endpoint::same_origin;
pub(crate) use percent::{decode, encode};
pub(crate) use pour::Stretch;
pub(crate) use refusal::Refusal;
pub(crate) use send::{RU_MINUTE, stopped};
pub(crate) use wait::{backoff, retry_after};
