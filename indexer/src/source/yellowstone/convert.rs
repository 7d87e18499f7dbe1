//! From a streamed transaction to the form in which nodes answer `getTransaction`: what follows cannot tell the two apart.

use {
    super::messages::{
        Header, Info, InnerInstruction, InnerInstructions, Instruction, Meta, ReturnData,
        TokenBalance, Transaction, TransactionMessage,
    },
    base64::{Engine, prelude::BASE64_STANDARD},
    solana_account_decoder_client_types::token::UiTokenAmount,
    solana_sdk::{
        hash::Hash,
        message::{
            MessageHeader, VersionedMessage,
            compiled_instruction::CompiledInstruction,
            legacy,
            v0::{self, MessageAddressTableLookup},
            v1,
        },
        pubkey::Pubkey,
        transaction::{Legacy, TransactionVersion},
    },
    solana_transaction_status_client_types::{
        EncodedConfirmedTransactionWithStatusMeta, EncodedTransaction,
        EncodedTransactionWithStatusMeta, TransactionBinaryEncoding, UiCompiledInstruction,
        UiInnerInstructions, UiInstruction, UiLoadedAddresses, UiReturnDataEncoding,
        UiTransactionReturnData, UiTransactionStatusMeta, UiTransactionTokenBalance,
        option_serializer::OptionSerializer,
    },
};

/// From here on their number takes a second byte; a transaction has room for a few.
const MOST_SIGNATURES: usize = 127;

/// What a node answers for this transaction.
///
/// # Errors
/// What of it is missing or out of bounds: it must be asked for elsewhere.
pub fn transaction(
    slot: u64,
    block_time: Option<i64>,
    info: Info,
) -> Result<EncodedConfirmedTransactionWithStatusMeta, &'static str> {
    let (message, version) = message(&info)?;
    let Transaction { signatures, .. } = info.transaction.ok_or("no transaction")?;
    let bytes = wire(&signatures, &message)?;
    Ok(EncodedConfirmedTransactionWithStatusMeta {
        slot,
        transaction: EncodedTransactionWithStatusMeta {
            transaction: EncodedTransaction::Binary(
                BASE64_STANDARD.encode(bytes),
                TransactionBinaryEncoding::Base64,
            ),
            meta: Some(meta(info.meta.ok_or("no metadata")?)?),
            version: Some(version),
        },
        block_time,
        transaction_index: u32::try_from(info.index).ok(),
    })
}

/// The bytes that were signed and sent.
fn wire(signatures: &[Vec<u8>], message: &VersionedMessage) -> Result<Vec<u8>, &'static str> {
    if signatures.is_empty() || signatures.len() > MOST_SIGNATURES {
        return Err("no signatures, or too many");
    }
    if signatures.iter().any(|signature| signature.len() != 64) {
        return Err("a signature of another length than 64 bytes");
    }
    let count = u8::try_from(signatures.len()).map_err(|_| "too many signatures")?;
    let (signatures, message_bytes) = (signatures.concat(), message.serialize());
    Ok(match message {
        // Their number stands in the message's header.
        VersionedMessage::V1(_) => [message_bytes, signatures].concat(),
        VersionedMessage::Legacy(_) | VersionedMessage::V0(_) => {
            [vec![count], signatures, message_bytes].concat()
        }
    })
}

fn message(info: &Info) -> Result<(VersionedMessage, TransactionVersion), &'static str> {
    let message = info
        .transaction
        .as_ref()
        .and_then(|one| one.message.as_ref());
    let message = message.ok_or("no message")?;
    let header = header(message.header.as_ref().ok_or("no header")?)?;
    let account_keys = keys(&message.account_keys)?;
    let recent_blockhash: [u8; 32] = array(&message.recent_blockhash)?;
    let recent_blockhash = Hash::new_from_array(recent_blockhash);
    let instructions = message.instructions.iter().map(instruction);
    let instructions = instructions.collect::<Result<Vec<_>, _>>()?;
    let is_newer = message.config.is_some();
    Ok(match (message.versioned, is_newer) {
        (false, false) => (
            VersionedMessage::Legacy(legacy::Message {
                header,
                account_keys,
                recent_blockhash,
                instructions,
            }),
            TransactionVersion::Legacy(Legacy::Legacy),
        ),
        (true, false) => (
            VersionedMessage::V0(v0::Message {
                header,
                account_keys,
                recent_blockhash,
                instructions,
                address_table_lookups: lookups(message)?,
            }),
            TransactionVersion::Number(0),
        ),
        (true, true) => (
            VersionedMessage::V1(v1::Message {
                header,
                config: config(message),
                lifetime_specifier: recent_blockhash,
                account_keys,
                instructions,
            }),
            TransactionVersion::Number(1),
        ),
        (false, true) => return Err("a legacy transaction with the settings of a newer one"),
    })
}

fn config(message: &TransactionMessage) -> v1::TransactionConfig {
    let said = message.config.clone().unwrap_or_default();
    v1::TransactionConfig {
        priority_fee: said.priority_fee,
        compute_unit_limit: said.compute_unit_limit,
        loaded_accounts_data_size_limit: said.loaded_accounts_data_size_limit,
        heap_size: said.heap_size,
    }
}

fn lookups(message: &TransactionMessage) -> Result<Vec<MessageAddressTableLookup>, &'static str> {
    let lookups = message.address_table_lookups.iter().map(|lookup| {
        Ok(MessageAddressTableLookup {
            account_key: key(&lookup.account_key)?,
            writable_indexes: lookup.writable_indexes.clone(),
            readonly_indexes: lookup.readonly_indexes.clone(),
        })
    });
    lookups.collect()
}

fn header(header: &Header) -> Result<MessageHeader, &'static str> {
    Ok(MessageHeader {
        num_required_signatures: small(header.num_required_signatures)?,
        num_readonly_signed_accounts: small(header.num_readonly_signed_accounts)?,
        num_readonly_unsigned_accounts: small(header.num_readonly_unsigned_accounts)?,
    })
}

fn instruction(instruction: &Instruction) -> Result<CompiledInstruction, &'static str> {
    Ok(CompiledInstruction {
        program_id_index: small(instruction.program_id_index)?,
        accounts: instruction.accounts.clone(),
        data: instruction.data.clone(),
    })
}

fn meta(meta: Meta) -> Result<UiTransactionStatusMeta, &'static str> {
    if meta.err.is_some() {
        return Err("it failed, and no failures were subscribed to");
    }
    if meta.inner_instructions_none {
        return Err("no record of inner instructions, in which events are");
    }
    if !meta.rewards.is_empty() {
        return Err("rewards, which no transaction has");
    }
    let inner = meta.inner_instructions.into_iter().map(inner_instructions);
    let before = meta.pre_token_balances.into_iter().map(token_balance);
    let after = meta.post_token_balances.into_iter().map(token_balance);
    Ok(UiTransactionStatusMeta {
        err: None,
        status: Ok(()),
        fee: meta.fee,
        pre_balances: meta.pre_balances,
        post_balances: meta.post_balances,
        inner_instructions: OptionSerializer::Some(inner.collect::<Result<_, _>>()?),
        log_messages: match meta.log_messages_none {
            true => OptionSerializer::None,
            false => OptionSerializer::Some(meta.log_messages),
        },
        pre_token_balances: OptionSerializer::Some(before.collect::<Result<_, _>>()?),
        post_token_balances: OptionSerializer::Some(after.collect::<Result<_, _>>()?),
        rewards: OptionSerializer::Some(Vec::new()),
        loaded_addresses: OptionSerializer::Some(UiLoadedAddresses {
            writable: texts(&meta.loaded_writable_addresses)?,
            readonly: texts(&meta.loaded_readonly_addresses)?,
        }),
        return_data: OptionSerializer::or_skip(meta.return_data.map(return_data).transpose()?),
        compute_units_consumed: OptionSerializer::or_skip(meta.compute_units_consumed),
        cost_units: OptionSerializer::or_skip(meta.cost_units),
    })
}

fn inner_instructions(group: InnerInstructions) -> Result<UiInnerInstructions, &'static str> {
    let inner = |inner: InnerInstruction| {
        let call = CompiledInstruction {
            program_id_index: small(inner.program_id_index)?,
            accounts: inner.accounts,
            data: inner.data,
        };
        let call = UiCompiledInstruction::from(&call, inner.stack_height);
        Ok(UiInstruction::Compiled(call))
    };
    Ok(UiInnerInstructions {
        index: small(group.index)?,
        instructions: group
            .instructions
            .into_iter()
            .map(inner)
            .collect::<Result<_, &'static str>>()?,
    })
}

fn token_balance(balance: TokenBalance) -> Result<UiTransactionTokenBalance, &'static str> {
    let amount = balance
        .ui_token_amount
        .ok_or("a balance without its amount")?;
    let said = |text: String| match text.is_empty() {
        true => OptionSerializer::Skip,
        false => OptionSerializer::Some(text),
    };
    Ok(UiTransactionTokenBalance {
        account_index: small(balance.account_index)?,
        mint: balance.mint,
        ui_token_amount: UiTokenAmount {
            // Nodes keep their history in the same form, in which nothing and none are one.
            ui_amount: (amount.ui_amount != 0.0).then_some(amount.ui_amount),
            decimals: small(amount.decimals)?,
            amount: amount.amount,
            ui_amount_string: amount.ui_amount_string,
        },
        owner: said(balance.owner),
        program_id: said(balance.program_id),
    })
}

fn return_data(data: ReturnData) -> Result<UiTransactionReturnData, &'static str> {
    Ok(UiTransactionReturnData {
        program_id: key(&data.program_id)?.to_string(),
        data: (
            BASE64_STANDARD.encode(data.data),
            UiReturnDataEncoding::Base64,
        ),
    })
}

fn small(number: u32) -> Result<u8, &'static str> {
    u8::try_from(number).map_err(|_| "a number that takes one byte is larger")
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], &'static str> {
    bytes
        .try_into()
        .map_err(|_| "a hash or address of another length than 32 bytes")
}

fn key(bytes: &[u8]) -> Result<Pubkey, &'static str> {
    array(bytes).map(Pubkey::new_from_array)
}

fn keys(all: &[Vec<u8>]) -> Result<Vec<Pubkey>, &'static str> {
    all.iter().map(|bytes| key(bytes)).collect()
}

fn texts(all: &[Vec<u8>]) -> Result<Vec<String>, &'static str> {
    let keys = all.iter().map(|bytes| key(bytes));
    keys.map(|key| key.map(|key| key.to_string())).collect()
}
