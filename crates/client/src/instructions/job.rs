//! Jobs: from escrow to settlement. All addresses come out of the decoded [`Job`]. A decision is about the job as it was read:
//! it fails with `JobMoved` if anything happened to the job since.

use {
    super::{NOBODY, build, campaign, purses_of, push_new, readable, writable},
    crate::addresses,
    quern::{
        accounts, instruction,
        instructions::{Decision, NewJob, Submission},
        state::{Emission, Job, JobState, Model, Protocol},
    },
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

/// The address of a decoded job.
pub fn job_address(job: &Job) -> Pubkey {
    addresses::job(&job.client, &job.mint, job.n.get())
}

/// Purses that must exist before a job of `client` can be created: the client's, the treasury's, the royalty owner's.
pub fn purses_of_creation(
    client: &Pubkey,
    mint: &Pubkey,
    protocol: &Protocol,
    model: Option<&Model>,
) -> Vec<Pubkey> {
    let royalty_owner = model.map_or(NOBODY, |model| model.owner);
    purses_of(&[*client, protocol.treasury_owner, royalty_owner], mint)
}

/// Creates the job number `n` (the `opened` counter of the client's purse) in a mint, on the terms of `protocol` and `model` as
/// they were read: it fails if others are in force. Signer: the client, who pays the rent.
pub fn create_job(
    client: &Pubkey,
    mint: &Pubkey,
    n: u64,
    protocol: &Protocol,
    model: Option<(&Pubkey, &Model)>,
    args: NewJob,
) -> Instruction {
    let purse = addresses::purse(client, mint);
    let accounts = accounts::CreateJob {
        client: *client,
        protocol: addresses::protocol(),
        emission: addresses::emission(),
        mint_config: addresses::mint_config(mint),
        purse,
        model: model.map(|(address, _)| *address),
        job: addresses::job(client, mint, n),
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    let mut others = purses_of_creation(client, mint, protocol, model.map(|(_, model)| model));
    others.retain(|other| *other != purse);
    if args.campaign != NOBODY {
        others.insert(0, args.campaign);
    }
    let (royalty_owner, royalty_bps) = model.map_or((NOBODY, 0), |(_, model)| {
        (model.owner, model.royalty_bps.get())
    });
    let terms_hash = protocol
        .terms
        .hash(&protocol.treasury_owner, &royalty_owner, royalty_bps);
    build(
        &accounts,
        &instruction::CreateJob { args, terms_hash },
        readable(others),
    )
}

/// Cancels an open job. Signer: its client.
pub fn cancel_job(job: &Job) -> Instruction {
    let accounts = accounts::CancelJob {
        client: job.client,
        purse: addresses::purse(&job.client, &job.mint),
        job: job_address(job),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::CancelJob { seen: job.seen() },
        Vec::new(),
    )
}

/// Takes an open job for the provider of `provider_owner`. Signer: that owner or its operator.
pub fn take_job(signer: &Pubkey, provider_owner: &Pubkey, job: &Job) -> Instruction {
    let accounts = accounts::TakeJob {
        signer: *signer,
        protocol: addresses::protocol(),
        provider: addresses::provider(provider_owner),
        purse: addresses::purse(provider_owner, &job.mint),
        job: job_address(job),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::TakeJob { seen: job.seen() },
        campaign::shown(job, provider_owner),
    )
}

/// Commits to a result. Signer: the provider's owner or operator.
pub fn submit(signer: &Pubkey, job: &Job, args: Submission) -> Instruction {
    let accounts = accounts::Submit {
        signer: *signer,
        provider: addresses::provider(&job.provider),
        job: job_address(job),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::Submit {
            seen: job.seen(),
            args,
        },
        Vec::new(),
    )
}

/// Accepts a milestone at once: [`finalize`] with the signature of the client of a reviewed job. Signer: the job's client.
pub fn accept(job: &Job, emission: &Emission) -> Instruction {
    finalize(&job.client, job, emission)
}

/// Pays a milestone that nobody refuted in time. Signer: the provider, after the grace time anybody; the client of a reviewed
/// job at any time, see [`accept`].
pub fn finalize(signer: &Pubkey, job: &Job, emission: &Emission) -> Instruction {
    let accounts = accounts::Finalize {
        signer: *signer,
        job: job_address(job),
        provider: addresses::provider(&job.provider),
        emission: addresses::emission(),
        client: job.client,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    let mut others = campaign::named(job, &job.provider);
    others.extend(purses_of_settlement(job, emission));
    build(
        &accounts,
        &instruction::Finalize { seen: job.seen() },
        writable(others),
    )
}

/// Rejects a milestone and calls the arbiter. Signer: the job's client.
pub fn reject(job: &Job, reason: String) -> Instruction {
    let accounts = accounts::Reject {
        client: job.client,
        purse: addresses::purse(&job.client, &job.mint),
        job: job_address(job),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::Reject {
            seen: job.seen(),
            reason,
        },
        Vec::new(),
    )
}

/// Decides about a rejected milestone. Signer: the job's arbiter.
pub fn resolve(job: &Job, decision: Decision) -> Instruction {
    let accounts = accounts::Resolve {
        arbiter: job.arbiter,
        job: job_address(job),
        provider: addresses::provider(&job.provider),
        client: job.client,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::Resolve {
            seen: job.seen(),
            decision,
        },
        writable(purses_of(&owners_of_resolution(job), &job.mint)),
    )
}

/// Ends a wait whose deadline has passed. Anybody may; nobody signs but the fee payer.
pub fn expire(job: &Job) -> Instruction {
    let has_provider = job.provider != NOBODY;
    let accounts = accounts::Expire {
        job: job_address(job),
        provider: has_provider.then(|| addresses::provider(&job.provider)),
        client: job.client,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::Expire {},
        writable(purses_of(&owners_of_expiry(job), &job.mint)),
    )
}

/// Pays out a recorded conviction. Anybody may; nobody signs but the fee payer.
pub fn settle_conviction(job: &Job) -> Instruction {
    let accounts = accounts::SettleConviction {
        job: job_address(job),
        provider: addresses::provider(&job.provider),
        client: job.client,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::SettleConviction {},
        writable(purses_of(&owners_of_conviction(job), &job.mint)),
    )
}

/// Purses that `finalize` touches.
fn purses_of_settlement(job: &Job, emission: &Emission) -> Vec<Pubkey> {
    let mut purses = purses_of(
        &[
            job.client,
            job.provider,
            job.treasury_owner,
            job.royalty_owner,
        ],
        &job.mint,
    );
    if emission.is_configured() {
        push_new(
            &mut purses,
            addresses::purse(&addresses::emission(), &emission.reward_mint),
        );
    }
    purses
}

/// Owners of the purses, in the job's mint, that `resolve` touches.
pub fn owners_of_resolution(job: &Job) -> Vec<Pubkey> {
    vec![
        job.client,
        job.provider,
        job.arbiter,
        job.treasury_owner,
        job.royalty_owner,
    ]
}

/// Owners of the purses, in the job's mint, that `settle_conviction` touches.
pub fn owners_of_conviction(job: &Job) -> Vec<Pubkey> {
    vec![job.client, job.provider, job.prover, job.treasury_owner]
}

/// Owners of the purses, in the job's mint, that `expire` touches in the job's present state.
pub fn owners_of_expiry(job: &Job) -> Vec<Pubkey> {
    match job.state() {
        JobState::Rejected => {
            vec![
                job.client,
                job.provider,
                job.treasury_owner,
                job.royalty_owner,
                addresses::burn_owner(),
            ]
        }
        JobState::Taken => vec![job.client, job.provider],
        JobState::Open | JobState::Submitted | JobState::Convicted => vec![job.client],
    }
}

#[cfg(test)]
mod tests {
    use {super::*, bytemuck::Zeroable};

    fn job(client: u8, provider: u8, treasury: u8, royalty: u8) -> Job {
        let mut job = Job::zeroed();
        job.client = Pubkey::from([client; 32]);
        job.provider = Pubkey::from([provider; 32]);
        job.treasury_owner = Pubkey::from([treasury; 32]);
        job.royalty_owner = Pubkey::from([royalty; 32]);
        job.mint = Pubkey::from([9; 32]);
        job
    }

    /// Accounts behind the fixed ones.
    fn remaining(instruction: &Instruction) -> Vec<Pubkey> {
        let last_fixed = instruction
            .accounts
            .iter()
            .rposition(|meta| meta.pubkey == crate::program_id());
        instruction.accounts[last_fixed.map_or(0, |at| at + 1)..]
            .iter()
            .map(|meta| meta.pubkey)
            .collect()
    }

    #[test]
    fn coinciding_roles_pass_a_purse_once() {
        let emission = Emission::zeroed();
        let caller = Pubkey::from([7; 32]);
        assert_eq!(
            remaining(&finalize(&caller, &job(1, 2, 3, 4), &emission)).len(),
            4
        );
        assert_eq!(
            remaining(&finalize(&caller, &job(1, 2, 2, 1), &emission)).len(),
            2
        );
        // Without a model nobody earns a royalty.
        assert_eq!(
            remaining(&finalize(&caller, &job(1, 2, 3, 0), &emission)).len(),
            3
        );
    }

    #[test]
    fn rewards_add_the_emissions_purse_in_the_reward_mint() {
        let mut emission = Emission::zeroed();
        emission.reward_mint = Pubkey::from([8; 32]);
        let purses = remaining(&finalize(
            &Pubkey::from([7; 32]),
            &job(1, 2, 3, 4),
            &emission,
        ));
        assert_eq!(
            purses.last(),
            Some(&addresses::purse(
                &addresses::emission(),
                &emission.reward_mint
            ))
        );
        assert_eq!(purses.len(), 5);
    }

    #[test]
    fn creation_passes_other_peoples_purses_read_only() {
        let mut protocol = Protocol::zeroed();
        protocol.treasury_owner = Pubkey::from([3; 32]);
        let client = Pubkey::from([1; 32]);
        let args = NewJob {
            kind: 1,
            assurance: 2,
            milestones: 1,
            price_atoms: 1,
            bond_atoms: 1,
            take_secs: 1,
            work_secs: 1,
            review_secs: 1,
            ends_by: 1,
            items: 1,
            pinned_provider: NOBODY,
            arbiter: NOBODY,
            campaign: NOBODY,
            input_roots: Vec::new(),
            input_uri: String::new(),
        };
        let instruction = create_job(
            &client,
            &Pubkey::from([9; 32]),
            0,
            &protocol,
            None,
            args.clone(),
        );
        let last = instruction
            .accounts
            .last()
            .map(|meta| (meta.pubkey, meta.is_writable));
        assert_eq!(
            last,
            Some((
                addresses::purse(&protocol.treasury_owner, &Pubkey::from([9; 32])),
                false
            ))
        );
        protocol.treasury_owner = client;
        let instruction = create_job(&client, &Pubkey::from([9; 32]), 0, &protocol, None, args);
        assert!(remaining(&instruction).is_empty());
    }
}
