//! What can go wrong with a local network.

use {quern_client::ClientError, std::path::PathBuf};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, LocalNetError>;

/// Everything that can go wrong with a local network, each with what to do.
#[derive(Debug, thiserror::Error)]
pub enum LocalNetError {
    /// Somebody else listens there.
    #[error(
        "port {0} is in use; stop the other network, or choose another port with --rpc-port and --ws-port"
    )]
    PortInUse(u16),
    /// The port cannot be used at all.
    #[error(
        "port {port} cannot be used ({reason}); choose another port with --rpc-port and --ws-port"
    )]
    Port {
        /// Which one.
        port: u16,
        /// What the system says.
        reason: String,
    },
    /// The network did not come up.
    #[error("the local network did not start: {0}; run it again, and report it if it stays so")]
    Start(String),
    /// The program's file.
    #[error("cannot use the program {path} ({reason}); build it with `cargo xtask build-program`", path = path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Time runs forward only.
    #[error("time can only be moved forward, and by at least one second")]
    Backwards,
    /// A request to the network.
    #[error(transparent)]
    Client(#[from] ClientError),
}
