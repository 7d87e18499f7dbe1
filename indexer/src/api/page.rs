//! Where a page of a list ends.

/// Cuts a list that was read one row too far; its last row then, if there is more.
pub(super) fn cut<T>(rows: &mut Vec<T>, limit: u32) -> Option<&T> {
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_cut = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| is_cut)
}
