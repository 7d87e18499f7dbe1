//! The generic negative kit: every account of every instruction is spoiled in every way that makes sense, and each attempt
//! must fail without changing anything. What may succeed stands in an explicit list with its reason.

use {
    super::{Stage, World, actor, addresses, token},
    anchor_lang::Discriminator,
    quern::state::{EntityKind, Model, Purse},
    solana_sdk::{
        account::Account,
        instruction::{AccountMeta, Instruction},
        pubkey::Pubkey,
    },
    std::{collections::BTreeSet, path::PathBuf},
};

/// A valid instruction in a stage in which it succeeds.
pub struct Case {
    /// The instruction's name in the program.
    pub instruction: &'static str,
    /// What is special about this case.
    pub variant: &'static str,
    /// The stage.
    pub stage: Stage,
    /// The valid instruction.
    pub valid: Instruction,
}

/// A spoiled instruction that may succeed.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Name of the instruction, or `*`.
    pub instruction: &'static str,
    /// Name of the account, `data` for the instruction's data, or `*`.
    pub account: &'static str,
    /// How it was spoiled: the beginning of its description.
    pub spoiled: &'static str,
    /// Why that is right.
    pub reason: &'static str,
}

/// One way to spoil a case.
struct Spoiled {
    account: String,
    how: String,
    world: World,
    instruction: Instruction,
}

fn source(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../programs/quern/src")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the program's instructions, out of its source.
pub fn instruction_names() -> Vec<String> {
    let lib = source("lib.rs");
    let names = lib
        .lines()
        .filter_map(|line| line.strip_prefix("    pub fn ")?.split_once('('))
        .map(|(name, _)| name);
    names.map(String::from).collect()
}

/// Names of an instruction's declared accounts, out of the program's source.
pub fn account_names(instruction: &str) -> Vec<String> {
    let lib = source("lib.rs");
    let (_, rest) = lib
        .split_once(&format!("    pub fn {instruction}("))
        .unwrap_or_else(|| panic!("no instruction {instruction}"));
    let (_, rest) = rest.split_once("Context<").unwrap();
    let (accounts, _) = rest.split_once('>').unwrap();
    let head = format!("pub struct {accounts} {{");
    for folder in [
        "protocol", "purse", "provider", "model", "job", "dispute", "referee", "campaign",
    ] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../programs/quern/src/instructions")
            .join(folder);
        for entry in std::fs::read_dir(path).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let Some((before, body)) = text.split_once(&head) else {
                continue;
            };
            let emits = before
                .rsplit("\n\n")
                .next()
                .is_some_and(|attributes| attributes.contains("#[event_cpi]"));
            let (body, _) = body.split_once("\n}").unwrap();
            let fields = body
                .lines()
                .filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'));
            let mut names: Vec<String> = fields.map(|(name, _)| name.into()).collect();
            if emits {
                names.extend(["event_authority".into(), "program".into()]);
            }
            return names;
        }
    }
    panic!("no accounts of {instruction}")
}

fn name_of(names: &[String], index: usize) -> String {
    names
        .get(index)
        .cloned()
        .unwrap_or_else(|| format!("purse {}", index - names.len()))
}

/// Runs a case: the valid instruction succeeds, every spoiled one fails and changes nothing. Returns how many were tried, and
/// adds the allowed ones that succeeded to `used`.
pub fn run(case: &Case, allowed: &[Allowed], used: &mut BTreeSet<usize>) -> usize {
    let title = format!("{} ({})", case.instruction, case.variant);
    let mut control = case.stage.world.clone();
    if let Err(failure) = control.send(std::slice::from_ref(&case.valid)) {
        panic!(
            "{title}: the valid instruction fails: {:?}\n{}",
            failure.error,
            failure.logs.join("\n")
        );
    }
    let spoiled = spoil(case);
    let count = spoiled.len();
    let mut surprises = Vec::new();
    for Spoiled {
        account,
        how,
        mut world,
        instruction,
    } in spoiled
    {
        let before = world.snapshot();
        match world.try_send(&[instruction]) {
            Err(_) => assert!(
                before == world.snapshot(),
                "{title}: {account} {how}: failed, but changed an account"
            ),
            Ok(_) => {
                let fits = |rule: &&Allowed| {
                    (rule.instruction == "*" || rule.instruction == case.instruction)
                        && (rule.account == "*"
                            || account == rule.account
                            || (rule.account == "purse" && account.starts_with("purse ")))
                        && how.starts_with(rule.spoiled)
                        && !(rule.spoiled.is_empty() && how == "unsigned")
                };
                match allowed.iter().position(|rule| fits(&rule)) {
                    Some(at) => {
                        used.insert(at);
                    }
                    None => surprises.push(format!("{title}: {account} {how}")),
                }
            }
        }
    }
    assert!(
        surprises.is_empty(),
        "these should have failed:\n{}",
        surprises.join("\n")
    );
    count
}

fn spoil(case: &Case) -> Vec<Spoiled> {
    let count = case.valid.accounts.len();
    let mut all: Vec<Spoiled> = (0..count)
        .flat_map(|index| spoiled_account(case, index))
        .collect();
    let names = account_names(case.instruction);
    all.extend((0..count).map(|left| {
        let mut instruction = case.valid.clone();
        instruction.accounts.truncate(left);
        Spoiled {
            account: name_of(&names, left),
            how: "missing with all behind it".into(),
            world: case.stage.world.clone(),
            instruction,
        }
    }));
    all.extend(spoiled_data(case));
    all
}

/// The instruction with one account unsigned, read-only, replaced or damaged.
fn spoiled_account(case: &Case, index: usize) -> Vec<Spoiled> {
    let names = account_names(case.instruction);
    let accounts = &case.valid.accounts;
    let meta = &accounts[index];
    let mut all = Vec::new();
    let mut add = |how: String, world: World, change: &dyn Fn(&mut AccountMeta)| {
        let mut instruction = case.valid.clone();
        change(&mut instruction.accounts[index]);
        all.push(Spoiled {
            account: name_of(&names, index),
            how,
            world,
            instruction,
        });
    };
    let world = || case.stage.world.clone();
    if meta.is_signer {
        add("unsigned".into(), world(), &|meta| meta.is_signer = false);
    }
    // Another slot may mark the same account writable, as for a client who also signs; then nothing is spoiled.
    let elsewhere = accounts
        .iter()
        .enumerate()
        .any(|(at, other)| at != index && other.pubkey == meta.pubkey && other.is_writable);
    if meta.is_writable && !elsewhere {
        add("read-only".into(), world(), &|meta| {
            meta.is_writable = false
        });
    }
    for (how, key) in others(&case.stage, &meta.pubkey, meta.is_signer) {
        add(how, world(), &|meta| meta.pubkey = key);
    }
    for (at, other) in accounts.iter().enumerate() {
        if other.pubkey != meta.pubkey {
            let how = format!("duplicate of {}", name_of(&names, at));
            add(how, world(), &|meta| meta.pubkey = other.pubkey);
        }
    }
    for (how, account) in damaged(&case.stage, &meta.pubkey) {
        let mut world = world();
        let at = match how {
            "forged copy" | "copy owned by the system" => actor("a forged account"),
            _ => meta.pubkey,
        };
        world.svm.set_account(at, account).unwrap();
        add(how.into(), world, &|meta| meta.pubkey = at);
    }
    all
}

/// The instruction with its data cut and grown.
fn spoiled_data(case: &Case) -> Vec<Spoiled> {
    let spoiled = |how: String, change: &dyn Fn(&mut Vec<u8>)| {
        let mut instruction = case.valid.clone();
        change(&mut instruction.data);
        Spoiled {
            account: "data".into(),
            how,
            world: case.stage.world.clone(),
            instruction,
        }
    };
    let cut = (0..case.valid.data.len()).map(|length| {
        spoiled(format!("cut to {length} bytes"), &|data| {
            data.truncate(length)
        })
    });
    let grown = [1, 8, 300].map(|more| {
        spoiled(format!("grown by {more} bytes"), &|data| {
            data.extend(vec![0; more])
        })
    });
    cut.chain(grown).collect()
}

/// Other accounts of the same type, each with what is other about it.
fn others(stage: &Stage, key: &Pubkey, signs: bool) -> Vec<(String, Pubkey)> {
    let mut others = Vec::new();
    let mut add = |how: &str, other: Pubkey| {
        if other != *key {
            others.push((how.to_string(), other));
        }
    };
    let Some(account) = stage.svm.get_account(key) else {
        // To be created, or the event authority.
        add("another address", actor("an address without an account"));
        add("another address that is taken", addresses::protocol());
        return others;
    };
    if signs {
        add("another wallet", stage.cast.stranger);
        add("another party", stage.cast.creator);
        return others;
    }
    if account.executable || *key == addresses::SYSTEM_PROGRAM {
        for program in [
            addresses::SYSTEM_PROGRAM,
            addresses::TOKEN_PROGRAM,
            addresses::TOKEN_2022_PROGRAM,
            quern::ID,
        ] {
            add("another program", program);
        }
        return others;
    }
    if account.owner == quern::ID {
        return others_of_the_program(stage, key, &account);
    }
    if account.owner == addresses::TOKEN_PROGRAM || account.owner == addresses::TOKEN_2022_PROGRAM {
        return other_tokens(stage, key, &account);
    }
    add("another wallet", stage.cast.stranger);
    others
}

/// Other accounts of the program: of the same type, and of others.
fn others_of_the_program(stage: &Stage, key: &Pubkey, account: &Account) -> Vec<(String, Pubkey)> {
    let mut others = Vec::new();
    let mut add = |how: &str, other: Pubkey| {
        if other != *key {
            others.push((how.to_string(), other));
        }
    };
    if let Some(purse) = super::read::<Purse>(&account.data) {
        for mint in [stage.usd, stage.gold] {
            if mint != purse.mint {
                add(
                    "the owner's purse in another mint",
                    addresses::purse(&purse.owner, &mint),
                );
            }
        }
        for owner in [stage.cast.stranger, stage.cast.second, stage.cast.guardian] {
            if owner != purse.owner {
                add(
                    "somebody else's purse",
                    addresses::purse(&owner, &purse.mint),
                );
            }
        }
        return others;
    }
    if super::is_evidence(&account.data) {
        for (address, data) in stage.program_accounts() {
            if super::is_evidence(&data) {
                add("another evidence account", address);
            }
        }
    }
    let kind = super::fixed_part(&account.data).map(|(kind, _)| kind);
    for (address, data) in stage.program_accounts() {
        let other = super::fixed_part(&data).map(|(kind, _)| kind);
        if other == kind && kind.is_some() {
            add("another account of its type", address);
        }
    }
    for (address, data) in stage.program_accounts() {
        let other = super::fixed_part(&data).map(|(kind, _)| kind);
        if other != kind
            && matches!(
                other,
                Some(
                    EntityKind::Provider
                        | EntityKind::Job
                        | EntityKind::MintConfig
                        | EntityKind::Demand
                        | EntityKind::Entry
                )
            )
        {
            add("an account of another type", address);
        }
    }
    others
}

/// Other mints, and token accounts of others and of other mints.
fn other_tokens(stage: &Stage, key: &Pubkey, account: &Account) -> Vec<(String, Pubkey)> {
    let mut others = Vec::new();
    let mut add = |how: &str, other: Pubkey| {
        if other != *key {
            others.push((how.to_string(), other));
        }
    };
    if account.data.len() == token::MINT_BYTES {
        add("another mint", stage.usd);
        add("another mint", stage.gold);
    } else {
        let mint = Pubkey::try_from(&account.data[..32]).unwrap();
        add(
            "somebody else's token account",
            token::account(stage, &stage.cast.guardian, &mint),
        );
        for other in [stage.usd, stage.gold]
            .into_iter()
            .filter(|other| *other != mint)
        {
            add(
                "a token account of another mint",
                token::account(stage, &stage.cast.guardian, &other),
            );
            add("the vault of another mint", addresses::vault(&other));
        }
        add("the vault", addresses::vault(&mint));
    }
    others
}

/// The account with its data or owner damaged, where it is of a program's making.
fn damaged(stage: &Stage, key: &Pubkey) -> Vec<(&'static str, Account)> {
    let Some(account) = stage
        .svm
        .get_account(key)
        .filter(|account| !account.executable && !account.data.is_empty())
    else {
        return Vec::new();
    };
    let system = addresses::SYSTEM_PROGRAM;
    let foreign = Pubkey::from([9; 32]);
    let with_data = |data: Vec<u8>| Account {
        data,
        ..account.clone()
    };
    let mut grown = account.data.clone();
    grown.push(0);
    let mut retyped = account.data.clone();
    retyped[0] ^= 1;
    let mut cases = vec![
        (
            "owned by another program",
            Account {
                owner: foreign,
                ..account.clone()
            },
        ),
        (
            "owned by the system",
            Account {
                owner: system,
                ..account.clone()
            },
        ),
        (
            "forged copy",
            Account {
                owner: foreign,
                ..account.clone()
            },
        ),
        (
            "copy owned by the system",
            Account {
                owner: system,
                ..account.clone()
            },
        ),
        (
            "data cut by one byte",
            with_data(account.data[..account.data.len() - 1].to_vec()),
        ),
        ("data cut to 8 bytes", with_data(account.data[..8].to_vec())),
        ("data cut to nothing", with_data(Vec::new())),
        ("data grown by one byte", with_data(grown)),
    ];
    if is_growing(&account) {
        cases.retain(|(name, _)| *name != "data cut by one byte");
    }
    if account.owner == quern::ID {
        cases.push(("data of no type", with_data(retyped)));
    }
    cases
}

/// Whether it is a model whose graph is still being written: it may be shorter than its registered length.
fn is_growing(account: &Account) -> bool {
    let fixed = account.data.strip_prefix(Model::DISCRIMINATOR);
    let fixed = fixed.and_then(|data| data.get(..size_of::<Model>()));
    fixed.is_some_and(|fixed| {
        let model: Model = bytemuck::pod_read_unaligned(fixed);
        account.owner == quern::ID && !model.sealed.get()
    })
}
