//! What ends the work on a batch early.

use {crate::http::ids, std::time::Duration, tokio::sync::watch};

/// What ends work early.
#[derive(Clone)]
pub struct Signals {
    stop: watch::Receiver<bool>,
    cancel: watch::Receiver<bool>,
}

/// Why work ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The gateway stops; the batch goes on later.
    Stopped,
    /// The application cancelled it.
    Cancelled,
    /// Its window passed.
    Expired,
}

impl Signals {
    #[allow(missing_docs)]
    pub fn new(stop: watch::Receiver<bool>, cancel: watch::Receiver<bool>) -> Self {
        Self { stop, cancel }
    }

    /// Waits until work must end.
    pub async fn interrupted(&mut self, expires_at: Option<i64>) -> Interruption {
        let left = expires_at.map(|at| u64::try_from(at - ids::now()).unwrap_or(0));
        let expired = async {
            match left {
                Some(secs) => tokio::time::sleep(Duration::from_secs(secs)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // An error means that the runner is gone: then this ends, too.
            _ = self.stop.wait_for(|stop| *stop) => Interruption::Stopped,
            Ok(_) = self.cancel.wait_for(|cancel| *cancel) => Interruption::Cancelled,
            () = expired => Interruption::Expired,
        }
    }
}
