//! The gateway over a market in memory: money, faults, and kills at every point of its journal.

mod kills;
mod market;
mod money;
mod world;
