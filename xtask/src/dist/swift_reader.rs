//! How the generated Swift reads what the library hands over. The generator's way copies each number and each text out of a
//! `Data` by its generic methods, which is most of what an event costs in Swift; here a pointer is read instead.

use anyhow::ensure;

/// Puts the quicker way in place of the generated one.
///
/// # Errors
/// When the generator writes something else than it did: then this is to be looked at again.
pub(super) fn quicken(generated: &str) -> anyhow::Result<String> {
    let mut code = generated.to_owned();
    for (slow, quick) in REPLACED {
        ensure!(code.contains(slow), "the generated Swift has no such lines any more:\n{slow}");
        code = code.replace(slow, quick);
    }
    Ok(code)
}

const REPLACED: [(&str, &str); 6] = [
    ("(data: Data, offset: Data.Index)", "(data: UnsafeRawBufferPointer, offset: Int)"),
    (
        "fileprivate func createReader(data: Data) ->",
        "fileprivate func createReader(data: UnsafeRawBufferPointer) ->",
    ),
    (
        "createReader(data: Data(rustBuffer: buf))",
        "createReader(data: UnsafeRawBufferPointer(start: buf.data, count: Int(buf.len)))",
    ),
    (
        "    if T.self == UInt8.self {
        let value = reader.data[reader.offset]
        reader.offset += 1
        return value as! T
    }
    var value: T = 0
    let _ = withUnsafeMutableBytes(of: &value, { reader.data.copyBytes(to: $0, from: range)})
    reader.offset = range.upperBound
",
        "    let value = reader.data.loadUnaligned(fromByteOffset: range.lowerBound, as: T.self)
    reader.offset = range.upperBound
",
    ),
    ("count: Int) throws -> Array<UInt8> {", "count: Int) throws -> UnsafeRawBufferPointer {"),
    (
        "    var value = [UInt8](repeating: 0, count: count)
    value.withUnsafeMutableBufferPointer({ buffer in
        reader.data.copyBytes(to: buffer, from: range)
    })
    reader.offset = range.upperBound
    return value
",
        "    reader.offset = range.upperBound
    return UnsafeRawBufferPointer(rebasing: reader.data[range])
",
    ),
];
