//! The line that all downloads share, where the simulator is told to have a narrow one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt as _;
use http::Response;
use tokio::time::{Instant, sleep_until};

use crate::sim::Sim;

/// So many bytes a second, whoever asks for them; who asks first is served first.
#[derive(Debug)]
pub(crate) struct Line {
    bytes_per_second: u64,
    free: Mutex<Option<Instant>>,
}

impl Line {
    /// `None` where the line is as wide as the machine lets it be.
    pub(crate) fn of(bytes_per_second: Option<u64>) -> Option<Self> {
        let bytes_per_second = bytes_per_second.filter(|rate| *rate > 0)?;
        Some(Self { bytes_per_second, free: Mutex::default() })
    }

    /// Waits until so many bytes more have passed.
    async fn pass(&self, bytes: usize) {
        let until = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.bytes_per_second);
            let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            let until = free.map_or(now, |free| free.max(now)) + takes;
            *free = Some(until);
            until
        };
        sleep_until(until).await;
    }
}

/// The reply, its body as slow as the line.
pub(crate) fn on_line(sim: &Sim, reply: Response<Body>) -> Response<Body> {
    if sim.line().is_none() {
        return reply;
    }
    let sim = sim.clone();
    reply.map(|body| {
        Body::from_stream(body.into_data_stream().then(move |piece| {
            let sim = sim.clone();
            async move {
                if let (Some(line), Ok(bytes)) = (sim.line(), &piece) {
                    line.pass(bytes.len()).await;
                }
                piece
            }
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_who_share_a_line_take_as_long_as_one_who_takes_both() {
        let line = Line::of(Some(1_000_000)).unwrap();
        let begun = Instant::now();
        let half = async {
            for _ in 0..10 {
                line.pass(100_000).await;
            }
        };
        let other = async {
            for _ in 0..10 {
                line.pass(100_000).await;
            }
        };
        tokio::join!(half, other);
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2010), "{took:?}");
        assert!(Line::of(None).is_none() && Line::of(Some(0)).is_none());
    }
}
