use super::*;

fn body(text: &str) -> SessionBody {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_next_byte_is_read_from_ranges_of_any_form() {
    assert_eq!(body(r#"{"nextExpectedRanges":["10485760-"]}"#).next(), Some(10_485_760));
    assert_eq!(body(r#"{"nextExpectedRanges":["327680-655359","983040-"]}"#).next(), Some(327_680));
    for none in [
        r#"{"nextExpectedRanges":[]}"#,
        r#"{"nextExpectedRanges":["x-"]}"#,
        r#"{"nextExpectedRanges":[5]}"#,
        "{}",
    ] {
        assert_eq!(body(none).next(), None, "{none}");
    }
}

#[test]
fn a_broken_expiry_is_none() {
    assert!(body(r#"{"expirationDateTime":"2026-01-03T03:04:05.678Z"}"#).expires().is_some());
    assert!(body(r#"{"expirationDateTime":"soon"}"#).expires().is_none());
}
