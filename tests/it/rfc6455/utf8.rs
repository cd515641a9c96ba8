//! Byte sequences that are UTF-8 and that are not, by the groups of Autobahn's cases 6.5 to 6.23, which follow Markus
//! Kuhn's stress test.

/// The groups in order: what is UTF-8, what is not.
pub fn groups() -> Vec<Vec<(bool, Vec<u8>)>> {
    let valid = |list: &[&[u8]]| -> Vec<_> { list.iter().map(|bytes| (true, bytes.to_vec())).collect() };
    let invalid = |list: &[&[u8]]| -> Vec<_> { list.iter().map(|bytes| (false, bytes.to_vec())).collect() };
    let greek = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes();
    let incomplete: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    let lonely = |from: u8, to: u8| -> Vec<u8> { (from..to).flat_map(|byte| [byte, b' ']).collect() };
    let surrogates: [&[u8]; 4] = [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"];
    vec![
        valid(&[
            b"hello\x24world",
            b"hello\xc2\xa2world",
            b"hello\xe2\x82\xacworld",
            b"hello\xf0\xa4\xad\xa2world",
            greek,
        ]),
        (1..=greek.len()).map(|end| (str::from_utf8(&greek[..end]).is_ok(), greek[..end].to_vec())).collect(),
        valid(&[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
        invalid(&[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
        valid(&[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
        invalid(&[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
        [
            valid(&[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"]),
            invalid(&[b"\xf4\x90\x80\x80"]),
        ]
        .concat(),
        [
            invalid(&[b"\x80", b"\xbf"]),
            (2..=6).map(|length| (false, b"\x80\xbf".repeat(3)[..length].to_vec())).collect(),
            vec![(false, (0x80..0xbf).collect())],
        ]
        .concat(),
        [(0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd)]
            .map(|(from, to)| (false, lonely(from, to)))
            .to_vec(),
        invalid(&incomplete),
        invalid(&[&incomplete.concat()]),
        invalid(&[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
        invalid(&[
            b"\xc0\xaf",
            b"\xe0\x80\xaf",
            b"\xf0\x80\x80\xaf",
            b"\xf8\x80\x80\x80\xaf",
            b"\xfc\x80\x80\x80\x80\xaf",
        ]),
        invalid(&[
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf8\x87\xbf\xbf\xbf",
            b"\xfc\x83\xbf\xbf\xbf\xbf",
        ]),
        invalid(&[
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xf8\x80\x80\x80\x80",
            b"\xfc\x80\x80\x80\x80\x80",
        ]),
        [invalid(&surrogates), invalid(&[b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"])].concat(),
        surrogates
            .iter()
            .flat_map(|high| [b"\xed\xb0\x80", b"\xed\xbf\xbf"].map(|low| (false, [high, &low[..]].concat())))
            .collect(),
        non_characters().into_iter().map(|char| (true, char.to_string().into_bytes())).collect(),
        (0xfff9..=0xffff)
            .map(|code| (true, char::from_u32(code).unwrap().to_string().into_bytes()))
            .collect(),
    ]
}

/// The last two of every plane: no characters, yet UTF-8.
fn non_characters() -> Vec<char> {
    let last_two = |plane: u32| [plane * 0x1_0000 + 0xfffe, plane * 0x1_0000 + 0xffff];
    (0..=0x10).flat_map(last_two).filter_map(char::from_u32).collect()
}
