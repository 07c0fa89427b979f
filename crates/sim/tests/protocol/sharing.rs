//! Sharing, versions and labels: what an item shows of them, and to whom it costs what.

use landfall_sim::{Config, Sim, WorldOp};
use serde_json::{Value, json};

use crate::client::{Client, encode};

const EXPAND: &str = "$select=id,shared&$expand=retentionLabel,listItem($expand=fields($select=_UIVersionString,_DisplayName,_ComplianceTag))";

fn sim(config: Config) -> Sim {
    let sim = Sim::new(Config { files: 3, ..config });
    for (path, text) in [("/共有/見積/見積書.txt", "一"), ("/共有/メモ.txt", "二"), ("/別/日誌.txt", "三")]
    {
        sim.change(WorldOp::Write { drive: None, path: path.into(), text: Some(text.into()), size: None })
            .unwrap();
    }
    sim
}

fn share(path: &str, people: &[&str], link: Option<&str>) -> WorldOp {
    WorldOp::Share {
        drive: None,
        path: path.into(),
        people: people.iter().map(|name| (*name).to_owned()).collect(),
        role: "write".into(),
        link: link.map(str::to_owned),
        expires: None,
    }
}

async fn drive(client: &mut Client) -> String {
    client.graph("GET", "/users/ada@contoso.com/drive", Value::Null).await.id()
}

async fn get(client: &mut Client, path: &str, rest: &str) -> Value {
    let drive = drive(client).await;
    let path = encode(path).replace("%2F", "/");
    let at = if path == "/" { "/root".to_owned() } else { format!("/root:{path}:") };
    let answer = client.graph("GET", &format!("/drives/{drive}{at}{rest}"), Value::Null).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    answer.json()
}

fn rights(answer: &Value) -> Vec<(String, String, bool)> {
    let all = answer["value"].as_array().unwrap();
    all.iter()
        .map(|one| {
            let who = match one["link"]["scope"].as_str() {
                Some(scope) => scope.to_owned(),
                None => one["grantedToV2"]["user"]["displayName"].as_str().unwrap().to_owned(),
            };
            (who, one["roles"][0].as_str().unwrap().to_owned(), one.get("inheritedFrom").is_some())
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_folders_grants_are_seen_below_it_and_only_links_say_where_from() {
    let sim = sim(Config::default());
    sim.change(share("/共有", &["ken.sato@contoso.com"], None)).unwrap();
    sim.change(share("/共有", &["hanako.yamada@contoso.com"], Some("users"))).unwrap();
    sim.change(share("/共有/見積/見積書.txt", &[], Some("anonymous"))).unwrap();
    let mut client = Client::new(&sim).await;
    let shown = get(&mut client, "/共有/見積/見積書.txt", "/permissions").await;
    let of = |who: &str, role: &str, inherited| (who.to_owned(), role.to_owned(), inherited);
    let [owner, anyone] = [of("Ada", "owner", false), of("anonymous", "write", false)];
    assert_eq!(
        rights(&shown),
        [owner.clone(), anyone, of("佐藤 健", "write", false), of("users", "write", true)]
    );
    let people = &shown["value"][3]["grantedToIdentitiesV2"];
    assert_eq!(people[0]["user"]["displayName"], "山田 花子");
    let above = get(&mut client, "/共有", "/permissions").await;
    assert_eq!(above["value"][1]["id"], shown["value"][2]["id"], "one grant has one id wherever it is seen");
    assert_eq!(rights(&above), [owner.clone(), of("佐藤 健", "write", false), of("users", "write", false)]);
    assert_eq!(rights(&get(&mut client, "/別/日誌.txt", "/permissions").await), [owner]);
    // The facet says who could come in at the widest, below as well; the root has none.
    assert_eq!(get(&mut client, "/共有/見積/見積書.txt", "").await["shared"]["scope"], "anonymous");
    assert_eq!(get(&mut client, "/共有/メモ.txt", "?$select=id,shared").await["shared"]["scope"], "users");
    for path in ["/別/日誌.txt", "/別", "/"] {
        assert_eq!(get(&mut client, path, "").await.get("shared"), None, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn labels_and_numbers_of_versions_come_by_expanding_and_long_lists_in_pages() {
    let sim = sim(Config { max_page: 2, ..Config::default() });
    for text in ["四", "五", "六"] {
        let path = "/別/日誌.txt".to_owned();
        sim.change(WorldOp::Write { drive: None, path, text: Some(text.into()), size: None }).unwrap();
    }
    let label = |path: &str, sensitivity: Option<&str>, retention: Option<&str>| WorldOp::Label {
        drive: None,
        path: path.into(),
        sensitivity: sensitivity.map(str::to_owned),
        retention: retention.map(str::to_owned),
    };
    sim.change(label("/別/日誌.txt", Some("社外秘"), None)).unwrap();
    sim.change(label("/共有", None, Some("7年保存"))).unwrap();
    let mut client = Client::new(&sim).await;
    let shown = get(&mut client, "/別/日誌.txt", &format!("?{EXPAND}")).await;
    assert_eq!(shown["listItem"]["fields"], json!({"_UIVersionString": "4.0", "_DisplayName": "社外秘"}));
    assert_eq!(shown.get("retentionLabel"), None);
    let below = get(&mut client, "/共有/メモ.txt", &format!("?{EXPAND}")).await;
    assert_eq!(below["retentionLabel"]["name"], "7年保存");
    assert_eq!(below["retentionLabel"]["isLabelAppliedExplicitly"], false);

    let first = get(&mut client, "/別/日誌.txt", "/versions").await;
    let next = first["@odata.nextLink"].as_str().unwrap().to_owned();
    let second = client.graph("GET", &next, Value::Null).await.json();
    let ids = |page: &Value| -> Vec<String> {
        page["value"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!([ids(&first), ids(&second)], [["4.0", "3.0"], ["2.0", "1.0"]]);
    assert_eq!(second.get("@odata.nextLink"), None);
}

#[tokio::test(start_paused = true)]
async fn permissions_cost_five_units_may_be_refused_and_columns_may_be_unknown() {
    let sim = sim(Config { list_columns: false, ..Config::default() });
    sim.change(WorldOp::Guard { drive: None, path: "/別/日誌.txt".into() }).unwrap();
    let mut client = Client::new(&sim).await;
    let drive = drive(&mut client).await;
    let at = format!("/drives/{drive}/root:/{}:", encode("別/日誌.txt").replace("%2F", "/"));
    sim.reset_requests();
    let refused = client.graph("GET", &format!("{at}/permissions"), Value::Null).await;
    assert_eq!((refused.status, refused.code()), (403, "accessDenied".to_owned()));
    assert_eq!(sim.requests().resource_units, 5);
    let expanded = client.graph("GET", &format!("{at}?{EXPAND}"), Value::Null).await;
    assert_eq!(expanded.status, 400);
    assert!(sim.change(share("/別/日誌.txt", &["誰か"], None)).is_err());
    assert!(sim.change(share("/別/日誌.txt", &[], Some("world"))).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_scenario_begins_with_some_of_each_and_the_same_by_the_same_seed() {
    let seen = async |seed: u64| {
        let sim = Sim::new(Config { seed, files: 60, ..Config::default() });
        let mut client = Client::new(&sim).await;
        let drive = drive(&mut client).await;
        let listed = client.graph("GET", &format!("/drives/{drive}/root/delta"), Value::Null).await.json();
        let mut seen = Vec::new();
        for item in listed["value"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap();
            let one = client
                .graph("GET", &format!("/drives/{drive}/items/{id}?{EXPAND}"), Value::Null)
                .await
                .json();
            let fields = &one["listItem"]["fields"];
            seen.push((
                item.get("shared").is_some(),
                fields["_UIVersionString"].as_str().unwrap_or_default() != "1.0",
                fields["_DisplayName"].as_str().map(str::to_owned),
                one["retentionLabel"]["name"].as_str().map(str::to_owned),
            ));
        }
        seen
    };
    let first = seen(5).await;
    assert!(first.iter().any(|one| one.0) && first.iter().any(|one| !one.0));
    assert!(first.iter().any(|one| one.1) && first.iter().any(|one| one.2.is_some()));
    assert!(first.iter().any(|one| one.3.is_some()));
    assert_eq!(first, seen(5).await);
    assert_ne!(first, seen(6).await);
}
