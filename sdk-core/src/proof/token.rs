//! Reading the proof for a socket: a compact JWS (RFC 7515) of which one form is accepted.

use serde::de::{Error, MapAccess};

use super::{MAX_TOKEN_BYTES, ProofError, SIGNATURE_BYTES};
use crate::protocol::{
    SessionID, base64url,
    object::{Members, Object, Text},
};

/// What a token claims.
pub(super) struct Claim<'a> {
    pub(super) session_id: SessionID,
    pub(super) iat: u64,
    pub(super) jti: [u8; 16],
    /// Header and claims as they came: what must have been signed (RFC 7515 section 5.2).
    pub(super) signed: &'a str,
    pub(super) signature: [u8; SIGNATURE_BYTES],
}

/// Reads a token that must be for this audience and nonce.
pub(super) fn read<'a>(token: &'a str, audience: &str, nonce: &str) -> Result<Claim<'a>, ProofError> {
    if token.is_empty() {
        return Err(ProofError::Missing);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(ProofError::Invalid("the token is too long"));
    }
    let not_a_token = ProofError::Invalid("the token is not a compact JWS of ES256");
    let (signed, signature) = token.rsplit_once('.').ok_or(not_a_token)?;
    let (header, claims) = signed.split_once('.').ok_or(not_a_token)?;
    let signature = base64url::decode_array(signature).map_err(|_| not_a_token)?;
    let header = base64url::decode(header).map_err(|_| not_a_token)?;
    let claims = base64url::decode(claims).map_err(|_| not_a_token)?;
    let wrong_header = ProofError::Invalid("the token's header is not alg, kid and typ of a session proof");
    let Object(header) = serde_json::from_slice::<Object<Header>>(&header).map_err(|_| wrong_header)?;
    let (Some(session_id), true, true) = (header.kid, header.is_es256, header.is_session_proof) else {
        return Err(wrong_header);
    };
    let wrong_claims = ProofError::Invalid("the token's claims are not aud, nonce, iat and jti");
    let Object(claims) = serde_json::from_slice::<Object<Claims>>(&claims).map_err(|_| wrong_claims)?;
    let (Some(aud), Some(given), Some(iat), Some(jti)) = (claims.aud, claims.nonce, claims.iat, claims.jti)
    else {
        return Err(wrong_claims);
    };
    if aud != audience {
        return Err(ProofError::Invalid("the token is for another audience"));
    }
    if given != nonce {
        return Err(ProofError::Invalid("the token is for another nonce"));
    }
    Ok(Claim { session_id, iat, jti, signed, signature })
}

/// `{"alg":"ES256","kid":"ses_...","typ":"session-proof+jwt"}`. Nothing else: a member like `crit`, `jwk` or `b64` would
/// have to be understood.
#[derive(Default)]
struct Header {
    is_es256: bool,
    kid: Option<SessionID>,
    is_session_proof: bool,
}

impl<'de> Members<'de> for Header {
    const NAME: &'static str = "the header of a JWS";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        match name {
            "alg" => self.is_es256 = value.next_value::<Text<'_>>()?.0 == "ES256",
            "kid" => self.kid = Some(value.next_value()?),
            "typ" => self.is_session_proof = value.next_value::<Text<'_>>()?.0 == "session-proof+jwt",
            _ => return Err(A::Error::custom("a header member that is not known")),
        }
        Ok(true)
    }
}

/// Nothing else here either: claims like `exp` and `nbf` would have to be obeyed.
#[derive(Default)]
struct Claims {
    aud: Option<String>,
    nonce: Option<String>,
    iat: Option<u64>,
    jti: Option<[u8; 16]>,
}

impl<'de> Members<'de> for Claims {
    const NAME: &'static str = "the claims of a session proof";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        match name {
            "aud" => self.aud = Some(value.next_value()?),
            "nonce" => self.nonce = Some(value.next_value()?),
            "iat" => self.iat = Some(value.next_value()?),
            "jti" => {
                let Text(text) = value.next_value()?;
                self.jti = Some(base64url::decode_array(text.as_bytes()).map_err(A::Error::custom)?);
            }
            _ => return Err(A::Error::custom("a claim that is not known")),
        }
        Ok(true)
    }
}
