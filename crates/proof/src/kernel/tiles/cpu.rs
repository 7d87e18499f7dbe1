//! Whether this process may use tiles.

use core::arch::x86_64::{__cpuid, __cpuid_count};
use std::{env, ffi::OsStr, is_x86_feature_detected, sync::OnceLock};

use super::TILE;

/// Set to `off`, products are made without tiles: for comparisons, and where an emulator has them wrong.
const VARIABLE: &str = "QUERN_TILES";

/// The answer for this process: it holds for all its threads, and for processes that it forks.
pub(super) fn may_use_tiles() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let is_off = env::var_os(VARIABLE).is_some_and(|value| value == OsStr::new("off"));
        !is_off && has_vectors() && has_tiles() && asked_kernel()
    })
}

fn has_vectors() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// Tiles, products of i8, and the one palette that there is, as large as this module counts on.
fn has_tiles() -> bool {
    const AMX_TILE: u32 = 1 << 24;
    const AMX_INT8: u32 = 1 << 25;
    const PALETTE_LEAF: u32 = 0x1d;
    let highest = __cpuid(0).eax;
    if highest < PALETTE_LEAF {
        return false;
    }
    let has_both = __cpuid_count(7, 0).edx & (AMX_TILE | AMX_INT8) == AMX_TILE | AMX_INT8;
    let palette = __cpuid_count(PALETTE_LEAF, 1);
    let (row_bytes, tiles) = (palette.ebx & 0xffff, palette.ebx >> 16);
    has_both && row_bytes >= 64 && tiles >= 8 && palette.ecx & 0xffff >= TILE as u32
}

/// Linux gives a process the room that tiles take in a context only when it asks. It says no where it doesn't know tiles, where a
/// hypervisor hides them, and where a thread's stack for signals is too small.
fn asked_kernel() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: this call reads and writes no memory of the process.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILEDATA,
        )
    };
    answer == 0
}
