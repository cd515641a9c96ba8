//! What a witness remembers between two runs.

use serde::{Deserialize, Serialize};

use super::{ChainHash, Epoch, EventID};
use crate::protocol::{AppID, stream::SignedHead};

/// How far a [`Witness`](super::Witness) has read, and what the log was then. A log that says otherwise later has been
/// rewritten.
///
/// Keep it where the server cannot change it. It holds no secret.
///
/// ```
/// use passkey_accounts::log::Checkpoint;
///
/// let text = r#"{"appID":"app_081040g2081040g2081040g208","position":"k3f9-1042-Q7hB2cX0"}"#;
/// let checkpoint: Checkpoint = serde_json::from_str(text)?;
/// assert_eq!(checkpoint.position.seq, 1042);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Whose log.
    #[serde(rename = "appID", default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<AppID>,
    /// The last position. A stream may resume after it.
    pub position: EventID,
    /// The whole hash at the position, where it is known. A view of some types knows it at bookmarks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ChainHash>,
    /// The newest signed head that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<SignedHead>,
    /// The lineage that somebody has agreed to go on with after the log was restored from a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Epoch>,
    /// Lineages that were left, the last positions in them. They never come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<EventID>,
}

impl Checkpoint {
    /// The same, agreeing that the log goes on in another lineage: an operator has restored a backup, and said so to
    /// you, not only to this program. What the log said after the backup was made is given up with it.
    #[must_use]
    pub fn accept(mut self, epoch: Epoch) -> Self {
        self.accepted = Some(epoch);
        self
    }
}
