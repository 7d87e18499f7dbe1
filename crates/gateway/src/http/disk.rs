//! Work with the disk, beside the loop.

use super::error::ApiError;

/// Does it while others go on.
///
/// # Errors
/// If it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    Ok(quern_data::runtime::off_loop(work).await?)
}
