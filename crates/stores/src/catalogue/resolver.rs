//! Asking for a post's media again, where what was recorded is lost or dead.
//!
//! Owns three ways to ask: a command of the user's choice ([`CommandResolver`]), which keeps the churn of
//! private interfaces and the user's cookies outside; the documented API, which costs money ([`XApi`]);
//! and the embed endpoint, off unless asked for ([`Syndication`]). Refuses to know databases and files.
//! What comes back is hostile: every URL passes the policy of [`super::media`] when it is fetched. An id
//! without an answer is *unanswered*, never gone. Design: `docs/media.md`.

mod answer;
mod command;
mod gate;
mod get;
mod syndication;
mod token;
mod variants;
mod xapi;

pub use command::{CommandConfig, CommandResolver, ENVIRONMENT};
pub use syndication::Syndication;
pub use variants::{Variant, best_first};
pub use xapi::{XApi, XApiConfig};

use super::{Ask, Resolved, Unavailable};

/// True for what X uses as a post's id: up to 19 digits within 63 bits.
#[must_use]
pub fn is_post_id(text: &str) -> bool {
    (1..=19).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && text.parse::<u64>().is_ok_and(|id| i64::try_from(id).is_ok())
}

/// True for a handle: up to 15 letters, digits and underscores.
#[must_use]
pub fn is_handle(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Answers at once for what no service could answer; `None` where it may be asked for.
fn unaskable(ask: &Ask) -> Option<Resolved> {
    (!is_post_id(&ask.id)).then(|| Resolved::Unavailable {
        reason: Unavailable::Unknown,
        detail: "its id is no post's id".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_handles_are_what_the_service_uses() {
        for good in ["1", "20", "1908900169724363186", "9223372036854775807"] {
            assert!(is_post_id(good), "{good}");
        }
        for bad in
            ["", "9223372036854775808", "12345678901234567890", "-1", "1 ", "１２", "1;rm", "--help", "0x1"]
        {
            assert!(!is_post_id(bad), "{bad}");
        }
        for good in ["alice_draws", "A", "0123456789abcde"] {
            assert!(is_handle(good), "{good}");
        }
        for bad in ["", "0123456789abcdef", "../evil", "猫の人", "a-b", "-rf", "a b"] {
            assert!(!is_handle(bad), "{bad}");
        }
    }
}
