//! The generic negative kit on every account of every instruction: unsigned, read-only, wrong owner, wrong address, wrong mint,
//! wrong token program, duplicate, cut and grown data. What may succeed stands below with its reason.

use {
    super::common::{CELL, TRACE},
    quern::{
        constants::NOBODY,
        instructions::{MintSettings, ModelSettings, NewJob},
        state::{Campaign, JobState, Model, Purse},
    },
    quern_proof::{
        Operand,
        demand::{NodeId, Tree},
        evidence::Charge,
    },
    quern_testkit::svm::{
        kit::{Allowed, Case, account_names, instruction_names, run},
        *,
    },
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
    std::collections::BTreeSet,
};

/// What may succeed although it is not the instruction that was meant, and why.
const ALLOWED: &[Allowed] = &[
    Allowed {
        instruction: "*",
        account: "data",
        spoiled: "grown by",
        reason: "bytes behind the arguments are ignored, as Anchor does everywhere; no handler reads raw data",
    },
    Allowed {
        instruction: "*",
        account: "*",
        spoiled: "data grown by one byte",
        reason: "only the program sizes its accounts and it never grows one; types check the least size because models have a tail",
    },
    Allowed {
        instruction: "initialize",
        account: "program_data",
        spoiled: "owned by",
        reason: "the address is derived from the loader, which alone can have written there",
    },
    Allowed {
        instruction: "initialize",
        account: "program_data",
        spoiled: "data cut by one byte",
        reason: "only the head with the authority is read; what follows is the program itself",
    },
    Allowed {
        instruction: "open_purse",
        account: "payer",
        spoiled: "another",
        reason: "anybody may pay for anybody's purse",
    },
    Allowed {
        instruction: "deposit",
        account: "purse",
        spoiled: "somebody else's purse",
        reason: "anybody may deposit for anybody",
    },
    Allowed {
        instruction: "deposit",
        account: "mint",
        spoiled: "owned by",
        reason: "the address is the registered one, and no mint changes its owner; the token program decides",
    },
    Allowed {
        instruction: "withdraw",
        account: "mint",
        spoiled: "owned by",
        reason: "the address is the registered one, and no mint changes its owner; the token program decides",
    },
    Allowed {
        instruction: "withdraw",
        account: "destination",
        spoiled: "somebody else's token account",
        reason: "the owner may send its tokens anywhere",
    },
    Allowed {
        instruction: "set_operator_limit",
        account: "purse",
        spoiled: "the owner's purse in another mint",
        reason: "the owner has a limit in each mint",
    },
    Allowed {
        instruction: "update_mint",
        account: "mint_config",
        spoiled: "another account of its type",
        reason: "the authority may change any mint's rates",
    },
    Allowed {
        instruction: "update_model",
        account: "model",
        spoiled: "data cut by one byte",
        reason: "the graph behind the fixed part is not touched, and nobody can cut it",
    },
    Allowed {
        instruction: "accept_model_owner",
        account: "model",
        spoiled: "data cut by one byte",
        reason: "as for update_model",
    },
    Allowed {
        instruction: "create_job",
        account: "model",
        spoiled: "another account of its type",
        reason: "the client chooses the model",
    },
    Allowed {
        instruction: "create_job",
        account: "program",
        spoiled: "",
        reason: "the address that stands for no model already names the program, and the event's call goes to it alone",
    },
    Allowed {
        instruction: "take_job",
        account: "job",
        spoiled: "another account of its type",
        reason: "a provider chooses the job",
    },
    Allowed {
        instruction: "finalize",
        account: "signer",
        spoiled: "",
        reason: "after the grace time anybody may finalize; in it the other case refuses them",
    },
    Allowed {
        instruction: "expire",
        account: "provider",
        spoiled: "another account of its type",
        reason: "after a rejection the provider's entry is not needed",
    },
    Allowed {
        instruction: "expire",
        account: "provider",
        spoiled: "duplicate of program",
        reason: "as above: the program's address stands for no provider",
    },
    Allowed {
        instruction: "expire",
        account: "program",
        spoiled: "",
        reason: "the address that stands for no provider already names the program, and the event's call goes to it alone",
    },
    Allowed {
        instruction: "write_evidence",
        account: "author",
        spoiled: "another",
        reason: "whoever signs together with the new account is its author; later writes refuse everybody else",
    },
    Allowed {
        instruction: "write_evidence",
        account: "evidence",
        spoiled: "data cut by one byte",
        reason: "the first write is empty and asks for no room; nobody can cut it",
    },
    Allowed {
        instruction: "close_evidence",
        account: "evidence",
        spoiled: "data cut by one byte",
        reason: "the bytes behind the author are not read, and nobody can cut them",
    },
    Allowed {
        instruction: "convict",
        account: "signer",
        spoiled: "",
        reason: "anybody may convict",
    },
    Allowed {
        instruction: "convict",
        account: "job",
        spoiled: "another account of its type",
        reason: "the evidence is about a commitment, and another job has the same one",
    },
    Allowed {
        instruction: "convict",
        account: "program",
        spoiled: "",
        reason: "the address that stands for no evidence account already names the program, and the event's call goes to it alone",
    },
    Allowed {
        instruction: "open_demand",
        account: "payer",
        spoiled: "another",
        reason: "anybody may ask",
    },
    Allowed {
        instruction: "open_demand",
        account: "program",
        spoiled: "",
        reason: "the address that stands for no parent already names the program, and the event's call goes to it alone",
    },
    Allowed {
        instruction: "reveal",
        account: "signer",
        spoiled: "another",
        reason: "anybody may answer",
    },
    Allowed {
        instruction: "timeout",
        account: "demand",
        spoiled: "data cut by one byte",
        reason: "the answer's bytes are not read, and nobody can cut them",
    },
    Allowed {
        instruction: "close_demand",
        account: "demand",
        spoiled: "another account of its type",
        reason: "anybody may close any demand of a job that is over",
    },
    Allowed {
        instruction: "close_demand",
        account: "demand",
        spoiled: "data cut by one byte",
        reason: "as for timeout",
    },
    Allowed {
        instruction: "claim_campaign",
        account: "entry",
        spoiled: "another account of its type",
        reason: "anybody may claim for any provider",
    },
    Allowed {
        instruction: "claim_campaign",
        account: "campaign",
        spoiled: "owned by",
        reason: "a campaign that the program does not own is gone",
    },
    Allowed {
        instruction: "take_job",
        account: "purse 0",
        spoiled: "owned by",
        reason: "the campaign of the job: as above",
    },
    Allowed {
        instruction: "finalize",
        account: "purse 0",
        spoiled: "owned by",
        reason: "the campaign of the job: as above; a purse that the program does not own is refused by other tests",
    },
    Allowed {
        instruction: "join_campaign",
        account: "payer",
        spoiled: "another",
        reason: "anybody may pay for any provider",
    },
    Allowed {
        instruction: "close_demand",
        account: "job",
        spoiled: "owned by",
        reason: "a job that the program does not own is gone",
    },
];

/// A stage with more than one account of every type, so that a wrong one can be passed.
fn rich() -> Stage {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    for owner in [cast.guardian, cast.stranger, cast.creator] {
        for mint in [stage.usd, stage.gold] {
            token::issue(&mut stage, &owner, &mint, 1_000);
        }
    }
    for instruction in ix::register_whole_model(&cast.creator, model_args(2, 0), &graph()) {
        stage.ok(instruction);
    }
    let other = stage.create_ix_of(
        &cast.second,
        &stage.usd,
        Some(&stage.model),
        stage.refereed(),
    );
    stage.ok(other);
    stage
}

fn case(
    instruction: &'static str,
    variant: &'static str,
    prepare: impl FnOnce(&mut Stage) -> Instruction,
) -> Case {
    let mut stage = rich();
    let valid = prepare(&mut stage);
    Case {
        instruction,
        variant,
        stage,
        valid,
    }
}

#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn protocol_cases() -> Vec<Case> {
    let cast = Cast::usual();
    let mut fresh = Stage::new();
    fresh.world = World::deployed(&cast.authority);
    fresh.world.give_lamports(&cast.stranger);
    fresh.world.give_lamports(&cast.creator);
    vec![
        Case {
            instruction: "initialize",
            variant: "usual",
            valid: ix::initialize(&cast.authority, settings(&cast), CLUSTER),
            stage: fresh,
        },
        case("update_protocol", "new settings", |stage| {
            ix::update_protocol(&stage.cast.authority, Some(settings(&stage.cast)), None)
        }),
        case("update_protocol", "a successor", |stage| {
            ix::update_protocol(&stage.cast.authority, None, Some(stage.cast.client))
        }),
        case("accept_authority", "usual", |stage| {
            let (authority, client) = (stage.cast.authority, stage.cast.client);
            stage.ok(ix::update_protocol(&authority, None, Some(client)));
            ix::accept_authority(&client)
        }),
        case("set_pause", "by the guardian", |stage| {
            ix::set_pause(&stage.cast.guardian, true)
        }),
        case("set_pause", "by the authority", |stage| {
            ix::set_pause(&stage.cast.authority, false)
        }),
        case("register_mint", "SPL Token", |stage| {
            let mint = token::create_mint(stage, "new", &addresses::TOKEN_PROGRAM, 6);
            ix::register_mint(
                &stage.cast.authority,
                &mint,
                &addresses::TOKEN_PROGRAM,
                rates(),
            )
        }),
        case("register_mint", "Token-2022", |stage| {
            let mint = token::create_mint(stage, "new", &addresses::TOKEN_2022_PROGRAM, 6);
            ix::register_mint(
                &stage.cast.authority,
                &mint,
                &addresses::TOKEN_2022_PROGRAM,
                rates(),
            )
        }),
        case("update_mint", "usual", |stage| {
            ix::update_mint(
                &stage.cast.authority,
                &stage.usd,
                MintSettings {
                    enabled: true,
                    rates: reward_rates(),
                },
            )
        }),
        case("configure_emission", "for the first time", |stage| {
            stage.tamper(
                &addresses::emission(),
                |emission: &mut quern::state::Emission| {
                    emission.reward_mint = NOBODY;
                    emission.cap_atoms = 0u64.into();
                },
            );
            ix::configure_emission(&stage.cast.authority, &stage.gold, emission_args())
        }),
        case("configure_emission", "again", |stage| {
            ix::configure_emission(&stage.cast.authority, &stage.gold, emission_args())
        }),
    ]
}

fn purse_cases() -> Vec<Case> {
    vec![
        case("open_purse", "for somebody", |stage| {
            ix::open_purse(&stage.bank(), &actor("newcomer"), &stage.usd)
        }),
        case("deposit", "SPL Token", |stage| {
            let bank = stage.bank();
            let usd = stage.usd;
            let source = token::issue(stage, &bank, &usd, 100);
            ix::deposit(
                &bank,
                &source,
                &stage.cast.client,
                &usd,
                &addresses::TOKEN_PROGRAM,
                100,
            )
        }),
        case("deposit", "Token-2022", |stage| {
            let bank = stage.bank();
            let gold = stage.gold;
            let source = token::issue(stage, &bank, &gold, 100);
            ix::deposit(
                &bank,
                &source,
                &stage.cast.client,
                &gold,
                &addresses::TOKEN_2022_PROGRAM,
                100,
            )
        }),
        case("withdraw", "SPL Token", |stage| {
            let (client, usd) = (stage.cast.client, stage.usd);
            let destination = token::issue(stage, &client, &usd, 0);
            ix::withdraw(&client, &destination, &usd, &addresses::TOKEN_PROGRAM, 100)
        }),
        case("withdraw", "Token-2022", |stage| {
            let (client, gold) = (stage.cast.client, stage.gold);
            let destination = token::issue(stage, &client, &gold, 0);
            ix::withdraw(
                &client,
                &destination,
                &gold,
                &addresses::TOKEN_2022_PROGRAM,
                100,
            )
        }),
        case("set_operator_limit", "usual", |stage| {
            ix::set_operator_limit(&stage.cast.provider, &stage.usd, 5)
        }),
    ]
}

fn provider_cases() -> Vec<Case> {
    vec![
        case("register_provider", "usual", |stage| {
            let newcomer = actor("newcomer");
            stage.give_lamports(&newcomer);
            ix::register_provider(&newcomer, provider_args(&newcomer))
        }),
        case("update_provider", "usual", |stage| {
            ix::update_provider(&stage.cast.provider, provider_args(&NOBODY))
        }),
        case("claim_rewards", "usual", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.at_deadline(&job, 1);
            stage.finalize(&job);
            ix::claim_rewards(&stage.cast.provider, &stage.gold)
        }),
    ]
}

fn model_cases() -> Vec<Case> {
    let unsealed = |stage: &mut Stage| {
        let creator = stage.cast.creator;
        let bytes = graph();
        stage.ok(ix::register_model(&creator, model_args(3, bytes.len())));
        let model = addresses::model(&creator, 3);
        stage.ok(ix::write_model(&creator, &model, 0, &bytes));
        model
    };
    vec![
        case("register_model", "usual", |stage| {
            ix::register_model(&stage.cast.creator, model_args(5, 100))
        }),
        case("write_model", "usual", |stage| {
            let model = unsealed(stage);
            ix::write_model(&stage.cast.creator, &model, 1, &[1, 2, 3])
        }),
        case("seal_model", "usual", |stage| {
            let model = unsealed(stage);
            ix::seal_model(&stage.cast.creator, &model, &graph())
        }),
        case("update_model", "new settings", |stage| {
            let args = ModelSettings {
                active: true,
                royalty_bps: 7,
                uri: "u".into(),
            };
            ix::update_model(&stage.cast.client, &stage.model, Some(args), None)
        })
        .owned_by_client(),
        case("update_model", "a successor", |stage| {
            ix::update_model(
                &stage.cast.client,
                &stage.model,
                None,
                Some(stage.cast.second),
            )
        })
        .owned_by_client(),
        case("accept_model_owner", "usual", |stage| {
            let (creator, client, model) = (stage.cast.creator, stage.cast.client, stage.model);
            stage.ok(ix::update_model(&creator, &model, None, Some(client)));
            ix::accept_model_owner(&client, &model)
        }),
    ]
}

trait OwnedByClient {
    fn owned_by_client(self) -> Self;
}

impl OwnedByClient for Case {
    /// Gives the stage's model to the client, so that the creator's other models are somebody else's.
    fn owned_by_client(mut self) -> Self {
        let (model, client) = (self.stage.model, self.stage.cast.client);
        self.stage
            .tamper(&model, |model: &mut Model| model.owner = client);
        self
    }
}

#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn job_cases() -> Vec<Case> {
    vec![
        case("create_job", "refereed", |stage| {
            stage.create_ix(stage.refereed())
        }),
        case("create_job", "accepted without a model", |stage| {
            stage.create_ix_of(&stage.cast.client, &stage.usd, None, stage.accepted())
        }),
        case("cancel_job", "usual", |stage| {
            let job = stage.create(stage.refereed());
            ix::cancel_job(&stage.job(&job))
        }),
        case("take_job", "by the owner", |stage| {
            let job = stage.create(stage.refereed());
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        case("take_job", "by the operator", |stage| {
            let mut args = stage.refereed();
            args.pinned_provider = stage.cast.provider;
            let job = stage.create(args);
            ix::take_job(&stage.cast.operator, &stage.cast.provider, &stage.job(&job))
        }),
        case("submit", "usual", |stage| {
            let job = stage.create(stage.refereed());
            let (operator, owner) = (stage.cast.operator, stage.cast.provider);
            stage.ok(ix::take_job(&operator, &owner, &stage.job(&job)));
            ix::submit(&operator, &stage.job(&job), proof(1))
        }),
        case("finalize", "accepted, the first milestone", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            ix::accept(&stage.job(&job), &stage.emission())
        }),
        case("finalize", "accepted, the last milestone", |stage| {
            let mut args = stage.accepted();
            args.milestones = 1;
            let job = stage.job_in(JobState::Submitted, args);
            ix::accept(&stage.job(&job), &stage.emission())
        }),
        case("finalize", "in the grace time", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.at_deadline(&job, 1);
            ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission())
        }),
        case("finalize", "by a stranger", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            stage.at_deadline(&job, 1_801);
            ix::finalize(&stage.cast.prover, &stage.job(&job), &stage.emission())
        }),
        case("reject", "usual", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            ix::reject(&stage.job(&job), "wrong".into())
        }),
        case("resolve", "for the provider", |stage| {
            let job = stage.job_in(JobState::Rejected, stage.accepted());
            ix::resolve(&stage.job(&job), decision(8_000, 0))
        }),
        case("resolve", "for the client at the last milestone", |stage| {
            let mut args = stage.accepted();
            args.milestones = 1;
            let job = stage.job_in(JobState::Rejected, args);
            ix::resolve(&stage.job(&job), decision(1_000, 10))
        }),
        case("expire", "open", |stage| {
            let job = stage.create(stage.refereed());
            stage.at_deadline(&job, 1);
            ix::expire(&stage.job(&job))
        }),
        case("expire", "taken", |stage| {
            let job = stage.job_in(JobState::Taken, stage.accepted());
            stage.at_deadline(&job, 1);
            ix::expire(&stage.job(&job))
        }),
        case("expire", "rejected", |stage| {
            let job = stage.job_in(JobState::Rejected, stage.accepted());
            stage.at_deadline(&job, 1);
            ix::expire(&stage.job(&job))
        }),
        case("settle_conviction", "usual", |stage| {
            let job = stage.job_in(JobState::Convicted, stage.refereed());
            ix::settle_conviction(&stage.job(&job))
        }),
    ]
}

/// A case with two submitted jobs, each with an answered and an open demand, and two evidence accounts of two authors.
fn referee_case(
    instruction: &'static str,
    variant: &'static str,
    prepare: impl FnOnce(&mut Stage, &Pubkey) -> Instruction,
) -> Case {
    case(instruction, variant, |stage| {
        let jobs = [(); 2].map(|()| stage.job_in(JobState::Submitted, stage.refereed()));
        for job in &jobs {
            stage.ask(job, &claim(1), &TRACE);
            stage.answer(job, &claim(1), &TRACE);
            stage.ask(job, &claim(1), &input_root());
        }
        let (author, other) = (stage.cast.prover, stage.cast.second);
        stage.write_down(&author, "mine", &claim(1).evidence(&CELL));
        stage.write_down(&other, "another's", &[1, 2, 3]);
        prepare(stage, &jobs[0])
    })
}

fn input_root() -> NodeId {
    NodeId {
        tree: Tree::Data(Operand::Input(0)),
        ..TRACE
    }
}

fn referee_cases() -> Vec<Case> {
    vec![
        referee_case("write_evidence", "the first", |stage, _| {
            let (author, evidence) = (stage.cast.prover, actor("evidence new"));
            let creation = stage.creation_of(&author, &evidence, 7);
            stage.ok(creation[0].clone());
            creation[1].clone()
        }),
        referee_case("write_evidence", "the last bytes", |stage, _| {
            let evidence = actor("evidence mine");
            let last = claim(1).evidence(&CELL).len() as u32 - 4;
            ix::write_evidence(&stage.cast.prover, &evidence, last, &[9; 4])
        }),
        referee_case("close_evidence", "usual", |stage, _| {
            ix::close_evidence(&stage.cast.prover, &actor("evidence mine"))
        }),
        referee_case("convict", "inline", |stage, job| {
            stage.inline(job, &CELL, &claim(1).evidence(&CELL))
        }),
        referee_case("convict", "from an account", |stage, job| {
            let proof = ix::Proof::Account(actor("evidence mine"));
            ix::convict(&stage.cast.stranger, &stage.job(job), &CELL, proof)
        }),
        referee_case("convict", "padding", |stage, _| {
            let mut claim = claim(1);
            // The only leaf of the first op in the second item.
            let charge = Charge::Padding(NodeId::in_item(0, 1, 0, 0));
            claim.spoil_padding(&charge);
            let job = stage.submitted_for(&claim);
            stage.inline(&job, &charge, &claim.evidence(&charge))
        }),
        referee_case("open_demand", "at a root", |stage, job| {
            let weight = NodeId {
                tree: Tree::Data(Operand::Weight(0)),
                ..TRACE
            };
            ix::demand(&stage.cast.prover, &stage.job(job), &weight, None)
        }),
        referee_case("open_demand", "below an answer", |stage, job| {
            let root = NodeId {
                tree: Tree::Data(Operand::Op(1)),
                ..TRACE
            };
            stage.demand_ix(job, &claim(1), &root)
        }),
        referee_case("reveal", "usual", |stage, job| {
            stage.reveal_ix(job, &claim(1), &input_root())
        }),
        referee_case("timeout", "usual", |stage, job| {
            stage.wait(DAY);
            ix::timeout(job, &stage.demand_of(job, &input_root()))
        }),
        referee_case("close_demand", "of a slashed job", |stage, job| {
            stage.convict(job);
            let demand = stage.demand_of(job, &input_root());
            ix::close_demand(&demand, &stage.get(&demand))
        }),
        referee_case("close_demand", "of a job that is gone", |stage, job| {
            stage.convict(job);
            let demand = stage.demand_of(job, &TRACE);
            stage.ok(ix::settle_conviction(&stage.job(job)));
            ix::close_demand(&demand, &stage.get(&demand))
        }),
    ]
}

/// A case with two campaigns of two sponsors, which two providers have joined.
fn campaign_case(
    instruction: &'static str,
    variant: &'static str,
    prepare: impl FnOnce(&mut Stage, &Pubkey) -> Instruction,
) -> Case {
    case(instruction, variant, |stage| {
        let args = stage.campaign_args();
        let (client, usd) = (stage.cast.client, stage.usd);
        let purse: Purse = stage.get(&addresses::purse(&client, &usd));
        let other = ix::create_campaign(&client, &usd, purse.opened.get(), args);
        stage.ok(other);
        let other = addresses::campaign(&client, &usd, purse.opened.get());
        let campaign = stage.sponsor(args);
        let (provider, second) = (stage.cast.provider, stage.cast.second);
        for campaign in [campaign, other] {
            stage.join(&campaign, &provider);
        }
        stage.join(&campaign, &second);
        stage.set_time(args.start);
        prepare(stage, &campaign)
    })
}

fn job_of(stage: &Stage, campaign: &Pubkey) -> NewJob {
    let mut job = stage.refereed();
    job.campaign = *campaign;
    job
}

fn campaign_cases() -> Vec<Case> {
    vec![
        campaign_case("create_campaign", "usual", |stage, _| {
            let (sponsor, usd) = (stage.cast.second, stage.usd);
            let purse: Purse = stage.get(&addresses::purse(&sponsor, &usd));
            let args = stage.campaign_args();
            ix::create_campaign(&sponsor, &usd, purse.opened.get(), args)
        }),
        campaign_case("join_campaign", "usual", |stage, campaign| {
            let client = stage.cast.client;
            stage.ok(ix::register_provider(&client, provider_args(&client)));
            ix::join_campaign(&stage.bank(), campaign, &client)
        }),
        campaign_case("claim_campaign", "a score", |stage, campaign| {
            let job = stage.job_in(JobState::Submitted, job_of(stage, campaign));
            stage.at_deadline(&job, 1);
            stage.finalize(&job);
            let settle_by = stage.get::<Campaign>(campaign).settle_by.get();
            stage.set_time(settle_by + 1);
            stage.claim_ix(campaign, &stage.cast.provider)
        }),
        campaign_case(
            "claim_campaign",
            "of one that is gone",
            |stage, campaign| {
                let settle_by = stage.get::<Campaign>(campaign).settle_by.get();
                stage.set_time(settle_by + 1);
                let sweep = ix::sweep_campaign(&stage.get(campaign));
                stage.ok(sweep);
                stage.claim_ix(campaign, &stage.cast.provider)
            },
        ),
        campaign_case("sweep_campaign", "unscored", |stage, campaign| {
            let settle_by = stage.get::<Campaign>(campaign).settle_by.get();
            stage.set_time(settle_by + 1);
            ix::sweep_campaign(&stage.get(campaign))
        }),
    ]
}

/// The steps of a job that names a campaign.
fn jobs_of_campaigns() -> Vec<Case> {
    vec![
        campaign_case("create_job", "of a campaign", |stage, campaign| {
            stage.create_ix(job_of(stage, campaign))
        }),
        campaign_case("take_job", "of a campaign", |stage, campaign| {
            let mut args = job_of(stage, campaign);
            args.pinned_provider = stage.cast.provider;
            let job = stage.create(args);
            ix::take_job(&stage.cast.operator, &stage.cast.provider, &stage.job(&job))
        }),
        campaign_case("finalize", "of a campaign", |stage, campaign| {
            let job = stage.job_in(JobState::Submitted, job_of(stage, campaign));
            stage.at_deadline(&job, 1);
            ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission())
        }),
    ]
}

/// Runs cases and says which of the allowed ones were needed.
fn run_all(cases: Vec<Case>) -> (usize, BTreeSet<usize>) {
    let mut used = BTreeSet::new();
    let mut surprises = Vec::new();
    let mut count = 0;
    for case in &cases {
        // All surprises at once: each is worth reading.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(case, ALLOWED, &mut used)
        }));
        match result {
            Ok(tried) => count += tried,
            Err(panic) => {
                surprises.push(panic.downcast_ref::<String>().cloned().unwrap_or_default())
            }
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    (count, used)
}

/// Every group's part of the list of what is allowed must be needed, or the list says too much.
fn check(cases: Vec<Case>) {
    let instructions: BTreeSet<&str> = cases.iter().map(|case| case.instruction).collect();
    let (count, used) = run_all(cases);
    println!("{count} spoiled instructions");
    for (at, rule) in ALLOWED.iter().enumerate() {
        let concerns = rule.instruction != "*" && instructions.contains(rule.instruction);
        assert!(!concerns || used.contains(&at), "nothing needs {rule:?}");
    }
}

#[test]
fn protocol_instructions() {
    check(protocol_cases());
}

#[test]
fn purse_instructions() {
    check(purse_cases());
}

#[test]
fn provider_instructions() {
    check(provider_cases());
}

#[test]
fn model_instructions() {
    check(model_cases());
}

#[test]
fn job_instructions() {
    check(job_cases().into_iter().chain(jobs_of_campaigns()).collect());
}

#[test]
fn campaign_instructions() {
    check(campaign_cases());
}

#[test]
fn referee_instructions() {
    check(referee_cases());
}

/// A new instruction or account must come with its case.
#[test]
fn the_kit_covers_every_account_of_every_instruction() {
    let cases: Vec<Case> = [
        protocol_cases(),
        purse_cases(),
        provider_cases(),
        model_cases(),
        job_cases(),
        referee_cases(),
        campaign_cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let covered: BTreeSet<String> = cases
        .iter()
        .map(|case| case.instruction.to_string())
        .collect();
    let all: BTreeSet<String> = instruction_names().into_iter().collect();
    assert_eq!(covered, all);
    for case in &cases {
        let declared = account_names(case.instruction).len();
        assert!(
            case.valid.accounts.len() >= declared,
            "{}: {declared} accounts",
            case.instruction
        );
    }
}
