//! What the browser hands back (sections 5.1 and 5.2), read strictly and borrowed from the JSON text.
//!
//! Members that nothing is derived from (`publicKey`, `authenticatorData` of a registration, ...) are copies of what the
//! signed structures say; they are skipped so that nobody can be led to use an unsigned copy.

use std::borrow::Cow;

use serde::de::{Error, MapAccess};

use super::{super::object, PUBLIC_KEY, Transport};
use object::{Members, Object, Text};

/// More transports than exist.
const MAX_TRANSPORTS: usize = 16;

/// The answer to a sign-in. Byte strings are still unpadded base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationResponseJSON<'a> {
    /// The credential id. `rawId` is the same text, or the answer was refused.
    pub id: Cow<'a, str>,
    /// What the authenticator made.
    pub response: AuthenticatorAssertionResponseJSON<'a>,
}

/// What the authenticator made at sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatorAssertionResponseJSON<'a> {
    /// The client data, JSON inside base64url.
    pub client_data_json: Cow<'a, str>,
    /// The authenticator data.
    pub authenticator_data: Cow<'a, str>,
    /// The signature over both.
    pub signature: Cow<'a, str>,
    /// The account, as the authenticator remembers it.
    pub user_handle: Option<Cow<'a, str>>,
}

/// The answer to a registration. Byte strings are still unpadded base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationResponseJSON<'a> {
    /// The credential id. `rawId` is the same text, or the answer was refused.
    pub id: Cow<'a, str>,
    /// What the authenticator made.
    pub response: AuthenticatorAttestationResponseJSON<'a>,
    /// `credProps.rk`: whether the passkey is discoverable, where the browser says so.
    pub resident_key: Option<bool>,
}

/// What the authenticator made at registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatorAttestationResponseJSON<'a> {
    /// The client data, JSON inside base64url.
    pub client_data_json: Cow<'a, str>,
    /// The attestation object, CBOR inside base64url.
    pub attestation_object: Cow<'a, str>,
    /// How the authenticator was reached. Words that the specification does not have are left out.
    pub transports: Vec<Transport>,
}

impl<'a> AuthenticationResponseJSON<'a> {
    /// Reads an answer. Members of other names are skipped; a name that comes twice is refused.
    ///
    /// # Errors
    /// The parser's: not JSON, a member missing or of another type, a `type` other than `public-key`, `rawId` unlike `id`.
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        let Object(credential) = serde_json::from_str::<Object<Credential<'a, Assertion<'a>>>>(json)?;
        let (id, response, _) = credential.check()?;
        Ok(Self {
            id,
            response: AuthenticatorAssertionResponseJSON {
                client_data_json: required(response.client_data_json, "clientDataJSON")?,
                authenticator_data: required(response.authenticator_data, "authenticatorData")?,
                signature: required(response.signature, "signature")?,
                user_handle: response.user_handle,
            },
        })
    }
}

impl<'a> RegistrationResponseJSON<'a> {
    /// Reads an answer. Members of other names are skipped; a name that comes twice is refused.
    ///
    /// # Errors
    /// The parser's: not JSON, a member missing or of another type, a `type` other than `public-key`, `rawId` unlike `id`.
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        let Object(credential) = serde_json::from_str::<Object<Credential<'a, Attestation<'a>>>>(json)?;
        let (id, response, extensions) = credential.check()?;
        Ok(Self {
            id,
            response: AuthenticatorAttestationResponseJSON {
                client_data_json: required(response.client_data_json, "clientDataJSON")?,
                attestation_object: required(response.attestation_object, "attestationObject")?,
                transports: response.transports,
            },
            resident_key: extensions.cred_props.resident_key,
        })
    }
}

/// `PublicKeyCredential` as JSON, before its parts are known to be there.
struct Credential<'a, R> {
    id: Option<Cow<'a, str>>,
    raw_id: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    response: Option<R>,
    extensions: ExtensionResults,
}

impl<R> Default for Credential<'_, R> {
    fn default() -> Self {
        Self { id: None, raw_id: None, kind: None, response: None, extensions: ExtensionResults::default() }
    }
}

impl<'a, R> Credential<'a, R> {
    fn check(self) -> Result<(Cow<'a, str>, R, ExtensionResults), serde_json::Error> {
        let id = required(self.id, "id")?;
        if required(self.raw_id, "rawId")? != id {
            return Err(Error::custom("rawId is not id"));
        }
        if required(self.kind, "type")? != PUBLIC_KEY {
            return Err(Error::custom("type is not public-key"));
        }
        Ok((id, required(self.response, "response")?, self.extensions))
    }
}

fn required<T>(member: Option<T>, name: &'static str) -> Result<T, serde_json::Error> {
    member.ok_or_else(|| Error::missing_field(name))
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    map.next_value::<Text<'de>>().map(|Text(text)| Some(text))
}

impl<'de, R: Members<'de>> Members<'de> for Credential<'de, R> {
    const NAME: &'static str = "a PublicKeyCredential in JSON";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        match name {
            "id" => self.id = text(value)?,
            "rawId" => self.raw_id = text(value)?,
            "type" => self.kind = text(value)?,
            "response" => self.response = Some(value.next_value::<Object<R>>()?.0),
            "clientExtensionResults" => self.extensions = value.next_value::<Object<ExtensionResults>>()?.0,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Assertion<'a> {
    client_data_json: Option<Cow<'a, str>>,
    authenticator_data: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    user_handle: Option<Cow<'a, str>>,
}

impl<'de> Members<'de> for Assertion<'de> {
    const NAME: &'static str = "an AuthenticatorAssertionResponse in JSON";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        match name {
            "clientDataJSON" => self.client_data_json = text(value)?,
            "authenticatorData" => self.authenticator_data = text(value)?,
            "signature" => self.signature = text(value)?,
            // Level 2 browsers and polyfills write null where Level 3 leaves the member out.
            "userHandle" => {
                self.user_handle = value.next_value::<Option<Text<'de>>>()?.map(|Text(text)| text);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Attestation<'a> {
    client_data_json: Option<Cow<'a, str>>,
    attestation_object: Option<Cow<'a, str>>,
    transports: Vec<Transport>,
}

impl<'de> Members<'de> for Attestation<'de> {
    const NAME: &'static str = "an AuthenticatorAttestationResponse in JSON";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        match name {
            "clientDataJSON" => self.client_data_json = text(value)?,
            "attestationObject" => self.attestation_object = text(value)?,
            "transports" => {
                let words = value.next_value::<Vec<Text<'de>>>()?;
                if words.len() > MAX_TRANSPORTS {
                    return Err(Error::custom("more transports than there are"));
                }
                for transport in words.iter().filter_map(|Text(word)| Transport::from_wire(word)) {
                    if !self.transports.contains(&transport) {
                        self.transports.push(transport);
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct ExtensionResults {
    cred_props: CredProps,
}

impl<'de> Members<'de> for ExtensionResults {
    const NAME: &'static str = "AuthenticationExtensionsClientOutputs in JSON";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        match name {
            "credProps" => self.cred_props = value.next_value::<Object<CredProps>>()?.0,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct CredProps {
    resident_key: Option<bool>,
}

impl<'de> Members<'de> for CredProps {
    const NAME: &'static str = "CredentialPropertiesOutput";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        match name {
            "rk" => self.resident_key = Some(value.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}
