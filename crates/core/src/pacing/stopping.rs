//! Waiting that ends when somebody asks to stop.
//!
//! What may be sent at once is sent all the same, so that work under way comes to its end; what would have to
//! wait is given up, and left to the next process.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Cost, Lane, Permit};

impl Lane {
    /// Takes the token that is set when somebody asks to stop. The first one given holds.
    pub fn heed(&self, stop: CancellationToken) {
        // A second one would be that of the same process.
        let _first = self.stop.set(stop);
    }

    /// The token that this lane heeds, for other lanes of the same connection.
    #[must_use]
    pub fn heeded(&self) -> Option<&CancellationToken> {
        self.stop.get()
    }

    /// Waits as [`Lane::admit`] does; `None` where somebody asks to stop before the request may be sent.
    pub async fn admit_or_stop(self: &Arc<Self>, cost: Cost) -> Option<Permit> {
        // Dropping the wait charges nothing; dropping the other loses nothing.
        tokio::select! {
            biased;
            permit = self.admit(cost) => Some(permit),
            () = self.stopped() => None,
        }
    }

    /// Waits so long; `false` where somebody asks to stop before it is over.
    pub async fn rest(&self, pause: Duration) -> bool {
        // Both only wait.
        tokio::select! {
            biased;
            () = self.stopped() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    async fn stopped(&self) {
        match self.stop.get() {
            Some(stop) => stop.cancelled().await,
            None => std::future::pending().await,
        }
    }
}
