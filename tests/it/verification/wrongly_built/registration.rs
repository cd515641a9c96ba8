//! Wrong authenticator data of registrations, signed after the change.

use passkey_accounts::evidence::{Part::AuthenticatorData, Step};

use super::{
    Case,
    Verdict::{Fails, Unreadable},
    attestation, case, data,
};
use crate::verification::Edit;

pub(crate) fn authenticator_data_cases() -> Vec<Case> {
    let unreadable = Unreadable(AuthenticatorData);
    vec![
        case("another RP ID", Fails(Step::RpIdHash), data(|data| data.rp_id_hash[31] ^= 1)),
        case("an RP ID of zeros", Fails(Step::RpIdHash), data(|data| data.rp_id_hash = vec![0; 32])),
        case("nobody present", Fails(Step::UserPresent), data(|data| data.flags &= !0x01)),
        case("nobody verified", Fails(Step::UserVerified), data(|data| data.flags &= !0x04)),
        case("backed up but not eligible", Fails(Step::BackupState), data(|data| data.flags |= 0x10)),
        case("RFU1 set", unreadable, data(|data| data.flags |= 0x02)),
        case("RFU2 set", unreadable, data(|data| data.flags |= 0x20)),
        case("AT not set, credential there", unreadable, data(|data| data.flags &= !0x40)),
        case(
            "AT not set, no credential",
            unreadable,
            data(|data| {
                data.flags &= !0x40;
                (data.aaguid, data.credential_id_length, data.credential_id, data.public_key_cose) =
                    Default::default();
            }),
        ),
        case(
            "AT set, no credential",
            unreadable,
            data(|data| {
                (data.aaguid, data.credential_id_length, data.credential_id, data.public_key_cose) =
                    Default::default();
            }),
        ),
        case("ED set, no extensions", unreadable, data(|data| data.flags |= 0x80)),
        case("ED not set, extensions there", unreadable, data(|data| data.extensions = vec![0xa0])),
        case("extensions not a map", unreadable, extensions(&[0x80])),
        case("extensions cut short", unreadable, extensions(&[0xa1, 0x61, b'a'])),
        case("extensions named by numbers", unreadable, extensions(&[0xa1, 0x01, 0xf5])),
        case("an extension twice", unreadable, extensions(&[0xa2, 0x61, b'a', 0xf5, 0x61, b'a', 0xf5])),
        case("extensions out of order", unreadable, extensions(&[0xa2, 0x61, b'b', 0xf5, 0x61, b'a', 0xf5])),
        case("extensions of indefinite length", unreadable, extensions(&[0xbf, 0x61, b'a', 0xf5, 0xff])),
        case("an extension with a float", unreadable, extensions(&[0xa1, 0x61, b'a', 0xf9, 0x3c, 0x00])),
        case("a byte after the extensions", unreadable, extensions(&[0xa0, 0x00])),
        case("two extension maps", unreadable, extensions(&[0xa0, 0xa0])),
        case("a byte after the credential", unreadable, data(|data| data.public_key_cose.push(0))),
        case(
            "no credential id",
            unreadable,
            data(|data| {
                data.credential_id_length = vec![0, 0];
                data.credential_id = Vec::new();
            }),
        ),
        case(
            "a credential id of 1024 bytes",
            unreadable,
            data(|data| {
                data.credential_id_length = vec![4, 0];
                data.credential_id = vec![7; 1024];
            }),
        ),
        case(
            "a credential id longer than the data",
            unreadable,
            data(|data| data.credential_id_length = vec![3, 0]),
        ),
        case(
            "a credential id one byte longer",
            unreadable,
            data(|data| data.credential_id_length = vec![0, 33]),
        ),
        case(
            "a credential id one byte shorter",
            unreadable,
            data(|data| data.credential_id_length = vec![0, 31]),
        ),
        case("another credential id", Fails(Step::CredentialId), data(|data| data.credential_id[0] ^= 1)),
        case(
            "36 bytes",
            unreadable,
            data(|data| {
                data.sign_count.pop();
                (data.aaguid, data.credential_id_length, data.credential_id, data.public_key_cose) =
                    Default::default();
            }),
        ),
        case(
            "no authenticator data",
            unreadable,
            attestation(|attestation| attestation.authenticator_data.clear()),
        ),
    ]
}

fn extensions(bytes: &'static [u8]) -> Edit {
    data(move |data| {
        data.flags |= 0x80;
        data.extensions = bytes.to_vec();
    })
}
