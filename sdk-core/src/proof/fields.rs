//! Reading the fields that carry a request's proof: structured fields (RFC 9651), of which one form is accepted.

use std::{borrow::Cow, convert::Infallible, fmt::Write};

use data_encoding::BASE64;
use sfv::{
    BareItemFromInput, KeyRef, Parser, StringRef,
    visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor},
};

use super::{MAX_FIELD_BYTES, ProofError, RequestHead, SIGNATURE_BYTES, base::signature_base};

/// What a signature is for, and how it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// RFC 9421 section 2.3.
    pub(super) tag: &'static str,
    /// RFC 9421 section 6.2.2.
    pub(super) algorithm: &'static str,
}

/// What the fields claim.
pub(super) struct Claim<'a> {
    pub(super) key_id: Cow<'a, StringRef>,
    pub(super) created: u64,
    pub(super) nonce: Cow<'a, StringRef>,
    pub(super) digest: Option<[u8; 32]>,
    pub(super) signature: [u8; SIGNATURE_BYTES],
    /// What must have been signed.
    pub(super) base: String,
}

/// Reads the fields of a signature of that form and puts the signature base together.
pub(super) fn read<'a>(head: &RequestHead<'a>, form: Form) -> Result<Claim<'a>, ProofError> {
    let input = head.signature_input.map(|field| read_input(field, form)).transpose()?.flatten();
    let signature = head.signature.map(read_signature).transpose()?.flatten();
    let (input, signature) = match (input, signature) {
        (Some(input), Some(signature)) => (input, signature),
        (None, None) => return Err(ProofError::Missing),
        (Some(_), None) => return Err(ProofError::Invalid("Signature has no member pa")),
        (None, Some(_)) => return Err(ProofError::Invalid("Signature-Input has no member pa")),
    };
    let Input { created, keyid, nonce, has_tag, covers_digest, params, .. } = input;
    let (Some(created), Some(key_id), Some(nonce), true) = (created, keyid, nonce, has_tag) else {
        return Err(ProofError::Invalid("Signature-Input lacks created, keyid, nonce or tag"));
    };
    // What the signature does not cover must not look as if it did.
    let digest = match (head.content_digest, covers_digest) {
        (Some(field), true) => Some((text_of(field)?, read_digest(field)?)),
        (None, false) => None,
        (Some(_), false) => {
            return Err(ProofError::Invalid("Content-Digest is there and is not covered"));
        }
        (None, true) => return Err(ProofError::Invalid("Content-Digest is covered and is not there")),
    };
    let method = text_of(head.method.as_bytes())?;
    let target_uri = text_of(head.target_uri.as_bytes())?;
    let covered = [
        Some(("\"@method\"", method)),
        Some(("\"@target-uri\"", target_uri)),
        digest.map(|(text, _)| ("\"content-digest\"", text)),
    ];
    let base = signature_base(covered.into_iter().flatten(), &params);
    Ok(Claim { key_id, created, nonce, digest: digest.map(|(_, hash)| hash), signature, base })
}

/// The value of a component: ASCII without control characters (RFC 9421 section 2.5), here without spaces either.
fn text_of(value: &[u8]) -> Result<&str, ProofError> {
    let refused = ProofError::Invalid("its method, address or digest holds characters that cannot be signed");
    let is_plain = !value.is_empty() && value.iter().all(u8::is_ascii_graphic);
    str::from_utf8(value).ok().filter(|_| is_plain).ok_or(refused)
}

fn bounded(field: &[u8]) -> Result<&[u8], ProofError> {
    if field.len() > MAX_FIELD_BYTES {
        return Err(ProofError::Invalid("a field of the proof is larger than 4 KiB"));
    }
    Ok(field)
}

/// Reads Signature-Input; `None` when nothing in it is ours.
fn read_input(field: &[u8], form: Form) -> Result<Option<Input<'_>>, ProofError> {
    let visitor = InputField { members: 0, input: Input::new(form) };
    let parsed = Parser::new(bounded(field)?).parse_dictionary_with_visitor(visitor);
    let InputField { members, input } =
        parsed.map_err(|_| ProofError::Invalid("Signature-Input is no structured field"))?;
    let Input { fault, components, .. } = &input;
    match (members, fault, *components) {
        (0, _, _) => Ok(None),
        (1, Some(fault), _) => Err(ProofError::Invalid(fault)),
        (1, None, 2 | 3) => Ok(Some(input)),
        (1, None, _) => Err(ProofError::Invalid(WRONG_COMPONENTS)),
        _ => Err(ProofError::Invalid("Signature-Input has pa more than once")),
    }
}

/// Signature-Input, of which the members labelled `pa` are looked at.
struct InputField<'de> {
    members: usize,
    input: Input<'de>,
}

/// The member `pa`: which components are covered, and with which parameters.
struct Input<'de> {
    form: Form,
    components: usize,
    covers_digest: bool,
    created: Option<u64>,
    keyid: Option<Cow<'de, StringRef>>,
    nonce: Option<Cow<'de, StringRef>>,
    has_tag: bool,
    has_alg: bool,
    /// The member as RFC 9651 section 4.1.1.1 writes it.
    params: String,
    /// The first thing that is not as it must be.
    fault: Option<&'static str>,
}

impl<'de> DictionaryVisitor<'de> for InputField<'de> {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        let is_ours = key.as_str() == LABEL;
        self.members += usize::from(is_ours);
        Ok(is_ours.then_some(Member(&mut self.input)))
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

struct Member<'v, 'de>(&'v mut Input<'de>);

impl<'de> EntryVisitor<'de> for Member<'_, 'de> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        self.0.fault = Some(WRONG_COMPONENTS);
        Ok(Ignored)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        self.0.params.push('(');
        Ok(self)
    }
}

impl<'de> InnerListVisitor<'de> for Member<'_, 'de> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(Component(self.0))
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Infallible> {
        self.0.params.push(')');
        Ok(Parameters(self.0))
    }
}

struct Component<'v, 'de>(&'v mut Input<'de>);

impl<'de> ItemVisitor<'de> for Component<'_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        let Self(input) = self;
        let expected = COMPONENTS.get(input.components);
        match (&item, expected) {
            (BareItemFromInput::String(name), Some(expected)) if name.as_str() == *expected => {
                let space = if input.components == 0 { "" } else { " " };
                input.params.extend([space, "\"", expected, "\""]);
                input.covers_digest = input.components == 2;
            }
            _ => input.fault = Some(WRONG_COMPONENTS),
        }
        input.components += 1;
        Ok(NoParameters(input))
    }
}

/// A component is covered as it is: `;sf`, `;req` and the like are not for requests of ours.
struct NoParameters<'v, 'de>(&'v mut Input<'de>);

impl<'de> ParameterVisitor<'de> for NoParameters<'_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, _: &'de KeyRef, _: BareItemFromInput<'de>) -> Result<(), Infallible> {
        self.0.fault = Some(WRONG_COMPONENTS);
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct Parameters<'v, 'de>(&'v mut Input<'de>);

impl<'de> ParameterVisitor<'de> for Parameters<'_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        self.0.take(key.as_str(), value);
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<'de> Input<'de> {
    const fn new(form: Form) -> Self {
        Self {
            form,
            components: 0,
            covers_digest: false,
            created: None,
            keyid: None,
            nonce: None,
            has_tag: false,
            has_alg: false,
            params: String::new(),
            fault: None,
        }
    }

    /// Takes a parameter. Everything that is taken is written the only way that it can be written.
    fn take(&mut self, key: &str, value: BareItemFromInput<'de>) {
        let taken = match (key, value) {
            ("created", BareItemFromInput::Integer(seconds)) => {
                let seconds = u64::try_from(i64::from(seconds)).ok();
                let taken = self.created.is_none() && seconds.is_some();
                if let Some(seconds) = seconds {
                    write!(self.params, ";created={seconds}").expect("a String takes text");
                }
                self.created = seconds;
                taken
            }
            ("keyid", BareItemFromInput::String(text)) => {
                let taken = self.keyid.is_none() && is_key_id(text.as_str());
                self.params.extend([";keyid=\"", text.as_str(), "\""]);
                self.keyid = Some(text);
                taken
            }
            ("nonce", BareItemFromInput::String(text)) => {
                let taken = self.nonce.is_none() && is_nonce(text.as_str());
                self.params.extend([";nonce=\"", text.as_str(), "\""]);
                self.nonce = Some(text);
                taken
            }
            ("tag", BareItemFromInput::String(text)) => {
                let taken = !self.has_tag && text.as_str() == self.form.tag;
                self.params.extend([";tag=\"", self.form.tag, "\""]);
                self.has_tag = true;
                taken
            }
            ("alg", BareItemFromInput::String(text)) => {
                let taken = !self.has_alg && text.as_str() == self.form.algorithm;
                self.params.extend([";alg=\"", self.form.algorithm, "\""]);
                self.has_alg = true;
                taken
            }
            _ => false,
        };
        if !taken {
            self.fault.get_or_insert(WRONG_PARAMETERS);
        }
    }
}

/// The name of a session, or of a key pair.
fn is_key_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// 16 to 64 characters of base64url.
fn is_nonce(text: &str) -> bool {
    (16..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Reads the signature labelled `pa`; `None` when there is none.
fn read_signature(field: &[u8]) -> Result<Option<[u8; SIGNATURE_BYTES]>, ProofError> {
    let refused = ProofError::Invalid("Signature is not pa=:<64 bytes of base64>:");
    let found = read_bytes(field, LABEL).map_err(|()| refused)?;
    found.map(|bytes| bytes.try_into().map_err(|_| refused)).transpose()
}

fn read_digest(field: &[u8]) -> Result<[u8; 32], ProofError> {
    let refused =
        ProofError::Invalid("Content-Digest is not sha-256=:<32 bytes of base64>:, and nothing else");
    let found = read_bytes(field, "sha-256").map_err(|()| refused)?.ok_or(refused)?;
    let digest: [u8; 32] = found.try_into().map_err(|_| refused)?;
    let is_all = field.len() == "sha-256=::".len() + BASE64.encode_len(digest.len());
    if is_all { Ok(digest) } else { Err(refused) }
}

/// The one byte sequence with this label in a dictionary of byte sequences.
fn read_bytes(field: &[u8], label: &'static str) -> Result<Option<Vec<u8>>, ()> {
    let visitor = BytesField { label, members: 0, bytes: None, has_params: false };
    let parser = Parser::new(bounded(field).map_err(drop)?);
    let found = parser.parse_dictionary_with_visitor(visitor).map_err(drop)?;
    match found {
        BytesField { members: 0, .. } => Ok(None),
        BytesField { members: 1, bytes: Some(bytes), has_params: false, .. } => {
            // The parser takes what RFC 9651 section 4.2.7 lets it take: no padding, and bits that nothing accounts for.
            // Here bytes have one spelling.
            let spelling = [":", &BASE64.encode(&bytes), ":"].concat();
            let is_there = field.windows(spelling.len()).any(|part| part == spelling.as_bytes());
            if is_there { Ok(Some(bytes)) } else { Err(()) }
        }
        BytesField { .. } => Err(()),
    }
}

struct BytesField {
    label: &'static str,
    members: usize,
    bytes: Option<Vec<u8>>,
    has_params: bool,
}

impl<'de> DictionaryVisitor<'de> for BytesField {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        let is_ours = key.as_str() == self.label;
        self.members += usize::from(is_ours);
        Ok(is_ours.then_some(BytesMember(self)))
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

struct BytesMember<'v>(&'v mut BytesField);

impl<'de> EntryVisitor<'de> for BytesMember<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        self.0.bytes = None;
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for BytesMember<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        self.0.bytes = match item {
            BareItemFromInput::ByteSequence(bytes) => Some(bytes),
            _ => None,
        };
        Ok(self)
    }
}

impl<'de> ParameterVisitor<'de> for BytesMember<'_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, _: &'de KeyRef, _: BareItemFromInput<'de>) -> Result<(), Infallible> {
        self.0.has_params = true;
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The name of our signature among those that a request may carry.
pub(super) const LABEL: &str = "pa";
pub(super) const WRONG_PARAMETERS: &str =
    "pa has other parameters than created, keyid, nonce, tag and alg, or one that cannot be";
/// What is covered, in this order: the third if and only if there is a body.
const COMPONENTS: [&str; 3] = ["@method", "@target-uri", "content-digest"];
const WRONG_COMPONENTS: &str =
    "pa does not cover \"@method\", \"@target-uri\" and, with a body, \"content-digest\", and nothing else";
