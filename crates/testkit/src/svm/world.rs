//! A virtual machine with the program, and sending without checks; `checked` adds them.

use {
    super::addresses,
    crate::{accounts::read, follower::Follower, oracle::Oracle, program_so},
    anchor_lang::{Discriminator, event::EVENT_IX_TAG_LE},
    bytemuck::Pod,
    litesvm::LiteSVM,
    quern::{error::QuernError, events::QuernEvent},
    solana_sdk::{
        account::{Account, ReadableAccount},
        instruction::{Instruction, InstructionError},
        message::{Message, VersionedMessage, v1},
        program_error::ProgramError,
        pubkey::Pubkey,
        signature::Signature,
        transaction::{TransactionError, VersionedTransaction},
    },
    std::collections::BTreeMap,
};

/// Unix time at which every world begins.
pub const GENESIS: i64 = 1_790_000_000;
/// What every actor gets, in lamports.
pub const ACTOR_LAMPORTS: u64 = 1_000_000_000_000;

const CLOCK: Pubkey = solana_sdk::pubkey!("SysvarC1ock11111111111111111111111111111111");
const LAST_RESTART_SLOT: Pubkey =
    solana_sdk::pubkey!("SysvarLastRestartS1ot1111111111111111111111");
const SYSVARS: Pubkey = solana_sdk::pubkey!("Sysvar1111111111111111111111111111111111111");
const COMPUTE_BUDGET: Pubkey = solana_sdk::pubkey!("ComputeBudget111111111111111111111111111111");

/// What a transaction did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Compute units of all its instructions.
    pub compute_units: u64,
    /// The program's events, in order.
    pub events: Vec<QuernEvent>,
    /// Log lines.
    pub logs: Vec<String>,
    /// Size of the transaction on the wire.
    pub bytes: usize,
}

/// Most bytes of a transaction on the wire.
pub const MAX_TRANSACTION_BYTES: usize = 1_232;
/// Most bytes of a transaction of version 1 on the wire.
pub const MAX_V1_TRANSACTION_BYTES: usize = v1::MAX_TRANSACTION_SIZE;

impl Outcome {
    /// The only event.
    pub fn event(&self) -> &QuernEvent {
        assert_eq!(self.events.len(), 1, "one event: {:?}", self.events);
        &self.events[0]
    }
}

/// Why a transaction failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The runtime's error.
    pub error: TransactionError,
    /// Log lines.
    pub logs: Vec<String>,
    /// Compute units spent.
    pub compute_units: u64,
}

impl Failure {
    /// The program's own code, if it failed with one.
    pub fn code(&self) -> Option<u32> {
        match self.error {
            TransactionError::InstructionError(_, InstructionError::Custom(code)) => Some(code),
            _ => None,
        }
    }
}

/// The code of an error.
pub fn code_of(error: QuernError) -> u32 {
    match ProgramError::from(error) {
        ProgramError::Custom(code) => code,
        other => panic!("{error:?} has no code of its own but is {other:?}"),
    }
}

/// The virtual machine, what a follower of its events knows, and an independent ledger.
#[derive(Clone)]
pub struct World {
    /// The virtual machine. Writing to it directly needs a [`World::resync`] after.
    pub svm: LiteSVM,
    /// Who pays transaction fees; takes no part in anything.
    pub payer: Pubkey,
    /// Accounts as the events tell them.
    pub follower: Follower,
    /// Balances as an independent arithmetic computes them.
    pub oracle: Oracle,
    /// Sum of fees, for counting lamports.
    pub fees_lamports: u64,
    sent: u64,
}

/// An address that stands for a name.
pub fn actor(name: &str) -> Pubkey {
    Pubkey::from(anchor_lang::sha256(format!("actor {name}").as_bytes()))
}

impl World {
    /// The program, deployed and upgradeable by `upgrade_authority`, not initialized.
    pub fn deployed(upgrade_authority: &Pubkey) -> Self {
        let path = program_so();
        let elf = std::fs::read(&path).unwrap();
        // Signatures are the cluster's business; who must sign is still enforced. Without them, any address can act.
        let mut svm = LiteSVM::new()
            .with_sigverify(false)
            .with_blockhash_check(false)
            .with_log_bytes_limit(None);
        svm.add_program(quern::ID, &elf).unwrap_or_else(|error| {
            panic!(
                "{} does not load ({error:?}): run `cargo xtask build-program`",
                path.display()
            )
        });
        let mut world = Self {
            svm,
            payer: actor("fee payer"),
            follower: Follower::default(),
            oracle: Oracle::default(),
            fees_lamports: 0,
            sent: 0,
        };
        world.set_upgrade_authority(Some(upgrade_authority));
        // A program is invisible in slots before its own deployment.
        let slot = world.slot() + 1_000;
        world.set_clock(GENESIS, slot);
        world.set_last_restart_slot(0);
        world.give_lamports(&world.payer.clone());
        world.give_lamports(upgrade_authority);
        world
    }

    /// Writes the authority into the ProgramData account, as the loader does.
    pub fn set_upgrade_authority(&mut self, authority: Option<&Pubkey>) {
        let address = addresses::program_data(&quern::ID);
        let mut account = self.svm.get_account(&address).unwrap();
        account.data[12] = authority.is_some().into();
        account.data[13..45].copy_from_slice(authority.unwrap_or(&Pubkey::default()).as_ref());
        self.svm.set_account(address, account).unwrap();
    }

    /// Funds an actor with lamports.
    pub fn give_lamports(&mut self, to: &Pubkey) {
        let account = Account {
            lamports: ACTOR_LAMPORTS,
            owner: addresses::SYSTEM_PROGRAM,
            ..Account::default()
        };
        self.svm.set_account(*to, account).unwrap();
    }

    /// Current unix time.
    pub fn now(&self) -> i64 {
        let data = self.svm.get_account(&CLOCK).unwrap().data;
        i64::from_le_bytes(data[32..40].try_into().unwrap())
    }

    /// Current slot.
    pub fn slot(&self) -> u64 {
        let data = self.svm.get_account(&CLOCK).unwrap().data;
        u64::from_le_bytes(data[0..8].try_into().unwrap())
    }

    /// Sets time and slot.
    pub fn set_clock(&mut self, now: i64, slot: u64) {
        let mut data = [0; 40];
        data[0..8].copy_from_slice(&slot.to_le_bytes());
        data[32..40].copy_from_slice(&now.to_le_bytes());
        self.set_sysvar(CLOCK, &data);
    }

    /// Sets the time; the slot goes on.
    pub fn set_time(&mut self, now: i64) {
        let slot = self.slot() + 1;
        self.set_clock(now, slot);
    }

    /// Moves time forward.
    pub fn wait(&mut self, secs: i64) {
        let now = self.now() + secs;
        self.set_time(now);
    }

    /// Says that the cluster restarted in this slot; 0 means never.
    pub fn set_last_restart_slot(&mut self, slot: u64) {
        self.set_sysvar(LAST_RESTART_SLOT, &slot.to_le_bytes());
    }

    /// Restarts the cluster now.
    pub fn restart(&mut self) {
        let (now, slot) = (self.now(), self.slot() + 1);
        self.set_clock(now, slot);
        self.set_last_restart_slot(slot);
    }

    fn set_sysvar(&mut self, address: Pubkey, data: &[u8]) {
        let account = Account {
            lamports: 1,
            data: data.to_vec(),
            owner: SYSVARS,
            ..Account::default()
        };
        self.svm.set_account(address, account).unwrap();
    }

    /// Sends instructions in one transaction, without any check.
    pub fn try_send(&mut self, instructions: &[Instruction]) -> Result<Outcome, Failure> {
        // The largest budget a transaction can ask for: tests look for behaviour, the benchmarks for costs.
        let mut data = vec![2];
        data.extend(1_400_000u32.to_le_bytes());
        let limit = Instruction {
            program_id: COMPUTE_BUDGET,
            accounts: Vec::new(),
            data,
        };
        let all: Vec<Instruction> = core::iter::once(limit)
            .chain(instructions.iter().cloned())
            .collect();
        let message =
            Message::new_with_blockhash(&all, Some(&self.payer), &self.svm.latest_blockhash());
        let bytes = wire_bytes(&message);
        // 150 units are the compute budget program's own.
        self.transmit(VersionedMessage::Legacy(message), bytes, 150)
    }

    /// As [`World::try_send`], in a transaction of version 1, which may be 4,096 bytes long.
    pub fn try_send_v1(&mut self, instructions: &[Instruction]) -> Result<Outcome, Failure> {
        // What is not stated is 0; 64 MiB is what other transactions may load.
        let config = v1::TransactionConfig::empty()
            .with_compute_unit_limit(1_400_000)
            .with_loaded_accounts_data_size_limit(64 << 20);
        let message = v1::Message::try_compile_with_config(
            &self.payer,
            instructions,
            self.svm.latest_blockhash(),
            config,
        )
        .unwrap();
        message.validate().unwrap();
        let signatures = usize::from(message.header.num_required_signatures);
        // As in `wire_bytes`: outside of tests a signer pays the fee itself.
        let payer = if signatures > 1 { 64 + 32 } else { 0 };
        let bytes = 1 + 64 * signatures + message.size() - payer;
        self.transmit(VersionedMessage::V1(message), bytes, 0)
    }

    fn transmit(
        &mut self,
        message: VersionedMessage,
        bytes: usize,
        budget_units: u64,
    ) -> Result<Outcome, Failure> {
        self.sent += 1;
        let mut first = [0; 64];
        first[..8].copy_from_slice(&self.sent.to_le_bytes());
        let mut signatures =
            vec![Signature::default(); message.header().num_required_signatures.into()];
        signatures[0] = Signature::from(first);
        let keys = message.static_account_keys().to_vec();
        let transaction = VersionedTransaction {
            signatures,
            message,
        };
        match self.svm.send_transaction(transaction) {
            Ok(meta) => {
                self.fees_lamports += meta.fee;
                let mut events = Vec::new();
                for inner in meta.inner_instructions.iter().flatten() {
                    let call = &inner.instruction;
                    // The four checks: it succeeded, the program is ours, the tag, the event authority.
                    let ours = keys[usize::from(call.program_id_index)] == quern::ID;
                    let Some(data) = call.data.strip_prefix(EVENT_IX_TAG_LE).filter(|_| ours)
                    else {
                        continue;
                    };
                    assert_eq!(
                        keys[usize::from(call.accounts[0])],
                        addresses::event_authority()
                    );
                    events.push(
                        QuernEvent::decode(data)
                            .unwrap_or_else(|| panic!("undecodable event {data:?}")),
                    );
                }
                let compute_units = meta.compute_units_consumed.saturating_sub(budget_units);
                Ok(Outcome {
                    compute_units,
                    events,
                    logs: meta.logs,
                    bytes,
                })
            }
            Err(failed) => {
                self.fees_lamports += failed.meta.fee;
                let compute_units = failed
                    .meta
                    .compute_units_consumed
                    .saturating_sub(budget_units);
                Err(Failure {
                    error: failed.err,
                    logs: failed.meta.logs,
                    compute_units,
                })
            }
        }
    }

    /// Sends an instruction that must fail with this error and change nothing.
    #[track_caller]
    pub fn refused(&mut self, instruction: Instruction, error: QuernError) {
        let failure = self.fails(instruction);
        assert_eq!(
            failure.code(),
            Some(code_of(error)),
            "expected {error:?}, got {:?}\n{}",
            failure.error,
            failure.logs.join("\n")
        );
    }

    /// Sends an instruction that must fail and change nothing but the fee payer's lamports.
    #[track_caller]
    pub fn fails(&mut self, instruction: Instruction) -> Failure {
        self.fails_all(&[instruction])
    }

    /// As [`World::fails`], for several instructions.
    #[track_caller]
    pub fn fails_all(&mut self, instructions: &[Instruction]) -> Failure {
        let before = self.snapshot();
        match self.try_send(instructions) {
            Ok(outcome) => panic!("should have been refused, but did {:?}", outcome.events),
            Err(failure) => {
                assert!(
                    before == self.snapshot(),
                    "a failed transaction changed an account"
                );
                failure
            }
        }
    }

    /// Every account but the fee payer's and the sysvars.
    pub fn snapshot(&self) -> BTreeMap<Pubkey, Account> {
        let db = &self.svm.accounts_db().inner;
        db.iter()
            .filter(|(address, account)| {
                **address != self.payer && *account.owner() != SYSVARS && !account.executable()
            })
            .filter(|(_, account)| account.data().len() < 100_000)
            .map(|(address, account)| (*address, account.clone().into()))
            .collect()
    }

    /// Every account that the program owns.
    pub fn program_accounts(&self) -> BTreeMap<Pubkey, Vec<u8>> {
        let db = &self.svm.accounts_db().inner;
        db.iter()
            .filter(|(_, account)| *account.owner() == quern::ID && account.lamports() > 0)
            .map(|(address, account)| (*address, account.data().to_vec()))
            .collect()
    }

    /// Lamports of all accounts.
    pub fn all_lamports(&self) -> u128 {
        let accounts = self.svm.accounts_db().inner.iter();
        accounts
            .map(|(_, account)| u128::from(account.lamports()))
            .sum()
    }

    /// Lamports of an address.
    pub fn lamports(&self, address: &Pubkey) -> u64 {
        self.svm.get_balance(address).unwrap_or(0)
    }

    /// Whether the program owns an account at this address.
    pub fn exists(&self, address: &Pubkey) -> bool {
        self.svm
            .get_account(address)
            .is_some_and(|account| account.owner == quern::ID && account.lamports > 0)
    }

    /// The fixed part of an account.
    #[track_caller]
    pub fn get<T: Pod + Discriminator>(&self, address: &Pubkey) -> T {
        let account = self
            .svm
            .get_account(address)
            .unwrap_or_else(|| panic!("no account at {address}"));
        assert_eq!(account.owner, quern::ID, "{address} is not the program's");
        read(&account.data).unwrap_or_else(|| panic!("{address} is of another type"))
    }

    /// Every account of a type.
    pub fn list<T: Pod + Discriminator>(&self) -> Vec<(Pubkey, T)> {
        let accounts = self.program_accounts();
        accounts
            .iter()
            .filter_map(|(address, data)| Some((*address, read(data)?)))
            .collect()
    }

    /// Changes the fixed part of an account behind the program's back, for states that nothing reaches from outside.
    pub fn tamper<T: Pod + Discriminator>(
        &mut self,
        address: &Pubkey,
        change: impl FnOnce(&mut T),
    ) {
        let mut value: T = self.get(address);
        change(&mut value);
        let mut account = self.svm.get_account(address).unwrap();
        account.data[8..8 + size_of::<T>()].copy_from_slice(bytemuck::bytes_of(&value));
        self.svm.set_account(*address, account).unwrap();
        self.resync();
    }

    /// Makes follower and oracle believe the accounts as they are, after they were written directly.
    pub fn resync(&mut self) {
        let accounts = self.program_accounts();
        self.follower.believe(&accounts);
        self.oracle.believe(&accounts);
    }
}

/// Size of a transaction on the wire: signatures, header, keys, blockhash, instructions, and a compute unit price, which the
/// client adds and the tests do not. Outside of tests a signer pays the fee itself, so the payer here is not counted where
/// somebody else signs too.
fn wire_bytes(message: &Message) -> usize {
    let count = |length: usize| if length < 128 { 1 } else { 2 };
    let calls: usize = message
        .instructions
        .iter()
        .map(|call| {
            let (accounts, data) = (call.accounts.len(), call.data.len());
            1 + count(accounts) + accounts + count(data) + data
        })
        .sum();
    let signatures = usize::from(message.header.num_required_signatures);
    let price = 3 + 9;
    let payer = if signatures > 1 { 64 + 32 } else { 0 };
    1 + 64 * signatures + 3 + 1 + 32 * message.account_keys.len() + 32 + 1 + calls + price - payer
}
