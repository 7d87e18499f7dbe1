//! The sums of 32 x 32 cells: the only instructions on tiles.

use core::{arch::asm, marker::PhantomData};

use super::{BLOCK, Line, STEP, Sums, TILE, Tiles, left::Panel};

/// What `ldtilecfg` reads: palette 1, and eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    const ROW_BYTES: usize = 16;
    const ROWS: usize = 48;
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[ROW_BYTES + 2 * tile] = STEP as u8;
        bytes[ROWS + tile] = TILE as u8;
        tile += 1;
    }
    Configuration(bytes)
};

/// Tiles of this thread, which it never leaves, that are ready; dropping it frees them. Nothing but this module's blocks may run
/// meanwhile.
pub(super) struct Ready(PhantomData<*const ()>);

impl Ready {
    #[inline(always)]
    pub fn new(_: Tiles) -> Self {
        // SAFETY: `Tiles` says that the instruction is there, and it reads 64 bytes. The compiler itself never uses tiles.
        unsafe {
            asm!(
                "ldtilecfg [{}]",
                in(reg) CONFIGURATION.0.as_ptr(),
                options(nostack, readonly, preserves_flags),
            );
        }
        Self(PhantomData)
    }

    /// The sums of a panel with a block of the right side.
    ///
    /// # Panics
    /// A right side of another length than the panel's: never, both are made for the same K.
    #[inline(always)]
    pub fn sums<const IS_WIDE: bool>(&self, panel: &Panel<'_>, right: &[Line], into: &mut Sums) {
        let steps = right.len() / BLOCK;
        assert!(steps > 0 && panel.reaches(steps));
        let upper = panel.start();
        let to = into.0.as_mut_ptr().cast::<u8>();
        // SAFETY: `reaches` has looked that both tiles of the left side lie inside the panel at each of these steps; a step of
        // the right side is 32 lines, of which there are `steps`; four tiles of sums are 4 KiB. `self` says that tiles are ready.
        unsafe {
            if IS_WIDE {
                walk!("tdpbusd", panel, upper, right, steps, to);
            } else {
                walk!("tdpbssd", panel, upper, right, steps, to);
            }
        }
    }
}

impl Drop for Ready {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: as for `new`; it touches no memory.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
    }
}

/// Four tiles of sums over all steps; `$upper_times` multiplies the upper tile of the left side.
macro_rules! walk {
    ($upper_times:literal, $panel:ident, $upper:ident, $right:ident, $steps:ident, $to:ident) => {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm6, [{right} + {line}]",
            "tileloadd tmm4, [{upper} + {stride}]",
            concat!($upper_times, " tmm0, tmm4, tmm6"),
            "tileloadd tmm7, [{right} + {line} + 1024]",
            concat!($upper_times, " tmm1, tmm4, tmm7"),
            "tileloadd tmm5, [{lower} + {stride}]",
            "tdpbssd tmm2, tmm5, tmm6",
            "tdpbssd tmm3, tmm5, tmm7",
            "add {upper}, {step}",
            "add {lower}, {step}",
            "add {right}, 2048",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{to} + {row_bytes}], tmm0",
            "tilestored [{to} + {row_bytes} + 64], tmm1",
            "tilestored [{to} + {row_bytes} + 2048], tmm2",
            "tilestored [{to} + {row_bytes} + 2112], tmm3",
            upper = inout(reg) $upper => _,
            lower = inout(reg) $upper.add(TILE * $panel.stride) => _,
            right = inout(reg) $right.as_ptr() => _,
            steps = inout(reg) $steps => _,
            line = in(reg) STEP,
            stride = in(reg) $panel.stride,
            step = in(reg) $panel.step,
            to = in(reg) $to,
            row_bytes = in(reg) BLOCK * size_of::<i32>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}
use walk;
