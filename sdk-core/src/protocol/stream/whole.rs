//! An event read in one pass, as servers write it: the type before the data, and a member behind the data.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor},
};

use super::RawEvent;
use crate::protocol::{
    UnixMillis,
    event::{EventKind, ReadData},
};

/// Reads an event of a known type. `None` for everything else, and for what has to be read in another way: a member that
/// comes twice, a name with escapes, data that does not fit.
pub(super) fn read(text: &str) -> Option<(RawEvent, EventKind)> {
    let whole: Whole<'_> = serde_json::from_str(text).ok()?;
    // Between the two names there is nothing but a colon, the data, a comma, quotes and space.
    let start = offset(text, whole.data_name)?.checked_add(whole.data_name.len())?;
    let end = offset(text, whole.next_name)?;
    let data = text.get(start..end)?.strip_prefix('"')?.trim_start_matches(SPACE).strip_prefix(':')?;
    let data = data.strip_suffix('"')?.trim_end_matches(SPACE).strip_suffix(',')?.trim_matches(SPACE);
    let raw = RawEvent {
        name: whole.name.to_owned(),
        data: data.to_owned(),
        id: whole.id.to_owned(),
        prev: whole.prev.to_owned(),
        seq: whole.seq,
        time: whole.time,
        lane: whole.lane,
    };
    Some((raw, whole.kind))
}

/// Where a part that was borrowed from a text begins in it.
fn offset(text: &str, part: &str) -> Option<usize> {
    part.as_ptr().addr().checked_sub(text.as_ptr().addr())
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

struct Whole<'a> {
    name: &'a str,
    kind: EventKind,
    id: &'a str,
    prev: &'a str,
    seq: u64,
    time: UnixMillis,
    lane: u32,
    /// The name of the data's member, and that of the next, as they lie in the text.
    data_name: &'a str,
    next_name: &'a str,
}

impl<'de> Deserialize<'de> for Whole<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(WholeVisitor)
    }
}

struct WholeVisitor;

impl<'de> Visitor<'de> for WholeVisitor {
    type Value = Whole<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Whole<'de>, A::Error> {
        let (mut name, mut id, mut prev) = (None, None, None);
        let (mut kind, mut seq, mut time, mut lane) = (None, None, None, None);
        let (mut data_name, mut next_name) = (None, None);
        while let Some(member) = map.next_key::<&'de str>()? {
            if data_name.is_some() && next_name.is_none() {
                next_name = Some(member);
            }
            match member {
                "type" => once(&mut name, map.next_value::<&'de str>()?)?,
                "data" => {
                    let data = EventKind::read(name.ok_or_else(other)?, Value(&mut map, PhantomData))?;
                    once(&mut kind, data.ok_or_else(other)?)?;
                    data_name = Some(member);
                }
                "id" => once(&mut id, map.next_value::<&'de str>()?)?,
                "prev" => once(&mut prev, map.next_value::<&'de str>()?)?,
                "seq" => once(&mut seq, map.next_value()?)?,
                "time" => once(&mut time, map.next_value()?)?,
                "lane" => once(&mut lane, map.next_value()?)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Whole {
            name: name.ok_or_else(other)?,
            kind: kind.ok_or_else(other)?,
            id: id.ok_or_else(other)?,
            prev: prev.ok_or_else(other)?,
            seq: seq.ok_or_else(other)?,
            time: time.ok_or_else(other)?,
            lane: lane.unwrap_or(0),
            data_name: data_name.ok_or_else(other)?,
            next_name: next_name.ok_or_else(other)?,
        })
    }
}

/// The value of a member that was named.
struct Value<'a, 'de, A>(&'a mut A, PhantomData<&'de ()>);

impl<'de, A: MapAccess<'de>> ReadData for Value<'_, 'de, A> {
    type Error = A::Error;

    fn read<T: DeserializeOwned>(self) -> Result<T, A::Error> {
        self.0.next_value()
    }
}

fn once<T, E: Error>(member: &mut Option<T>, value: T) -> Result<(), E> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(other()),
    }
}

fn other<E: Error>() -> E {
    E::custom("")
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::protocol::stream::Message;

    const DATA: &str = r#"{"accountID":"acct_0000000000000000000000000g"}"#;
    const REST: &str = r#""id":"e-2","prev":"e-1","seq":2,"time":"2026-11-22T18:00:00.000Z""#;

    /// Whatever is read in one pass is what is read in two. Returns whether it was.
    fn agrees(text: &str) -> bool {
        let Some((event, kind)) = read(text) else { return false };
        assert_eq!(Message::decode(text), Ok(Some(Message::Event(event.clone()))), "{text}");
        assert_eq!(event.kind(), Ok(Some(kind)), "{text}");
        true
    }

    #[test]
    fn what_servers_write_is_read_in_one_pass_and_its_data_kept_byte_for_byte() {
        let data = DATA.replace('{', "{ \"later\":[1.0, {\"x\":\"}\\\",\"}] ,\n");
        for text in [
            format!(r#"{{"type":"registered","data":{DATA},{REST}}}"#),
            format!(r#"{{"lane":3,"type":"registered","data":{DATA},"more":{{"data":1}},{REST}}}"#),
            format!(" {{ \"type\" : \"registered\" , \"data\" :\t{data}\r\n , {REST} }} "),
        ] {
            assert!(agrees(&text), "{text}");
        }
        assert_eq!(read(&format!(r#"{{"type":"registered","data": {data} ,{REST}}}"#)).unwrap().0.data, data);
    }

    #[test]
    fn anything_else_is_left_to_the_reading_in_two_passes() {
        let registered = r#""type":"registered""#;
        for text in [
            // Another order, a name with an escape, a member twice.
            format!(r#"{{"data":{DATA},{registered},{REST}}}"#),
            format!(r#"{{{registered},{REST},"data":{DATA}}}"#),
            format!(r#"{{{registered},"d\u0061ta":{DATA},{REST}}}"#),
            format!(r#"{{{registered},"data":{DATA},{REST},"seq":2}}"#),
            format!(r#"{{{registered},"data":{DATA},"data":{DATA},{REST}}}"#),
            // Data that does not fit, a type that is not known, a member that is missing, more than one value.
            format!(r#"{{{registered},"data":{{}},{REST}}}"#),
            format!(r#"{{"type":"later","data":{DATA},{REST}}}"#),
            format!(r#"{{{registered},{REST}}}"#),
            format!(r#"{{{registered},"data":{DATA},"id":"e-2"}}"#),
            format!(r#"{{{registered},"data":{DATA},{REST}}}{{}}"#),
            format!(r#"["registered",{DATA},"e-2","e-1",2,"2026-11-22T18:00:00.000Z",0]"#),
        ] {
            assert!(!agrees(&text), "{text}");
        }
    }
}
