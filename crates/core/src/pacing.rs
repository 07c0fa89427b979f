//! Pacing: what is throttled together waits together.
//!
//! A [`Lane`] is one app in one tenant (or one Hub account). Every request asks it for admission with
//! a cost vector over the lane's named quotas and tells it afterwards how it went. The lane holds an
//! adaptive limit on requests under way, one `not_before` for everybody (a Retry-After stops the whole
//! lane, not one request), and the quotas' windows. Design: `docs/pacing.md`.
