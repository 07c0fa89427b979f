//! Names whose letters are turned (`filename_encryption = obfuscate`).
//!
//! A name becomes the sum of its code points modulo 256, a dot, and its characters, each turned within
//! its own group by a distance that depends on that sum and on the key. Hides names from a glance only.
//! Does not know versions or paths.

/// Stands before a character that was not turned.
const QUOTE: char = '!';

pub(crate) fn encode(key_sum: u32, name: &str) -> String {
    let sum = name.chars().fold(0u32, |sum, c| (sum + u32::from(c)) % 256);
    let mut text = format!("{sum}.");
    for character in name.chars() {
        if character == QUOTE {
            text.extend([QUOTE, QUOTE]);
            continue;
        }
        match turn(character, sum + key_sum, u32::wrapping_add) {
            Some(turned) => text.push(turned),
            // It would be half of a surrogate pair.
            None => text.extend([QUOTE, character]),
        }
    }
    text
}

/// The text says what was wrong. Stricter than rclone, which also takes numbers that it never writes.
pub(crate) fn decode(key_sum: u32, text: &str) -> Result<String, &'static str> {
    let (number, rest) = text.split_once('.').ok_or("it has no dot")?;
    if number == "!" {
        // A name that was no UTF-8 and therefore left alone; here it is, after all.
        return Ok(rest.to_owned());
    }
    let sum = number.parse::<u8>().map_err(|_| "it does not begin with a number")?;
    let mut name = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        let plain = if character == QUOTE {
            characters.next().ok_or("it ends in a quote")?
        } else {
            turn(character, u32::from(sum) + key_sum, u32::wrapping_sub)
                .ok_or("it holds what cannot be turned")?
        };
        name.push(plain);
    }
    Ok(name)
}

/// Turns a character within its group; `None` where nothing can stand in the place that it reaches.
fn turn(character: char, distance: u32, step: impl Fn(u32, u32) -> u32) -> Option<char> {
    let point = u32::from(character);
    let within = |first: u32, size: u32, by: u32| {
        // `size` is added so that going back stays positive.
        first + step(point - first + size, by) % size
    };
    let turned = match character {
        '0'..='9' => within(u32::from('0'), 10, distance % 9 + 1),
        'A'..='Z' | 'a'..='z' => {
            // Both cases are one alphabet of 52.
            let place = if point >= u32::from('a') { point - 71 } else { point - 65 };
            let place = step(place + 52, distance % 25 + 1) % 52;
            if place >= 26 { place + 71 } else { place + 65 }
        }
        '\u{a0}'..='\u{ff}' => within(0xa0, 96, distance % 95 + 1),
        '\u{100}'.. => within(point & !255, 256, distance % 127 + 1),
        _ => point,
    };
    char::from_u32(turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_beside_the_surrogates_is_quoted() {
        // U+D7FF has no neighbour upwards in its block but turns round within it; the block of
        // U+D800 itself cannot be written at all.
        let name = "\u{d7ff}\u{e000}!花火";
        let text = encode(4000, name);
        assert_eq!(decode(4000, &text).unwrap(), name);
        assert!(text.contains("!!"));
    }

    #[test]
    fn foreign_names_are_refused_with_a_reason() {
        assert_eq!(decode(1, "写真"), Err("it has no dot"));
        assert_eq!(decode(1, "写真.jpg"), Err("it does not begin with a number"));
        assert_eq!(decode(1, "256.abc"), Err("it does not begin with a number"));
        assert_eq!(decode(1, "1.a!"), Err("it ends in a quote"));
        assert_eq!(decode(1, "!.写真").unwrap(), "写真");
    }
}
