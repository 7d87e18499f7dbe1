//! What is frozen: discriminators, account sizes, error codes and the bytes of events (tests/golden/program.json).
//!
//! `QUERN_UPDATE_GOLDEN=1 cargo test -p quern-tests --no-default-features --test program_golden` writes the file anew; a
//! difference means that programs, followers and clients in the field stop understanding each other.

use {
    anchor_lang::Discriminator,
    quern::{
        error::{QuernError, REFUSAL_BASE},
        events::{Change, QuernEvent},
        state::{
            Demand, Emission, Evidence, Job, MintConfig, Model, Protocol, Provider, Purse, Terms,
        },
    },
    quern_proof::evidence::Refusal,
    quern_testkit::svm::{kit::instruction_names, *},
    serde_json::{Map, Value, json},
    solana_sdk::pubkey::Pubkey,
    std::path::PathBuf,
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
        AuthorityProposed { proposed: address }
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
        ModelUpdated { model: address, uri: text }
        ModelOwnerProposed { model: address, proposed: address }
        ModelOwnerAccepted { model: address, owner: address }
        JobCreated { job: address, client: address, model: address, mint: address, escrow_atoms: u64, input_uri: text }
        JobCancelled { job: address, client: address, mint: address, released_atoms: u64 }
        JobTaken { job: address, provider: address, bond_atoms: u64 }
        ResultSubmitted {
            job: address, provider: address, milestone: u8, submission: u32, trace_root: hash, output_uri: text
        }
        MilestoneSettled {
            job: address, client: address, provider: address, model: address, royalty_owner: address, mint: address,
            campaign: address, assurance: u8, kind: u8, milestone: u8, accepted: bool, macs: u64, price_atoms: u64,
            fee_atoms: u64, royalty_atoms: u64, provider_atoms: u64, reward_atoms: u64, bond_released_atoms: u64,
            closed: bool
        }
        JobRejected {
            job: address, client: address, provider: address, milestone: u8, deposit_atoms: u64, reason: text
        }
        JobResolved {
            job: address, client: address, provider: address, arbiter: address, mint: address, assurance: u8,
            milestone: u8, silent: bool, provider_prevails: bool, price_atoms: u64, arbiter_atoms: u64, fee_atoms: u64,
            royalty_atoms: u64, provider_atoms: u64, client_atoms: u64, burn_atoms: u64, penalty_atoms: u64,
            deposit_atoms: u64, deposit_to_provider: bool, bond_released_atoms: u64, released_atoms: u64, closed: bool
        }
        JobExpired {
            job: address, client: address, provider: address, mint: address, from_state: u8, penalty_atoms: u64,
            bond_released_atoms: u64, released_atoms: u64, closed: bool
        }
        ConvictionSettled {
            job: address, client: address, provider: address, prover: address, mint: address, reason: u8,
            released_atoms: u64, prover_atoms: u64, client_atoms: u64, treasury_atoms: u64
        }
        JobConvicted {
            job: address, client: address, provider: address, prover: address, mint: address, submission: u32,
            reason: u8, tree: u8, level: u8, index: u64
        }
        DemandOpened {
            demand: address, job: address, provider: address, opener: address, submission: u32, tree: u8, level: u8,
            index: u64, node: hash, due: i64, fee_lamports: u64
        }
        DemandAnswered {
            demand: address, job: address, revealer: address, tree: u8, level: u8, index: u64, fee_lamports: u64,
            answer: bytes
        }
        DemandClosed { demand: address, job: address, opener: address }
    }
}

/// Codes and names of errors, out of the program's source in the order of the enum.
fn errors() -> Map<String, Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../programs/quern/src/error.rs");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, body) = text.split_once("pub enum QuernError {").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let names = body
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.strip_suffix(','));
    let names =
        names.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()));
    let first = code_of(QuernError::Overflow);
    names
        .zip(first..)
        .map(|(name, code)| (name.to_string(), json!(code)))
        .collect()
}

fn current() -> Value {
    let accounts: Map<String, Value> = accounts![
        Protocol, MintConfig, Emission, Provider, Purse, Model, Job, Demand, Evidence
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
    let events: Map<String, Value> = samples()
        .iter()
        .map(|event| {
            let bytes = event.encode();
            (
                event.name().to_string(),
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

/// The names that the builders use are the discriminators of the bytecode: every instruction answers to its own.
#[test]
fn the_bytecode_knows_these_discriminators() {
    let mut world = World::deployed(&actor("authority"));
    let golden = current();
    for (name, discriminator) in golden["instructions"].as_object().unwrap() {
        let text = discriminator.as_str().unwrap();
        let data: Vec<u8> = (0..8)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let instruction = solana_sdk::instruction::Instruction {
            program_id: quern::ID,
            accounts: Vec::new(),
            data,
        };
        let failure = world.fails(instruction);
        let named = failure
            .logs
            .iter()
            .any(|line| line.contains(&format!("Instruction: {name}")));
        assert!(named, "{name}: {:?}", failure.logs);
    }
    let unknown = solana_sdk::instruction::Instruction {
        program_id: quern::ID,
        accounts: Vec::new(),
        data: vec![7; 8],
    };
    world.fails(unknown);
}

/// Codes are contiguous, as a client's table of messages expects.
#[test]
fn error_codes_are_contiguous() {
    let errors = errors();
    assert_eq!(errors["Overflow"], json!(6_000));
    assert_eq!(
        errors["JobLives"],
        json!(code_of(QuernError::JobLives)),
        "the last one"
    );
    assert_eq!(
        errors.len() as u32,
        code_of(QuernError::JobLives) - 6_000 + 1
    );
    assert_eq!(errors["WrongState"], json!(code_of(QuernError::WrongState)));
}

/// Decoding is strict: what is cut, grown or of another kind is no event.
#[test]
fn only_whole_events_decode() {
    let names: Vec<&str> = samples().iter().map(QuernEvent::name).collect();
    assert_eq!(names, QuernEvent::NAMES);
    for event in samples() {
        let bytes = event.encode();
        assert_eq!(QuernEvent::decode(&bytes).as_ref(), Some(&event));
        assert_eq!(QuernEvent::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(QuernEvent::decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(QuernEvent::decode(&[&[0; 8], &bytes[8..]].concat()), None);
    }
    assert_eq!(QuernEvent::decode(&[]), None);
}
