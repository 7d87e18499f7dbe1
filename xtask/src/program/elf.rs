//! What a file must be to be deployed.

use anyhow::{Result, bail};

/// An ELF file for BPF with the flags of sBPFv3.
pub fn check_is_v3(program: &[u8]) -> Result<()> {
    let half = |at: usize| {
        Some(u16::from_le_bytes([
            *program.get(at)?,
            *program.get(at + 1)?,
        ]))
    };
    if !program.starts_with(b"\x7fELF") {
        bail!("it is no ELF file");
    }
    // e_machine is BPF, or Solana's own number for it.
    if !matches!(half(18), Some(247 | 263)) {
        bail!("it is an ELF file for another machine");
    }
    match (half(48), half(50)) {
        (Some(3), Some(0)) => Ok(()),
        (flags, _) => bail!("its sBPF version is {flags:?}, new deployments take only 3"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn elf(machine: u16, flags: u32) -> Vec<u8> {
        let mut bytes = b"\x7fELF".to_vec();
        bytes.resize(64, 0);
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[48..52].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    #[test]
    fn only_sbpf_v3_passes() {
        check_is_v3(&elf(247, 3)).unwrap();
        check_is_v3(&elf(263, 3)).unwrap();
        assert!(check_is_v3(&elf(247, 0)).is_err());
        assert!(check_is_v3(&elf(247, 0x1_0003)).is_err());
        assert!(check_is_v3(&elf(62, 3)).is_err());
        assert!(check_is_v3(b"\x7fELF").is_err());
        assert!(check_is_v3(b"").is_err());
    }
}
