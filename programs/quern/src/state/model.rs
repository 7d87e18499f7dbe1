//! A model, agent or data set with an owner who earns royalties; for refereed work it holds its whole graph.

use {
    crate::{
        codes::{codes, known},
        constants::{MAX_GROWTH_BYTES, MAX_ROYALTY_BPS},
        error::QuernError,
        state::{Entity, EntityKind, tail},
    },
    anchor_lang::prelude::*,
    quern_proof::graph::Sealed,
};

codes! {
    /// What kind of asset a model account stands for.
    pub enum AssetKind: "kind of asset" {
        /// A model
        Model = 1 "model",
        /// An agent
        Agent = 2 "agent",
        /// A data set
        DataSet = 3 "data_set",
    }
}

/// The fixed part of a model account; `graph_bytes` bytes of graph follow it, fewer until all of them are written.
#[account]
#[derive(Debug)]
pub struct Model {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// [`AssetKind`].
    pub kind: u8,
    /// Whether the graph has been checked and is fixed for ever.
    pub sealed: PodBool,
    /// Whether new jobs may use it.
    pub active: PodBool,
    /// Zero.
    pub reserved: u8,
    /// Royalty in basis points of the price, at most 5,000.
    pub royalty_bps: PodU16,
    /// Change counter.
    pub seq: PodU64,
    /// Who created it; part of the address.
    pub creator: Address,
    /// The creator's number for it; part of the address.
    pub id: PodU64,
    /// Who earns the royalty and may change it.
    pub owner: Address,
    /// Who may become the owner by signing, or nobody.
    pub pending_owner: Address,
    /// UTF-8, padded with zero bytes.
    pub name: [u8; 32],
    /// SHA-256 of where weights and description are; the event carries the text.
    pub uri_hash: [u8; 32],
    /// Work of an item.
    pub work: PodU64,
    /// Bytes of all results of an item.
    pub trace_bytes: PodU64,
    /// Length of the graph that follows once all of it is written, 0 for assets without one.
    pub graph_bytes: PodU32,
    /// Most rows that an item input or a result has in one item.
    pub most_rows: PodU32,
    /// Zero.
    pub reserved_tail: [u8; 28],
}

impl Model {
    /// First seed.
    pub const SEED: &'static [u8] = b"model";
    /// Size of the fixed part with the discriminator: where the graph begins.
    pub const GRAPH_OFFSET: usize = 8 + core::mem::size_of::<Self>();

    /// Address and bump for a creator and id.
    pub fn find_address(program_id: &Address, creator: &Address, id: u64) -> (Address, u8) {
        Address::find_program_address(
            &[Self::SEED, creator.as_ref(), &id.to_le_bytes()],
            program_id,
        )
    }

    /// What kind of asset it is.
    pub fn kind(&self) -> AssetKind {
        known(self.kind)
    }

    /// Account size for a graph of this many bytes.
    pub const fn space(graph_bytes: u32) -> usize {
        Self::GRAPH_OFFSET + graph_bytes as usize
    }

    /// Account size that an instruction can reach from `now` on the way to the whole graph: an account grows by at most
    /// [`MAX_GROWTH_BYTES`] in one.
    pub const fn grown(now: usize, graph_bytes: u32) -> usize {
        let (most, whole) = (now + MAX_GROWTH_BYTES, Self::space(graph_bytes));
        if most < whole { most } else { whole }
    }

    /// What `seal` found out about the graph; nothing before.
    pub fn costs(&self) -> Sealed {
        Sealed {
            work: self.work.get(),
            trace_bytes: self.trace_bytes.get(),
            most_rows: self.most_rows.get(),
        }
    }

    /// The graph within the account's data, or nothing if the data are cut short.
    pub fn graph_of(data: &[u8], graph_bytes: u32) -> Option<&[u8]> {
        data.get(Self::GRAPH_OFFSET..Self::space(graph_bytes))
    }
}

/// The graph of a loaded model; fails until all of it is written.
#[inline(never)]
pub fn model_graph(model: &Account<Model>) -> Result<&[u8]> {
    tail(model)?
        .get(..model.graph_bytes.get() as usize)
        .ok_or(QuernError::ModelTooShort.into())
}

impl Entity for Model {
    const KIND: EntityKind = EntityKind::Model;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        self.royalty_bps.get() <= MAX_ROYALTY_BPS
    }
    fn has_known_codes(&self) -> bool {
        AssetKind::from_code(self.kind).is_some()
    }
}
