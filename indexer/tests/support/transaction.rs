//! `getTransaction` replies as nodes write them: any version on the wire, any calls within calls, honest or not.
#![allow(clippy::unwrap_used, dead_code)]

use {
    super::EVENT_TAG,
    quern_client::{
        Pubkey,
        quern::{self, events::QuernEvent},
    },
    serde_json::{Value, json},
    solana_sdk::{
        hash::Hash,
        instruction::{AccountMeta, Instruction},
        message::{AddressLookupTableAccount, Message, VersionedMessage, v0, v1},
    },
    std::sync::LazyLock,
};

/// Another program than Quern.
pub const OTHER: Pubkey = Pubkey::new_from_array([8; 32]);
/// A program that calls Quern, as a vault or a multisig does.
pub const CALLER: Pubkey = Pubkey::new_from_array([9; 32]);
/// Somebody who is no authority.
pub const STRANGER: Pubkey = Pubkey::new_from_array([6; 32]);
const PAYER: Pubkey = Pubkey::new_from_array([1; 32]);

/// Which form a transaction has on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Legacy,
    /// With the event authority, Quern and all others in a lookup table.
    V0,
    V1,
}

pub const VERSIONS: [Version; 3] = [Version::Legacy, Version::V0, Version::V1];

/// A call, outer or inner.
#[derive(Clone, Debug)]
pub struct Call {
    pub program: Pubkey,
    pub accounts: Vec<Pubkey>,
    pub data: Vec<u8>,
    /// 1: an outer call.
    pub depth: u32,
}

impl Call {
    pub fn of(program: Pubkey, accounts: &[Pubkey], data: &[u8]) -> Self {
        Self {
            program,
            accounts: accounts.to_vec(),
            data: data.to_vec(),
            depth: 2,
        }
    }

    /// An instruction of Quern that owes an event.
    pub fn quern() -> Self {
        Self::of(quern::ID, &[STRANGER], &[1, 2, 3])
    }

    /// An event as the program tells it.
    pub fn event(event: &QuernEvent) -> Self {
        // Found once: in a debug build it takes milliseconds.
        static AUTHORITY: LazyLock<Pubkey> = LazyLock::new(|| event_authority(&quern::ID));
        Self::of(quern::ID, &[*AUTHORITY], &tagged(event))
    }

    /// The same call at another depth.
    pub fn at_depth(self, depth: u32) -> Self {
        Self { depth, ..self }
    }
}

/// An event's bytes behind the tag.
pub fn tagged(event: &QuernEvent) -> Vec<u8> {
    [&EVENT_TAG[..], &event.encode()].concat()
}

pub fn event_authority(program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[b"__event_authority"], program).0
}

/// A transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub signature: [u8; 64],
    pub slot: u64,
    /// Outer calls, each with what it calls.
    pub calls: Vec<(Call, Vec<Call>)>,
    pub failed: bool,
    pub logs: Vec<String>,
    pub version: Version,
}

impl Transaction {
    pub fn new(signature: [u8; 64], slot: u64, calls: Vec<(Call, Vec<Call>)>) -> Self {
        Self {
            signature,
            slot,
            calls,
            failed: false,
            logs: Vec::new(),
            version: Version::Legacy,
        }
    }

    fn everybody(&self) -> Vec<Pubkey> {
        let calls = self.calls.iter();
        let calls = calls.flat_map(|(outer, inner)| std::iter::once(outer).chain(inner));
        calls
            .flat_map(|call| call.accounts.iter().chain([&call.program]))
            .copied()
            .collect()
    }

    /// The outer calls, the first of them with every address of the transaction.
    fn instructions(&self) -> Vec<Instruction> {
        let others = self.everybody();
        let instruction = |(at, (call, _)): (usize, &(Call, Vec<Call>))| {
            let more: &[Pubkey] = if at == 0 { &others } else { &[] };
            let accounts = call.accounts.iter().chain(more);
            Instruction {
                program_id: call.program,
                accounts: accounts
                    .map(|key| AccountMeta::new_readonly(*key, false))
                    .collect(),
                data: call.data.clone(),
            }
        };
        self.calls.iter().enumerate().map(instruction).collect()
    }

    fn message(&self) -> (VersionedMessage, Vec<Pubkey>) {
        let instructions = self.instructions();
        match self.version {
            Version::Legacy => {
                let message = Message::new(&instructions, Some(&PAYER));
                (VersionedMessage::Legacy(message), Vec::new())
            }
            Version::V0 => {
                let table = AddressLookupTableAccount {
                    key: Pubkey::new_from_array([77; 32]),
                    addresses: self.everybody(),
                };
                let message =
                    v0::Message::try_compile(&PAYER, &instructions, &[table], Hash::default());
                let message = message.unwrap();
                let table = self.everybody();
                let mut ordered: Vec<Pubkey> = Vec::new();
                for lookup in &message.address_table_lookups {
                    assert!(lookup.writable_indexes.is_empty());
                    let read = lookup.readonly_indexes.iter();
                    ordered.extend(read.map(|index| table[usize::from(*index)]));
                }
                (VersionedMessage::V0(message), ordered)
            }
            Version::V1 => {
                let message = v1::Message::try_compile_with_config(
                    &PAYER,
                    &instructions,
                    Hash::default(),
                    v1::TransactionConfig::empty(),
                );
                (VersionedMessage::V1(message.unwrap()), Vec::new())
            }
        }
    }

    /// What a node answers for it.
    pub fn reply(&self) -> Value {
        let (message, loaded) = self.message();
        let body = message.serialize();
        let bytes = match self.version {
            Version::V1 => [&body, &self.signature[..]].concat(),
            _ => [&[1], &self.signature[..], &body].concat(),
        };
        let keys: Vec<Pubkey> = message
            .static_account_keys()
            .iter()
            .chain(&loaded)
            .copied()
            .collect();
        let index = |key: &Pubkey| keys.iter().position(|known| known == key).unwrap();
        let inner = |call: &Call| {
            json!({
                "programIdIndex": index(&call.program),
                "accounts": call.accounts.iter().map(index).collect::<Vec<_>>(),
                "data": bs58::encode(&call.data).into_string(),
                "stackHeight": call.depth,
            })
        };
        let groups: Vec<Value> = (0..)
            .zip(&self.calls)
            .filter(|(_, (_, calls)): &(u32, _)| !calls.is_empty())
            .map(|(at, (_, calls))| {
                json!({ "index": at, "instructions": calls.iter().map(inner).collect::<Vec<_>>() })
            })
            .collect();
        let error = match self.failed {
            true => json!({ "InstructionError": [0, { "Custom": 1 }] }),
            false => Value::Null,
        };
        let status = match self.failed {
            true => json!({ "Err": error }),
            false => json!({ "Ok": null }),
        };
        let loaded: Vec<String> = loaded.iter().map(ToString::to_string).collect();
        json!({
            "slot": self.slot,
            "blockTime": null,
            "version": match self.version {
                Version::Legacy => json!("legacy"),
                Version::V0 => json!(0),
                Version::V1 => json!(1),
            },
            "transaction": [bs58::encode(bytes).into_string(), "base58"],
            "meta": {
                "err": error,
                "status": status,
                "fee": 5000,
                "preBalances": [],
                "postBalances": [],
                "innerInstructions": groups,
                "logMessages": self.logs,
                "preTokenBalances": [],
                "postTokenBalances": [],
                "rewards": [],
                "loadedAddresses": { "writable": [], "readonly": loaded },
                "computeUnitsConsumed": 1000,
            },
        })
    }
}
