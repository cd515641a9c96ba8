//! What the operator's server says on the wire, to somebody who looks for weaknesses.

use passkey_accounts_tests::build;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::serve::{serve, start_mail_server};

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_scanner_finds_nothing_that_a_modern_server_should_not_have() {
    let (mail_port, _mails) = start_mail_server();
    let served = serve(mail_port);
    let mut scan = Command::new(build::scanner());
    scan.args(["-m", "sslyze", "--mozilla_config=modern", "--http_headers", "--json_out=-"])
        .arg(format!("localhost:{}", served.port));
    let output = scan.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&said[said.find('{').unwrap()..]).unwrap();
    let found = &report["server_scan_results"][0]["scan_result"];
    let result = |scan: &str| found[scan]["result"].clone();
    assert_eq!(result("tls_1_3_cipher_suites")["is_tls_version_supported"], true, "{report}");
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2"] {
        assert_eq!(result(&format!("{old}_cipher_suites"))["is_tls_version_supported"], false, "{old}");
    }
    assert_eq!(result("heartbleed")["is_vulnerable_to_heartbleed"], false);
    assert_eq!(result("tls_compression")["supports_compression"], false);
    let hsts = &result("http_headers")["strict_transport_security_header"];
    assert_eq!(
        *hsts,
        json!({ "max_age": 63_072_000, "preload": false, "include_subdomains": true }),
        "{}",
        found["http_headers"]
    );
}
