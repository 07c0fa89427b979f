//! The 779 names and contents that rclone 1.75.2 made, and what else is beside them in the file.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the helpers of tests")]

use landfall_seal::{
    Cipher, ConfigFile, Keys, NameEncoding, NameMode, Nonce, Opener, Options, Remote, SealError, Sealer,
    obscure, open_file, reveal, seal_file,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/crypt-vectors.json")).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn keys(of: &Value) -> Keys {
    Keys::derive(text(&of["password"]).as_bytes(), of["salt"].as_str().map(str::as_bytes))
}

fn plain(of: &Value) -> Vec<u8> {
    let size = usize::try_from(of["size"].as_u64().unwrap()).unwrap();
    let byte = |i: usize| u8::try_from((i * 131 + (i >> 8) * 17 + 7) & 255).unwrap();
    match text(&of["plain"]) {
        "pattern" => (0..size).map(byte).collect(),
        "zeros" => vec![0; size],
        other => panic!("no plain {other}"),
    }
}

fn options(word: &str) -> Options {
    let parts: Vec<&str> = word.split('/').collect();
    Options {
        names: match parts[0] {
            "standard" => NameMode::Standard,
            "obfuscate" => NameMode::Obfuscate,
            "off" => NameMode::Off,
            other => panic!("no mode {other}"),
        },
        encoding: match parts[1] {
            "base32" => NameEncoding::Base32,
            "base64" => NameEncoding::Base64,
            "base32768" => NameEncoding::Base32768,
            other => panic!("no encoding {other}"),
        },
        directory_names: parts[2] == "dirs=true",
        ..Options::default()
    }
}

#[test]
fn every_name_is_encoded_and_decoded_as_rclone_does_it() {
    let vectors = vectors();
    let mut seen = 0;
    for set in list(&vectors["keysets"]) {
        for (word, names) in set["names"].as_object().unwrap() {
            let cipher = Cipher::new(keys(set), options(word));
            for name in list(names) {
                let (plain, sealed) = (text(&name[0]), text(&name[1]));
                let back = name[2]["decodes_to"].as_str().unwrap_or(plain);
                assert_eq!(cipher.encode_path(plain).unwrap(), sealed, "{word} {plain}");
                assert_eq!(cipher.decode_path(sealed).unwrap(), back, "{word} {plain}");
                assert_eq!(cipher.round_trips(plain), back == plain, "{word} {plain}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 745);
}

#[test]
fn every_content_is_sealed_and_opened_as_rclone_does_it() {
    let vectors = vectors();
    let mut seen = 0;
    for set in list(&vectors["keysets"]) {
        let cipher = Cipher::new(keys(set), Options::default());
        for content in list(&set["content"]) {
            check_content(&cipher, content);
            seen += 1;
        }
    }
    assert_eq!(seen, 34);
}

fn check_content(cipher: &Cipher, vector: &Value) {
    let plain = plain(vector);
    let nonce = Nonce::from_hex(text(&vector["nonce"])).unwrap();
    let mut sealed = Vec::new();
    let passed = seal_file(cipher, nonce, &mut plain.as_slice(), &mut sealed).unwrap();
    assert_eq!(hex(&passed.sealed.sha256), text(&vector["encrypted_sha256"]));
    assert_eq!(hex(&passed.plain.sha256), text(&vector["plain_sha256"]));
    assert_eq!(passed.sealed.size, vector["encrypted_size"].as_u64().unwrap());
    assert_eq!(cipher.sealed_size(passed.plain.size), passed.sealed.size);
    assert_eq!(cipher.opened_size(passed.sealed.size).unwrap(), passed.plain.size);
    if let Some(bytes) = vector["encrypted_base64"].as_str() {
        assert_eq!(data_encoding::BASE64.encode(&sealed), bytes);
    }
    let mut opened = Vec::new();
    assert_eq!(open_file(cipher, &mut sealed.as_slice(), &mut opened).unwrap(), passed);
    assert_eq!(opened, plain);
}

#[test]
fn nonces_carry_as_rclone_reads_them() {
    let vectors = vectors();
    let carries = list(&vectors["nonce_carry"]);
    assert_eq!(carries.len(), 4);
    for carry in carries {
        let cipher = Cipher::new(keys(carry), Options::default());
        let nonce = Nonce::from_hex(text(&carry["nonce"])).unwrap();
        let plain = plain(carry);
        let mut sealed = Vec::new();
        let passed = seal_file(&cipher, nonce, &mut plain.as_slice(), &mut sealed).unwrap();
        assert_eq!(hex(&passed.sealed.sha256), text(&carry["encrypted_sha256"]));
        let mut opened = Vec::new();
        open_file(&cipher, &mut sealed.as_slice(), &mut opened).unwrap();
        assert_eq!(opened, plain);
    }
}

#[test]
fn obscured_passwords_are_revealed_and_written_again() {
    for vector in list(&vectors()["obscure"]) {
        let obscured = text(&vector["obscured"]);
        assert_eq!(&**reveal(obscured).unwrap(), text(&vector["plain"]).as_bytes());
        let bytes = data_encoding::BASE64URL_NOPAD.decode(obscured.as_bytes()).unwrap();
        let start = *bytes.first_chunk::<16>().unwrap();
        assert_eq!(obscure(text(&vector["plain"]).as_bytes(), start), obscured);
    }
}

#[test]
fn obscured_keys_make_the_same_cipher_as_plain_ones() {
    for set in list(&vectors()["keysets"]) {
        let salt =
            set["obscured_salt"].as_str().map_or(String::new(), |salt| format!("password2 = {salt}\n"));
        let config = format!("[倉庫]\ntype = crypt\npassword = {}\n{salt}", text(&set["obscured_password"]));
        let remote = Remote::load(&ConfigFile::parse(&config).unwrap(), |_| None, None).unwrap();
        assert_eq!(remote.cipher().keys().fingerprint(), keys(set).fingerprint());
    }
}

#[test]
fn an_encrypted_configuration_opens_with_its_password_only() {
    let vectors = vectors();
    let vector = &vectors["encrypted_config"];
    let bytes = text(&vector["encrypted_file_text"]).as_bytes();
    let pass = text(&vector["config_pass"]).to_owned();
    let read = |pass: Option<String>| {
        ConfigFile::read(bytes, None, |name| pass.clone().filter(|_| name == "RCLONE_CONFIG_PASS"))
    };
    let config = read(Some(pass.clone())).unwrap();
    assert_eq!(config.remotes().collect::<Vec<_>>(), ["x", "c"]);
    // NFKC: a full-width T is a T.
    assert!(read(Some(pass.replace('T', "Ｔ"))).is_ok());
    assert!(matches!(read(Some(format!("{pass} "))), Err(SealError::ConfigPasswordWrong)));
    assert!(matches!(read(None), Err(SealError::ConfigPasswordMissing)));
    // What a password command prints ends in a line break, and wins.
    let command = format!("{pass}\r\n").into();
    assert!(ConfigFile::read(bytes, Some(&command), |_| Some("another".to_owned())).is_ok());
}

#[test]
fn the_empty_password_reads_and_never_writes() {
    let vectors = vectors();
    let empty = text(&vectors["obscure"][0]["obscured"]);
    let config = format!("[空]\ntype = crypt\npassword = {empty}\n");
    let remote = Remote::load(&ConfigFile::parse(&config).unwrap(), |_| None, Some("空:")).unwrap();
    for (plain, sealed) in vectors["empty_password"]["name_standard_base32"].as_object().unwrap() {
        assert_eq!(remote.cipher().encode_segment(plain).unwrap(), text(sealed));
    }
    assert!(matches!(remote.for_writing(), Err(SealError::PasswordEmpty { .. })));
}

/// The file that the bad inputs were made of.
fn base(cipher: &Cipher) -> Vec<u8> {
    let plain = plain(&serde_json::json!({ "plain": "pattern", "size": 200_000 }));
    let mut sealer =
        Sealer::new(cipher, Nonce::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap())));
    let mut out = Vec::new();
    sealer.update(&plain, &mut out);
    sealer.finish(&mut out);
    out
}

/// Opens at once and in small pieces; both must agree.
fn open(cipher: &Cipher, sealed: &[u8]) -> (usize, Result<(), SealError>) {
    let mut whole = Vec::new();
    let result = open_file(cipher, &mut &*sealed, &mut whole).map(drop);
    let mut opener = Opener::new(cipher);
    let mut pieces = Vec::new();
    let pushed = sealed.chunks(1009).try_for_each(|piece| opener.update(piece, &mut pieces));
    let pushed = pushed.and_then(|()| opener.finish(&mut pieces));
    assert_eq!(pieces, whole);
    assert_eq!(format!("{pushed:?}"), format!("{result:?}"));
    (whole.len(), result)
}

#[test]
fn bad_input_is_told_apart() {
    let vectors = vectors();
    let set = serde_json::json!({ "password": "potato", "salt": "sausage" });
    let cipher = Cipher::new(keys(&set), Options::default());
    let base = base(&cipher);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&base);
    assert_eq!(hex(&digest), text(&vectors["bad_input"]["encrypted_sha256"]));

    let changed = |at: usize, bit: u8| {
        let mut bytes = base.clone();
        bytes[at] ^= bit;
        bytes
    };
    let second = 32 + 65_552;
    for (sealed, plain, expected) in [
        // At the edge of a block only the size tells, and it is a possible one.
        (base[..second + 65_552].to_vec(), 131_072, "Ok(())"),
        (base[..32].to_vec(), 0, "Ok(())"),
        (base[..second + 1000].to_vec(), 65_536, "Err(Unauthentic { block: 1 })"),
        (base[..second + 7].to_vec(), 65_536, "Err(TruncatedBlock { block: 1 })"),
        (base[..49].to_vec(), 0, "Err(Unauthentic { block: 0 })"),
        (base[..48].to_vec(), 0, "Err(TruncatedBlock { block: 0 })"),
        (base[..31].to_vec(), 0, "Err(TooShort { bytes: 31 })"),
        (Vec::new(), 0, "Err(TooShort { bytes: 0 })"),
        (changed(0, 1), 0, "Err(NotSealed)"),
        (changed(31, 1), 0, "Err(Unauthentic { block: 0 })"),
        (changed(second + 5000, 4), 65_536, "Err(Unauthentic { block: 1 })"),
    ] {
        let (opened, result) = open(&cipher, &sealed);
        assert_eq!((opened, format!("{result:?}").as_str()), (plain, expected), "{} bytes", sealed.len());
    }
    assert_eq!(cipher.opened_size(32 + 2 * 65_552).unwrap(), 131_072);

    let other = Cipher::new(Keys::derive(b"potato", Some("ソーセージ".as_bytes())), Options::default());
    assert!(matches!(open(&other, &base), (0, Err(SealError::Unauthentic { block: 0 }))));
}
