//! `<passkey-login>` on a page, as a person uses it.

use passkey_accounts_tests::chromium::Page;

/// The element, in JavaScript.
pub(super) const LOGIN: &str = "document.querySelector('passkey-login')";

/// Waits until the element shows this screen.
pub(super) async fn wait_for_screen(page: &Page, screen: &str) {
    page.evaluate("customElements.whenDefined('passkey-login').then(() => 0)").await.unwrap();
    page.wait_until(&format!("{LOGIN}.screen === '{screen}'")).await.unwrap();
}

/// Types into the form that is shown, and sends it off.
pub(super) async fn submit(page: &Page, text: &str) {
    // Not while the connection is being made anew.
    let ready = format!("{LOGIN}.shadowRoot.querySelector('form button')?.ariaDisabled === null");
    page.wait_until(&ready).await.unwrap();
    let script = format!(
        "(() => {{
            const form = {LOGIN}.shadowRoot.querySelector('form');
            const input = form.querySelector('input');
            input.value = '{text}';
            input.dispatchEvent(new InputEvent('input', {{ bubbles: true }}));
            form.querySelector('button').click();
        }})()"
    );
    page.evaluate(&script).await.unwrap();
}
