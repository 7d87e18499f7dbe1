//! A program's IDL on chain, by the program-metadata program.
//!
//! The text goes, packed, into an account of its own, in pieces; then one instruction makes it the IDL. An interrupted run goes
//! on where it stopped. Another text replaces the account, so for some seconds there is none.

use {
    crate::{DeployError, Result, authority, refuse},
    flate2::{Compression, write::ZlibEncoder},
    quern_client::{
        Instruction,
        accounts::raw,
        metadata::{self, HEADER_BYTES, Held},
        send::Sender,
    },
    solana_sdk::{
        pubkey::Pubkey,
        signature::{Keypair, Signer},
    },
    solana_system_interface::instruction::transfer,
    std::io::Write,
};

/// Bytes of the packed text in one instruction: with two signatures and a budget it fits into a transaction.
const PIECE_BYTES: usize = 800;

/// What was done about a program's IDL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdlReport {
    /// The account that holds it.
    pub address: Pubkey,
    /// Bytes of the packed text.
    pub packed_bytes: usize,
    /// Transactions that this took; none if the very same text was there.
    pub transactions: usize,
}

/// Writes the IDL of a program on chain, and compares what is there with it at the end. `authority` must be the upgrade
/// authority.
///
/// # Errors
/// `Refused` where the cluster has no program-metadata program, where `authority` may not write, or where the IDL was made
/// final; `Lamports` if the payer has too little; otherwise as [`Sender::send_all`].
pub async fn write_idl(
    sender: &Sender,
    payer: &Keypair,
    by: &Keypair,
    program: &Pubkey,
    text: &str,
) -> Result<IdlReport> {
    check(sender, by, program).await?;
    let packed = packed(text.as_bytes())?;
    let address = metadata::idl_address(program);
    let mut report = IdlReport {
        address,
        packed_bytes: packed.len(),
        transactions: 0,
    };
    let found = raw(sender.rpc(), &address).await?;
    let found = found.filter(|(owner, _)| *owner == metadata::PROGRAM);
    let found = found.as_ref().map(|(_, data)| data.as_slice());
    let written = match decide(found, &packed, &by.pubkey()) {
        Decision::Nothing => return Ok(report),
        Decision::Final => {
            return refuse(format!(
                "the IDL of {program} at {address} was made final; nobody can change it any more"
            ));
        }
        Decision::Begin => None,
        Decision::GoOn(written) => Some(written),
        Decision::Replace => {
            // What the closed account gives back counts; without enough for the new one, the old one stays.
            rent(sender, payer, &address, packed.len()).await?;
            let close = metadata::close(program, &by.pubkey(), &payer.pubkey());
            report.transactions += sender.send_all(&[close], &[payer, by]).await?.len();
            None
        }
    };
    let rent = rent(sender, payer, &address, packed.len()).await?;
    let fund = (rent > 0).then(|| transfer(&payer.pubkey(), &address, rent));
    let rest = rest(program, &by.pubkey(), &packed, written)?;
    let instructions: Vec<Instruction> = fund.into_iter().chain(rest).collect();
    report.transactions += sender.send_all(&instructions, &[payer, by]).await?.len();
    match raw(sender.rpc(), &address).await? {
        Some((_, data)) if matches!(metadata::decode(&data), Some(Held::Idl { content, .. }) if content == packed) => {
            Ok(report)
        }
        _ => refuse(format!(
            "the IDL at {address} differs from what was written; run the same again"
        )),
    }
}

/// Refuses before anything is paid.
async fn check(sender: &Sender, by: &Keypair, program: &Pubkey) -> Result<()> {
    if raw(sender.rpc(), &metadata::PROGRAM).await?.is_none() {
        return refuse(format!(
            "this cluster has no program-metadata program ({}), which keeps IDLs, so there is nowhere to write one; \
             mainnet-beta and devnet have it, local networks do not",
            metadata::PROGRAM
        ));
    }
    match authority(sender.rpc(), program).await? {
        Some(known) if known == by.pubkey() => Ok(()),
        Some(known) => refuse(format!(
            "only the upgrade authority of {program} may write its IDL; sign with {known} (--upgrade-authority)"
        )),
        None => refuse(format!(
            "{program} is final: it has no upgrade authority, and nobody else may write its IDL"
        )),
    }
}

/// What is to be done about what is there.
#[derive(Debug, PartialEq, Eq)]
enum Decision<'a> {
    /// The very text is there.
    Nothing,
    /// Nobody may change it.
    Final,
    /// There is no account yet.
    Begin,
    /// What another run began with the same key; what is right of it stays.
    GoOn(&'a [u8]),
    /// Anything else makes place first.
    Replace,
}

fn decide<'a>(found: Option<&'a [u8]>, packed: &[u8], by: &Pubkey) -> Decision<'a> {
    let Some(data) = found else {
        return Decision::Begin;
    };
    match metadata::decode(data) {
        Some(Held::Idl { content, .. }) if content == packed => Decision::Nothing,
        Some(Held::Idl { is_mutable, .. } | Held::Other { is_mutable }) if !is_mutable => {
            Decision::Final
        }
        Some(Held::Buffer { authority, content })
            if authority == *by && content.len() <= packed.len() =>
        {
            Decision::GoOn(content)
        }
        _ => Decision::Replace,
    }
}

/// Lamports that the account still needs.
async fn rent(sender: &Sender, payer: &Keypair, address: &Pubkey, bytes: usize) -> Result<u64> {
    let failed = |error| DeployError::from(sender.error(error));
    let rpc = sender.rpc();
    let bytes = HEADER_BYTES + bytes;
    let rent = rpc.get_minimum_balance_for_rent_exemption(bytes).await;
    let there = rpc.get_balance(address).await.map_err(failed)?;
    let rent = rent.map_err(failed)?.saturating_sub(there);
    let needs_lamports = with_fees(rent, bytes);
    let wallet = payer.pubkey();
    let has_lamports = rpc.get_balance(&wallet).await.map_err(failed)?;
    match has_lamports < needs_lamports {
        true => Err(DeployError::Lamports {
            wallet,
            has_lamports,
            needs_lamports,
        }),
        false => Ok(rent),
    }
}

/// The rent, and what the transactions cost that write so many bytes: two signatures each, with room for a priority fee.
fn with_fees(rent_lamports: u64, bytes: usize) -> u64 {
    const TRANSACTION_LAMPORTS: u64 = 20_000;
    // One closes, one allocates, one makes it the IDL.
    let transactions = bytes.div_ceil(PIECE_BYTES) as u64 + 3;
    rent_lamports.saturating_add(transactions.saturating_mul(TRANSACTION_LAMPORTS))
}

/// What is left to do, if this much stands in a buffer already: the buffer, the pieces that differ, and the end.
fn rest(
    program: &Pubkey,
    by: &Pubkey,
    packed: &[u8],
    written: Option<&[u8]>,
) -> Result<Vec<Instruction>> {
    let mut all = Vec::new();
    if written.is_none() {
        all.push(metadata::allocate(program, by));
    }
    let written = written.unwrap_or_default();
    for (index, piece) in packed.chunks(PIECE_BYTES).enumerate() {
        let start = index * PIECE_BYTES;
        if written.get(start..start + piece.len()) != Some(piece) {
            let offset = u32::try_from(start)
                .map_err(|_| DeployError::Refused("the IDL is too long".to_owned()))?;
            all.push(metadata::write(program, by, offset, piece));
        }
    }
    all.push(metadata::initialize(program, by));
    Ok(all)
}

/// A text as zlib packs it.
fn packed(text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(text).and_then(|()| encoder.finish());
    packed.map_err(|error| DeployError::Refused(format!("the IDL cannot be packed: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// An account as the program-metadata program keeps it.
    fn account(kind: u8, authority: &Pubkey, is_mutable: bool, content: &[u8]) -> Vec<u8> {
        let mut data = vec![0; HEADER_BYTES];
        data[0] = kind;
        data[33..65].copy_from_slice(authority.as_ref());
        data[65] = is_mutable.into();
        data[83..87].copy_from_slice(&[1, 2, 1, 0]);
        data[87..91].copy_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
        [&data, content].concat()
    }

    #[test]
    fn what_is_there_decides() {
        let (by, other) = (Pubkey::from([1; 32]), Pubkey::from([2; 32]));
        let packed = [7; 10];
        let decided = |data: &[u8], wanted: Decision<'_>| {
            assert_eq!(decide(Some(data), &packed, &by), wanted);
        };
        assert_eq!(decide(None, &packed, &by), Decision::Begin);
        decided(&account(2, &by, true, &packed), Decision::Nothing);
        decided(&account(2, &by, false, &packed), Decision::Nothing);
        decided(&account(2, &by, true, &[7; 9]), Decision::Replace);
        decided(&account(2, &by, false, &[7; 9]), Decision::Final);
        decided(&account(1, &by, false, &[7; 4]), Decision::GoOn(&[7; 4]));
        decided(&account(1, &other, false, &[7; 4]), Decision::Replace);
        decided(&account(1, &by, false, &[7; 11]), Decision::Replace);
        decided(&[9; 200], Decision::Replace);
    }

    #[test]
    fn only_what_differs_is_written_again() {
        let (program, by) = (Pubkey::from([1; 32]), Pubkey::from([2; 32]));
        let packed: Vec<u8> = (0..2_000u32).map(|at| (at % 251) as u8).collect();
        let write = |start: usize, end| {
            let offset = u32::try_from(start).unwrap();
            metadata::write(&program, &by, offset, &packed[start..end])
        };
        let end = metadata::initialize(&program, &by);
        let all = rest(&program, &by, &packed, None).unwrap();
        let begin = metadata::allocate(&program, &by);
        let [first, second, third] = [write(0, 800), write(800, 1_600), write(1_600, 2_000)];
        assert_eq!(
            all,
            [begin, first, second.clone(), third.clone(), end.clone()]
        );
        // Killed in the middle of the work, with a byte that differs.
        let mut there = packed[..1_700].to_vec();
        there[900] ^= 1;
        let left = rest(&program, &by, &packed, Some(&there)).unwrap();
        assert_eq!(left, [second, third, end]);
    }

    #[test]
    fn a_packed_text_is_smaller_and_zlib() {
        let packed = packed(&[b'a'; 5_000]).unwrap();
        assert!(packed.len() < 100 && packed[0] == 0x78, "{packed:?}");
    }
}
