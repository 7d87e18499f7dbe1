//! Building transactions: their formats, budgets, sizes and signatures. [`crate::send`] brings them to the cluster.

use {
    crate::errors::{ClientError, Result},
    solana_compute_budget_interface::ComputeBudgetInstruction,
    solana_sdk::{
        hash::Hash,
        instruction::Instruction,
        message::{Message, VersionedMessage, v1},
        pubkey::Pubkey,
        signature::{Keypair, Signer},
        transaction::VersionedTransaction,
    },
};

/// Largest legacy transaction in bytes.
pub const MAX_TRANSACTION_BYTES: usize = 1_232;
/// Largest v1 transaction in bytes.
pub const MAX_V1_TRANSACTION_BYTES: usize = v1::MAX_TRANSACTION_SIZE;
/// Most compute units that a transaction may ask for.
pub const MAX_COMPUTE_UNITS: u32 = 1_400_000;
/// Most account data that a transaction may load, in bytes; what a legacy transaction is given without asking.
pub const MAX_LOADED_BYTES: u32 = 64 * 1_024 * 1_024;

const SIGNATURE_BYTES: usize = 64;
/// Micro-lamports in a lamport.
pub(crate) const MICRO: u128 = 1_000_000;

/// How a transaction is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The oldest format, 1,232 bytes: every node takes it.
    #[default]
    Legacy,
    /// Version 1, 4,096 bytes: limits and fee stand in its header instead of instructions.
    V1,
}

impl Format {
    /// The largest transaction in bytes.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Legacy => MAX_TRANSACTION_BYTES,
            Self::V1 => MAX_V1_TRANSACTION_BYTES,
        }
    }
}

/// What a transaction may use and what it offers for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Limit of compute units.
    pub units: u32,
    /// Micro-lamports for each of them.
    pub price: u64,
    /// Limit of loaded account data; only v1 transactions state it.
    pub loaded_bytes: u32,
}

impl Budget {
    /// The most of everything, at the highest price: what the size of a transaction is measured with.
    pub const LARGEST: Self = Self {
        units: MAX_COMPUTE_UNITS,
        price: u64::MAX,
        loaded_bytes: MAX_LOADED_BYTES,
    };

    /// The priority fee of a v1 transaction, which states it in lamports.
    fn priority_lamports(&self) -> Option<u64> {
        Some(priority_lamports(self.units, self.price)).filter(|fee| *fee > 0)
    }
}

/// What a price in micro-lamports makes in lamports: units times price, rounded up.
pub(crate) fn priority_lamports(units: u32, price: u64) -> u64 {
    let micro = u128::from(units) * u128::from(price);
    u64::try_from(micro.div_ceil(MICRO)).unwrap_or(u64::MAX)
}

/// Who pays: the first signer.
pub(crate) fn payer_of(signers: &[&Keypair]) -> Result<Pubkey> {
    signers.first().map(|payer| payer.pubkey()).ok_or_else(|| {
        ClientError::Argument("Nobody pays for the transaction; pass a signer".to_owned())
    })
}

/// A legacy transaction's instructions behind its compute budget.
pub(crate) fn with_budget(
    instructions: &[Instruction],
    units: u32,
    price: u64,
) -> Vec<Instruction> {
    let mut all = vec![ComputeBudgetInstruction::set_compute_unit_limit(units)];
    if price > 0 {
        all.push(ComputeBudgetInstruction::set_compute_unit_price(price));
    }
    all.extend_from_slice(instructions);
    all
}

/// The message of a transaction, of any size.
fn compile(
    format: Format,
    instructions: &[Instruction],
    payer: &Pubkey,
    budget: &Budget,
    blockhash: Hash,
) -> Result<VersionedMessage> {
    if format == Format::Legacy {
        let all = with_budget(instructions, budget.units, budget.price);
        let message = Message::new_with_blockhash(&all, Some(payer), &blockhash);
        return Ok(VersionedMessage::Legacy(message));
    }
    // Limits that a v1 transaction does not state are 0.
    let config = v1::TransactionConfig {
        priority_fee: budget.priority_lamports(),
        compute_unit_limit: Some(budget.units),
        loaded_accounts_data_size_limit: Some(budget.loaded_bytes),
        heap_size: None,
    };
    v1::Message::try_compile_with_config(payer, instructions, blockhash, config)
        .map(VersionedMessage::V1)
        .map_err(|error| unbuildable(&error))
}

/// The message of a transaction that fits.
///
/// # Errors
/// `TooLarge`, or that it cannot be built.
pub fn message(
    format: Format,
    instructions: &[Instruction],
    payer: &Pubkey,
    budget: &Budget,
    blockhash: Hash,
) -> Result<VersionedMessage> {
    let message = compile(format, instructions, payer, budget, blockhash)?;
    check_size(&message)?;
    if let VersionedMessage::V1(message) = &message {
        message.validate().map_err(|error| unbuildable(&error))?;
    }
    Ok(message)
}

fn unbuildable(error: &dyn std::error::Error) -> ClientError {
    ClientError::Argument(format!(
        "The transaction cannot be built ({error}); split it"
    ))
}

/// Bytes of the signed transaction.
fn size_of(message: &VersionedMessage) -> usize {
    let signatures = usize::from(message.header().num_required_signatures) * SIGNATURE_BYTES;
    // Version 1 has the version before the message, the others the number of signatures.
    1 + signatures
        + match message {
            VersionedMessage::V1(message) => message.size(),
            other => other.serialize().len(),
        }
}

fn check_size(message: &VersionedMessage) -> Result<()> {
    let format = match message {
        VersionedMessage::V1(_) => Format::V1,
        _ => Format::Legacy,
    };
    let (bytes, limit) = (size_of(message), format.max_bytes());
    if bytes > limit {
        return Err(ClientError::TooLarge { bytes, limit });
    }
    Ok(())
}

/// How many bytes a transaction with these instructions has at most, whether it fits or not.
///
/// # Errors
/// `Argument` for instructions that no transaction can hold.
pub fn largest_size(format: Format, instructions: &[Instruction], payer: &Pubkey) -> Result<usize> {
    compile(
        format,
        instructions,
        payer,
        &Budget::LARGEST,
        Hash::default(),
    )
    .map(|message| size_of(&message))
}

/// Divides instructions, in order, into as few transactions as fit.
pub(crate) fn pack<'a>(
    format: Format,
    instructions: &'a [Instruction],
    payer: &Pubkey,
) -> Result<Vec<&'a [Instruction]>> {
    let mut batches = Vec::new();
    let mut rest = instructions;
    while !rest.is_empty() {
        let count = most_that_fit(rest.len(), |count| check_fit(format, &rest[..count], payer))?;
        let (batch, later) = rest.split_at(count);
        batches.push(batch);
        rest = later;
    }
    Ok(batches)
}

/// How many of the first `count` things a transaction holds, where `fits` says whether it holds so many: at least one.
///
/// # Errors
/// Why it does not even hold the first.
pub(crate) fn most_that_fit(count: usize, fits: impl Fn(usize) -> Result<()>) -> Result<usize> {
    fits(1)?;
    Ok((2..=count)
        .take_while(|more| fits(*more).is_ok())
        .last()
        .unwrap_or(1))
}

/// Refuses what no transaction holds, whatever budget it states.
pub(crate) fn check_fit(
    format: Format,
    instructions: &[Instruction],
    payer: &Pubkey,
) -> Result<()> {
    message(
        format,
        instructions,
        payer,
        &Budget::LARGEST,
        Hash::default(),
    )
    .map(|_| ())
}

/// Signs with those of the signers that are needed.
///
/// # Errors
/// `MissingSigner`.
pub fn sign(message: VersionedMessage, signers: &[&Keypair]) -> Result<VersionedTransaction> {
    let needed = message
        .static_account_keys()
        .iter()
        .take(usize::from(message.header().num_required_signatures));
    let needed: Result<Vec<&Keypair>> = needed
        .map(|key| {
            let signer = signers.iter().find(|signer| signer.pubkey() == *key);
            signer.copied().ok_or(ClientError::MissingSigner(*key))
        })
        .collect();
    VersionedTransaction::try_new(message, &needed?).map_err(|error| {
        ClientError::Argument(format!(
            "The transaction cannot be signed ({error}); check the keypairs"
        ))
    })
}

/// The programs that a message calls, in the order of its instructions.
pub(crate) fn programs_of(message: &VersionedMessage) -> Vec<Pubkey> {
    let keys = message.static_account_keys();
    message
        .instructions()
        .iter()
        .filter_map(|instruction| keys.get(usize::from(instruction.program_id_index)).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {super::*, crate::instructions};

    const BUDGET: Budget = Budget {
        units: 30_000,
        price: 50,
        loaded_bytes: 1_000_000,
    };

    fn write(payer: &Pubkey, bytes: usize) -> Instruction {
        instructions::write_model(payer, &Pubkey::from([1; 32]), 0, &vec![7; bytes])
    }

    #[test]
    fn packs_in_order_and_fits() {
        let payer = Keypair::new().pubkey();
        let all = instructions::write_graph(&payer, &Pubkey::from([1; 32]), &[7; 3_000]);
        assert_eq!(all.len(), 4);
        let lengths = |format| {
            let batches = pack(format, &all, &payer).unwrap();
            assert_eq!(batches.concat(), all);
            batches.iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(Format::Legacy), [1, 1, 1, 1]);
        assert_eq!(lengths(Format::V1), [4]);
        let mint = Pubkey::from([9; 32]);
        let opens: Vec<_> = (0..9)
            .map(|i| instructions::open_purse(&payer, &Pubkey::from([i; 32]), &mint))
            .collect();
        let batches = pack(Format::Legacy, &opens, &payer).unwrap();
        assert!(batches.len() < 9);
        assert_eq!(batches.concat(), opens);
    }

    #[test]
    fn signs_with_what_is_needed() {
        let (payer, owner, stranger) = (Keypair::new(), Keypair::new(), Keypair::new());
        let instruction =
            instructions::set_operator_limit(&owner.pubkey(), &Pubkey::from([9; 32]), 5);
        for format in [Format::Legacy, Format::V1] {
            let sign = |signers: &[&Keypair]| {
                let all = std::slice::from_ref(&instruction);
                let payer = payer_of(signers)?;
                sign(
                    message(format, all, &payer, &BUDGET, Hash::default())?,
                    signers,
                )
            };
            let transaction = sign(&[&payer, &owner, &owner, &stranger]).unwrap();
            assert_eq!(transaction.signatures.len(), 2);
            assert_eq!(transaction.verify_with_results(), [true, true]);
            assert!(
                matches!(sign(&[&payer]), Err(ClientError::MissingSigner(key)) if key == owner.pubkey())
            );
            assert!(matches!(sign(&[]), Err(ClientError::Argument(_))));
        }
    }

    #[test]
    fn the_limit_is_reached_and_named() {
        let payer = Keypair::new();
        let hash = Hash::default();
        for (format, limit) in [(Format::Legacy, 1_232), (Format::V1, 4_096)] {
            let size = |bytes| {
                let all = [write(&payer.pubkey(), bytes)];
                compile(format, &all, &payer.pubkey(), &Budget::LARGEST, hash).map(|m| size_of(&m))
            };
            let most = 512 + limit - size(512).unwrap();
            let build = |bytes| {
                let all = [write(&payer.pubkey(), bytes)];
                message(format, &all, &payer.pubkey(), &Budget::LARGEST, hash)
            };
            let signed = sign(build(most).unwrap(), &[&payer]).unwrap();
            assert_eq!(size_of(&signed.message), limit);
            match build(most + 1) {
                Err(error @ ClientError::TooLarge { .. }) => {
                    let text = error.to_string();
                    assert!(text.contains(&format!("{} bytes", limit + 1)), "{text}");
                    assert!(text.contains(&format!("at most {limit}")), "{text}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_v1_message_states_its_limits_and_its_fee() {
        let payer = Pubkey::from([3; 32]);
        let all = [write(&payer, 2_000)];
        let built = message(Format::V1, &all, &payer, &BUDGET, Hash::default()).unwrap();
        let VersionedMessage::V1(message) = built else {
            panic!()
        };
        assert_eq!(message.instructions.len(), 1);
        assert_eq!(message.config.compute_unit_limit, Some(30_000));
        assert_eq!(
            message.config.loaded_accounts_data_size_limit,
            Some(1_000_000)
        );
        // 30,000 units at 50 micro-lamports are one and a half lamports.
        assert_eq!(message.config.priority_fee, Some(2));
        let free = Budget { price: 0, ..BUDGET };
        assert_eq!(free.priority_lamports(), None);
        assert_eq!(Budget::LARGEST.priority_lamports(), Some(u64::MAX));
    }
}
