//! Why something is refused. The numbers are wire format and never change.

mod charge;
mod demand;
mod seal;

pub use charge::Refusal;
pub use demand::DemandError;
pub use seal::{Fault, Place, SealError};
