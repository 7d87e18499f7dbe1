//! The program's entry point and its heap, both on chain only.
//!
//! Anchor's feature `no-entrypoint` leaves the two to the program. Anchor's heap is inlined into every allocation with two
//! checks and a branch for each caller; this one aborts by itself, which is smaller and cheaper (docs/decisions/022).

use core::alloc::{GlobalAlloc, Layout};

/// Where the virtual machine maps the heap.
const HEAP_START: usize = 0x3_0000_0000;
/// Largest heap that a transaction may ask for. The virtual machine refuses access beyond the one that it has.
const HEAP_END: usize = HEAP_START + 256 * 1024;

/// Counts up and never frees: an instruction ends soon. The heap's first word says where the next piece starts.
struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

// SAFETY: pieces lie behind each other between the first word and the heap's end, so they overlap neither each other nor the
// word, and they are aligned. The program has one thread. No method unwinds: a panic aborts.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let next = HEAP_START as *mut usize;
        // SAFETY: the heap holds at least this word, zero at first, and nothing else points to it.
        let used = unsafe { *next };
        let free = if used == 0 {
            HEAP_START + size_of::<usize>()
        } else {
            used
        };
        let start = free.wrapping_add(layout.align() - 1) & !(layout.align() - 1);
        let end = start.wrapping_add(layout.size());
        // A size is below 2^63, so nothing wraps around to a valid end.
        if end > HEAP_END {
            exhausted();
        }
        // SAFETY: as above; and `start` is not zero, because it is not below `HEAP_START`.
        unsafe {
            *next = end;
            core::hint::assert_unchecked(start != 0);
        }
        start as *mut u8
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's. The virtual machine hands the heap over zeroed, and nothing is given out twice.
        unsafe { self.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[cold]
#[inline(never)]
fn exhausted() -> ! {
    panic!("the heap is used up")
}

/// What the loader calls: the accounts' region and the instruction's data.
///
/// # Safety
/// The loader's: `input` and `data` are as it serializes them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn entrypoint(input: *mut u8, data: *const u8) -> u64 {
    // SAFETY: the loader's promise, passed on.
    unsafe { crate::__anchor_dispatch(input, data) }
}
