use super::*;

fn load(text: &str) -> Result<Config, CommandError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("landfall.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path)
}

fn job(body: &str) -> Result<JobConfig, CommandError> {
    load(&format!("[jobs.voices]\n{body}\n"))?.job("voices")
}

const FROM: &str = "source = { kind = \"onedrive\", user = \"ada@contoso.com\", path = \"/Recordings\" }";
const TO: &str = "destination = { kind = \"sharepoint\", site = \"contoso.sharepoint.com/sites/Archive\", library = \"Documents\", path = \"/Voices/{user}\" }";

#[test]
fn the_example_of_the_design_is_read() {
    let job = job(&format!("{FROM}\n{TO}\ninclude = [\"*.wav\"]\nmin_size = \"1k\"\nvia = \"spool\"\nspool = {{ limit = \"2G\" }}")).unwrap();
    assert_eq!(job.sources[0].place, SourcePlace::User("ada@contoso.com".into()));
    assert_eq!(job.sources[0].path.as_str(), "Recordings");
    assert_eq!(job.prefix(&job.sources[0].user).unwrap().as_str(), "Voices/ada");
    assert_eq!(job.policy.filters.min_size.unwrap().0, 1024);
    assert_eq!(job.policy.spool_limit.0, 2 << 30);
}

#[test]
fn mistakes_show_line_and_caret() {
    let cases = [
        (format!("{FROM}\n{TO}\nspeed = 3"), "line 4", "unknown field `speed`"),
        (format!("{FROM}\n{TO}\nvia = \"fly\""), "line 4", "unknown variant `fly`"),
        (format!("{FROM}\n{TO}\nmin_size = \"large\""), "line 4, column 12", "no size like"),
        (format!("{FROM}\n{TO}\ninclude = [\"[\"]"), "line 4, column 11", "pattern"),
        (format!("{FROM}\n{TO}\nparallel = 0"), "line 4", "from 1 to 512"),
        (format!("{FROM}\n{TO}\ncredentials = \"nobody\""), "line 4", "no [credentials]"),
        (format!("source = {{ kind = \"onedrive\" }}\n{TO}"), "line 2", "exactly one of"),
        (
            format!("source = {{ kind = \"folder\", path = \"x\", user = \"u\" }}\n{TO}"),
            "line 2",
            "`user` does not belong",
        ),
        (
            format!("source = {{ kind = \"onedrive\", user = \"u\", path = \"a/../b\" }}\n{TO}"),
            "line 2",
            "\"..\"",
        ),
        (
            format!("{FROM}\ndestination = {{ kind = \"sharepoint\", site = \"s\", path = \"../x\" }}"),
            "line 3",
            "not a path below",
        ),
    ];
    for (body, place, words) in cases {
        let error = job(&body).expect_err(&body);
        assert_eq!(error.code, Code::BadConfig);
        assert!(error.detail.contains(place) && error.detail.contains(words), "{body}\n{}", error.detail);
        assert!(error.detail.contains('^'), "no caret: {}", error.detail);
    }
}

#[test]
fn an_unknown_job_names_those_there_are() {
    let config = load(&format!("[jobs.voices]\n{FROM}\n{TO}\n[jobs.\"録音\"]\n{FROM}\n{TO}\n")).unwrap();
    let error = config.job("tweets").unwrap_err();
    assert_eq!(error.code, Code::UnknownJob);
    assert!(error.detail.contains("voices, 録音"), "{}", error.detail);
}

#[test]
fn a_local_destination_is_split_at_the_user() {
    let job = job(&format!("{FROM}\ndestination = {{ kind = \"folder\", path = \"backup/{{user}}/data\" }}"))
        .unwrap();
    assert!(matches!(&job.destination, DestinationPlace::Folder(path) if path.ends_with("backup")));
    assert_eq!(job.prefix("ada").unwrap().as_str(), "ada/data");
}

#[test]
fn a_secret_in_the_file_is_refused_as_an_unknown_key() {
    let error = load("[credentials.contoso]\nclient_secret = \"geheim\"\n").unwrap_err();
    assert!(!error.detail.contains("geheim"), "{}", error.detail);
    let broken = load("[credentials.contoso]\nclient_secret = geheim\n").unwrap_err();
    assert!(!broken.detail.contains("geheim"), "{}", broken.detail);
    assert!(error.detail.contains("unknown field `client_secret`"), "{}", error.detail);
}

const CATALOGUE: &str = "source = { kind = \"catalogue\", database = \"sqlite:data/投稿.db\", tables = [\"all_tweets\"], roots = { images = \"images\", videos = \"videos\" } }";
const SEAL: &str = "seal = { kind = \"rclone-crypt\", config = \"rclone.conf\", remote = \"secret\" }";
const HUB: &str = "destination = { kind = \"huggingface\", repo = \"datasets/me/EventMonitor\" }";

#[test]
fn an_archive_is_read_and_its_paths_count_from_the_file() {
    let job = job(&format!("{CATALOGUE}\n{SEAL}\n{HUB}")).unwrap();
    let SourcePlace::Catalogue(place) = &job.sources[0].place else { panic!("{:?}", job.sources) };
    assert!(matches!(&place.database, Database::Url(url) if url.ends_with("/data/投稿.db")));
    assert!(place.roots.images.is_absolute() && place.roots.images.ends_with("images"));
    assert_eq!(place.tables[0].columns.huggingface_urls, "huggingface_urls");
    assert!(
        matches!(&job.destination, DestinationPlace::Dataset(set) if set.repo.to_string() == "me/EventMonitor")
    );
    assert_eq!(job.policy.via, landfall_core::state::Via::Spool);
    assert!(job.seal.is_some_and(|seal| seal.config.is_some_and(|path| path.is_absolute())));
}

#[test]
fn tables_are_names_or_have_columns_of_their_own() {
    let own = "{ name = \"作品\", id = \"work_id\", media_urls = \"urls\", date = \"\" }";
    let catalogue = CATALOGUE.replace("\"all_tweets\"", &format!("\"all_tweets\", {own}"));
    let job = job(&format!("{catalogue}\n{SEAL}\n{HUB}")).unwrap();
    let SourcePlace::Catalogue(place) = &job.sources[0].place else { panic!("{:?}", job.sources) };
    let columns = &place.tables[1].columns;
    assert_eq!((columns.id.as_str(), columns.media_urls.as_str(), &columns.date), ("work_id", "urls", &None));
    assert_eq!(place.tables[1].required.len(), 2);
}

#[test]
fn mistakes_in_an_archive_show_their_place() {
    let cases = [
        (format!("{CATALOGUE}\n{HUB}"), "line 3", "no key, no upload"),
        (format!("{CATALOGUE}\n{SEAL}\n{TO}"), "line 4", "kind = \"huggingface\""),
        (format!("{FROM}\n{SEAL}\n{HUB}"), "line 2", "kind = \"catalogue\""),
        (format!("{FROM}\n{SEAL}\n{TO}"), "line 3", "a seal belongs"),
        (format!("{CATALOGUE}\n{SEAL}\n{HUB}\nvia = \"stream\""), "line 3", "spool"),
        (
            format!("{}\n{SEAL}\n{HUB}", CATALOGUE.replace("[\"all_tweets\"]", "[3]")),
            "line 2",
            "the name of a table",
        ),
        (
            format!(
                "{}\n{SEAL}\n{HUB}",
                CATALOGUE.replace("\"all_tweets\"", "{ name = \"a\", colour = \"b\" }")
            ),
            "line 2",
            "unknown field `colour`",
        ),
        (
            format!("{}\n{SEAL}\n{HUB}", CATALOGUE.replace(" } }", " }, resolver = { kind = \"x-api\" } }")),
            "line 2",
            "costs money",
        ),
        (
            format!("{}\n{SEAL}\n{HUB}", CATALOGUE.replace(" } }", " }, resolver = { command = [] } }")),
            "line 2",
            "a resolver needs",
        ),
        (format!("{CATALOGUE}\n{SEAL}\n{}", HUB.replace("datasets/me/", "")), "line 4", "OWNER/NAME"),
    ];
    for (body, place, words) in cases {
        let error = job(&body).expect_err(&body);
        assert_eq!(error.code, Code::BadConfig);
        assert!(error.detail.contains(place) && error.detail.contains(words), "{body}\n{}", error.detail);
    }
}

#[test]
fn an_override_leads_to_this_machine_or_nowhere() {
    let text = |url: &str| {
        format!(
            "[network.override]\n\"pbs.twimg.com\" = \"{url}\"\n[jobs.tweets]\n{CATALOGUE}\n{SEAL}\n{HUB}\n"
        )
    };
    assert!(load(&text("http://127.0.0.1:8123")).unwrap().job("tweets").is_ok());
    let error = load(&text("http://192.0.2.7:80")).unwrap().job("tweets").unwrap_err();
    assert_eq!(error.code, Code::InsecureEndpoint);
    assert!(error.detail.contains("line 2") && error.detail.contains('^'), "{}", error.detail);
}

#[test]
fn the_folder_of_sealed_snapshots_lies_below_the_root_and_its_seal_counts_from_the_file() {
    let of = |line: &str| load(&format!("[ledger]\n{line}\n"));
    assert_eq!(of("").unwrap().snapshot_to().unwrap(), None);
    let config = of(&format!("snapshot_to = \"/控え/台帳/\"\n{SEAL}")).unwrap();
    assert_eq!(config.snapshot_to().unwrap().unwrap().as_str(), "控え/台帳");
    assert!(config.ledger_seal().unwrap().config.unwrap().is_absolute());
    for folder in ["", "/", "a/../b", "a//b"] {
        let error = of(&format!("snapshot_to = \"{folder}\"")).unwrap().snapshot_to().unwrap_err();
        assert_eq!(error.code, Code::BadConfig, "{folder}");
        assert!(error.detail.contains("line 2") && error.detail.contains('^'), "{}", error.detail);
    }
    assert!(of("seal = { kind = \"age\" }").is_err());
}
