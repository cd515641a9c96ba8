//! Changes to something that was signed or sealed, as an input describes them.

/// What becomes of `original`: each 4 bytes of `edits` are a place (2 bytes), what to do, and with which byte.
pub(crate) fn edited(original: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for edit in edits.chunks_exact(4) {
        let [high, low, what, value] = *edit else { continue };
        let place = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        match what % 5 {
            0 if place < bytes.len() => bytes[place] ^= value,
            1 => bytes.insert(place, value),
            2 if place < bytes.len() => drop(bytes.remove(place)),
            3 => bytes.truncate(place),
            4 => {
                // A stretch that comes twice.
                let end = (place + usize::from(value)).min(bytes.len());
                let stretch = bytes[place..end].to_vec();
                bytes.splice(end..end, stretch);
            }
            _ => {}
        }
    }
    bytes
}

/// The parts of an original, one of which is edited: the first byte says which, the rest how.
pub(crate) fn one_edited<const N: usize>(parts: [&[u8]; N], input: &[u8]) -> [Vec<u8>; N] {
    let mut parts = parts.map(<[u8]>::to_vec);
    if let Some((which, edits)) = input.split_first() {
        let part = &mut parts[usize::from(*which) % N];
        *part = edited(part, edits);
    }
    parts
}
