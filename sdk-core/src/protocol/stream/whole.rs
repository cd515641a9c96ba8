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

/// An event of a known type, and what of it lies in the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeEvent<'a> {
    /// `loggedIn`, `loggedOut`, ...
    pub name: &'a str,
    /// JSON text, byte for byte.
    pub data: &'a str,
    /// The data, read.
    pub kind: EventKind,
    /// Its position.
    pub id: &'a str,
    /// The position that it follows.
    pub prev: &'a str,
    /// Its number.
    pub seq: u64,
    /// When it was committed.
    pub time: UnixMillis,
    /// The lane; 0 where there is one only.
    pub lane: u32,
}

impl<'a> WholeEvent<'a> {
    /// Reads an event of a known type. `None` for everything else, and for what has to be read in another way: a member that
    /// comes twice, a name with escapes, data that does not fit.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let Members { mut event, data_name, next_name } = serde_json::from_str(text).ok()?;
        // Between the two names there is nothing but a colon, the data, a comma, quotes and space.
        let start = offset(text, data_name)?.checked_add(data_name.len())?;
        let end = offset(text, next_name)?;
        let data = text.get(start..end)?.strip_prefix('"')?.trim_start_matches(SPACE).strip_prefix(':')?;
        let data = data.strip_suffix('"')?.trim_end_matches(SPACE).strip_suffix(',')?;
        event.data = data.trim_matches(SPACE);
        Some(event)
    }
}

impl From<WholeEvent<'_>> for RawEvent {
    fn from(event: WholeEvent<'_>) -> Self {
        let WholeEvent { name, data, kind: _, id, prev, seq, time, lane } = event;
        let [name, data, id, prev] = [name, data, id, prev].map(str::to_owned);
        Self { name, data, id, prev, seq, time, lane }
    }
}

/// Where a part that was borrowed from a text begins in it.
fn offset(text: &str, part: &str) -> Option<usize> {
    part.as_ptr().addr().checked_sub(text.as_ptr().addr())
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// What stands in the text of an event.
struct Members<'a> {
    /// Without its data.
    event: WholeEvent<'a>,
    /// The name of the data's member, and that of the next, as they lie in the text.
    data_name: &'a str,
    next_name: &'a str,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
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
        let event = WholeEvent {
            name: name.ok_or_else(other)?,
            data: "",
            kind: kind.ok_or_else(other)?,
            id: id.ok_or_else(other)?,
            prev: prev.ok_or_else(other)?,
            seq: seq.ok_or_else(other)?,
            time: time.ok_or_else(other)?,
            lane: lane.unwrap_or(0),
        };
        let (data_name, next_name) = (data_name.ok_or_else(other)?, next_name.ok_or_else(other)?);
        Ok(Members { event, data_name, next_name })
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
    use super::WholeEvent;
    use crate::protocol::stream::{Message, RawEvent};

    const DATA: &str = r#"{"accountID":"acct_0000000000000000000000000g"}"#;
    const REST: &str = r#""id":"e-2","prev":"e-1","seq":2,"time":"2026-11-22T18:00:00.000Z""#;

    /// Whatever is read in one pass is what is read in two. Returns whether it was.
    fn agrees(text: &str) -> bool {
        let Some(event) = WholeEvent::read(text) else { return false };
        let (kind, event) = (event.kind.clone(), RawEvent::from(event));
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
        let spaced = format!(r#"{{"type":"registered","data": {data} ,{REST}}}"#);
        assert_eq!(WholeEvent::read(&spaced).unwrap().data, data);
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
