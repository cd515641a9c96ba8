//! Reading identifiers and times out of columns, and inserting many rows with few statements.

use passkey_accounts::protocol::UnixMillis;

use super::StoreError;

/// A column that holds exactly `N` bytes.
pub(super) fn bytes<const N: usize>(column: &[u8], what: &'static str) -> Result<[u8; N], StoreError> {
    column.try_into().map_err(|_| StoreError::Corrupt(what))
}

/// A column of milliseconds, or any other count.
pub(super) fn unsigned(column: i64, what: &'static str) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| StoreError::Corrupt(what))
}

/// A number as SQLite stores it. Times and sequence numbers stay below 2^63 for 292 million years.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time as SQLite stores it.
pub(super) fn millis(time: UnixMillis) -> i64 {
    signed(time.0)
}

/// A number that may be absent, as it is sealed.
pub(super) fn optional(number: Option<u64>) -> Vec<u8> {
    number.map_or_else(Vec::new, |number| number.to_be_bytes().to_vec())
}

/// Cuts rows into runs of 64, 16, 4 and 1, so that a handful of prepared statements serves every batch size.
pub(super) fn runs<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = [64, 16, 4, 1].into_iter().find(|size| *size <= rows.len())?;
        let (run, rest) = rows.split_at(size);
        rows = rest;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn runs_keep_every_row_in_order() {
        let rows: Vec<u32> = (0..155).collect();
        let sizes: Vec<usize> = runs(&rows).map(<[u32]>::len).collect();
        assert_eq!(sizes, [64, 64, 16, 4, 4, 1, 1, 1]);
        assert_eq!(runs(&rows).flatten().copied().collect::<Vec<_>>(), rows);
    }
}
