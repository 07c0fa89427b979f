use super::*;

const JOB: JobIdentity<'_> = JobIdentity { name: "録音", identity: "drive b!一 -> drive b!二" };

fn event(seq: u64) -> CanonicalEvent<'static> {
    CanonicalEvent {
        seq,
        file: i64::try_from(seq).unwrap() + 100,
        name: "Proven".into(),
        reason: seq.is_multiple_of(3).then(|| "hash-pending".into()),
        words: format!("証明 {seq}").into(),
        after: "SUCCESS".into(),
        at: Timestamp::from_microsecond(1_790_000_000_000_000 + i64::try_from(seq).unwrap()).unwrap(),
    }
}

/// Ten events with their links, and the head.
fn ledger() -> (Vec<Recorded<'static>>, Head) {
    let mut head = Head::genesis(&JOB);
    let events = (1..=10)
        .map(|seq| {
            head = head.follow(&event(seq)).unwrap();
            Recorded { event: event(seq), link: Some(head.link) }
        })
        .collect();
    (events, head)
}

fn walk(events: &[Recorded<'static>], known: &[Head]) -> Result<Head, Broken> {
    verify(Head::genesis(&JOB), events.iter().cloned(), known)
}

/// Gives every event the number and link that its place asks for, as somebody would who may write the ledger.
fn forge(events: &mut [Recorded<'static>]) -> Head {
    let mut head = Head::genesis(&JOB);
    for (seq, recorded) in (1..).zip(events) {
        recorded.event.seq = seq;
        head = head.follow(&recorded.event).unwrap();
        recorded.link = Some(head.link);
    }
    head
}

#[test]
fn a_whole_chain_holds_and_reaches_its_head() {
    let (events, head) = ledger();
    assert_eq!(walk(&events, &[head]), Ok(head));
    assert_eq!(walk(&[], &[]), Ok(Head::genesis(&JOB)));
    // It can be taken up where an earlier walk ended.
    let middle = walk(&events[..4], &[]).unwrap();
    assert_eq!(middle.seq, 4);
    assert_eq!(verify(middle, events[4..].iter().cloned(), &[head, middle]), Ok(head));
}

#[test]
fn a_changed_event_is_named_whatever_was_changed() {
    let (events, head) = ledger();
    let changes: [fn(&mut CanonicalEvent<'_>); 7] = [
        |e| e.file += 1,
        |e| e.name = "Lapsed".into(),
        |e| e.reason = Some("".into()),
        |e| e.reason = Some("unproven".into()),
        |e| e.words = "証明 五".into(),
        |e| e.after = "NG".into(),
        |e| e.at = Timestamp::from_microsecond(1).unwrap(),
    ];
    for change in changes {
        let mut events = events.clone();
        change(&mut events[4].event);
        assert_eq!(walk(&events, &[head]), Err(Broken { seq: 5, why: Break::Event }));
    }
}

#[test]
fn a_removed_inserted_or_moved_event_is_named() {
    let (events, head) = ledger();
    let mut removed = events.clone();
    removed.remove(4);
    assert_eq!(walk(&removed, &[head]), Err(Broken { seq: 5, why: Break::Number { found: 6 } }));

    let mut inserted = events.clone();
    inserted.insert(4, Recorded { event: event(5), link: None });
    assert_eq!(walk(&inserted, &[head]), Err(Broken { seq: 6, why: Break::Number { found: 5 } }));

    let mut swapped = events.clone();
    swapped.swap(4, 5);
    assert_eq!(walk(&swapped, &[head]), Err(Broken { seq: 5, why: Break::Number { found: 6 } }));
    // With their numbers put right, the links tell.
    swapped[4].event.seq = 5;
    swapped[5].event.seq = 6;
    assert_eq!(walk(&swapped, &[head]), Err(Broken { seq: 5, why: Break::Event }));

    let cut = &events[..7];
    assert_eq!(walk(cut, &[head]), Err(Broken { seq: 8, why: Break::Missing { known: 10 } }));
}

#[test]
fn a_chain_made_anew_misses_the_heads_that_were_given_out() {
    let (events, head) = ledger();
    let given = walk(&events[..6], &[]).unwrap();
    let mut forged = events.clone();
    forged[2].event.after = "NG".into();
    let other = forge(&mut forged);
    // By itself it looks whole: that is why heads are signed and handed out.
    assert_eq!(walk(&forged, &[other]), Ok(other));
    assert_eq!(walk(&forged, &[given]), Err(Broken { seq: 6, why: Break::Head }));
    assert_eq!(walk(&forged, &[head, given]), Err(Broken { seq: 6, why: Break::Head }));
    // Events that only came later are nobody's forgery.
    assert_eq!(walk(&events, &[given]), Ok(head));
}

#[test]
fn without_links_of_their_own_a_change_shows_at_the_next_known_head() {
    let (mut events, head) = ledger();
    let sixth = walk(&events[..6], &[]).unwrap();
    for recorded in &mut events {
        recorded.link = None;
    }
    assert_eq!(walk(&events, &[sixth, head]), Ok(head));
    events[2].event.file += 1;
    assert_eq!(walk(&events, &[sixth, head]), Err(Broken { seq: 6, why: Break::Head }));
}

#[test]
fn another_job_is_another_chain_and_borders_between_texts_count() {
    let (events, _) = ledger();
    let other = Head::genesis(&JobIdentity { name: "録音d", identity: "rive b!一 -> drive b!二" });
    let same_bytes = Head::genesis(&JobIdentity { name: "録音", identity: JOB.identity });
    assert_eq!(same_bytes, Head::genesis(&JOB));
    assert_eq!(verify(other, events, &[]), Err(Broken { seq: 1, why: Break::Event }));

    let link = Link::genesis(&JOB);
    let one = CanonicalEvent { name: "Gon".into(), words: "eA".into(), ..event(1) };
    let two = CanonicalEvent { name: "Gone".into(), words: "A".into(), ..event(1) };
    assert_ne!(link.next(&one), link.next(&two));
}

/// The format is a promise: these bytes were put together by hand (Python's hashlib) from `docs/evidence.md`.
#[test]
fn the_encoding_is_the_documented_one() {
    let job = JobIdentity { name: "音", identity: "x" };
    let genesis = Link::genesis(&job);
    let event = CanonicalEvent {
        seq: 1,
        file: -2,
        name: "Failed".into(),
        reason: Some("malware".into()),
        words: "".into(),
        after: "NG".into(),
        at: Timestamp::from_microsecond(-1).unwrap(),
    };
    assert_eq!(genesis.to_string(), "9bf5635d3dcafe2de1cb07e145ff9e9f12f92861ecb476b93b2af6c19ca0d77f");
    assert_eq!(
        genesis.next(&event).to_string(),
        "e2ee5b7e1462703320944f151b14a8ab127264dab53a1c28e46d4ffae633bf2e"
    );
    assert_eq!(
        genesis.next(&CanonicalEvent { reason: None, ..event }).to_string(),
        "0a3d8e763b38345678618fed6bf8511065b924c1e838a4db24f59e1bc4527034"
    );
}
