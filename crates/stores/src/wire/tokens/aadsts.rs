//! What the login service's numbers mean and what to do about each.
// Source: reference/graph.md, section 1; learn.microsoft.com/entra "AADSTS error codes", read 2026-11.

use landfall_core::Code;
use serde_json::Value;

/// What to do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Somebody has to act; the words say on what.
    Act(Code, &'static str),
    /// The service asks for patience.
    Wait,
}

/// The numbers that an answer names, the field first, then the text.
pub(super) fn numbers(body: &Value) -> Vec<u64> {
    let listed = body.get("error_codes").and_then(Value::as_array);
    let mut found: Vec<u64> = listed.into_iter().flatten().filter_map(Value::as_u64).collect();
    let text = body.get("error_description").and_then(Value::as_str).unwrap_or("");
    for part in text.split("AADSTS").skip(1) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).take(9).collect();
        found.extend(digits.parse::<u64>());
    }
    found
}

/// The remedy for a number; `None` where the table does not know it.
pub(super) fn remedy(number: u64) -> Option<Remedy> {
    use Remedy::{Act, Wait};
    Some(match number {
        7_000_215 => Act(Code::WrongSecret, "the client secret is wrong (its value is needed, not its id)"),
        7_000_222 => Act(Code::SecretExpired, "the client secret has expired"),
        700_016 => Act(Code::UnknownApp, "the application is not known in this tenant"),
        90_002 | 900_023 => Act(Code::UnknownTenant, "the tenant does not exist"),
        700_027 => Act(
            Code::AssertionRejected,
            "the certificate is not registered with the application, or its key does not fit",
        ),
        700_021 => Act(Code::AssertionRejected, "the assertion's issuer is not the application"),
        700_023 => Act(Code::AssertionRejected, "the assertion is meant for another login service"),
        700_211..=700_213 | 70_021 | 700_022 => {
            Act(Code::AssertionRejected, "no federated credential fits the token in the file")
        }
        700_024 => Act(Code::ClockSkew, "the assertion is outside its validity"),
        70_011 | 1_002_012 => Act(Code::BadScope, "the scope was refused"),
        53_003 => Act(Code::NoConsent, "conditional access stands in the way"),
        50_105 => Act(Code::NoConsent, "the application is not assigned"),
        65_001 => Act(Code::NoConsent, "an administrator has not consented"),
        50_196 | 90_033 => Wait,
        _ => return None,
    })
}
