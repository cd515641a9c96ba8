//! Accounts and their passkeys: registration, sign-in, what a signed-in person does with a gesture, removal, erasure and recovery,
//! each one transaction with its events.

mod browser;
mod erase;
mod gesture;
mod known;
mod passkey;
mod population;
mod recovery;
mod register;
mod rename;
mod sign_in;
mod used;

pub use browser::Browser;
pub use erase::{Removal, erase, remove_passkey};
pub use gesture::{Addition, Gesture, GestureError, add_passkey, confirm, remove_own_passkey};
pub use known::{KnownAccount, open_passkeys};
pub use passkey::{NotAName, Passkey, PasskeyName};
pub use population::{Look, Population, Populations};
pub use recovery::{
    CompleteError, Recoverable, approve_recovery, begin_recovery, cancel_recovery, complete_recovery,
    count_recoveries, make_recovery_code, until,
};
pub use register::{RegisterError, Registration, register};
pub use rename::{RenameError, rename_passkey};
pub use sign_in::{SignIn, SignInError, SignedIn, sign_in};
pub use used::Usage;
