//! Jobs: from escrow to settlement. The picture is in the design; each arrow of it is one file here or in `dispute`.

mod cancel;
mod create;
mod expire;
mod finalize;
mod settle_conviction;
mod submit;
mod take;

pub use {cancel::*, create::*, expire::*, finalize::*, settle_conviction::*, submit::*, take::*};
