//! Reading events out of a confirmed transaction.
//!
//! The program emits each event as a call to itself, signed by its event authority: nobody else can forge one, and logs,
//! which a node may cut short, are not needed. An inner instruction is taken for an event only if all four hold: the
//! transaction succeeded, the instruction's program is ours, its data begin with Anchor's event tag, and its first account
//! is our event authority.

use {
    crate::addresses,
    anchor_lang::event::EVENT_IX_TAG_LE,
    quern::events::QuernEvent,
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client_api::config::RpcTransactionConfig,
    solana_sdk::pubkey::Pubkey,
    solana_transaction_status_client_types::{
        EncodedConfirmedTransactionWithStatusMeta, EncodedTransaction, UiCompiledInstruction,
        UiInstruction, UiMessage, UiTransactionEncoding, option_serializer::OptionSerializer,
    },
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
    events_of_program(&quern::ID, tx)
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
    let mut invoked = false;
    for call in &outer {
        invoked |= key(call.program)? == program_id;
    }

    let (event_authority, _) = addresses::event_authority_of(program_id);
    let mut events = Vec::new();
    match &meta.inner_instructions {
        OptionSerializer::Some(groups) => {
            for group in groups {
                for (inner, instruction) in (0u32..).zip(&group.instructions) {
                    let UiInstruction::Compiled(compiled) = instruction else {
                        return Err(EventError::Encoding);
                    };
                    let call = call_of(compiled)?;
                    if key(call.program)? != program_id {
                        continue;
                    }
                    let is_by_authority = call
                        .first_account
                        .map(key)
                        .transpose()?
                        .is_some_and(|first| *first == event_authority);
                    match call.data.strip_prefix(EVENT_IX_TAG_LE) {
                        Some(data) if is_by_authority => {
                            if succeeded {
                                events.push(LocatedEvent {
                                    instruction: group.index.into(),
                                    inner,
                                    data: data.to_vec(),
                                    event: QuernEvent::decode(data),
                                });
                            }
                        }
                        _ => invoked = true,
                    }
                }
            }
        }
        // A node that keeps no inner instructions would hide events; where the program does not occur it hides nothing.
        _ if succeeded && keys.contains(program_id) => {
            return Err(EventError::NoInnerInstructions(signature));
        }
        _ => {}
    }
    events.sort_by_key(|event| (event.instruction, event.inner));
    Ok(TransactionEvents {
        signature,
        slot: tx.slot,
        block_time: tx.block_time,
        succeeded,
        invoked,
        events,
    })
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
        data: bs58::decode(&compiled.data)
            .into_vec()
            .map_err(|_| EventError::Encoding)?,
    })
}
