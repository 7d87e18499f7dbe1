//! Reading events out of a confirmed transaction.
//!
//! The program emits each event as a call to itself, signed by its event authority: nobody else can forge one, and logs,
//! which a node may cut short, are not needed. An inner instruction is taken for an event only if all four hold: the
//! transaction succeeded, the instruction's program is ours, its data begin with Anchor's event tag, and its first account
//! is our event authority.

use {
    crate::{addresses, base58},
    anchor_lang::{Discriminator, event::EVENT_IX_TAG_LE},
    quern::{events::QuernEvent, instruction},
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client_api::config::RpcTransactionConfig,
    solana_sdk::pubkey::Pubkey,
    solana_transaction_status_client_types::{
        EncodedConfirmedTransactionWithStatusMeta, EncodedTransaction, UiCompiledInstruction,
        UiInstruction, UiMessage, UiTransactionEncoding, option_serializer::OptionSerializer,
    },
    std::sync::{Mutex, PoisonError},
};

/// The newest version of transactions that this crate can decode.
pub const MAX_TRANSACTION_VERSION: u8 = 1;

/// Everything that a transaction says about the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionEvents {
    /// First signature, base58: the transaction's identity.
    pub signature: String,
    /// Slot in which it landed.
    pub slot: u64,
    /// Unix time of that slot, if the node knows it.
    pub block_time: Option<i64>,
    /// Whether it succeeded; a failed one has no events.
    pub succeeded: bool,
    /// Whether the program was called, by an outer or an inner instruction; its own event calls do not count.
    pub invoked: bool,
    /// Whether it was called by an instruction that tells an event when it succeeds: all but those that write and close
    /// evidence, which holds nothing but its author's rent.
    pub owes_event: bool,
    /// The events in the order of their execution.
    pub events: Vec<LocatedEvent>,
}

/// One event and its place; `(signature, instruction, inner)` is its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedEvent {
    /// Index of the outer instruction.
    pub instruction: u32,
    /// Index among the inner instructions of that outer instruction.
    pub inner: u32,
    /// The event's bytes behind the event tag: discriminator and body.
    pub data: Vec<u8>,
    /// The event, or nothing if this version cannot decode the bytes.
    pub event: Option<QuernEvent>,
}

/// Why a transaction cannot be read. Each of them means "ask a better node", never "there are no events".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Wrong encoding.
    #[error("the transaction came in a parsed or unreadable encoding; request it as base64")]
    Encoding,
    /// No metadata.
    #[error("the node returned transaction {0} without its metadata; ask a node that keeps them")]
    NoMeta(String),
    /// No inner instructions.
    #[error("the node does not record inner instructions (transaction {0}); ask a node that does")]
    NoInnerInstructions(String),
    /// An index points past the end.
    #[error(
        "transaction {0} names an account or instruction that it does not have; ask another node"
    )]
    Inconsistent(String),
}

/// One instruction with its addresses still as indices.
struct Call {
    program: usize,
    first_account: Option<usize>,
    data: Vec<u8>,
}

/// How to ask for a transaction so that [`events_of`] can read it.
pub fn transaction_config(commitment: CommitmentConfig) -> RpcTransactionConfig {
    RpcTransactionConfig {
        encoding: Some(UiTransactionEncoding::Base64),
        commitment: Some(commitment),
        max_supported_transaction_version: Some(MAX_TRANSACTION_VERSION),
    }
}

/// Reads the events of the program at its declared address. See [`events_of_program`].
///
/// # Errors
/// [`EventError`] if the node's answer is incomplete or not in a binary (or raw JSON) encoding.
pub fn events_of(
    tx: &EncodedConfirmedTransactionWithStatusMeta,
) -> Result<TransactionEvents, EventError> {
    events_of_program(&crate::program_id(), tx)
}

/// Reads the events that a program with Quern's interface emitted in a transaction of any version.
///
/// # Errors
/// [`EventError`] if the node's answer is incomplete or not in a binary (or raw JSON) encoding.
pub fn events_of_program(
    program_id: &Pubkey,
    tx: &EncodedConfirmedTransactionWithStatusMeta,
) -> Result<TransactionEvents, EventError> {
    let (signature, mut keys, outer) = message_of(&tx.transaction.transaction)?;
    let meta = tx
        .transaction
        .meta
        .as_ref()
        .ok_or_else(|| EventError::NoMeta(signature.clone()))?;
    if let OptionSerializer::Some(loaded) = &meta.loaded_addresses {
        // The runtime appends looked-up addresses to the static ones: first all writable, then all read-only.
        for address in loaded.writable.iter().chain(&loaded.readonly) {
            keys.push(address.parse().map_err(|_| EventError::Encoding)?);
        }
    }
    let inconsistent = || EventError::Inconsistent(signature.clone());
    let key = |index: usize| keys.get(index).ok_or_else(inconsistent);

    let succeeded = meta.err.is_none();
    let mut found = TransactionEvents {
        signature: signature.clone(),
        slot: tx.slot,
        block_time: tx.block_time,
        succeeded,
        invoked: false,
        owes_event: false,
        events: Vec::new(),
    };
    for call in &outer {
        if key(call.program)? == program_id {
            found.invoked_by(call);
        }
    }

    let event_authority = event_authority_of(program_id);
    let groups = match &meta.inner_instructions {
        OptionSerializer::Some(groups) => &groups[..],
        // A node that keeps no inner instructions would hide events; where the program does not occur it hides nothing.
        _ if succeeded && keys.contains(program_id) => {
            return Err(EventError::NoInnerInstructions(signature));
        }
        _ => &[],
    };
    for group in groups {
        for (inner, instruction) in (0u32..).zip(&group.instructions) {
            let UiInstruction::Compiled(compiled) = instruction else {
                return Err(EventError::Encoding);
            };
            let call = call_of(compiled)?;
            if key(call.program)? != program_id {
                continue;
            }
            let first = call.first_account.map(key).transpose()?;
            let is_by_authority = first.is_some_and(|first| *first == event_authority);
            match call.data.strip_prefix(EVENT_IX_TAG_LE) {
                Some(data) if is_by_authority => found.tell(group.index.into(), inner, data),
                _ => found.invoked_by(&call),
            }
        }
    }
    found
        .events
        .sort_by_key(|event| (event.instruction, event.inner));
    Ok(found)
}

/// The event authority of a program. The last one is kept: deriving it takes longer than reading a transaction, and who reads many
/// reads those of one program.
fn event_authority_of(program_id: &Pubkey) -> Pubkey {
    static LAST: Mutex<Option<(Pubkey, Pubkey)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match *last {
        Some((program, authority)) if program == *program_id => authority,
        _ => {
            let (authority, _) = addresses::event_authority_of(program_id);
            *last = Some((*program_id, authority));
            authority
        }
    }
}

impl TransactionEvents {
    /// Takes a call of the program into account.
    fn invoked_by(&mut self, call: &Call) {
        self.invoked = true;
        self.owes_event |= !is_silent(&call.data);
    }

    /// Adds an event. What a failed transaction told never happened.
    fn tell(&mut self, instruction: u32, inner: u32, data: &[u8]) {
        if self.succeeded {
            self.events.push(LocatedEvent {
                instruction,
                inner,
                data: data.to_vec(),
                event: QuernEvent::decode(data),
            });
        }
    }
}

/// Whether a call succeeds without an event.
fn is_silent(data: &[u8]) -> bool {
    [
        instruction::WriteEvidence::DISCRIMINATOR,
        instruction::CloseEvidence::DISCRIMINATOR,
    ]
    .iter()
    .any(|discriminator| data.starts_with(discriminator))
}

/// Signature, static account keys and outer instructions.
fn message_of(
    encoded: &EncodedTransaction,
) -> Result<(String, Vec<Pubkey>, Vec<Call>), EventError> {
    if let EncodedTransaction::Json(transaction) = encoded {
        let UiMessage::Raw(message) = &transaction.message else {
            return Err(EventError::Encoding);
        };
        let signature = transaction
            .signatures
            .first()
            .ok_or(EventError::Encoding)?
            .clone();
        let keys: Result<Vec<Pubkey>, _> =
            message.account_keys.iter().map(|key| key.parse()).collect();
        let calls: Result<Vec<Call>, _> = message.instructions.iter().map(call_of).collect();
        return Ok((signature, keys.map_err(|_| EventError::Encoding)?, calls?));
    }
    let transaction = encoded.decode().ok_or(EventError::Encoding)?;
    let signature = transaction
        .signatures
        .first()
        .ok_or(EventError::Encoding)?
        .to_string();
    let calls = transaction
        .message
        .instructions()
        .iter()
        .map(|instruction| Call {
            program: instruction.program_id_index.into(),
            first_account: instruction.accounts.first().map(|index| (*index).into()),
            data: instruction.data.clone(),
        })
        .collect();
    Ok((
        signature,
        transaction.message.static_account_keys().to_vec(),
        calls,
    ))
}

fn call_of(compiled: &UiCompiledInstruction) -> Result<Call, EventError> {
    Ok(Call {
        program: compiled.program_id_index.into(),
        first_account: compiled.accounts.first().map(|index| (*index).into()),
        data: base58::decode(&compiled.data).ok_or(EventError::Encoding)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        crate::instructions,
        quern::events::PauseSet,
        serde_json::{Value, json},
        solana_sdk::{
            hash::Hash,
            instruction::{AccountMeta, Instruction},
            message::{AddressLookupTableAccount, Message, VersionedMessage, v0, v1},
            signature::Signature,
        },
    };

    const OTHER: Pubkey = Pubkey::new_from_array([8; 32]);

    fn event() -> QuernEvent {
        QuernEvent::PauseSet(PauseSet {
            at: 5,
            paused: true,
            changes: Vec::new(),
        })
    }

    fn event_call() -> Vec<u8> {
        [EVENT_IX_TAG_LE, &event().encode()].concat()
    }

    /// One instruction of `program` with the event authority, and a stranger, among its accounts.
    fn instruction(program: Pubkey) -> Instruction {
        let accounts = vec![
            AccountMeta::new_readonly(addresses::event_authority(), false),
            AccountMeta::new_readonly(OTHER, false),
            AccountMeta::new_readonly(crate::program_id(), false),
        ];
        Instruction {
            program_id: program,
            accounts,
            data: vec![1],
        }
    }

    fn message(program: Pubkey) -> VersionedMessage {
        let payer = Pubkey::new_from_array([1; 32]);
        VersionedMessage::Legacy(Message::new(&[instruction(program)], Some(&payer)))
    }

    fn index(keys: &[Pubkey], key: &Pubkey) -> u8 {
        keys.iter().position(|known| known == key).unwrap() as u8
    }

    /// An inner call of `program` whose first account is `first`.
    fn inner(keys: &[Pubkey], program: &Pubkey, first: &Pubkey, data: &[u8]) -> Value {
        json!({
            "programIdIndex": index(keys, program),
            "accounts": [index(keys, first)],
            "data": bs58::encode(data).into_string(),
            "stackHeight": 2,
        })
    }

    /// What a node answers for a transaction with these inner calls.
    fn answer(
        message: &VersionedMessage,
        changes: Value,
    ) -> EncodedConfirmedTransactionWithStatusMeta {
        // The wire format of a transaction: count of signatures, the signature, the message; since version 1 the message
        // and the signature.
        let (signature, body) = (Signature::from([3; 64]), message.serialize());
        let bytes = match message {
            VersionedMessage::V1(_) => [&body, signature.as_ref()].concat(),
            _ => [&[1], signature.as_ref(), &body].concat(),
        };
        let mut meta = json!({
            "err": null, "status": { "Ok": null }, "fee": 5000, "preBalances": [], "postBalances": [],
            "innerInstructions": [],
        });
        for (key, value) in changes.as_object().unwrap() {
            meta[key] = value.clone();
        }
        let answer = json!({
            "slot": 42, "blockTime": 1_700_000_000,
            "transaction": [bs58::encode(bytes).into_string(), "base58"],
            "meta": meta,
        });
        serde_json::from_value(answer).unwrap()
    }

    fn keys_of(message: &VersionedMessage) -> Vec<Pubkey> {
        message.static_account_keys().to_vec()
    }

    fn group(calls: Vec<Value>) -> Value {
        json!({ "innerInstructions": [{ "index": 0, "instructions": calls }] })
    }

    #[test]
    fn finds_the_event_and_its_place() {
        let message = message(crate::program_id());
        let keys = keys_of(&message);
        let calls = vec![
            inner(&keys, &OTHER, &OTHER, &[1]),
            inner(
                &keys,
                &crate::program_id(),
                &addresses::event_authority(),
                &event_call(),
            ),
        ];
        let found = events_of(&answer(&message, group(calls))).unwrap();
        assert_eq!(found.signature, Signature::from([3; 64]).to_string());
        assert_eq!((found.slot, found.block_time), (42, Some(1_700_000_000)));
        assert!(found.succeeded && found.invoked);
        let expected = LocatedEvent {
            instruction: 0,
            inner: 1,
            data: event().encode(),
            event: Some(event()),
        };
        assert_eq!(found.events, [expected]);
    }

    #[test]
    fn reads_version_1() {
        let payer = Pubkey::new_from_array([1; 32]);
        let compiled = v1::Message::try_compile_with_config(
            &payer,
            &[instruction(crate::program_id())],
            Hash::default(),
            v1::TransactionConfig::empty(),
        );
        let message = VersionedMessage::V1(compiled.unwrap());
        let keys = keys_of(&message);
        let calls = vec![inner(
            &keys,
            &crate::program_id(),
            &addresses::event_authority(),
            &event_call(),
        )];
        let found = events_of(&answer(&message, group(calls))).unwrap();
        assert_eq!(found.signature, Signature::from([3; 64]).to_string());
        assert_eq!(found.events[0].event, Some(event()));
        assert_eq!(
            transaction_config(CommitmentConfig::finalized()).max_supported_transaction_version,
            Some(1)
        );
    }

    #[test]
    fn only_evidence_is_silent() {
        let (author, evidence) = (
            Pubkey::new_from_array([1; 32]),
            Pubkey::new_from_array([2; 32]),
        );
        let write = instructions::write_evidence(&author, &evidence, 0, &[1]);
        let close = instructions::close_evidence(&author, &evidence);
        let owes = |all: &[Instruction]| {
            let message = VersionedMessage::Legacy(Message::new(all, Some(&author)));
            let found = events_of(&answer(&message, json!({}))).unwrap();
            assert!(found.invoked);
            found.owes_event
        };
        assert!(!owes(&[write.clone(), close.clone()]));
        assert!(owes(&[write, instruction(crate::program_id()), close]));
    }

    #[test]
    fn refuses_what_only_looks_like_an_event() {
        let message = message(crate::program_id());
        let keys = keys_of(&message);
        let calls = vec![
            // Another program; another first account; another tag.
            inner(&keys, &OTHER, &addresses::event_authority(), &event_call()),
            inner(&keys, &crate::program_id(), &OTHER, &event_call()),
            inner(
                &keys,
                &crate::program_id(),
                &addresses::event_authority(),
                &event().encode(),
            ),
        ];
        let found = events_of(&answer(&message, group(calls))).unwrap();
        assert_eq!(found.events, []);
    }

    #[test]
    fn a_failed_transaction_has_no_events() {
        let message = message(crate::program_id());
        let keys = keys_of(&message);
        let calls = vec![inner(
            &keys,
            &crate::program_id(),
            &addresses::event_authority(),
            &event_call(),
        )];
        let mut changes = group(calls);
        changes["err"] = json!({ "InstructionError": [0, { "Custom": 6006 }] });
        let found = events_of(&answer(&message, changes)).unwrap();
        assert!(!found.succeeded && found.invoked);
        assert_eq!(found.events, []);
    }

    #[test]
    fn unknown_bytes_are_kept() {
        let message = message(crate::program_id());
        let keys = keys_of(&message);
        let data = [EVENT_IX_TAG_LE, &[9; 20]].concat();
        let calls = vec![inner(
            &keys,
            &crate::program_id(),
            &addresses::event_authority(),
            &data,
        )];
        let found = events_of(&answer(&message, group(calls))).unwrap();
        assert_eq!(found.events.len(), 1);
        assert_eq!(
            (
                found.events[0].event.clone(),
                found.events[0].data.as_slice()
            ),
            (None, &[9u8; 20][..])
        );
    }

    #[test]
    fn being_named_is_not_being_called() {
        let message = message(OTHER);
        assert!(!events_of(&answer(&message, json!({}))).unwrap().invoked);
        let keys = keys_of(&message);
        let calls = vec![inner(&keys, &crate::program_id(), &OTHER, &[1])];
        assert!(events_of(&answer(&message, group(calls))).unwrap().invoked);
    }

    #[test]
    fn looked_up_addresses_count() {
        let payer = Pubkey::new_from_array([1; 32]);
        let table = AddressLookupTableAccount {
            key: Pubkey::new_from_array([5; 32]),
            addresses: vec![addresses::event_authority(), OTHER],
        };
        let compiled = v0::Message::try_compile(
            &payer,
            &[instruction(crate::program_id())],
            &[table],
            Hash::default(),
        );
        let message = VersionedMessage::V0(compiled.unwrap());
        let mut keys = keys_of(&message);
        assert!(!keys.contains(&addresses::event_authority()));
        keys.extend([addresses::event_authority(), OTHER]);
        let calls = vec![inner(
            &keys,
            &crate::program_id(),
            &addresses::event_authority(),
            &event_call(),
        )];
        let mut changes = group(calls);
        let incomplete = events_of(&answer(&message, changes.clone()));
        assert!(matches!(incomplete, Err(EventError::Inconsistent(_))));
        changes["loadedAddresses"] = json!({ "writable": [], "readonly": [addresses::event_authority().to_string(), OTHER.to_string()] });
        assert_eq!(
            events_of(&answer(&message, changes)).unwrap().events.len(),
            1
        );
    }

    #[test]
    fn missing_parts_are_errors_and_never_no_events() {
        let message = message(crate::program_id());
        let hidden = events_of(&answer(&message, json!({ "innerInstructions": null })));
        assert!(matches!(hidden, Err(EventError::NoInnerInstructions(_))));
        let mut bare = answer(&message, json!({}));
        bare.transaction.meta = None;
        assert!(matches!(events_of(&bare), Err(EventError::NoMeta(_))));
        bare.transaction.transaction = EncodedTransaction::LegacyBinary("garbage".to_owned());
        assert_eq!(events_of(&bare), Err(EventError::Encoding));
    }
}
