//! The actions that the protocol itself has passkeys sign, in their RFC 8785 form. The page, the server and a back end
//! that checks evidence make them from the same parts.

use alloc::string::String;

use crate::protocol::{PasskeyID, base64url::encode};

/// What a passkey signs to vouch for another one. `public_key` are the `COSE_Key` bytes of the new one.
pub fn add_passkey(passkey_id: PasskeyID, public_key: &[u8]) -> String {
    let (passkey_id, public_key) = (passkey_id.text(), encode(public_key));
    let members =
        [r#"{"passkeyID":""#, &passkey_id, r#"","publicKey":""#, &public_key, r#"","type":"addPasskey"}"#];
    members.concat()
}

/// What a passkey signs to have one removed, itself or another.
pub fn remove_passkey(passkey_id: PasskeyID) -> String {
    [r#"{"passkeyID":""#, &passkey_id.text(), r#"","type":"removePasskey"}"#].concat()
}

#[cfg(test)]
mod tests {
    use super::{add_passkey, remove_passkey};
    use crate::protocol::PasskeyID;

    #[test]
    fn actions_are_canonical_json() {
        let passkey_id = PasskeyID::from_bytes([0xff; 16]);
        assert_eq!(
            add_passkey(passkey_id, &[0xfb, 0xff]),
            r#"{"passkeyID":"pk_vvvvvvvvvvvvvvvvvvvvvvvvvs","publicKey":"-_8","type":"addPasskey"}"#
        );
        assert_eq!(
            remove_passkey(passkey_id),
            r#"{"passkeyID":"pk_vvvvvvvvvvvvvvvvvvvvvvvvvs","type":"removePasskey"}"#
        );
    }
}
