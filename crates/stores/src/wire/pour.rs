//! Sending a stretch of bytes that can be read again: streamed, never held whole, from its start at every try.
//!
//! Owns the guard over the stream: exactly the announced number of bytes goes out, and where the source gives
//! fewer the connection is broken rather than the rest made up. Refuses to know where the bytes come from.

use futures_util::StreamExt as _;
use landfall_core::StoreError;
use landfall_core::store::Reread;
use landfall_core::transport::{Body, Stage, TransportError};

use super::call::{Answer, Call};
use super::send::{Tries, Wire, broken, expected_length, guarded};
use super::tokens::Token;

/// A stretch of a content, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: u64,
    pub(crate) length: u64,
}

impl Wire {
    /// Sends a stretch of a content as the call's body and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// As [`Wire::send`], and where the content itself cannot be opened.
    pub(crate) async fn pour(
        &self,
        call: &Call,
        content: &dyn Reread,
        stretch: Stretch,
    ) -> Result<Answer, StoreError> {
        let mut tries = Tries::begin();
        loop {
            // Opened before admission, so that a slow disk holds no permit.
            let body = exactly(content.open(stretch.from).await?, stretch.length);
            let (permit, token) = self.enter(call).await?;
            let outcome = self.poured(call, token.as_ref(), stretch.length, body).await;
            let seen = outcome.as_ref().map(Some);
            if !self.settle(call, &mut tries, permit, seen, token.as_ref()).await? {
                return outcome.map_err(|error| broken(call, error));
            }
        }
    }

    async fn poured(
        &self,
        call: &Call,
        token: Option<&Token>,
        length: u64,
        body: Body,
    ) -> Result<Answer, TransportError> {
        let mut head = self.request(call, token)?.map(drop);
        head.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
        self.parts.meter.sent_more(length);
        let response = self.parts.transport.send_stream(head, length, body).await?;
        let (head, body) = response.into_parts();
        let body = self.collect(guarded(body, expected_length(&head.headers), &self.parts.meter)).await?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// The first `length` bytes of a body; an error where there are fewer.
fn exactly(body: Body, length: u64) -> Body {
    Box::pin(futures_util::stream::unfold((body, length, false), |(mut body, left, over)| async move {
        if over || left == 0 {
            return None;
        }
        match body.next().await {
            Some(Ok(mut piece)) => {
                let size = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                piece.truncate(size);
                Some((Ok(piece), (body, left - size as u64, false)))
            }
            Some(Err(error)) => Some((Err(error), (body, left, true))),
            None => {
                let detail = format!("the content ends {left} bytes early");
                Some((Err(TransportError { stage: Stage::Body, detail }), (body, left, true)))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn body(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        Box::pin(futures_util::stream::iter(pieces))
    }

    #[tokio::test]
    async fn exactly_the_announced_bytes_go_out() {
        let sent: Vec<_> = exactly(body(&["録音", "abc", "de"]), 8).collect().await;
        let sent: Vec<u8> = sent.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(sent, "録音ab".as_bytes());
        let short: Vec<_> = exactly(body(&["abc"]), 5).collect().await;
        assert!(short.last().unwrap().is_err(), "a content that ends early must not look whole");
    }
}
