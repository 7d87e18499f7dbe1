//! Whether a program on a cluster is a certain file.

use {
    crate::{Result, authority_at, is_same_code, refuse},
    quern_client::{
        RpcClient,
        accounts::raw,
        addresses::{self, UPGRADEABLE_LOADER},
    },
    sha2::{Digest, Sha256},
    solana_loader_v3_interface::state::UpgradeableLoaderState as State,
    solana_sdk::pubkey::Pubkey,
};

/// A program as a cluster runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its code, without the zeros of the room behind it.
    code: Vec<u8>,
    /// Bytes of its room.
    pub room_bytes: usize,
    /// Slot of its last deployment.
    pub slot: u64,
    /// Who may upgrade it; nobody if it is final.
    pub authority: Option<Pubkey>,
}

impl Deployed {
    /// Whether it is this file.
    pub fn is(&self, elf: &[u8]) -> bool {
        // A file may end with zeros itself.
        is_same_code(elf, &self.code) && elf.len() <= self.room_bytes
    }

    /// SHA-256 of its code without the zeros at the end, as `solana-verify` states it.
    pub fn hash(&self) -> [u8; 32] {
        code_hash(&self.code)
    }
}

/// SHA-256 of a program without the zeros at its end: what is the same for a file and for a room that is larger.
pub fn code_hash(elf: &[u8]) -> [u8; 32] {
    Sha256::digest(without_room(elf)).into()
}

fn without_room(code: &[u8]) -> &[u8] {
    let end = code.iter().rposition(|byte| *byte != 0);
    code.get(..end.map_or(0, |at| at + 1)).unwrap_or(code)
}

/// Reads a program from a cluster.
///
/// # Errors
/// `Refused` if there is no upgradeable program at the address, or that the cluster did not answer.
pub async fn deployed(rpc: &RpcClient, program: &Pubkey) -> Result<Deployed> {
    let header = State::size_of_programdata_metadata();
    match raw(rpc, &addresses::program_data(program)).await? {
        Some((owner, data)) if owner == UPGRADEABLE_LOADER && data.len() >= header => {
            let slot = data.get(4..12).and_then(|bytes| bytes.try_into().ok());
            let room = &data[header..];
            Ok(Deployed {
                code: without_room(room).to_vec(),
                room_bytes: room.len(),
                slot: slot.map_or(0, u64::from_le_bytes),
                authority: authority_at(&data, 12),
            })
        }
        _ => refuse(format!(
            "there is no upgradeable program at {program}; check the address and the cluster"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_behind_the_code_changes_nothing() {
        let deployed = |code: &[u8]| Deployed {
            code: without_room(code).to_vec(),
            room_bytes: code.len(),
            slot: 1,
            authority: None,
        };
        let there = deployed(&[1, 2, 0, 0, 0]);
        for file in [&[1, 2][..], &[1, 2, 0], &[1, 2, 0, 0, 0]] {
            assert!(there.is(file), "{file:?}");
            assert_eq!(code_hash(file), there.hash());
        }
        for file in [&[1][..], &[1, 3], &[1, 2, 3], &[], &[1, 2, 0, 0, 0, 0]] {
            assert!(!there.is(file), "{file:?}");
        }
        assert!(deployed(&[0, 0]).is(&[0]));
    }
}
