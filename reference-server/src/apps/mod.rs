//! Apps: the customer sites that this server signs people in to, and the origins their pages may have.

mod origin;
mod registry;

use passkey_accounts::protocol::{
    AppID,
    gateway::{Policy, RecoveryPolicy},
};

pub use origin::{NotAnOrigin, Origin};
pub use registry::Apps;

/// One customer site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Names it.
    pub app_id: AppID,
    /// For people.
    pub name: String,
    /// The WebAuthn RP ID: the domain that its passkeys belong to.
    pub rp_id: String,
    /// Where its pages may be. Compared as whole strings.
    pub origins: Vec<Origin>,
    /// How passkeys are asked for.
    pub policy: Policy,
    /// How long the recovery of an account waits, in milliseconds, at least 24 hours; `None`: accounts are recovered by
    /// another passkey only.
    pub recovery_hold_ms: Option<u64>,
}

impl App {
    /// An app whose origins all lie within its RP ID.
    ///
    /// # Errors
    /// [`BadApp`] says what does not fit.
    pub fn new(
        app_id: AppID,
        name: String,
        rp_id: String,
        origins: Vec<Origin>,
        policy: Policy,
    ) -> Result<Self, BadApp> {
        if name.trim().is_empty() || name.len() > 64 {
            return Err(BadApp::Name);
        }
        if origins.is_empty() {
            return Err(BadApp::NoOrigin);
        }
        for origin in &origins {
            if !origin.is_within(&rp_id) {
                return Err(BadApp::ForeignOrigin { origin: origin.to_string(), rp_id });
            }
        }
        Ok(Self { app_id, name, rp_id, origins, policy, recovery_hold_ms: None })
    }

    /// Whether accounts can be recovered by a code.
    pub const fn recovery(&self) -> RecoveryPolicy {
        match self.recovery_hold_ms {
            None => RecoveryPolicy::PasskeyOnly,
            Some(_) => RecoveryPolicy::RecoveryCode,
        }
    }

    /// The app's origin that equals the header, if it has it.
    pub fn origin(&self, header: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.as_str() == header)
    }
}

/// Why an app cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadApp {
    /// No name, or a very long one.
    #[error("an app needs a name of 1 to 64 bytes")]
    Name,
    /// Nowhere to sign in.
    #[error("an app needs at least one origin, for example https://shop.example")]
    NoOrigin,
    /// A browser would refuse passkeys of that RP ID there.
    #[error("{origin} is not within the RP ID {rp_id}: its host must be {rp_id} or end in .{rp_id}")]
    ForeignOrigin {
        /// The origin.
        origin: String,
        /// The RP ID.
        rp_id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::{App, BadApp, Policy};
    use passkey_accounts::protocol::AppID;

    fn app(rp_id: &str, origins: &[&str]) -> Result<App, BadApp> {
        let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        App::new(AppID::from_bytes([1; 16]), "Shop".into(), rp_id.into(), origins, Policy::Strict)
    }

    #[test]
    fn origins_lie_within_the_rp_id() {
        assert!(app("shop.example", &["https://shop.example", "https://www.shop.example:8443"]).is_ok());
        assert!(matches!(
            app("shop.example", &["https://evilshop.example"]),
            Err(BadApp::ForeignOrigin { .. })
        ));
        assert!(matches!(
            app("www.shop.example", &["https://shop.example"]),
            Err(BadApp::ForeignOrigin { .. })
        ));
        assert_eq!(app("shop.example", &[]), Err(BadApp::NoOrigin));
    }

    #[test]
    fn origins_are_compared_as_whole_strings() {
        let app = app("shop.example", &["https://shop.example"]).unwrap();
        assert!(app.origin("https://shop.example").is_some());
        for other in [
            "https://shop.example/",
            "https://shop.example:443",
            "http://shop.example",
            "HTTPS://shop.example",
            "null",
        ] {
            assert!(app.origin(other).is_none(), "{other}");
        }
    }
}
