//! What other people's clients need and Anchor's description has no place for: numbers of codes, sizes, limits, seeds, and the
//! accounts that follow the fixed ones. `cargo xtask idl` runs the tests in here and puts what they print into the IDL.

use {
    crate::{
        codes::Code,
        constants,
        state::{
            AssetKind, Assurance, Campaign, ConvictionReason, Demand, Emission, EntityKind, Entry,
            Evidence, Job, JobKind, JobState, MAX_INPUTS, MintConfig, Model, Protocol, Provider,
            Purse,
        },
    },
    serde_json::{Value, json},
};

/// Accounts that follow the fixed ones of an instruction. The purse of an owner who is nobody is left out, and a purse that
/// stands for two roles is passed once.
const REMAINING: &[(&str, &str)] = &[
    (
        "create_job",
        "read-only, the campaign, if the job names one; then the purses in the mint of the protocol's `treasury_owner` and, with a model, of the model's `owner`; \
         not the client's own.",
    ),
    (
        "finalize",
        "writable, each once, if the job has a `campaign`, that and the entry of its `provider` in it; then the purses in the \
         job's mint of its `client`, `provider`, `treasury_owner` and `royalty_owner`, and, if the emission has a `reward_mint`, the emission's purse in that mint.",
    ),
    (
        "take_job",
        "read-only, if the job has a `campaign`, that and the provider's entry in it.",
    ),
    (
        "claim_campaign",
        "writable, each once, while the campaign is there, the purses in its mint of its `sponsor` and of the entry's \
         `provider`.",
    ),
    (
        "expire",
        "writable, each once, the purses in the job's mint of its `client`; unless it is open also of its `provider`; \
         after a rejection also of its `treasury_owner`, its `royalty_owner` and the burn address (seed `burn`).",
    ),
    (
        "resolve",
        "writable, each once, the purses in the job's mint of its `client`, `provider`, `arbiter`, `treasury_owner` and \
         `royalty_owner`.",
    ),
    (
        "settle_conviction",
        "writable, each once, the purses in the job's mint of its `client`, `provider`, `prover` and `treasury_owner`.",
    ),
];

fn codes_of<C: Code>() -> Value {
    let numbers = C::ALL.iter().map(|code| (code.code(), code.name()));
    json!(numbers.collect::<Vec<_>>())
}

fn print(kind: &str, part: &Value) {
    println!("--- IDL begin {kind} ---\n{part}\n--- IDL end {kind} ---");
}

#[test]
fn __anchor_private_print_idl_clients() {
    let part = json!({
        "codes": {
            "AssetKind": codes_of::<AssetKind>(),
            "Assurance": codes_of::<Assurance>(),
            "ConvictionReason": codes_of::<ConvictionReason>(),
            "EntityKind": codes_of::<EntityKind>(),
            "JobKind": codes_of::<JobKind>(),
            "JobState": codes_of::<JobState>(),
        },
        "sizes": {
            "Campaign": size_of::<Campaign>(),
            "Demand": size_of::<Demand>(),
            "Emission": size_of::<Emission>(),
            "Entry": size_of::<Entry>(),
            "Evidence": size_of::<Evidence>(),
            "Job": size_of::<Job>(),
            "MintConfig": size_of::<MintConfig>(),
            "Model": size_of::<Model>(),
            "Protocol": size_of::<Protocol>(),
            "Provider": size_of::<Provider>(),
            "Purse": size_of::<Purse>(),
        },
        "remaining": REMAINING.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
    });
    print("clients", &part);
}

#[test]
fn __anchor_private_print_idl_constants() {
    let number = |name: &str, kind: &str, value: u64| {
        print(
            "const",
            &json!({ "name": name, "type": kind, "value": value.to_string() }),
        );
    };
    let seed = |name: &str, value: &[u8]| {
        print(
            "const",
            &json!({ "name": name, "type": "bytes", "value": format!("{value:?}") }),
        );
    };
    number("MAX_FEE_BPS", "u16", constants::MAX_FEE_BPS.into());
    number("MAX_ROYALTY_BPS", "u16", constants::MAX_ROYALTY_BPS.into());
    number(
        "MIN_REFEREED_BOND_BPS",
        "u32",
        constants::MIN_REFEREED_BOND_BPS.into(),
    );
    number("MAX_STEP_SECS", "u32", constants::MAX_STEP_SECS.into());
    number("MAX_WINDOW_SECS", "u32", constants::MAX_WINDOW_SECS.into());
    number("MAX_GRAPH_BYTES", "u32", constants::MAX_GRAPH_BYTES.into());
    number("MAX_URI_BYTES", "u32", constants::MAX_URI_BYTES as u64);
    number("MAX_NAME_BYTES", "u32", constants::MAX_NAME_BYTES as u64);
    number("MAX_INPUTS", "u32", MAX_INPUTS as u64);
    seed("PROTOCOL_SEED", Protocol::SEED);
    seed("EMISSION_SEED", Emission::SEED);
    seed("MINT_SEED", MintConfig::SEED);
    seed("VAULT_SEED", MintConfig::VAULT_SEED);
    seed("PURSE_SEED", Purse::SEED);
    seed("BURN_SEED", Purse::BURN_SEED);
    seed("PROVIDER_SEED", Provider::SEED);
    seed("MODEL_SEED", Model::SEED);
    seed("JOB_SEED", Job::SEED);
    seed("DEMAND_SEED", Demand::SEED);
    seed("CAMPAIGN_SEED", Campaign::SEED);
    seed("ENTRY_SEED", Entry::SEED);
}
