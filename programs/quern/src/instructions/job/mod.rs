//! Jobs: from escrow to settlement. The picture is in the design; each arrow of it is one file here.

mod accept;
mod cancel;
mod create;
mod expire;
mod finalize;
mod reject;
mod resolve;
mod settle_conviction;
mod settlement;
mod submit;
mod take;

pub use {
    accept::*, cancel::*, create::*, expire::*, finalize::*, reject::*, resolve::*,
    settle_conviction::*, submit::*, take::*,
};

pub(crate) use settlement::roll_epoch;
