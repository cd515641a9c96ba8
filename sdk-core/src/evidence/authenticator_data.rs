//! Authenticator data: what the authenticator itself says (section 6.1), every byte accounted for.

use sha2::{Digest, Sha256};

use super::{Malformed, Part, Step, UserVerification, cbor};
use crate::defended;

/// The longest credential id, in bytes.
pub const MAX_CREDENTIAL_ID_BYTES: usize = 1023;

/// Authenticator data, borrowed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatorData<'a> {
    /// SHA-256 of the RP ID that the authenticator answered for.
    pub rp_id_hash: &'a [u8; 32],
    /// What was done and what is known of the passkey.
    pub flags: Flags,
    /// The signature counter; 0 where the authenticator has none.
    pub sign_count: u32,
    /// The new passkey, at registration.
    pub attested: Option<AttestedCredential<'a>>,
}

/// The new passkey inside the authenticator data of a registration (section 6.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttestedCredential<'a> {
    /// The authenticator's model; all zero when it does not say.
    pub aaguid: &'a [u8; 16],
    /// 1 to 1023 bytes.
    pub credential_id: &'a [u8],
    /// A canonical `COSE_Key`, not yet understood.
    pub public_key_cose: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads authenticator data: lengths, flags and bytes must agree, and nothing may be left over.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        let rp_id_hash = take_array(&mut rest)?;
        let [flags] = *take_array::<1>(&mut rest)?;
        let flags = Flags::parse(flags)?;
        let sign_count = u32::from_be_bytes(*take_array(&mut rest)?);
        let attested = if flags.has_attested_credential() { Some(take_attested(&mut rest)?) } else { None };
        if flags.has_extensions() {
            take_extensions(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(malformed("bytes are left over"));
        }
        Ok(Self { rp_id_hash, flags, sign_count, attested })
    }

    /// The steps of sections 7.1 and 7.2 that concern every authenticator data.
    ///
    /// # Errors
    /// The step that fails.
    pub fn check(&self, rp_id: &str, user_verification: UserVerification) -> Result<(), Step> {
        self.check_rp_id_hash(rp_id)?;
        self.check_user_present()?;
        self.check_user_verified(user_verification)?;
        self.check_backup_state()
    }

    /// "Verify that the rpIdHash in authData is the SHA-256 hash of the RP ID expected by the Relying Party."
    fn check_rp_id_hash(&self, rp_id: &str) -> Result<(), Step> {
        let expected = Sha256::digest(rp_id.as_bytes());
        if expected[..] == *self.rp_id_hash { Ok(()) } else { Err(Step::RpIdHash) }
    }

    /// "Verify that the UP bit of the flags in authData is set."
    fn check_user_present(&self) -> Result<(), Step> {
        if self.flags.user_present() { Ok(()) } else { Err(Step::UserPresent) }
    }

    /// "If user verification was determined to be required, verify that the UV bit ... is set."
    fn check_user_verified(&self, required: UserVerification) -> Result<(), Step> {
        match required {
            UserVerification::Required if !self.flags.user_verified() && defended!(UserVerification) => {
                Err(Step::UserVerified)
            }
            UserVerification::Required | UserVerification::Preferred => Ok(()),
        }
    }

    /// "If the BE bit ... is not set, verify that the BS bit is not set."
    fn check_backup_state(&self) -> Result<(), Step> {
        if self.flags.backed_up() && !self.flags.backup_eligible() { Err(Step::BackupState) } else { Ok(()) }
    }
}

/// The flags byte (section 6.1, bit 0 first: UP, RFU1, UV, BE, BS, RFU2, AT, ED).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// "The RFU bits SHALL be set to zero": a bit without a meaning is not waved through.
    fn parse(byte: u8) -> Result<Self, Malformed> {
        if byte & 0b0010_0010 == 0 { Ok(Self(byte)) } else { Err(malformed("a reserved flag is set")) }
    }

    /// UP: somebody was there.
    pub const fn user_present(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// UV: the authenticator checked who.
    pub const fn user_verified(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// BE: the passkey may be backed up. Fixed when the passkey is made.
    pub const fn backup_eligible(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// BS: the passkey is backed up now.
    pub const fn backed_up(self) -> bool {
        self.0 & 0x10 != 0
    }

    const fn has_attested_credential(self) -> bool {
        self.0 & 0x40 != 0
    }

    const fn has_extensions(self) -> bool {
        self.0 & 0x80 != 0
    }
}

fn malformed(reason: &'static str) -> Malformed {
    Part::AuthenticatorData.malformed(reason)
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Malformed> {
    let (taken, left) = rest.split_first_chunk().ok_or(malformed("it ends early"))?;
    *rest = left;
    Ok(taken)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (taken, left) = rest.split_at_checked(length).ok_or(malformed("it ends early"))?;
    *rest = left;
    Ok(taken)
}

fn take_attested<'a>(rest: &mut &'a [u8]) -> Result<AttestedCredential<'a>, Malformed> {
    let aaguid = take_array(rest)?;
    let length = usize::from(u16::from_be_bytes(*take_array(rest)?));
    if !(1..=MAX_CREDENTIAL_ID_BYTES).contains(&length) {
        return Err(malformed("the credential id is not 1 to 1023 bytes long"));
    }
    let credential_id = take(rest, length)?;
    let (_, length) =
        cbor::parse_first(rest).map_err(|_| malformed("the public key is not canonical CBOR"))?;
    Ok(AttestedCredential { aaguid, credential_id, public_key_cose: take(rest, length)? })
}

/// Extension outputs: "a CBOR map with extension identifiers as keys". None is used, so none is kept.
fn take_extensions(rest: &mut &[u8]) -> Result<(), Malformed> {
    let (outputs, length) =
        cbor::parse_first(rest).map_err(|_| malformed("the extension data is not canonical CBOR"))?;
    let names_are_text =
        outputs.as_map().is_some_and(|outputs| outputs.iter().all(|(name, _)| name.is_text()));
    if !names_are_text {
        return Err(malformed("the extension data is not a map of names"));
    }
    take(rest, length).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{AuthenticatorData, Step, UserVerification};

    fn bytes(flags: u8, rest: &[u8]) -> Vec<u8> {
        // SHA-256("shop.example"), computed with Python.
        let hash = [
            0x0f, 0x59, 0x46, 0x3c, 0x60, 0x6c, 0x5b, 0x0e, 0x5d, 0x3d, 0xa8, 0x1f, 0x36, 0xe3, 0xf7, 0xc1,
            0x75, 0xac, 0x23, 0x0c, 0x60, 0xe7, 0x5c, 0x21, 0x44, 0xce, 0x3b, 0x75, 0x22, 0x47, 0x60, 0x7c,
        ];
        [&hash[..], &[flags, 0, 0, 1, 2], rest].concat()
    }

    fn attested(credential_id_bytes: usize) -> Vec<u8> {
        let length = u16::try_from(credential_id_bytes).unwrap().to_be_bytes();
        [&[7; 16][..], &length, &vec![9; credential_id_bytes], &[0xa1, 0x01, 0x02]].concat()
    }

    #[test]
    fn each_part_is_read_where_the_flags_say() {
        let plain = bytes(0x05, &[]);
        let data = AuthenticatorData::parse(&plain).unwrap();
        assert_eq!((data.sign_count, data.attested), (258, None));
        assert!(data.flags.user_present() && data.flags.user_verified());
        assert!(!data.flags.backup_eligible() && !data.flags.backed_up());

        for length in [1, 1023] {
            let whole = bytes(0xc1, &[&attested(length)[..], &[0xa1, 0x61, b'x', 0xf5]].concat());
            let credential = AuthenticatorData::parse(&whole).unwrap().attested.unwrap();
            assert_eq!(credential.aaguid, &[7; 16]);
            assert_eq!(credential.credential_id, vec![9; length]);
            assert_eq!(credential.public_key_cose, [0xa1, 0x01, 0x02]);
        }
    }

    #[test]
    fn bytes_and_flags_that_disagree_are_refused() {
        for (flags, rest, why) in [
            (0x01, vec![0x00], "a byte too many"),
            (0x01, vec![0xa0], "extension data without the flag"),
            (0x01, attested(16), "a credential without the flag"),
            (0x41, vec![], "the flag without a credential"),
            (0x41, attested(0), "an empty credential id"),
            (0x41, attested(1024), "a credential id of 1024 bytes"),
            (0x41, attested(16)[..20].to_vec(), "a credential that ends early"),
            (
                0x41,
                [&attested(16)[..], &[0xa0]].concat(),
                "extension data after the credential without the flag",
            ),
            (0xc1, attested(16), "the flag without extension data after the credential"),
            (0x81, vec![], "the flag without extension data"),
            (0x81, vec![0x80], "extension data that is not a map"),
            (0x81, vec![0xa1, 0x01, 0x02], "extension data with a number for a name"),
            (0x81, vec![0xa2, 0x61, b'x', 0xf5, 0x61, b'x', 0xf5], "an extension twice"),
            (0x81, vec![0xb8, 0x00], "extension data that is not canonical"),
            (0x81, vec![0xa0, 0x00], "a byte after the extension data"),
            (0x03, vec![], "RFU1"),
            (0x21, vec![], "RFU2"),
        ] {
            assert!(AuthenticatorData::parse(&bytes(flags, &rest)).is_err(), "{why}");
        }
        let whole = bytes(0x01, &[]);
        for length in 0..whole.len() {
            assert!(AuthenticatorData::parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn each_flag_that_matters_has_its_step() {
        let check = |flags, rp_id: &str, required| {
            AuthenticatorData::parse(&bytes(flags, &[])).unwrap().check(rp_id, required)
        };
        let (required, preferred) = (UserVerification::Required, UserVerification::Preferred);
        assert_eq!(check(0x05, "shop.example", required), Ok(()));
        assert_eq!(check(0x01, "shop.example", preferred), Ok(()));
        assert_eq!(check(0x1d, "shop.example", required), Ok(()));
        assert_eq!(check(0x05, "example", required), Err(Step::RpIdHash));
        assert_eq!(check(0x04, "shop.example", required), Err(Step::UserPresent));
        assert_eq!(check(0x01, "shop.example", required), Err(Step::UserVerified));
        assert_eq!(check(0x15, "shop.example", required), Err(Step::BackupState));
    }
}
