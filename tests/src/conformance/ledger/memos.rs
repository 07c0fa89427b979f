//! Memos, secret or not, with expiry.

use jiff::Timestamp;
use landfall_core::JobId;
use landfall_core::memo::{MemoKey, MemoValue};

use super::Setup;

fn plain(text: &str) -> MemoValue {
    MemoValue { text: text.into(), secret: false, expires: None }
}

pub(super) async fn memos_are_replaced_listed_and_forgotten(setup: Setup) {
    let ledger = setup.ledger;
    let job = JobId(7001);
    let key = |key: &str| MemoKey::new(job, "session", key);
    assert_eq!(ledger.memo(&key("一")).await.unwrap(), None);
    for name in ["一", "b", "a", "z/2"] {
        ledger.remember(&key(name), plain(name)).await.unwrap();
    }
    ledger.remember(&MemoKey::new(job, "hash", "c"), plain("other kind")).await.unwrap();
    ledger.remember(&MemoKey::new(JobId(7002), "session", "d"), plain("other job")).await.unwrap();
    ledger.remember(&key("a"), plain("新しい\0")).await.unwrap();
    assert_eq!(ledger.memo(&key("a")).await.unwrap().as_deref(), Some("新しい\0"));
    assert_eq!(ledger.memos(job, "session", "", 10).await.unwrap(), ["a", "b", "z/2", "一"]);
    assert_eq!(ledger.memos(job, "session", "a", 2).await.unwrap(), ["b", "z/2"]);
    ledger.forget(&key("b")).await.unwrap();
    ledger.forget(&key("b")).await.unwrap();
    assert_eq!(ledger.memos(job, "session", "a", 10).await.unwrap(), ["z/2", "一"]);
}

pub(super) async fn secrets_come_back_and_expired_memos_do_not(setup: Setup) {
    let ledger = setup.ledger;
    let job = JobId(7003);
    let far = Timestamp::from_second(32_503_680_000).unwrap();
    let key = |key: &str| MemoKey::new(job, "session", key);
    let secret =
        |expires| MemoValue { text: "https://up.example/録音?token=s3cret".into(), secret: true, expires };
    ledger.remember(&key("open"), secret(Some(far))).await.unwrap();
    ledger.remember(&key("for ever"), secret(None)).await.unwrap();
    ledger.remember(&key("over"), secret(Some(super::at(0)))).await.unwrap();
    for name in ["open", "for ever"] {
        assert_eq!(ledger.memo(&key(name)).await.unwrap(), Some(secret(None).text), "{name}");
    }
    assert_eq!(ledger.memo(&key("over")).await.unwrap(), None);
    assert_eq!(ledger.memos(job, "session", "", 10).await.unwrap(), ["for ever", "open"]);
}
