//! `control`: a server and what can be done to it, for working on tests in another language. Prints what they get in their
//! environment, obeys what is posted, and ends when it is killed.

use passkey_accounts_tests::{build::served_binary, control::Control};

#[tokio::main]
async fn main() {
    let control = Control::start(served_binary().to_owned()).await;
    for (name, value) in control.environment() {
        println!("export {name}={value}");
    }
    control.obey_until(std::future::pending::<()>()).await;
}
