//! Points in time as the wire writes them: RFC 3339, UTC, milliseconds.

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The time `millis` later.
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this time; 0 when it is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(feature = "json")]
mod json {
    use std::{fmt, str::FromStr};

    use jiff::{civil::DateTime, tz::Offset};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{super::text::from_text, UnixMillis};

    impl fmt::Display for UnixMillis {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let millis = i64::try_from(self.0).map_err(|_| fmt::Error)?;
            let time = jiff::Timestamp::from_millisecond(millis).map_err(|_| fmt::Error)?;
            write!(f, "{time:.3}")
        }
    }

    impl FromStr for UnixMillis {
        type Err = jiff::Error;

        fn from_str(text: &str) -> Result<Self, jiff::Error> {
            if let Some(time) = as_written_here(text) {
                return Ok(time);
            }
            let time: jiff::Timestamp = text.parse()?;
            Ok(Self(u64::try_from(time.as_millisecond()).unwrap_or(0)))
        }
    }

    /// Reads a time that is written as servers write it, which costs a fourth of reading all that RFC 3339 allows. `None`
    /// for every other, and for one that is none.
    fn as_written_here(text: &str) -> Option<UnixMillis> {
        let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
        let [y, e, a, r, b'-', m, o, b'-', d, n, b'T', h, u, b':', i, j, b':', s, t, b'.', f, g, k, b'Z'] =
            *text
        else {
            return None;
        };
        let year = i16::from(number([y, e])?) * 100 + i16::from(number([a, r])?);
        let millis = i32::from(number([f, g])?) * 10 + i32::from(number([b'0', k])?);
        let (month, day) = (number([m, o])?, number([d, n])?);
        let (hour, minute, second) = (number([h, u])?, number([i, j])?, number([s, t])?);
        let time = DateTime::new(year, month, day, hour, minute, second, millis * 1_000_000).ok()?;
        let time = Offset::UTC.to_timestamp(time).ok()?;
        Some(UnixMillis(time.as_millisecond().try_into().ok()?))
    }

    /// What two decimal digits say.
    fn number(digits: [u8; 2]) -> Option<i8> {
        let [tens, ones] = digits.map(|digit| digit.wrapping_sub(b'0'));
        if tens > 9 || ones > 9 {
            return None;
        }
        (tens * 10 + ones).try_into().ok()
    }

    impl Serialize for UnixMillis {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for UnixMillis {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from_text(from, str::parse)
        }
    }

    #[cfg(test)]
    mod tests {
        use proptest::prelude::*;

        use super::{UnixMillis, as_written_here};

        proptest! {
            /// Days that no month has, hours that no day has, leap seconds, and what is nearly a time.
            #[test]
            fn what_is_read_fast_is_what_is_read_slowly(
                year in 0..10_000_u16, month in 0..14_u8, day in 0..33_u8, hour in 0..26_u8, minute in 0..62_u8,
                second in 0..62_u8, millis in 0..1_000_u16, place in any::<prop::sample::Index>(), other in "[0-9 :TZ+.-]?",
            ) {
                let mut text =
                    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z");
                if !other.is_empty() {
                    let place = place.index(text.len());
                    text.replace_range(place..=place, &other);
                }
                if let Some(time) = as_written_here(&text) {
                    let slow: jiff::Timestamp = text.parse().unwrap();
                    prop_assert_eq!(i64::try_from(time.0), Ok(slow.as_millisecond()), "{}", text);
                }
            }

            #[test]
            fn what_is_written_is_read_fast(millis in 0..253_402_207_200_000_u64) {
                prop_assert_eq!(as_written_here(&UnixMillis(millis).to_string()), Some(UnixMillis(millis)));
            }
        }

        #[test]
        fn times_are_rfc_3339_with_milliseconds() {
            let time = UnixMillis(1_795_370_400_123);
            assert_eq!(time.to_string(), "2026-11-22T18:00:00.123Z");
            assert_eq!("2026-11-22T18:00:00.123Z".parse::<UnixMillis>().unwrap(), time);
            assert_eq!(UnixMillis(1_795_370_400_000).to_string(), "2026-11-22T18:00:00.000Z");
            assert!("yesterday".parse::<UnixMillis>().is_err());
        }
    }
}
