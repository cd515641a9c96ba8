//! The JSON forms of WebAuthn Level 3 (section 5.1), under the specification's names: options here, answers in `response`.

mod response;

use serde::{Deserialize, Serialize};

pub use response::{
    AuthenticationResponseJSON, AuthenticatorAssertionResponseJSON, AuthenticatorAttestationResponseJSON,
    RegistrationResponseJSON,
};

use super::base64url::Base64Url;

/// The only value of `type` that a credential has.
pub const PUBLIC_KEY: &str = "public-key";

/// What `navigator.credentials.create` is asked for (section 5.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyCredentialCreationOptionsJSON {
    /// Who asks.
    pub rp: PublicKeyCredentialRpEntity,
    /// For whom.
    pub user: PublicKeyCredentialUserEntityJSON,
    /// 32 bytes.
    pub challenge: Base64Url,
    /// Algorithms, the preferred first.
    pub pub_key_cred_params: Vec<PublicKeyCredentialParameters>,
    /// How long the person may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Passkeys that the account has; an authenticator holding one of them makes no second.
    #[serde(default)]
    pub exclude_credentials: Vec<PublicKeyCredentialDescriptorJSON>,
    /// What the authenticator must do.
    pub authenticator_selection: AuthenticatorSelectionCriteria,
    /// Which authenticators the browser should offer first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
    /// Whether the authenticator's model must be proved.
    #[serde(default)]
    pub attestation: AttestationConveyance,
    /// Extensions asked for.
    #[serde(default)]
    pub extensions: RegistrationExtensions,
}

/// What `navigator.credentials.get` is asked for (section 5.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyCredentialRequestOptionsJSON {
    /// 32 bytes.
    pub challenge: Base64Url,
    /// How long the person may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// The RP ID.
    pub rp_id: String,
    /// The passkeys that may answer.
    #[serde(default)]
    pub allow_credentials: Vec<PublicKeyCredentialDescriptorJSON>,
    /// Whether the person must be checked.
    #[serde(default)]
    pub user_verification: UserVerification,
}

/// The relying party (section 5.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyCredentialRpEntity {
    /// The RP ID: the origin's host or a registrable parent of it.
    pub id: String,
    /// For people.
    pub name: String,
}

/// The account (section 5.4.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyCredentialUserEntityJSON {
    /// The user handle, 1 to 64 bytes, without personal information.
    pub id: Base64Url,
    /// Shown in the platform's list of passkeys.
    pub name: String,
    /// Shown in prompts.
    pub display_name: String,
}

/// One kind of key that is accepted (section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyCredentialParameters {
    /// Always `public-key`.
    #[serde(rename = "type")]
    pub kind: CredentialType,
    /// The signature algorithm.
    pub alg: Algorithm,
}

/// Names a passkey (section 5.8.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyCredentialDescriptorJSON {
    /// Always `public-key`.
    #[serde(rename = "type")]
    pub kind: CredentialType,
    /// The credential id, 1 to 1023 bytes.
    pub id: Base64Url,
    /// How the authenticator was reached when the passkey was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<Transport>,
}

/// What the authenticator must do (section 5.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticatorSelectionCriteria {
    /// Whether the device remembers whom the passkey belongs to.
    pub resident_key: ResidentKey,
    /// Whether the person must be checked.
    pub user_verification: UserVerification,
}

/// Extensions asked for at registration (section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationExtensions {
    /// Asks whether the passkey came out discoverable (section 10.1.3).
    #[serde(default)]
    pub cred_props: bool,
}

/// The type of a credential (section 5.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CredentialType {
    /// `public-key`
    #[default]
    #[serde(rename = "public-key")]
    PublicKey,
}

/// A signature algorithm, by its COSE number (section 5.8.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "i64", try_from = "i64")]
pub enum Algorithm {
    /// -7: ECDSA on P-256 with SHA-256.
    Es256,
    /// -8: Ed25519.
    EdDsa,
    /// -257: RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 4096 bits.
    Rs256,
}

impl Algorithm {
    /// Every algorithm that this version verifies, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The number of the IANA COSE registry.
    pub const fn cose(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }

    /// The algorithm with this COSE number, if it is one of ours.
    pub const fn from_cose(number: i64) -> Option<Self> {
        match number {
            -7 => Some(Self::Es256),
            -8 => Some(Self::EdDsa),
            -257 => Some(Self::Rs256),
            _ => None,
        }
    }
}

impl From<Algorithm> for i64 {
    fn from(algorithm: Algorithm) -> Self {
        algorithm.cose()
    }
}

impl TryFrom<i64> for Algorithm {
    type Error = &'static str;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        Self::from_cose(number).ok_or("not an algorithm that is offered")
    }
}

/// How a browser reaches an authenticator (section 5.8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A removable key.
    Usb,
    /// A tap.
    Nfc,
    /// Bluetooth.
    Ble,
    /// A contact smart card.
    SmartCard,
    /// A phone next to the computer.
    Hybrid,
    /// Built into the device.
    Internal,
}

impl Transport {
    /// Every transport of the specification.
    pub const ALL: [Self; 6] =
        [Self::Usb, Self::Nfc, Self::Ble, Self::SmartCard, Self::Hybrid, Self::Internal];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usb => "usb",
            Self::Nfc => "nfc",
            Self::Ble => "ble",
            Self::SmartCard => "smart-card",
            Self::Hybrid => "hybrid",
            Self::Internal => "internal",
        }
    }

    /// The transport with this word on the wire.
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.as_str() == word)
    }
}

/// Whether the authenticator must check the person (section 5.8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserVerification {
    /// A finger, a face or a PIN; a touch is not enough.
    Required,
    /// If the device can; a touch is enough.
    #[default]
    Preferred,
}

/// Whether the device should remember whom the passkey belongs to (section 5.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResidentKey {
    /// Rather not.
    Discouraged,
    /// If it can.
    Preferred,
}

/// Whether the authenticator's model must be proved (section 5.4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttestationConveyance {
    /// No.
    #[default]
    None,
    /// Yes, by its maker, as the authenticator says it. Browsers ask the person first.
    Direct,
}

/// Which authenticators the browser should offer first (section 5.8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    /// One that is plugged in or held near.
    SecurityKey,
}

#[cfg(test)]
mod tests {
    use super::{
        Algorithm, PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON, Transport,
    };

    #[test]
    fn creation_options_read_back_as_the_specification_writes_them() {
        let json = concat!(
            r#"{"rp":{"id":"shop.example","name":"Shop"},"user":{"id":"AQ","name":"you","displayName":"you"},"#,
            r#""challenge":"AAAA","pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"public-key","alg":-257}],"#,
            r#""timeout":60000,"excludeCredentials":[{"type":"public-key","id":"AQ","transports":["smart-card"]}],"#,
            r#""authenticatorSelection":{"residentKey":"discouraged","userVerification":"required"},"#,
            r#""attestation":"none","extensions":{"credProps":true}}"#
        );
        let options: PublicKeyCredentialCreationOptionsJSON = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&options).unwrap(), json);
    }

    #[test]
    fn request_options_read_back_as_the_specification_writes_them() {
        let json = concat!(
            r#"{"challenge":"AAAA","timeout":60000,"rpId":"shop.example","#,
            r#""allowCredentials":[{"type":"public-key","id":"AQ"}],"userVerification":"required"}"#
        );
        let options: PublicKeyCredentialRequestOptionsJSON = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&options).unwrap(), json);
    }

    #[test]
    fn words_and_numbers_read_back() {
        for transport in Transport::ALL {
            assert_eq!(Transport::from_wire(transport.as_str()), Some(transport));
            assert_eq!(serde_json::to_value(transport).unwrap(), transport.as_str());
        }
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_cose(algorithm.cose()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_cose(-35), None);
    }
}
