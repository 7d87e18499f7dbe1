//! Accounts of the program, as bytes: of which type they are, and their fixed parts.

use {
    anchor_lang::Discriminator,
    bytemuck::Pod,
    quern::state::{
        Campaign, Demand, Emission, EntityKind, Entry, Evidence, Job, MintConfig, Model, Protocol,
        Provider, Purse,
    },
};

/// Discriminator, size of the fixed part and offset of `seq` within it, for each kind.
pub fn layouts() -> [(EntityKind, &'static [u8], usize, usize); 10] {
    macro_rules! layouts {
        ($($kind:ident),*) => {
            [$((EntityKind::$kind, $kind::DISCRIMINATOR, size_of::<$kind>(), core::mem::offset_of!($kind, seq))),*]
        };
    }
    layouts![
        Protocol, MintConfig, Emission, Provider, Purse, Model, Job, Demand, Campaign, Entry
    ]
}

/// Whether an account of the program is one for evidence: it is its author's, has no change counter and no events.
pub fn is_evidence(data: &[u8]) -> bool {
    // Until the first write it is of no type at all.
    data.starts_with(Evidence::DISCRIMINATOR) || data.iter().all(|byte| *byte == 0)
}

/// Kind and fixed part of an account's data.
pub fn fixed_part(data: &[u8]) -> Option<(EntityKind, &[u8])> {
    layouts()
        .into_iter()
        .find_map(|(kind, discriminator, size, _)| {
            Some((kind, data.strip_prefix(discriminator)?.get(..size)?))
        })
}

/// The change counter in the fixed part of an account of this kind.
pub fn seq_of(kind: EntityKind, fixed: &[u8]) -> u64 {
    let (.., at) = layouts()
        .into_iter()
        .find(|layout| layout.0 == kind)
        .unwrap();
    u64::from_le_bytes(fixed[at..at + 8].try_into().unwrap())
}

/// The fixed part of an account of this type, or nothing if it is of another one.
pub fn read<T: Pod + Discriminator>(data: &[u8]) -> Option<T> {
    let body = data.strip_prefix(T::DISCRIMINATOR)?;
    bytemuck::try_pod_read_unaligned(body.get(..size_of::<T>())?).ok()
}
