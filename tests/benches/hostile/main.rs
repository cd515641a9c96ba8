//! People who sign in while others misbehave, in as many ways as we know: how long they wait, and how large the server gets.
//!
//! `cargo bench -p passkey-accounts-tests --bench hostile`. Server, people and those who misbehave are a process each. The
//! server is a release build with TLS and SQLite as it is installed; every kind of misbehaviour meets a new one, once with
//! the limits by address that it has by default and once without. The quiet runs before are the yardstick: all three
//! share the machine's cores.

#[cfg(target_os = "linux")]
mod attack;
#[cfg(target_os = "linux")]
mod people;
#[cfg(target_os = "linux")]
mod server;

#[cfg(target_os = "linux")]
fn main() {
    let role = std::env::var(server::ROLE);
    let mut builder = match role.as_deref() {
        // Whoever is far away has one core of ours at most.
        Ok("attack") => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    server::raise_open_files();
    let runtime = builder.enable_all().build().expect("a runtime");
    match role.as_deref() {
        Ok("attack") => runtime.block_on(attack::run()),
        Ok(_) => runtime.block_on(server::serve()),
        Err(_) => runtime.block_on(people::measure()),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!(
        "needs Linux: everybody comes from an address of their own, and /proc says how large the server is"
    );
}
