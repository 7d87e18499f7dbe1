//! Models: registered, written in pieces, sealed for ever, handed over in two steps.

use {
    super::build,
    crate::addresses,
    quern::{
        accounts, instruction,
        instructions::{ModelSettings, NewModel},
    },
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

/// Longest piece of a graph that fits into a transaction beside signature, accounts and compute budget.
pub const MAX_PIECE_BYTES: usize = 880;

/// Registers a model at [`addresses::model`] of creator and `args.id`. Signer: the creator, who pays.
pub fn register_model(creator: &Pubkey, args: NewModel) -> Instruction {
    let accounts = accounts::RegisterModel {
        creator: *creator,
        protocol: addresses::protocol(),
        model: addresses::model(creator, args.id),
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::RegisterModel { args }, Vec::new())
}

/// Writes a piece of a graph, at most [`MAX_PIECE_BYTES`]. Signer: the model's owner, who pays the rent of what it grows by.
pub fn write_model(owner: &Pubkey, model: &Pubkey, offset: u32, bytes: &[u8]) -> Instruction {
    let accounts = accounts::WriteModel {
        owner: *owner,
        model: *model,
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::WriteModel { offset, bytes },
        Vec::new(),
    )
}

/// Checks a graph and fixes it for ever, if it is this one that was written. Signer: the model's owner.
pub fn seal_model(owner: &Pubkey, model: &Pubkey, graph: &[u8]) -> Instruction {
    let accounts = accounts::SealModel {
        owner: *owner,
        model: *model,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    let graph_hash = anchor_lang::sha256(graph);
    build(
        &accounts,
        &instruction::SealModel { graph_hash },
        Vec::new(),
    )
}

/// Changes royalty, state and URI for new jobs, or names who may take the model over ([`super::NOBODY`] withdraws that); what
/// is left out stays. Signer: the model's owner.
pub fn update_model(
    owner: &Pubkey,
    model: &Pubkey,
    settings: Option<ModelSettings>,
    pending_owner: Option<Pubkey>,
) -> Instruction {
    let accounts = accounts::UpdateModel {
        owner: *owner,
        model: *model,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    let args = instruction::UpdateModel {
        settings,
        pending_owner,
    };
    build(&accounts, &args, Vec::new())
}

/// Takes a model over. Signer: who was proposed.
pub fn accept_model_owner(proposed: &Pubkey, model: &Pubkey) -> Instruction {
    let accounts = accounts::AcceptModelOwner {
        proposed: *proposed,
        model: *model,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::AcceptModelOwner {}, Vec::new())
}

/// All writes of a graph, one instruction a piece, in order: the account grows with them.
pub fn write_graph(owner: &Pubkey, model: &Pubkey, graph: &[u8]) -> Vec<Instruction> {
    (0u32..)
        .step_by(MAX_PIECE_BYTES)
        .zip(graph.chunks(MAX_PIECE_BYTES))
        .map(|(offset, piece)| write_model(owner, model, offset, piece))
        .collect()
}

/// Everything that brings a model with a graph onto the chain, in order: register, write, seal. Without a graph
/// it only registers. `args.graph_bytes` is set here.
pub fn register_whole_model(
    creator: &Pubkey,
    mut args: NewModel,
    graph: &[u8],
) -> Vec<Instruction> {
    // A longer graph than fits into u32 is refused by the program like any other that is too long.
    args.graph_bytes = u32::try_from(graph.len()).unwrap_or(u32::MAX);
    let model = addresses::model(creator, args.id);
    let mut instructions = vec![register_model(creator, args)];
    if !graph.is_empty() {
        instructions.extend(write_graph(creator, &model, graph));
        instructions.push(seal_model(creator, &model, graph));
    }
    instructions
}
