//! The page: whole in both languages, well formed whatever the names are, with nothing from outside.

use landfall_core::engine::AuditReport;
use landfall_report::{Audit, Report, Unreached, page};

use crate::texts::{ENGLISH, JAPANESE, language};
use crate::world::World;

const EMPTY: [&str; 5] = ["meta", "br", "rect", "path", "img"];

/// Walks through the markup: every element that opens also closes, in order. Returns all tags.
fn tags(html: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut all = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, tail) = after.split_once('>').unwrap();
        rest = tail;
        all.push(tag.to_owned());
        let name = tag.trim_end_matches('/').split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "before {tail:.80}"),
            None if EMPTY.contains(&name) => {}
            None => open.push(name.to_owned()),
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    all
}

pub(crate) fn safe(html: &str) {
    for tag in tags(html) {
        let name = tag.trim_start_matches('/').split_whitespace().next().unwrap().to_lowercase();
        assert!(
            !["script", "img", "link", "iframe", "object", "embed", "a"].contains(&name.as_str()),
            "<{tag}>"
        );
        assert!(!tag.contains(" on") && !tag.contains("href") && !tag.contains("src="), "<{tag}>");
    }
    let lower = html.to_lowercase();
    for word in ["<script", "http://", "https://", "url(", "@import", "\u{202e}", "%{"] {
        // The one name that looks like a placeholder is shown as it is.
        assert!(!lower.replace("%{files}%{", "").contains(word), "{word} stands in the page");
    }
}

async fn reports() -> Vec<Report> {
    let mut all = Vec::new();
    for seed in 0..12 {
        let mut world = World::drawn(seed, 120).await;
        let audit = good(&world);
        let audit = match seed {
            1 => AuditReport {
                different: 2,
                differences: vec!["a/<b>: 3 files".to_owned()],
                complete_as_of: None,
                ..audit
            },
            2 => AuditReport { changed_meanwhile: 7, complete_as_of: None, ..audit },
            _ => audit,
        };
        if seed > 0 {
            Audit::of(&audit, world.now).keep(&world.ledger, world.job.id).await.unwrap();
        }
        if seed % 2 == 0 {
            world.run("run", "{\"files\":12,\"bytes\":4096,\"throttled\":3,\"sources\":[{}]}").await;
            world
                .run("verify", "{\"checked\":9,\"findings\":{\"<i>absent</i>\":2,\"leak\":0},\"clean\":true}")
                .await;
            world.run("drill", "not json").await;
            world.unreached = vec![Unreached { source: "<u>花子".to_owned(), why: "&".to_owned() }];
        }
        all.push(world.report().await.0);
    }
    all.push(World::empty().await.report().await.0);
    all
}

fn good(world: &World) -> AuditReport {
    AuditReport {
        usage: Some(landfall_core::ByteSize(1)),
        complete_as_of: Some(world.now),
        ..AuditReport::default()
    }
}

#[tokio::test]
async fn whatever_the_names_are_the_page_is_well_formed_and_reaches_for_nothing() {
    for report in reports().await {
        for (code, lookup) in [("en", &ENGLISH), ("ja", &JAPANESE)] {
            let html = page(&report, &language(code, lookup));
            safe(&html);
            assert!(html.contains(&format!("<html lang=\"{code}\">")));
            assert!(html.contains("default-src 'none'"));
        }
    }
}

#[tokio::test]
async fn the_japanese_page_is_japanese_and_says_the_same_numbers() {
    let report = World::drawn(5, 120).await.report().await.0;
    let (english, japanese) =
        (page(&report, &language("en", &ENGLISH)), page(&report, &language("ja", &JAPANESE)));
    let headings = |html: &str| -> Vec<String> {
        html.split("<h2>").skip(1).map(|part| part.split("</h2>").next().unwrap().to_owned()).collect()
    };
    let (one, other) = (headings(&english), headings(&japanese));
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert!(!other.is_ascii(), "{one} is not translated: {other}");
    }
    let figures = |html: &str| -> Vec<String> {
        html.split("<td class=\"n\">")
            .skip(1)
            .map(|part| part.split('<').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(figures(&english), figures(&japanese));
}

#[tokio::test]
async fn no_change_reported_is_never_called_a_proof() {
    let report = World::drawn(5, 120).await.report().await.0;
    let english = page(&report, &language("en", &ENGLISH));
    assert!(english.contains("nothing was compared for it"));
    let japanese = page(&report, &language("ja", &JAPANESE));
    assert!(japanese.contains("何も比較していません"));
}
