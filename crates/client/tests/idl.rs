//! The addresses that the IDL tells other people's clients are those that this crate derives.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    bytemuck::Zeroable,
    quern_client::{
        Pubkey, addresses,
        instructions::{self, Proof},
        quern::{
            instructions::{
                Decision, EmissionSettings, MintSettings, NewCampaign, NewJob, NewModel,
                ProviderSettings, Submission,
            },
            state::{Campaign, Demand, Emission, Entry, Job, JobState, MintRates, Protocol},
        },
    },
    quern_proof::{
        demand::{NodeId, Tree},
        evidence::Charge,
    },
    serde_json::Value,
    solana_sdk::instruction::Instruction,
    std::collections::BTreeMap,
};

const NUMBER: u64 = 7;
const SUBMISSIONS: u32 = 3;

fn key(byte: u8) -> Pubkey {
    Pubkey::from([byte; 32])
}

fn mint() -> Pubkey {
    key(9)
}

fn node_id() -> NodeId {
    NodeId {
        tree: Tree::from_code(1).unwrap(),
        level: 2,
        index: 5,
    }
}

fn job() -> Job {
    let mut job = Job::zeroed();
    job.n = NUMBER.into();
    job.state = JobState::Submitted.code();
    job.submissions = SUBMISSIONS.into();
    (job.client, job.provider, job.mint) = (key(1), key(2), mint());
    (job.model, job.arbiter, job.treasury_owner) = (key(3), key(4), key(5));
    job
}

fn emission() -> Emission {
    let mut emission = Emission::zeroed();
    emission.reward_mint = mint();
    emission
}

/// What fields of accounts and arguments hold in these samples.
fn fields() -> BTreeMap<&'static str, Vec<u8>> {
    let key = |key: Pubkey| key.to_bytes().to_vec();
    let job = job();
    BTreeMap::from([
        ("mint_config.mint", key(mint())),
        ("emission.reward_mint", key(mint())),
        ("purse.opened", NUMBER.to_le_bytes().to_vec()),
        ("provider.owner", key(job.provider)),
        ("job.mint", key(job.mint)),
        ("job.client", key(job.client)),
        ("job.provider", key(job.provider)),
        ("job.model", key(job.model)),
        ("job.arbiter", key(job.arbiter)),
        ("job.submissions", SUBMISSIONS.to_le_bytes().to_vec()),
        ("campaign.sponsor", key(campaign().sponsor)),
        ("campaign.mint", key(campaign().mint)),
        ("entry.campaign", key(entry().campaign)),
        ("entry.payer", key(entry().payer)),
        ("demand.job", key(instructions::job_address(&job))),
        ("demand.opener", key(demand().opener)),
        ("args.id", NUMBER.to_le_bytes().to_vec()),
        ("node_id.tree", node_id().tree.code().to_le_bytes().to_vec()),
        ("node_id.level", vec![node_id().level]),
        ("node_id.index", node_id().index.to_le_bytes().to_vec()),
    ])
}

fn campaign() -> Campaign {
    let mut campaign = Campaign::zeroed();
    (campaign.sponsor, campaign.mint) = (key(1), mint());
    campaign.n = NUMBER.into();
    campaign
}

fn entry() -> Entry {
    let mut entry = Entry::zeroed();
    entry.campaign = instructions::campaign_address(&campaign());
    (entry.provider, entry.payer) = (key(2), key(6));
    entry
}

fn new_campaign() -> NewCampaign {
    NewCampaign {
        pot_atoms: 1,
        start: 0,
        end: 1,
        settle_by: 2,
        claim_by: 3,
        kinds: 1,
        model: key(0),
        refereed_bps: 1,
        reviewed_bps: 0,
    }
}

fn demand() -> Demand {
    let mut demand = Demand::zeroed();
    demand.job = instructions::job_address(&job());
    demand.opener = key(6);
    demand
}

fn new_job() -> NewJob {
    NewJob {
        kind: 1,
        assurance: 2,
        milestones: 1,
        price_atoms: 0,
        bond_atoms: 0,
        take_secs: 0,
        work_secs: 0,
        review_secs: 0,
        ends_by: 0,
        items: 1,
        pinned_provider: key(0),
        arbiter: key(0),
        campaign: key(0),
        input_roots: Vec::new(),
        input_uri: String::new(),
    }
}

fn new_model() -> NewModel {
    NewModel {
        id: NUMBER,
        graph_bytes: 0,
        kind: 1,
        royalty_bps: 0,
        name: String::new(),
        uri: String::new(),
    }
}

fn provider_settings() -> ProviderSettings {
    ProviderSettings {
        operator: key(2),
        name: String::new(),
        endpoint: String::new(),
        active: true,
    }
}

fn emission_settings() -> EmissionSettings {
    EmissionSettings {
        epoch_secs: 1,
        cap_atoms: 0,
        refereed_weight_bps: 0,
        reviewed_weight_bps: 0,
    }
}

fn rates() -> MintRates {
    MintRates {
        reward_rate_e9: 0,
        least_price_atoms: 1,
        price_per_gwork_atoms: 0,
        bond_per_gwork_atoms: 0,
    }
}

/// One of every instruction that has an address to be found.
#[expect(clippy::too_many_lines, reason = "a table, one row an instruction")]
fn samples() -> Vec<Instruction> {
    let (job, emission, owner) = (job(), emission(), key(2));
    let (token, rates) = (addresses::TOKEN_PROGRAM, rates());
    vec![
        instructions::update_protocol(&owner, None, None),
        instructions::accept_authority(&owner),
        instructions::set_pause(&owner, true),
        instructions::register_mint(&owner, &mint(), &token, rates),
        instructions::update_mint(
            &owner,
            &mint(),
            MintSettings {
                enabled: true,
                rates,
            },
        ),
        instructions::configure_emission(&owner, &mint(), emission_settings()),
        instructions::open_purse(&key(1), &owner, &mint()),
        instructions::deposit(&key(1), &key(8), &owner, &mint(), &token, 1),
        instructions::withdraw(&owner, &key(8), &mint(), &token, 1),
        instructions::register_provider(&owner, provider_settings()),
        instructions::update_provider(&owner, provider_settings()),
        instructions::claim_rewards(&owner, &mint()),
        instructions::register_model(&owner, new_model()),
        instructions::create_job(
            &job.client,
            &mint(),
            NUMBER,
            &Protocol::zeroed(),
            None,
            new_job(),
        ),
        instructions::cancel_job(&job),
        instructions::take_job(&owner, &owner, &job),
        instructions::submit(
            &owner,
            &job,
            Submission {
                trace_root: [0; 32],
                tokens_root: [0; 32],
                output_uri: String::new(),
            },
        ),
        instructions::finalize(&owner, &job, &emission),
        instructions::reject(&job, String::new()),
        instructions::resolve(
            &job,
            Decision {
                provider_share_bps: 0,
                penalty_atoms: 0,
            },
        ),
        instructions::expire(&job),
        instructions::settle_conviction(&job),
        instructions::convict(
            &owner,
            &job,
            &Charge::Cell {
                op: 0,
                row: 0,
                col: 0,
                at: 0,
            },
            Proof::Inline(&[]),
        ),
        instructions::demand(&owner, &job, &node_id(), None),
        instructions::timeout(&demand().job, &key(7)),
        instructions::reveal(&owner, &demand().job, &key(7), &[]),
        instructions::close_demand(&key(7), &demand()),
        instructions::create_campaign(&campaign().sponsor, &mint(), NUMBER, new_campaign()),
        instructions::join_campaign(&key(6), &entry().campaign, &entry().provider),
        instructions::claim_campaign(&entry(), Some(&campaign())),
        instructions::sweep_campaign(&campaign()),
    ]
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Where an account is by the IDL; `None` where the IDL does not say it.
fn described(account: &Value, sent: &BTreeMap<&str, Pubkey>) -> Option<Pubkey> {
    let fields = fields();
    let field = |path: &str| {
        fields
            .get(path)
            .unwrap_or_else(|| panic!("{path} has no sample"))
    };
    if let Some(owner) = list(&account["relations"]).next() {
        let path = format!("{}.{}", text(owner), text(&account["name"]));
        // Anchor itself relates signers to accounts that these samples have no fields of.
        let bytes = fields.get(path.as_str())?;
        return Some(Pubkey::try_from(bytes.as_slice()).unwrap());
    }
    let seeds: Vec<Vec<u8>> = list(&account["pda"]["seeds"])
        .map(|seed| match (text(&seed["kind"]), text(&seed["path"])) {
            ("const", _) => list(&seed["value"])
                .map(|byte| byte.as_u64().unwrap() as u8)
                .collect(),
            ("account", path) if !path.contains('.') => sent[path].to_bytes().to_vec(),
            (_, path) => field(path).clone(),
        })
        .collect();
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    (!seeds.is_empty()).then(|| Pubkey::find_program_address(&seeds, &quern_client::program_id()).0)
}

#[test]
fn the_idl_says_where_the_builders_find_accounts() {
    let idl = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../idl/quern.json"))
        .unwrap();
    let idl: Value = serde_json::from_str(&idl).unwrap();
    let samples = samples();
    let mut compared = 0;
    for instruction in list(&idl["instructions"]) {
        let tag: Vec<u8> = list(&instruction["discriminator"])
            .map(|byte| byte.as_u64().unwrap() as u8)
            .collect();
        let Some(sample) = samples.iter().find(|sample| sample.data.starts_with(&tag)) else {
            let is_ours = |account: &&Value| {
                text(&account["name"]) != "event_authority" && !account["pda"].is_null()
            };
            let name = text(&instruction["name"]);
            let needs_none =
                list(&instruction["accounts"]).find(is_ours).is_none() || name == "initialize";
            assert!(
                needs_none,
                "{name} has addresses in the IDL and no sample here"
            );
            continue;
        };
        let names = list(&instruction["accounts"]).map(|account| text(&account["name"]));
        let sent: BTreeMap<_, _> = names
            .zip(sample.accounts.iter().map(|meta| meta.pubkey))
            .collect();
        for account in list(&instruction["accounts"]) {
            let name = text(&account["name"]);
            if let Some(address) = described(account, &sent) {
                assert_eq!(
                    sent[name],
                    address,
                    "{name} of {}",
                    text(&instruction["name"])
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 80, "only {compared} addresses were compared");
}
