//! Autobahn's cases for servers, groups 1 to 7, 9 and 10, under its numbers: what is sent, and what has to come back.

use passkey_accounts_tests::raw::{BINARY, CLOSE, CONTINUATION, Event, Frame, PING, PONG, TEXT};

use super::utf8;

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: String,
    pub steps: Vec<Step>,
    /// What has to come back ...
    pub expected: Vec<Event>,
    /// ... or may, where the standard would rather have the other.
    pub tolerated: Option<Vec<Event>>,
    pub end: Expected,
}

/// What the client does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends bytes, so many in one write; 0: with what comes before and after.
    Send { bytes: Vec<u8>, chop: usize },
    /// Waits until the server has said so much.
    Hear(usize),
    /// Gives the server a moment to notice what is wrong already. Whether it does is told apart, and both will do.
    Moment,
}

/// How the connection has to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The client closes when it has heard everything, with 1000, and is answered with that.
    Normal,
    /// The client has closed, and is answered with one of these, or with a frame without a code.
    Answered(Vec<u16>),
    /// The server closes, with one of these.
    Refused(Vec<u16>),
    /// The standard does not say.
    Undefined,
}

const PROTOCOL_ERROR: u16 = 1002;
const INVALID_PAYLOAD: u16 = 1007;
const HELLO: &[u8] = b"Hello, world!";

fn send(frame: &Frame, chop: usize) -> Step {
    Step::Send { bytes: frame.encode(), chop }
}

/// Frames in one write.
fn together(frames: &[Frame]) -> Vec<Step> {
    frames.iter().map(|frame| send(frame, 0)).collect()
}

/// Frames in a write each.
fn apart(frames: &[Frame]) -> Vec<Step> {
    frames.iter().map(|frame| send(frame, usize::MAX)).collect()
}

/// Frames octet by octet.
fn octets(frames: &[Frame]) -> Vec<Step> {
    frames.iter().map(|frame| send(frame, 1)).collect()
}

fn case(id: impl Into<String>, steps: Vec<Step>, expected: Vec<Event>, end: Expected) -> Case {
    Case { id: id.into(), steps, expected, tolerated: None, end }
}

fn fine(id: impl Into<String>, steps: Vec<Step>, expected: Vec<Event>) -> Case {
    case(id, steps, expected, Expected::Normal)
}

fn refused(id: impl Into<String>, steps: Vec<Step>, code: u16) -> Case {
    case(id, steps, Vec::new(), Expected::Refused(vec![code]))
}

/// What comes before the mistake is answered, or is not.
fn refused_after(id: impl Into<String>, steps: Vec<Step>, before: Event) -> Case {
    let end = Expected::Refused(vec![PROTOCOL_ERROR]);
    Case { tolerated: Some(Vec::new()), ..case(id, steps, vec![before], end) }
}

/// The message cut into fragments of this size.
fn fragments(opcode: u8, message: &[u8], size: usize) -> Vec<Frame> {
    let mut frames: Vec<_> = message.chunks(size).map(|part| Frame::part(CONTINUATION, part)).collect();
    frames.first_mut().expect("a message that is not empty").opcode = opcode;
    frames.last_mut().expect("a message that is not empty").is_final = true;
    frames
}

fn echo(opcode: u8, payload: Vec<u8>) -> Event {
    if opcode == TEXT { Event::Text(payload) } else { Event::Binary(payload) }
}

/// All of them, in order.
pub fn all() -> Vec<Case> {
    [framing(), pings(), reserved(), fragmentation(), text(), closing(), large(), many()].concat()
}

fn framing() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, opcode, byte) in [(1, TEXT, b'*'), (2, BINARY, 0xfe)] {
        let sizes = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
        for (number, size) in (1..).zip(sizes) {
            let payload = vec![byte; size];
            let chop = if number == 8 { 997 } else { 0 };
            let steps = vec![send(&Frame::new(opcode, payload.clone()), chop)];
            cases.push(fine(format!("1.{group}.{number}"), steps, vec![echo(opcode, payload)]));
        }
    }
    cases
}

fn pings() -> Vec<Case> {
    let pinged = |id: &str, payload: &[u8], chop| {
        fine(id, vec![send(&Frame::new(PING, payload), chop)], vec![Event::Pong(payload.to_vec())])
    };
    let unasked = Frame::new(PONG, *b"unsolicited pong payload");
    let normal = close(Some(1000), b"");
    let answered = Expected::Answered(vec![1000]);
    let ten: Vec<_> = (0..10).map(|number| Frame::new(PING, format!("payload-{number}"))).collect();
    let pongs: Vec<_> = ten.iter().map(|ping| Event::Pong(ping.payload.clone())).collect();
    vec![
        pinged("2.1", b"", 0),
        pinged("2.2", HELLO, 0),
        pinged("2.3", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", 0),
        pinged("2.4", &[0xfe; 125], 0),
        refused("2.5", together(&[Frame::new(PING, [0xfe; 126])]), PROTOCOL_ERROR),
        pinged("2.6", &[0xfe; 125], 1),
        case("2.7", together(&[Frame::new(PONG, []), normal.clone()]), vec![], answered.clone()),
        case("2.8", together(&[unasked.clone(), normal]), vec![], answered),
        fine(
            "2.9",
            together(&[unasked, Frame::new(PING, *b"ping payload")]),
            vec![Event::Pong(b"ping payload".to_vec())],
        ),
        fine("2.10", together(&ten), pongs.clone()),
        fine("2.11", octets(&ten), pongs),
    ]
}

/// Reserved bits and reserved opcodes.
fn reserved() -> Vec<Case> {
    let text = Frame::new(TEXT, HELLO);
    let ping = Frame::new(PING, []);
    let before = || Event::Text(HELLO.to_vec());
    let binary = Frame::new(BINARY, *b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff");
    let after = |id: &str, wrong: Frame, cut: fn(&[Frame]) -> Vec<Step>| {
        refused_after(id, cut(&[text.clone(), wrong, ping.clone()]), before())
    };
    let mut cases = vec![
        refused("3.1", together(&[text.clone().reserving(1)]), PROTOCOL_ERROR),
        after("3.2", text.clone().reserving(2), together),
        after("3.3", text.clone().reserving(3), apart),
        after("3.4", text.clone().reserving(4), octets),
        refused("3.5", together(&[binary.reserving(5)]), PROTOCOL_ERROR),
        refused("3.6", together(&[Frame::new(PING, HELLO).reserving(6)]), PROTOCOL_ERROR),
        refused("3.7", together(&[Frame::new(CLOSE, []).reserving(7)]), PROTOCOL_ERROR),
    ];
    for (group, first) in [(1, 3), (2, 11)] {
        let id = |number: u8| format!("4.{group}.{number}");
        let payload = *b"reserved opcode payload";
        cases.extend([
            refused(id(1), together(&[Frame::new(first, [])]), PROTOCOL_ERROR),
            refused(id(2), together(&[Frame::new(first + 1, payload)]), PROTOCOL_ERROR),
            after(&id(3), Frame::new(first + 2, []), together),
            after(&id(4), Frame::new(first + 3, HELLO), together),
            after(&id(5), Frame::new(first + 4, HELLO), octets),
        ]);
    }
    cases
}

fn fragmentation() -> Vec<Case> {
    let part = |number: u8| format!("fragment{number}").into_bytes();
    let text = |numbers: &[u8]| Event::Text(numbers.iter().flat_map(|number| part(*number)).collect());
    let wrong = |id: &str, steps| refused(id, steps, PROTOCOL_ERROR);
    let two = [Frame::part(TEXT, part(1)), Frame::new(CONTINUATION, part(2))];
    let ping = Frame::new(PING, *b"ping payload");
    let between = [two[0].clone(), ping, two[1].clone()];
    let heard = || vec![Event::Pong(b"ping payload".to_vec()), text(&[1, 2])];
    let nothing_to_continue = |is_final| {
        [
            Frame { is_final, ..Frame::new(CONTINUATION, *b"non-continuation payload") },
            Frame::new(TEXT, HELLO),
        ]
    };
    let twice = |is_final| {
        let once = [
            Frame { is_final, ..Frame::new(CONTINUATION, part(1)) },
            Frame::part(TEXT, part(2)),
            Frame::new(CONTINUATION, part(3)),
        ];
        together(&[once.clone(), once].concat())
    };
    let five = |cut: fn(&[Frame]) -> Vec<Step>| {
        let begin =
            [Frame::part(TEXT, part(1)), Frame::part(CONTINUATION, part(2)), Frame::new(PING, *b"pongme 1!")];
        let rest = [
            Frame::part(CONTINUATION, part(3)),
            Frame::part(CONTINUATION, part(4)),
            Frame::new(PING, *b"pongme 2!"),
            Frame::new(CONTINUATION, part(5)),
        ];
        // The first ping is answered before the message is whole.
        [cut(&begin), vec![Step::Hear(1)], cut(&rest)].concat()
    };
    let pongs = || {
        vec![Event::Pong(b"pongme 1!".to_vec()), Event::Pong(b"pongme 2!".to_vec()), text(&[1, 2, 3, 4, 5])]
    };
    let again =
        [two[0].clone(), two[1].clone(), Frame::part(CONTINUATION, part(3)), Frame::new(TEXT, part(4))];
    vec![
        wrong("5.1", together(&[Frame::part(PING, part(1)), two[1].clone()])),
        wrong("5.2", together(&[Frame::part(PONG, part(1)), two[1].clone()])),
        fine("5.3", together(&two), vec![text(&[1, 2])]),
        fine("5.4", apart(&two), vec![text(&[1, 2])]),
        fine("5.5", octets(&two), vec![text(&[1, 2])]),
        fine("5.6", together(&between), heard()),
        fine("5.7", apart(&between), heard()),
        fine("5.8", octets(&between), heard()),
        wrong("5.9", together(&nothing_to_continue(true))),
        wrong("5.10", apart(&nothing_to_continue(true))),
        wrong("5.11", octets(&nothing_to_continue(true))),
        wrong("5.12", together(&nothing_to_continue(false))),
        wrong("5.13", apart(&nothing_to_continue(false))),
        wrong("5.14", octets(&nothing_to_continue(false))),
        refused_after("5.15", together(&again), text(&[1, 2])),
        wrong("5.16", twice(false)),
        wrong("5.17", twice(true)),
        wrong("5.18", together(&[two[0].clone(), Frame::new(TEXT, part(2))])),
        fine("5.19", five(together), pongs()),
        fine("5.20", five(apart), pongs()),
    ]
}

fn text() -> Vec<Case> {
    let fine_text = |id: &str, steps, text: &[u8]| fine(id, steps, vec![Event::Text(text.to_vec())]);
    let middle = b"middle frame payload";
    let umlauts = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!".as_bytes();
    let halfway = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}".len();
    let greek = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes();
    let surrogate = [greek, b"\xed\xa0\x80edited"].concat();
    let empty = |first: Frame, payload: &[u8]| {
        together(&[first, Frame::part(CONTINUATION, payload), Frame::new(CONTINUATION, [])])
    };
    let mut cases = vec![
        fine_text("6.1.1", together(&[Frame::new(TEXT, [])]), b""),
        fine_text("6.1.2", empty(Frame::part(TEXT, []), b""), b""),
        fine_text("6.1.3", empty(Frame::part(TEXT, []), middle), middle),
        fine_text("6.2.1", together(&[Frame::new(TEXT, umlauts)]), umlauts),
        fine_text("6.2.2", together(&fragments(TEXT, umlauts, halfway)), umlauts),
        fine_text("6.2.3", together(&fragments(TEXT, umlauts, 1)), umlauts),
        fine_text("6.2.4", together(&fragments(TEXT, greek, 1)), greek),
        refused("6.3.1", together(&[Frame::new(TEXT, surrogate.clone())]), INVALID_PAYLOAD),
        refused("6.3.2", together(&fragments(TEXT, &surrogate, 1)), INVALID_PAYLOAD),
    ];
    cases.extend(early(greek));
    for (group, sequences) in (5..).zip(utf8::groups()) {
        for (number, (is_valid, payload)) in (1..).zip(sequences) {
            let id = format!("6.{group}.{number}");
            let steps = together(&[Frame::new(TEXT, payload.clone())]);
            cases.push(if is_valid {
                fine(id, steps, vec![Event::Text(payload)])
            } else {
                refused(id, steps, INVALID_PAYLOAD)
            });
        }
    }
    cases
}

/// Text that is wrong before it is whole, in frames and within one frame. That it is refused at once is better; the pings
/// show when.
fn early(greek: &[u8]) -> Vec<Case> {
    let whole = [greek, b"\xf4\x90\x80\x80edited"].concat();
    let mut cases = Vec::new();
    for (number, cuts) in (1..).zip([[greek.len(), greek.len() + 4], [12, 13]]) {
        let [first, second] = cuts;
        let ping = |name: &str| Frame::new(PING, name);
        let steps = [
            together(&[Frame::part(TEXT, &whole[..first]), ping("A")]),
            vec![Step::Hear(1)],
            apart(&[Frame::part(CONTINUATION, &whole[first..second]), ping("B")]),
            apart(&[Frame::new(CONTINUATION, &whole[second..])]),
        ];
        let pong = |name: &str| Event::Pong(name.into());
        cases.push(Case {
            tolerated: Some(vec![pong("A"), pong("B")]),
            expected: vec![pong("A")],
            ..refused(format!("6.4.{number}"), steps.concat(), INVALID_PAYLOAD)
        });
    }
    for (number, cuts) in (3..).zip([[greek.len(), greek.len() + 4], [12, 13]]) {
        let frame = Frame::new(TEXT, whole.clone()).encode();
        let head = frame.len() - whole.len();
        let [first, second] = cuts.map(|cut| head + cut);
        let bytes = |part: &[u8]| Step::Send { bytes: part.to_vec(), chop: usize::MAX };
        let steps =
            vec![bytes(&frame[..first]), bytes(&frame[first..second]), Step::Moment, bytes(&frame[second..])];
        cases.push(refused(format!("6.4.{number}"), steps, INVALID_PAYLOAD));
    }
    cases
}

/// A close frame.
fn close(code: Option<u16>, reason: &[u8]) -> Frame {
    let code = code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec());
    Frame::new(CLOSE, [&code, reason].concat())
}

fn closing() -> Vec<Case> {
    let answered = |id: &str, frames: &[Frame], codes: &[u16]| {
        case(id, together(frames), vec![], Expected::Answered(codes.to_vec()))
    };
    let normal = || close(Some(1000), b"");
    let hello = b"Hello World!";
    let text = Frame::new(TEXT, *hello);
    let large = Frame::new(TEXT, b"BAsd7&jh23".iter().copied().cycle().take(256 * 1024).collect::<Vec<_>>());
    let both = vec![Event::Text(large.payload.clone()), Event::Text(hello.to_vec())];
    let parts = [Frame::part(TEXT, *b"fragment1"), normal(), Frame::new(CONTINUATION, *b"fragment2")];
    let bad_text = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    let mut cases = vec![
        fine("7.1.1", together(std::slice::from_ref(&text)), vec![Event::Text(hello.to_vec())]),
        answered("7.1.2", &[normal(), close(None, b"")], &[1000]),
        answered("7.1.3", &[normal(), Frame::new(PING, [])], &[1000]),
        answered("7.1.4", &[normal(), text.clone()], &[1000]),
        answered("7.1.5", &parts, &[1000]),
        case("7.1.6", together(&[large, text, normal(), Frame::new(PING, [])]), both, Expected::Undefined),
        answered("7.3.1", &[close(None, b"")], &[1000]),
        answered("7.3.2", &[close(None, b"a")], &[PROTOCOL_ERROR]),
        answered("7.3.3", &[normal()], &[1000]),
        answered("7.3.4", &[close(Some(1000), hello)], &[1000]),
        answered("7.3.5", &[close(Some(1000), &[b'*'; 123])], &[1000]),
        answered("7.3.6", &[close(Some(1000), &[b'*'; 124])], &[PROTOCOL_ERROR]),
        answered("7.5.1", &[close(Some(1000), bad_text)], &[PROTOCOL_ERROR, INVALID_PAYLOAD]),
    ];
    let valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    for (number, code) in (1..).zip(valid) {
        cases.push(answered(&format!("7.7.{number}"), &[close(Some(code), b"")], &[1000, code]));
    }
    let invalid = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    for (number, code) in (1..).zip(invalid) {
        cases.push(answered(&format!("7.9.{number}"), &[close(Some(code), b"")], &[PROTOCOL_ERROR]));
    }
    for (number, code) in [(1, 5000), (2, 65_535)] {
        let steps = together(&[close(Some(code), b"")]);
        cases.push(case(format!("7.13.{number}"), steps, vec![], Expected::Undefined));
    }
    cases
}

/// Large messages: whole, in fragments, in small writes. A server's own limits are another matter: here it has none.
fn large() -> Vec<Case> {
    const K: usize = 1024;
    const M: usize = 1024 * K;
    let mut cases = Vec::new();
    for (offset, opcode, pattern) in [(0, TEXT, &b"BAsd7&jh23"[..]), (1, BINARY, b"\x00\xfe\x23\xfa\xf0")] {
        let message = |length| -> Vec<u8> { pattern.iter().copied().cycle().take(length).collect() };
        let mut add = |group: u8, number: usize, length, cut: &dyn Fn(&[u8]) -> Vec<Step>| {
            let payload = message(length);
            let steps = cut(&payload);
            cases.push(fine(format!("9.{}.{number}", group + offset), steps, vec![echo(opcode, payload)]));
        };
        for (number, length) in (1..).zip([64 * K, 256 * K, M, 4 * M, 8 * M, 16 * M]) {
            add(1, number, length, &|payload| vec![send(&Frame::new(opcode, payload), 0)]);
        }
        for (number, size) in (1..).zip([64, 256, K, 4 * K, 16 * K, 64 * K, 256 * K, M, 4 * M]) {
            add(3, number, 4 * M, &|payload| together(&fragments(opcode, payload, size)));
        }
        for (number, chop) in (1..).zip([64, 128, 256, 512, K, 2 * K]) {
            add(5, number, M, &|payload| vec![send(&Frame::new(opcode, payload), chop)]);
        }
    }
    cases
}

/// A thousand messages one after the other, and one in many fragments.
fn many() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, opcode, byte) in [(7, TEXT, b'*'), (8, BINARY, 0xfe)] {
        for (number, length) in (1..).zip([0, 16, 64, 256, 1024, 4096]) {
            let frame = Frame::new(opcode, vec![byte; length]);
            let steps = (1..=1_000).flat_map(|count| [send(&frame, usize::MAX), Step::Hear(count)]);
            let echoed = vec![echo(opcode, vec![byte; length]); 1_000];
            cases.push(fine(format!("9.{group}.{number}"), steps.collect(), echoed));
        }
    }
    let message = vec![b'*'; 65_536];
    let steps = together(&fragments(TEXT, &message, 1_300));
    cases.push(fine("10.1.1", steps, vec![Event::Text(message)]));
    cases
}
