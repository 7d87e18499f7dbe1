//! Registers a model and makes room for its graph, at most 10,240 bytes at first.
//!
//! # Specification
//! - SHALL be refused while the protocol is paused.
//! - SHALL put the creator into the address, so that nobody can squat on another's number.
//! - SHALL refuse a royalty above the highest allowed and a graph above the largest allowed.

// The derive repeats the instruction's arguments in functions that use only some of them.
#![allow(unused_variables)]

use {
    crate::{
        clock::Moment,
        constants::{MAX_GRAPH_BYTES, MAX_ROYALTY_BPS},
        error::QuernError,
        events::{ModelRegistered, emit_event},
        state::{AssetKind, LAYOUT_VERSION, Model, Protocol, changed, changes},
        text,
    },
    anchor_lang::prelude::*,
};

/// A model's entry.
#[derive(Clone, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct NewModel {
    /// The creator's number for it.
    pub id: u64,
    /// Length of its graph in bytes, 0 for assets without one; the graph is sealed at this length or never.
    pub graph_bytes: u32,
    /// Code of [`AssetKind`].
    pub kind: u8,
    /// Royalty in basis points of the price.
    pub royalty_bps: u16,
    /// 1 to 32 bytes of UTF-8.
    pub name: String,
    /// Where weights and description are, at most 200 bytes.
    pub uri: String,
}

/// Accounts of `register_model`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(args: NewModel)]
pub struct RegisterModel {
    /// Creator and first owner; pays the rent.
    #[account(mut)]
    pub creator: Signer,
    /// The protocol; there is only one account of this type.
    pub protocol: Account<Protocol>,
    /// The model, created here with room for its graph, or for as much of it as one instruction may make.
    #[account(
        init,
        payer = creator,
        space = Model::grown(0, args.graph_bytes),
        seeds = [Model::SEED, creator.address().as_ref(), &args.id.to_le_bytes()],
        bump,
    )]
    pub model: Account<Model>,
    /// Creates accounts.
    pub system_program: Program<System>,
}

impl RegisterModel {
    fn validate(&self, args: &NewModel) -> Result<()> {
        require!(!self.protocol.paused.get(), QuernError::Paused);
        require!(
            args.graph_bytes <= MAX_GRAPH_BYTES,
            QuernError::ModelOutOfRoom
        );
        require!(
            args.royalty_bps <= MAX_ROYALTY_BPS,
            QuernError::ShareTooHigh
        );
        require!(
            AssetKind::from_code(args.kind).is_some(),
            QuernError::UnknownKind
        );
        Ok(())
    }
}

/// Writes the entry.
pub fn handle_register_model(ctx: &mut Context<RegisterModel>, args: NewModel) -> Result<()> {
    ctx.accounts.validate(&args)?;
    let at = Moment::without_restart()?.now;
    let bump = ctx.bumps.model;
    let creator = *ctx.accounts.creator.address();
    let model = &mut ctx.accounts.model;
    model.version = LAYOUT_VERSION;
    model.bump = bump;
    model.kind = args.kind;
    model.active = true.into();
    model.royalty_bps = args.royalty_bps.into();
    model.creator = creator;
    model.id = args.id.into();
    model.owner = creator;
    model.name = text::name(&args.name)?;
    model.uri_hash = text::uri_hash(&args.uri)?;
    model.graph_bytes = args.graph_bytes.into();

    let changes = changes![changed(model)];
    emit_event!(
        ctx,
        ModelRegistered {
            at,
            creator,
            id: args.id,
            uri: args.uri,
            changes
        }
    );
    Ok(())
}
