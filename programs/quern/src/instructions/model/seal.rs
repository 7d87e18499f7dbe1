//! Checks a graph once and fixes it for ever.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL refuse whatever cannot be evaluated and judged (`quern_proof::graph::seal`), naming the cause.
//! - SHALL refuse a graph other than the one whose hash the owner signed: a piece may land late.
//! - SHALL refuse a graph that is shorter than its registered length.
//! - SHALL record the work that jobs are priced by, the bytes of results and the most rows, all of one item.

use {
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{ModelSealed, emit_event},
        state::{Model, changed, changes, model_graph},
    },
    anchor_lang::{prelude::*, sha256},
    quern_proof::graph,
};

/// Accounts of `seal_model`.
#[event_cpi]
#[derive(Accounts)]
pub struct SealModel {
    /// The model's owner.
    #[account(address = model.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The model.
    #[account(mut)]
    pub model: Account<Model>,
}

/// Checks and seals.
pub fn handle_seal_model(ctx: &mut Context<SealModel>, graph_hash: [u8; 32]) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let model = &mut ctx.accounts.model;
    require!(!model.sealed.get(), QuernError::ModelSealed);
    let bytes = model_graph(model)?;
    require!(sha256(bytes) == graph_hash, QuernError::GraphDiffers);
    let sealed = graph::seal(bytes).or_quern()?;
    model.work = sealed.work.into();
    model.trace_bytes = sealed.trace_bytes.into();
    model.most_rows = sealed.most_rows.into();
    model.sealed = true.into();

    let address = *model.address();
    let changes = changes![changed(model)];
    emit_event!(
        ctx,
        ModelSealed {
            at,
            model: address,
            graph_hash,
            changes
        }
    );
    Ok(())
}
