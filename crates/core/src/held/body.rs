//! Bodies on their way out of a destination: where they end is noted, and a seal is taken off.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::Doubts;
use crate::seal::Unsealing;
use crate::transport::{Body, Stage, TransportError};
use crate::words::FileId;

/// Notes where a body ends that ought to have `size` bytes, counted from the object's beginning, and that it
/// gives more. Only a quiet end counts: a connection that breaks says nothing of the object.
pub(super) fn counted(body: Body, from: u64, size: u64, file: FileId, doubts: Doubts) -> Body {
    let state = (body, from, doubts);
    Box::pin(stream::unfold(Some(state), move |state| async move {
        let (mut body, at, doubts) = state?;
        match body.next().await {
            Some(Ok(bytes)) => {
                let now = at + bytes.len() as u64;
                if at <= size && now > size {
                    doubts.wrong(file);
                }
                let at = now;
                Some((Ok(bytes), Some((body, at, doubts))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                if at < size {
                    doubts.short(file, at);
                } else {
                    doubts.whole(file);
                }
                None
            }
        }
    }))
}

struct Open {
    sealed: Body,
    opening: Box<dyn Unsealing>,
    skip: u64,
}

/// Takes the seal off and drops what comes before an offset.
pub(super) fn unsealed(
    sealed: Body,
    opening: Box<dyn Unsealing>,
    from: u64,
    file: FileId,
    doubts: Doubts,
) -> Body {
    let open = Open { sealed, opening, skip: from };
    Box::pin(stream::unfold(Some((open, doubts)), move |state| async move {
        let (mut open, doubts) = state?;
        loop {
            let mut plain = Vec::new();
            let more = match open.sealed.next().await {
                Some(Err(error)) => return Some((Err(error), None)),
                Some(Ok(bytes)) => {
                    plain.reserve(bytes.len());
                    open.opening.update(&bytes, &mut plain).map(|()| true)
                }
                None => {
                    // Taken out of the box, for finishing takes it by value.
                    return finished(open, file, &doubts).map(|rest| (rest, None));
                }
            };
            if let Err(error) = more {
                doubts.wrong(file);
                return Some((Err(broken(&error)), None));
            }
            let plain = open.rest_of(plain);
            if !plain.is_empty() {
                return Some((Ok(plain), Some((open, doubts))));
            }
        }
    }))
}

/// The last plain bytes, where there are some.
fn finished(open: Open, file: FileId, doubts: &Doubts) -> Option<Result<Bytes, TransportError>> {
    let Open { opening, mut skip, .. } = open;
    let mut plain = Vec::new();
    if let Err(error) = opening.finish(&mut plain) {
        // A body that ended early is noted where it ended; one that came whole and does not open is not genuine.
        if doubts.of(file).short == 0 {
            doubts.wrong(file);
        }
        return Some(Err(broken(&error)));
    }
    let plain = dropped(plain, &mut skip);
    (!plain.is_empty()).then_some(Ok(plain))
}

impl Open {
    fn rest_of(&mut self, plain: Vec<u8>) -> Bytes {
        dropped(plain, &mut self.skip)
    }
}

fn dropped(plain: Vec<u8>, skip: &mut u64) -> Bytes {
    let mut plain = Bytes::from(plain);
    let drop = usize::try_from(*skip).unwrap_or(usize::MAX).min(plain.len());
    *skip -= drop as u64;
    plain.split_off(drop)
}

fn broken(error: &crate::StoreError) -> TransportError {
    TransportError { stage: Stage::Body, detail: error.detail.clone() }
}
