//! The actions that the protocol itself has passkeys sign, in their RFC 8785 form. The page, the server and a back end
//! that checks evidence make them from the same parts.

use crate::protocol::{PasskeyID, base64url::encode};

/// What a passkey signs to vouch for another one. `public_key` are the `COSE_Key` bytes of the new one.
pub fn add_passkey(passkey_id: PasskeyID, public_key: &[u8]) -> String {
    let public_key = encode(public_key);
    format!(r#"{{"passkeyID":"{passkey_id}","publicKey":"{public_key}","type":"addPasskey"}}"#)
}

/// What a passkey signs to have one removed, itself or another.
pub fn remove_passkey(passkey_id: PasskeyID) -> String {
    format!(r#"{{"passkeyID":"{passkey_id}","type":"removePasskey"}}"#)
}
