//! Every account of a kind as the chain holds it at one slot, for comparisons: fixed parts only, whatever program they belong to.

use {
    crate::accounts::DISCRIMINATOR_BYTES,
    anchor_lang::Discriminator,
    quern::state::{
        Campaign, Demand, Emission, EntityKind, Entry, Job, MintConfig, Model, Protocol, Provider,
        Purse,
    },
    solana_account_decoder_client_types::{UiAccountEncoding, UiDataSliceConfig},
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::{
        client_error::{ErrorKind, Result},
        config::{RpcAccountInfoConfig, RpcProgramAccountsConfig},
        filter::{Memcmp, RpcFilterType},
        request::RpcRequest,
        response::{Response, RpcKeyedAccount},
    },
    solana_sdk::pubkey::Pubkey,
    std::mem::{offset_of, size_of},
};

/// Accounts that a node returns at a time.
const MULTIPLE_ACCOUNTS: usize = 100;
/// Where both token programs keep an account's amount.
const TOKEN_AMOUNT: UiDataSliceConfig = UiDataSliceConfig {
    offset: 64,
    length: 8,
};

/// What a node holds of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The slot that it answered for.
    pub slot: u64,
    /// Addresses and fixed parts, without discriminators.
    pub accounts: Vec<(Pubkey, Vec<u8>)>,
}

/// What a kind's accounts are found by.
struct Layout {
    discriminator: &'static [u8],
    bytes: usize,
    /// Where a field stands that never changes and whose first byte differs from account to account.
    scattered: usize,
}

fn layout(kind: EntityKind) -> Layout {
    macro_rules! layout {
        ($type:ident, $field:ident) => {
            Layout {
                discriminator: $type::DISCRIMINATOR,
                bytes: size_of::<$type>(),
                scattered: offset_of!($type, $field),
            }
        };
    }
    match kind {
        EntityKind::Protocol => layout!(Protocol, cluster),
        EntityKind::MintConfig => layout!(MintConfig, mint),
        EntityKind::Emission => layout!(Emission, reserved_tail),
        EntityKind::Provider => layout!(Provider, owner),
        EntityKind::Purse => layout!(Purse, owner),
        EntityKind::Model => layout!(Model, creator),
        EntityKind::Job => layout!(Job, input_uri_hash),
        EntityKind::Demand => layout!(Demand, node),
        EntityKind::Campaign => layout!(Campaign, sponsor),
        EntityKind::Entry => layout!(Entry, provider),
    }
}

/// The change counter in an account's fixed part; none if it is cut short.
pub fn seq_of(kind: EntityKind, fixed: &[u8]) -> Option<u64> {
    macro_rules! seq {
        ($($kind:ident)*) => {
            match kind {
                $(EntityKind::$kind => {
                    Some(bytemuck::try_pod_read_unaligned::<$kind>(fixed).ok()?.seq.get())
                })*
            }
        };
    }
    seq!(Protocol MintConfig Emission Provider Purse Model Job Demand Campaign Entry)
}

/// An account's fields as texts, to say which differ; none if the bytes are no fixed part of the kind.
pub fn fields_of(kind: EntityKind, fixed: &[u8]) -> Vec<(String, String)> {
    macro_rules! shown {
        ($($kind:ident)*) => {
            match kind {
                $(EntityKind::$kind => bytemuck::try_pod_read_unaligned::<$kind>(fixed)
                    .map(|account| format!("{account:#?}"))
                    .unwrap_or_default(),)*
            }
        };
    }
    fields(&shown!(
        Protocol MintConfig Emission Provider Purse Model Job Demand Campaign Entry
    ))
}

/// The fields of a struct as it prints itself, each in one line.
fn fields(printed: &str) -> Vec<(String, String)> {
    const INDENT: &str = "    ";
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in printed.lines() {
        let Some(inner) = line.strip_prefix(INDENT) else {
            continue;
        };
        match inner.split_once(": ") {
            Some((name, value)) if !inner.starts_with(' ') => {
                fields.push((name.to_owned(), bare(value).to_owned()));
            }
            _ => {
                if let Some((_, value)) = fields.last_mut() {
                    value.push_str(inner.trim());
                }
            }
        }
    }
    fields
}

/// A number without the name of its type.
fn bare(value: &str) -> &str {
    let value = value.trim_end_matches(',');
    let inner = value
        .strip_prefix("Pod")
        .and_then(|rest| rest.split_once('('));
    inner.map_or(value, |(_, inner)| inner.trim_end_matches(')'))
}

/// Every account of a kind that a program with Quern's interface owns, or those whose scattered byte is `part`: a node refuses,
/// and a process cannot hold, lists of any length.
///
/// # Errors
/// That the node did not answer, or with something else. The caller hides the node's keys.
pub async fn of_kind(
    rpc: &RpcClient,
    program: &Pubkey,
    kind: EntityKind,
    part: Option<u8>,
) -> Result<Census> {
    let layout = layout(kind);
    let mut filters = vec![memcmp(0, layout.discriminator.to_vec())];
    filters.extend(part.map(|part| memcmp(DISCRIMINATOR_BYTES + layout.scattered, vec![part])));
    let config = RpcProgramAccountsConfig {
        filters: Some(filters),
        account_config: RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64),
            data_slice: Some(UiDataSliceConfig {
                offset: DISCRIMINATOR_BYTES,
                length: layout.bytes,
            }),
            commitment: Some(rpc.commitment()),
            ..Default::default()
        },
        with_context: Some(true),
        ..Default::default()
    };
    let params = serde_json::json!([program.to_string(), config]);
    let reply: Response<Vec<RpcKeyedAccount>> =
        rpc.send(RpcRequest::GetProgramAccounts, params).await?;
    let accounts = reply.value.iter().map(|keyed| {
        let unreadable =
            || ErrorKind::Custom(format!("{:?} is no account in base64", keyed.pubkey));
        let address: Pubkey = keyed.pubkey.parse().map_err(|_| unreadable())?;
        let data = keyed.account.data.decode().ok_or_else(unreadable)?;
        Ok((address, data))
    });
    Ok(Census {
        slot: reply.context.slot,
        accounts: accounts.collect::<Result<_>>()?,
    })
}

/// The accounts of a kind at these addresses; what is gone, or another kind's, is left out.
///
/// # Errors
/// See [`of_kind`].
pub async fn at(
    rpc: &RpcClient,
    program: &Pubkey,
    kind: EntityKind,
    addresses: &[Pubkey],
) -> Result<Census> {
    let layout = layout(kind);
    let mut census = Census {
        slot: u64::MAX,
        accounts: Vec::new(),
    };
    for some in addresses.chunks(MULTIPLE_ACCOUNTS) {
        let config = RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64),
            commitment: Some(rpc.commitment()),
            ..Default::default()
        };
        let reply = rpc
            .get_multiple_ui_accounts_with_config(some, config)
            .await?;
        if reply.value.len() != some.len() {
            let reason = "it left accounts out of its answer".to_owned();
            return Err(ErrorKind::Custom(reason).into());
        }
        census.slot = census.slot.min(reply.context.slot);
        for (address, account) in some.iter().zip(reply.value) {
            let Some(account) = account.filter(|found| found.owner == program.to_string()) else {
                continue;
            };
            let data = account.data.decode().unwrap_or_default();
            let fixed = data
                .strip_prefix(layout.discriminator)
                .and_then(|rest| rest.get(..layout.bytes));
            census
                .accounts
                .extend(fixed.map(|fixed| (*address, fixed.to_vec())));
        }
    }
    Ok(census)
}

fn memcmp(offset: usize, bytes: Vec<u8>) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(offset, bytes))
}

/// What token accounts hold, in the same order, and the oldest slot that the node answered for; none where there is no token
/// account.
///
/// # Errors
/// See [`of_kind`].
pub async fn token_atoms(rpc: &RpcClient, accounts: &[Pubkey]) -> Result<(u64, Vec<Option<u64>>)> {
    let (mut slot, mut atoms) = (u64::MAX, Vec::new());
    for some in accounts.chunks(MULTIPLE_ACCOUNTS) {
        let config = RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64),
            data_slice: Some(TOKEN_AMOUNT),
            commitment: Some(rpc.commitment()),
            ..Default::default()
        };
        let reply = rpc
            .get_multiple_ui_accounts_with_config(some, config)
            .await?;
        if reply.value.len() != some.len() {
            let reason = "it left accounts out of its answer".to_owned();
            return Err(ErrorKind::Custom(reason).into());
        }
        slot = slot.min(reply.context.slot);
        atoms.extend(reply.value.iter().map(|account| {
            let bytes = account.as_ref()?.data.decode()?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        }));
    }
    Ok((slot, atoms))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, bytemuck::Zeroable};

    const KINDS: [EntityKind; 10] = [
        EntityKind::Protocol,
        EntityKind::MintConfig,
        EntityKind::Emission,
        EntityKind::Provider,
        EntityKind::Purse,
        EntityKind::Model,
        EntityKind::Job,
        EntityKind::Demand,
        EntityKind::Campaign,
        EntityKind::Entry,
    ];

    #[test]
    fn every_kind_has_a_layout_a_counter_and_names_of_fields() {
        for kind in KINDS {
            let layout = layout(kind);
            assert!(layout.scattered < layout.bytes);
            let zeroes = vec![0; layout.bytes];
            assert_eq!(seq_of(kind, &zeroes), Some(0), "{kind:?}");
            let fields = fields_of(kind, &zeroes);
            assert!(
                fields.contains(&("seq".to_owned(), "0".to_owned())),
                "{fields:?}"
            );
            assert_eq!(seq_of(kind, &zeroes[1..]), None);
            assert!(fields_of(kind, &zeroes[1..]).is_empty());
        }
    }

    #[test]
    fn a_changed_field_is_named() {
        let mut purse = Purse::zeroed();
        let before = fields_of(EntityKind::Purse, bytemuck::bytes_of(&purse));
        purse.free_atoms = 7u64.into();
        let after = fields_of(EntityKind::Purse, bytemuck::bytes_of(&purse));
        let differing: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
        assert_eq!(differing.len(), 1);
        assert_eq!(differing[0].1, &("free_atoms".to_owned(), "7".to_owned()));
    }
}
