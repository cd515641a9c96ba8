//! Reading a JSON object strictly: unknown members are skipped, but no name may come twice, at any depth.
//!
//! Two readers that disagree about which of two equal names counts are how a checked value and a used value part.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

/// More members than any object of the protocol has; a bound on the time spent looking for a second one.
const MAX_MEMBERS: usize = 64;

/// Whether a JSON text is an object in which, at any depth, no name comes twice and no object has more than 64 members.
pub fn is_strict_object(json: &str) -> bool {
    serde_json::from_str::<Object<Nothing>>(json).is_ok()
}

/// The members of one kind of object.
pub(crate) trait Members<'de>: Default {
    /// What the object is, for the error message.
    const NAME: &'static str;

    /// Reads the value of the member `name`, or returns false without touching it when the name is not known.
    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error>;
}

/// An object of which every name is there once.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Members<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Members<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<T>, A::Error> {
        let mut members = T::default();
        let mut names = Names::default();
        while let Some(Text(name)) = map.next_key()? {
            if names.has(&name) {
                return Err(de::Error::custom("a member comes twice"));
            }
            if !members.read(&name, &mut map)? {
                map.next_value::<Skipped>()?;
            }
            if !names.add(name) {
                return Err(de::Error::custom("there are too many members"));
            }
        }
        Ok(Object(members))
    }
}

/// The names seen so far; on the stack for as many as real objects have, because every sign-in passes here four times.
#[derive(Default)]
struct Names<'a> {
    first: [Cow<'a, str>; 8],
    count: usize,
    more: Vec<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    fn has(&self, name: &str) -> bool {
        self.first.iter().take(self.count).chain(&self.more).any(|seen| seen == name)
    }

    /// Returns whether there was room.
    fn add(&mut self, name: Cow<'a, str>) -> bool {
        match self.first.get_mut(self.count) {
            Some(free) => *free = name,
            None => self.more.push(name),
        }
        self.count += 1;
        self.count <= MAX_MEMBERS
    }
}

/// A string, borrowed from the JSON text unless it holds escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// An object of which nothing is used.
#[derive(Default)]
pub(crate) struct Nothing;

impl<'de> Members<'de> for Nothing {
    const NAME: &'static str = "an object";

    fn read<A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }
}

/// A value that nobody uses; objects in it must still have every name once.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SkippedVisitor)
    }
}

struct SkippedVisitor;

impl<'de> Visitor<'de> for SkippedVisitor {
    type Value = Skipped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_str<E>(self, _: &str) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_unit<E>(self) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Skipped, A::Error> {
        while seq.next_element::<Skipped>()?.is_some() {}
        Ok(Skipped)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Skipped, A::Error> {
        ObjectVisitor::<Nothing>(PhantomData).visit_map(map).map(|_| Skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::is_strict_object as reads;

    #[test]
    fn unknown_members_of_any_shape_are_skipped() {
        assert!(reads(
            r#"{"a":1,"b":-1,"c":1.5,"d":"x\n","e":null,"f":true,"g":[{"a":1},{"a":2}],"h":{"a":{}}}"#
        ));
    }

    #[test]
    fn a_name_that_comes_twice_is_refused_at_any_depth() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":{"a":1,"a":1}}"#,
            r#"{"x":[{"a":1,"a":1}]}"#,
        ] {
            assert!(!reads(json), "{json}");
        }
    }

    #[test]
    fn other_values_and_too_many_members_are_refused() {
        let many = (0..65).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(",");
        for json in ["[]", "null", "\"\"", "{}{}", "", &format!("{{{many}}}"), &"{\"a\":".repeat(200)] {
            assert!(!reads(json), "{json}");
        }
    }
}
