//! What is frozen: discriminators, account sizes, error codes and the bytes of events (tests/golden/program.json).
//!
//! `QUERN_UPDATE_GOLDEN=1 cargo test -p quern-tests --no-default-features --test program golden` writes the file anew; a
//! difference means that programs, followers and clients in the field stop understanding each other.

use {
    anchor_lang::Discriminator,
    quern::{
        error::{QuernError, REFUSAL_BASE},
        events::{Change, JobConvicted, ModelUpdated, QuernEvent},
        state::{
            Assurance, Campaign, Conviction, ConvictionReason, Demand, Emission, Entry, Evidence,
            Job, JobKind, JobState, MintConfig, Model, NodeRef, Protocol, Provider, Purse, Terms,
        },
    },
    quern_proof::evidence::Refusal,
    quern_testkit::svm::{kit::instruction_names, *},
    serde_json::{Map, Value, json},
    solana_sdk::pubkey::Pubkey,
    std::{collections::BTreeMap, path::PathBuf},
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/program.json")
}

macro_rules! accounts {
    ($($name:ident),*) => {
        vec![$((
            stringify!($name).to_string(),
            json!({ "discriminator": hex($name::DISCRIMINATOR), "bytes": 8 + size_of::<$name>() }),
        )),*]
    };
}

/// Every field with another number, so that no two can be exchanged unseen.
struct Numbers(u8);

impl Numbers {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }
    fn address(&mut self) -> Pubkey {
        Pubkey::from([self.next(); 32])
    }
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes([self.next(); 8])
    }
    fn i64(&mut self) -> i64 {
        i64::from_le_bytes([self.next(); 8])
    }
    fn bytes(&mut self) -> Vec<u8> {
        vec![self.next(), self.next(), self.next()]
    }
    fn bool(&mut self) -> bool {
        self.next() % 2 == 1
    }
    fn text(&mut self) -> String {
        format!("text-{}", self.next())
    }
    fn new_text(&mut self) -> Option<String> {
        Some(self.text())
    }
    fn assurance(&mut self) -> u8 {
        self.next();
        Assurance::Reviewed.code()
    }
    fn kind(&mut self) -> u8 {
        self.next();
        JobKind::Training.code()
    }
    fn state(&mut self) -> u8 {
        self.next();
        JobState::Taken.code()
    }
    fn reason(&mut self) -> u8 {
        self.next();
        ConvictionReason::Unanswered.code()
    }
    fn node(&mut self) -> NodeRef {
        NodeRef {
            tree: 1_024 + u16::from(self.next() % 4),
            level: self.next(),
            index: self.u64(),
        }
    }
    fn wrong_cell(&mut self) -> Conviction {
        Conviction::WrongCell {
            op: self.next().into(),
            row: u32::from_le_bytes([self.next(); 4]),
            col: u32::from_le_bytes([self.next(); 4]),
            at: u32::from_le_bytes([self.next(); 4]),
        }
    }
    fn changes(&mut self) -> Vec<Change> {
        let mut change = |kind, after| Change {
            kind,
            address: self.address(),
            seq: self.u64(),
            after,
        };
        vec![change(5, vec![1, 2, 3]), change(7, Vec::new())]
    }
}

macro_rules! events {
    ($numbers:ident; $($name:ident { $($field:ident : $kind:ident),* })*) => {
        vec![$(QuernEvent::$name(quern::events::$name {
            at: 1_790_000_000,
            $($field: events!(@ $numbers $kind),)*
            changes: $numbers.changes(),
        })),*]
    };
    (@ $numbers:ident u8) => { $numbers.next() };
    (@ $numbers:ident u32) => { u32::from_le_bytes([$numbers.next(); 4]) };
    (@ $numbers:ident hash) => { [$numbers.next(); 32] };
    (@ $numbers:ident $kind:ident) => { $numbers.$kind() };
}

fn samples() -> Vec<QuernEvent> {
    let mut n = Numbers(0);
    events! { n;
        ProtocolInitialized {}
        ProtocolUpdated {}
        AuthorityAccepted { authority: address }
        PauseSet { paused: bool }
        MintRegistered { mint: address }
        MintUpdated { mint: address }
        EmissionConfigured {}
        PurseOpened { owner: address, mint: address }
        Deposited { owner: address, mint: address, depositor: address, amount_atoms: u64 }
        Withdrawn { owner: address, mint: address, destination: address, amount_atoms: u64 }
        OperatorLimitSet { owner: address, limit_atoms: u64 }
        ProviderRegistered { owner: address, endpoint: text }
        ProviderUpdated { owner: address, endpoint: text }
        RewardsClaimed { owner: address, mint: address, amount_atoms: u64 }
        ModelRegistered { creator: address, id: u64, uri: text }
        ModelWritten { model: address, offset: u32, length: u32 }
        ModelSealed { model: address, graph_hash: hash }
        ModelUpdated { model: address, uri: new_text }
        ModelOwnerAccepted { model: address, owner: address }
        JobCreated { job: address, client: address, model: address, mint: address, escrow_atoms: u64, input_uri: text }
        JobCancelled { job: address, client: address, mint: address, released_atoms: u64 }
        JobTaken { job: address, provider: address, bond_atoms: u64 }
        ResultSubmitted {
            job: address, provider: address, milestone: u8, submission: u32, trace_root: hash, tokens_root: hash, output_uri: text
        }
        MilestoneSettled {
            job: address, client: address, provider: address, model: address, royalty_owner: address, mint: address,
            campaign: address, assurance: assurance, kind: kind, milestone: u8, accepted: bool, work: u64, price_atoms: u64,
            fee_atoms: u64, royalty_atoms: u64, provider_atoms: u64, reward_atoms: u64, bond_released_atoms: u64,
            closed: bool, submitted_at: i64, score: u64
        }
        JobRejected {
            job: address, client: address, provider: address, milestone: u8, deposit_atoms: u64, reason: text
        }
        JobResolved {
            job: address, client: address, provider: address, arbiter: address, mint: address, assurance: assurance,
            milestone: u8, silent: bool, provider_prevails: bool, price_atoms: u64, arbiter_atoms: u64, fee_atoms: u64,
            royalty_atoms: u64, provider_atoms: u64, client_atoms: u64, burn_atoms: u64, penalty_atoms: u64,
            deposit_atoms: u64, deposit_to_provider: bool, bond_released_atoms: u64, released_atoms: u64, closed: bool
        }
        JobExpired {
            job: address, client: address, provider: address, mint: address, from_state: state, penalty_atoms: u64,
            bond_released_atoms: u64, released_atoms: u64, closed: bool
        }
        ConvictionSettled {
            job: address, client: address, provider: address, prover: address, mint: address, reason: reason,
            released_atoms: u64, prover_atoms: u64, client_atoms: u64, treasury_atoms: u64
        }
        JobConvicted {
            job: address, client: address, provider: address, prover: address, mint: address, submission: u32,
            conviction: wrong_cell
        }
        DemandOpened {
            demand: address, job: address, provider: address, opener: address, submission: u32, node_id: node,
            node: hash, due: i64, fee_lamports: u64
        }
        DemandAnswered {
            demand: address, job: address, revealer: address, node_id: node, fee_lamports: u64,
            answer: bytes
        }
        DemandClosed { demand: address, job: address, opener: address }
        CampaignCreated { campaign: address, sponsor: address, mint: address, pot_atoms: u64 }
        CampaignJoined { campaign: address, provider: address }
        CampaignClaimed { campaign: address, provider: address, score: u64, amount_atoms: u64 }
        CampaignSwept { campaign: address, sponsor: address, mint: address, released_atoms: u64 }
    }
}

/// Every other form of an event that has several.
fn variants() -> Vec<(&'static str, QuernEvent)> {
    let mut n = Numbers(100);
    let of = |conviction| {
        move |event: &QuernEvent| match event {
            QuernEvent::JobConvicted(event) => Some(QuernEvent::JobConvicted(JobConvicted {
                conviction,
                ..event.clone()
            })),
            _ => None,
        }
    };
    let samples = samples();
    let padding = samples
        .iter()
        .find_map(of(Conviction::BadPadding(n.node())));
    let unanswered = samples
        .iter()
        .find_map(of(Conviction::Unanswered(n.node())));
    let updated = samples.iter().find_map(|event| match event {
        QuernEvent::ModelUpdated(event) => Some(QuernEvent::ModelUpdated(ModelUpdated {
            uri: None,
            ..event.clone()
        })),
        _ => None,
    });
    vec![
        ("JobConvicted, bad padding", padding.unwrap()),
        ("JobConvicted, unanswered", unanswered.unwrap()),
        ("ModelUpdated, no settings", updated.unwrap()),
    ]
}

/// Codes and names of errors.
fn errors() -> Map<String, Value> {
    let coded = |error: &QuernError| (error.name().to_string(), json!(code_of(*error)));
    QuernError::ALL.iter().map(coded).collect()
}

fn current() -> Value {
    let accounts: Map<String, Value> = accounts![
        Protocol, MintConfig, Emission, Provider, Purse, Model, Job, Demand, Evidence, Campaign,
        Entry
    ]
    .into_iter()
    .collect();
    let refusals: Map<String, Value> = Refusal::ALL
        .into_iter()
        .map(|refusal| {
            let code = REFUSAL_BASE + refusal as u32;
            (format!("{refusal:?}"), json!(code))
        })
        .collect();
    let instructions: Map<String, Value> = instruction_names()
        .into_iter()
        .map(|name| {
            let hash = anchor_lang::sha256(format!("global:{name}").as_bytes());
            (name, json!(hex(&hash[..8])))
        })
        .collect();
    let named = |event: QuernEvent| (event.name(), event);
    let events: Map<String, Value> = samples()
        .into_iter()
        .map(named)
        .chain(variants())
        .map(|(name, event)| {
            let bytes = event.encode();
            (
                name.to_string(),
                json!({ "discriminator": hex(&bytes[..8]), "sample": hex(&bytes) }),
            )
        })
        .collect();
    json!({
        "program": quern::ID.to_string(),
        "terms_bytes": size_of::<Terms>(),
        "vault_bytes": token::ACCOUNT_BYTES,
        "accounts": accounts,
        "instructions": instructions,
        "errors": errors(),
        "refusals": refusals,
        "events": events,
    })
}

#[test]
fn the_golden_file_is_not_stale() {
    let current = current();
    if std::env::var_os("QUERN_UPDATE_GOLDEN").is_some() {
        std::fs::write(
            path(),
            serde_json::to_string_pretty(&current).unwrap() + "\n",
        )
        .unwrap();
    }
    let text = std::fs::read_to_string(path())
        .unwrap_or_else(|error| panic!("{}: {error}", path().display()));
    let golden: Value = serde_json::from_str(&text).unwrap();
    for section in [
        "program",
        "terms_bytes",
        "vault_bytes",
        "accounts",
        "instructions",
        "errors",
        "refusals",
        "events",
    ] {
        assert_eq!(
            golden[section], current[section],
            "{section} changed: see the head of this file"
        );
    }
}

/// The names that the builders use are the discriminators of the bytecode: what it knows misses its accounts, what it does
/// not know is refused as that.
#[test]
fn the_bytecode_knows_these_discriminators() {
    let mut world = World::deployed(&actor("authority"));
    let mut refusal = |data: Vec<u8>| {
        let instruction = solana_sdk::instruction::Instruction {
            program_id: quern::ID,
            accounts: Vec::new(),
            data,
        };
        world.fails(instruction).error
    };
    let unknown = refusal(vec![7; 8]);
    let golden = current();
    for (name, discriminator) in golden["instructions"].as_object().unwrap() {
        let text = discriminator.as_str().unwrap();
        let data: Vec<u8> = (0..8)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let mut other = data.clone();
        assert_ne!(refusal(data), unknown, "{name} is not known");
        other[7] ^= 1;
        assert_eq!(refusal(other), unknown, "a neighbour of {name} is known");
    }
}

/// Codes are contiguous, as a client's table of messages expects.
#[test]
fn error_codes_are_contiguous() {
    let errors = errors();
    assert_eq!(errors["Overflow"], json!(6_000));
    assert_eq!(
        errors["EntryMissing"],
        json!(code_of(QuernError::EntryMissing)),
        "the last one"
    );
    assert_eq!(
        errors.len() as u32,
        code_of(QuernError::EntryMissing) - 6_000 + 1
    );
    assert_eq!(errors["WrongState"], json!(code_of(QuernError::WrongState)));
}

/// Decoding is strict: what is cut, grown or of another kind is no event.
#[test]
fn only_whole_events_decode() {
    let names: Vec<&str> = samples().iter().map(QuernEvent::name).collect();
    assert_eq!(names, QuernEvent::NAMES);
    let variants = variants().into_iter().map(|(_, event)| event);
    for event in samples().into_iter().chain(variants) {
        let bytes = event.encode();
        assert_eq!(QuernEvent::decode(&bytes).as_ref(), Some(&event));
        assert_eq!(QuernEvent::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(QuernEvent::decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(QuernEvent::decode(&[&[0; 8], &bytes[8..]].concat()), None);
    }
    assert_eq!(QuernEvent::decode(&[]), None);
}

/// What names a code that this version does not know is no event either: accessors always find one.
#[test]
fn events_with_unknown_codes_do_not_decode() {
    let mut spoilt = 0;
    for mut event in samples() {
        let (known, unknown, no_tree) = (event.clone(), 200, 4_000);
        match &mut event {
            QuernEvent::MilestoneSettled(event) => event.assurance = unknown,
            QuernEvent::JobResolved(event) => event.assurance = unknown,
            QuernEvent::JobExpired(event) => event.from_state = unknown,
            QuernEvent::ConvictionSettled(event) => event.reason = unknown,
            QuernEvent::JobConvicted(event) => {
                let node = NodeRef {
                    tree: no_tree,
                    level: 0,
                    index: 0,
                };
                event.conviction = Conviction::Unanswered(node);
            }
            QuernEvent::DemandOpened(event) => event.node_id.tree = no_tree,
            QuernEvent::DemandAnswered(event) => event.node_id.tree = no_tree,
            QuernEvent::JobTaken(event) => event.changes[0].kind = unknown,
            _ => continue,
        }
        spoilt += 1;
        assert_eq!(QuernEvent::decode(&event.encode()), None, "{event:?}");
        assert!(QuernEvent::decode(&known.encode()).is_some());
    }
    assert_eq!(spoilt, 8);
    for mut event in samples() {
        if let QuernEvent::MilestoneSettled(settled) = &mut event {
            settled.kind = 0;
            assert_eq!(QuernEvent::decode(&event.encode()), None);
        }
    }
}

/// Generated clients name types after instructions, their arguments and accounts; no name may mean two things, however it is
/// written.
#[test]
fn names_of_the_interface_are_disjoint() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../idl/quern.json");
    let idl: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let names = |section: &str| -> Vec<String> {
        let all = idl[section].as_array().unwrap().iter();
        all.map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (accounts, events) = (names("accounts"), names("events"));
    // Accounts and events are listed among the types once more.
    let mut types = names("types");
    types.retain(|name| !accounts.contains(name) && !events.contains(name));
    let mut meanings: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |name: String, meaning: String| {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let clash = meanings.insert(plain.to_lowercase(), meaning.clone());
        assert_eq!(clash, None, "{name} is a name of {meaning} already taken");
    };
    for instruction in names("instructions") {
        for suffix in ["", "_args", "_accounts", "_instruction"] {
            add(
                format!("{instruction}{suffix}"),
                format!("instruction {instruction}"),
            );
        }
    }
    for (what, names) in [("account", accounts), ("event", events), ("type", types)] {
        for name in names {
            add(name.clone(), format!("{what} {name}"));
        }
    }
}
