//! The transition table of the design, every state against every event.

use super::*;
use crate::proof::{Comparison, Evidence, ProofKind, SourceLeg};

fn proof() -> Proof {
    let mut hasher = crate::Hasher::new();
    hasher.update("会議".as_bytes());
    let side = Evidence { size: ByteSize(6), digests: hasher.digests() };
    match Proof::compare(&side, &side, SourceLeg::Matched, ProofKind::Hash, Timestamp::UNIX_EPOCH) {
        Comparison::Proven(proof) => proof,
        other => panic!("{other:?}"),
    }
}

fn holding() -> Holding {
    Holding {
        item: "01A".into(),
        revision: None,
        evidence: Evidence { size: ByteSize(6), digests: Digests::none() },
    }
}

#[test]
fn the_table_of_the_design_holds_for_every_pair() {
    use State::{Dupe, Local, Ng, Pending, Success};
    let words = || "理由".to_owned();
    let reason = Reason::Interrupted;
    let all = [Pending, Local, Dupe, Success, Ng];
    let table: Vec<(Event, Vec<(State, State)>)> = vec![
        (
            Event::Spooled {
                size: ByteSize(6),
                digests: Digests::none(),
                leg: SourceLeg::Matched,
                sealed: None,
            },
            vec![(Pending, Local)],
        ),
        (
            Event::Present { holding: holding(), via: Via::Stream, sent: Digests::none(), leg: None, reason },
            vec![(Pending, Dupe), (Local, Dupe)],
        ),
        (Event::SpoolLost, vec![(Local, Pending)]),
        (Event::Proven(proof()), vec![(Dupe, Success)]),
        (Event::Vanished { comment: words() }, vec![(Dupe, Pending)]),
        (Event::Displaced, vec![(Dupe, Pending)]),
        (
            Event::Failed { reason, comment: words(), last: true },
            vec![(Pending, Ng), (Local, Ng), (Dupe, Ng)],
        ),
        (Event::Lapsed { reason, comment: words() }, vec![(Success, Ng)]),
        (Event::Superseded { comment: words() }, all.map(|s| (s, Pending)).to_vec()),
        (Event::Renamed { from: words() }, all.map(|s| (s, s)).to_vec()),
        (Event::Gone, all.map(|s| (s, s)).to_vec()),
        (
            Event::Checked { sense: Sense::Hash, holding: None, sha256: None, proof: None },
            all.map(|s| (s, s)).to_vec(),
        ),
        (Event::Relocated { holding: Box::new(holding()), comment: words() }, vec![(Success, Success)]),
        (Event::Observed { reason, comment: words() }, all.map(|s| (s, s)).to_vec()),
        (Event::Retried { comment: words() }, vec![(Ng, Pending), (Dupe, Dupe)]),
        (Event::Intended { via: Via::Stream }, vec![(Pending, Pending), (Local, Local)]),
        (
            Event::Deferred { reason, comment: words(), not_before: None },
            vec![(Pending, Pending), (Local, Local), (Dupe, Dupe)],
        ),
        (Event::Noted { reason, comment: words(), holding: None }, vec![(Dupe, Dupe)]),
    ];
    for (event, legal) in table {
        for from in State::ALL {
            let expected = legal.iter().find(|(f, _)| *f == from).map(|(_, to)| *to);
            assert_eq!(from.apply(&event).ok(), expected, "{} in {from}", event.name());
        }
    }
}

#[test]
fn names_and_numbers_come_back() {
    for state in State::ALL {
        assert_eq!(State::parse(state.name()), Some(state));
        assert_eq!(State::from_number(state.number()), Some(state));
    }
    for reason in Reason::ALL {
        assert_eq!(Reason::parse(reason.name()), Some(*reason));
    }
    assert_eq!(State::parse("success"), None);
}
