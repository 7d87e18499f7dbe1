//! The smallest and the largest amounts, through every ending of a job.

use super::common::*;

fn rates_of_one() -> MintRates {
    MintRates {
        least_price_atoms: 1,
        price_per_gwork_atoms: 0,
        bond_per_gwork_atoms: 0,
        ..rates()
    }
}

/// A graph without any product makes bytes, which cost to hash and to judge: each byte of a leaf counts as 64 units of work, of an
/// item's input and of a result, or a job of gigabytes would be free.
#[test]
fn a_job_without_a_product_is_priced_by_its_bytes() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1_000, 1_024);
    b.mix(x).push();
    let bytes = b.finish().unwrap();
    let work = quern_proof::graph::seal(&bytes).unwrap().work;
    assert_eq!(work, 2 * 1_000 * 1_024 * 4 * 64);
    let mut stage = Stage::new();
    let creator = stage.cast.creator;
    for instruction in ix::register_whole_model(&creator, model_args(55, 0), &bytes) {
        stage.ok(instruction);
    }
    let model = addresses::model(&creator, 55);
    let (client, usd) = (stage.cast.client, stage.usd);
    // 40 items are 20.97152 x 10^9 units of work: a price of 20,972 atoms and a bond of 104,858.
    let offer = |price_atoms, bond_atoms| NewJob {
        items: 40,
        input_roots: vec![[1; 32]],
        price_atoms,
        bond_atoms,
        ..stage.refereed()
    };
    let offers = [
        (offer(20_971, 104_858), Some(QuernError::PriceTooLow)),
        (offer(20_972, 104_857), Some(QuernError::BondTooLow)),
        (offer(20_972, 104_858), None),
    ];
    for (args, expected) in offers {
        let create = stage.create_ix_of(&client, &usd, Some(&model), args);
        match expected {
            Some(error) => stage.refused(create, error),
            None => drop(stage.ok(create)),
        }
    }
}

/// All endings of a job at this price; the harness checks that the parts sum to the whole.
fn every_ending(stage: &Stage, refereed: &NewJob, accepted: &NewJob) {
    let run = |args: &NewJob, end: &dyn Fn(&mut Stage, &Pubkey)| {
        let mut stage = stage.clone();
        let job = stage.create(args.clone());
        end(&mut stage, &job);
        assert!(!stage.exists(&job));
    };
    for args in [refereed, accepted] {
        run(args, &|stage, job| {
            drop(stage.ok(ix::cancel_job(&stage.job(job))))
        });
        run(args, &|stage, job| {
            stage.at_deadline(job, 1);
            stage.expire(job);
        });
        run(args, &|stage, job| {
            stage.take(job);
            stage.submit(job);
            stage.at_deadline(job, 1);
            stage.finalize(job);
        });
        run(args, &|stage, job| {
            stage.take(job);
            stage.wait(400 * DAY);
            stage.expire(job);
        });
    }
    run(refereed, &|stage, job| {
        stage.take(job);
        stage.submit(job);
        stage.convict(job);
        stage.ok(ix::settle_conviction(&stage.job(job)));
    });
    for share in [0, 1, 4_999, 5_000, 9_999, 10_000] {
        run(accepted, &|stage, job| {
            stage.take(job);
            stage.submit(job);
            stage.reject(job);
            stage.resolve(job, share, 0);
        });
    }
    run(accepted, &|stage, job| {
        stage.take(job);
        stage.submit(job);
        stage.reject(job);
        stage.at_deadline(job, 1);
        stage.expire(job);
    });
}

#[test]
fn a_price_of_one_atom_ends_in_every_way() {
    let mut stage = Stage::new();
    let (authority, usd) = (stage.cast.authority, stage.usd);
    stage.ok(ix::update_mint(
        &authority,
        &usd,
        MintSettings {
            enabled: true,
            rates: rates_of_one(),
        },
    ));
    for price_atoms in [1, 2, 3] {
        let refereed = NewJob {
            price_atoms,
            bond_atoms: 2 * price_atoms,
            ..stage.refereed()
        };
        let accepted = NewJob {
            price_atoms,
            bond_atoms: price_atoms,
            milestones: 1,
            ..stage.accepted()
        };
        every_ending(&stage, &refereed, &accepted);
    }
}

/// A mint with nearly 2^64 atoms in the vault.
fn whale(
    client_atoms: u64,
    provider_atoms: u64,
    change: impl FnOnce(&mut quern::state::ProtocolSettings),
) -> Stage {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let mint = token::create_mint(&mut stage, "whale", &addresses::TOKEN_PROGRAM, 0);
    let rates = MintRates {
        reward_rate_e9: u64::MAX,
        ..rates_of_one()
    };
    stage.ok(ix::register_mint(
        &cast.authority,
        &mint,
        &addresses::TOKEN_PROGRAM,
        rates,
    ));
    let mut args = settings(&cast);
    change(&mut args);
    stage.ok(ix::update_protocol(&cast.authority, Some(args), None));
    for owner in [
        cast.client,
        cast.provider,
        cast.treasury,
        cast.creator,
        cast.arbiter,
        cast.prover,
        addresses::burn_owner(),
    ] {
        stage.open(&owner, &mint);
    }
    for (owner, atoms) in [(cast.client, client_atoms), (cast.provider, provider_atoms)] {
        if atoms > 0 {
            stage.deposit(&owner, &mint, atoms);
        }
    }
    stage.usd = mint;
    stage
}

/// The whole of 64 bits as one price, with rates that would overflow a reward.
#[test]
fn a_price_near_the_end_of_64_bits_ends_in_every_way() {
    let stage = whale(u64::MAX, 0, |params| {
        params.reviewed_bond_bps = 0;
        params.reject_bps = 0;
    });
    let accepted = NewJob {
        price_atoms: u64::MAX,
        bond_atoms: 0,
        milestones: 1,
        ..stage.accepted()
    };
    // A refereed bond is at least twice the price, so its price ends at a third.
    let third = whale(u64::MAX / 3, u64::MAX / 3 * 2, |_| ());
    let refereed = NewJob {
        price_atoms: u64::MAX / 3,
        bond_atoms: u64::MAX / 3 * 2,
        ..third.refereed()
    };
    let no_deposit = whale(u64::MAX / 3, u64::MAX / 3 * 2, |params| {
        params.reject_bps = 0
    });
    let third_accepted = NewJob {
        milestones: 1,
        ..no_deposit.accepted()
    };
    let third_accepted = NewJob {
        price_atoms: u64::MAX / 3,
        bond_atoms: u64::MAX / 3,
        ..third_accepted
    };
    every_ending(&no_deposit, &refereed, &third_accepted);

    let mut stage = stage;
    for share in [0, 5_000, 10_000] {
        let mut stage = stage.clone();
        let job = stage.job_in(JobState::Rejected, accepted.clone());
        stage.resolve(&job, share, 0);
        assert!(!stage.exists(&job));
    }
    let job = stage.job_in(JobState::Submitted, accepted);
    stage.accept(&job);
    // All of it leaves again.
    let usd = stage.usd;
    for owner in [stage.cast.provider, stage.cast.treasury, stage.cast.creator] {
        let free = stage.usd_of(&owner).0;
        stage.withdraw(&owner, &usd, free);
    }
    assert_eq!(token::amount(&stage, &addresses::vault(&usd)), 0);
}

/// The vault cannot hold more than 2^64 - 1, so no purse ever overflows; one atom more does not exist.
#[test]
fn escrow_and_deposit_above_64_bits_are_refused() {
    let mut stage = whale(u64::MAX - 1, 0, |params| params.reviewed_bond_bps = 0);
    let args = NewJob {
        price_atoms: u64::MAX,
        bond_atoms: 0,
        milestones: 1,
        ..stage.accepted()
    };
    stage.refused(stage.create_ix(args.clone()), QuernError::InsufficientFunds);
    let args = NewJob {
        price_atoms: u64::MAX / 255 + 1,
        milestones: 255,
        ..args
    };
    stage.refused(stage.create_ix(args), QuernError::Overflow);
}
