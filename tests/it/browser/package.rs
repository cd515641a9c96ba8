//! The built package outside a browser.

use tokio::process::Command;

use super::dist;

#[tokio::test]
async fn importing_the_package_on_a_server_does_nothing_and_connecting_says_why() {
    let script = "
        const before = Object.getOwnPropertyNames(globalThis).length;
        const sdk = await import('./index.js');
        const after = Object.getOwnPropertyNames(globalThis).length;
        const error = await sdk.connect({ app: 'app_x' }).catch((error) => error);
        console.log(JSON.stringify([Object.keys(sdk).sort(), after - before, error instanceof sdk.PasskeyError, error.code]));
    ";
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", script]).current_dir(dist());
    let output = node.output().await.expect("Node is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        r#"[["PasskeyError","connect"],0,true,"notSupported"]"#
    );
}
