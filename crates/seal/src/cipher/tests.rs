use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

static KEYS: LazyLock<Arc<Keys>> =
    LazyLock::new(|| Arc::new(Keys::derive("合言葉".as_bytes(), Some(b"salt"))));

fn cipher(names: NameMode, encoding: NameEncoding, directory_names: bool) -> Cipher {
    let options = Options { names, encoding, directory_names, ..Options::default() };
    Cipher { keys: Arc::clone(&KEYS), options }
}

fn every() -> Vec<Cipher> {
    let mut all = Vec::new();
    for directory_names in [true, false] {
        for encoding in [NameEncoding::Base32, NameEncoding::Base64, NameEncoding::Base32768] {
            all.push(cipher(NameMode::Standard, encoding, directory_names));
        }
        all.push(cipher(NameMode::Obfuscate, NameEncoding::Base32, directory_names));
        all.push(cipher(NameMode::Off, NameEncoding::Base32, directory_names));
    }
    all
}

proptest! {
    #[test]
    fn names_without_versions_come_back(path in "[^/\\x00]{1,40}(/[^/\\x00]{1,40}){0,3}") {
        prop_assume!(path.split('/').all(|name| name != "." && name != ".."));
        prop_assume!(version::take(path.rsplit('/').next().unwrap_or_default()).is_none());
        for cipher in every() {
            let sealed = cipher.encode_path(&path).unwrap();
            prop_assert_eq!(&cipher.decode_path(&sealed).unwrap(), &path, "{}", cipher.options());
            prop_assert!(cipher.round_trips(&path));
        }
    }

    #[test]
    fn names_with_versions_come_back_or_are_flagged(
        base in "[あ-ん.]{0,6}", end in "(\\.[a-z]{0,4}){0,2}",
        date in (0u32..10_000, 0u32..14, 0u32..33),
    ) {
        let (year, month, day) = date;
        let name = format!("{base}-v{year:04}-{month:02}-{day:02}-030405-678{end}");
        for cipher in every() {
            let sealed = cipher.encode_segment(&name).unwrap();
            let back = cipher.decode_segment(&sealed);
            prop_assert_eq!(cipher.round_trips(&name), back.is_ok_and(|back| back == name));
        }
    }

    #[test]
    fn foreign_names_never_panic_nor_lead_elsewhere(name in any::<String>()) {
        for cipher in every() {
            if let Ok(plain) = cipher.decode_segment(&name) {
                let kept = cipher.options().names == NameMode::Off;
                prop_assert!(kept || (plain != ".." && !plain.contains('/')), "{plain:?}");
            }
        }
    }
}

#[test]
fn what_is_no_single_name_is_refused() {
    for cipher in every() {
        for bad in ["", "あ/い"] {
            assert!(matches!(cipher.encode_segment(bad), Err(SealError::NameRefused { .. })));
            assert!(matches!(cipher.encode_directory(bad), Err(SealError::NameRefused { .. })));
        }
        assert!(cipher.encode_path("あ//い").is_err());
        assert!(!cipher.round_trips("あ/"));
    }
}

#[test]
fn a_name_that_is_all_version_would_leave_in_clear_and_is_flagged() {
    let cipher = cipher(NameMode::Standard, NameEncoding::Base32, true);
    let name = "-v2024-01-02-030405-678";
    assert_eq!(cipher.encode_segment(name).unwrap(), name);
    assert!(!cipher.round_trips(name));
}

#[test]
fn directories_are_hidden_only_where_asked_and_keep_versions_inside() {
    let name = "旅行-v2024-01-02-030405-678";
    let hidden = cipher(NameMode::Standard, NameEncoding::Base32, true);
    let sealed = hidden.encode_directory(name).unwrap();
    assert!(!sealed.contains("-v2024"));
    assert_eq!(hidden.decode_directory(&sealed).unwrap(), name);
    let kept = cipher(NameMode::Standard, NameEncoding::Base32, false);
    assert_eq!(kept.encode_directory(name).unwrap(), name);
    assert_eq!(kept.decode_directory(name).unwrap(), name);
    assert!(kept.encode_path("利用者/写真.jpg").unwrap().starts_with("利用者/"));
}

#[test]
fn with_names_off_a_foreign_file_has_no_suffix() {
    let mut cipher = cipher(NameMode::Off, NameEncoding::Base32, true);
    assert_eq!(cipher.decode_segment("写真.jpg.bin").unwrap(), "写真.jpg");
    for foreign in ["写真.jpg", ".bin", "", "-v2024-01-02-030405-678.bin"] {
        assert!(cipher.decode_segment(foreign).is_err(), "{foreign}");
    }
    cipher.options.suffix = String::new();
    assert_eq!(cipher.decode_segment("写真.jpg").unwrap(), "写真.jpg");
    assert_eq!(cipher.encode_segment("写真.jpg").unwrap(), "写真.jpg");
}

#[test]
fn the_longest_names_have_the_lengths_of_rclone() {
    let sealed = |encoding, bytes: usize| {
        cipher(NameMode::Standard, encoding, true).encode_segment(&"a".repeat(bytes)).unwrap()
    };
    assert!(sealed(NameEncoding::Base32, 143).len() <= 255 && sealed(NameEncoding::Base32, 144).len() > 255);
    assert!(sealed(NameEncoding::Base64, 175).len() <= 255 && sealed(NameEncoding::Base64, 176).len() > 255);
    let units = |bytes| sealed(NameEncoding::Base32768, bytes).chars().count();
    assert!(units(463) <= 255 && units(480) > 255);
    assert!(
        cipher(NameMode::Standard, NameEncoding::Base32, true).encode_segment(&"a".repeat(2048)).is_err()
    );
}

#[test]
fn wrong_keys_do_not_open_names() {
    let ours = cipher(NameMode::Standard, NameEncoding::Base32, true);
    let other = Cipher::new(Keys::derive(b"other", None), Options::default());
    let opened = (0..64)
        .filter(|i| other.decode_segment(&ours.encode_segment(&format!("写真{i}.jpg")).unwrap()).is_ok())
        .count();
    // One in 256 passes the padding, and hardly any of these is text.
    assert!(opened <= 2, "{opened}");
}

#[test]
fn options_print_what_changes_names_or_bytes() {
    let shown = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.to_string()
    };
    assert_eq!(shown(|_| ()), "standard/base32 directories=true data=true");
    assert_eq!(shown(|o| o.suffix = ".x".to_owned()), shown(|_| ()));
    assert_eq!(shown(|o| o.names = NameMode::Off), "off.bin directories=false data=true");
    assert_eq!(shown(|o| o.data = false), "standard/base32 directories=true data=false");
    assert_eq!(shown(|o| o.encoding = NameEncoding::Base64), "standard/base64 directories=true data=true");
    assert_eq!(
        shown(|o| o.encoding = NameEncoding::Base32768),
        "standard/base32768 directories=true data=true"
    );
    assert_eq!(shown(|o| o.names = NameMode::Obfuscate), "obfuscate directories=true data=true");
}

#[test]
fn ciphers_go_to_other_threads() {
    fn travels<T: Send + Sync + 'static>() {}
    travels::<Cipher>();
    travels::<crate::Sealer>();
    travels::<crate::Opener>();
    travels::<crate::Remote>();
    travels::<SealError>();
}
