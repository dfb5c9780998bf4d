//! Time in buckets of ten sizes: sums over them make up the sum over any stretch from the beginning on.

use chrono::{DateTime, Utc};

/// How many sizes of buckets there are: 64^10 microseconds are more than the years that the ledger knows.
pub(in crate::ledger) const LEVELS: i32 = 10;

/// From the year 1, where the ledger's years begin, to 1970.
const MICROSECONDS_BEFORE_1970: i64 = 62_135_596_800_000_000;

/// An instant as the number of its smallest bucket: in microseconds since the year 1.
pub(in crate::ledger) const fn microseconds(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros() + MICROSECONDS_BEFORE_1970
}

/// The buckets of all sizes that an instant falls in, as level and number.
pub(in crate::ledger) fn buckets(instant: DateTime<Utc>) -> impl Iterator<Item = (i32, i64)> {
    let microseconds = microseconds(instant);
    (0..LEVELS).map(move |level| (level, microseconds >> (6 * level)))
}

/// The ranges of buckets that together are all time up to `instant`, as level, first and last number. Empty ones end before they begin.
pub(super) fn up_to(instant: DateTime<Utc>) -> impl Iterator<Item = (i32, i64, i64)> {
    buckets(instant).map(|(level, bucket)| {
        let last = if level == 0 { bucket } else { bucket - 1 };
        (level, bucket >> 6 << 6, last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instant(microseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(microseconds - MICROSECONDS_BEFORE_1970).unwrap()
    }

    proptest! {
        /// An instant is in exactly one of the ranges when it is not after the other, and in none when it is.
        #[test]
        fn the_ranges_up_to_an_instant_are_all_time_until_then(a in 0..315_537_897_600_000_000_i64, b in 0..315_537_897_600_000_000_i64, near in -70..70_i64) {
            for (of, until) in [(a, b), (b, a), (a, a), ((a + near).max(0), a)] {
                let ranges: Vec<_> = up_to(instant(until)).collect();
                let within = buckets(instant(of))
                    .zip(&ranges)
                    .filter(|((level, bucket), range)| *level == range.0 && (range.1..=range.2).contains(bucket))
                    .count();
                prop_assert_eq!(within, usize::from(of <= until));
            }
        }
    }

    #[test]
    fn the_largest_bucket_holds_all_time() {
        let last: DateTime<Utc> = "9999-12-31T23:59:59.999999Z".parse().unwrap();
        assert!(
            buckets(last).all(|(level, bucket)| bucket >= 0 && (level < LEVELS - 1 || bucket < 64))
        );
        let first: DateTime<Utc> = "0001-01-01T00:00:00Z".parse().unwrap();
        assert!(buckets(first).all(|(_, bucket)| bucket == 0));
    }
}
