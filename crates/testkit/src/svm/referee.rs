//! What a referee does on a stage: commit to a claim, demand, answer and convict.

pub use super::{
    claim::Claim,
    samples::{OPS_OF_A_LAYER, every_op, product, text, tiny, tiny_of},
};

use {
    super::{Outcome, Stage, actor, addresses, ix, model_args, rates},
    quern::{
        instructions::{NewJob, Submission},
        state::Purse,
    },
    quern_proof::{
        Hash,
        demand::{self, NodeId, Parent},
        evidence::Charge,
        graph, hash,
    },
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

impl Stage {
    /// Registers and seals the graph of a claim, once.
    pub fn model_of(&mut self, claim: &Claim) -> Pubkey {
        let creator = self.cast.creator;
        let id = u64::from_le_bytes(hash::hash(&[&claim.graph])[..8].try_into().unwrap());
        let model = addresses::model(&creator, id);
        if !self.exists(&model) {
            let args = model_args(id, 0);
            for instruction in ix::register_whole_model(&creator, args, &claim.graph) {
                self.ok(instruction);
            }
        }
        model
    }

    /// The usual refereed job for a claim's inputs, at the usual price and bond unless its work asks for more.
    pub fn args_of(&self, claim: &Claim) -> NewJob {
        let (usual, rates) = (self.refereed(), rates());
        let work = graph::seal(&claim.graph).unwrap().work * u64::from(claim.items);
        let gwork = work.div_ceil(1_000_000_000);
        let price_atoms = usual.price_atoms.max(gwork * rates.price_per_gwork_atoms);
        let least_bond = gwork * rates.bond_per_gwork_atoms;
        NewJob {
            price_atoms,
            bond_atoms: usual.bond_atoms.max(least_bond).max(2 * price_atoms),
            items: claim.items,
            input_roots: claim.input_roots(),
            ..usual
        }
    }

    /// An open job for a claim's inputs.
    #[track_caller]
    pub fn created_for(&mut self, claim: &Claim) -> Pubkey {
        let model = self.model_of(claim);
        let (client, usd) = (self.cast.client, self.usd);
        let n = self
            .get::<Purse>(&addresses::purse(&client, &usd))
            .opened
            .get();
        let create = self.create_ix_of(&client, &usd, Some(&model), self.args_of(claim));
        self.ok(create);
        addresses::job(&client, &usd, n)
    }

    /// A job whose provider has committed to a claim.
    #[track_caller]
    pub fn submitted_for(&mut self, claim: &Claim) -> Pubkey {
        let job = self.created_for(claim);
        self.take(&job);
        self.submit_roots(&job, claim.trace_root(), claim.tokens_root());
        job
    }

    /// The provider commits to any root, in a graph without tokens.
    #[track_caller]
    pub fn submit_root(&mut self, job: &Pubkey, trace_root: Hash) {
        self.submit_roots(job, trace_root, hash::MISSING);
    }

    /// The provider commits to any roots.
    #[track_caller]
    pub fn submit_roots(&mut self, job: &Pubkey, trace_root: Hash, tokens_root: Hash) {
        let args = Submission {
            trace_root,
            tokens_root,
            output_uri: "https://out.example/claim".into(),
        };
        let state = self.job(job);
        self.ok(ix::submit(&state.provider, &state, args));
    }

    /// The conviction of a charge with inline evidence, signed by the usual prover.
    pub fn inline(&self, job: &Pubkey, charge: &Charge, evidence: &[u8]) -> Instruction {
        let proof = ix::Proof::Inline(evidence);
        ix::convict(&self.cast.prover, &self.job(job), charge, proof)
    }

    /// An evidence account with these bytes, of this author, written from back to front in transactions of legacy size.
    #[track_caller]
    pub fn write_down(&mut self, author: &Pubkey, name: &str, bytes: &[u8]) -> Pubkey {
        let evidence = actor(&format!("evidence {name}"));
        self.ok_all_of(self.creation_of(author, &evidence, bytes.len()));
        let mut pieces = ix::write_whole_evidence(author, &evidence, bytes);
        pieces.reverse();
        for piece in pieces {
            self.ok(piece);
        }
        evidence
    }

    /// What creates an evidence account with its rent.
    pub fn creation_of(
        &self,
        author: &Pubkey,
        evidence: &Pubkey,
        bytes: usize,
    ) -> Vec<Instruction> {
        let space = ix::evidence_space(bytes);
        let rent = self.svm.minimum_balance_for_rent_exemption(space);
        ix::create_evidence(author, evidence, bytes, rent)
    }

    /// [`super::World::ok_all`], for a list made from the stage itself.
    #[track_caller]
    pub fn ok_all_of(&mut self, instructions: Vec<Instruction>) -> Outcome {
        self.world.ok_all(&instructions)
    }

    /// Whoever asks, which is the prover; parents are found by their demands.
    pub fn demand_ix(&self, job: &Pubkey, claim: &Claim, node_id: &NodeId) -> Instruction {
        let (state, asked) = (
            self.job(job),
            demand::plan(&claim.parsed(), claim.items, node_id).unwrap(),
        );
        let parent = match asked.parent {
            Parent::Answer { node_id, .. } => Some(self.demand_of(job, &node_id)),
            _ => None,
        };
        ix::demand(&self.cast.prover, &state, node_id, parent)
    }

    /// Where a demand about a job's current submission stands.
    pub fn demand_of(&self, job: &Pubkey, node_id: &NodeId) -> Pubkey {
        addresses::demand(job, self.job(job).submissions.get(), node_id)
    }

    /// Asks, and must be allowed to.
    #[track_caller]
    pub fn ask(&mut self, job: &Pubkey, claim: &Claim, node_id: &NodeId) -> Pubkey {
        let instruction = self.demand_ix(job, claim, node_id);
        self.ok(instruction);
        self.demand_of(job, node_id)
    }

    /// The answer to a demand, by the provider's owner.
    pub fn reveal_ix(&self, job: &Pubkey, claim: &Claim, node_id: &NodeId) -> Instruction {
        let (provider, demand) = (self.job(job).provider, self.demand_of(job, node_id));
        ix::reveal(&provider, job, &demand, &claim.answer(node_id))
    }

    /// Answers, and must be allowed to.
    #[track_caller]
    pub fn answer(&mut self, job: &Pubkey, claim: &Claim, node_id: &NodeId) -> Outcome {
        let instruction = self.reveal_ix(job, claim, node_id);
        self.ok(instruction)
    }
}
