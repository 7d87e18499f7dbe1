//! The referee: anybody convicts a wrong number, or demands what a provider withholds.

mod close_demand;
mod close_evidence;
mod convict;
mod conviction;
mod open_demand;
mod reveal;
mod timeout;
mod write_evidence;

pub use {
    close_demand::*, close_evidence::*, convict::*, open_demand::*, reveal::*, timeout::*,
    write_evidence::*,
};
