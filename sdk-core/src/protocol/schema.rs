//! What the wire's own kinds of text look like in the OpenAPI document.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use super::{AccountID, AppID, ConnectionID, PasskeyID, SessionID, UnixMillis, base64url::Base64Url};

macro_rules! ids {
    ($($name:ident $pattern:literal)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text().pattern(Some($pattern)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

ids! {
    AppID "^app_[0-9a-v]{26}$"
    AccountID "^acct_[0-9a-v]{26}$"
    PasskeyID "^pk_[0-9a-v]{26}$"
    SessionID "^ses_[0-9a-v]{26}$"
    ConnectionID "^con_[0-9a-v]{26}$"
    Base64Url "^[A-Za-z0-9_-]*$"
}

impl PartialSchema for UnixMillis {
    fn schema() -> RefOr<Schema> {
        text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
    }
}

impl ToSchema for UnixMillis {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Time")
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
