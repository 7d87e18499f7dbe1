//! The referee: evidence and convictions, demands and answers.

use {
    super::{build, job_address},
    crate::addresses,
    quern::{
        accounts, instruction,
        state::{Demand, Evidence, Job},
    },
    quern_proof::{demand::NodeId, evidence::Charge},
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
    solana_system_interface::instruction as system,
};

/// Longest piece of evidence that fits into a legacy transaction that its author pays.
pub const MAX_EVIDENCE_PIECE_BYTES: usize = 900;

/// Where a conviction takes its evidence from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof<'a> {
    /// From the instruction itself; the signer is the prover.
    Inline(&'a [u8]),
    /// From this evidence account; its author is the prover.
    Account(Pubkey),
}

/// Creates an evidence account of any size and names its author. Signers: the author, who pays `rent_lamports` (see
/// [`evidence_space`]), and the account itself.
pub fn create_evidence(
    author: &Pubkey,
    evidence: &Pubkey,
    evidence_bytes: usize,
    rent_lamports: u64,
) -> Vec<Instruction> {
    let space = evidence_space(evidence_bytes) as u64;
    let mut first = write_evidence(author, evidence, 0, &[]);
    for meta in &mut first.accounts {
        meta.is_signer |= meta.pubkey == *evidence;
    }
    vec![
        system::create_account(author, evidence, rent_lamports, space, &crate::program_id()),
        first,
    ]
}

/// Size of an evidence account for this many bytes of evidence.
pub const fn evidence_space(evidence_bytes: usize) -> usize {
    Evidence::HEADER_BYTES + evidence_bytes
}

/// Writes a piece of evidence, at most [`MAX_EVIDENCE_PIECE_BYTES`], in any order. Signer: the author.
pub fn write_evidence(
    author: &Pubkey,
    evidence: &Pubkey,
    offset: u32,
    bytes: &[u8],
) -> Instruction {
    let accounts = accounts::WriteEvidence {
        author: *author,
        evidence: *evidence,
    };
    build(
        &accounts,
        &instruction::WriteEvidence { offset, bytes },
        Vec::new(),
    )
}

/// All writes of some evidence, one instruction a piece; they may be sent in any order and at the same time.
pub fn write_whole_evidence(author: &Pubkey, evidence: &Pubkey, bytes: &[u8]) -> Vec<Instruction> {
    (0u32..)
        .step_by(MAX_EVIDENCE_PIECE_BYTES)
        .zip(bytes.chunks(MAX_EVIDENCE_PIECE_BYTES))
        .map(|(offset, piece)| write_evidence(author, evidence, offset, piece))
        .collect()
}

/// Closes an evidence account; all its lamports go to the author. Signer: the author.
pub fn close_evidence(author: &Pubkey, evidence: &Pubkey) -> Instruction {
    let accounts = accounts::CloseEvidence {
        author: *author,
        evidence: *evidence,
    };
    build(&accounts, &instruction::CloseEvidence {}, Vec::new())
}

/// Convicts a result of this charge. Signer: anybody; the prover where the evidence is inline.
pub fn convict(signer: &Pubkey, job: &Job, charge: &Charge, proof: Proof<'_>) -> Instruction {
    let (evidence, inline): (_, &[u8]) = match proof {
        Proof::Inline(bytes) => (None, bytes),
        Proof::Account(address) => (Some(address), &[]),
    };
    let accounts = accounts::Convict {
        signer: *signer,
        job: job_address(job),
        model: job.model,
        evidence,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    let args = instruction::Convict {
        charge: (*charge).into(),
        evidence: inline,
    };
    build(&accounts, &args, Vec::new())
}

/// Asks about the current submission of a job; `parent` is the answered demand that holds the node, none at a root. Signer:
/// the payer of fee and rent.
pub fn demand(payer: &Pubkey, job: &Job, node_id: &NodeId, parent: Option<Pubkey>) -> Instruction {
    let address = job_address(job);
    let accounts = accounts::OpenDemand {
        payer: *payer,
        job: address,
        model: job.model,
        parent,
        demand: addresses::demand(&address, job.submissions.get(), node_id),
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    let args = instruction::OpenDemand {
        node_id: (*node_id).into(),
    };
    build(&accounts, &args, Vec::new())
}

/// Answers a demand. Signer: anybody, who earns the fee.
pub fn reveal(signer: &Pubkey, job: &Pubkey, demand: &Pubkey, answer: &[u8]) -> Instruction {
    let accounts = accounts::Reveal {
        signer: *signer,
        job: *job,
        demand: *demand,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::Reveal { answer }, Vec::new())
}

/// Convicts a provider that left a demand without an answer. Anybody may; nobody signs but the fee payer.
pub fn timeout(job: &Pubkey, demand: &Pubkey) -> Instruction {
    let accounts = accounts::Timeout {
        job: *job,
        demand: *demand,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::Timeout {}, Vec::new())
}

/// Closes a demand of a job that is over; what it holds goes to its opener. Anybody may; nobody signs but the fee payer.
pub fn close_demand(address: &Pubkey, demand: &Demand) -> Instruction {
    let accounts = accounts::CloseDemand {
        demand: *address,
        job: demand.job,
        opener: demand.opener,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::CloseDemand {}, Vec::new())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        crate::send::{Format, largest_size},
        anchor_lang::Discriminator,
        bytemuck::Zeroable,
        quern_proof::{demand::Tree, graph::Operand},
        solana_sdk::instruction::AccountMeta,
    };

    const SIGNER: Pubkey = Pubkey::new_from_array([1; 32]);
    const EVIDENCE: Pubkey = Pubkey::new_from_array([2; 32]);
    const PARENT: Pubkey = Pubkey::new_from_array([3; 32]);
    const MODEL: Pubkey = Pubkey::new_from_array([4; 32]);
    const CELL: Charge = Charge::Cell {
        op: 7,
        row: 8,
        col: 9,
        at: 0,
    };
    const PADDING: Charge = Charge::Padding(NodeId {
        tree: Tree::Trace,
        level: 6,
        index: 63,
    });

    fn job() -> Job {
        let mut job = Job::zeroed();
        job.client = Pubkey::from([5; 32]);
        job.mint = Pubkey::from([6; 32]);
        job.model = MODEL;
        job.submissions = 3u32.into();
        job
    }

    /// Address, whether it signs, whether it is written.
    fn listed(instruction: &Instruction) -> Vec<(Pubkey, bool, bool)> {
        assert_eq!(instruction.program_id, crate::program_id());
        let seen = |meta: &AccountMeta| (meta.pubkey, meta.is_signer, meta.is_writable);
        instruction.accounts.iter().map(seen).collect()
    }

    /// What every instruction that emits an event ends with.
    fn with_event(mut accounts: Vec<(Pubkey, bool, bool)>) -> Vec<(Pubkey, bool, bool)> {
        accounts.push((addresses::event_authority(), false, false));
        accounts.push((crate::program_id(), false, false));
        accounts
    }

    fn data(discriminator: &[u8], args: &[&[u8]]) -> Vec<u8> {
        [discriminator, &args.concat()].concat()
    }

    #[test]
    fn a_new_evidence_account_signs_its_first_write_only() {
        let all = create_evidence(&SIGNER, &EVIDENCE, 50_000, 77);
        let [create, first] = &all[..] else {
            panic!("{all:?}")
        };
        // System `CreateAccount`: its number, lamports, space, owner.
        let program_id = crate::program_id();
        let expected = [
            &0u32.to_le_bytes()[..],
            &77u64.to_le_bytes(),
            &50_040u64.to_le_bytes(),
            program_id.as_ref(),
        ];
        assert_eq!(create.program_id, addresses::SYSTEM_PROGRAM);
        assert_eq!(create.data, expected.concat());
        assert_eq!(
            listed(first),
            [(SIGNER, true, false), (EVIDENCE, true, true)]
        );
        let later = write_evidence(&SIGNER, &EVIDENCE, 900, &[9; 3]);
        assert_eq!(
            listed(&later),
            [(SIGNER, true, false), (EVIDENCE, false, true)]
        );
        let discriminator = instruction::WriteEvidence::DISCRIMINATOR;
        let (offset, length) = (900u32.to_le_bytes(), 3u32.to_le_bytes());
        assert_eq!(
            later.data,
            data(discriminator, &[&offset, &length, &[9; 3]])
        );
        assert_eq!(first.data, data(discriminator, &[&[0; 4], &[0; 4]]));
        assert_eq!(
            listed(&close_evidence(&SIGNER, &EVIDENCE)),
            [(SIGNER, true, true), (EVIDENCE, false, true)]
        );
    }

    #[test]
    fn writes_cover_the_evidence_and_fit() {
        let bytes: Vec<u8> = (0..2_000u32).map(|i| i as u8).collect();
        let all = write_whole_evidence(&SIGNER, &EVIDENCE, &bytes);
        let prefix = instruction::WriteEvidence::DISCRIMINATOR.len();
        let mut found = Vec::new();
        for write in &all {
            let (offset, rest) = write.data[prefix..].split_first_chunk::<4>().unwrap();
            assert_eq!(u32::from_le_bytes(*offset) as usize, found.len());
            found.extend_from_slice(&rest[4..]);
            let size = largest_size(Format::Legacy, std::slice::from_ref(write), &SIGNER);
            assert!(size.unwrap() <= Format::Legacy.max_bytes());
        }
        assert_eq!((all.len(), found), (3, bytes));
        assert!(write_whole_evidence(&SIGNER, &EVIDENCE, &[]).is_empty());
        // So do the creation and the end.
        let ends = [
            convict(&SIGNER, &job(), &PADDING, Proof::Account(EVIDENCE)),
            close_evidence(&SIGNER, &EVIDENCE),
        ];
        for all in [&create_evidence(&SIGNER, &EVIDENCE, 1, 1)[..], &ends] {
            let size = largest_size(Format::Legacy, all, &SIGNER);
            assert!(size.unwrap() <= Format::Legacy.max_bytes());
        }
    }

    #[test]
    fn a_conviction_carries_its_evidence_or_names_it() {
        let (job, address) = (job(), job_address(&job()));
        let accounts = |evidence| {
            with_event(vec![
                (SIGNER, true, false),
                (address, false, true),
                (MODEL, false, false),
                (evidence, false, false),
            ])
        };
        let inline = convict(&SIGNER, &job, &CELL, Proof::Inline(&[1, 2]));
        // Anchor writes the program's address where an optional account is left out.
        assert_eq!(listed(&inline), accounts(crate::program_id()));
        let args: &[&[u8]] = &[
            &[0, 7, 0],
            &8u32.to_le_bytes(),
            &9u32.to_le_bytes(),
            &0u32.to_le_bytes(),
            &2u32.to_le_bytes(),
            &[1, 2],
        ];
        assert_eq!(inline.data, data(instruction::Convict::DISCRIMINATOR, args));

        let named = convict(&SIGNER, &job, &PADDING, Proof::Account(EVIDENCE));
        assert_eq!(listed(&named), accounts(EVIDENCE));
        let args: &[&[u8]] = &[&[1, 255, 255, 6], &63u64.to_le_bytes(), &0u32.to_le_bytes()];
        assert_eq!(named.data, data(instruction::Convict::DISCRIMINATOR, args));
    }

    #[test]
    fn evidence_of_a_long_row_fits_into_one_v1_transaction() {
        // One cell of a 1000 x 1000 x 1000 product.
        let convict = [convict(&SIGNER, &job(), &CELL, Proof::Inline(&[0; 3_248]))];
        let size = |format| largest_size(format, &convict, &SIGNER).unwrap();
        assert!(size(Format::V1) <= 4_096, "{}", size(Format::V1));
        assert!(size(Format::Legacy) > 1_232);
    }

    #[test]
    fn a_demand_is_about_the_current_submission() {
        let (job, address) = (job(), job_address(&job()));
        let node_id = NodeId {
            tree: Tree::Data(Operand::Op(2)),
            level: 4,
            index: 11,
        };
        let demanded = addresses::demand(&address, 3, &node_id);
        for (parent, listed_as) in [(None, crate::program_id()), (Some(PARENT), PARENT)] {
            let instruction = demand(&SIGNER, &job, &node_id, parent);
            let expected = with_event(vec![
                (SIGNER, true, true),
                (address, false, true),
                (MODEL, false, false),
                (listed_as, false, false),
                (demanded, false, true),
                (addresses::SYSTEM_PROGRAM, false, false),
            ]);
            assert_eq!(listed(&instruction), expected);
            let args: &[&[u8]] = &[&[2, 0, 4], &11u64.to_le_bytes()];
            assert_eq!(
                instruction.data,
                data(instruction::OpenDemand::DISCRIMINATOR, args)
            );
        }
        assert_ne!(demanded, addresses::demand(&address, 4, &node_id));
    }

    #[test]
    fn answers_and_ends_of_a_demand() {
        let (job, mut demand) = (Pubkey::from([7; 32]), Demand::zeroed());
        (demand.job, demand.opener) = (job, Pubkey::from([8; 32]));
        let revealed = reveal(&SIGNER, &job, &PARENT, &[1; 512]);
        let expected = [
            (SIGNER, true, true),
            (job, false, true),
            (PARENT, false, true),
        ];
        assert_eq!(listed(&revealed), with_event(expected.to_vec()));
        let args: &[&[u8]] = &[&512u32.to_le_bytes(), &[1; 512]];
        assert_eq!(
            revealed.data,
            data(instruction::Reveal::DISCRIMINATOR, args)
        );
        let size = largest_size(Format::Legacy, &[revealed], &SIGNER).unwrap();
        assert!(size <= Format::Legacy.max_bytes());
        assert_eq!(
            listed(&timeout(&job, &PARENT)),
            with_event(vec![(job, false, true), (PARENT, false, false)])
        );
        assert_eq!(
            listed(&close_demand(&PARENT, &demand)),
            with_event(vec![
                (PARENT, false, true),
                (job, false, false),
                (demand.opener, false, true)
            ])
        );
    }
}
