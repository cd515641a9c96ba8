//! Failures as JavaScript errors.

use js_sys::{Array, Function};
use passkey_accounts::protocol::{Code, gateway::Failure};
use wasm_bindgen::JsValue;

/// Makes errors with the package's own `PasskeyError` class, which lives in TypeScript.
#[derive(Clone)]
pub(crate) struct ErrorMaker(pub(crate) Function);

impl ErrorMaker {
    /// `cause` is what the browser threw, if it did.
    pub(crate) fn make(&self, failure: &Failure, cause: &JsValue) -> JsValue {
        let retry_after_ms = failure.retry_after_ms.map_or(JsValue::UNDEFINED, number);
        let retryable =
            Code::from_wire(&failure.code).map_or(failure.retry_after_ms.is_some(), Code::is_retryable);
        let arguments = Array::of5(
            &failure.code.as_str().into(),
            &failure.message.as_str().into(),
            &retryable.into(),
            &retry_after_ms,
            cause,
        );
        self.0.apply(&JsValue::UNDEFINED, &arguments).unwrap_or_else(|thrown| thrown)
    }

    pub(crate) fn of(&self, code: Code, cause: &JsValue) -> JsValue {
        self.make(&code.into(), cause)
    }
}

/// Milliseconds and the like, which JavaScript holds exactly.
#[expect(clippy::cast_precision_loss, reason = "times and waits are far below 2^53")]
pub(crate) fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use passkey_accounts::protocol::{Code, gateway::EndReason};

    /// The string literals of the union type `name` in a TypeScript file.
    fn union(source: &str, name: &str) -> BTreeSet<String> {
        let (_, after) = source.split_once(&format!("export type {name} =")).unwrap();
        let (body, _) = after.split_once(';').unwrap();
        body.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn typescript_knows_exactly_the_codes_of_the_table() {
        let codes = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
        assert_eq!(union(include_str!("../npm/src/error.ts"), "Code"), codes);
    }

    #[test]
    fn typescript_knows_exactly_the_reasons_of_a_sessions_end() {
        let known = EndReason::ALL.into_iter().chain([EndReason::Other]);
        let reasons = known.map(|reason| reason.as_str().to_owned()).collect();
        assert_eq!(union(include_str!("../npm/src/state.ts"), "EndReason"), reasons);
    }
}
