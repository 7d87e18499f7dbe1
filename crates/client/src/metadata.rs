//! The program-metadata program, from which explorers and other people's clients read a program's IDL: where it keeps one,
//! and its instructions. It has no Rust library; `tests/golden/program-metadata.json` holds what its own client encodes.

use {
    crate::addresses::{self, SYSTEM_PROGRAM},
    solana_sdk::{
        instruction::{AccountMeta, Instruction},
        pubkey::Pubkey,
    },
};

/// The program-metadata program.
pub const PROGRAM: Pubkey = solana_sdk::pubkey!("ProgM6JCCvbYkfKqJYHePx4xxSUSqJp7rh8Lyv7nk7S");
/// What stands in front of the content, of a buffer and of a finished account alike.
pub const HEADER_BYTES: usize = 96;

/// The seed of an IDL, filled with zeros.
const SEED: [u8; 16] = *b"idl\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// UTF-8, zlib, JSON, and the content stands in the account itself.
const FORM: [u8; 4] = [1, 2, 1, 0];
/// Where the header of a finished account names its form, and the content's length as `u32`.
const FORM_AT: usize = 83;
const LENGTH_AT: usize = FORM_AT + FORM.len();

/// The account of a program's IDL that only its upgrade authority may write.
pub fn idl_address(program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[program.as_ref(), &SEED], &PROGRAM).0
}

/// What an account of the program-metadata program holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held<'a> {
    /// Content that is being written.
    Buffer {
        /// Who may write it.
        authority: Pubkey,
        /// What is there so far.
        content: &'a [u8],
    },
    /// A zlib-packed JSON text that stands in the account.
    Idl {
        /// Whether it may be changed.
        is_mutable: bool,
        /// The packed text.
        content: &'a [u8],
    },
    /// Anything else.
    Other {
        /// Whether it may be changed.
        is_mutable: bool,
    },
}

/// Reads such an account; nothing if it is not of any known form.
pub fn decode(data: &[u8]) -> Option<Held<'_>> {
    let (header, content) = data.split_at_checked(HEADER_BYTES)?;
    let is_mutable = header.get(65) == Some(&1);
    match header.first()? {
        1 => Some(Held::Buffer {
            authority: Pubkey::try_from(header.get(33..65)?).ok()?,
            content,
        }),
        2 => {
            let length = header.get(LENGTH_AT..LENGTH_AT + 4)?.try_into().ok()?;
            let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
            let is_usual = header.get(FORM_AT..LENGTH_AT)? == FORM;
            Some(match content.get(..length).filter(|_| is_usual) {
                Some(content) => Held::Idl {
                    is_mutable,
                    content,
                },
                None => Held::Other { is_mutable },
            })
        }
        _ => None,
    }
}

/// Makes the account of an IDL, which must hold its rent already, a buffer. Signer: the upgrade authority.
pub fn allocate(program: &Pubkey, authority: &Pubkey) -> Instruction {
    let last = AccountMeta::new_readonly(SYSTEM_PROGRAM, false);
    build(program, authority, last, 7, &[&SEED])
}

/// Writes a part of the content into the buffer. Signer: its authority.
pub fn write(program: &Pubkey, authority: &Pubkey, offset: u32, part: &[u8]) -> Instruction {
    let accounts = vec![
        AccountMeta::new(idl_address(program), false),
        AccountMeta::new_readonly(*authority, true),
        // No other buffer is the source.
        AccountMeta::new_readonly(PROGRAM, false),
    ];
    Instruction::new_with_bytes(
        PROGRAM,
        &[&[0][..], &offset.to_le_bytes(), part].concat(),
        accounts,
    )
}

/// Makes the full buffer the program's IDL. Signer: the upgrade authority.
pub fn initialize(program: &Pubkey, authority: &Pubkey) -> Instruction {
    // Nothing is created any more.
    let last = AccountMeta::new_readonly(PROGRAM, false);
    build(program, authority, last, 1, &[&SEED, &FORM])
}

/// Removes the IDL, or the buffer; its lamports go to `to`. Signer: the upgrade authority.
pub fn close(program: &Pubkey, authority: &Pubkey, to: &Pubkey) -> Instruction {
    build(program, authority, AccountMeta::new(*to, false), 6, &[])
}

fn build(
    program: &Pubkey,
    authority: &Pubkey,
    last: AccountMeta,
    code: u8,
    args: &[&[u8]],
) -> Instruction {
    let accounts = vec![
        AccountMeta::new(idl_address(program), false),
        AccountMeta::new_readonly(*authority, true),
        AccountMeta::new_readonly(*program, false),
        AccountMeta::new_readonly(addresses::program_data(program), false),
        last,
    ];
    let data = [&[code][..], &args.concat()].concat();
    Instruction::new_with_bytes(PROGRAM, &data, accounts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, serde_json::Value};

    fn golden() -> Value {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/golden/program-metadata.json"
        );
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn key(value: &Value) -> Pubkey {
        value.as_str().unwrap().parse().unwrap()
    }

    fn bytes(value: &Value) -> Vec<u8> {
        let text = value.as_str().unwrap();
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    }

    /// What the program's own client makes of the same arguments.
    #[test]
    fn instructions_are_those_of_the_published_client() {
        let golden = golden();
        let [program, authority, payer] =
            ["target", "authority", "payer"].map(|name| key(&golden[name]));
        assert_eq!(idl_address(&program), key(&golden["metadata"]));
        let part = [1, 2, 3, 250];
        for (name, built) in [
            ("allocate", allocate(&program, &authority)),
            ("write", write(&program, &authority, 0x0102_0304, &part)),
            ("initialize", initialize(&program, &authority)),
            ("close", close(&program, &authority, &payer)),
        ] {
            let wanted = &golden[name];
            assert_eq!(built.program_id, key(&wanted["program"]), "{name}");
            assert_eq!(built.data, bytes(&wanted["data"]), "{name}");
            let accounts = built.accounts.iter().map(|account| {
                let role = u64::from(account.is_writable) + 2 * u64::from(account.is_signer);
                (account.pubkey, role)
            });
            let wanted = wanted["accounts"].as_array().unwrap().iter().map(|pair| {
                let at = key(&pair[0]);
                // The vector has a stand-in for the address that follows from the program's.
                let is_stand_in = at == key(&golden["program_data"]);
                let at = if is_stand_in {
                    addresses::program_data(&program)
                } else {
                    at
                };
                (at, pair[1].as_u64().unwrap())
            });
            assert_eq!(
                accounts.collect::<Vec<_>>(),
                wanted.collect::<Vec<_>>(),
                "{name}"
            );
        }
    }

    #[test]
    fn accounts_are_read_as_the_published_client_writes_them() {
        let mut account = bytes(&golden()["account"]);
        assert_eq!(
            decode(&account),
            Some(Held::Idl {
                is_mutable: true,
                content: &[1, 2, 3, 250]
            })
        );
        // Longer than the account, and in another form.
        for (at, byte) in [(LENGTH_AT, 5), (FORM_AT + 1, 1)] {
            let mut other = account.clone();
            other[at] = byte;
            assert_eq!(decode(&other), Some(Held::Other { is_mutable: true }));
        }
        account[0] = 1;
        account[33..65].fill(7);
        assert_eq!(
            decode(&account),
            Some(Held::Buffer {
                authority: Pubkey::from([7; 32]),
                content: &[1, 2, 3, 250]
            })
        );
        assert_eq!(decode(&[0; HEADER_BYTES]), None);
        assert_eq!(decode(&account[..HEADER_BYTES - 1]), None);
    }
}
