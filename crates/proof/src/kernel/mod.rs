//! The two loops that take nearly all of a provider's time, at the machine's speed and bit-exact with the plain ones. The
//! chain has [`dot`] alone.
//!
//! | what | how | where the processor lacks it |
//! | --- | --- | --- |
//! | products of i8 and i16 with i8 | AMX tiles (`tiles`) | `rten-gemm`, chosen at run time ([`product`]); without VNNI in two halves |
//! | SHA-256 of many leaves and nodes | sixteen at a time with AVX-512 | one at a time (`sha2`: SHA-NI and the like) |

pub mod dot;
#[cfg(feature = "std")]
pub(crate) mod hash;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod lanes;
#[cfg(feature = "std")]
pub mod product;
#[cfg(all(feature = "std", target_arch = "x86_64", target_os = "linux"))]
pub(crate) mod tiles;
#[cfg(all(feature = "std", not(all(target_arch = "x86_64", target_os = "linux"))))]
#[path = "tiles/absent.rs"]
pub(crate) mod tiles;
