use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../tests/archive/crypt-vectors.json");

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from((i * 131 + (i >> 8) * 17 + 7) & 255).unwrap()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn the_known_name_of_the_reference_comes_out() {
    let oracle = Oracle::archive();
    let sealed = "g2liiurhi8tf1vepet2aqrt26pra5mim6q6samvvn1o4hlq4v3e0";
    assert_eq!(oracle.name("1908900169724363186_1.jpg"), sealed);
    assert_eq!(oracle.plain_name(sealed).as_deref(), Some("1908900169724363186_1.jpg"));
    assert_eq!(oracle.plain_name("1908900169724363186_1.jpg"), None);
}

#[test]
fn the_constant_is_what_scrypt_gives() {
    let params = scrypt::Params::new(14, 8, 1, 32).unwrap();
    let mut key = [0; 80];
    scrypt::scrypt(b"password1", b"salt1", &params, &mut key).unwrap();
    assert_eq!(unhex(DERIVED), key);
}

#[test]
fn names_agree_with_rclone() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let mut seen = 0;
    for set in vectors["keysets"].as_array().unwrap() {
        let oracle = Oracle::of_key(&unhex(text(&set["derived_key"])));
        for pair in set["names"]["standard/base32/dirs=true"].as_array().unwrap() {
            let (plain, sealed) = (text(&pair[0]), text(&pair[1]));
            // Version texts stay in clear in rclone; the archive has none.
            if plain.contains("-v20") || plain.contains("-v19") {
                continue;
            }
            let ours = plain.split('/').map(|name| oracle.name(name)).collect::<Vec<_>>().join("/");
            assert_eq!(ours, sealed, "{plain}");
            for (name, sealed) in plain.split('/').zip(sealed.split('/')) {
                assert_eq!(oracle.plain_name(sealed).as_deref(), Some(name));
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} names");
}

#[test]
fn contents_agree_with_rclone() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let mut seen = 0;
    for set in vectors["keysets"].as_array().unwrap() {
        let oracle = Oracle::of_key(&unhex(text(&set["derived_key"])));
        for vector in set["content"].as_array().unwrap() {
            let Ok(sealed) = STANDARD.decode(text(&vector["encrypted_base64"])) else { continue };
            if sealed.is_empty() {
                continue;
            }
            let size = usize::try_from(vector["size"].as_u64().unwrap()).unwrap();
            let plain = if vector["plain"] == "zeros" { vec![0; size] } else { pattern(size) };
            assert_eq!(oracle.open(&sealed).as_ref(), Ok(&plain), "{size} bytes");
            assert_eq!(oracle.seal(nonce(&sealed).unwrap(), &plain), sealed);
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} contents");
}

#[test]
fn block_edges_go_there_and_back_and_a_flipped_bit_is_seen() {
    let oracle = Oracle::archive();
    // The counter carries over all bytes of the nonce.
    let nonce = [0xff; 24];
    for (size, sealed_size) in [(0, 32), (1, 49), (65_536, 65_584), (65_537, 65_601)] {
        let plain = pattern(size);
        let mut sealed = oracle.seal(nonce, &plain);
        assert_eq!(sealed.len(), sealed_size);
        assert_eq!(oracle.open(&sealed).unwrap(), plain);
        if let Some(last) = sealed.get_mut(32..).and_then(<[u8]>::last_mut) {
            *last ^= 1;
            assert_eq!(oracle.open(&sealed), Err(OpenError::Block(size / 65_537)));
        }
    }
    assert_eq!(oracle.open(b"RCLONE"), Err(OpenError::NotSealed));
}

#[test]
fn obscured_passwords_are_rclones() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let obscured = vectors["obscure"].as_array().unwrap();
    assert!(obscured.len() >= 5);
    for vector in obscured {
        let bytes = URL_SAFE_NO_PAD.decode(text(&vector["obscured"])).unwrap();
        let iv = bytes[..16].try_into().unwrap();
        assert_eq!(obscure(text(&vector["plain"]), iv), text(&vector["obscured"]));
    }
}
