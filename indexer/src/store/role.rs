//! What a process does with a store.

/// What a process does with a store. One writes at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Follow the chain and write; refuse to start while another process does
    #[default]
    Leader,
    /// The same, but wait until no other process writes
    Standby,
    /// Serve what another process writes, and never write
    Replica,
}
