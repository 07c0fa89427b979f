use super::*;

const POTATO: &str = "IMEUm2sCRswfwtjsQojXl6wPcIn4tw";
const PASSWORD: &str = "fNbImgQtXs3LkE4w1QUfSjw9TxENNzwHt0a2UXyTO4obedg";

fn load(text: &str, variables: &[(&str, &str)], name: Option<&str>) -> Result<Remote, SealError> {
    let lookup = |wanted: &str| {
        variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
    };
    Remote::load(&ConfigFile::parse(text).unwrap(), lookup, name)
}

fn crypt(rest: &str) -> String {
    format!(
        "[disk]\ntype = local\n[my-media]\ntype = crypt\nremote = disk:保管/媒体\npassword = {POTATO}\n{rest}"
    )
}

fn print(password: &[u8], salt: Option<&[u8]>) -> String {
    Keys::derive(password, salt).fingerprint()
}

#[test]
fn the_first_crypt_remote_is_taken_where_none_is_named() {
    let remote = load(&crypt(""), &[], None).unwrap();
    assert_eq!((remote.name.as_str(), remote.wrapped.as_str()), ("my-media", "disk:保管/媒体"));
    assert_eq!(remote.cipher().options(), &Options::default());
    assert_eq!(remote.cipher().keys().fingerprint(), print(b"potato", None));
    assert!(remote.for_writing().is_ok());
    let named = load(&crypt(""), &[], Some("my-media:")).unwrap();
    assert_eq!(named.cipher().keys().fingerprint(), print(b"potato", None));
}

#[test]
fn every_option_is_read_in_any_case() {
    let rest = "filename_encryption = OFF\nfilename_encoding = Base64\ndirectory_name_encryption = False\n\
        suffix = enc\nno_data_encryption = 1\nunknown = ignored\n";
    let options = load(&crypt(rest), &[], None).unwrap().cipher().options().clone();
    let expected = Options {
        names: NameMode::Off,
        encoding: NameEncoding::Base64,
        directory_names: false,
        suffix: ".enc".to_owned(),
        data: false,
    };
    assert_eq!(options, expected);
    let none = load(&crypt("suffix = None\n"), &[], None).unwrap();
    assert_eq!(none.cipher().options().suffix, "");
    let dotted = load(&crypt("suffix = .x\nfilename_encoding = base32768\n"), &[], None).unwrap();
    assert_eq!(dotted.cipher().options().suffix, ".x");
    assert_eq!(dotted.cipher().options().encoding, NameEncoding::Base32768);
    let turned = load(&crypt("filename_encryption = obfuscate\n"), &[], None).unwrap();
    assert_eq!(turned.cipher().options().names, NameMode::Obfuscate);
}

#[test]
fn variables_of_the_type_win_over_those_of_the_remote_and_these_over_the_file() {
    let both = [("RCLONE_CRYPT_SUFFIX", ".one"), ("RCLONE_CONFIG_MY-MEDIA_SUFFIX", ".two")];
    let suffix = |variables: &[(&str, &str)]| {
        load(&crypt("suffix = .three\n"), variables, None).unwrap().cipher().options().suffix.clone()
    };
    assert_eq!(suffix(&both), ".one");
    assert_eq!(suffix(&both[1..]), ".two");
    assert_eq!(suffix(&[("RCLONE_CONFIG_MY_MEDIA_SUFFIX", ".two")]), ".three");
    assert_eq!(suffix(&[]), ".three");
    let password = [("RCLONE_CONFIG_MY-MEDIA_PASSWORD", PASSWORD)];
    let remote = load(&crypt(""), &password, None).unwrap();
    assert_eq!(remote.cipher().keys().fingerprint(), print("パスワード🔑".as_bytes(), None));
}

#[test]
fn an_empty_variable_hides_the_file() {
    let with = |key: &'static str, rest: &str| load(&crypt(rest), &[(key, "")], None);
    let error = with("RCLONE_CONFIG_MY-MEDIA_PASSWORD", "").unwrap_err();
    assert!(matches!(error, SealError::PasswordMissing { .. }));
    let error = with("RCLONE_CRYPT_FILENAME_ENCRYPTION", "filename_encryption = off\n").unwrap_err();
    assert!(matches!(error, SealError::OptionInvalid { .. }));
    let salt = format!("password2 = {PASSWORD}\n");
    let unsalted = with("RCLONE_CONFIG_MY-MEDIA_PASSWORD2", &salt).unwrap();
    assert_eq!(unsalted.cipher().keys().fingerprint(), print(b"potato", None));
    let rest = "directory_name_encryption = false\n";
    let options = with("RCLONE_CONFIG_MY-MEDIA_DIRECTORY_NAME_ENCRYPTION", rest).unwrap();
    assert!(options.cipher().options().directory_names);
    let named = load(&crypt(""), &[("RCLONE_CONFIG_MY-MEDIA_TYPE", "")], Some("my-media"));
    assert!(matches!(named.unwrap_err(), SealError::RemoteNotCrypt { .. }));
}

#[test]
fn a_remote_may_consist_of_variables_alone() {
    let variables = [
        ("RCLONE_CONFIG_SECRET_TYPE", "crypt"),
        ("RCLONE_CONFIG_SECRET_REMOTE", "/媒体"),
        ("RCLONE_CONFIG_SECRET_PASSWORD", POTATO),
        ("RCLONE_CONFIG_SECRET_PASSWORD2", PASSWORD),
    ];
    let remote = load("", &variables, Some("secret")).unwrap();
    assert_eq!(remote.wrapped, "/媒体");
    assert_eq!(remote.cipher().keys().fingerprint(), print(b"potato", Some("パスワード🔑".as_bytes())));
}

#[test]
fn what_is_missing_is_named() {
    let error = load(&crypt(""), &[], Some("倉庫")).unwrap_err();
    assert_eq!(error.to_string(), "rclone configuration has no remote \"倉庫\" (it has: disk, my-media)");
    assert!(matches!(error, SealError::RemoteMissing { .. }));
    let error = load("", &[], None).unwrap_err();
    assert_eq!(error.to_string(), "rclone configuration has no remote of the type crypt (it has: none)");
    let error = load(&crypt(""), &[], Some("disk")).unwrap_err();
    assert!(matches!(error, SealError::RemoteNotCrypt { kind, .. } if kind == "local"));
    let error = load("[a]\nremote = x\n", &[], Some("a")).unwrap_err();
    assert!(matches!(error, SealError::RemoteNotCrypt { kind, .. } if kind.is_empty()));
    for none in ["", "password =\n"] {
        let error = load(&format!("[a]\ntype = crypt\n{none}"), &[], Some("a")).unwrap_err();
        assert!(matches!(error, SealError::PasswordMissing { .. }));
    }
}

#[test]
fn a_password_in_plain_is_refused_and_not_shown() {
    let error = load("[a]\ntype = crypt\npassword = himitsu\n", &[], None).unwrap_err();
    assert!(matches!(error, SealError::PasswordNotObscured { key: "password", .. }));
    assert!(!format!("{error} {error:?}").contains("himitsu"));
    let error = load(&crypt("password2 = 秘密\n"), &[], None).unwrap_err();
    assert!(matches!(error, SealError::PasswordNotObscured { key: "password2", .. }));
}

#[test]
fn an_unknown_value_is_named_with_what_may_stand_there() {
    for (key, value) in [
        ("filename_encryption", "strong"),
        ("filename_encoding", "base64url"),
        ("directory_name_encryption", "yes"),
        ("directory_name_encryption", "tRuE"),
        ("no_data_encryption", "いいえ"),
    ] {
        let error = load(&crypt(&format!("{key} = {value}\n")), &[], None).unwrap_err();
        assert!(matches!(&error, SealError::OptionInvalid { key: named, .. } if *named == key), "{error}");
        assert!(error.to_string().contains(value), "{error}");
    }
}

#[test]
fn nothing_of_a_remote_prints_its_keys() {
    let shown = format!("{:?}", load(&crypt(""), &[], None).unwrap());
    assert!(shown.contains("my-media") && !shown.contains("potato") && !shown.contains(POTATO), "{shown}");
}
