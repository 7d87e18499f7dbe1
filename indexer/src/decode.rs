//! From a transaction to what is stored of it: accepted events and dead letters.
//!
//! The client checks that the transaction succeeded, that the call is to our program, that it bears the event tag and that
//! the event authority is its first account; here it is checked that every byte is understood.

use {
    crate::{
        error::{IndexerError, Result},
        project::{Event, EventId},
        store::DeadLetter,
    },
    quern_api::{Key, Signature},
    quern_client::Pubkey,
    solana_transaction_status_client_types::{
        EncodedConfirmedTransactionWithStatusMeta, EncodedTransaction,
    },
};

/// What a transaction says.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Its first signature.
    pub signature: Signature,
    /// Its slot.
    pub slot: u64,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// Its accepted events.
    pub events: Vec<Event>,
    /// What of it is not understood.
    pub dead_letters: Vec<DeadLetter>,
}

impl Decoded {
    /// Whether it says nothing of the program.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.dead_letters.is_empty()
    }

    /// Whether the program was called, succeeded and told nothing that can be decoded.
    pub fn is_silent(&self) -> bool {
        self.events.is_empty() && !self.dead_letters.is_empty()
    }
}

/// Reads a transaction.
///
/// # Errors
/// If the node's answer is incomplete: then the transaction must be asked for again, not skipped.
pub fn transaction(
    program: &Key,
    encoded: &EncodedConfirmedTransactionWithStatusMeta,
) -> Result<Decoded> {
    let found =
        quern_client::events::events_of_program(&Pubkey::new_from_array(program.0), encoded)
            .map_err(|error| IndexerError::Unreadable {
                signature: shown_signature(encoded),
                reason: error.to_string(),
            })?;
    let signature = Signature::parse(&found.signature).ok_or_else(|| IndexerError::Unreadable {
        signature: found.signature.clone(),
        reason: "its signature is malformed".to_owned(),
    })?;
    let mut decoded = Decoded {
        signature,
        slot: found.slot,
        succeeded: found.succeeded,
        events: Vec::new(),
        dead_letters: Vec::new(),
    };
    let silent = found.succeeded && found.owes_event && found.events.is_empty();
    for located in found.events {
        let id = EventId {
            signature,
            instruction: located.instruction,
            inner: located.inner,
        };
        let checked = match located.event {
            Some(body) => Event::check(&body).map(|()| body),
            None => Err("the bytes are no event that this version knows".to_owned()),
        };
        match checked {
            Ok(body) => decoded.events.push(Event {
                id,
                slot: found.slot,
                body,
            }),
            Err(reason) => {
                decoded.dead_letters.push(DeadLetter {
                    id,
                    slot: found.slot,
                    reason,
                    data: located.data,
                });
            }
        }
    }
    if silent {
        decoded.dead_letters.push(DeadLetter {
            id: EventId::whole(signature),
            slot: found.slot,
            reason: "the program was called and succeeded, but told no event".to_owned(),
            data: Vec::new(),
        });
    }
    Ok(decoded)
}

/// What names a transaction, without reading the rest of it.
fn signature_of(encoded: &EncodedConfirmedTransactionWithStatusMeta) -> Option<Signature> {
    let text = match &encoded.transaction.transaction {
        EncodedTransaction::Json(transaction) => transaction.signatures.first()?.clone(),
        other => other.decode()?.signatures.first()?.to_string(),
    };
    Signature::parse(&text)
}

fn shown_signature(encoded: &EncodedConfirmedTransactionWithStatusMeta) -> String {
    signature_of(encoded).map_or_else(
        || format!("in slot {}", encoded.slot),
        |signature| signature.to_string(),
    )
}
