//! The token of the embed endpoint: a number that the page computes from the post's id.
//!
//! Owns the arithmetic of `((Number(id) / 1e15) * Math.PI).toString(36)` without zeros and without the
//! point, to the digit as V8 prints it: digits are given only as far as the double's neighbours need.
// Source: reference/media-catalogue.md, section 3.5 (vectors from Node and yt-dlp); V8's DoubleToRadixCString.

const RADIX: f64 = 36.0;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The token for an id of digits; `None` where it is no number.
pub(super) fn token(id: &str) -> Option<String> {
    let number: f64 = id.parse().ok()?;
    let text = to_radix_36(number / 1e15 * std::f64::consts::PI);
    Some(text.chars().filter(|c| !matches!(c, '0' | '.')).collect())
}

/// A finite, not negative number in base 36, as V8 prints it.
fn to_radix_36(value: f64) -> String {
    let mut integer = value.floor();
    let mut fraction = value - integer;
    // Half the distance to the next double: digits below it would say nothing about this number.
    let mut delta = (0.5 * (value.next_up() - value)).max(f64::from_bits(1));
    let mut behind: Vec<usize> = Vec::new();
    if fraction >= delta {
        loop {
            fraction *= RADIX;
            delta *= RADIX;
            let digit = digit_of(fraction);
            behind.push(digit);
            fraction -= fraction.floor();
            let odd_half = fraction == 0.5 && digit % 2 == 1;
            if (fraction > 0.5 || odd_half) && fraction + delta > 1.0 {
                integer += carry(&mut behind);
                break;
            }
            if fraction < delta {
                break;
            }
        }
    }
    let mut before = Vec::new();
    loop {
        let rest = integer % RADIX;
        before.push(digit_of(rest));
        integer = (integer - rest) / RADIX;
        if integer <= 0.0 {
            break;
        }
    }
    let shown = |digit: &usize| DIGITS.get(*digit).map_or('0', |byte| char::from(*byte));
    let whole: String = before.iter().rev().map(shown).collect();
    let part: String = behind.iter().map(shown).collect();
    if part.is_empty() { whole } else { format!("{whole}.{part}") }
}

/// Rounds the last digit up; gives 1 where that carries over the point.
fn carry(digits: &mut Vec<usize>) -> f64 {
    while let Some(last) = digits.pop() {
        if last + 1 < DIGITS.len() {
            digits.push(last + 1);
            return 0.0;
        }
    }
    1.0
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a digit is within 0 to 35 wherever this is called"
)]
fn digit_of(value: f64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_that_node_computes() {
        for (id, expected) in [
            ("20", "6dq1a2xwd93"),
            ("1260294888811347969", "31zbzs3nvej"),
            ("1557438090897137665", "3rwu3jfsc66"),
            ("1628832338187636740", "3y54libozsy"),
            ("1908900169724363186", "4mkzitshjk9"),
            ("1669886454712115200", "41q3piffw38"),
        ] {
            assert_eq!(token(id).as_deref(), Some(expected), "{id}");
        }
        assert_eq!(token("x"), None);
    }
}
