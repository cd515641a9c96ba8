//! The signature base: the bytes that an HTTP message signature is over (RFC 9421 section 2.5).

/// Writes a signature base. Each component is its identifier as Signature-Input writes it, quotation marks included, and
/// its value; `params` is the member of Signature-Input after its `=`.
///
/// The values must hold no line break: what is read here has none, because fields and addresses have none.
///
/// ```
/// use passkey_accounts::proof::signature_base;
///
/// let base = signature_base([("\"@method\"", "GET")], "(\"@method\");created=1");
/// assert_eq!(base, "\"@method\": GET\n\"@signature-params\": (\"@method\");created=1");
/// ```
pub fn signature_base<'a>(components: impl IntoIterator<Item = (&'a str, &'a str)>, params: &str) -> String {
    let mut base = String::with_capacity(512);
    for (identifier, value) in components {
        base.extend([identifier, ": ", value, "\n"]);
    }
    base.extend(["\"@signature-params\": ", params]);
    base
}
