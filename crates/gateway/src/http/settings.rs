//! Where and how HTTP is served.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Where and how HTTP is served.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// A loopback address, or another one with `is_remote_allowed`.
    pub listen: SocketAddr,
    /// Whether other machines may connect. Everything then goes over the network in the clear, the key too.
    pub is_remote_allowed: bool,
    /// Names beside the loopback ones under which requests may come.
    pub hosts: Vec<String>,
    /// Where files, batches and the API key are kept.
    pub state: PathBuf,
    /// How long a request waits for its answer. It goes on afterwards, and its repetition gets the answer.
    pub patience: Duration,
    /// How long is waited for what clients send.
    pub waits: Waits,
}

impl HttpSettings {
    /// The usual settings.
    pub fn new(listen: SocketAddr, state: PathBuf) -> Self {
        Self {
            listen,
            is_remote_allowed: false,
            hosts: Vec::new(),
            state,
            patience: Duration::from_secs(600),
            waits: Waits::default(),
        }
    }
}

/// How long is waited for what clients send. Each wait holds a place that another request might need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// For the head of a request, and for the next request of a connection.
    pub head: Duration,
    /// For a whole JSON body.
    pub body: Duration,
    /// For the next bytes of an upload.
    pub silence: Duration,
    /// For a whole upload.
    pub upload: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            head: quern_serve::HEAD_TIME,
            body: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            upload: Duration::from_secs(10 * 60),
        }
    }
}
